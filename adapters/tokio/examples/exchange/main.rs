//! A client of a crypto exchange's market stream: the exchange ends each connection after 24 hours
//! (ten seconds here), takes five messages a second, admits with a listen key that runs out, and
//! numbers its updates.
//!
//! `cargo run --example exchange` starts such an exchange on loopback and follows six symbols through
//! three rotations. It checks both sides: no connection was cut for its age, no rule was broken, each
//! update came exactly once or is covered by a snapshot that was asked for.

mod protocol;
mod server;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::error::Error;
use std::time::Duration;

use redial_tokio::redial::{Limit, Overflow, Policy, Refresh, Rotation};
use redial_tokio::tungstenite::client::IntoClientRequest;
use redial_tokio::{Client, ClientEvent, Token};
use tokio::time::{interval, timeout};

use protocol::{Stream, Update, ask_snapshot};
use server::{Exchange, KEY_LASTS, LIFETIME, SYMBOLS};

const ROTATIONS: u64 = 3;

fn policy() -> Result<Policy, Box<dyn Error>> {
    let (jitter, overlap) = (Duration::from_secs(1), Duration::from_secs(2));
    // Six keys at this pace take two seconds on the successor.
    let after = LIFETIME - Duration::from_secs(3);
    Ok(Policy::builder()
        .rotate(Some(Rotation::new(after, jitter, overlap)))
        .attempts(Limit::new(5, Duration::from_secs(2)))
        .refresh(Refresh::EveryAttempt)
        // At most 1 + 2 requests in a second: two more are left for pings and snapshots.
        .pace(Some(Limit::new(1, Duration::from_millis(350))))
        .build()?)
}

/// What is known of a symbol.
#[derive(Default)]
struct Book {
    received: BTreeSet<u64>,
    /// What the client told as missing.
    missing: BTreeSet<u64>,
    /// Everything up to here is in a snapshot.
    snapshot: u64,
    twice: u64,
}

impl Book {
    fn take(&mut self, update: Update) {
        match update {
            Update::Snapshot { up_to } => self.snapshot = self.snapshot.max(up_to),
            Update::Trade { number } => {
                let new = self.received.insert(number);
                self.twice += u64::from(!new);
            }
        }
    }

    /// Numbers that neither came nor are covered by a snapshot that a told gap led to.
    fn lost(&self) -> Vec<u64> {
        let (Some(first), Some(last)) = (self.received.first(), self.received.last()) else {
            return vec![0];
        };
        let covered = |number: &u64| self.missing.contains(number) && *number <= self.snapshot;
        (*first..=*last).filter(|it| !self.received.contains(it) && !covered(it)).collect()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let exchange = Exchange::start().await?;
    let (address, keys) = (exchange.address, exchange.clone());
    let (handle, mut events) = Client::with_request(move |attempt| {
        let key = attempt.token.unwrap_or_default();
        format!("ws://{address}/stream?{key}").into_client_request()
    })
    .policy(policy()?)
    .tokens(move || {
        let key = keys.listen_key();
        async move { Ok(Token::new(key).lasts(KEY_LASTS)) }
    })
    .outbox(16, Duration::from_secs(5), Overflow::DropOldest)
    .connect(Stream)?;
    for symbol in SYMBOLS {
        handle.subscribe(symbol.to_owned());
    }
    let mut books: BTreeMap<String, Book> = BTreeMap::new();
    // Snapshots count against the exchange's limit as well: two in a second, beside the pace.
    let mut asks: VecDeque<String> = VecDeque::new();
    let mut turns = interval(Duration::from_millis(500));
    let follow = async {
        loop {
            let event = tokio::select! {
                event = events.next() => event,
                _ = turns.tick() => {
                    if let Some(symbol) = asks.pop_front() {
                        // The outbox has more room than there are symbols.
                        let _ = handle.send(ask_snapshot(&symbol));
                    }
                    continue;
                }
            };
            match event {
                Some(ClientEvent::Data { topic: Some(symbol), data, .. }) => {
                    books.entry(symbol).or_default().take(data);
                }
                Some(ClientEvent::Gap { topic, missing }) => {
                    let book = books.entry(topic.clone()).or_default();
                    book.missing.extend(missing.first..=missing.last);
                    asks.push_back(topic);
                }
                Some(ClientEvent::Status(status)) => {
                    println!("{:?}, rotating {}", status.phase, status.rotating);
                }
                Some(other) => println!("{other:?}"),
                None => return,
            }
            if handle.stats().rotations == ROTATIONS && asks.is_empty() {
                return;
            }
        }
    };
    timeout(LIFETIME * 6, follow).await.map_err(|_| "three rotations took too long")?;
    handle.stop();
    let failures = check(&exchange, &books);
    if failures.is_empty() {
        println!("{ROTATIONS} rotations: each update came once, or is in a snapshot");
        Ok(())
    } else {
        Err(failures.join("; ").into())
    }
}

fn check(exchange: &Exchange, books: &BTreeMap<String, Book>) -> Vec<String> {
    let mut failures = exchange.log(|log| {
        let (connections, snapshots) = (log.connections, log.snapshots);
        println!("{connections} connections, {snapshots} snapshots");
        let mut failures = std::mem::take(&mut log.violations);
        if log.outlived > 0 {
            failures.push("a connection was cut for its age".to_owned());
        }
        if snapshots == 0 {
            failures.push("no gap was found, though the exchange loses updates".to_owned());
        }
        failures
    });
    for symbol in SYMBOLS {
        let Some(book) = books.get(symbol) else {
            failures.push(format!("nothing came of {symbol}"));
            continue;
        };
        let lost = book.lost();
        if book.twice > 0 || !lost.is_empty() {
            failures.push(format!("{symbol}: {} came twice, lost {lost:?}", book.twice));
        }
    }
    failures
}
