//! What a snapshot keeps of the session.

use super::Sessions;
use crate::limit::{Bucket, Limit};
use crate::policy::{Policy, SESSION_LIMITS};
use crate::snapshot::{Clock, record};
use crate::time::Instant;

impl Sessions {
    pub(crate) fn record(&self, policy: &Policy, now: Instant) -> record::Kept {
        record::Kept {
            kept: self.kept,
            failures: self.failures,
            limits_full_ns: self.fresh.map(|bucket| bucket.record(now)),
            limits_refill_ns: policy.sessions.fresh.map(refill_ns),
        }
    }

    /// A session that the policy would have given up is forgotten, and so is any where connections
    /// have no application handshake to resume one in.
    pub(crate) fn restored(record: &record::Kept, policy: &Policy, clock: &Clock) -> Self {
        let terms = &policy.sessions;
        let mut fresh = [Bucket::FULL; SESSION_LIMITS];
        let recorded = record.limits_full_ns.into_iter().zip(record.limits_refill_ns);
        for ((bucket, limit), (full_ns, refilled_ns)) in
            fresh.iter_mut().zip(terms.fresh).zip(recorded)
        {
            // What is charged after the fact may leave one emptier than empty, while it is the same.
            let changed = refill_ns(limit) != refilled_ns;
            *bucket = Bucket::restored(full_ns, limit.filter(|_| changed), clock);
        }
        let mut sessions = Self { kept: record.kept, failures: record.failures, fresh };
        if policy.ready_within.is_none() || record.failures >= terms.resume_failures {
            sessions.forget();
        }
        sessions
    }
}

fn refill_ns(limit: Option<Limit>) -> u64 {
    limit.map_or(0, |limit| limit.refill().0)
}
