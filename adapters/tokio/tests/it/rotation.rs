//! Another connection takes the place of the current one, and nothing is missed.

use redial::{ConnId, Continuity, Phase, Status};
use redial_tokio::{Client, ClientEvent, Events, Handle};
use tokio::net::TcpListener;

use crate::desk::{Desk, Peer, built, policy};
use crate::server::{bounded, data, listen, next, phase};

#[tokio::test]
async fn a_successor_takes_over_while_the_first_delivers() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events, mut first) = live(&listener, &url).await;
        handle.rotate();
        let mut second = Peer::accept(&listener).await;
        second.answer("login -", "fresh b").await;
        first.say("during").await;
        assert_eq!(from(&mut events).await, (1, "during".to_owned()));
        assert!(handle.status().rotating);
        // Numbers are a connection's own: the first request here is 1 as well.
        second.answer("+7 1", "ok 1").await;
        overlapped(&mut events).await;
        second.say("after").await;
        assert_eq!(from(&mut events).await, (2, "after".to_owned()));
        assert_eq!(first.hear().await, None, "the old one is closed");
        assert_eq!((handle.status().losses, handle.stats().attempts), (0, 2));
    })
    .await;
}

/// Until the peer answers the close frame, it delivers as before.
#[tokio::test]
async fn what_the_first_says_while_it_closes_is_heard() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events, mut first) = live(&listener, &url).await;
        handle.rotate();
        let mut second = Peer::accept(&listener).await;
        second.answer("login -", "fresh b").await;
        second.answer("+7 1", "ok 1").await;
        overlapped(&mut events).await;
        first.say("late").await;
        assert_eq!(from(&mut events).await, (1, "late".to_owned()));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_asks_is_left_for_another_connection() {
    bounded(async {
        let (listener, url) = listen().await;
        let (_handle, mut events, mut first) = live(&listener, &url).await;
        first.say("away 10").await;
        let mut second = Peer::accept(&listener).await;
        second.answer("login -", "fresh b").await;
        second.answer("+7 1", "ok 1").await;
        overlapped(&mut events).await;
        assert_eq!(first.hear().await, None);
    })
    .await;
}

/// A successor that fails leaves the first as it was.
#[tokio::test]
async fn a_failed_successor_changes_nothing() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events, mut first) = live(&listener, &url).await;
        handle.rotate();
        drop(Peer::accept(&listener).await);
        // The next one succeeds.
        let mut second = Peer::accept(&listener).await;
        first.say("still here").await;
        assert_eq!(data(&mut events).await.1, "still here");
        second.answer("login -", "fresh b").await;
        second.answer("+7 1", "ok 1").await;
        overlapped(&mut events).await;
        assert_eq!((handle.status().losses, handle.stats().rotations_failed), (0, 1));
    })
    .await;
}

/// The current one is lost: the loss comes before what the successor says after it.
#[tokio::test]
async fn a_loss_comes_before_the_data_of_a_successor() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events, first) = live(&listener, &url).await;
        handle.rotate();
        let mut second = Peer::accept(&listener).await;
        second.answer("login -", "fresh b").await;
        assert_eq!(second.hear().await.as_deref(), Some("+7 1"));
        drop(first);
        while !matches!(next(&mut events).await, ClientEvent::Lost { losses: 1 }) {}
        second.say("after").await;
        assert_eq!(from(&mut events).await, (2, "after".to_owned()));
        second.say("ok 1").await;
        phase(&mut events, Phase::Live).await;
        assert_eq!(handle.stats().attempts, 2, "there is no third connection");
    })
    .await;
}

/// Both come at once; which of them the client sees first is up to it.
#[tokio::test]
async fn what_is_read_after_a_loss_is_told_after_it() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events, mut first) = live(&listener, &url).await;
        for losses in 1..=20 {
            handle.rotate();
            let mut second = Peer::accept(&listener).await;
            let greeting = second.hear().await.unwrap();
            second.say(if greeting.starts_with("login") { "fresh b" } else { "resumed" }).await;
            assert_eq!(second.hear().await.as_deref(), Some("+7 1"));
            drop(first);
            second.say("count").await;
            let mut lost = false;
            loop {
                match next(&mut events).await {
                    ClientEvent::Lost { .. } => lost = true,
                    ClientEvent::Data { data, .. } if data == "1" => {
                        assert!(lost, "the first was known to be gone");
                        break;
                    }
                    ClientEvent::Data { .. } => break,
                    _ => {}
                }
            }
            second.say("ok 1").await;
            phase(&mut events, Phase::Live).await;
            assert_eq!(handle.status().losses, losses);
            first = second;
        }
    })
    .await;
}

/// There is room for one event at a time, and the current connection would fill it for ever.
#[tokio::test]
async fn a_slow_application_does_not_starve_the_successor() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(&url).policy(built(policy())).event_buffer(1);
        let (handle, mut events) = client.connect(Desk::default()).unwrap();
        let mut first = Peer::accept(&listener).await;
        first.answer("login -", "fresh a").await;
        phase(&mut events, Phase::Live).await;
        handle.subscribe(7);
        first.answer("+7 1", "ok 1").await;
        let busy = tokio::spawn(async move {
            loop {
                first.say("busy").await;
            }
        });
        for _ in 0..1000 {
            data(&mut events).await;
        }
        handle.rotate();
        let successor = tokio::spawn(async move {
            let mut second = Peer::accept(&listener).await;
            second.answer("login -", "fresh b").await;
            second.answer("+7 1", "ok 1").await;
            second
        });
        overlapped(&mut events).await;
        busy.abort();
        let _second = successor.await.unwrap();
        assert_eq!(handle.stats().rotations_failed, 0);
    })
    .await;
}

/// A client that is subscribed to topic 7.
async fn live(listener: &TcpListener, url: &str) -> (Handle<u32>, Events<u32, String>, Peer) {
    let client = Client::builder(url).policy(built(policy())).idle();
    let (handle, mut events) = client.connect(Desk::default()).unwrap();
    handle.subscribe(7);
    handle.start();
    let mut peer = Peer::accept(listener).await;
    peer.answer("login -", "fresh a").await;
    peer.answer("+7 1", "ok 1").await;
    phase(&mut events, Phase::Live).await;
    (handle, events, peer)
}

async fn overlapped(events: &mut Events<u32, String>) -> Status {
    loop {
        if let ClientEvent::Status(status) = next(events).await
            && status.continuity == Some(Continuity::Overlapped)
        {
            return status;
        }
    }
}

/// The next data, and which connection they came on.
async fn from(events: &mut Events<u32, String>) -> (u64, String) {
    loop {
        if let ClientEvent::Data { conn, data, .. } = next(events).await {
            return (ConnId::get(conn), data);
        }
    }
}
