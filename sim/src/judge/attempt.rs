//! When an attempt may begin: the limits (P1), patience (P8), and what a loss counts (P12).

use core::time::Duration;

use redial::{Endpoint, Event, Halted, Instant, Millis, Session, Status, Verdict, WaitsFor};

use super::{Check, Promise, ROUNDING, broken, ensure, roughly};
use crate::terms::{Delay, Drawn, Meter, Terms};

/// The link's memory between connections, followed from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts {
    short: Meter,
    long: Meter,
    /// Failures in a row.
    count: u32,
    /// The same, a round over the endpoints counted as one.
    level: u32,
    /// Since `Start` or the last settled connection.
    rejections: u32,
    soon_used: bool,
    spread: Option<Duration>,
    /// What the last ready connection negotiated.
    negotiated: Option<Millis>,
    spread_used: bool,
    drawn: Drawn,
    suspended: bool,
    ever_ready: bool,
    outage: Outage,
    pub(super) wait: Option<Wait>,
}

/// Wanted time since the last settled connection or `Start`, less what was paused, offline or spent
/// on a ready connection.
#[derive(Clone, Copy, Debug, Default)]
struct Outage {
    spent: Duration,
    counted_to: Instant,
}

/// The wait for the next attempt: not before `from`; without limits and floor no later than `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wait {
    since: Instant,
    from: Instant,
    to: Instant,
    is_spread: bool,
    /// The endpoint that is dialled unless one is open by then.
    pub(super) endpoint: Endpoint,
    pub(super) session: Session,
    /// When it was seen to be over.
    pub(super) due_at: Option<Instant>,
}

/// What a wait may be for, and when it ends then: not before `from`, no later than `to`.
#[derive(Clone, Copy, Debug)]
struct Ground {
    by: WaitsFor,
    from: Instant,
    to: Instant,
}

/// How a connection, or an attempt that was not made yet, ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    pub(super) kind: Kind,
    pub(super) settled: bool,
    /// The link tries another endpoint before it counts a level.
    pub(super) round: bool,
    /// A successor is there to be the link's next attempt: nothing is waited for.
    pub(super) promotes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// By a report that means this.
    Closed(Verdict),
    /// By a deadline of its own.
    TimedOut,
    /// By `NetworkDown`: not a failure.
    Network,
    /// The policy asked for another connection because a key was given up.
    Degraded,
    /// Another connection was asked for.
    Moved,
    /// The server asked for another connection before this one was ready.
    SentAway,
    /// The server cannot resume the session.
    SessionLost,
    /// No credentials could be had, be it for good.
    Credentials { fatal: bool },
}

impl Kind {
    pub(super) const fn verdict(self) -> Verdict {
        match self {
            Self::Closed(verdict) => verdict,
            Self::SessionLost => Verdict::FreshSession,
            Self::TimedOut
            | Self::Network
            | Self::Degraded
            | Self::Moved
            | Self::SentAway
            | Self::Credentials { .. } => Verdict::Retry,
        }
    }
}

impl Attempts {
    /// `Start` takes effect.
    pub(super) fn start(
        &mut self,
        terms: &Terms,
        now: Instant,
        (endpoint, session): (Endpoint, Session),
    ) {
        (self.count, self.level) = (0, 0);
        self.outage = Outage { spent: Duration::ZERO, counted_to: now };
        self.suspended = false;
        self.forget();
        let delay = Delay::up_to(terms.start_within);
        self.begin_wait(now, delay, true, endpoint, session);
    }

    pub(super) fn stop(&mut self) {
        self.wait = None;
    }

    fn forget(&mut self) {
        self.rejections = 0;
        self.soon_used = false;
        self.spread = None;
        self.spread_used = false;
        self.drawn = Drawn::default();
    }

    /// A connection settled.
    pub(super) fn settled(&mut self) {
        (self.count, self.level) = (0, 0);
        self.outage.spent = Duration::ZERO;
        self.suspended = false;
        self.forget();
    }

    /// A connection became ready, be it a successor.
    pub(super) const fn ready(&mut self) {
        self.ever_ready = true;
    }

    pub(super) const fn negotiated(&mut self, spread: Option<Millis>) {
        self.negotiated = spread;
    }

    /// Time passed; `counts` if the link was wanted, free to dial, and not ready.
    pub(super) fn account(&mut self, now: Instant, counts: bool) {
        let spent = now.saturating_since(self.outage.counted_to);
        self.outage.counted_to = self.outage.counted_to.max(now);
        if counts {
            self.outage.spent += spent;
        }
    }

    /// A connection or an attempt of a wanted link ended. Says whether the link halts; else it waits,
    /// for an attempt at `endpoint` that asks for `session`.
    pub(super) fn lost(
        &mut self,
        terms: &Terms,
        now: Instant,
        loss: Loss,
        (endpoint, session): (Endpoint, Session),
    ) -> Option<Halted> {
        let verdict = loss.kind.verdict();
        let failed = !loss.settled && loss.kind != Kind::Network;
        if loss.settled {
            self.settled();
        }
        self.count += u32::from(failed);
        self.level += u32::from(failed && !loss.round);
        self.rejections += u32::from(verdict == Verdict::Reauthenticate);
        if !loss.round {
            self.suspended =
                terms.suspend.is_some_and(|suspend| self.outage.spent >= suspend.after);
        }
        if let Some(halted) = self.halts(terms, loss.kind, failed) {
            self.wait = None;
            return Some(halted);
        }
        if loss.promotes {
            return None;
        }
        let (delay, is_spread) = match loss.kind {
            Kind::Moved if loss.settled => (Delay::up_to(Duration::ZERO), false),
            _ => self.delay(terms, verdict, loss.round),
        };
        let delay = match loss.kind {
            // What a drop by the network leaves of a backoff is not agreed in figures; only that a
            // hint afterwards ends it.
            Kind::Network => Delay::up_to(delay.to.max(terms.longest)),
            _ => delay,
        };
        self.begin_wait(now, delay, is_spread, endpoint, session);
        None
    }

    fn begin_wait(
        &mut self,
        now: Instant,
        delay: Delay,
        is_spread: bool,
        endpoint: Endpoint,
        session: Session,
    ) {
        self.wait = Some(Wait {
            since: now,
            from: now.saturating_add(delay.from.saturating_sub(ROUNDING)),
            to: now.saturating_add(delay.to),
            is_spread,
            endpoint,
            session,
            due_at: None,
        });
    }

    fn halts(&self, terms: &Terms, kind: Kind, failed: bool) -> Option<Halted> {
        match kind {
            Kind::Closed(Verdict::Halt) => return Some(Halted::Fatal),
            Kind::Credentials { fatal: true } => return Some(Halted::Unauthorized),
            Kind::Closed(Verdict::Reauthenticate) if self.rejections >= terms.rejections => {
                return Some(Halted::Unauthorized);
            }
            _ => {}
        }
        let most = if self.ever_ready { None } else { terms.give_up_first_attempts };
        let most = most.or(terms.give_up_attempts);
        let gives_up = most.is_some_and(|most| self.count >= most) || self.is_outage_over(terms);
        (failed && gives_up).then_some(Halted::Exhausted)
    }

    /// The outage has lasted as long as the policy allows.
    pub(super) fn is_outage_over(&self, terms: &Terms) -> bool {
        terms.give_up_outage.is_some_and(|outage| self.outage.spent >= outage)
    }

    fn delay(&mut self, terms: &Terms, verdict: Verdict, round: bool) -> (Delay, bool) {
        let soon = verdict == Verdict::RetrySoon && !self.soon_used;
        self.soon_used |= soon;
        if self.suspended
            && !round
            && let Some(suspend) = terms.suspend
        {
            return (Delay::new(suspend.shortest, suspend.longest), false);
        }
        let quick = Delay::up_to(terms.first_within);
        let first_rejection = verdict == Verdict::Reauthenticate && self.rejections == 1;
        let is_quick = self.level == 0 || first_rejection || soon || round;
        let own = if is_quick { quick } else { terms.ladder(self.level, self.drawn) };
        let bound = if self.level == 0 { terms.first_within } else { terms.bound(self.level) };
        let (spread, is_told) = self.spread(terms, verdict, bound);
        match spread {
            // Which of two kinds of draw comes first is not agreed.
            Some(spread) if is_quick && self.level > 0 => (own.or(spread), true),
            Some(spread) => (spread, true),
            None => {
                if !is_quick {
                    self.drawn.count += 1;
                    self.drawn.capped |= bound >= terms.longest;
                }
                // Where the ladder is the wider one it decides, above the floor that was told.
                (is_told.map_or(own, |told| told.or(own)), false)
            }
        }
    }

    /// The interval of a spread in force that is wider than the ladder, and what the verdict told.
    fn spread(
        &mut self,
        terms: &Terms,
        verdict: Verdict,
        bound: Duration,
    ) -> (Option<Delay>, Option<Delay>) {
        let told = match verdict {
            Verdict::RetryWithin { from, to } => {
                let from = from.as_duration().min(terms.server_delay_max);
                let to = to.as_duration().min(terms.server_delay_max);
                Some(Delay::new(from, to.max(from + terms.first_within)))
            }
            _ => None,
        };
        self.spread = told.map(|told| told.to).or(self.spread);
        let width = self.spread.or_else(|| terms.agreed_spread(self.negotiated));
        let Some(width) = width.filter(|width| *width > bound) else { return (None, told) };
        let first = !core::mem::replace(&mut self.spread_used, true);
        let drawn = match told {
            Some(told) => told,
            None if first => Delay::up_to(width),
            None => Delay::new(width / 10 * 9, width / 10 * 11),
        };
        (Some(drawn), told)
    }

    /// A wish or a hint that bears on a wait.
    pub(super) fn hint(&mut self, terms: &Terms, now: Instant, event: &Event) {
        let Some(wait) = &mut self.wait else { return };
        let quick = now.saturating_add(terms.first_within);
        match event {
            Event::RetryNow => {
                wait.from = wait.from.min(now);
                wait.to = wait.to.min(now);
            }
            Event::Resume | Event::NetworkUp => {
                wait.due_at = None;
                if wait.is_spread {
                    wait.to = wait.to.max(quick);
                } else {
                    wait.from = wait.from.min(now);
                    wait.to = quick;
                }
            }
            _ => {}
        }
    }

    /// The wait is over as far as backoff and limits go: an attempt may begin at `now`.
    pub(super) fn admits(&self, terms: &Terms, now: Instant, what: &str) -> Check {
        let limits = [(terms.attempts, self.short), (terms.attempts_long, self.long)];
        for (rate, meter) in limits {
            let Some(rate) = rate else { continue };
            let free_at = Instant::from_nanos(meter.free_at(rate));
            ensure(now >= free_at, Promise::BoundedAttempts, || {
                format!("{what} at {now}, the limit {rate:?} admits it at {free_at}")
            })?;
        }
        match &self.wait {
            Some(wait) if now < wait.from => broken(
                Promise::Patience,
                format!("{what} at {now}, the wait since {} ends at {}", wait.since, wait.from),
            ),
            Some(_) => Ok(()),
            None => broken(Promise::OneLoss, format!("{what} without a loss or a Start before it")),
        }
    }

    /// The same for a rotation: it leaves a token for a loss.
    pub(super) fn admits_rotation(&self, terms: &Terms, now: Instant) -> Check {
        let free_at = self.rotation_free_at(terms);
        ensure(now >= free_at, Promise::BoundedAttempts, || {
            format!("a rotation at {now} that leaves no token, the limits admit it at {free_at}")
        })
    }

    pub(super) fn rotation_free_at(&self, terms: &Terms) -> Instant {
        let limits = [(terms.attempts, self.short), (terms.attempts_long, self.long)];
        let free = limits.map(|(rate, meter)| rate.map_or(0, |rate| meter.free_for_two_at(rate)));
        Instant::from_nanos(free.into_iter().max().unwrap_or(0))
    }

    /// An `Open` is handed out at `now`, be it a rotation's.
    pub(super) fn charge(&mut self, terms: &Terms, now: Instant) {
        let limits = [(terms.attempts, &mut self.short), (terms.attempts_long, &mut self.long)];
        for (rate, meter) in limits {
            if let Some(rate) = rate {
                meter.count(rate, now.as_nanos());
            }
        }
    }

    /// The link waits, neither paused nor offline, and says until when and for what. `floor`: of the
    /// endpoint that it waits for, and how long that was; `fresh_free_at`: of the limits of fresh
    /// sessions.
    pub(super) fn waiting(
        &self,
        terms: &Terms,
        status: &Status,
        floor: (Instant, Duration),
        fresh_free_at: Instant,
    ) -> Check {
        let Some((wait, until)) = self.wait.zip(status.until) else { return Ok(()) };
        let grounds = self.grounds(terms, &wait, floor, fresh_free_at);
        let within = |ground: &Ground| ground.from <= until && until <= roughly(ground.to);
        ensure(grounds.iter().any(within), Promise::Patience, || {
            format!("waits until {until}, which nothing explains: {grounds:?} ({wait:?})")
        })?;
        let said = status.waits_for;
        let fits = |ground: &Ground| said == Some(ground.by) && within(ground);
        ensure(grounds.iter().any(fits), Promise::Reports, || {
            format!("waits until {until}, {said:?} is said of it, there are {grounds:?}")
        })
    }

    /// What a wait may be for.
    fn grounds(
        &self,
        terms: &Terms,
        wait: &Wait,
        (floor, asked): (Instant, Duration),
        fresh_free_at: Instant,
    ) -> Vec<Ground> {
        let mut grounds = vec![Ground { by: WaitsFor::Backoff, from: wait.from, to: wait.to }];
        let mut add = |by, from: Instant, width| {
            if from > wait.since {
                grounds.push(Ground { by, from, to: from.saturating_add(width) });
            }
        };
        let width = terms.bound(self.level.max(1)).max(terms.first_within).max(asked / 10);
        add(WaitsFor::Floor, floor, width);
        for (rate, meter) in [(terms.attempts, &self.short), (terms.attempts_long, &self.long)] {
            if let Some(rate) = rate {
                let free_at = Instant::from_nanos(meter.free_at(rate));
                add(WaitsFor::Limit, free_at, rate.interval);
            }
        }
        if wait.session == Session::Fresh {
            let widest = terms.fresh_sessions.iter().map(|rate| rate.interval).max();
            add(WaitsFor::SessionLimit, fresh_free_at, widest.unwrap_or_default());
        }
        grounds
    }

    pub(super) const fn level(&self) -> u32 {
        self.level
    }

    /// P8 and what is said of it: attempts come slower only after so long an outage.
    pub(super) fn check_suspended(&self, terms: &Terms, said: bool) -> Check {
        let long = terms.suspend.is_some_and(|suspend| self.outage.spent >= suspend.after);
        ensure(said == (self.suspended && long), Promise::Reports, || {
            format!("suspended is said to be {said} after an outage of {:?}", self.outage.spent)
        })
    }
}
