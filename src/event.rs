//! What goes in: everything that can change a link is an [`Event`].

use crate::id::{ConnId, Request, SubKey, Ticket};
use crate::time::Millis;
use crate::verdict::Verdict;

/// What happened, or what the application wishes. See [`Link::handle`](crate::Link::handle).
///
/// Events that come late, twice or in another order are normal on a network: they are accepted,
/// ignored where they are stale, and counted. The table of what a wish does in which phase is in
/// the page on [states](crate::docs::states).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(into = "crate::wire::EventRecord", try_from = "crate::wire::EventRecord")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Event {
    /// The application wants the link up. In `Idle` and `Halted` it begins afresh: level, streaks
    /// and give-up clocks at zero; limits and floors remembered. In the `Closing` of a
    /// [`Stop`](Self::Stop) it does so once the old connection is gone; in that of a move, or for
    /// degraded keys, the link is wanted already. There and elsewhere it changes nothing.
    Start,
    /// The application wants the link down for good. An open connection is closed gracefully,
    /// an attempt is aborted. A second `Stop` changes nothing.
    Stop,
    /// Skips what is left of the current backoff, never a floor, a limit, a pause or being offline.
    /// Outside `Waiting` it changes nothing.
    RetryNow,
    /// The application is in the background: no attempt begins until [`Event::Resume`]. What is
    /// open stays open.
    Pause,
    /// The application is back. A wait ends no later than one quick draw.
    Resume,
    /// The platform says that there is no network: no attempt begins until [`Event::NetworkUp`].
    /// What is held is aborted without counting as a failure, or probed, as the policy says.
    NetworkDown,
    /// The platform says that there is a network, or another one. A ready connection is pinged, a
    /// wait ends no later than one quick draw, an attempt under way is left alone.
    NetworkUp,
    /// The timer of [`Action::ArmTimer`](crate::Action::ArmTimer) fired. Early, late, repeated and
    /// spurious firings are harmless; each disarms the timer.
    TimerFired,
    /// Transport and WebSocket handshake are done.
    Opened {
        /// The connection that opened.
        conn: ConnId,
    },
    /// The application handshake (login, identify, resume) succeeded. Implies `Opened`. Where the
    /// policy has no `ready_within` it is stale; a second one changes nothing.
    Ready {
        /// The connection that is ready.
        conn: ConnId,
        /// What the server made of it: a fresh session, or the one before.
        session: Established,
        /// Whether the server keeps the session, so that a later connection can resume it.
        resumable: bool,
    },
    /// Bytes arrived. Any event that tells of bytes from the peer is proof of life as this one is.
    Received {
        /// The connection on which they arrived.
        conn: ConnId,
    },
    /// The connection is gone, or never came up. The first report decides; later ones are stale.
    Closed {
        /// The connection that is gone.
        conn: ConnId,
        /// By whom and why, as facts.
        closure: Closure,
    },
    /// What the server told us while all was well: Discord's Hello, the handshake of engine.io. Each
    /// term is clamped to the policy's range, zero means none, one left out stays as it was, and the
    /// last one told wins.
    Negotiated {
        /// The connection on which it was told.
        conn: ConnId,
        /// How often the server wants to hear a heartbeat, in the range from 1 s to
        /// `server_delay_max`; takes the place of `ping_after`. Ignored where the policy has no
        /// `heartbeat`, and before [`Event::Opened`] or what implies it.
        heartbeat: Option<Millis>,
        /// Over what window the server's clients should spread their return should it fall.
        spread: Option<Millis>,
    },
    /// The server asks us to move to another connection. With rotation this is make before break,
    /// without it a graceful close and an `Open`: without further wait if the connection had
    /// settled, else after the wait of a failure. Before ready it ends the attempt, which counts as
    /// one.
    GoAway {
        /// The connection that we should leave.
        conn: ConnId,
        /// How long the server will wait for it; zero means that it did not say.
        within: Millis,
    },
    /// The server cannot resume the session: it is forgotten. Before ready the attempt ends as a
    /// failure, and the next one is fresh; on a ready connection nothing else changes.
    SessionLost {
        /// The connection on which it was told.
        conn: ConnId,
    },
    /// Credentials are at hand, in answer to
    /// [`Action::RefreshCredentials`](crate::Action::RefreshCredentials). The answer to an older
    /// ticket, and a second one to the same, are stale.
    CredentialsReady {
        /// The refresh that it answers.
        ticket: Ticket,
        /// For how long they are good, where that is known. The core asks for others when that has
        /// run out, not before: a driver subtracts what it takes to fetch and use them.
        lasts: Option<Millis>,
    },
    /// No credentials could be had, in answer to
    /// [`Action::RefreshCredentials`](crate::Action::RefreshCredentials). Stale as
    /// [`Event::CredentialsReady`] is.
    CredentialsFailed {
        /// The refresh that it answers.
        ticket: Ticket,
        /// Whether asking again is pointless. For an attempt the link then halts; otherwise the
        /// attempt has failed. Beside a ready connection the link stays up in either case: it asks
        /// no more, or again later.
        fatal: bool,
    },
    /// Replace the connection: make before break where the policy has `rotate`, else a graceful
    /// close and an `Open` once it is gone. Without a ready connection, and while a rotation runs, it
    /// changes nothing.
    Rotate,
    /// The application wants this subscription. For one that it wants already this lifts a final
    /// refusal, and changes nothing else.
    Subscribe {
        /// The subscription.
        key: SubKey,
    },
    /// The application wants this subscription no more.
    Unsubscribe {
        /// The subscription.
        key: SubKey,
    },
    /// Say the subscription again: the application found a gap in it. Lifts a final refusal. Of one in
    /// flight it takes effect after the answer; of one that is not held, nothing else changes, for it
    /// is said anyway; of one that is not wanted, nothing does.
    Resync {
        /// The subscription.
        key: SubKey,
    },
    /// The server accepted a request.
    Acked {
        /// The connection on which the answer arrived.
        conn: ConnId,
        /// The request that it answers.
        request: Request,
    },
    /// The server refused a request.
    Refused {
        /// The connection on which the answer arrived.
        conn: ConnId,
        /// The request that it answers.
        request: Request,
        /// For now, or for good.
        refusal: Refusal,
    },
}

impl Event {
    /// The request that the event answers, and the connection that it came on.
    pub(crate) const fn answers(&self) -> Option<(ConnId, Request)> {
        if let Self::Acked { conn, request } | Self::Refused { conn, request, .. } = self {
            Some((*conn, *request))
        } else {
            None
        }
    }

    /// The connection that the event names.
    pub(crate) const fn conn(&self) -> Option<ConnId> {
        match self {
            Self::Opened { conn }
            | Self::Ready { conn, .. }
            | Self::Received { conn }
            | Self::Closed { conn, .. }
            | Self::Negotiated { conn, .. }
            | Self::GoAway { conn, .. }
            | Self::SessionLost { conn }
            | Self::Acked { conn, .. }
            | Self::Refused { conn, .. } => Some(*conn),
            Self::Start
            | Self::Stop
            | Self::RetryNow
            | Self::Pause
            | Self::Resume
            | Self::NetworkDown
            | Self::NetworkUp
            | Self::TimerFired
            | Self::CredentialsReady { .. }
            | Self::CredentialsFailed { .. }
            | Self::Rotate
            | Self::Subscribe { .. }
            | Self::Unsubscribe { .. }
            | Self::Resync { .. } => None,
        }
    }

    /// Whether the event is the subscriptions' business.
    #[inline]
    pub(crate) const fn is_about_key(&self) -> bool {
        matches!(
            self,
            Self::Subscribe { .. }
                | Self::Unsubscribe { .. }
                | Self::Resync { .. }
                | Self::Acked { .. }
                | Self::Refused { .. }
        )
    }

    /// The subscription that the event names.
    pub(crate) const fn key(&self) -> Option<SubKey> {
        match self {
            Self::Subscribe { key } | Self::Unsubscribe { key } | Self::Resync { key } => {
                Some(*key)
            }
            Self::Acked { request, .. } | Self::Refused { request, .. } => Some(request.key),
            Self::Start
            | Self::Stop
            | Self::RetryNow
            | Self::Pause
            | Self::Resume
            | Self::NetworkDown
            | Self::NetworkUp
            | Self::TimerFired
            | Self::Opened { .. }
            | Self::Ready { .. }
            | Self::Received { .. }
            | Self::Closed { .. }
            | Self::Negotiated { .. }
            | Self::GoAway { .. }
            | Self::SessionLost { .. }
            | Self::CredentialsReady { .. }
            | Self::CredentialsFailed { .. }
            | Self::Rotate => None,
        }
    }
}

/// What session the server gave a connection at its [`Event::Ready`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(clippy::exhaustive_enums, reason = "a server either remembers us or does not")]
pub enum Established {
    /// A new one: what was missed in between is lost, whatever the `Open` asked for.
    Fresh,
    /// The one before goes on. In answer to a fresh `Open` it counts as fresh.
    Resumed,
}

/// How a connection ended, as facts: by whom, what it said, and how long the server asks us to wait.
///
/// The core classifies a closure by these facts, never by the text of a close reason. See
/// [`Verdict`] for how.
///
/// ```
/// use core::time::Duration;
/// use redial::{Closure, IoKind, Verdict};
///
/// let refused_upgrade = Closure::peer().http(503).retry_after(Duration::from_secs(20));
/// let connection_reset = Closure::unknown().io(IoKind::Reset);
/// let wrong_credentials = Closure::peer().code(4004).verdict(Verdict::Halt);
/// # let _ = (refused_upgrade, connection_reset, wrong_credentials);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Closure {
    /// Who ended it. A closure by ourselves is never read as the server's intent.
    pub by: By,
    /// What is known of the reason.
    pub fact: Fact,
    /// No attempt before this much time has passed (`Retry-After`); zero means none. Clamped to
    /// `server_delay_max`, ignored in a closure by ourselves.
    pub retry_after: Option<Millis>,
    /// A verdict that the protocol stated outright; it comes before rules and table.
    pub verdict: Option<Verdict>,
}

impl Closure {
    /// A closure by the peer: it sent a close frame, a refusal, or a clean end of stream.
    #[must_use]
    pub const fn peer() -> Self {
        Self::by(By::Peer)
    }

    /// A closure by our own side.
    #[must_use]
    pub const fn local() -> Self {
        Self::by(By::Local)
    }

    /// A closure by nobody knows whom: a reset, a failed lookup, a broken pipe.
    #[must_use]
    pub const fn unknown() -> Self {
        Self::by(By::Unknown)
    }

    const fn by(by: By) -> Self {
        Self { by, fact: Fact::None, retry_after: None, verdict: None }
    }

    /// With a WebSocket close code.
    #[must_use]
    pub const fn code(mut self, code: u16) -> Self {
        self.fact = Fact::Code(code);
        self
    }

    /// With the HTTP status of a refused upgrade.
    #[must_use]
    pub const fn http(mut self, status: u16) -> Self {
        self.fact = Fact::Http(status);
        self
    }

    /// With the kind of an I/O error.
    #[must_use]
    pub const fn io(mut self, kind: IoKind) -> Self {
        self.fact = Fact::Io(kind);
        self
    }

    /// With a wait that the server asked for, rounded up to milliseconds.
    #[must_use]
    pub const fn retry_after(mut self, wait: core::time::Duration) -> Self {
        self.retry_after = Some(Millis::from_duration(wait));
        self
    }

    /// With a verdict that the protocol stated outright.
    #[must_use]
    pub const fn verdict(mut self, verdict: Verdict) -> Self {
        self.verdict = Some(verdict);
        self
    }
}

/// Who ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(clippy::exhaustive_enums, reason = "there is no fourth party")]
pub enum By {
    /// The peer.
    Peer,
    /// We ourselves.
    Local,
    /// Nobody knows.
    Unknown,
}

/// What is known of the reason why a connection ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Fact {
    /// Nothing.
    None,
    /// A WebSocket close code (RFC 6455, section 7.4).
    Code(u16),
    /// The HTTP status that took the place of the upgrade.
    Http(u16),
    /// An I/O error.
    Io(IoKind),
}

/// What kind of I/O error ended a connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum IoKind {
    /// Nobody listens at the port.
    Refused,
    /// The connection was reset.
    Reset,
    /// The operating system gave up waiting.
    Timeout,
    /// The name does not resolve.
    Dns,
    /// The TLS handshake failed.
    Tls,
    /// The peer broke the protocol: a bad frame, a message over the limit.
    Protocol,
    /// Anything else.
    Other,
}

/// Why a server refused a request, as far as it decides what we do next.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(clippy::exhaustive_enums, reason = "for now or for good: complete by construction")]
pub enum Refusal {
    /// Never: the key is not asked for again until the application says so.
    Final,
    /// Not now: asked for again after the key's own backoff, or after the server's delay where it
    /// gave one (rounded up to a step of that backoff).
    Retry(Option<Millis>),
}

/// What a correct driver cannot do. Nothing has changed, not even the link's clock.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Misuse {
    /// The event names a connection that no `Open` has handed out yet.
    #[error("connection {conn} was not handed out yet, the newest is {newest}")]
    UnknownConnection {
        /// The connection that the event named.
        conn: ConnId,
        /// The newest connection handed out; 0 before the first.
        newest: ConnId,
    },
    /// The event answers a request that was not handed out yet on that connection.
    #[error("request {number} was not handed out yet on connection {conn}, the newest is {newest}")]
    UnknownRequest {
        /// The connection that the event named.
        conn: ConnId,
        /// The number that the event named.
        number: u64,
        /// The newest number handed out on that connection; 0 before the first.
        newest: u64,
    },
    /// The event answers a refresh of credentials that was not handed out yet.
    #[error("ticket {ticket} was not handed out yet, the newest is {newest}")]
    UnknownTicket {
        /// The ticket that the event named.
        ticket: Ticket,
        /// The newest ticket handed out; 0 before the first.
        newest: Ticket,
    },
    /// The event names a key outside the storage that was lent to the link.
    #[error("key {key} is outside the link's storage of {capacity} slots")]
    KeyOutsideStorage {
        /// The key that the event named.
        key: SubKey,
        /// How many slots the storage has.
        capacity: u32,
    },
}
