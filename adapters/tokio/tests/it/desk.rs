//! A protocol with a login, sessions, and numbers, and a server's side of it.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use redial::{ConnId, Endpoint, Established, Policy, PolicyBuilder, Rotation, Session};
use redial_tokio::tungstenite::Message;
use redial_tokio::{Attempt, BadFrame, Inbound, Protocol};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async};

use crate::server::quick;

/// The client says `login TOKEN` or `resume ID TOKEN`, `+topic number` and `-topic number`.
///
/// The server says `fresh ID`, `resumed`, `lost`, `terms HEARTBEAT_MS SPREAD_MS`, `away MS`,
/// `ok number`, `count` (of connections, to be told to the application), `echo`, `#topic epoch sequence`, `=topic epoch sequence` (a snapshot), or data.
#[derive(Default)]
pub(crate) struct Desk {
    endpoints: HashMap<ConnId, Endpoint>,
    /// Which session to resume where.
    sessions: HashMap<Endpoint, String>,
}

impl Protocol for Desk {
    type Topic = u32;
    type Data = String;

    fn greet(&mut self, attempt: &Attempt<'_>) -> Option<Message> {
        assert!(self.endpoints.len() < 2, "there are two at most, the rest is closed");
        self.endpoints.insert(attempt.conn, attempt.endpoint);
        let token = attempt.token.unwrap_or("-");
        let kept = self.sessions.get(&attempt.endpoint).map_or("?", String::as_str);
        Some(Message::text(match attempt.session {
            Session::Fresh => format!("login {token}"),
            Session::Resume => format!("resume {kept} {token}"),
        }))
    }

    fn subscribe(&mut self, _: ConnId, topic: &u32, number: u64) -> Message {
        Message::text(format!("+{topic} {number}"))
    }

    fn unsubscribe(&mut self, _: ConnId, topic: &u32, number: u64) -> Message {
        Message::text(format!("-{topic} {number}"))
    }

    fn read(&mut self, conn: ConnId, frame: Message) -> Result<Inbound<u32, String>, BadFrame> {
        let text = frame.to_text().map_err(|_| BadFrame::new("not text"))?;
        let words: Vec<_> = text.split(' ').collect();
        let number = |at: usize| {
            let word = words.get(at).copied().unwrap_or_default();
            word.parse::<u64>().map_err(|_| BadFrame::new("not a number"))
        };
        let millis = |at| number(at).map(Duration::from_millis);
        let topic = |mark| words[0].strip_prefix(mark).and_then(|topic| topic.parse().ok());
        Ok(match words[0] {
            "fresh" => {
                self.sessions.insert(self.endpoints[&conn], words[1].to_owned());
                Inbound::Ready { session: Established::Fresh, resumable: true }
            }
            "resumed" => Inbound::Ready { session: Established::Resumed, resumable: true },
            "lost" => Inbound::SessionLost,
            "terms" => {
                Inbound::Negotiated { heartbeat: Some(millis(1)?), spread: Some(millis(2)?) }
            }
            "away" => Inbound::GoAway { within: millis(1)? },
            "ok" => Inbound::Acked { number: number(1)? },
            "count" => Inbound::Data { topic: None, data: self.endpoints.len().to_string() },
            "echo" => Inbound::Say(Message::text("echoed")),
            _ => {
                let data = text.to_owned();
                if let Some(topic) = topic('#') {
                    let (epoch, sequence) = (number(1)?, number(2)?);
                    Inbound::Numbered { topic, epoch, sequence, data }
                } else if let Some(topic) = topic('=') {
                    let (epoch, sequence) = (number(1)?, number(2)?);
                    Inbound::All(vec![
                        Inbound::CaughtUp { topic, epoch, sequence },
                        Inbound::Data { topic: Some(topic), data },
                    ])
                } else {
                    Inbound::Data { topic: None, data }
                }
            }
        })
    }

    fn closed(&mut self, conn: ConnId) {
        assert!(self.endpoints.remove(&conn).is_some(), "each is closed once");
    }
}

/// One connection, seen by the server.
pub(crate) struct Peer(WebSocketStream<TcpStream>);

impl Peer {
    pub(crate) async fn accept(listener: &TcpListener) -> Self {
        Self(accept_async(listener.accept().await.unwrap().0).await.unwrap())
    }

    /// The next message; `None` once the connection has ended.
    pub(crate) async fn hear(&mut self) -> Option<String> {
        loop {
            match self.0.next().await?.ok()? {
                Message::Text(text) => return Some(text.as_str().to_owned()),
                Message::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Whether a ping comes before the end.
    pub(crate) async fn pinged(&mut self) -> bool {
        while let Some(Ok(message)) = self.0.next().await {
            if message.is_ping() {
                return true;
            }
        }
        false
    }

    pub(crate) async fn say(&mut self, text: impl Into<String>) {
        // A client that has left hears nothing.
        let _ = self.0.send(Message::text(text.into())).await;
    }

    /// Expects a message and answers it.
    pub(crate) async fn answer(&mut self, expected: &str, answer: &str) {
        assert_eq!(self.hear().await.as_deref(), Some(expected));
        self.say(answer).await;
    }
}

/// With a login, and rotation.
pub(crate) fn policy() -> PolicyBuilder {
    quick().ready_within(Some(Duration::from_secs(30))).rotate(Some(ROTATION))
}

/// Only when asked.
const ROTATION: Rotation =
    Rotation::new(Duration::from_secs(3600), Duration::from_secs(60), Duration::from_secs(30));

pub(crate) fn built(policy: PolicyBuilder) -> Policy {
    policy.build().unwrap()
}
