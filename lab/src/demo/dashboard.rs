//! The trading dashboard: a client of the market, through `redial-tokio`.

use std::fs::File;
use std::io::BufWriter;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redial::{Policy, Refusal, Seed};
use redial_tokio::{
    Builder, Client, ClientEvent, ConnectError, Events, Handle, Observed, Snapshots, Token,
    TokenError,
};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;

use super::board::Board;
use super::market::{Price, Symbol};
use super::protocol::{Account, Feed, Memory, Remembered};
use super::server::{Server, Tokens};

/// A dashboard that wants every symbol. What it does is written on the board.
pub(crate) struct Dashboard {
    link: Handle<Symbol>,
    reader: JoinHandle<()>,
    stored: Store,
}

/// What the account's client stored last.
type Store = Arc<Mutex<Option<Stored>>>;

/// The snapshot of a link, and what its protocol must know besides.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    at: Duration,
    link: String,
    remembered: Remembered,
}

impl Dashboard {
    /// Of the public feed.
    pub(crate) fn feed(
        server: &Server,
        policy: Policy,
        seed: u64,
        trace: Option<File>,
        board: &Board,
    ) -> Result<Self, ConnectError> {
        let mut client = watched(Client::builder(server.url()), policy, seed, board).idle();
        if let Some(file) = trace {
            client = client.record(BufWriter::new(file));
        }
        let (link, events) = client.connect(Feed)?;
        wish(&link);
        Ok(Self::new(link, events, board, Store::default()))
    }

    /// Of an account, with a token of now, or going on from where an earlier one ended.
    pub(crate) fn account(
        server: &Server,
        policy: Policy,
        seed: u64,
        stored: Option<Stored>,
        board: &Board,
    ) -> Result<Self, ConnectError> {
        let tokens = server.tokens();
        let store = Store::default();
        let memory = match &stored {
            Some(stored) => Memory::restore(stored.remembered.clone()),
            None => {
                let memory = Memory::default();
                memory.lock().token = tokens.issue();
                memory
            }
        };
        let mut snapshots = Snapshots::new(saver(board, &memory, &store));
        let goes_on = stored.is_some();
        if let Some(Stored { at, link, .. }) = stored {
            let elapsed = board.clock().now().saturating_sub(at);
            snapshots = snapshots.restore(&link, Some(elapsed))?;
        }
        let client = watched(dials(server.account_urls(), &memory), policy, seed, board)
            .tokens(fetches(tokens, &memory))
            .idle();
        let (link, events) = client.connect_with_snapshots(Account::new(memory), snapshots)?;
        if !goes_on {
            wish(&link);
        }
        Ok(Self::new(link, events, board, store))
    }

    fn new(
        link: Handle<Symbol>,
        events: Events<Symbol, Price>,
        board: &Board,
        stored: Store,
    ) -> Self {
        let reader = tokio::spawn(read(events, board.clone()));
        Self { link, reader, stored }
    }

    /// Closes the connection and waits until it is gone.
    pub(crate) async fn stop(self) {
        let Self { link, reader, .. } = self;
        link.stop();
        drop(link);
        // A reader that panicked has said so on standard error.
        let _ended = reader.await;
    }

    /// Ends at once, as in a crash: what was stored until then is all that is left of it.
    pub(crate) async fn kill(&mut self) -> Option<Stored> {
        let stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.reader.abort();
        // It reports that it was cancelled; there is nothing else to learn.
        let _cancelled = (&mut self.reader).await;
        stored
    }
}

fn wish(link: &Handle<Symbol>) {
    for symbol in Symbol::all() {
        link.subscribe(symbol);
    }
    link.start();
}

fn watched(client: Builder, policy: Policy, seed: u64, board: &Board) -> Builder {
    let witness = board.watcher();
    client.policy(policy).seed(Seed::from_u64(seed)).observe(move |polled, observed| match observed
    {
        Observed::Action(action) => witness.heard(polled, *action),
        Observed::Event(_) => {}
    })
}

fn dials(urls: [String; 2], memory: &Memory) -> Builder {
    let memory = memory.clone();
    Client::with_request(move |attempt| {
        let url = &urls[usize::from(attempt.endpoint.get())];
        format!("{url}?{}", memory.lock().token).into_client_request()
    })
}

fn fetches(
    tokens: Tokens,
    memory: &Memory,
) -> impl FnMut() -> std::future::Ready<Result<Token, TokenError>> + Send + 'static {
    let memory = memory.clone();
    move || {
        let token = tokens.issue();
        memory.lock().token.clone_from(&token);
        std::future::ready(Ok(Token::new(token)))
    }
}

fn saver(board: &Board, memory: &Memory, store: &Store) -> impl FnMut(&str) + Send + 'static {
    let (clock, memory, store) = (board.clock(), memory.clone(), Arc::clone(store));
    move |text| {
        let stored =
            Stored { at: clock.now(), link: text.to_owned(), remembered: memory.lock().clone() };
        store.lock().unwrap_or_else(PoisonError::into_inner).replace(stored);
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
