//! What the peer says, as events for the core and the application.

use std::task::{Context, Poll};

use redial::{ConnId, Event, Instant, Millis, Seen, SubKey};
use tokio_tungstenite::tungstenite::Message;

use super::Task;
use crate::events::ClientEvent;
use crate::frame::Frame;
use crate::protocol::{Inbound, Protocol};

impl<P: Protocol> Task<P> {
    /// Reads what there is and finds room, and one message more, which tells that bytes wait.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        conn: ConnId,
        room: &mut usize,
    ) -> bool {
        let mut heard = false;
        for _ in 0..FRAMES {
            let Some(socket) = self.connections.socket(conn) else { return true };
            let message = match socket.poll_read(cx) {
                Poll::Pending => return self.pause_reading(now, conn, heard),
                Poll::Ready(Ok(message)) => message,
                Poll::Ready(Err(closure)) => {
                    self.closed(now, conn, closure);
                    return true;
                }
            };
            if *room == 0 {
                socket.put_back(message);
                return self.pause_reading(now, conn, heard);
            }
            heard = true;
            *room = room.saturating_sub(self.read(now, conn, message));
        }
        self.pause_reading(now, conn, heard)
    }

    fn pause_reading(&mut self, now: Instant, conn: ConnId, heard: bool) -> bool {
        if heard {
            self.handle(now, Event::Received { conn });
        }
        heard
    }

    /// Takes a message in; how much room it took among the events.
    fn read(&mut self, now: Instant, conn: ConnId, message: Message) -> usize {
        let message = match Frame::of(message) {
            Frame::Content(message) => message,
            Frame::Life => return 0,
            Frame::End(closure) => {
                self.closed(now, conn, closure);
                return 0;
            }
        };
        match self.protocol.read(conn, message) {
            Ok(inbound) => self.take_in(now, conn, inbound),
            Err(bad) => self.tell(ClientEvent::BadFrame(bad)),
        }
    }

    fn take_in(
        &mut self,
        now: Instant,
        conn: ConnId,
        inbound: Inbound<P::Topic, P::Data>,
    ) -> usize {
        match inbound {
            Inbound::Nothing => {}
            Inbound::Data { topic, data } => {
                return self.tell(ClientEvent::Data { conn, topic, data, seen: None });
            }
            Inbound::Numbered { topic, epoch, sequence, data } => {
                return self.numbered(now, conn, topic, (epoch, sequence), data);
            }
            Inbound::CaughtUp { topic, epoch, sequence } => {
                self.caught_up(&topic, epoch, sequence);
            }
            Inbound::Ready { session, resumable } => {
                self.handle(now, Event::Ready { conn, session, resumable });
                // The report of a loss comes before the data that follow it.
                self.perform(now);
            }
            Inbound::SessionLost => self.handle(now, Event::SessionLost { conn }),
            Inbound::Negotiated { heartbeat, spread } => {
                let (heartbeat, spread) = (heartbeat.map(Millis::from), spread.map(Millis::from));
                self.handle(now, Event::Negotiated { conn, heartbeat, spread });
            }
            Inbound::GoAway { within } => {
                self.handle(now, Event::GoAway { conn, within: within.into() });
            }
            Inbound::Acked { number } => {
                if let Some(request) = self.topics.answered(conn, number) {
                    self.handle(now, Event::Acked { conn, request });
                }
            }
            Inbound::Refused { number, refusal } => {
                let Some((request, topic)) = self.topics.refused(conn, number) else { return 0 };
                self.handle(now, Event::Refused { conn, request, refusal });
                let Some(topic) = topic else { return 0 };
                return self.tell(ClientEvent::Refused { topic, refusal });
            }
            Inbound::Say(message) => self.say(conn, message),
            Inbound::Close(closure) => self.closed(now, conn, closure),
            Inbound::All(all) => {
                let mut told = 0;
                for inbound in all {
                    if !self.connections.holds(conn) {
                        break;
                    }
                    told += self.take_in(now, conn, inbound);
                }
                return told;
            }
        }
        0
    }

    /// Data that the server numbered: delivered once, over all connections.
    fn numbered(
        &mut self,
        now: Instant,
        conn: ConnId,
        topic: P::Topic,
        (epoch, sequence): (u64, u64),
        data: P::Data,
    ) -> usize {
        let key = self.topics.key(&topic);
        let seen = key
            .and_then(|key| self.topics.cursor(key))
            .map(|cursor| cursor.observe(epoch, sequence));
        let mut told = 0;
        if let (Some(key), Some(Seen::Gap(missing))) = (key, seen) {
            if self.connections.overlap() {
                // The other connection may fill it.
                self.gaps.push(key);
            } else {
                told += self.tell(ClientEvent::Gap { topic: topic.clone(), missing });
                self.resync(now, key);
            }
        }
        if self.marks_duplicates || seen.is_none_or(Seen::is_new) {
            told += self.tell(ClientEvent::Data { conn, topic: Some(topic), data, seen });
        }
        told
    }

    pub(super) fn caught_up(&mut self, topic: &P::Topic, epoch: u64, sequence: u64) {
        let key = self.topics.key(topic);
        if let Some(cursor) = key.and_then(|key| self.topics.cursor(key)) {
            cursor.caught_up(epoch, sequence);
        }
    }

    /// Of two connections one is left: what is missing on it will not come from the other.
    pub(super) fn tell_gaps(&mut self, now: Instant) {
        let mut gaps = std::mem::take(&mut self.gaps);
        gaps.sort_unstable();
        gaps.dedup();
        for key in gaps {
            let Some(topic) = self.topics.topic(key).cloned() else { continue };
            let missing: Vec<_> =
                self.topics.cursor(key).map_or_else(Vec::new, |cursor| cursor.missing().collect());
            for &missing in &missing {
                self.tell(ClientEvent::Gap { topic: topic.clone(), missing });
            }
            if !missing.is_empty() {
                self.resync(now, key);
            }
        }
    }

    fn resync(&mut self, now: Instant, key: SubKey) {
        if self.resyncs_gaps {
            self.handle(now, Event::Resync { key });
        }
    }

    /// Puts an event among those that wait for the application; the room that it takes.
    pub(super) fn tell(&self, event: ClientEvent<P::Topic, P::Data>) -> usize {
        self.events.push(event);
        1
    }
}

/// How many messages are read in one wake-up, so that they keep neither wishes nor other tasks
/// waiting.
const FRAMES: usize = 64;
