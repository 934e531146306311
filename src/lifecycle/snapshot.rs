//! What a snapshot keeps of a lifecycle: what is left of it once it holds no connection.

use super::{Context, Lifecycle, Outage, State, limits, pending};
use crate::backoff::Failures;
use crate::credentials::Credentials;
use crate::endpoint::Endpoints;
use crate::event::{Closure, Event};
use crate::id::{ConnId, Endpoint};
use crate::limit::Bucket;
use crate::policy::Policy;
use crate::seed::{Jitter, Seed};
use crate::session::Sessions;
use crate::snapshot::{Clock, record};
use crate::stats::Stats;
use crate::subscriptions::Counts;
use crate::time::{Instant, Nanos};
use crate::wait::{Target, Wait};

impl Lifecycle {
    /// The latest instant that it was given.
    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    /// What is left after `Closed` by ourselves of each connection that is held, the newest first
    /// (P11), and whether the subscriptions' facts outlive that. `counts` are those of the current
    /// connection once it is alone.
    pub(crate) fn record(&self, policy: &Policy, counts: Counts) -> (record::Memory, bool) {
        let mut lost = self.clone();
        let mut stats = Stats::NONE;
        let mut cx = lost.begin(policy, &mut stats, self.now);
        let state = loop {
            match lost.at_rest() {
                Ok(state) => break state,
                Err(conn) => lost.close_locally(&mut cx, conn, counts),
            }
        };
        lost.account(&mut cx);
        (lost.memory(state, policy), lost.speakers(policy).keeps)
    }

    fn close_locally(&mut self, cx: &mut Context<'_>, conn: ConnId, counts: Counts) {
        self.apply(cx, Event::Closed { conn, closure: Closure::local() });
        while self.is_unsettled() {
            self.fire_due(cx);
            self.steered();
            self.serve(cx, counts);
            self.set_deadline(cx.policy);
        }
    }

    /// The state, or the newest connection if one is held.
    fn at_rest(&self) -> Result<record::State, ConnId> {
        match &self.state {
            State::Idle => Ok(record::State::Idle),
            State::Waiting(wait) => Ok(record::State::Waiting(wait.record(self.now))),
            State::Halted(halted) => Ok(record::State::Halted(*halted)),
            State::Closing(closing) => Err(closing.id),
            State::Up { current, rotation } => {
                let beside = rotation.beside().map(|(id, _)| id);
                Err(beside.map_or(current.id, |id| id.max(current.id)))
            }
        }
    }

    fn memory(&self, state: record::State, policy: &Policy) -> record::Memory {
        let now = self.now;
        record::Memory {
            state,
            paused: self.paused,
            offline: self.offline,
            newest_conn: self.newest.get(),
            newest_ticket: self.credentials.newest().get(),
            jitter: self.jitter.record(),
            failures: self.failures.record(),
            limits_full_ns: self.buckets.map(|bucket| bucket.record(now)),
            endpoints: self.endpoints.record(policy, now),
            session: self.sessions.record(policy, now),
            credentials: self.credentials.record(now),
            suspended: self.suspended,
            ever_ready: self.ever_ready,
            ready_since_start: self.ready_since_start,
            degraded_spent: self.degraded_spent,
            outage_ns: self.outage.spent.0,
            continuity: self.continuity,
            losses: self.losses,
            cause: self.cause.map(Into::into),
        }
    }

    /// The lifecycle of a record, its clock moved. The driver is told everything anew.
    pub(crate) fn restored(memory: &record::Memory, policy: &Policy, clock: &Clock) -> Self {
        let waiting = match &memory.state {
            record::State::Waiting(wait) => wait.turn == record::Turn::Refreshing,
            record::State::Idle | record::State::Halted(_) => false,
        };
        let mut buckets = [Bucket::FULL; 2];
        for ((bucket, full_ns), limit) in
            buckets.iter_mut().zip(memory.limits_full_ns).zip(limits(policy))
        {
            *bucket = Bucket::restored(full_ns, limit, clock);
        }
        let mut link = Self {
            now: clock.now,
            newest: ConnId::new(memory.newest_conn),
            paused: memory.paused,
            offline: memory.offline,
            suspended: memory.suspended && policy.suspend.is_some(),
            ever_ready: memory.ever_ready,
            ready_since_start: memory.ready_since_start,
            degraded_spent: memory.degraded_spent,
            failures: Failures::restored(&memory.failures, policy),
            buckets,
            endpoints: Endpoints::restored(&memory.endpoints, policy, clock),
            sessions: Sessions::restored(&memory.session, policy, clock),
            credentials: Credentials::restored(
                &memory.credentials,
                memory.newest_ticket,
                &policy.credentials,
                waiting,
                clock,
            ),
            outage: Outage { spent: Nanos(memory.outage_ns), counted_to: clock.now },
            continuity: memory.continuity,
            losses: memory.losses,
            cause: memory.cause.map(Into::into),
            jitter: Jitter::restored(&memory.jitter),
            ..Self::new(Seed::from_u64(0))
        };
        link.restore_state(&memory.state, policy, clock);
        link
    }

    fn restore_state(&mut self, state: &record::State, policy: &Policy, clock: &Clock) {
        self.state = match state {
            record::State::Idle => State::Idle,
            record::State::Halted(halted) => State::Halted(*halted),
            record::State::Waiting(wait) => {
                if !self.is_blocked() {
                    self.outage.spent = self.outage.spent.saturating_add(clock.elapsed);
                }
                State::Waiting(self.restored_wait(wait, policy, clock))
            }
        };
        self.changed();
        self.set_deadline(policy);
        self.pending.set(pending::HEAD);
    }

    fn restored_wait(&mut self, wait: &record::Wait, policy: &Policy, clock: &Clock) -> Wait {
        let stored = Wait::endpoint_of(wait);
        let present = stored < Endpoint::new(policy.endpoints.count);
        let endpoint =
            if present { stored } else { self.endpoints.pick(&policy.endpoints, clock.now) };
        let floor = self.endpoints.floor(endpoint);
        let target = Target { endpoint, floor, session: self.sessions.next() };
        let bound = self.failures.bound(&policy.retry);
        let mut stats = Stats::NONE;
        let cx = self.begin(policy, &mut stats, clock.now);
        let (_, mut terms) = self.terms(&cx);
        Wait::restored(wait, target, bound, clock, &mut terms)
    }
}
