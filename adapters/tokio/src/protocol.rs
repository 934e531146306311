//! What the user says and hears on a connection.

use std::borrow::Cow;
use std::fmt::Debug;
use std::hash::Hash;
use std::time::Duration;

use redial::{Closure, ConnId, Established, Refusal, Why};
use tokio_tungstenite::tungstenite::Message;

use crate::attempt::Attempt;

/// The server's language: how to say what the link wants said, and how to read what comes back.
///
/// One value serves all connections of a client. During a rotation there are two at once, so each
/// method names the one that it is about: what belongs to one connection is kept by [`ConnId`], from
/// [`greet`](Self::greet) to [`closed`](Self::closed). What is needed to resume a session (its id,
/// the last sequence number) belongs to the endpoint that gave it, and outlives the connection.
pub trait Protocol: Send + 'static {
    /// What can be subscribed to: a symbol, a channel with its parameters.
    type Topic: Clone + Eq + Hash + Debug + Send + Sync + 'static;
    /// What the application receives.
    type Data: Send + 'static;

    /// The first message on a new connection, such as a login; called once for each.
    ///
    /// Where the attempt says to resume, it says so to the server; a server that speaks first is
    /// answered with [`Inbound::Say`]. Where the policy has a deadline for becoming ready, nothing is
    /// subscribed before [`Inbound::Ready`].
    #[allow(unused_variables, reason = "documented by their names")]
    fn greet(&mut self, attempt: &Attempt<'_>) -> Option<Message> {
        None
    }

    /// A request for `topic`. Its answer must be told as [`Inbound::Acked`] or
    /// [`Inbound::Refused`] with the same `number`: let the request carry it as its id, or remember
    /// it. Numbers are one connection's own: another's may be the same.
    fn subscribe(&mut self, conn: ConnId, topic: &Self::Topic, number: u64) -> Message;

    /// A request to end `topic`, answered as [`subscribe`](Self::subscribe) is.
    fn unsubscribe(&mut self, conn: ConnId, topic: &Self::Topic, number: u64) -> Message;

    /// Something that the server answers. `None` stands for a WebSocket ping.
    #[allow(unused_variables, reason = "documented by their names")]
    fn ping(&mut self, conn: ConnId) -> Option<Message> {
        None
    }

    /// What a text or binary message means.
    ///
    /// # Errors
    ///
    /// [`BadFrame`] for what cannot be understood. The application is told and the connection is
    /// kept; to leave it, return [`Inbound::Close`].
    fn read(
        &mut self,
        conn: ConnId,
        frame: Message,
    ) -> Result<Inbound<Self::Topic, Self::Data>, BadFrame>;

    /// The code to close a connection with, gracefully and for this reason.
    ///
    /// 1000 when the client is stopped, else 4000, which means nothing to anybody: to some servers a
    /// close with 1000 or 1001 ends the session.
    fn close_code(&self, why: Why) -> u16 {
        if why == Why::Stop { 1000 } else { 4000 }
    }

    /// A connection that was greeted is gone: nothing of it is read any more.
    #[allow(unused_variables, reason = "documented by their names")]
    fn closed(&mut self, conn: ConnId) {}
}

/// What a message from the server means.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "protocols build it, the client must know all")]
pub enum Inbound<T, D> {
    /// The login succeeded. Without a `ready_within` in the policy it means nothing.
    Ready {
        /// What the server made of it: a fresh session, or the one before.
        session: Established,
        /// Whether the server keeps the session, so that a later connection can resume it.
        resumable: bool,
    },
    /// The server cannot resume the session. Before [`Inbound::Ready`] the attempt is given up and
    /// the next one is fresh; on a ready connection the session is forgotten and nothing else
    /// changes.
    SessionLost,
    /// Terms that the server told while all was well. Each is clamped by the policy, zero means
    /// none, one left out stays as it was, and the last one told wins.
    Negotiated {
        /// How often the server wants to hear a heartbeat; takes the place of `ping_after`.
        heartbeat: Option<Duration>,
        /// Over what window the server's clients should spread their return should it fall.
        spread: Option<Duration>,
    },
    /// The server asks us to leave this connection for another.
    GoAway {
        /// How long it will wait for it; zero means that it did not say.
        within: Duration,
    },
    /// A request was accepted.
    Acked {
        /// The request's number on this connection.
        number: u64,
    },
    /// A request was refused.
    Refused {
        /// The request's number on this connection.
        number: u64,
        /// For now, or for good.
        refusal: Refusal,
    },
    /// Something for the application.
    Data {
        /// The topic that it belongs to, if any.
        topic: Option<T>,
        /// The content.
        data: D,
    },
    /// Something for the application that the server numbered, one by one: it is delivered once,
    /// over all connections, and gaps are told. See [`Cursor`](redial::Cursor) for what numbers may
    /// do. On a topic that is not subscribed to it is as [`Inbound::Data`].
    Numbered {
        /// The topic, whose numbers these are.
        topic: T,
        /// The run of numbers: a later one begins them again. 0 where the server has none.
        epoch: u64,
        /// The number.
        sequence: u64,
        /// The content.
        data: D,
    },
    /// The application has all that was said on `topic` up to `sequence`, such as by a snapshot of
    /// which the data come with this: what was missing up to there is not missing any more.
    CaughtUp {
        /// The topic.
        topic: T,
        /// The run of numbers.
        epoch: u64,
        /// The last number that the application has.
        sequence: u64,
    },
    /// To be answered with this, on the same connection: a heartbeat that the server asks for, a
    /// login once it has said hello.
    Say(Message),
    /// The server says, in its own words, that this connection is over. It is left at once.
    Close(Closure),
    /// Nothing beyond a sign of life: a heartbeat, an answer to [`Protocol::ping`].
    Nothing,
    /// All of these, in this order. What follows the end of the connection is left out.
    All(Vec<Self>),
}

/// A message that the protocol could not read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("unreadable message: {reason}")]
pub struct BadFrame {
    reason: Cow<'static, str>,
}

impl BadFrame {
    /// A message that could not be read for this reason.
    #[must_use]
    pub fn new(reason: impl Into<Cow<'static, str>>) -> Self {
        Self { reason: reason.into() }
    }

    /// Why it could not be read.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.reason
    }
}
