//! When an attempt is due: the latest of backoff, floor and limits.

#[cfg(feature = "serde")]
mod snapshot;

use crate::action::Session;
use crate::backoff::{draw, quick_draw};
use crate::id::Endpoint;
use crate::limit::{Bucket, Limit};
use crate::policy::{Policy, SESSION_LIMITS};
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
    /// The same for the limits of fresh sessions.
    fresh_limits: [Instant; SESSION_LIMITS],
    due: Instant,
    decided_by: WaitsFor,
    /// The endpoint to dial unless one is open by then.
    pub(crate) endpoint: Endpoint,
    /// What session it will ask for.
    pub(crate) session: Session,
    /// Credentials were fetched for this attempt: once is enough (P13).
    pub(crate) refreshed: bool,
    pub(crate) turn: Turn,
}

/// How far an attempt is that has not been made yet.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Turn {
    /// Its time has not come.
    Waiting,
    /// It needs credentials, and the driver is to be told so.
    RefreshOwed,
    /// The driver was told.
    Refreshing,
    /// Its `Open` waits to be handed out.
    Open,
}

/// What an attempt is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Target {
    pub(crate) endpoint: Endpoint,
    pub(crate) floor: Instant,
    pub(crate) session: Session,
}

/// What a wait depends on besides itself. None of it changes during a wait.
pub(crate) struct Terms<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) buckets: &'a [Bucket; 2],
    /// The limits of fresh sessions.
    pub(crate) fresh: &'a [Bucket; SESSION_LIMITS],
    pub(crate) jitter: &'a mut Jitter,
    pub(crate) now: Instant,
}

impl Wait {
    /// A wait for `target` whose backoff ends at `backoff`, before [`Self::decide`].
    #[inline]
    pub(crate) fn new(backoff: Instant, spread: bool, target: Target) -> Self {
        Self {
            backoff,
            spread,
            hint: Instant::ZERO,
            floor: target.floor,
            limits: [Instant::ZERO; 2],
            fresh_limits: [Instant::ZERO; SESSION_LIMITS],
            due: Instant::MAX,
            decided_by: WaitsFor::Backoff,
            endpoint: target.endpoint,
            session: target.session,
            refreshed: false,
            turn: Turn::Waiting,
        }
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
    /// while it was `blocked` waits for that draw too, or a fleet would dial in one tick. An attempt
    /// that waits for its credentials is under way and left alone (P13).
    pub(crate) fn hint(&mut self, blocked: bool, terms: &mut Terms<'_>) {
        if self.turn == Turn::Refreshing {
            return;
        }
        if self.hint == Instant::ZERO {
            self.hint = terms.now.after(quick_draw(&terms.policy.retry, terms.jitter));
        }
        if blocked && self.backoff <= terms.now {
            self.backoff = self.hint;
        } else if !self.spread {
            self.backoff = self.backoff.min(self.hint);
        }
        self.turn = Turn::Waiting;
        self.decide(terms);
    }

    /// Credentials are at hand: gate and floor are tested again.
    pub(crate) fn refreshed(&mut self) {
        self.refreshed = true;
        self.turn = Turn::Waiting;
    }

    /// Works out when the attempt is due (P1, P9): limits and floors only lengthen (P8).
    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(crate) fn decide(&mut self, terms: &mut Terms<'_>) {
        (self.due, self.decided_by) = (self.backoff, WaitsFor::Backoff);
        self.extend(self.floor, WaitsFor::Floor);
        let free_at = self.due.max(terms.now);
        let limits = [&terms.policy.attempts, &terms.policy.attempts_long];
        for ((limit, bucket), until) in limits.into_iter().zip(terms.buckets).zip(&mut self.limits)
        {
            bind(limit.as_ref(), *bucket, free_at, until, terms.jitter);
        }
        for until in self.limits {
            self.extend(until, WaitsFor::Limit);
        }
        if self.session == Session::Fresh {
            let limits = &terms.policy.sessions.fresh;
            for ((limit, bucket), until) in
                limits.iter().zip(terms.fresh).zip(&mut self.fresh_limits)
            {
                bind(limit.as_ref(), *bucket, free_at, until, terms.jitter);
            }
            for until in self.fresh_limits {
                self.extend(until, WaitsFor::SessionLimit);
            }
        }
    }

    #[inline]
    fn extend(&mut self, until: Instant, by: WaitsFor) {
        if until > self.due {
            (self.due, self.decided_by) = (until, by);
        }
    }
}

/// The first time that a limit binds after `free_at`: its release and a draw on top.
#[inline]
fn bind(
    limit: Option<&Limit>,
    bucket: Bucket,
    free_at: Instant,
    until: &mut Instant,
    jitter: &mut Jitter,
) {
    // A bucket that is full by then does not bind: the usual case, told without the limit.
    if bucket.is_full_at(free_at) || *until != Instant::ZERO {
        return;
    }
    if let Some(limit) = limit {
        let release = bucket.release(*limit);
        if release > free_at {
            *until = release.after(draw(jitter, Nanos::ZERO, limit.interval));
        }
    }
}
