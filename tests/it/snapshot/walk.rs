//! A link and a server that both do whatever they like, step by step.

use core::time::Duration;

use redial::{
    Action, Closure, ConnId, Established, Event, FirstPing, Heartbeat, Instant, IoKind, JitterKind,
    Limit, Link, Millis, Misuse, NetworkDown, OnResume, Pings, Policy, PolicyBuilder, Refresh,
    Refusal, Request, Rotation, Rule, Seed, Slot, SubKey, Suspension, Ticket, Verdict,
    WhenDegraded,
};
use redial_sim::Dice;

use super::{millis, secs};

pub(super) const KEYS: u32 = 6;

/// Policies that between them switch everything on.
pub(super) fn policies() -> Vec<Policy> {
    let base = || Policy::builder().attempts(Limit::new(4, secs(5)));
    let greets = || base().ready_within(Some(secs(5))).on_resume(OnResume::Kept);
    let rotates =
        |policy: PolicyBuilder| policy.rotate(Some(Rotation::new(secs(120), secs(60), secs(20))));
    let policies = [
        Policy::builder(),
        base().spread(Some(secs(60))).rule(Rule::code(4000, 4009, Verdict::RetrySoon)),
        base().jitter(JitterKind::Decorrelated).suspend(Some(Suspension::new(
            secs(60),
            secs(10),
            secs(40),
        ))),
        base().endpoints(3).prefer_first_after(secs(20)).jitter(JitterKind::Phase).growth_table(&[
            secs(1),
            secs(2),
            secs(10),
        ]),
        greets()
            .resume_failures(2)
            .fresh_sessions(&[Limit::new(1, secs(5)), Limit::new(20, secs(60))]),
        base().refresh(Refresh::OnRejection).rejections(4).rule(Rule::http(
            500,
            599,
            Verdict::Reauthenticate,
        )),
        rotates(base()).refresh(Refresh::EveryAttempt),
        rotates(greets()).endpoints(2).window(2),
        base()
            .give_up_attempts(Some(7))
            .give_up_outage(Some(secs(200)))
            .give_up_first_attempts(Some(3)),
        rotates(base())
            .attempts_long(Some(Limit::new(8, secs(60))))
            .window(1)
            .pace(Some(Limit::new(2, millis(300))))
            .timeouts(2)
            .when_degraded(WhenDegraded::Reconnect),
        greets()
            .network_down(NetworkDown::Probe)
            .subscription_retry(millis(500), secs(4))
            .heartbeat(Some(
                Heartbeat::new(secs(7), secs(4)).pings(Pings::Always).first(FirstPing::Jittered),
            )),
        rotates(greets()).start_within(secs(3)).when_degraded(WhenDegraded::Reconnect).timeouts(1),
    ];
    policies.into_iter().map(|policy| policy.build().expect("a right policy")).collect()
}

/// What a walk knows of what it was told.
#[derive(Clone, Default)]
pub(super) struct Seen {
    /// Every connection handed out.
    pub(super) conns: Vec<ConnId>,
    dialled: Option<ConnId>,
    greeted: Option<ConnId>,
    unanswered: Vec<(ConnId, Request)>,
    ticket: u64,
    asked: bool,
}

impl Seen {
    pub(super) fn note(&mut self, action: &Action) {
        match *action {
            Action::Open { conn, .. } => {
                self.conns.push(conn);
                self.dialled = Some(conn);
            }
            Action::Subscribe { conn, request } | Action::Unsubscribe { conn, request } => {
                self.unanswered.push((conn, request));
            }
            Action::RefreshCredentials { ticket } => {
                (self.ticket, self.asked) = (ticket.get(), true);
            }
            _ => {}
        }
    }

    /// Mostly the newest connection, or the one before.
    fn conn(&self, dice: &mut Dice) -> ConnId {
        let back = [0, 0, 0, 0, 1, 1, 2, 3][usize::try_from(dice.below(8)).unwrap()];
        let index = self.conns.len().saturating_sub(1 + back);
        self.conns.get(index).copied().unwrap_or(ConnId::new(1))
    }

    /// The answer that is waited for, if any is.
    fn answer(&mut self, dice: &mut Dice) -> Option<Event> {
        let span = Millis::new(1 << dice.below(20));
        let optional = dice.chance(50).then_some(span);
        if core::mem::take(&mut self.asked) {
            let ticket = Ticket::new(self.ticket);
            return Some(Event::CredentialsReady { ticket, lasts: optional });
        }
        if let Some(conn) = self.dialled.take() {
            self.greeted = Some(conn);
            return Some(Event::Opened { conn });
        }
        if let Some(conn) = self.greeted.take() {
            let fresh = dice.chance(30);
            let session = if fresh { Established::Fresh } else { Established::Resumed };
            return Some(Event::Ready { conn, session, resumable: dice.chance(80) });
        }
        if self.unanswered.is_empty() {
            return None;
        }
        let (conn, request) = self.unanswered.remove(0);
        Some(match dice.below(10) {
            0 => Event::Refused { conn, request, refusal: Refusal::Final },
            1 | 2 => Event::Refused { conn, request, refusal: Refusal::Retry(optional) },
            _ => Event::Acked { conn, request },
        })
    }
}

/// Something that may happen next: mostly what is waited for.
pub(super) fn any_event(dice: &mut Dice, seen: &mut Seen) -> Event {
    if dice.chance(60) {
        if let Some(answer) = seen.answer(dice) {
            return answer;
        }
    }
    let conn = seen.conn(dice);
    let key = SubKey::new(u32::try_from(dice.below(u64::from(KEYS))).unwrap());
    let span = Millis::new(1 << dice.below(20));
    let optional = dice.chance(50).then_some(span);
    match dice.below(64) {
        0 => Event::Stop,
        1..=3 => Event::Start,
        4 => Event::RetryNow,
        5 => Event::Pause,
        6..=8 => Event::Resume,
        9 => Event::NetworkDown,
        10..=12 => Event::NetworkUp,
        13 => Event::Negotiated { conn, heartbeat: optional, spread: optional },
        14 => Event::GoAway { conn, within: span },
        15 => Event::SessionLost { conn },
        16..=18 => Event::Rotate,
        19..=23 => Event::Subscribe { key },
        24..=27 => Event::Unsubscribe { key },
        28 => Event::Resync { key },
        29..=32 => Event::Closed { conn, closure: any_closure(dice, span) },
        33 => Event::CredentialsFailed { ticket: Ticket::new(seen.ticket), fatal: dice.chance(10) },
        34 => Event::Opened { conn },
        35..=45 => Event::Received { conn },
        46 => {
            let request = Request { key, number: 1 + dice.below(4) };
            Event::Acked { conn, request }
        }
        _ => Event::TimerFired,
    }
}

fn any_closure(dice: &mut Dice, span: Millis) -> Closure {
    match dice.below(12) {
        0 => Closure::peer().verdict(Verdict::RetryWithin { from: span, to: Millis::new(60_000) }),
        1 => Closure::peer().code(1000),
        2 => Closure::peer().code(1012),
        3 => Closure::peer().code(1013),
        4 => Closure::peer().code(3000),
        5 => Closure::peer().http(503).retry_after(span.as_duration()),
        6 if dice.chance(20) => Closure::peer().http(403),
        7 => Closure::peer().code(4003),
        8 => Closure::local(),
        9 => Closure::peer().verdict(Verdict::FreshSession),
        _ => Closure::unknown().io(IoKind::Reset),
    }
}

/// How far the clock runs until the next step.
pub(super) fn any_delay(dice: &mut Dice, link: &Link<Vec<Slot>>, now: Instant) -> Duration {
    let due = link.deadline().map_or(Duration::ZERO, |at| at.saturating_since(now));
    match dice.below(24) {
        0..=7 => Duration::ZERO,
        8..=16 => dice.span(millis(200)),
        17..=21 => due,
        22 => due + dice.span(secs(8)),
        _ => dice.span(secs(90)),
    }
}

pub(super) fn cold(policy: Policy, seed: u64) -> Link<Vec<Slot>> {
    let slots = vec![Slot::EMPTY; usize::try_from(KEYS).unwrap()];
    Link::with_storage(policy, Seed::from_u64(seed), slots)
}

/// Tells an event and polls at most so often; not after misuse, which changes nothing, not even the
/// clock.
pub(super) fn step(
    link: &mut Link<Vec<Slot>>,
    now: Instant,
    event: Event,
    polls: u64,
) -> (Result<(), Misuse>, Vec<Action>) {
    let told = link.handle(now, event);
    let polls = if told.is_ok() { polls } else { 0 };
    let actions = (0..polls).map_while(|_| link.poll_action(now)).collect();
    (told, actions)
}
