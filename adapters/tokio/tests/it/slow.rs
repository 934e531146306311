//! Who is slow and who is dead.

use std::time::Duration;

use futures_util::SinkExt;
use redial::{Cause, Event, Heartbeat, Phase, Policy};
use redial_tokio::tungstenite::Message;
use redial_tokio::{Client, ClientEvent, Observed};

use crate::server::{Lines, accept, bounded, cause, listen, phase};

fn impatient() -> Policy {
    let heartbeat = Heartbeat::new(Duration::from_millis(200), Duration::from_millis(200));
    Policy::builder().heartbeat(Some(heartbeat)).build().unwrap()
}

/// The server stops reading and writing, without closing.
#[tokio::test]
async fn a_half_open_connection_is_noticed() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url).policy(impatient());
        let (_handle, mut events) = client.connect(Lines).unwrap();
        let _mute = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        assert_eq!(cause(&mut events).await, Cause::Silent);
        let _socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
    })
    .await;
}

/// The application takes nothing for many times as long as a silent peer would live.
#[tokio::test]
async fn a_slow_consumer_is_not_a_dead_peer() {
    bounded(async {
        let (listener, url) = listen().await;
        let (fired, mut timers) = tokio::sync::mpsc::unbounded_channel();
        let client =
            Client::builder(url).policy(impatient()).event_buffer(8).observe(move |_, observed| {
                if observed == Observed::Event(&Event::TimerFired) {
                    let _ = fired.send(());
                }
            });
        let (handle, mut events) = client.connect(Lines).unwrap();
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        for number in 0..MESSAGES {
            socket.send(Message::text(number.to_string())).await.unwrap();
        }
        // Each firing is a silence that the connection survived.
        for _ in 0..8 {
            timers.recv().await.unwrap();
        }
        assert_eq!(handle.stats().silences, 0);
        let mut next = 0;
        while next < MESSAGES {
            if let Some(ClientEvent::Data { data, .. }) = events.next().await {
                assert_eq!(data, next.to_string());
                next += 1;
            }
        }
    })
    .await;
}

const MESSAGES: usize = 1000;
