//! What the peer says, as events for the core and the application.

use std::task::{Context, Poll};

use redial::{ConnId, Established, Event, Instant};
use tokio_tungstenite::tungstenite::Message;

use super::Task;
use crate::dial::close_frame;
use crate::events::ClientEvent;
use crate::protocol::{Inbound, Protocol};

impl<P: Protocol> Task<P> {
    /// Reads what there is and finds room, and one message more, which tells that bytes wait.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        conn: ConnId,
        mut room: usize,
    ) -> bool {
        let mut heard = false;
        for _ in 0..FRAMES {
            let message = match self.held.take() {
                Some(message) => message,
                None => {
                    let Some(socket) = self.socket(conn) else { return true };
                    match socket.poll_read(cx) {
                        Poll::Pending => {
                            if heard {
                                self.handle(now, Event::Received { conn });
                            }
                            return heard;
                        }
                        Poll::Ready(Ok(message)) => message,
                        Poll::Ready(Err(closure)) => {
                            self.closed(now, conn, closure);
                            return true;
                        }
                    }
                }
            };
            if room == 0 {
                self.held = Some(message);
                if heard {
                    self.handle(now, Event::Received { conn });
                }
                return heard;
            }
            heard = true;
            if self.read(now, conn, message) {
                room -= 1;
            }
        }
        self.handle(now, Event::Received { conn });
        true
    }

    /// Takes a message in; whether it took room among the events.
    fn read(&mut self, now: Instant, conn: ConnId, message: Message) -> bool {
        if let Some(closure) = close_frame(&message) {
            self.closed(now, conn, closure);
            return false;
        }
        if !matches!(message, Message::Text(_) | Message::Binary(_)) {
            return false;
        }
        let inbound = match self.protocol.read(message) {
            Ok(inbound) => inbound,
            Err(bad) => {
                self.events.push(ClientEvent::BadFrame(bad));
                return true;
            }
        };
        match inbound {
            Inbound::Nothing => false,
            Inbound::Data { topic, data } => {
                self.events.push(ClientEvent::Data { topic, data });
                true
            }
            Inbound::Ready => {
                let session = Established::Fresh;
                self.handle(now, Event::Ready { conn, session, resumable: false });
                // The report of a loss comes before the data that follow it.
                self.perform(now);
                false
            }
            Inbound::Acked { number } => {
                if let Some(request) = self.topics.answered(number) {
                    self.handle(now, Event::Acked { conn, request });
                }
                false
            }
            Inbound::Refused { number, refusal } => {
                let Some((request, topic)) = self.topics.refused(number) else { return false };
                self.handle(now, Event::Refused { conn, request, refusal });
                let Some(topic) = topic else { return false };
                self.events.push(ClientEvent::Refused { topic, refusal });
                true
            }
            Inbound::Close(closure) => {
                self.closed(now, conn, closure);
                false
            }
        }
    }
}

/// How many messages are read in one wake-up, so that they keep neither wishes nor other tasks
/// waiting.
const FRAMES: usize = 64;
