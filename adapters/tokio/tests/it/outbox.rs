//! What the application sends has one fate.

use std::time::Duration;

use redial::{Fate, Fates, Overflow, Phase, Pushed};
use redial_tokio::tungstenite::Message;
use redial_tokio::{Client, ClientEvent, Events};

use crate::desk::{Desk, Peer, built, policy};
use crate::server::{Lines, bounded, connect, listen, next, phase};

/// Before the link is up, over a loss, and in order.
#[tokio::test]
async fn what_was_sent_while_the_link_was_down_is_written_when_it_is_up() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url).policy(built(policy())).idle();
        let (handle, mut events) = client.connect(Desk::default()).unwrap();
        handle.subscribe(7);
        assert_eq!(handle.send("one".into()), Pushed::Queued);
        handle.start();
        let mut peer = Peer::accept(&listener).await;
        peer.answer("login -", "fresh a").await;
        assert_eq!(handle.send("two".into()), Pushed::Queued);
        // Live only once the subscription is answered.
        peer.answer("+7 1", "ok 1").await;
        for expected in ["one", "two"] {
            assert_eq!(peer.hear().await.as_deref(), Some(expected));
        }
        drop(peer);
        phase(&mut events, Phase::Waiting).await;
        assert_eq!(handle.send("three".into()), Pushed::Queued);
        let mut peer = Peer::accept(&listener).await;
        peer.answer("resume a -", "resumed").await;
        peer.answer("+7 1", "ok 1").await;
        assert_eq!(peer.hear().await.as_deref(), Some("three"));
        // What it answers, it has read.
        peer.say("news").await;
        while handle.fates().sent < 3 {
            next(&mut events).await;
        }
        assert_balance(handle.fates(), 0);
    })
    .await;
}

#[tokio::test]
async fn what_is_too_old_is_told_and_not_sent() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url).policy(built(policy())).idle();
        let client = client.outbox(8, Duration::from_millis(50), Overflow::Reject);
        let (handle, mut events) = client.connect(Desk::default()).unwrap();
        assert_eq!(handle.send("old".into()), Pushed::Queued);
        assert_eq!(unsent(&mut events).await, ("old".into(), Fate::Expired));
        handle.start();
        let mut peer = Peer::accept(&listener).await;
        peer.answer("login -", "fresh a").await;
        phase(&mut events, Phase::Live).await;
        assert_eq!(handle.send("new".into()), Pushed::Queued);
        assert_eq!(peer.hear().await.as_deref(), Some("new"));
    })
    .await;
}

#[tokio::test]
async fn a_full_outbox_does_what_it_was_told() {
    bounded(async {
        let (_listener, url) = listen().await;
        let full = |overflow| {
            let client = Client::builder(url.as_str()).idle();
            let client = client.outbox(2, Duration::from_secs(60), overflow);
            let (handle, events) = client.connect(Lines).unwrap();
            assert_eq!(handle.send("a".into()), Pushed::Queued);
            assert_eq!(handle.send_replacing(1, "b".into()), Pushed::Queued);
            (handle, events)
        };
        let dropped = |item: &str| Pushed::FellOut { item: item.into(), fate: Fate::Dropped };
        let (handle, _events) = full(Overflow::Reject);
        assert_eq!(handle.send("c".into()), Pushed::Rejected("c".into()));
        assert_eq!(handle.send_replacing(1, "c".into()), dropped("b"));
        let (handle, _events) = full(Overflow::DropOldest);
        assert_eq!(handle.send("c".into()), dropped("a"));
        let (handle, _events) = full(Overflow::DropNewest);
        assert_eq!(handle.send("c".into()), dropped("c"));
        assert_balance(handle.fates(), 2);
    })
    .await;
}

/// The client ends: what waits is told, and nothing is accepted any more.
#[tokio::test]
async fn what_is_left_is_returned() {
    bounded(async {
        let (_listener, url) = listen().await;
        let (handle, mut events) = Client::builder(url.as_str()).idle().connect(Lines).unwrap();
        assert_eq!(handle.send("left".into()), Pushed::Queued);
        drop(handle);
        assert_eq!(unsent(&mut events).await, ("left".into(), Fate::Returned));
        assert_eq!(events.next().await, None);

        let (handle, events) = connect(&url);
        drop(events);
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(handle.send("late".into()), Pushed::Rejected("late".into()));
    })
    .await;
}

async fn unsent(events: &mut Events<u32, String>) -> (Message, Fate) {
    loop {
        if let ClientEvent::Unsent { message, fate } = next(events).await {
            return (message, fate);
        }
    }
}

fn assert_balance(fates: Fates, queued: u64) {
    let ended = fates.sent + fates.expired + fates.dropped + fates.returned;
    assert_eq!(fates.accepted, ended + queued);
}
