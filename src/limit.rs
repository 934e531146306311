//! The token bucket that bounds attempts and paces requests.

#[cfg(feature = "serde")]
mod snapshot;

use core::time::Duration;

use crate::time::{Instant, Nanos};

/// A token bucket: `burst` at once, then one per `interval`.
///
/// In any window W it admits at most `burst + ⌊W / interval⌋`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Limit {
    pub(crate) burst: u32,
    pub(crate) interval: Nanos,
}

impl Limit {
    /// `burst` at once, then one per `interval`. Checked where a policy is built: both must be
    /// positive.
    #[must_use]
    pub const fn new(burst: u32, interval: Duration) -> Self {
        Self { burst, interval: Nanos::from_duration(interval) }
    }

    /// How many at once.
    #[must_use]
    pub const fn burst(self) -> u32 {
        self.burst
    }

    /// How long until the next token.
    #[must_use]
    pub const fn interval(self) -> Duration {
        self.interval.as_duration()
    }

    /// How long a full bucket's worth of admissions, less one, takes to come back: the tolerance of
    /// the generic cell rate algorithm.
    const fn tolerance(self) -> Nanos {
        Nanos(self.interval.0.saturating_mul(self.burst.saturating_sub(1) as u64))
    }
}

/// The state of a token bucket in one word: the theoretical arrival time of the generic cell rate
/// algorithm (ITU-T I.371, annex A), before which the bucket is not full again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// A bucket with all its tokens.
    pub(crate) const FULL: Self = Self { full_at: Instant::ZERO };

    /// The earliest instant at which the bucket has a token. Never where the clock ends before the
    /// bucket is full: what saturated there has lost count of the tokens (P1).
    #[inline(never)]
    pub(crate) const fn release(self, limit: Limit) -> Instant {
        if self.full_at.as_nanos() == Instant::MAX.as_nanos() {
            return Instant::MAX;
        }
        Instant::from_nanos(self.full_at.as_nanos().saturating_sub(limit.tolerance().0))
    }

    /// Whether the bucket has all its tokens at `now`.
    #[inline]
    pub(crate) fn is_full_at(self, now: Instant) -> bool {
        self.full_at <= now
    }

    /// The earliest instant at which the bucket has a token to spare: one is left after another was
    /// taken.
    pub(crate) fn release_of_two(self, limit: Limit) -> Instant {
        Self { full_at: self.full_at.after(limit.interval) }.release(limit)
    }

    /// Takes a token at `now`. The caller has tested [`Bucket::release`].
    pub(crate) fn charge(&mut self, limit: Limit, now: Instant) {
        self.full_at = self.full_at.max(now).after(limit.interval);
    }
}
