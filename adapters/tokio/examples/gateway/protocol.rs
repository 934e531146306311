//! The gateway's language: JSON with an opcode, one session that can be resumed.

use std::time::Duration;

use redial_tokio::redial::{Closure, ConnId, Established, Session};
use redial_tokio::tungstenite::Message;
use redial_tokio::{Attempt, BadFrame, Inbound, Protocol};
use serde_json::{Value, json};

/// What the client keeps to resume its session: the gateway's name for it, and how far it has read.
#[derive(Clone, Default)]
struct Remembered {
    session_id: String,
    sequence: u64,
}

/// What is to be said once the gateway has said hello.
struct Greeting {
    conn: ConnId,
    session: Session,
    token: String,
}

#[derive(Default)]
pub(crate) struct Gateway {
    remembered: Remembered,
    greeting: Option<Greeting>,
}

impl Protocol for Gateway {
    /// There is nothing to subscribe to: a session gets all of its events.
    type Topic = ();
    type Data = u64;

    /// The gateway speaks first.
    fn greet(&mut self, attempt: &Attempt<'_>) -> Option<Message> {
        let token = attempt.token.unwrap_or_default().to_owned();
        self.greeting = Some(Greeting { conn: attempt.conn, session: attempt.session, token });
        None
    }

    fn subscribe(&mut self, _: ConnId, (): &(), _: u64) -> Message {
        unreachable!("nothing is subscribed to")
    }

    fn unsubscribe(&mut self, _: ConnId, (): &(), _: u64) -> Message {
        unreachable!("nothing is subscribed to")
    }

    fn ping(&mut self, _: ConnId) -> Option<Message> {
        Some(say(&json!({ "op": 1, "d": self.remembered.sequence })))
    }

    fn read(&mut self, conn: ConnId, frame: Message) -> Result<Inbound<(), u64>, BadFrame> {
        let text = frame.to_text().map_err(|_| BadFrame::new("not text"))?;
        let value: Value = serde_json::from_str(text).map_err(|_| BadFrame::new("not JSON"))?;
        let data = &value["d"];
        match value["op"].as_u64() {
            Some(0) => self.dispatch(&value),
            Some(7) => Ok(Inbound::GoAway { within: Duration::ZERO }),
            Some(9) if data == true => {
                // The session lives, this connection does not.
                Ok(Inbound::Close(Closure::peer().code(4000)))
            }
            Some(9) => Ok(Inbound::SessionLost),
            Some(10) => self.hello(conn, data),
            Some(11) => Ok(Inbound::Nothing),
            _ => Err(BadFrame::new(format!("an unknown opcode: {text}"))),
        }
    }
}

impl Gateway {
    /// The hello names the heartbeat, and is answered with identify or resume.
    fn hello(&mut self, conn: ConnId, data: &Value) -> Result<Inbound<(), u64>, BadFrame> {
        let interval = data["heartbeat_interval"].as_u64();
        let interval = interval.ok_or(BadFrame::new("a hello without a heartbeat"))?;
        let greeting = self.greeting.take().filter(|greeting| greeting.conn == conn);
        let Greeting { session, token, .. } = greeting.ok_or(BadFrame::new("a second hello"))?;
        let answer = match session {
            Session::Fresh => json!({ "op": 2, "d": { "token": token } }),
            Session::Resume => json!({ "op": 6, "d": {
                "token": token,
                "session_id": self.remembered.session_id,
                "seq": self.remembered.sequence,
            } }),
        };
        let heartbeat = Some(Duration::from_millis(interval));
        Ok(Inbound::All(vec![
            Inbound::Negotiated { heartbeat, spread: None },
            Inbound::Say(say(&answer)),
        ]))
    }

    fn dispatch(&mut self, value: &Value) -> Result<Inbound<(), u64>, BadFrame> {
        let sequence = value["s"].as_u64().ok_or(BadFrame::new("no sequence"))?;
        let session = match value["t"].as_str() {
            Some("READY") => {
                let id = value["d"]["session_id"].as_str();
                let session_id = id.ok_or(BadFrame::new("no session"))?.to_owned();
                self.remembered = Remembered { session_id, sequence };
                Established::Fresh
            }
            Some("RESUMED") => Established::Resumed,
            Some("MESSAGE_CREATE") => {
                self.remembered.sequence = sequence;
                let number = value["d"]["number"].as_u64();
                let data = number.ok_or(BadFrame::new("a message without a number"))?;
                return Ok(Inbound::Data { topic: None, data });
            }
            _ => return Ok(Inbound::Nothing),
        };
        Ok(Inbound::Ready { session, resumable: true })
    }
}

pub(crate) fn say(value: &Value) -> Message {
    Message::text(value.to_string())
}
