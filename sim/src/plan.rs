//! Plans: a policy and what happens, as a fuzzer or a property test makes them up.

use core::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use redial::{
    Action, ConnId, Established, Event, Instant, Policy, Request, Seed, Session, SubKey, Ticket,
};

use crate::judge::Broken;
use crate::summary::Summary;
use crate::terms::Terms;
use crate::watched::Watched;

/// A policy, a seed, and what happens to a link of them.
///
/// It runs without a model of the network: reports come in any order, as a driver and a server that
/// are both mad would send them, and the judge watches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The link's policy.
    pub policy: Policy,
    /// The link's seed.
    pub seed: u64,
    /// How many keys it has room for.
    pub keys: u32,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
}

/// Something that happens to a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Arbitrary)]
#[allow(clippy::exhaustive_enums, reason = "it is made up by fuzzers, and read by nobody")]
pub enum Step {
    /// Time passes.
    Waits(Span),
    /// Time passes until the link's deadline, and the timer fires.
    Fires,
    /// The link is told this. Its numbers count back from the newest that was handed out.
    Hears(Event),
    /// What was asked for last is answered as one would wish.
    Helps,
    /// One action is fetched, if there is one.
    Polls,
    /// All actions are fetched.
    Drains,
}

/// How far the clock moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Arbitrary)]
#[allow(clippy::exhaustive_enums, reason = "it is made up by fuzzers, and read by nobody")]
pub enum Span {
    /// So many nanoseconds.
    Nanos(u16),
    /// So many milliseconds.
    Millis(u16),
    /// So many seconds.
    Secs(u32),
    /// It runs back by so many milliseconds.
    Back(u16),
    /// To just before the link's deadline.
    BeforeDeadline,
    /// So many milliseconds past the link's deadline.
    PastDeadline(u16),
}

impl<'a> Arbitrary<'a> for Plan {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let policy = if u.ratio(1, 4)? { Policy::new() } else { u.arbitrary()? };
        let (seed, keys) = (u.arbitrary()?, u.int_in_range(0..=12)?);
        Ok(Self { policy, seed, keys, steps: u.arbitrary()? })
    }
}

impl Plan {
    /// Runs the plan from its beginning, the judge beside the link.
    ///
    /// # Errors
    ///
    /// The first promise that was broken.
    pub fn run(&self) -> core::result::Result<Summary, Broken> {
        let mut run = Run::new(self);
        for step in &self.steps {
            if run.now > END {
                break;
            }
            run.take(*step);
            if let Some(broken) = run.link.broken() {
                return Err(broken.clone());
            }
        }
        run.take(Step::Drains);
        match run.link.broken() {
            None => Ok(run.link.summary()),
            Some(broken) => Err(broken.clone()),
        }
    }
}

/// The clock ends at 584 years, and what waits then waits for good: a plan ends well before.
const END: Instant = Instant::from_nanos(u64::MAX / 2);

struct Run {
    link: Watched,
    keys: u32,
    now: Instant,
    polled_at: Instant,
    conn: u64,
    ticket: u64,
    request: Option<Request>,
    asked: Option<Action>,
}

impl Run {
    fn new(plan: &Plan) -> Self {
        let terms = Terms::from(&plan.policy);
        let seed = Seed::from_u64(plan.seed);
        Self {
            link: Watched::new(plan.policy, terms, seed, plan.keys),
            keys: plan.keys,
            now: Instant::from_nanos(1_000_000_000),
            polled_at: Instant::ZERO,
            conn: 0,
            ticket: 0,
            request: None,
            asked: None,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Waits(span) => self.wait(span),
            Step::Fires => {
                self.now = self.now.max(self.link.deadline().unwrap_or(self.now));
                self.tell(Event::TimerFired);
            }
            Step::Hears(event) => self.tell(self.real(event)),
            Step::Helps => {
                if let Some(event) = self.asked.and_then(|action| answer(&action)) {
                    self.tell(event);
                }
            }
            Step::Polls => drop(self.poll()),
            Step::Drains => while self.poll() {},
        }
    }

    fn wait(&mut self, span: Span) {
        let deadline = self.link.deadline().unwrap_or(self.now);
        self.now = match span {
            Span::Nanos(nanos) => self.now.saturating_add(Duration::from_nanos(nanos.into())),
            Span::Millis(millis) => self.now.saturating_add(Duration::from_millis(millis.into())),
            Span::Secs(secs) => self.now.saturating_add(Duration::from_secs(secs.into())),
            Span::Back(millis) => {
                let back = u64::from(millis).saturating_mul(1_000_000);
                Instant::from_nanos(self.now.as_nanos().saturating_sub(back))
            }
            Span::BeforeDeadline => {
                self.now.max(Instant::from_nanos(deadline.as_nanos().saturating_sub(1)))
            }
            Span::PastDeadline(millis) => {
                self.now.max(deadline).saturating_add(Duration::from_millis(millis.into()))
            }
        };
    }

    /// A wrong number is misuse, which must change nothing; the judge looks at that, too. Whether a
    /// link saw the instant of a poll is its own business: no event comes before it.
    fn tell(&mut self, event: Event) {
        let _misuse = self.link.handle(self.now.max(self.polled_at), event);
    }

    fn poll(&mut self) -> bool {
        self.polled_at = self.polled_at.max(self.now);
        let Some(action) = self.link.poll_action(self.now) else { return false };
        match action {
            Action::Open { conn, .. } => self.conn = conn.get(),
            Action::RefreshCredentials { ticket } => self.ticket = ticket.get(),
            Action::Subscribe { request, .. } | Action::Unsubscribe { request, .. } => {
                self.request = Some(request);
            }
            Action::Close { .. }
            | Action::Ping { .. }
            | Action::Report(_)
            | Action::ArmTimer { .. }
            | Action::DisarmTimer => return true,
        }
        self.asked = Some(action);
        true
    }

    /// The event with its numbers counted back from the newest: most of them then name something.
    fn real(&self, event: Event) -> Event {
        let conn = |conn: ConnId| ConnId::new(back(self.conn, conn.get()));
        let ticket = |ticket: Ticket| Ticket::new(back(self.ticket, ticket.get()));
        let key = |key: SubKey| SubKey::new(key.get() % self.keys.saturating_add(1));
        let request = |request: Request| self.request.unwrap_or(request);
        match event {
            Event::Opened { conn: it } => Event::Opened { conn: conn(it) },
            Event::Ready { conn: it, session, resumable } => {
                Event::Ready { conn: conn(it), session, resumable }
            }
            Event::Received { conn: it } => Event::Received { conn: conn(it) },
            Event::Closed { conn: it, closure } => Event::Closed { conn: conn(it), closure },
            Event::Negotiated { conn: it, heartbeat, spread } => {
                Event::Negotiated { conn: conn(it), heartbeat, spread }
            }
            Event::GoAway { conn: it, within } => Event::GoAway { conn: conn(it), within },
            Event::SessionLost { conn: it } => Event::SessionLost { conn: conn(it) },
            Event::CredentialsReady { ticket: it, lasts } => {
                Event::CredentialsReady { ticket: ticket(it), lasts }
            }
            Event::CredentialsFailed { ticket: it, fatal } => {
                Event::CredentialsFailed { ticket: ticket(it), fatal }
            }
            Event::Subscribe { key: it } => Event::Subscribe { key: key(it) },
            Event::Unsubscribe { key: it } => Event::Unsubscribe { key: key(it) },
            Event::Resync { key: it } => Event::Resync { key: key(it) },
            Event::Acked { conn: it, request: asked } => {
                Event::Acked { conn: conn(it), request: request(asked) }
            }
            Event::Refused { conn: it, request: asked, refusal } => {
                Event::Refused { conn: conn(it), request: request(asked), refusal }
            }
            _ => event,
        }
    }
}

/// Mostly the newest, at times one of the last, rarely one that never was.
const fn back(newest: u64, number: u64) -> u64 {
    match number % 16 {
        0..=11 => newest,
        12..=14 => newest.saturating_sub(number / 16 % 8),
        _ => number,
    }
}

/// The answer that a friendly world gives.
const fn answer(action: &Action) -> Option<Event> {
    match *action {
        Action::Open { conn, session, .. } => {
            let session = match session {
                Session::Fresh => Established::Fresh,
                Session::Resume => Established::Resumed,
            };
            Some(Event::Ready { conn, session, resumable: true })
        }
        Action::RefreshCredentials { ticket } => {
            Some(Event::CredentialsReady { ticket, lasts: None })
        }
        Action::Subscribe { conn, request } | Action::Unsubscribe { conn, request } => {
            Some(Event::Acked { conn, request })
        }
        Action::Close { .. }
        | Action::Ping { .. }
        | Action::Report(_)
        | Action::ArmTimer { .. }
        | Action::DisarmTimer => None,
    }
}
