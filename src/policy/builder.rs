//! Building a policy, at compile time or at run time.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "`const` code has neither `get` nor iterators; each index is below its loop's bound"
)]

use core::time::Duration;

use super::error::Problem;
use super::{
    Growth, Heartbeat, Jitter, JitterKind, LIST_MAX, NetworkDown, OnResume, Policy, PolicyError,
    Refresh, Rotation, SESSION_LIMITS, Suspension, WhenDegraded,
};
use crate::limit::Limit;
use crate::time::Nanos;
use crate::verdict::Rule;

/// Builds a [`Policy`]. Each method replaces one field; a field not named has its default. Nothing
/// is checked before [`build`](Self::build), which names everything that is wrong at once.
#[derive(Clone, Copy, Debug)]
#[must_use = "a builder does nothing until it builds"]
pub struct PolicyBuilder {
    pub(super) policy: Policy,
    /// What the policy itself cannot show: a list that was too long for it.
    pub(super) error: PolicyError,
}

impl PolicyBuilder {
    pub(crate) const fn new() -> Self {
        Self::from_policy(Policy::new())
    }

    pub(crate) const fn from_policy(policy: Policy) -> Self {
        Self { policy, error: PolicyError::NONE }
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], which names every wrong field.
    pub const fn build(self) -> Result<Policy, PolicyError> {
        let error = self.error.and(&self.policy);
        if error.is_none() { Ok(self.policy) } else { Err(error) }
    }

    /// The policy, for a `const`: a wrong one does not compile.
    ///
    /// # Panics
    ///
    /// If the policy is wrong, with the first wrong field's name; at run time use
    /// [`build`](Self::build).
    #[must_use]
    pub const fn build_const(self) -> Policy {
        let error = self.error.and(&self.policy);
        if !error.is_none() {
            panic!("{}", error.first_text());
        }
        self.policy
    }

    /// The shortest and the longest delay of the ladder; 500 ms and 30 s. Every delay that is drawn
    /// from the ladder lies between the two; quick draws, spreads and the cadence of
    /// [`suspend`](Self::suspend) have intervals of their own.
    pub const fn retry(mut self, shortest: Duration, longest: Duration) -> Self {
        self.policy.retry.shortest = Nanos::from_duration(shortest);
        self.policy.retry.longest = Nanos::from_duration(longest);
        self
    }

    /// By what ratio the ladder's bound grows with each failure in a row; 2 to 1.
    pub const fn growth(mut self, numerator: u32, denominator: u32) -> Self {
        self.policy.retry.growth = Growth::Ratio { numerator, denominator };
        self
    }

    /// The ladder's bounds one by one, at most 16; the last repeats.
    pub const fn growth_table(mut self, table: &[Duration]) -> Self {
        let mut steps = [Nanos::ZERO; LIST_MAX];
        let mut index = 0;
        while index < table.len() && index < LIST_MAX {
            steps[index] = Nanos::from_duration(table[index]);
            index += 1;
        }
        self.error.add(table.len() > LIST_MAX, Problem::GrowthTable);
        self.policy.retry.growth = Growth::Table { steps, len: index as u8 };
        self
    }

    /// How a delay is drawn below its bound; [`JitterKind::Full`].
    pub const fn jitter(mut self, kind: JitterKind) -> Self {
        self.policy.retry.jitter = Jitter::Kind(kind);
        self
    }

    /// Delays are exactly their bound: a fleet that fell together dials together, for ever.
    pub const fn dangerously_no_jitter(mut self) -> Self {
        self.policy.retry.jitter = Jitter::DangerouslyNone;
        self
    }

    /// The end of a quick draw, which serves the first attempt after the loss of a settled
    /// connection and after a hint; 1 s. A fleet dials that much spread, so shorter is sharper.
    pub const fn first_within(mut self, within: Duration) -> Self {
        self.policy.retry.first_within = Nanos::from_duration(within);
        self
    }

    /// The window over which a fleet of clients returns, if it is known in advance: the number of
    /// clients over what the server accepts per second. None.
    pub const fn spread(mut self, window: Option<Duration>) -> Self {
        self.policy.retry.spread = from_duration(window);
        self
    }

    /// Allows `retry.shortest` and `first_within` to be zero: only the attempt limit then stands
    /// between a failing server and a hot loop. A ratio cannot grow from zero: give a table.
    pub const fn dangerously_zero_delay(mut self) -> Self {
        self.policy.retry.zero = true;
        self
    }

    /// The attempt limit, which nothing gets around (P1); 5 at once and one per 10 s.
    pub const fn attempts(mut self, limit: Limit) -> Self {
        self.policy.attempts = Some(limit);
        self
    }

    /// No attempt limit: an endpoint that accepts and drops is dialled as fast as delays allow.
    pub const fn dangerously_no_attempt_limit(mut self) -> Self {
        self.policy.attempts = None;
        self
    }

    /// A second limit with a longer interval, for a budget per hour or day; none.
    pub const fn attempts_long(mut self, limit: Option<Limit>) -> Self {
        self.policy.attempts_long = limit;
        self
    }

    /// Halts at so many failures in a row; never.
    pub const fn give_up_attempts(mut self, attempts: Option<u32>) -> Self {
        self.policy.give_up.attempts = attempts;
        self
    }

    /// In place of [`give_up_attempts`](Self::give_up_attempts) until the link was ready once in its
    /// life; none.
    pub const fn give_up_first_attempts(mut self, attempts: Option<u32>) -> Self {
        self.policy.give_up.first_attempts = attempts;
        self
    }

    /// Halts when an attempt fails or falls due after so much wanted time without a settled
    /// connection, less what was paused, offline or ready; never.
    pub const fn give_up_outage(mut self, outage: Option<Duration>) -> Self {
        self.policy.give_up.outage = from_duration(outage);
        self
    }

    /// The proven uptime after which a connection counts as settled, and failures are forgotten at
    /// its loss; 30 s.
    pub const fn settle_after(mut self, uptime: Duration) -> Self {
        self.policy.settle_after = Nanos::from_duration(uptime);
        self
    }

    /// The first attempt after `Start` comes after a draw in `[0, within]`; 0 s. Set it where a
    /// fleet starts together.
    pub const fn start_within(mut self, within: Duration) -> Self {
        self.policy.start_within = Nanos::from_duration(within);
        self
    }

    /// How long name lookup, TCP, TLS and upgrade may take together; 10 s.
    pub const fn open_within(mut self, within: Duration) -> Self {
        self.policy.open_within = Nanos::from_duration(within);
        self
    }

    /// How long the application handshake may take, if there is one: `Ready` then makes a connection
    /// ready, otherwise `Opened` does. None.
    pub const fn ready_within(mut self, within: Option<Duration>) -> Self {
        self.policy.ready_within = from_duration(within);
        self
    }

    /// How long a close handshake may take before the socket is dropped; 3 s.
    pub const fn close_within(mut self, within: Duration) -> Self {
        self.policy.close_within = Nanos::from_duration(within);
        self
    }

    /// How silence is noticed; pings after 15 s of silence, death 10 s later. `None` notices
    /// nothing: a half-open connection then stays for ever.
    pub const fn heartbeat(mut self, heartbeat: Option<Heartbeat>) -> Self {
        self.policy.heartbeat = heartbeat;
        self
    }

    /// How late a deadline may be applied before it means that the machine slept; 5 s.
    pub const fn late_by(mut self, late_by: Duration) -> Self {
        self.policy.late_by = Nanos::from_duration(late_by);
        self
    }

    /// The longest wait that a server can ask for; 1 h.
    pub const fn server_delay_max(mut self, max: Duration) -> Self {
        self.policy.server_delay_max = Nanos::from_duration(max);
        self
    }

    /// What `NetworkDown` does to what is held; [`NetworkDown::Drop`].
    pub const fn network_down(mut self, what: NetworkDown) -> Self {
        self.policy.network_down = what;
        self
    }

    /// Rejections of our credentials, since a settled connection or `Start`, that halt; 3.
    pub const fn rejections(mut self, rejections: u32) -> Self {
        self.policy.credentials.rejections = rejections;
        self
    }

    /// When credentials are fetched; [`Refresh::Never`].
    pub const fn refresh(mut self, when: Refresh) -> Self {
        self.policy.credentials.when = when;
        self
    }

    /// How long fetching credentials may take before the attempt has failed; 10 s.
    pub const fn refresh_within(mut self, within: Duration) -> Self {
        self.policy.credentials.within = Nanos::from_duration(within);
        self
    }

    /// Failed resumes in a row after which the next session is fresh; 3. Sessions need
    /// [`ready_within`](Self::ready_within).
    pub const fn resume_failures(mut self, failures: u32) -> Self {
        self.policy.sessions.resume_failures = failures;
        self
    }

    /// Limits of fresh sessions, which resumes do not spend, at most 2 and all binding; none.
    pub const fn fresh_sessions(mut self, limits: &[Limit]) -> Self {
        let mut fresh = [None; SESSION_LIMITS];
        let mut index = 0;
        while index < limits.len() && index < SESSION_LIMITS {
            fresh[index] = Some(limits[index]);
            index += 1;
        }
        self.error.add(limits.len() > SESSION_LIMITS, Problem::FreshFull);
        self.policy.sessions.fresh = fresh;
        self
    }

    /// What a resumed session holds of the subscriptions; [`OnResume::Replay`].
    pub const fn on_resume(mut self, what: OnResume) -> Self {
        self.policy.sessions.subscriptions = what;
        self
    }

    /// How many servers there are to dial, at most 8; 1. Endpoint 0 is the preferred one.
    pub const fn endpoints(mut self, count: u8) -> Self {
        self.policy.endpoints.count = count;
        self
    }

    /// The shortest and the longest time that a failed endpoint is left alone while another is open,
    /// doubling in between; 5 s and 5 min.
    pub const fn quarantine(mut self, shortest: Duration, longest: Duration) -> Self {
        self.policy.endpoints.quarantine_shortest = Nanos::from_duration(shortest);
        self.policy.endpoints.quarantine_longest = Nanos::from_duration(longest);
        self
    }

    /// How long endpoint 0 must have been open, while another is live, before the link moves back to
    /// it; 1 min.
    pub const fn prefer_first_after(mut self, open: Duration) -> Self {
        self.policy.endpoints.prefer_first_after = Nanos::from_duration(open);
        self
    }

    /// The slower cadence of a long outage, counted as for [`give_up_outage`](Self::give_up_outage);
    /// none.
    pub const fn suspend(mut self, suspension: Option<Suspension>) -> Self {
        self.policy.suspend = suspension;
        self
    }

    /// When connections are replaced, make before break; none. It takes two connections at once,
    /// hence limits with a burst of at least 2.
    pub const fn rotate(mut self, rotation: Option<Rotation>) -> Self {
        self.policy.rotate = rotation;
        self
    }

    /// The most subscription requests in flight; 100.
    pub const fn window(mut self, requests: u16) -> Self {
        self.policy.subscriptions.window = requests;
        self
    }

    /// The limit of subscription requests over time, on each connection; none.
    pub const fn pace(mut self, limit: Option<Limit>) -> Self {
        self.policy.subscriptions.pace = limit;
        self
    }

    /// How long the answer to a subscription request may take; 10 s.
    pub const fn ack_within(mut self, within: Duration) -> Self {
        self.policy.subscriptions.ack_within = Nanos::from_duration(within);
        self
    }

    /// The shortest and the longest delay before a key is tried again, doubling in between; 1 s and
    /// 30 s. At most eight doublings.
    pub const fn subscription_retry(mut self, shortest: Duration, longest: Duration) -> Self {
        self.policy.subscriptions.retry_shortest = Nanos::from_duration(shortest);
        self.policy.subscriptions.retry_longest = Nanos::from_duration(longest);
        self
    }

    /// Unanswered or retryably refused requests in a row after which a key is given up for now; 3.
    pub const fn timeouts(mut self, timeouts: u32) -> Self {
        self.policy.subscriptions.timeouts = timeouts;
        self
    }

    /// What happens when a key is given up for now; [`WhenDegraded::Keep`].
    pub const fn when_degraded(mut self, what: WhenDegraded) -> Self {
        self.policy.subscriptions.when_degraded = what;
        self
    }

    /// Adds a reading of closures, after those added before; the first that matches counts. At most
    /// 16.
    pub const fn rule(mut self, rule: Rule) -> Self {
        let index = self.policy.rules.len as usize;
        if index < LIST_MAX {
            self.policy.rules.list[index] = rule;
            self.policy.rules.len += 1;
        } else {
            self.error.add(true, Problem::RulesFull);
        }
        self
    }
}

const fn from_duration(span: Option<Duration>) -> Option<Nanos> {
    match span {
        Some(span) => Some(Nanos::from_duration(span)),
        None => None,
    }
}
