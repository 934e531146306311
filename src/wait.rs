//! When an attempt is due: the latest of backoff, floor and limits.

use crate::backoff::{draw, quick_draw};
use crate::limit::Bucket;
use crate::policy::Policy;
use crate::seed::Jitter;
use crate::status::WaitsFor;
use crate::time::{Instant, Nanos};

/// One wait between attempts. Whatever is drawn for it is drawn once.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Wait {
    /// The end of the backoff.
    backoff: Instant,
    /// The backoff is drawn from a spread.
    spread: bool,
    /// The quick draw of a hint, which stands through further hints; zero before the first.
    hint: Instant,
    /// The floor and the draw on top of it; zero if none lies ahead.
    floor: Instant,
    /// Each limit's release and the draw on top of it; zero until it first binds.
    limits: [Instant; 2],
    due: Instant,
    decided_by: WaitsFor,
    /// The attempt's time has come; its `Open` waits to be handed out.
    pub(crate) come: bool,
}

/// What a wait depends on besides itself. None of it changes during a wait.
pub(crate) struct Terms<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) buckets: &'a [Bucket; 2],
    pub(crate) jitter: &'a mut Jitter,
    pub(crate) now: Instant,
}

impl Wait {
    /// A wait whose backoff ends at `backoff`. A `floor` that lies ahead gets a draw in
    /// `[0, max(bound, floor / 10)]` on top: clients that were told the same floor would otherwise
    /// return together.
    pub(crate) fn new(
        backoff: Instant,
        spread: bool,
        floor: Instant,
        bound: Nanos,
        terms: &mut Terms<'_>,
    ) -> Self {
        let ahead = floor.since(terms.now);
        let floor = if ahead == Nanos::ZERO {
            Instant::ZERO
        } else {
            floor.after(draw(terms.jitter, Nanos::ZERO, bound.max(Nanos(ahead.0 / 10))))
        };
        let mut wait = Self {
            backoff,
            spread,
            hint: Instant::ZERO,
            floor,
            limits: [Instant::ZERO; 2],
            due: Instant::MAX,
            decided_by: WaitsFor::Backoff,
            come: false,
        };
        wait.decide(terms);
        wait
    }

    pub(crate) const fn due(&self) -> Instant {
        self.due
    }

    pub(crate) const fn decided_by(&self) -> WaitsFor {
        self.decided_by
    }

    /// Drops what is left of the backoff, and nothing else.
    pub(crate) fn drop_backoff(&mut self, terms: &mut Terms<'_>) {
        self.backoff = self.backoff.min(terms.now);
        self.decide(terms);
    }

    /// The way is free (again): a ladder wait ends no later than one quick draw. What fell due
    /// while it was `blocked` waits for that draw too, or a fleet would dial in one tick.
    pub(crate) fn hint(&mut self, blocked: bool, terms: &mut Terms<'_>) {
        if self.hint == Instant::ZERO {
            self.hint = terms.now.after(quick_draw(&terms.policy.retry, terms.jitter));
        }
        if blocked && self.backoff <= terms.now {
            self.backoff = self.hint;
        } else if !self.spread {
            self.backoff = self.backoff.min(self.hint);
        }
        self.come = false;
        self.decide(terms);
    }

    /// Works out when the attempt is due (P1, P9): limits and floors only lengthen (P8).
    fn decide(&mut self, terms: &mut Terms<'_>) {
        (self.due, self.decided_by) = (self.backoff, WaitsFor::Backoff);
        self.extend(self.floor, WaitsFor::Floor);
        let without_limits = self.due.max(terms.now);
        let limits = [terms.policy.attempts, terms.policy.attempts_long];
        for ((limit, bucket), until) in limits.iter().zip(terms.buckets).zip(&mut self.limits) {
            let Some(limit) = limit else { continue };
            let release = bucket.release(*limit);
            if *until == Instant::ZERO && release > without_limits {
                *until = release.after(draw(terms.jitter, Nanos::ZERO, limit.interval));
            }
        }
        let [short, long] = self.limits;
        self.extend(short.max(long), WaitsFor::Limit);
    }

    fn extend(&mut self, until: Instant, by: WaitsFor) {
        if until > self.due {
            (self.due, self.decided_by) = (until, by);
        }
    }
}
