//! The trading dashboard: a client of the market, through `redial-tokio`.

use std::fs::File;
use std::io::BufWriter;

use redial::{ConnId, Policy, Refusal, Seed};
use redial_tokio::{
    BadFrame, Client, ClientEvent, ConnectError, Events, Handle, Inbound, Observed, Protocol,
};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use super::board::Board;
use super::market::{Ask, Price, Say, Symbol};

/// A dashboard that wants every symbol. What it does is written on the board.
pub(crate) struct Dashboard {
    link: Handle<Symbol>,
    reader: JoinHandle<()>,
}

impl Dashboard {
    pub(crate) fn connect(
        url: &str,
        policy: Policy,
        seed: u64,
        trace: Option<File>,
        board: &Board,
    ) -> Result<Self, ConnectError> {
        let witness = board.clone();
        let mut client = Client::builder(url)
            .policy(policy)
            .seed(Seed::from_u64(seed))
            .observe(move |polled, observed| match observed {
                Observed::Action(action) => witness.heard(polled, *action),
                Observed::Event(_) => {}
            })
            .idle();
        if let Some(file) = trace {
            client = client.record(BufWriter::new(file));
        }
        let (link, events) = client.connect(Market)?;
        for symbol in Symbol::all() {
            link.subscribe(symbol);
        }
        link.start();
        let reader = tokio::spawn(read(events, board.clone()));
        Ok(Self { link, reader })
    }

    /// Closes the connection and waits until it is gone.
    pub(crate) async fn stop(self) {
        let Self { link, reader } = self;
        link.stop();
        drop(link);
        // A reader that panicked has said so on standard error.
        let _ended = reader.await;
    }
}

async fn read(mut events: Events<Symbol, Price>, board: Board) {
    while let Some(event) = events.next().await {
        match event {
            ClientEvent::Data { data, .. } => board.received(data),
            ClientEvent::Refused { topic, refusal: Refusal::Final } => board.refused(topic),
            ClientEvent::Refused { .. } => board.note("a symbol was refused for now"),
            ClientEvent::BadFrame(_) => board.note("a message that makes no sense"),
            // The board hears of phases and losses from the core itself.
            _ => {}
        }
    }
}

/// The market's protocol.
struct Market;

impl Protocol for Market {
    type Topic = Symbol;
    type Data = Price;

    fn subscribe(&mut self, _: ConnId, symbol: &Symbol, number: u64) -> Message {
        say(&Ask::Subscribe { id: number, symbol: *symbol })
    }

    fn unsubscribe(&mut self, _: ConnId, symbol: &Symbol, number: u64) -> Message {
        say(&Ask::Unsubscribe { id: number, symbol: *symbol })
    }

    fn read(&mut self, _: ConnId, frame: Message) -> Result<Inbound<Symbol, Price>, BadFrame> {
        let Message::Text(text) = frame else { return Ok(Inbound::Nothing) };
        let said = serde_json::from_str(&text).map_err(|error| BadFrame::new(error.to_string()))?;
        Ok(match said {
            Say::Price(price) => Inbound::Data { topic: Some(price.symbol), data: price },
            Say::Ack { id } => Inbound::Acked { number: id },
            Say::Refused { id } => Inbound::Refused { number: id, refusal: Refusal::Final },
        })
    }
}

fn say(ask: &Ask) -> Message {
    Message::text(serde_json::to_string(ask).expect("plain data has a JSON form"))
}
