//! What a snapshot keeps of the endpoints.

use super::{Endpoints, Health};
use crate::policy::Policy;
use crate::snapshot::{Clock, record, unless_zero};
use crate::time::Instant;

impl Endpoints {
    pub(crate) fn record(&self, policy: &Policy, now: Instant) -> record::Endpoints {
        let mut endpoints = record::Endpoints::NONE;
        for (_, health) in self.present(&policy.endpoints) {
            endpoints.push(record::Endpoint {
                floor_ns: unless_zero(health.floor, now),
                quarantined_ns: unless_zero(health.quarantined_until, now),
                quarantines: health.quarantines,
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
        let count = usize::from(policy.endpoints.count);
        for (health, known) in endpoints.health.iter_mut().zip(record.as_slice()).take(count) {
            *health = Health {
                floor: clock.or_zero(known.floor_ns).min(floor_latest),
                quarantined_until: clock.or_zero(known.quarantined_ns).min(quarantine_latest),
                quarantines: known.quarantines,
            };
        }
        endpoints
    }
}
