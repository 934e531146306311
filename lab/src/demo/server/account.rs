//! What the market remembers of an account: its token, its sessions, and the prices for who resumes.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use tokio_tungstenite::tungstenite::http::Uri;

use super::{Price, Shared, Symbol};

/// Where the account's connections are made. A token follows: `/account?7`.
pub(super) const PATH: &str = "/account";

/// How many prices are kept: 20 seconds of them.
const HISTORY: usize = 4_096;

/// The memory of both ports.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    /// The only token that is good.
    token: u64,
    /// What each session is subscribed to.
    sessions: BTreeMap<u64, BTreeSet<Symbol>>,
    history: VecDeque<Price>,
    /// See [`Server::poison_resumes`](super::Server::poison_resumes).
    pub(super) poisoned: bool,
}

impl Accounts {
    pub(super) fn expire_tokens(&mut self) {
        self.token += 1;
    }

    /// The session's number.
    pub(super) fn begin(&mut self) -> u64 {
        let session = self.sessions.last_key_value().map_or(1, |(last, _)| last + 1);
        self.sessions.insert(session, BTreeSet::new());
        session
    }

    /// What the session is subscribed to; `None` if there is no such session.
    pub(super) fn held(&mut self, session: u64) -> Option<&mut BTreeSet<Symbol>> {
        self.sessions.get_mut(&session)
    }

    pub(super) fn remember(&mut self, price: Price) {
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back(price);
    }

    /// What came after `seen`, in order.
    pub(super) fn after(&self, seen: &BTreeMap<Symbol, u64>) -> Vec<Price> {
        let news = |price: &&Price| seen.get(&price.symbol).is_some_and(|&seq| price.seq > seq);
        self.history.iter().filter(news).copied().collect()
    }

    /// What a request may come in with: `Err` is the token that is not good any more.
    pub(super) fn check(&self, uri: &Uri) -> Result<(), u64> {
        let token = uri.query().and_then(|query| query.parse().ok()).unwrap_or(u64::MAX);
        if uri.path() != PATH || token == self.token { Ok(()) } else { Err(token) }
    }
}

/// Issues tokens to whoever asks, as an identity provider would.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    shared: Arc<Shared>,
}

impl Tokens {
    pub(super) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The token that is good now.
    pub(crate) fn issue(&self) -> String {
        self.shared.log().tokens_issued += 1;
        self.shared.accounts().token.to_string()
    }
}
