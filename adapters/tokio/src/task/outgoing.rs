//! What is written: requests, and what the application sends.

use std::task::Context;

use redial::{Closure, ConnId, Fate, Instant, ItemId, Phase};
use tokio_tungstenite::tungstenite::Message;

use super::Task;
use crate::events::ClientEvent;
use crate::protocol::Protocol;

impl<P: Protocol> Task<P> {
    pub(super) fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let mut more = false;
        for conn in self.connections.all().into_iter().flatten() {
            match self.write(cx, now, conn) {
                Ok(any) => more |= any,
                Err(closure) => {
                    self.closed(now, conn, closure);
                    more = true;
                }
            }
        }
        more
    }

    /// Requests first, then the outbox, one item at a time: the next is taken once the one before was
    /// written. Whether there may be more to write.
    fn write(&mut self, cx: &mut Context<'_>, now: Instant, conn: ConnId) -> Result<bool, Closure> {
        for _ in 0..ITEMS {
            let Some(socket) = self.connections.socket(conn) else { return Ok(false) };
            let written = socket.poll_write(cx)?;
            self.written(conn, written.item);
            if !written.all || !self.take_up(now, conn) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Hands the outbox's next item to the connection in use; whether there was one.
    fn take_up(&mut self, now: Instant, conn: ConnId) -> bool {
        if self.link.current() != Some(conn) || self.in_hand.is_some() {
            return false;
        }
        let next = {
            let mut outbox = self.shared.outbox();
            outbox.peek(now, self.link.phase()).map(|(id, item)| (id, item.message.clone()))
        };
        let Some((id, message)) = next else { return false };
        self.in_hand = Some((conn, id));
        if let Some(socket) = self.connections.socket(conn) {
            socket.queue(message, Some(id));
        }
        true
    }

    pub(super) fn written(&mut self, conn: ConnId, item: Option<ItemId>) {
        let Some(id) = item.filter(|&id| self.in_hand == Some((conn, id))) else { return };
        self.in_hand = None;
        drop(self.shared.outbox().sent(id));
    }

    /// An item that was to be written on a connection that is gone is at the front again.
    pub(super) fn lay_down(&mut self, now: Instant, conn: ConnId) {
        if self.in_hand.is_some_and(|(on, _)| on == conn) {
            self.in_hand = None;
            // While nothing flows a peek lays down what was in hand.
            let _none = self.shared.outbox().peek(now, Phase::Waiting);
        }
    }

    /// Tells of the items whose time is up.
    pub(super) fn expire(&self, now: Instant) {
        loop {
            let Some(item) = self.shared.outbox().poll_expired(now) else { return };
            self.tell(ClientEvent::Unsent { message: item.message, fate: Fate::Expired });
        }
    }

    /// Nothing more is sent: tells of the items that are left.
    pub(super) fn return_all(&self) {
        let mut outbox = self.shared.outbox();
        outbox.close();
        while let Some(item) = outbox.take_back() {
            self.tell(ClientEvent::Unsent { message: item.message, fate: Fate::Returned });
        }
    }

    pub(super) fn say(&mut self, conn: ConnId, message: Message) {
        if let Some(socket) = self.connections.socket(conn) {
            socket.queue(message, None);
        }
    }
}

/// How many items are written in one wake-up.
const ITEMS: usize = 64;
