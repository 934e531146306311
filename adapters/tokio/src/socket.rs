//! The open socket of one connection, with what waits to be sent on it.

use std::collections::VecDeque;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::{Sink, Stream};
use redial::{Closure, ConnId};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::dial::{self, WebSocket};
use crate::handle::Place;
use crate::log::{self, Stage};

pub(crate) struct Socket {
    pub(crate) conn: ConnId,
    stream: WebSocket,
    waiting: VecDeque<Outgoing>,
    /// A close frame of ours was queued: nothing may follow it.
    closing: bool,
}

struct Outgoing {
    message: Message,
    /// What it holds of the room for the application's messages.
    place: Option<Place>,
}

impl Socket {
    pub(crate) fn new(conn: ConnId, stream: WebSocket) -> Self {
        Self { conn, stream, waiting: VecDeque::new(), closing: false }
    }

    pub(crate) fn queue(&mut self, message: Message, place: Option<Place>) {
        if !self.closing {
            self.waiting.push_back(Outgoing { message, place });
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
        Pin::new(&mut self.stream).poll_next(cx).map(|next| match next {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(failed(self.conn, Stage::Read, &error)),
            None => Err(Closure::peer()),
        })
    }

    /// Sends what the peer takes, and never waits for it.
    ///
    /// Nothing is handed to the stream while it has bytes of its own to send, so that its buffer
    /// stays small.
    pub(crate) fn poll_write(&mut self, cx: &mut Context<'_>) -> Result<(), Closure> {
        let failed = |error| failed(self.conn, Stage::Write, &error);
        let mut stream = Pin::new(&mut self.stream);
        loop {
            match stream.as_mut().poll_flush(cx) {
                Poll::Pending => return Ok(()),
                Poll::Ready(flushed) => flushed.map_err(failed)?,
            }
            if self.waiting.is_empty() {
                return Ok(());
            }
            let batch = self.waiting.len().min(BATCH);
            for Outgoing { message, place } in self.waiting.drain(..batch) {
                drop(place);
                stream.as_mut().start_send(message).map_err(failed)?;
            }
        }
    }
}

fn failed(conn: ConnId, stage: Stage, error: &Error) -> Closure {
    log::error(conn, stage, error);
    dial::closure(error)
}

/// How many messages are handed to the stream between two flushes.
const BATCH: usize = 64;
