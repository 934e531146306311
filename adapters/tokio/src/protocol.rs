//! What the user says and hears on a connection.

use std::borrow::Cow;
use std::fmt::Debug;
use std::hash::Hash;

use redial::{Closure, Refusal};
use tokio_tungstenite::tungstenite::Message;

/// The server's language: how to say what the link wants said, and how to read what comes back.
///
/// One value serves all connections of a client. What it remembers of one connection it should
/// forget in [`greet`](Self::greet), which is called once for each.
pub trait Protocol: Send + 'static {
    /// What can be subscribed to: a symbol, a channel with its parameters.
    type Topic: Clone + Eq + Hash + Debug + Send + Sync + 'static;
    /// What the application receives.
    type Data: Send + 'static;

    /// The first message on a new connection, such as a login.
    ///
    /// Where the policy has a deadline for becoming ready, nothing is subscribed before
    /// [`Inbound::Ready`].
    fn greet(&mut self) -> Option<Message> {
        None
    }

    /// A request for `topic`. Its answer must be told as [`Inbound::Acked`] or
    /// [`Inbound::Refused`] with the same `number`: let the request carry it as its id, or remember
    /// it.
    fn subscribe(&mut self, topic: &Self::Topic, number: u64) -> Message;

    /// A request to end `topic`, answered as [`subscribe`](Self::subscribe) is.
    fn unsubscribe(&mut self, topic: &Self::Topic, number: u64) -> Message;

    /// Something that the server answers. `None` stands for a WebSocket ping.
    fn ping(&mut self) -> Option<Message> {
        None
    }

    /// What a text or binary message means.
    ///
    /// # Errors
    ///
    /// [`BadFrame`] for what cannot be understood. The application is told and the connection is
    /// kept; to leave it, return [`Inbound::Close`].
    fn read(&mut self, frame: Message) -> Result<Inbound<Self::Topic, Self::Data>, BadFrame>;
}

/// What a message from the server means.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "protocols build it, the client must know all")]
pub enum Inbound<T, D> {
    /// The login succeeded.
    Ready,
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
    /// The server says, in its own words, that this connection is over. It is left at once.
    Close(Closure),
    /// Nothing beyond a sign of life: a heartbeat, an answer to [`Protocol::ping`].
    Nothing,
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
