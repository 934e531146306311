//! When an attempt may begin: the limits (P1), patience (P8), the server's floor (P9), and what a
//! loss counts (P12).

use core::time::Duration;

use redial::{Event, Halted, Instant, Phase, Status, Verdict};

use super::{Check, Promise, ROUNDING, broken, ensure, roughly};
use crate::terms::{Delay, Drawn, Meter, Terms};

/// The link's memory between connections, followed from outside.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts {
    short: Meter,
    long: Meter,
    floor: Option<Floor>,
    level: u32,
    /// Since `Start` or the last settled connection.
    rejections: u32,
    soon_used: bool,
    spread: Option<Duration>,
    spread_used: bool,
    drawn: Drawn,
    wait: Option<Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Floor {
    until: Instant,
    length: Duration,
}

/// The wait for the next attempt: not before `from`; without limits and floor no later than `to`.
#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Instant,
    from: Instant,
    to: Instant,
    is_spread: bool,
}

/// How a connection ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loss {
    pub(super) kind: Kind,
    pub(super) settled: Settled,
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
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Settled {
    Yes,
    No,
    /// What the judge saw allows both.
    Unsure,
}

impl Attempts {
    /// `Start` takes effect.
    pub(super) fn start(&mut self, terms: &Terms, now: Instant) {
        self.level = 0;
        self.forget();
        self.wait = Some(Wait {
            since: now,
            from: now,
            to: now.saturating_add(terms.start_within),
            is_spread: false,
        });
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

    /// The server asked for a wait on a held connection.
    pub(super) fn floor(&mut self, terms: &Terms, now: Instant, length: Duration) {
        let length = length.min(terms.server_delay_max);
        let until = now.saturating_add(length);
        if !length.is_zero() && self.floor.is_none_or(|floor| floor.until < until) {
            self.floor = Some(Floor { until, length });
        }
    }

    /// A connection of a wanted link ended; `status` is what the link says right after.
    pub(super) fn lost(
        &mut self,
        terms: &Terms,
        now: Instant,
        loss: Loss,
        status: &Status,
    ) -> Check {
        let raised = self.level.saturating_add(1);
        let levels: &[u32] = match (loss.kind, loss.settled) {
            (Kind::Network, Settled::Yes) => &[0],
            (Kind::Network, Settled::No) => &[self.level],
            (Kind::Network, Settled::Unsure) => &[0, self.level],
            (Kind::Degraded, _) => &[0, self.level, raised],
            (Kind::Closed(_) | Kind::TimedOut, Settled::Yes) => &[0],
            (Kind::Closed(_) | Kind::TimedOut, Settled::No) => &[raised],
            (Kind::Closed(_) | Kind::TimedOut, Settled::Unsure) => &[0, raised],
        };
        let level = if status.phase == Phase::Halted {
            levels.last().copied().unwrap_or(raised)
        } else {
            let said = status.attempt.map(|attempt| attempt.get() - 1);
            match levels.iter().find(|level| said == Some(**level)) {
                Some(level) => *level,
                None => {
                    return broken(
                        Promise::OneLoss,
                        format!("after {loss:?} at level {} the level is {said:?}", self.level),
                    );
                }
            }
        };
        if loss.settled == Settled::Yes || (loss.settled == Settled::Unsure && level == 0) {
            self.forget();
        }
        self.level = level;
        let verdict = match loss.kind {
            Kind::Closed(verdict) => verdict,
            Kind::TimedOut | Kind::Network | Kind::Degraded => Verdict::Retry,
        };
        self.rejections += u32::from(verdict == Verdict::Reauthenticate);
        self.check_halt(terms, loss.kind, status)?;
        let (delay, is_spread) = self.delay(terms, verdict);
        // What a drop by the network leaves of a backoff is not agreed in figures; only that a
        // hint afterwards ends it.
        let any = Delay::up_to(delay.to.max(terms.longest));
        let delay = if loss.kind == Kind::Network { any } else { delay };
        self.wait = Some(Wait {
            since: now,
            from: now.saturating_add(delay.from.saturating_sub(ROUNDING)),
            to: now.saturating_add(delay.to),
            is_spread,
        });
        Ok(())
    }

    fn check_halt(&self, terms: &Terms, kind: Kind, status: &Status) -> Check {
        if kind == Kind::Closed(Verdict::Halt) {
            return ensure(status.phase == Phase::Halted, Promise::Wishes, || {
                format!("told to halt, the link is {:?}", status.phase)
            });
        }
        let allowed = match status.halted {
            None => true,
            Some(Halted::Fatal) => false,
            Some(Halted::Unauthorized) => self.rejections >= terms.rejections,
            Some(_) => self.may_give_up(terms),
        };
        ensure(allowed, Promise::NeverAsleep, || {
            format!("halted as {:?} after {kind:?}, which nothing asked for", status.halted)
        })
    }

    pub(super) fn may_give_up(&self, terms: &Terms) -> bool {
        let failures = [terms.give_up_attempts, terms.give_up_first_attempts];
        failures.into_iter().flatten().any(|most| self.level >= most)
            || terms.give_up_outage.is_some()
    }

    fn delay(&mut self, terms: &Terms, verdict: Verdict) -> (Delay, bool) {
        let quick = Delay::up_to(terms.first_within);
        let at_start = self.level == 0;
        let ladder = if at_start { quick } else { terms.ladder(self.level, self.drawn) };
        let bound = if at_start { terms.first_within } else { terms.bound(self.level) };
        if let Verdict::RetryWithin { from, to } = verdict {
            let from = from.as_duration().min(terms.server_delay_max);
            let to = to.as_duration().min(terms.server_delay_max);
            let told = Delay::new(from, to.max(from + terms.first_within));
            self.spread = Some(told.to);
            self.spread_used |= told.to > bound;
            // Where the ladder is the wider one it decides, above the floor that `from` is.
            return if told.to > bound { (told, true) } else { (told.or(ladder), false) };
        }
        let first_rejection = verdict == Verdict::Reauthenticate && self.rejections == 1;
        let soon = verdict == Verdict::RetrySoon && !self.soon_used;
        self.soon_used |= soon;
        let own = if first_rejection || soon { quick } else { ladder };
        match self.spread(terms, bound) {
            Some(spread) if first_rejection || soon => (own.or(spread), true),
            Some(spread) => (spread, true),
            None => {
                if !(at_start || first_rejection || soon) {
                    self.drawn.count += 1;
                    self.drawn.capped |= bound >= terms.longest;
                }
                (own, false)
            }
        }
    }

    /// The interval of a spread in force that is wider than the ladder.
    fn spread(&mut self, terms: &Terms, bound: Duration) -> Option<Delay> {
        let width = self.spread.or(terms.spread).filter(|width| *width > bound)?;
        let first = !core::mem::replace(&mut self.spread_used, true);
        Some(if first { Delay::up_to(width) } else { Delay::new(width / 10 * 9, width / 10 * 11) })
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
            Event::Resume | Event::NetworkUp if wait.is_spread => wait.to = wait.to.max(quick),
            Event::Resume | Event::NetworkUp => {
                wait.from = wait.from.min(now);
                wait.to = quick;
            }
            _ => {}
        }
    }

    /// An `Open` is handed out at `now`.
    pub(super) fn open(&mut self, terms: &Terms, now: Instant) -> Check {
        let limits = [(terms.attempts, &mut self.short), (terms.attempts_long, &mut self.long)];
        for (rate, meter) in limits {
            let Some(rate) = rate else { continue };
            let free_at = meter.free_at(rate);
            if now.as_nanos() < free_at {
                let free_at = Instant::from_nanos(free_at);
                let what = format!("an Open at {now}, the limit {rate:?} admits it at {free_at}");
                return broken(Promise::BoundedAttempts, what);
            }
            meter.count(rate, now.as_nanos());
        }
        if let Some(floor) = self.floor.filter(|floor| now < floor.until) {
            let what = format!("an Open at {now}, the server asked to wait until {}", floor.until);
            return broken(Promise::ServerIsHeard, what);
        }
        match self.wait.take() {
            Some(wait) if now < wait.from => broken(
                Promise::Patience,
                format!("an Open at {now}, the wait since {} ends at {}", wait.since, wait.from),
            ),
            Some(_) => Ok(()),
            None => broken(Promise::OneLoss, "an Open without a loss or a Start before it"),
        }
    }

    /// The link waits, neither paused nor offline, and says until when.
    pub(super) fn waiting(&self, terms: &Terms, status: &Status) -> Check {
        let Some((wait, until)) = self.wait.zip(status.until) else { return Ok(()) };
        let mut latest = wait.to;
        if let Some(floor) = self.floor.filter(|floor| floor.until > wait.since) {
            let width = terms.bound(self.level.max(1)).max(terms.first_within);
            let width = width.max(floor.length / 10);
            latest = latest.max(floor.until.saturating_add(width));
        }
        let limits = [(terms.attempts, &self.short), (terms.attempts_long, &self.long)];
        for (rate, meter) in limits {
            let Some(rate) = rate else { continue };
            let free_at = Instant::from_nanos(meter.free_at(rate));
            if free_at > wait.since {
                latest = latest.max(free_at.saturating_add(rate.interval));
            }
        }
        ensure(until <= roughly(latest), Promise::Patience, || {
            format!("waits until {until}, at most {latest} was agreed ({wait:?})")
        })
    }

    pub(super) const fn level(&self) -> u32 {
        self.level
    }
}
