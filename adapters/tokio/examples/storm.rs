//! Dials a server that accepts and drops every connection, and compares the connections made with
//! what the default policy promises: `cargo run --example storm -- 10`.

use std::convert::Infallible;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use redial_tokio::redial::ConnId;
use redial_tokio::tungstenite::Message;
use redial_tokio::{BadFrame, Client, Inbound, Protocol};
use tokio::net::TcpListener;
use tokio::time::timeout_at;

/// Nothing is ever said: no connection lives long enough.
struct Mute;

impl Protocol for Mute {
    type Topic = ();
    type Data = Infallible;

    fn subscribe(&mut self, _: ConnId, (): &(), number: u64) -> Message {
        Message::text(format!("subscribe {number}"))
    }

    fn unsubscribe(&mut self, _: ConnId, (): &(), number: u64) -> Message {
        Message::text(format!("unsubscribe {number}"))
    }

    fn read(&mut self, _: ConnId, _: Message) -> Result<Inbound<(), Infallible>, BadFrame> {
        Ok(Inbound::Nothing)
    }
}

#[tokio::main]
async fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let seconds = std::env::args().nth(1).map_or(Ok(10), |argument| argument.parse())?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}", listener.local_addr()?);
    let (_handle, _events) = Client::builder(url).connect(Mute)?;

    let end = Instant::now() + Duration::from_secs(seconds);
    let mut connections = 0;
    while let Ok(accepted) = timeout_at(end.into(), listener.accept()).await {
        drop(accepted?);
        connections += 1;
    }
    // The default policy's attempt limit: five at once, then one in ten seconds.
    let bound = BURST + seconds / INTERVAL;
    println!("{connections} connections in {seconds} s, at most {bound} are promised");
    Ok(if connections <= bound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

const BURST: u64 = 5;
const INTERVAL: u64 = 10;
