//! What the server saw.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::demo::market::Symbol;

/// Everything that the server saw, by its own clock.
#[derive(Clone, Default, Debug)]
pub(crate) struct Log {
    /// Every connection accepted, in order.
    pub(crate) visits: Vec<Visit>,
    /// Every upgrade refused with 503.
    pub(crate) unavailable: Vec<Unavailable>,
    /// Every symbol refused for good, by visit.
    pub(crate) refused: Vec<(usize, Symbol)>,
    /// Requests over the limit, by visit.
    pub(crate) over_limit: Vec<(usize, Duration)>,
    /// Each time a token was refused, the token.
    pub(crate) rejected: Vec<(Duration, u64)>,
    /// Tokens issued on demand.
    pub(crate) tokens_issued: usize,
    /// Each time that somebody resumed a session and was cut off for it.
    pub(crate) poisoned: Vec<Duration>,
    /// Prices made, whoever listened.
    pub(crate) generated: u64,
}

/// One accepted connection.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) accepted: Duration,
    /// The port that it came in by, by its number: 0 is the preferred one.
    pub(crate) port: usize,
    /// Which of the demo's links came.
    pub(crate) link: Link,
    /// Whether it got as far as to be served, and with what session.
    pub(crate) welcome: Option<Welcome>,
    /// When the server ended it, or saw that the client had. A close handshake counts from the
    /// server's close frame, silence from the last byte sent.
    pub(crate) over: Option<Duration>,
    /// What the client is subscribed to. It stays as it was when the connection ended.
    pub(crate) held: BTreeSet<Symbol>,
    pub(crate) requests: u64,
    /// Symbols asked for while held.
    pub(crate) repeated: Vec<Symbol>,
    /// The server stopped reading and writing; nothing was sent after this.
    pub(crate) silent_since: Option<Duration>,
    /// After that silence the client turned out to hold the dead connection still.
    pub(crate) leaked: bool,
}

/// The demo's links, one after the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Link {
    /// Of the public feed: one server, no login.
    Feed,
    /// Of an account: two servers, tokens, sessions, rotation.
    Account,
}

/// The session of a connection that is served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Welcome {
    Fresh,
    Resumed,
}

/// One refused upgrade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unavailable {
    pub(crate) port: usize,
    /// Before the answer was sent, so that no client can have had it earlier.
    pub(crate) at: Duration,
    pub(crate) retry_after: Duration,
}

impl Log {
    pub(super) fn admit(&mut self, now: Duration, port: usize, link: Link) -> usize {
        self.visits.push(Visit {
            accepted: now,
            port,
            link,
            welcome: None,
            over: None,
            held: BTreeSet::new(),
            requests: 0,
            repeated: Vec::new(),
            silent_since: None,
            leaked: false,
        });
        self.visits.len() - 1
    }

    /// The first instant that is named counts.
    pub(super) fn over(&mut self, visit: usize, now: Duration) {
        self.visits[visit].over.get_or_insert(now);
    }

    /// The newest connection that was served.
    pub(crate) fn served_last(&self) -> Option<&Visit> {
        self.visits.iter().rfind(|visit| visit.welcome.is_some())
    }

    /// What the newest connection holds, by the server's memory.
    pub(crate) fn held_now(&self) -> BTreeSet<Symbol> {
        self.served_last().map(|visit| visit.held.clone()).unwrap_or_default()
    }

    /// Each connection of one link.
    pub(crate) fn visits_of(&self, link: Link) -> impl Iterator<Item = &Visit> + Clone {
        self.visits.iter().filter(move |visit| visit.link == link)
    }

    /// What was refused for good, ever.
    pub(crate) fn refused_symbols(&self) -> BTreeSet<Symbol> {
        self.refused.iter().map(|&(_, symbol)| symbol).collect()
    }
}
