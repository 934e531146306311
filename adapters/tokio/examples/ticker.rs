//! Prints prices until Ctrl-C, whatever the network does meanwhile:
//! `cargo run --example ticker -- ws://localhost:9001 BTC-USD ETH-USD`.
//!
//! The server is asked `subscribe 1 BTC-USD` and `unsubscribe 2 BTC-USD`, where the number is the
//! request's; it answers `ok 1` or `no 1`, and sends `BTC-USD 64250.5`.

use std::error::Error;
use std::time::Duration;

use redial_tokio::redial::{ConnId, Policy, Refusal};
use redial_tokio::tungstenite::Message;
use redial_tokio::{BadFrame, Client, ClientEvent, Inbound, Protocol};

pub(crate) struct Ticker;

impl Protocol for Ticker {
    type Topic = String;
    type Data = f64;

    fn subscribe(&mut self, _: ConnId, symbol: &String, number: u64) -> Message {
        Message::text(format!("subscribe {number} {symbol}"))
    }

    fn unsubscribe(&mut self, _: ConnId, symbol: &String, number: u64) -> Message {
        Message::text(format!("unsubscribe {number} {symbol}"))
    }

    fn read(&mut self, _: ConnId, frame: Message) -> Result<Inbound<String, f64>, BadFrame> {
        let text = frame.to_text().map_err(|_| BadFrame::new("not text"))?;
        let (word, value) = text.split_once(' ').ok_or(BadFrame::new("a single word"))?;
        let number = || value.parse().map_err(|_| BadFrame::new("no number of a request"));
        let price = || value.parse().map_err(|_| BadFrame::new("no price"));
        Ok(match word {
            "ok" => Inbound::Acked { number: number()? },
            "no" => Inbound::Refused { number: number()?, refusal: Refusal::Final },
            symbol => Inbound::Data { topic: Some(symbol.to_owned()), data: price()? },
        })
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("usage: ticker URL SYMBOL...")?;
    let policy =
        Policy::builder().retry(Duration::from_millis(250), Duration::from_secs(20)).build()?;
    let (handle, mut events) = Client::builder(url).policy(policy).connect(Ticker)?;
    for symbol in arguments {
        handle.subscribe(symbol);
    }
    tokio::spawn(async move {
        let _ = tokio::signal::ctrl_c().await;
        handle.stop();
    });
    while let Some(event) = events.next().await {
        match event {
            ClientEvent::Data { topic, data, .. } => {
                println!("{} {data}", topic.unwrap_or_default());
            }
            ClientEvent::Status(status) => eprintln!("{:?}, {:?}", status.phase, status.cause),
            ClientEvent::Refused { topic, .. } => eprintln!("the server refuses {topic}"),
            ClientEvent::Lost { .. } => eprintln!("some prices were missed"),
            other => eprintln!("{other:?}"),
        }
    }
    Ok(())
}
