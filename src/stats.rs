//! Counters and time sums, outside the state that a search compares.

use core::time::Duration;

/// Plain counters since the link was made. From them an adapter derives what a service-level
/// objective needs: availability (`live` against `wanted`), recovery time, saturation of the
/// attempt limit (`waited_limit`).
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
    /// Connections lost after they had settled.
    pub settled: u64,
    /// Attempts that ended before ready, and connections lost before they settled.
    pub failures: u64,
    /// Connections and attempts that the peer closed.
    pub closed_by_peer: u64,
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
    /// Events of connections, requests and readies that were out of date.
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
    pub wanted: Duration,
    /// Time that the link was `Live`.
    pub live: Duration,
    /// Time spent waiting for a backoff.
    pub waited_backoff: Duration,
    /// Time spent waiting for a floor.
    pub waited_floor: Duration,
    /// Time spent waiting for an attempt limit.
    pub waited_limit: Duration,
    /// Time spent waiting for a network.
    pub waited_network: Duration,
    /// Time spent waiting for the end of a pause.
    pub waited_pause: Duration,
    /// From the last byte of a connection to its being presumed dead: the last such time.
    pub detection_last: Duration,
    /// The longest such time.
    pub detection_worst: Duration,
    /// From the loss of a ready connection to the next `Live`: the last such time.
    pub recovery_last: Duration,
    /// The longest such time.
    pub recovery_worst: Duration,
}
