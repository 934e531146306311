//! Numbered data are delivered once, over all connections.

use redial::{ConnId, Continuity, Event, Missing, Phase, Seen};
use redial_tokio::{Builder, Client, ClientEvent, Events, Handle, Observed};
use tokio::net::TcpListener;
use tokio::sync::mpsc::unbounded_channel;

use crate::desk::{Desk, Peer, built, policy};
use crate::server::{bounded, listen, next, phase};

#[tokio::test]
async fn a_duplicate_is_left_out() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events, mut first) = live(&listener, builder(&url)).await;
        let mut second = rotate(&listener, &handle).await;
        first.say("#7 0 1").await;
        assert_eq!(numbered(&mut events).await, (1, 1, Seen::First));
        second.say("#7 0 1").await;
        second.say("#7 0 2").await;
        assert_eq!(numbered(&mut events).await, (2, 2, Seen::Next));
    })
    .await;
}

#[tokio::test]
async fn a_duplicate_is_marked_where_the_application_wants_it() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = builder(&url).mark_duplicates();
        let (handle, mut events, mut first) = live(&listener, client).await;
        let mut second = rotate(&listener, &handle).await;
        first.say("#7 0 1").await;
        assert_eq!(numbered(&mut events).await, (1, 1, Seen::First));
        second.say("#7 0 1").await;
        assert_eq!(numbered(&mut events).await, (2, 1, Seen::Duplicate));
    })
    .await;
}

/// The successor is ahead: what it skips comes late from the first, and is no gap.
#[tokio::test]
async fn what_the_other_connection_brings_is_no_gap() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events, mut first) = live(&listener, builder(&url)).await;
        let mut second = rotate(&listener, &handle).await;
        first.say("#7 0 1").await;
        assert_eq!(numbered(&mut events).await, (1, 1, Seen::First));
        second.say("#7 0 3").await;
        let skipped = Missing { first: 2, last: 2 };
        assert_eq!(numbered(&mut events).await, (2, 3, Seen::Gap(skipped)));
        first.say("#7 0 2").await;
        assert_eq!(numbered(&mut events).await, (1, 2, Seen::Late));
        second.say("ok 1").await;
        overlapped_without_gap(&mut events).await;
        assert_eq!(first.hear().await, None);
        second.say("#7 0 4").await;
        assert_eq!(numbered(&mut events).await, (2, 4, Seen::Next), "no gap is told");
    })
    .await;
}

/// The first ends without having brought it.
#[tokio::test]
async fn what_neither_connection_brings_is_a_gap() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events, mut first) = live(&listener, builder(&url)).await;
        let mut second = rotate(&listener, &handle).await;
        first.say("#7 0 1").await;
        assert_eq!(numbered(&mut events).await, (1, 1, Seen::First));
        second.say("#7 0 4").await;
        assert_eq!(numbered(&mut events).await.1, 4);
        drop(first);
        assert_eq!(gap(&mut events).await, Missing { first: 2, last: 3 });
    })
    .await;
}

/// After a loss the gap is told before the data that show it, and a snapshot fills it.
#[tokio::test]
async fn a_gap_is_told_and_filled() {
    bounded(async {
        let (listener, url) = listen().await;
        let (observer, mut seen) = unbounded_channel();
        let client = builder(&url).resync_gaps().observe(move |_, observed| {
            if let Observed::Event(Event::Resync { key }) = observed {
                let _ = observer.send(*key);
            }
        });
        let (handle, mut events, mut peer) = live(&listener, client).await;
        peer.say("#7 0 1").await;
        assert_eq!(numbered(&mut events).await, (1, 1, Seen::First));
        peer.say("#7 0 5").await;
        assert_eq!(gap(&mut events).await, Missing { first: 2, last: 4 });
        assert_eq!(numbered(&mut events).await.1, 5);
        seen.recv().await.expect("the topic is asked for again");
        peer.answer("+7 2", "ok 2").await;
        peer.say("=7 0 6").await;
        peer.say("#7 0 3").await;
        peer.say("#7 0 7").await;
        loop {
            if let ClientEvent::Data { data, seen, .. } = next(&mut events).await {
                assert_ne!(data, "#7 0 3", "the snapshot has it");
                if seen == Some(Seen::Next) {
                    assert_eq!(data, "#7 0 7");
                    break;
                }
            }
        }
        handle.caught_up(&7, 0, 9);
        peer.say("#7 0 10").await;
        assert_eq!(numbered(&mut events).await, (1, 10, Seen::Next));
    })
    .await;
}

/// What was said of a topic while nobody wanted it is no gap.
#[tokio::test]
async fn a_topic_wanted_again_begins_anew() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events, mut peer) = live(&listener, builder(&url)).await;
        peer.say("#7 0 1").await;
        assert_eq!(numbered(&mut events).await, (1, 1, Seen::First));
        handle.unsubscribe(&7);
        peer.answer("-7 2", "ok 2").await;
        handle.subscribe(7);
        peer.answer("+7 3", "ok 3").await;
        peer.say("#7 0 5").await;
        assert_eq!(numbered(&mut events).await, (1, 5, Seen::First));
    })
    .await;
}

fn builder(url: &str) -> Builder {
    Client::builder(url).policy(built(policy())).idle()
}

/// A client that is subscribed to topic 7.
async fn live(listener: &TcpListener, client: Builder) -> (Handle<u32>, Events<u32, String>, Peer) {
    let (handle, mut events) = client.connect(Desk::default()).unwrap();
    handle.subscribe(7);
    handle.start();
    let mut peer = Peer::accept(listener).await;
    peer.answer("login -", "fresh a").await;
    peer.answer("+7 1", "ok 1").await;
    phase(&mut events, Phase::Live).await;
    (handle, events, peer)
}

/// A successor that has asked for topic 7 and not been answered.
async fn rotate(listener: &TcpListener, handle: &Handle<u32>) -> Peer {
    handle.rotate();
    let mut peer = Peer::accept(listener).await;
    peer.answer("login -", "fresh b").await;
    assert_eq!(peer.hear().await.as_deref(), Some("+7 1"));
    peer
}

async fn overlapped_without_gap(events: &mut Events<u32, String>) {
    loop {
        match next(events).await {
            ClientEvent::Gap { missing, .. } => panic!("{missing:?}"),
            ClientEvent::Status(status) if status.continuity == Some(Continuity::Overlapped) => {
                return;
            }
            _ => {}
        }
    }
}

/// The next numbered data: on which connection, which number, and how they continue.
async fn numbered(events: &mut Events<u32, String>) -> (u64, u64, Seen) {
    loop {
        match next(events).await {
            ClientEvent::Data { conn, data, seen: Some(seen), .. } => {
                let (_, number) = data.rsplit_once(' ').unwrap();
                return (ConnId::get(conn), number.parse().unwrap(), seen);
            }
            ClientEvent::Gap { missing, .. } => panic!("{missing:?}"),
            _ => {}
        }
    }
}

async fn gap(events: &mut Events<u32, String>) -> Missing {
    loop {
        match next(events).await {
            ClientEvent::Gap { topic: 7, missing } => return missing,
            ClientEvent::Data { data, .. } => panic!("{data} came before the gap"),
            _ => {}
        }
    }
}
