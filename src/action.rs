//! What comes out: what the driver shall do.

use crate::id::{ConnId, Endpoint, Request, Ticket};
use crate::status::Status;
use crate::time::Instant;

/// What the driver shall do next. See [`Link::poll_action`](crate::Link::poll_action).
///
/// Exhaustive on purpose: a driver that skips an action must not compile.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(into = "crate::wire::ActionRecord", try_from = "crate::wire::ActionRecord")
)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "an action that is not carried out is lost"]
#[allow(clippy::exhaustive_enums, reason = "a driver that skips an action must not compile")]
pub enum Action {
    /// Dial, and answer with [`Event::Opened`](crate::Event::Opened) or
    /// [`Event::Closed`](crate::Event::Closed). The core has its own deadline for the answer.
    Open {
        /// The new connection's name.
        conn: ConnId,
        /// Which server to dial.
        endpoint: Endpoint,
        /// Whether to resume what the server remembers of us.
        session: Session,
    },
    /// Close this connection and no other. One that is gone already needs nothing.
    Close {
        /// The connection to close.
        conn: ConnId,
        /// With a close handshake, or at once.
        how: How,
        /// What it is closed for.
        why: Why,
    },
    /// Fetch credentials, and answer with
    /// [`Event::CredentialsReady`](crate::Event::CredentialsReady) or
    /// [`Event::CredentialsFailed`](crate::Event::CredentialsFailed). The core has its own deadline
    /// for the answer.
    RefreshCredentials {
        /// What the answer refers to. It replaces any ticket before it.
        ticket: Ticket,
    },
    /// Send whatever makes the peer answer: a WebSocket ping, or the protocol's own heartbeat.
    Ping {
        /// The connection to ping.
        conn: ConnId,
    },
    /// Send an unsubscribe request.
    Unsubscribe {
        /// The connection to send it on.
        conn: ConnId,
        /// The key, and the number that the answer refers to.
        request: Request,
    },
    /// Send a subscribe request.
    Subscribe {
        /// The connection to send it on.
        conn: ConnId,
        /// The key, and the number that the answer refers to.
        request: Request,
    },
    /// Tell the application. The last state is always reported, one in between may be skipped, the
    /// same one is not repeated.
    Report(Status),
    /// Feed [`Event::TimerFired`](crate::Event::TimerFired) at `at` or later. Replaces the timer
    /// armed before. Never answer it with `TimerFired` at once: a driver waits for time to pass.
    ArmTimer {
        /// When to fire.
        at: Instant,
    },
    /// Forget the armed timer.
    DisarmTimer,
}

/// Which session to ask the server for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(clippy::exhaustive_enums, reason = "a driver must know both")]
pub enum Session {
    /// A new one.
    Fresh,
    /// The one that the server said it keeps; where to resume it is the driver's knowledge.
    Resume,
}

/// How to close a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(clippy::exhaustive_enums, reason = "a driver must know both")]
pub enum How {
    /// With a close handshake; what still arrives until it is gone is delivered as before. The core
    /// follows with `Abort` at `close_within`.
    Graceful,
    /// Drop it now, without a word to the peer.
    Abort,
}

/// What a connection is closed for. Only [`Why::Stop`] may close with code 1000: to some servers it
/// ends the session for good.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Why {
    /// The application wants the link down.
    Stop,
    /// It did not open within `open_within`.
    OpenTimeout,
    /// It did not become ready within `ready_within`.
    ReadyTimeout,
    /// Nothing was heard for too long.
    Silent,
    /// The platform says that there is no network.
    Network,
    /// Another connection takes its place: a rotation, or a move that the server asked for.
    Moved,
    /// The server cannot resume the session.
    SessionLost,
    /// A key was given up for now and the policy says to reconnect.
    Degraded,
    /// It opened after the core had given up on it, or it is none of the present ones.
    Stale,
}
