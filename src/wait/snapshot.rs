//! What a snapshot keeps of a wait.

use super::{Target, Terms, Turn, Wait};
use crate::backoff::snapshot::longest_delay;
use crate::id::Endpoint;
use crate::limit::{Bucket, Limit};
use crate::policy::Refresh;
use crate::snapshot::{Clock, moment, record, unless_zero};
use crate::status::WaitsFor;
use crate::time::{Instant, Nanos};

impl Wait {
    pub(crate) fn record(&self, now: Instant) -> record::Wait {
        record::Wait {
            backoff_ns: moment(self.backoff, now),
            spread: self.spread,
            hint_ns: unless_zero(self.hint, now),
            floor_ns: unless_zero(self.floor, now),
            limits_ns: self.limits.map(|until| unless_zero(until, now)),
            fresh_limits_ns: self.fresh_limits.map(|until| unless_zero(until, now)),
            endpoint: self.endpoint.get(),
            refreshed: self.refreshed,
            turn: match self.turn {
                Turn::Waiting => record::Turn::Waiting,
                Turn::RefreshOwed => record::Turn::RefreshOwed,
                Turn::Refreshing => record::Turn::Refreshing,
                Turn::Open => record::Turn::Open,
            },
        }
    }

    /// What was drawn stands, cut to what the policy could have drawn. When the attempt is due is
    /// worked out anew, so that no limit and no floor is passed by (P1, P9); a `bound` as in
    /// [`Wait::new`].
    pub(crate) fn restored(
        record: &record::Wait,
        target: Target,
        bound: Nanos,
        clock: &Clock,
        terms: &mut Terms<'_>,
    ) -> Self {
        let policy = terms.policy;
        let latest = |span| clock.now.after(span);
        let ahead = policy.server_delay_max;
        let floor_latest = ahead.saturating_add(bound.max(Nanos(ahead.0 / 10)));
        let mut floor = clock.or_zero(record.floor_ns).min(latest(floor_latest));
        if target.floor > clock.now {
            floor = floor.max(target.floor);
        }
        let attempts = [policy.attempts, policy.attempts_long];
        let mut wait = Self {
            backoff: clock.at(record.backoff_ns).min(latest(longest_delay(policy, record.spread))),
            spread: record.spread,
            hint: clock.or_zero(record.hint_ns).min(latest(policy.retry.first_within)),
            floor,
            limits: bounds(record.limits_ns, attempts, terms.buckets, clock),
            fresh_limits: bounds(record.fresh_limits_ns, policy.sessions.fresh, terms.fresh, clock),
            due: Instant::ZERO,
            decided_by: WaitsFor::Backoff,
            endpoint: target.endpoint,
            session: target.session,
            refreshed: record.refreshed,
            turn: Turn::Waiting,
        };
        wait.decide(terms);
        wait.turn = wait.restored_turn(record.turn, terms);
        wait
    }

    /// An attempt that is not due under the policy goes on waiting, and credentials that the policy
    /// does not ask for are not waited for.
    fn restored_turn(&self, turn: record::Turn, terms: &Terms<'_>) -> Turn {
        let refreshes = terms.policy.credentials.when != Refresh::Never;
        match turn {
            _ if terms.now < self.due => Turn::Waiting,
            record::Turn::Open => Turn::Open,
            record::Turn::RefreshOwed if refreshes => Turn::RefreshOwed,
            record::Turn::Refreshing if refreshes => Turn::Refreshing,
            record::Turn::Waiting | record::Turn::RefreshOwed | record::Turn::Refreshing => {
                Turn::Waiting
            }
        }
    }

    /// The endpoint that a stored wait is for.
    pub(crate) const fn endpoint_of(record: &record::Wait) -> Endpoint {
        Endpoint::new(record.endpoint)
    }
}

/// Until when limits bind that bound before: not before they admit, and no longer than the policy's
/// own draw on top.
fn bounds<const N: usize>(
    stored: [Option<record::Moment>; N],
    limits: [Option<Limit>; N],
    buckets: &[Bucket; N],
    clock: &Clock,
) -> [Instant; N] {
    let mut bounds = [Instant::ZERO; N];
    for (((bound, stored), limit), bucket) in bounds.iter_mut().zip(stored).zip(limits).zip(buckets)
    {
        let (Some(_), Some(limit)) = (stored, limit) else { continue };
        let (until, release) = (clock.or_zero(stored), bucket.release(limit));
        if until >= release {
            *bound = until.min(release.max(clock.now).after(limit.interval));
        }
    }
    bounds
}
