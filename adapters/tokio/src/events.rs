//! What the application hears.

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use redial::{ConnId, Fate, Missing, Refusal, Seen, Status};
use tokio_tungstenite::tungstenite::Message;

use crate::protocol::BadFrame;
use crate::queue::Consumer;

/// Something that the application should know.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ClientEvent<T, D> {
    /// The server sent something.
    Data {
        /// The connection that it came on: during a rotation there are two.
        conn: ConnId,
        /// The topic that it belongs to, if the protocol told.
        topic: Option<T>,
        /// The content.
        data: D,
        /// How it continues what came before on its topic, if the server numbers it. During a
        /// rotation it may come late, for one connection can be ahead of the other. Only with
        /// [`Builder::mark_duplicates`](crate::Builder::mark_duplicates) is it ever one that
        /// [is not new](Seen::is_new).
        seen: Option<Seen>,
    },
    /// Something is missing of a topic that the server numbers. Comes before the data that show it;
    /// during a rotation not before the other connection, which may have it, is gone.
    Gap {
        /// The topic.
        topic: T,
        /// What is missing.
        missing: Missing,
    },
    /// A message of [`Handle::send`](crate::Handle::send) was not sent, and will not be.
    Unsent {
        /// The message.
        message: Message,
        /// [`Fate::Expired`], or [`Fate::Returned`] when the client ends. What is dropped for
        /// another message is told by the answer to that one's `send`, and not here.
        fate: Fate,
    },
    /// The link's state changed. One that nobody has taken gives way to the next.
    Status(Status),
    /// The server refused a subscription that is wanted. Where that is for now, the client asks again
    /// by itself; where it is for good, once the application says so:
    /// [`Handle::resync`](crate::Handle::resync). Of a topic withdrawn meanwhile nothing is told.
    Refused {
        /// The topic that was refused.
        topic: T,
        /// For now, or for good.
        refusal: Refusal,
    },
    /// A new connection took the place of one that broke: something may have been missed in
    /// between. Comes before the first data of the new connection.
    Lost {
        /// How often that has happened to this client.
        losses: u32,
    },
    /// The protocol could not read a message.
    BadFrame(BadFrame),
}

/// The events of one client, in order: a [`Stream`] that ends when the client's task does.
///
/// It holds as many events as [`Builder::event_buffer`](crate::Builder::event_buffer) says. While it
/// is full the client reads nothing more from the network, so that the server's own back-pressure
/// sets in. Timers and requests go on. Meanwhile the peer counts as alive, and is not pinged, as long
/// as bytes of it, or its close, wait in the operating system's buffer, whenever they came: what it
/// said in time is heard, and that it died after that shows once the application has caught up. When
/// nothing waits there, it is pinged and found dead as ever.
///
/// Dropping it ends the client at once: the socket is dropped, nothing is dialled any more.
pub struct Events<T, D> {
    queue: Consumer<T, D>,
}

impl<T, D> Events<T, D> {
    pub(crate) const fn new(queue: Consumer<T, D>) -> Self {
        Self { queue }
    }

    /// The next event; `None` once the client's task has ended, which it does with its runtime, or
    /// when the link is not wanted and no [`Handle`](crate::Handle) is left that could start it.
    ///
    /// Cancel safe: an event is taken only when it is returned.
    pub async fn next(&mut self) -> Option<ClientEvent<T, D>> {
        poll_fn(|cx| self.queue.poll_next(cx)).await
    }
}

impl<T, D> Stream for Events<T, D> {
    type Item = ClientEvent<T, D>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.queue.poll_next(cx)
    }
}

impl<T, D> fmt::Debug for Events<T, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").finish_non_exhaustive()
    }
}
