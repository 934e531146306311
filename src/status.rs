//! Why am I not connected, and when is the next attempt?

use core::num::NonZeroU32;

use crate::event::{By, Fact};
use crate::time::Instant;

/// What the application needs to know of a link. Reported by [`Action::Report`](crate::Action::Report)
/// and at hand from [`Link::status`](crate::Link::status).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Status {
    /// Where the link is.
    pub phase: Phase,
    /// Which attempt in a row this is, or will be: the level + 1. `None` once ready, and while no
    /// attempt is wanted.
    pub attempt: Option<NonZeroU32>,
    /// Why the last connection or attempt ended; `None` once ready.
    pub cause: Option<Cause>,
    /// In [`Phase::Waiting`]: what decides when the next attempt begins.
    pub waits_for: Option<WaitsFor>,
    /// In [`Phase::Waiting`]: when the next attempt begins; `None` while that hangs on an event.
    pub until: Option<Instant>,
    /// How the connection in use continues the one before; `None` until ready.
    pub continuity: Option<Continuity>,
    /// How often continuity was lost since the link was made. In every report from ready on, hence
    /// skipped reports hide no loss.
    pub losses: u32,
    /// In [`Phase::Halted`]: why.
    pub halted: Option<Halted>,
    /// Whether another connection is being made that shall take this one's place.
    pub rotating: bool,
    /// Whether the outage has lasted so long that attempts come at the slower cadence of the policy's
    /// `suspend`.
    pub suspended: bool,
}

impl Status {
    pub(crate) const IDLE: Self = Self {
        phase: Phase::Idle,
        attempt: None,
        cause: None,
        waits_for: None,
        until: None,
        continuity: None,
        losses: 0,
        halted: None,
        rotating: false,
        suspended: false,
    };
}

/// Where a link is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Phase {
    /// Not wanted.
    Idle,
    /// Between attempts.
    Waiting,
    /// Credentials are being fetched for the next attempt.
    Refreshing,
    /// An `Open` was handed out, nothing opened yet.
    Opening,
    /// Open, not ready: the application handshake is under way.
    Greeting,
    /// Ready, and some wanted key neither answered nor given up on this connection.
    Restoring,
    /// The peer holds every key that is wanted and was not refused for good.
    Live,
    /// As `Live`, but some key is given up for now; it is tried on at the longest delay.
    Degraded,
    /// A connection is being closed gracefully.
    Closing,
    /// No attempt will be made until `Start`.
    Halted,
}

/// Why the last connection or attempt ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(into = "crate::wire::CauseRecord", try_from = "crate::wire::CauseRecord")
)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Cause {
    /// It was reported closed.
    Closed {
        /// By whom.
        by: By,
        /// With what.
        fact: Fact,
    },
    /// It did not open within `open_within`.
    OpenTimeout,
    /// It did not become ready within `ready_within`.
    ReadyTimeout,
    /// Nothing was heard for too long.
    Silent,
    /// The platform says that there is no network.
    Network,
    /// Credentials could not be had, or not in time.
    Credentials,
    /// The server cannot resume the session.
    SessionLost,
    /// The server, or the application, asked for another connection in its place.
    Moved,
    /// A key was given up for now and the policy says to reconnect.
    Degraded,
}

/// What decides when the next attempt begins.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WaitsFor {
    /// The backoff: a draw from the ladder, a quick one, or one from a spread.
    Backoff,
    /// The wait that the server asked for.
    Floor,
    /// The attempt limit, or the longer one.
    Limit,
    /// A limit of fresh sessions.
    SessionLimit,
    /// A network.
    Network,
    /// The end of a pause.
    Pause,
}

/// How the connection in use continues the one before.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Continuity {
    /// It is the first since `Start`.
    First,
    /// The server resumed the session: nothing was missed.
    Resumed,
    /// It took over while the one before still delivered: nothing was missed.
    Overlapped,
    /// Something may have been missed in between.
    Lost,
}

/// Why no attempt will be made until `Start`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Halted {
    /// A closure said that retrying is pointless or forbidden.
    Fatal,
    /// The credentials were rejected too often in a row.
    Unauthorized,
    /// The policy's `give_up` was reached.
    Exhausted,
}
