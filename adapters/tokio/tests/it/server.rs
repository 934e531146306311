//! A line protocol, and servers that speak it.

use std::future::Future;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use redial::{Cause, ConnId, Established, Limit, Phase, Policy, PolicyBuilder, Refusal, Status};
use redial_tokio::tungstenite::{Error, Message, Utf8Bytes};
use redial_tokio::{BadFrame, Client, ClientEvent, Events, Handle, Inbound, Protocol};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async};

/// `+topic number`, `-topic number`, answered by `ok number`, `no number` (for good) or
/// `later number`; `ready`, and data, some as `topic:data`.
pub(crate) struct Lines;

impl Protocol for Lines {
    type Topic = u32;
    type Data = String;

    fn subscribe(&mut self, _: ConnId, topic: &u32, number: u64) -> Message {
        Message::text(format!("+{topic} {number}"))
    }

    fn unsubscribe(&mut self, _: ConnId, topic: &u32, number: u64) -> Message {
        Message::text(format!("-{topic} {number}"))
    }

    fn read(&mut self, _: ConnId, frame: Message) -> Result<Inbound<u32, String>, BadFrame> {
        let text = frame.to_text().map_err(|_| BadFrame::new("not text"))?;
        let number = |text: &str| text.parse().map_err(|_| BadFrame::new("not a number"));
        Ok(match text.split_once(' ') {
            Some(("ok", text)) => Inbound::Acked { number: number(text)? },
            Some(("no", text)) => {
                Inbound::Refused { number: number(text)?, refusal: Refusal::Final }
            }
            Some(("later", text)) => {
                Inbound::Refused { number: number(text)?, refusal: Refusal::Retry(None) }
            }
            _ if text == "ready" => {
                Inbound::Ready { session: Established::Fresh, resumable: false }
            }
            _ => {
                let topic = text.split_once(':').and_then(|(topic, _)| topic.parse().ok());
                Inbound::Data { topic, data: text.to_owned() }
            }
        })
    }
}

pub(crate) async fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    (listener, url)
}

pub(crate) fn connect(url: &str) -> (Handle<u32>, Events<u32, String>) {
    Client::builder(url).connect(Lines).unwrap()
}

pub(crate) async fn accept(listener: &TcpListener) -> WebSocketStream<TcpStream> {
    accept_async(listener.accept().await.unwrap().0).await.unwrap()
}

/// Acknowledges until `requests` have come or the connection ends; gives what was subscribed.
pub(crate) async fn serve(socket: &mut WebSocketStream<TcpStream>, requests: usize) -> Vec<u32> {
    let mut subscribed = Vec::new();
    while subscribed.len() < requests {
        let Some(asked) = asked(socket).await else { break };
        if asked.wanted {
            subscribed.push(asked.topic);
        }
        if say(socket, format!("ok {}", asked.number)).await.is_err() {
            break;
        }
    }
    subscribed
}

/// A request as the server reads it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    pub(crate) wanted: bool,
    pub(crate) topic: u32,
    pub(crate) number: u64,
}

/// The next request; `None` once the connection has ended.
pub(crate) async fn asked(socket: &mut WebSocketStream<TcpStream>) -> Option<Asked> {
    loop {
        let message = socket.next().await?.ok()?;
        let Message::Text(text) = &message else { continue };
        let (topic, number) = text.split_once(' ').unwrap();
        return Some(Asked {
            wanted: topic.starts_with('+'),
            topic: topic[1..].parse().unwrap(),
            number: number.parse().unwrap(),
        });
    }
}

pub(crate) async fn say(
    socket: &mut WebSocketStream<TcpStream>,
    text: impl Into<Utf8Bytes>,
) -> Result<(), Error> {
    socket.send(Message::text(text)).await
}

pub(crate) async fn phase(events: &mut Events<u32, String>, phase: Phase) -> Status {
    status(events, |status| status.phase == phase).await
}

/// The cause of the first failure that is told.
pub(crate) async fn cause(events: &mut Events<u32, String>) -> Cause {
    status(events, |status| status.cause.is_some()).await.cause.unwrap()
}

/// The next data.
pub(crate) async fn data(events: &mut Events<u32, String>) -> (Option<u32>, String) {
    loop {
        if let ClientEvent::Data { topic, data, .. } = next(events).await {
            return (topic, data);
        }
    }
}

pub(crate) async fn next(events: &mut Events<u32, String>) -> ClientEvent<u32, String> {
    events.next().await.expect("the client's task runs")
}

async fn status(events: &mut Events<u32, String>, wanted: impl Fn(&Status) -> bool) -> Status {
    loop {
        if let ClientEvent::Status(status) = next(events).await
            && wanted(&status)
        {
            return status;
        }
    }
}

/// Dials again at once, some times.
pub(crate) const fn quick() -> PolicyBuilder {
    Policy::builder()
        .retry(Duration::from_millis(10), Duration::from_millis(100))
        .first_within(Duration::from_millis(10))
        .attempts(Limit::new(20, Duration::from_secs(1)))
}

/// No test may hang.
pub(crate) async fn bounded<T>(test: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(120), test).await.expect("the test takes too long")
}
