//! A line protocol, and servers that speak it.

use std::future::Future;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use redial::{Cause, Limit, Phase, Policy, PolicyBuilder, Status};
use redial_tokio::tungstenite::Message;
use redial_tokio::{BadFrame, Client, ClientEvent, Events, Handle, Inbound, Protocol};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::{WebSocketStream, accept_async};

/// `+topic number`, `-topic number`, answered by `ok number`.
pub(crate) struct Lines;

impl Protocol for Lines {
    type Topic = u32;
    type Data = String;

    fn subscribe(&mut self, topic: &u32, number: u64) -> Message {
        Message::text(format!("+{topic} {number}"))
    }

    fn unsubscribe(&mut self, topic: &u32, number: u64) -> Message {
        Message::text(format!("-{topic} {number}"))
    }

    fn read(&mut self, frame: Message) -> Result<Inbound<u32, String>, BadFrame> {
        let text = frame.to_text().map_err(|_| BadFrame::new("not text"))?;
        match text.strip_prefix("ok ") {
            None => Ok(Inbound::Data { topic: None, data: text.to_owned() }),
            Some(number) => {
                let number = number.parse().map_err(|_| BadFrame::new("not a number"))?;
                Ok(Inbound::Acked { number })
            }
        }
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
        let Some(Ok(message)) = socket.next().await else { break };
        let Ok(text) = message.to_text() else { continue };
        let Some((topic, number)) = text.strip_prefix('+').and_then(|t| t.split_once(' ')) else {
            continue;
        };
        subscribed.push(topic.parse().unwrap());
        if socket.send(Message::text(format!("ok {number}"))).await.is_err() {
            break;
        }
    }
    subscribed
}

pub(crate) async fn phase(events: &mut Events<u32, String>, phase: Phase) -> Status {
    status(events, |status| status.phase == phase).await
}

/// The cause of the first failure that is told.
pub(crate) async fn cause(events: &mut Events<u32, String>) -> Cause {
    status(events, |status| status.cause.is_some()).await.cause.unwrap()
}

async fn status(events: &mut Events<u32, String>, wanted: impl Fn(&Status) -> bool) -> Status {
    loop {
        let event = events.next().await.expect("the client's task runs");
        if let ClientEvent::Status(status) = event
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
