//! What a snapshot keeps of a limit.

use super::{Bucket, Limit};
use crate::snapshot::Clock;
use crate::time::{Instant, Nanos};

impl Bucket {
    /// When it has all its tokens again, from `now`; 0 if it has.
    pub(crate) const fn record(self, now: Instant) -> u64 {
        self.full_at.since(now).0
    }

    /// No emptier than empty under `limit`.
    pub(crate) fn restored(full_ns: u64, limit: Option<Limit>, clock: &Clock) -> Self {
        if full_ns == 0 {
            return Self::FULL;
        }
        let full_at = match clock.at(i64::try_from(full_ns).unwrap_or(i64::MAX)) {
            // As when it was charged: no token is left before the clock ends (P1).
            Instant::LAST => Instant::MAX,
            full_at => full_at,
        };
        let latest = limit.map_or(Instant::MAX, |limit| clock.now.after(limit.refill()));
        Self { full_at: full_at.min(latest) }
    }
}

impl Limit {
    /// How long an empty bucket takes to have all its tokens again.
    pub(crate) const fn refill(self) -> Nanos {
        self.tolerance().saturating_add(self.interval)
    }
}
