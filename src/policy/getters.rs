//! What each field of a policy says.

use core::time::Duration;

use super::{
    Growth, Heartbeat, Jitter, JitterKind, NetworkDown, OnResume, Policy, Refresh, Rotation,
    Suspension, WhenDegraded,
};
use crate::limit::Limit;
use crate::time::Nanos;
use crate::verdict::Rule;

/// What each field says. Their names and meanings are those of
/// [`PolicyBuilder`](crate::PolicyBuilder).
impl Policy {
    /// The shortest and the longest delay of the ladder.
    #[must_use]
    pub const fn retry(&self) -> (Duration, Duration) {
        (self.retry.shortest.as_duration(), self.retry.longest.as_duration())
    }

    /// How delays are drawn; `None` if they dangerously have no jitter.
    #[must_use]
    pub const fn jitter(&self) -> Option<JitterKind> {
        match self.retry.jitter {
            Jitter::Kind(kind) => Some(kind),
            Jitter::DangerouslyNone => None,
        }
    }

    /// By what ratio the ladder's bound grows with each failure in a row, as `(numerator,
    /// denominator)`; `None` where a table says the bounds one by one.
    #[must_use]
    pub const fn growth(&self) -> Option<(u32, u32)> {
        match self.retry.growth {
            Growth::Ratio { numerator, denominator } => Some((numerator, denominator)),
            Growth::Table { .. } => None,
        }
    }

    /// The ladder's bounds from level 1 on, of which the last repeats; none where they grow by a
    /// ratio.
    pub fn growth_table(&self) -> impl Iterator<Item = Duration> {
        let (steps, len) = match &self.retry.growth {
            Growth::Ratio { .. } => (&[][..], 0),
            Growth::Table { steps, len } => (&steps[..], usize::from(*len)),
        };
        steps.iter().take(len).map(|step| step.as_duration())
    }

    /// The ladder's upper end after `level` failures in a row; `shortest` at level 0. For
    /// decorrelated jitter the upper end follows the draws instead.
    #[must_use]
    pub fn bound(&self, level: u32) -> Duration {
        self.retry.bound_at(level).as_duration()
    }

    /// The end of a quick draw.
    #[must_use]
    pub const fn first_within(&self) -> Duration {
        self.retry.first_within.as_duration()
    }

    /// The window over which a fleet returns.
    #[must_use]
    pub const fn spread(&self) -> Option<Duration> {
        as_duration(self.retry.spread)
    }

    /// The attempt limit; `None` if there is dangerously none.
    #[must_use]
    pub const fn attempts(&self) -> Option<Limit> {
        self.attempts
    }

    /// The second, longer limit.
    #[must_use]
    pub const fn attempts_long(&self) -> Option<Limit> {
        self.attempts_long
    }

    /// Failures in a row after which the link halts.
    #[must_use]
    pub const fn give_up_attempts(&self) -> Option<u32> {
        self.give_up.attempts
    }

    /// As [`give_up_attempts`](Self::give_up_attempts), until the link was ready once.
    #[must_use]
    pub const fn give_up_first_attempts(&self) -> Option<u32> {
        self.give_up.first_attempts
    }

    /// The outage after which the link halts.
    #[must_use]
    pub const fn give_up_outage(&self) -> Option<Duration> {
        as_duration(self.give_up.outage)
    }

    /// The proven uptime that makes a connection settled.
    #[must_use]
    pub const fn settle_after(&self) -> Duration {
        self.settle_after.as_duration()
    }

    /// The end of the draw before the first attempt.
    #[must_use]
    pub const fn start_within(&self) -> Duration {
        self.start_within.as_duration()
    }

    /// How long opening may take.
    #[must_use]
    pub const fn open_within(&self) -> Duration {
        self.open_within.as_duration()
    }

    /// How long the application handshake may take; `None` if there is none.
    #[must_use]
    pub const fn ready_within(&self) -> Option<Duration> {
        as_duration(self.ready_within)
    }

    /// How long a graceful close may take.
    #[must_use]
    pub const fn close_within(&self) -> Duration {
        self.close_within.as_duration()
    }

    /// How silence is noticed; `None` if it is not.
    #[must_use]
    pub const fn heartbeat(&self) -> Option<Heartbeat> {
        self.heartbeat
    }

    /// How late a deadline may be applied before it means that the machine slept.
    #[must_use]
    pub const fn late_by(&self) -> Duration {
        self.late_by.as_duration()
    }

    /// The longest wait that a server can ask for.
    #[must_use]
    pub const fn server_delay_max(&self) -> Duration {
        self.server_delay_max.as_duration()
    }

    /// What `NetworkDown` does to what is held.
    #[must_use]
    pub const fn network_down(&self) -> NetworkDown {
        self.network_down
    }

    /// The slower cadence of a long outage; `None` if there is none.
    #[must_use]
    pub const fn suspend(&self) -> Option<Suspension> {
        self.suspend
    }

    /// When credentials are fetched.
    #[must_use]
    pub const fn refresh(&self) -> Refresh {
        self.credentials.when
    }

    /// How long fetching them may take.
    #[must_use]
    pub const fn refresh_within(&self) -> Duration {
        self.credentials.within.as_duration()
    }

    /// Rejections of our credentials in a row that halt.
    #[must_use]
    pub const fn rejections(&self) -> u32 {
        self.credentials.rejections
    }

    /// Failed resumes in a row after which the next session is fresh.
    #[must_use]
    pub const fn resume_failures(&self) -> u32 {
        self.sessions.resume_failures
    }

    /// The limits of fresh sessions.
    pub fn fresh_sessions(&self) -> impl Iterator<Item = Limit> {
        self.sessions.fresh.into_iter().flatten()
    }

    /// What a resumed session holds of the subscriptions.
    #[must_use]
    pub const fn on_resume(&self) -> OnResume {
        self.sessions.subscriptions
    }

    /// How many servers there are to dial.
    #[must_use]
    pub const fn endpoints(&self) -> u8 {
        self.endpoints.count
    }

    /// The shortest and the longest time that a failed endpoint is left alone.
    #[must_use]
    pub const fn quarantine(&self) -> (Duration, Duration) {
        let terms = &self.endpoints;
        (terms.quarantine_shortest.as_duration(), terms.quarantine_longest.as_duration())
    }

    /// How long endpoint 0 must have been open before the link moves back to it.
    #[must_use]
    pub const fn prefer_first_after(&self) -> Duration {
        self.endpoints.prefer_first_after.as_duration()
    }

    /// When connections are replaced; `None` if they are not.
    #[must_use]
    pub const fn rotate(&self) -> Option<Rotation> {
        self.rotate
    }

    /// The most requests in flight.
    #[must_use]
    pub const fn window(&self) -> u16 {
        self.subscriptions.window
    }

    /// The limit of requests over time.
    #[must_use]
    pub const fn pace(&self) -> Option<Limit> {
        self.subscriptions.pace
    }

    /// How long the answer to a request may take.
    #[must_use]
    pub const fn ack_within(&self) -> Duration {
        self.subscriptions.ack_within.as_duration()
    }

    /// The shortest and the longest delay before a key is tried again.
    #[must_use]
    pub const fn subscription_retry(&self) -> (Duration, Duration) {
        let terms = &self.subscriptions;
        (terms.retry_shortest.as_duration(), terms.retry_longest.as_duration())
    }

    /// Failed requests in a row after which a key is given up for now.
    #[must_use]
    pub const fn timeouts(&self) -> u32 {
        self.subscriptions.timeouts
    }

    /// What happens then.
    #[must_use]
    pub const fn when_degraded(&self) -> WhenDegraded {
        self.subscriptions.when_degraded
    }

    /// The policy's own readings of closures, in order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        self.rules.as_slice()
    }
}

const fn as_duration(span: Option<Nanos>) -> Option<Duration> {
    match span {
        Some(span) => Some(span.as_duration()),
        None => None,
    }
}
