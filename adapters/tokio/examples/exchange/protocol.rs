//! The exchange's language: JSON requests with an id, numbered updates, snapshots on request.

use redial_tokio::redial::{ConnId, Refusal};
use redial_tokio::tungstenite::Message;
use redial_tokio::{BadFrame, Inbound, Protocol};
use serde_json::{Value, json};

pub(crate) struct Stream;

/// An update of a symbol, or a snapshot that stands for all updates before it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Update {
    Trade { number: u64 },
    Snapshot { up_to: u64 },
}

impl Protocol for Stream {
    type Topic = String;
    type Data = Update;

    fn subscribe(&mut self, _: ConnId, symbol: &String, number: u64) -> Message {
        say(&json!({ "method": "SUBSCRIBE", "params": [symbol], "id": number }))
    }

    fn unsubscribe(&mut self, _: ConnId, symbol: &String, number: u64) -> Message {
        say(&json!({ "method": "UNSUBSCRIBE", "params": [symbol], "id": number }))
    }

    fn read(&mut self, _: ConnId, frame: Message) -> Result<Inbound<String, Update>, BadFrame> {
        let text = frame.to_text().map_err(|_| BadFrame::new("not text"))?;
        let value: Value = serde_json::from_str(text).map_err(|_| BadFrame::new("not JSON"))?;
        if let Some(number) = value["id"].as_u64() {
            let refused = value.get("error").is_some();
            return Ok(if refused {
                Inbound::Refused { number, refusal: Refusal::Final }
            } else {
                Inbound::Acked { number }
            });
        }
        let symbol = value["s"].as_str().ok_or(BadFrame::new("no symbol"))?.to_owned();
        if let Some(sequence) = value["u"].as_u64() {
            let data = Update::Trade { number: sequence };
            return Ok(Inbound::Numbered { topic: symbol, epoch: 0, sequence, data });
        }
        let up_to =
            value["snapshot"].as_u64().ok_or(BadFrame::new("neither update nor snapshot"))?;
        Ok(Inbound::All(vec![
            Inbound::CaughtUp { topic: symbol.clone(), epoch: 0, sequence: up_to },
            Inbound::Data { topic: Some(symbol), data: Update::Snapshot { up_to } },
        ]))
    }
}

/// What asks for the state of a symbol.
pub(crate) fn ask_snapshot(symbol: &str) -> Message {
    say(&json!({ "method": "SNAPSHOT", "params": [symbol] }))
}

pub(crate) fn say(value: &Value) -> Message {
    Message::text(value.to_string())
}
