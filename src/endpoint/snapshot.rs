//! What a snapshot keeps of the endpoints.

use super::{Endpoints, present};
use crate::policy::Policy;
use crate::snapshot::{Clock, record, unless_zero};
use crate::time::Instant;

impl Endpoints {
    pub(crate) fn record(&self, policy: &Policy, now: Instant) -> record::Endpoints {
        let mut endpoints = record::Endpoints::NONE;
        let known = self.floors.iter().zip(&self.quarantined_until).zip(&self.quarantines);
        for ((floor, until), quarantines) in known.take(usize::from(policy.endpoints.count)) {
            endpoints.push(record::Endpoint {
                floor_ns: unless_zero(*floor, now),
                quarantined_ns: unless_zero(*until, now),
                quarantines: *quarantines,
            });
        }
        endpoints
    }

    /// What the policy does not have is left out, what it has more is as good as new, and none is
    /// shunned for longer than it says.
    pub(crate) fn restored(record: &record::Endpoints, policy: &Policy, clock: &Clock) -> Self {
        let floor_latest = clock.now.after(policy.server_delay_max);
        let quarantine_latest = clock.now.after(policy.endpoints.quarantine_longest);
        let mut endpoints = Self::new();
        for (endpoint, known) in present(&policy.endpoints).zip(record.as_slice()) {
            endpoints.raise_floor(endpoint, clock.or_zero(known.floor_ns).min(floor_latest));
            if let Some((until, quarantines)) = endpoints.quarantine_mut(endpoint) {
                *until = clock.or_zero(known.quarantined_ns).min(quarantine_latest);
                *quarantines = known.quarantines;
            }
        }
        endpoints
    }
}
