//! Counters and time sums, outside the state that a search compares.

use crate::connection::Stage;
use crate::event::By;
use crate::status::{Cause, WaitsFor};
use crate::time::{Instant, Nanos};

/// Plain counters and sums of nanoseconds since the link was made, up to the last transition. From
/// them an adapter derives what a service-level objective needs: availability
/// ([`live_ns`](Self::live_ns) against [`wanted_ns`](Self::wanted_ns)), recovery time, saturation of
/// the attempt limit ([`waited_limit_ns`](Self::waited_limit_ns)).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Stats {
    /// `Open`s handed out.
    pub attempts: u64,
    /// Connections that opened.
    pub opens: u64,
    /// Connections that became ready.
    pub readies: u64,
    /// Connections that ended after they had settled.
    pub settled: u64,
    /// Attempts that ended before ready, and connections lost before they settled.
    pub failures: u64,
    /// Connections and attempts that the peer closed.
    pub closed_by_peer: u64,
    /// Connections and attempts that our own side reported closed.
    pub closed_by_local: u64,
    /// Connections and attempts that ended by an I/O error or nobody knows how.
    pub closed_by_unknown: u64,
    /// Attempts that did not open in time.
    pub open_timeouts: u64,
    /// Attempts that did not become ready in time.
    pub ready_timeouts: u64,
    /// Connections presumed dead because nothing was heard.
    pub silences: u64,
    /// Connections and attempts aborted because the network went.
    pub network_losses: u64,
    /// Refreshes of credentials that failed or were not answered in time, before an attempt.
    pub credentials_failures: u64,
    /// Attempts that ended because the server could not resume the session.
    pub sessions_lost: u64,
    /// Connections that a successor took over from.
    pub rotations: u64,
    /// Successors that failed or stalled.
    pub rotations_failed: u64,
    /// Connections given up to move to another one, break before make.
    pub moves: u64,
    /// Connections given up because a key was given up for now.
    pub degraded_reconnects: u64,
    /// Events that were out of date.
    pub stale_events: u64,
    /// Times that `now` ran backwards.
    pub clock_anomalies: u64,
    /// Silences that a late wake-up probed once more.
    pub late_wakeups: u64,
    /// Requests to subscribe or unsubscribe handed out.
    pub requests: u64,
    /// Requests that no answer came to in time.
    pub request_timeouts: u64,
    /// Time that the link was wanted.
    pub wanted_ns: u64,
    /// Time that the link was `Live`.
    pub live_ns: u64,
    /// Time that the link was `Degraded`.
    pub degraded_ns: u64,
    /// Time spent waiting for a backoff.
    pub waited_backoff_ns: u64,
    /// Time spent waiting for a floor.
    pub waited_floor_ns: u64,
    /// Time spent waiting for an attempt limit.
    pub waited_limit_ns: u64,
    /// Time spent waiting for a limit of fresh sessions.
    pub waited_session_limit_ns: u64,
    /// Time spent waiting for a network.
    pub waited_network_ns: u64,
    /// Time spent waiting for the end of a pause.
    pub waited_pause_ns: u64,
    /// From the last byte of a connection to its being presumed dead: the last such time.
    pub detection_last_ns: u64,
    /// The longest such time.
    pub detection_worst_ns: u64,
    /// From the loss of a ready connection to the next `Live`: the last such time.
    pub recovery_last_ns: u64,
    /// The longest such time.
    pub recovery_worst_ns: u64,
    /// When a ready connection was lost that nothing has replaced yet.
    lost_at: Option<Instant>,
}

impl Stats {
    pub(crate) const NONE: Self = Self {
        attempts: 0,
        opens: 0,
        readies: 0,
        settled: 0,
        failures: 0,
        closed_by_peer: 0,
        closed_by_local: 0,
        closed_by_unknown: 0,
        open_timeouts: 0,
        ready_timeouts: 0,
        silences: 0,
        network_losses: 0,
        credentials_failures: 0,
        sessions_lost: 0,
        rotations: 0,
        rotations_failed: 0,
        moves: 0,
        degraded_reconnects: 0,
        stale_events: 0,
        clock_anomalies: 0,
        late_wakeups: 0,
        requests: 0,
        request_timeouts: 0,
        wanted_ns: 0,
        live_ns: 0,
        degraded_ns: 0,
        waited_backoff_ns: 0,
        waited_floor_ns: 0,
        waited_limit_ns: 0,
        waited_session_limit_ns: 0,
        waited_network_ns: 0,
        waited_pause_ns: 0,
        detection_last_ns: 0,
        detection_worst_ns: 0,
        recovery_last_ns: 0,
        recovery_worst_ns: 0,
        lost_at: None,
    };

    /// An event was out of date.
    pub(crate) fn stale(&mut self) {
        count(&mut self.stale_events);
    }

    /// Time was spent while the link was wanted.
    pub(crate) fn wanted(&mut self, time: Nanos) {
        add(&mut self.wanted_ns, time);
    }

    /// Time was spent on a connection.
    pub(crate) fn connected(&mut self, time: Nanos, stage: Stage) {
        self.wanted(time);
        match stage {
            Stage::Opening | Stage::Greeting | Stage::Restoring => {}
            Stage::Live => add(&mut self.live_ns, time),
            Stage::Degraded => add(&mut self.degraded_ns, time),
        }
    }

    /// Time was spent between attempts.
    pub(crate) fn waited(&mut self, time: Nanos, waits_for: WaitsFor) {
        self.wanted(time);
        match waits_for {
            WaitsFor::Backoff => add(&mut self.waited_backoff_ns, time),
            WaitsFor::Floor => add(&mut self.waited_floor_ns, time),
            WaitsFor::Limit => add(&mut self.waited_limit_ns, time),
            WaitsFor::SessionLimit => add(&mut self.waited_session_limit_ns, time),
            WaitsFor::Network => add(&mut self.waited_network_ns, time),
            WaitsFor::Pause => add(&mut self.waited_pause_ns, time),
        }
    }

    /// A connection or an attempt ended; `lost_at` if it was ready.
    pub(crate) fn ended(&mut self, cause: Cause, lost_at: Option<Instant>) {
        self.lost_at = self.lost_at.or(lost_at);
        count(match cause {
            Cause::Closed { by: By::Peer, .. } => &mut self.closed_by_peer,
            Cause::Closed { by: By::Local, .. } => &mut self.closed_by_local,
            Cause::Closed { by: By::Unknown, .. } => &mut self.closed_by_unknown,
            Cause::OpenTimeout => &mut self.open_timeouts,
            Cause::ReadyTimeout => &mut self.ready_timeouts,
            Cause::Silent => &mut self.silences,
            Cause::Network => &mut self.network_losses,
            Cause::Credentials => &mut self.credentials_failures,
            Cause::SessionLost => &mut self.sessions_lost,
            Cause::Moved => &mut self.moves,
            Cause::Degraded => &mut self.degraded_reconnects,
        });
    }

    /// A silent peer was presumed dead so long after its last byte.
    pub(crate) fn detected(&mut self, after: Nanos) {
        self.detection_last_ns = after.0;
        self.detection_worst_ns = self.detection_worst_ns.max(after.0);
    }

    /// The link is `Live` (again).
    pub(crate) fn recovered(&mut self, now: Instant) {
        let Some(lost_at) = self.lost_at.take() else { return };
        self.recovery_last_ns = now.since(lost_at).0;
        self.recovery_worst_ns = self.recovery_worst_ns.max(self.recovery_last_ns);
    }

    /// The link is not wanted any more: what was lost is not missed.
    pub(crate) fn unwanted(&mut self) {
        self.lost_at = None;
    }
}

/// One more. Nothing happens 2^64 times.
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(crate) fn count(counter: &mut u64) {
    *counter = counter.wrapping_add(1);
}

/// Spans that do not overlap never add up to more than the clock has run.
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
fn add(sum: &mut u64, time: Nanos) {
    *sum = sum.wrapping_add(time.0);
}
