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
    /// Prices made, whoever listened.
    pub(crate) generated: u64,
}

/// One accepted connection.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    pub(crate) accepted: Duration,
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

/// One refused upgrade.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unavailable {
    /// Before the answer was sent, so that no client can have had it earlier.
    pub(crate) at: Duration,
    pub(crate) retry_after: Duration,
}

impl Log {
    pub(super) fn admit(&mut self, now: Duration) -> usize {
        self.visits.push(Visit {
            accepted: now,
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

    /// What the newest connection holds, by the server's memory.
    pub(crate) fn held_now(&self) -> BTreeSet<Symbol> {
        self.visits.last().map(|visit| visit.held.clone()).unwrap_or_default()
    }

    /// What was refused for good, ever.
    pub(crate) fn refused_symbols(&self) -> BTreeSet<Symbol> {
        self.refused.iter().map(|&(_, symbol)| symbol).collect()
    }
}
