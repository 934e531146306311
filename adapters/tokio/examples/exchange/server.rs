//! An exchange that keeps to published rules of real ones, on a loopback port: a connection lives ten
//! seconds in place of 24 hours, more than five messages in a second end it, a listen key admits new
//! connections for two seconds in place of an hour, and updates are numbered per symbol.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use tokio::time::{Instant, interval, sleep_until};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};

use crate::protocol::say;

pub(crate) const SYMBOLS: [&str; 6] = ["btc", "eth", "sol", "xrp", "ada", "dot"];
/// 24 hours.
pub(crate) const LIFETIME: Duration = Duration::from_secs(10);
/// An hour.
pub(crate) const KEY_LASTS: Duration = Duration::from_secs(2);
const MESSAGES_PER_SECOND: usize = 5;
const UPDATE_EVERY: Duration = Duration::from_millis(10);
/// Every so many updates of a symbol one is lost inside the exchange.
const LOSES_EVERY: u64 = 150;

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) connections: u32,
    /// Connections that were cut because their time was up.
    pub(crate) outlived: u32,
    pub(crate) snapshots: u32,
    pub(crate) violations: Vec<String>,
    pub(crate) newest: BTreeMap<&'static str, u64>,
}

#[derive(Clone)]
pub(crate) struct Exchange {
    log: Arc<Mutex<Log>>,
    keys: Arc<Mutex<BTreeMap<String, Instant>>>,
    updates: broadcast::Sender<(&'static str, u64)>,
    pub(crate) address: SocketAddr,
}

impl Exchange {
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (updates, _) = broadcast::channel(4_096);
        let exchange = Self { log: Arc::default(), keys: Arc::default(), updates, address };
        tokio::spawn(exchange.clone().trade());
        tokio::spawn(exchange.clone().accept(listener));
        Ok(exchange)
    }

    /// What `POST /listenKey` answers.
    pub(crate) fn listen_key(&self) -> String {
        let mut keys = self.keys.lock().expect("nothing panics with it");
        let key = format!("key-{}", keys.len() + 1);
        keys.insert(key.clone(), Instant::now());
        key
    }

    pub(crate) fn log<T>(&self, look: impl FnOnce(&mut Log) -> T) -> T {
        look(&mut self.log.lock().expect("nothing panics with it"))
    }

    fn violated(&self, what: impl Into<String>) {
        self.log(|log| log.violations.push(what.into()));
    }

    async fn trade(self) {
        let mut ticks = interval(UPDATE_EVERY);
        for symbol in SYMBOLS.into_iter().cycle() {
            ticks.tick().await;
            let number = self.log(|log| {
                let number = log.newest.entry(symbol).or_default();
                *number += 1;
                *number
            });
            if !number.is_multiple_of(LOSES_EVERY) {
                // Nobody may be listening.
                let _ = self.updates.send((symbol, number));
            }
        }
    }

    async fn accept(self, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let exchange = self.clone();
            tokio::spawn(async move {
                let keys = Arc::clone(&exchange.keys);
                #[allow(clippy::result_large_err, reason = "the handshake's own type")]
                let check = |request: &Request, response: Response| {
                    let key = request.uri().query().unwrap_or_default();
                    let keys = keys.lock().expect("nothing panics with it");
                    match keys.get(key) {
                        Some(issued) if issued.elapsed() <= KEY_LASTS => Ok(response),
                        Some(_) | None => {
                            let mut refusal = ErrorResponse::new(None);
                            *refusal.status_mut() = 401.try_into().expect("a status");
                            Err(refusal)
                        }
                    }
                };
                match tokio_tungstenite::accept_hdr_async(stream, check).await {
                    Ok(socket) => exchange.serve(socket).await,
                    Err(_) => exchange.violated("dialled with a listen key that has run out"),
                }
            });
        }
    }

    async fn serve(&self, mut socket: WebSocketStream<TcpStream>) {
        self.log(|log| log.connections += 1);
        let ends_at = Instant::now() + LIFETIME;
        let mut updates = self.updates.subscribe();
        let mut symbols: Vec<String> = Vec::new();
        let mut said_at: VecDeque<Instant> = VecDeque::new();
        loop {
            tokio::select! {
                () = sleep_until(ends_at) => {
                    return self.log(|log| log.outlived += 1);
                }
                update = updates.recv() => {
                    let Ok((symbol, number)) = update else { continue };
                    if symbols.iter().any(|it| it == symbol) {
                        let update = say(&json!({ "s": symbol, "u": number }));
                        if socket.send(update).await.is_err() {
                            return;
                        }
                    }
                }
                said = socket.next() => {
                    let Some(Ok(said)) = said else { return };
                    if let Message::Close(_) = said {
                        // Its answer is sent while the stream is read on.
                        while let Some(Ok(_)) = socket.next().await {}
                        return;
                    }
                    let now = Instant::now();
                    said_at.push_back(now);
                    said_at.retain(|at| now - *at < Duration::from_secs(1));
                    if said_at.len() > MESSAGES_PER_SECOND {
                        return self.violated("more than five messages in a second");
                    }
                    let Message::Text(text) = said else { continue };
                    let Ok(request) = serde_json::from_str::<Value>(&text) else { return };
                    if let Some(answer) = self.answer(&request, &mut symbols)
                        && socket.send(answer).await.is_err()
                    {
                        return;
                    }
                }
            }
        }
    }

    fn answer(&self, request: &Value, symbols: &mut Vec<String>) -> Option<Message> {
        let symbol = request["params"][0].as_str()?;
        let id = &request["id"];
        let known = SYMBOLS.contains(&symbol);
        match request["method"].as_str()? {
            "SUBSCRIBE" if known => {
                if symbols.iter().any(|it| it == symbol) {
                    self.violated(format!("{symbol} is subscribed twice on one connection"));
                }
                symbols.push(symbol.to_owned());
                Some(say(&json!({ "result": null, "id": id })))
            }
            "UNSUBSCRIBE" => {
                symbols.retain(|it| it != symbol);
                Some(say(&json!({ "result": null, "id": id })))
            }
            "SNAPSHOT" => {
                let up_to = self.log(|log| {
                    log.snapshots += 1;
                    log.newest.get(symbol).copied().unwrap_or_default()
                });
                Some(say(&json!({ "s": symbol, "snapshot": up_to })))
            }
            _ => Some(say(&json!({ "error": "unknown", "id": id }))),
        }
    }
}
