//! What a snapshot keeps of the session.

use super::Sessions;
use crate::limit::Bucket;
use crate::policy::{Policy, SESSION_LIMITS};
use crate::snapshot::{Clock, record};
use crate::time::Instant;

impl Sessions {
    pub(crate) fn record(&self, now: Instant) -> record::Kept {
        record::Kept {
            kept: self.kept,
            failures: self.failures,
            limits_full_ns: self.fresh.map(|bucket| bucket.record(now)),
        }
    }

    /// A session that the policy would have given up is forgotten, and so is any where connections
    /// have no application handshake to resume one in.
    pub(crate) fn restored(record: &record::Kept, policy: &Policy, clock: &Clock) -> Self {
        let terms = &policy.sessions;
        let mut fresh = [Bucket::FULL; SESSION_LIMITS];
        for (bucket, full_ns) in fresh.iter_mut().zip(record.limits_full_ns) {
            // What is charged after the fact may leave it emptier than empty.
            *bucket = Bucket::restored(full_ns, None, clock);
        }
        let mut sessions = Self { kept: record.kept, failures: record.failures, fresh };
        if policy.ready_within.is_none() || record.failures >= terms.resume_failures {
            sessions.forget();
        }
        sessions
    }
}
