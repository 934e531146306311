//! Refusals, and topics that come and go.

use std::time::Duration;

use redial::{Event, Phase, Refusal, SubKey};
use redial_tokio::{Client, ClientEvent, Events, Observed};

use crate::server::{Asked, Lines, accept, asked, bounded, data, listen, next, phase, quick, say};

#[tokio::test]
async fn a_refusal_for_good_is_told_and_not_asked_again() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url).policy(quick().build().unwrap()).idle();
        let (handle, mut events) = client.connect(Lines).unwrap();
        handle.subscribe(7);
        handle.start();
        let mut socket = accept(&listener).await;
        let first = asked(&mut socket).await.unwrap();
        say(&mut socket, format!("no {}", first.number)).await.unwrap();
        assert_eq!(refused(&mut events).await, (7, Refusal::Final));
        phase(&mut events, Phase::Live).await;

        drop(socket);
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        handle.subscribe(8);
        assert_eq!(asked(&mut socket).await.unwrap().topic, 8, "7 stays refused");
        handle.resync(&7);
        assert_eq!(asked(&mut socket).await.unwrap().topic, 7, "until it is wished anew");
    })
    .await;
}

#[tokio::test]
async fn a_refusal_for_now_is_told_and_asked_again() {
    bounded(async {
        let (listener, url) = listen().await;
        let policy = quick()
            .subscription_retry(Duration::from_millis(20), Duration::from_millis(100))
            .build()
            .unwrap();
        let client = Client::builder(url).policy(policy).idle();
        let (handle, mut events) = client.connect(Lines).unwrap();
        handle.subscribe(7);
        handle.start();
        let mut socket = accept(&listener).await;
        let first = asked(&mut socket).await.unwrap();
        say(&mut socket, format!("later {}", first.number)).await.unwrap();
        assert_eq!(refused(&mut events).await, (7, Refusal::Retry(None)));
        let second = asked(&mut socket).await.unwrap();
        assert_eq!((second.wanted, second.topic), (true, 7));
        say(&mut socket, format!("ok {}", second.number)).await.unwrap();
        phase(&mut events, Phase::Live).await;
    })
    .await;
}

/// The refusal speaks of a wish that the application has no more.
#[tokio::test]
async fn the_refusal_of_a_withdrawn_topic_is_not_told() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events) = Client::builder(url).connect(Lines).unwrap();
        let mut socket = accept(&listener).await;
        handle.subscribe(7);
        let first = asked(&mut socket).await.unwrap();
        handle.unsubscribe(&7);
        handle.subscribe(8);
        let other = asked(&mut socket).await.unwrap();
        assert_eq!(other.topic, 8, "the withdrawal has been taken up");
        say(&mut socket, format!("no {}", first.number)).await.unwrap();
        say(&mut socket, "end").await.unwrap();
        loop {
            match next(&mut events).await {
                ClientEvent::Data { .. } => break,
                ClientEvent::Refused { topic, .. } => panic!("{topic} is not wanted"),
                _ => {}
            }
        }
    })
    .await;
}

/// A key serves another topic once the server holds nothing of the first, and not before. What
/// comes late for the first concerns the second in no way.
#[tokio::test]
async fn a_withdrawn_key_serves_another_topic() {
    bounded(async {
        let (listener, url) = listen().await;
        let (wished, mut keys) = tokio::sync::mpsc::unbounded_channel();
        let client = Client::builder(url).observe(move |_, observed| {
            if let Observed::Event(&Event::Subscribe { key }) = observed {
                let _ = wished.send(key);
            }
        });
        let (handle, mut events) = client.connect(Lines).unwrap();
        let mut socket = accept(&listener).await;
        handle.subscribe(1);
        let subscribed = acknowledged(&mut socket).await;
        handle.unsubscribe(&1);
        let withdrawn = asked(&mut socket).await.unwrap();
        assert_eq!((withdrawn.wanted, withdrawn.topic), (false, 1));
        handle.subscribe(2);
        acknowledged(&mut socket).await;
        say(&mut socket, format!("ok {}", withdrawn.number)).await.unwrap();
        say(&mut socket, "1:sent before the withdrawal was read").await.unwrap();
        assert_eq!(data(&mut events).await.0, Some(1));
        handle.subscribe(3);
        let third = asked(&mut socket).await.unwrap();
        assert_eq!((third.wanted, third.topic), (true, 3));
        let [first, second, reused] =
            [keys.recv().await, keys.recv().await, keys.recv().await].map(Option::unwrap);
        assert_eq!((first, second), (SubKey::new(0), SubKey::new(1)), "not while it is in flight");
        assert_eq!(reused, first);

        // Late answers to the first topic's requests say nothing of the third.
        say(&mut socket, format!("no {}", subscribed.number)).await.unwrap();
        say(&mut socket, format!("ok {}", withdrawn.number)).await.unwrap();
        say(&mut socket, "1:late").await.unwrap();
        assert_eq!(data(&mut events).await, (Some(1), "1:late".to_owned()));
        assert_eq!(handle.counts().pending, 1);
        say(&mut socket, format!("ok {}", third.number)).await.unwrap();
        say(&mut socket, "3:new").await.unwrap();
        assert_eq!(data(&mut events).await, (Some(3), "3:new".to_owned()));
        assert_eq!(handle.counts().pending, 0);
    })
    .await;
}

async fn acknowledged(
    socket: &mut tokio_tungstenite::WebSocketStream<tokio::net::TcpStream>,
) -> Asked {
    let request = asked(socket).await.unwrap();
    say(socket, format!("ok {}", request.number)).await.unwrap();
    request
}

async fn refused(events: &mut Events<u32, String>) -> (u32, Refusal) {
    loop {
        if let ClientEvent::Refused { topic, refusal } = next(events).await {
            return (topic, refusal);
        }
    }
}
