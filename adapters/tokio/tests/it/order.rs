//! What the application hears comes in order, once, whatever it does between two events.

use std::time::Duration;

use redial::Phase;
use redial_tokio::{Client, ClientEvent, Events};

use crate::server::{Lines, accept, bounded, data, listen, next, phase, quick, say};

/// A loss is told between the last data of the old connection and the first of the new one, however
/// early those are.
#[tokio::test]
async fn a_loss_comes_before_the_data_of_the_new_connection() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url).policy(quick().build().unwrap());
        let (_handle, mut events) = client.connect(Lines).unwrap();
        say(&mut accept(&listener).await, "first").await.unwrap();
        assert_eq!(data(&mut events).await.1, "first");
        for losses in 1..=CUTS {
            say(&mut accept(&listener).await, "new").await.unwrap();
            loss_then_data(&mut events, losses).await;
        }
    })
    .await;
}

/// With a login, the link is ready in the midst of what the server sends.
#[tokio::test]
async fn a_loss_comes_before_the_data_that_follow_a_login() {
    bounded(async {
        let (listener, url) = listen().await;
        let policy = quick().ready_within(Some(Duration::from_secs(10))).build().unwrap();
        let client = Client::builder(url).policy(policy);
        let (_handle, mut events) = client.connect(Lines).unwrap();
        let login = async || {
            let mut socket = accept(&listener).await;
            say(&mut socket, "ready").await.unwrap();
            say(&mut socket, "new").await.unwrap();
        };
        login().await;
        assert_eq!(data(&mut events).await.1, "new");
        for losses in 1..=CUTS {
            login().await;
            loss_then_data(&mut events, losses).await;
        }
    })
    .await;
}

async fn loss_then_data(events: &mut Events<u32, String>, expected: u32) {
    loop {
        match next(events).await {
            ClientEvent::Lost { losses } => {
                assert_eq!(losses, expected);
                break;
            }
            ClientEvent::Data { data, .. } => panic!("{data} came before the loss"),
            _ => {}
        }
    }
    assert_eq!(data(events).await.1, "new");
}

/// A future of `next` that is dropped takes no event with it.
#[tokio::test]
async fn next_is_cancel_safe() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url).event_buffer(4);
        let (_handle, mut events) = client.connect(Lines).unwrap();
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        let server = tokio::spawn(async move {
            for number in 0..MESSAGES {
                say(&mut socket, number.to_string()).await.unwrap();
                tokio::task::yield_now().await;
            }
            socket
        });
        let (mut heard, mut cancelled) = (0, 0);
        while heard < MESSAGES {
            tokio::select! {
                biased;
                event = events.next() => {
                    if let Some(ClientEvent::Data { data, .. }) = event {
                        assert_eq!(data, heard.to_string());
                        heard += 1;
                    }
                }
                () = tokio::task::yield_now() => cancelled += 1,
            }
        }
        assert!(cancelled > 0);
        let _socket = server.await.unwrap();
    })
    .await;
}

const CUTS: u32 = 10;
const MESSAGES: usize = 1000;
