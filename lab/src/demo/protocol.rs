//! The market's language, as `redial-tokio` speaks it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redial::{ConnId, Established, Refusal, Session};
use redial_tokio::{Attempt, BadFrame, Inbound, Protocol};
use tokio_tungstenite::tungstenite::Message;

use super::market::{Ask, Price, Say, Symbol};

/// The public feed's: there is no login, and prices come as they are.
pub(crate) struct Feed;

impl Protocol for Feed {
    type Topic = Symbol;
    type Data = Price;

    fn subscribe(&mut self, _: ConnId, symbol: &Symbol, number: u64) -> Message {
        say(&Ask::Subscribe { id: number, symbol: *symbol })
    }

    fn unsubscribe(&mut self, _: ConnId, symbol: &Symbol, number: u64) -> Message {
        say(&Ask::Unsubscribe { id: number, symbol: *symbol })
    }

    fn read(&mut self, _: ConnId, frame: Message) -> Result<Inbound<Symbol, Price>, BadFrame> {
        Ok(match hear(&frame)? {
            Some(Say::Price(price)) => Inbound::Data { topic: Some(price.symbol), data: price },
            Some(Say::Ack { id }) => Inbound::Acked { number: id },
            Some(Say::Refused { id }) => Inbound::Refused { number: id, refusal: Refusal::Final },
            Some(Say::Welcome { .. } | Say::GoAway) | None => Inbound::Nothing,
        })
    }
}

/// An account's: a session that can be resumed, and prices told apart by their numbers.
pub(crate) struct Account {
    memory: Memory,
}

/// What a client must know to go on where another one ended. Clones are the same memory.
#[derive(Clone, Default, Debug)]
pub(crate) struct Memory {
    remembered: Arc<Mutex<Remembered>>,
}

/// The content of a [`Memory`].
#[derive(Clone, Default, Debug)]
pub(crate) struct Remembered {
    pub(crate) token: String,
    /// The market's sessions with us, and the connection of each until it is gone: one, or two during
    /// a rotation.
    sessions: Vec<(Option<ConnId>, u64)>,
    /// The last price of each symbol that was read.
    seen: BTreeMap<Symbol, u64>,
}

impl Memory {
    /// The memory of a client that goes on where another one ended, whose connections are gone.
    pub(crate) fn restore(mut remembered: Remembered) -> Self {
        remembered.sessions.truncate(1);
        remembered.sessions.iter_mut().for_each(|(conn, _)| *conn = None);
        Self { remembered: Arc::new(Mutex::new(remembered)) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.remembered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Account {
    pub(crate) const fn new(memory: Memory) -> Self {
        Self { memory }
    }
}

impl Protocol for Account {
    type Topic = Symbol;
    type Data = Price;

    fn greet(&mut self, attempt: &Attempt<'_>) -> Option<Message> {
        let remembered = self.memory.lock();
        let session = remembered.sessions.last().filter(|_| attempt.session == Session::Resume);
        let ask = session.map_or(Ask::Login, |&(_, session)| {
            let seen = remembered.seen.iter().map(|(&symbol, &seq)| (symbol, seq)).collect();
            Ask::Resume { session, seen }
        });
        Some(say(&ask))
    }

    fn subscribe(&mut self, conn: ConnId, symbol: &Symbol, number: u64) -> Message {
        Feed.subscribe(conn, symbol, number)
    }

    fn unsubscribe(&mut self, conn: ConnId, symbol: &Symbol, number: u64) -> Message {
        Feed.unsubscribe(conn, symbol, number)
    }

    fn read(&mut self, conn: ConnId, frame: Message) -> Result<Inbound<Symbol, Price>, BadFrame> {
        Ok(match hear(&frame)? {
            Some(Say::Welcome { session, resumed }) => {
                self.memory.lock().welcome(conn, session, resumed)
            }
            Some(Say::GoAway) => Inbound::GoAway { within: Duration::ZERO },
            Some(Say::Price(price)) => {
                let Price { symbol, seq, .. } = price;
                let mut remembered = self.memory.lock();
                let newest = remembered.seen.entry(symbol).or_default();
                *newest = seq.max(*newest);
                Inbound::Numbered { topic: symbol, epoch: 0, sequence: seq, data: price }
            }
            Some(Say::Ack { .. } | Say::Refused { .. }) | None => return Feed.read(conn, frame),
        })
    }

    /// The session of the last connection is kept: the next one may resume it.
    fn closed(&mut self, conn: ConnId) {
        let sessions = &mut self.memory.lock().sessions;
        if sessions.len() > 1 {
            sessions.retain(|&(of, _)| of != Some(conn));
        } else if let Some((of, _)) = sessions.first_mut() {
            *of = None;
        }
    }
}

impl Remembered {
    fn welcome(&mut self, conn: ConnId, session: u64, resumed: bool) -> Inbound<Symbol, Price> {
        self.sessions.retain(|&(of, _)| of.is_some());
        self.sessions.push((Some(conn), session));
        let session = if resumed { Established::Resumed } else { Established::Fresh };
        Inbound::Ready { session, resumable: true }
    }
}

fn hear(frame: &Message) -> Result<Option<Say>, BadFrame> {
    let Message::Text(text) = frame else { return Ok(None) };
    serde_json::from_str(text).map(Some).map_err(|error| BadFrame::new(error.to_string()))
}

fn say(ask: &Ask) -> Message {
    Message::text(serde_json::to_string(ask).expect("plain data has a JSON form"))
}
