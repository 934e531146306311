//! What a snapshot keeps of the failures.

use super::Failures;
use crate::policy::Policy;
use crate::snapshot::record;
use crate::time::{MaybeMillis, MaybeNanos, Millis, Nanos};

impl Failures {
    pub(crate) fn record(&self) -> record::Failures {
        record::Failures {
            count: self.count,
            level: self.level,
            previous_ns: self.previous.0,
            capped: self.capped,
            soon_spent: self.soon_spent,
            rejections: self.rejections,
            told_spread_ns: self.told_spread.get().map(|spread| spread.0),
            negotiated_spread_ms: self.negotiated.get().map(Millis::get),
            spread_begun: self.spread_begun,
        }
    }

    /// The bound is the policy's at this level; spans are cut to what the policy allows.
    pub(crate) fn restored(record: &record::Failures, policy: &Policy) -> Self {
        let told_longest = told_longest(policy);
        let told = record.told_spread_ns.map(|spread| Nanos(spread).min(told_longest));
        let negotiated =
            record.negotiated_spread_ms.map(|millis| MaybeMillis::some(Millis::new(millis)));
        Self {
            count: record.count,
            level: record.level,
            bound: policy.retry.bound_at(record.level),
            previous: Nanos(record.previous_ns).min(policy.retry.longest),
            capped: record.capped,
            soon_spent: record.soon_spent,
            rejections: record.rejections,
            told_spread: told.map_or(MaybeNanos::NONE, MaybeNanos::some),
            negotiated: negotiated.unwrap_or(MaybeMillis::NONE),
            spread_begun: record.spread_begun,
        }
    }
}

/// The longest window that a server can have told.
fn told_longest(policy: &Policy) -> Nanos {
    policy.server_delay_max.saturating_add(policy.retry.first_within)
}

/// The longest delay that the policy draws.
pub(crate) fn longest_delay(policy: &Policy, spread: bool) -> Nanos {
    let retry = &policy.retry;
    let suspended = policy.suspend.map_or(Nanos::ZERO, |it| it.longest);
    let longest = retry.longest.max(retry.first_within).max(policy.start_within).max(suspended);
    if !spread {
        return longest;
    }
    let width = told_longest(policy).max(retry.spread.unwrap_or(Nanos::ZERO));
    longest.max(width.saturating_add(Nanos(width.0 / 10)))
}
