//! The open socket of one connection, with what waits to be sent on it.

use std::collections::VecDeque;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream};
use redial::{Closure, ConnId, IoKind, ItemId};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::dial;
use crate::log::{self, Stage};

/// Over TCP, or over memory in tests of what is read.
pub(crate) struct Socket<S = MaybeTlsStream<TcpStream>> {
    conn: ConnId,
    stream: WebSocketStream<S>,
    waiting: VecDeque<Outgoing>,
    /// The outbox's item that was handed to the stream and not flushed yet.
    started: Option<ItemId>,
    /// A close frame of ours was queued: nothing may follow it.
    closing: bool,
    /// A message that was read and finds no room.
    unread: Option<Message>,
}

struct Outgoing {
    message: Message,
    /// Its name in the outbox, if it came from there.
    item: Option<ItemId>,
}

/// What came of writing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Written {
    /// Nothing waits any more.
    pub(crate) all: bool,
    /// The outbox's item that was written.
    pub(crate) item: Option<ItemId>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    pub(crate) const fn new(conn: ConnId, stream: WebSocketStream<S>) -> Self {
        let waiting = VecDeque::new();
        Self { conn, stream, waiting, started: None, closing: false, unread: None }
    }

    pub(crate) fn queue(&mut self, message: Message, item: Option<ItemId>) {
        if !self.closing {
            self.waiting.push_back(Outgoing { message, item });
        }
    }

    /// Queues before all that waits: the peer's time to answer runs already.
    pub(crate) fn ping(&mut self, message: Message) {
        if !self.closing {
            self.waiting.push_front(Outgoing { message, item: None });
        }
    }

    /// Closes with a handshake, in place of what waits.
    pub(crate) fn close(&mut self, frame: CloseFrame) {
        self.waiting.clear();
        self.queue(Message::Close(Some(frame)), None);
        self.closing = true;
    }

    /// The next message, or how the connection ended.
    pub(crate) fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Closure>> {
        if let Some(message) = self.unread.take() {
            return Poll::Ready(Ok(message));
        }
        Pin::new(&mut self.stream).poll_next(cx).map(|next| match next {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(failed(self.conn, Stage::Read, &error)),
            None => Err(Closure::peer()),
        })
    }

    /// Lays a message back for which there is no room.
    pub(crate) fn put_back(&mut self, message: Message) {
        self.unread = Some(message);
    }

    /// Whether a message was laid back.
    pub(crate) const fn is_held_up(&self) -> bool {
        self.unread.is_some()
    }

    /// Sends what the peer takes, and never waits for it.
    ///
    /// Nothing is handed to the stream while it has bytes of its own to send, so that its buffer
    /// stays small. A peer that keeps the link alive and does not read is left when too much waits.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<Written, Closure> {
        if self.waiting.len() > WAITING {
            log::error(self.conn, Stage::Write, &Unread);
            return Err(Closure::local().io(IoKind::Other));
        }
        let failed = |error| failed(self.conn, Stage::Write, &error);
        let mut stream = Pin::new(&mut self.stream);
        let mut written = None;
        loop {
            match stream.as_mut().poll_flush(cx) {
                Poll::Pending => return Ok(Written { all: false, item: written }),
                Poll::Ready(flushed) => flushed.map_err(failed)?,
            }
            written = written.or(self.started.take());
            if self.waiting.is_empty() {
                return Ok(Written { all: true, item: written });
            }
            let mut bytes = 0;
            while bytes < BATCH_BYTES
                && let Some(Outgoing { message, item }) = self.waiting.pop_front()
            {
                self.started = self.started.or(item);
                bytes += message.len() + HEADER_BYTES;
                stream.as_mut().start_send(message).map_err(failed)?;
            }
        }
    }
}

impl Socket {
    /// Whether the operating system holds bytes of the peer, or its end of the connection. Asks the
    /// system itself: what the runtime knows of a socket may be older than the latest bytes.
    pub(crate) fn waits_to_be_read(&self) -> bool {
        let socket = SockRef::from(self.stream.get_ref().get_ref());
        let peeked = socket.peek(&mut [MaybeUninit::uninit()]);
        !matches!(peeked, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the peer does not read what is sent")]
struct Unread;

fn failed(conn: ConnId, stage: Stage, error: &Error) -> Closure {
    log::error(conn, stage, error);
    dial::closure(error)
}

/// How many messages wait at most: more than the window of a policy and the application together.
const WAITING: usize = 100_000;

/// How much is handed to the stream between two flushes, one message aside: what a ping that comes
/// then stands behind.
const BATCH_BYTES: usize = 16 << 10;
const HEADER_BYTES: usize = 14;

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::net::TcpListener;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;

    /// Without reading, a peer could make the link ask again and again.
    #[tokio::test]
    async fn only_so_much_waits() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let stream = MaybeTlsStream::Plain(stream);
        let stream = WebSocketStream::from_raw_socket(stream, Role::Client, None).await;
        let mut socket = Socket::new(ConnId::new(1), stream);
        let mut cx = Context::from_waker(Waker::noop());
        let large = Message::text("x".repeat(16 << 20));
        socket.queue(large, None);
        let blocked = Ok(Written { all: false, item: None });
        assert_eq!(socket.poll_write(&mut cx), blocked, "the operating system takes only a part");
        for _ in 0..WAITING {
            socket.queue(Message::text("subscribe"), None);
        }
        assert_eq!(socket.poll_write(&mut cx), blocked);
        socket.queue(Message::text("subscribe"), None);
        assert_eq!(socket.poll_write(&mut cx), Err(Closure::local().io(IoKind::Other)));
    }
}
