//! What server and dashboard say to each other: JSON text messages.

use std::fmt;

use serde::{Deserialize, Serialize};

/// How many symbols the market trades.
pub(crate) const SYMBOLS: u8 = 50;

const TICKERS: [&str; SYMBOLS as usize] = [
    "AAPL", "ABBV", "ADBE", "AMD", "AMZN", "ASML", "AVGO", "BA", "BABA", "BAC", "BRKB", "CAT",
    "COST", "CRM", "CSCO", "CVX", "DIS", "GE", "GOOG", "GS", "HD", "IBM", "INTC", "JNJ", "JPM",
    "KO", "LIN", "LLY", "MA", "MCD", "META", "MRK", "MSFT", "NESN", "NFLX", "NKE", "NOVN", "NVDA",
    "ORCL", "PEP", "PFE", "PG", "QCOM", "SAP", "SHEL", "TM", "TSLA", "UNH", "V", "XOM",
];

/// One tradable symbol.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct Symbol(u8);

impl Symbol {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        (0..SYMBOLS).map(Self)
    }

    pub(crate) fn index(self) -> usize {
        usize::from(self.0)
    }

    pub(crate) fn ticker(self) -> &'static str {
        TICKERS[self.index()]
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.ticker())
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.ticker())
    }
}

impl From<Symbol> for String {
    fn from(symbol: Symbol) -> Self {
        symbol.ticker().to_owned()
    }
}

impl TryFrom<String> for Symbol {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::all()
            .find(|symbol| symbol.ticker() == text)
            .ok_or_else(|| format!("no such symbol: {text}"))
    }
}

/// A price. Its sequence number rises by one with each price of its symbol, over all connections:
/// a hole in it is a price missed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Price {
    pub(crate) symbol: Symbol,
    pub(crate) seq: u64,
    pub(crate) cents: u64,
}

/// What the dashboard says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Ask {
    /// The first word on an account's connection: a session, please.
    Login,
    /// The first word on an account's connection: that session, please, with its subscriptions and
    /// each price after these.
    Resume {
        session: u64,
        seen: Vec<(Symbol, u64)>,
    },
    Subscribe {
        id: u64,
        symbol: Symbol,
    },
    Unsubscribe {
        id: u64,
        symbol: Symbol,
    },
}

/// What the server says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum Say {
    Ack {
        id: u64,
    },
    /// Never: the symbol is not traded any more.
    Refused {
        id: u64,
    },
    Price(Price),
    /// Answers [`Ask::Login`] and [`Ask::Resume`].
    Welcome {
        session: u64,
        resumed: bool,
    },
    /// Leave this connection for another one.
    GoAway,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tickers_are_distinct() {
        let mut sorted = TICKERS;
        sorted.sort_unstable();
        assert!(sorted.windows(2).all(|pair| pair[0] != pair[1]));
    }

    #[test]
    fn the_wire_is_readable_json() {
        let price = Say::Price(Price { symbol: Symbol(0), seq: 7, cents: 18_921 });
        let text = serde_json::to_string(&price).unwrap();
        assert_eq!(text, r#"{"type":"price","symbol":"AAPL","seq":7,"cents":18921}"#);
        assert_eq!(serde_json::from_str::<Say>(&text).unwrap(), price);
        let unknown = r#"{"type":"subscribe","id":1,"symbol":"NOPE"}"#;
        assert!(serde_json::from_str::<Ask>(unknown).is_err());
    }
}
