//! A gateway that keeps to the published rules of Discord's, on a loopback port, with time running
//! twenty times as fast: it says hello with a heartbeat, admits one identify per 5 s, keeps sessions
//! that can be resumed, and closes whoever breaks a rule.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, interval, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::protocol::say;

/// One identify per 5 s, at our speed.
pub(crate) const IDENTIFY_EVERY: Duration = Duration::from_millis(250);
/// 41.25 s at our speed.
pub(crate) const HEARTBEAT: Duration = Duration::from_millis(2_062);
pub(crate) const TOKEN: &str = "Bot of an example";

/// What the gateway does to the next connection that is ready.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mishap {
    /// The TCP connection is cut after some messages.
    Cut,
    /// Opcode 7: reconnect and resume.
    Reconnect,
    /// Resumes are refused with opcode 9 from now on.
    Forget,
    /// Resumes are accepted and cut at once: a poisoned session.
    Poison,
    /// Close 4004: the token is not good any more.
    Unauthorized,
}

/// What the gateway has seen.
#[derive(Default)]
pub(crate) struct Log {
    pub(crate) identifies: Vec<Instant>,
    pub(crate) resumes: u32,
    pub(crate) refused_resumes: u32,
    pub(crate) poisoned: u32,
    /// From hello to the first heartbeat, connection by connection.
    pub(crate) first_heartbeats: Vec<Duration>,
    /// What a client did against the rules.
    pub(crate) violations: Vec<String>,
}

#[derive(Default)]
struct Sessions {
    log: Log,
    mishap: Option<Mishap>,
    forgetful: bool,
    /// Sessions by name, with the messages that each was sent: number by sequence, from 2.
    sent: HashMap<String, Vec<u64>>,
    numbers: u64,
}

#[derive(Clone)]
pub(crate) struct Server {
    state: Arc<Mutex<Sessions>>,
    pub(crate) address: SocketAddr,
}

type Socket = WebSocketStream<TcpStream>;

impl Server {
    pub(crate) async fn start() -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let server = Self { state: Arc::default(), address: listener.local_addr()? };
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = accepting.clone();
                tokio::spawn(async move {
                    if let Ok(socket) = tokio_tungstenite::accept_async(stream).await {
                        server.serve(socket).await;
                    }
                });
            }
        });
        Ok(server)
    }

    /// What happens to the present connection, or the next one.
    pub(crate) fn plan(&self, mishap: Mishap) {
        self.with(|state| state.mishap = Some(mishap));
    }

    fn with<T>(&self, look: impl FnOnce(&mut Sessions) -> T) -> T {
        look(&mut self.state.lock().expect("nothing panics with it"))
    }

    pub(crate) fn log<T>(&self, look: impl FnOnce(&Log) -> T) -> T {
        self.with(|state| look(&state.log))
    }

    fn violated(&self, what: impl Into<String>) {
        self.with(|state| state.log.violations.push(what.into()));
    }

    async fn serve(&self, mut socket: Socket) {
        let interval = u64::try_from(HEARTBEAT.as_millis()).expect("small");
        let hello = json!({ "op": 10, "d": { "heartbeat_interval": interval } });
        let said_hello = Instant::now();
        if socket.send(say(&hello)).await.is_err() {
            return;
        }
        let Some(login) = next(&mut socket).await else { return };
        let session = match login["op"].as_u64() {
            Some(2) => self.identify(&mut socket, &login).await,
            Some(6) => self.resume(&mut socket, &login).await,
            _ => None,
        };
        if let Some(session) = session {
            self.run(socket, &session, said_hello).await;
        }
    }

    async fn identify(&self, socket: &mut Socket, login: &Value) -> Option<String> {
        let now = Instant::now();
        let earlier = self.log(|log| log.identifies.last().copied());
        self.with(|state| state.log.identifies.push(now));
        if earlier.is_some_and(|at| now - at < IDENTIFY_EVERY) {
            self.violated("two identifies within 5 s");
        }
        if login["d"]["token"] != TOKEN {
            self.violated("an identify without the token");
            return None;
        }
        let session = self.with(|state| {
            let session = format!("session-{}", state.sent.len() + 1);
            state.sent.insert(session.clone(), Vec::new());
            state.forgetful = false;
            session
        });
        let data = json!({ "session_id": session });
        let ready = json!({ "op": 0, "t": "READY", "s": 1, "d": data });
        socket.send(say(&ready)).await.ok()?;
        Some(session)
    }

    async fn resume(&self, socket: &mut Socket, login: &Value) -> Option<String> {
        let data = &login["d"];
        let session = data["session_id"].as_str().unwrap_or_default().to_owned();
        let sequence = data["seq"].as_u64().unwrap_or_default();
        let known = self.with(|state| {
            state.log.resumes += 1;
            let sent = state.sent.get(&session).cloned();
            sent.filter(|_| !state.forgetful)
        });
        let Some(sent) = known else {
            self.with(|state| state.log.refused_resumes += 1);
            let _ = socket.send(say(&json!({ "op": 9, "d": false }))).await;
            // The client leaves.
            while next(socket).await.is_some() {}
            return None;
        };
        for (sequence, number) in (2..).zip(sent).filter(|(it, _)| *it > sequence) {
            socket.send(message(sequence, number)).await.ok()?;
        }
        socket.send(say(&json!({ "op": 0, "t": "RESUMED", "s": sequence }))).await.ok()?;
        Some(session)
    }

    /// Sends a message every few milliseconds and hears heartbeats, until a mishap or the client ends
    /// it.
    async fn run(&self, mut socket: Socket, session: &str, said_hello: Instant) {
        let mut ticks = interval(Duration::from_millis(5));
        let mut heard: Option<Instant> = None;
        let mut sent = 0_u32;
        loop {
            tokio::select! {
                _ = ticks.tick() => {
                    let (sequence, number) = self.with(|state| state.emit(session));
                    if socket.send(message(sequence, number)).await.is_err() {
                        return;
                    }
                    sent += 1;
                    if sent >= 5 && self.strike(&mut socket).await {
                        return;
                    }
                    let last = heard.unwrap_or(said_hello);
                    if last.elapsed() > HEARTBEAT * 2 {
                        self.violated("no heartbeat for two intervals");
                        return;
                    }
                }
                said = hear(&mut socket) => {
                    let said = match said {
                        Heard::Said(said) => said,
                        Heard::Closed(code @ (1000 | 1001)) => {
                            self.with(|state| state.sent.remove(session));
                            return println!("closed with {code}: the session is gone");
                        }
                        Heard::Closed(_) | Heard::Gone => return,
                    };
                    if said["op"] == 1 {
                        if heard.is_none() {
                            let after = said_hello.elapsed();
                            self.with(|state| state.log.first_heartbeats.push(after));
                        }
                        heard = Some(Instant::now());
                        if socket.send(say(&json!({ "op": 11 }))).await.is_err() {
                            return;
                        }
                    }
                }
            }
        }
    }

    /// Whether a mishap ended the connection.
    async fn strike(&self, socket: &mut Socket) -> bool {
        match self.with(|state| state.mishap.take()) {
            None => false,
            Some(Mishap::Cut) => true,
            Some(Mishap::Reconnect) => {
                let _ = socket.send(say(&json!({ "op": 7 }))).await;
                false
            }
            Some(Mishap::Forget) => {
                self.with(|state| state.forgetful = true);
                true
            }
            Some(Mishap::Poison) => {
                // It stays so until the client has given up the session.
                self.with(|state| {
                    state.log.poisoned += 1;
                    let poisoned = state.log.poisoned < 4;
                    state.mishap = poisoned.then_some(Mishap::Poison);
                });
                true
            }
            Some(Mishap::Unauthorized) => {
                let frame = CloseFrame { code: 4004.into(), reason: "".into() };
                let _ = socket.close(Some(frame)).await;
                let _ = timeout(Duration::from_secs(1), socket.next()).await;
                true
            }
        }
    }
}

impl Sessions {
    /// The next message of a session, kept for a resume.
    fn emit(&mut self, session: &str) -> (u64, u64) {
        self.numbers += 1;
        let sent = self.sent.entry(session.to_owned()).or_default();
        sent.push(self.numbers);
        (sent.len() as u64 + 1, self.numbers)
    }
}

fn message(sequence: u64, number: u64) -> Message {
    let data = json!({ "number": number });
    say(&json!({ "op": 0, "t": "MESSAGE_CREATE", "s": sequence, "d": data }))
}

/// What is heard of a client.
enum Heard {
    Said(Value),
    Closed(u16),
    Gone,
}

async fn hear(socket: &mut Socket) -> Heard {
    loop {
        match socket.next().await {
            Some(Ok(Message::Text(text))) => {
                return serde_json::from_str(&text).map_or(Heard::Gone, Heard::Said);
            }
            Some(Ok(Message::Close(frame))) => {
                // The answer to its close is sent while the stream is read on.
                while let Some(Ok(_)) = socket.next().await {}
                return frame.map_or(Heard::Gone, |frame| Heard::Closed(frame.code.into()));
            }
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return Heard::Gone,
        }
    }
}

/// The next thing that the client says; `None` once it is gone.
async fn next(socket: &mut Socket) -> Option<Value> {
    match hear(socket).await {
        Heard::Said(said) => Some(said),
        Heard::Closed(_) | Heard::Gone => None,
    }
}
