//! A client that goes on where another one ended.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use redial::{Continuity, Limit, Phase, WaitsFor};
use redial_tokio::{Client, ConnectError, Events, Handle, Snapshots};
use tokio::net::TcpListener;

use crate::desk::{Desk, Peer, built, policy};
use crate::server::{Lines, bounded, listen, phase, quick};

/// Wanted topics are asked for again, others are not, and the session goes on.
#[tokio::test]
async fn topics_and_session_survive_a_restart() {
    bounded(async {
        let (listener, url) = listen().await;
        let disk = Disk::default();
        let (handle, mut events) = start(&url, &disk);
        let mut peer = Peer::accept(&listener).await;
        peer.answer("login -", "fresh a").await;
        phase(&mut events, Phase::Live).await;
        for (topic, request) in [(7, "+7 1"), (8, "+8 2")] {
            handle.subscribe(topic);
            peer.answer(request, &format!("ok {}", request.split_once(' ').unwrap().1)).await;
        }
        handle.unsubscribe(&7);
        peer.answer("-7 3", "ok 3").await;
        drop((handle, events));
        assert_eq!(peer.hear().await, None);
        gone().await;

        let (handle, mut events) = start(&url, &disk);
        let mut peer = Peer::accept(&listener).await;
        // What the protocol remembered is gone with the process; the core's part is not.
        peer.answer("resume ? -", "resumed").await;
        peer.answer("+8 1", "ok 1").await;
        let status = phase(&mut events, Phase::Live).await;
        assert_eq!(status.continuity, Some(Continuity::Resumed));
        handle.subscribe(9);
        peer.answer("+9 2", "ok 2").await;
        assert_eq!(handle.counts().wanted, 2);
    })
    .await;
}

/// A process that crashes in the middle of each attempt dials no more often than one that runs on.
#[tokio::test]
async fn a_crash_loop_keeps_to_the_limit() {
    bounded(async {
        let (listener, url) = listen().await;
        let disk = Disk::default();
        for _crash in 0..BURST {
            let client = start_with(&url, &disk, true);
            let _half_open = listener.accept().await.unwrap();
            let stored = disk.text();
            drop(client);
            gone().await;
            // What the client stores as it ends, a crash does not.
            disk.put(stored);
        }
        for _restart in 0..20 {
            let (_handle, mut events) = start_with(&url, &disk, true);
            let waiting = phase(&mut events, Phase::Waiting).await;
            assert_eq!(waiting.waits_for, Some(WaitsFor::Limit));
        }
        assert!(is_silent(&listener).await, "nobody dialled");
    })
    .await;
}

/// The clock that the limit runs by goes on in the meantime, if it is known.
#[tokio::test]
async fn time_that_passed_counts() {
    bounded(async {
        let (listener, url) = listen().await;
        let disk = Disk::default();
        for _ in 0..BURST {
            let client = start_with(&url, &disk, true);
            let _half_open = listener.accept().await.unwrap();
            drop(client);
            gone().await;
        }
        let snapshots = disk.snapshots().restore(&disk.text(), Some(Duration::from_secs(7200)));
        let client = Client::builder(&url).policy(limited());
        let (_handle, mut events) =
            client.connect_with_snapshots(Lines, snapshots.unwrap()).unwrap();
        let _half_open = listener.accept().await.unwrap();
        phase(&mut events, Phase::Opening).await;
    })
    .await;
}

#[tokio::test]
async fn a_damaged_snapshot_is_refused() {
    let disk = Disk::default();
    for garbage in ["", "{}", "[]", r#"{"topics":[[7,true],[7,false]],"link":{}}"#] {
        assert!(disk.snapshots::<u32>().restore(garbage, None).is_err(), "{garbage}");
    }
    drop(start("ws://localhost:1", &disk));
    gone().await;
    let damaged = disk.text().replacen("\"version\":1", "\"version\":2", 1);
    assert_ne!(damaged, disk.text());
    let snapshots = disk.snapshots().restore(&damaged, None).unwrap();
    let refused = Client::builder("ws://localhost:1").connect_with_snapshots(Lines, snapshots);
    assert!(matches!(refused, Err(ConnectError::Snapshot(_))));

    let snapshots = disk.snapshots().restore(&disk.text(), None).unwrap();
    let recorded = Client::builder("ws://localhost:1").record(Vec::new());
    let refused = recorded.connect_with_snapshots(Lines, snapshots);
    assert!(matches!(refused, Err(ConnectError::RestoredTrace)));
}

/// What is stored last.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<String>>);

impl Disk {
    fn text(&self) -> String {
        self.0.lock().unwrap().clone()
    }

    fn put(&self, text: String) {
        *self.0.lock().unwrap() = text;
    }

    fn snapshots<T>(&self) -> Snapshots<T>
    where
        T: Clone + Eq + std::hash::Hash + Send + Sync + 'static,
        T: serde::Serialize + serde::de::DeserializeOwned,
    {
        let disk = self.clone();
        Snapshots::new(move |text| disk.put(text.to_owned()))
    }

    /// Goes on from what is stored, if anything is.
    fn load(&self) -> Snapshots<u32> {
        let text = self.text();
        let snapshots = self.snapshots();
        if text.is_empty() { snapshots } else { snapshots.restore(&text, None).unwrap() }
    }
}

fn start(url: &str, disk: &Disk) -> (Handle<u32>, Events<u32, String>) {
    start_with(url, disk, false)
}

fn start_with(url: &str, disk: &Disk, is_limited: bool) -> (Handle<u32>, Events<u32, String>) {
    let policy = if is_limited { limited() } else { built(policy()) };
    let client = Client::builder(url).policy(policy);
    client.connect_with_snapshots(Desk::default(), disk.load()).unwrap()
}

/// So many attempts, and then one in an hour.
fn limited() -> redial::Policy {
    built(quick().attempts(Limit::new(BURST, Duration::from_secs(3600))))
}

/// Until the client's task has ended.
async fn gone() {
    while tokio::runtime::Handle::current().metrics().num_alive_tasks() > 0 {
        tokio::task::yield_now().await;
    }
}

/// Nobody waits to be accepted.
async fn is_silent(listener: &TcpListener) -> bool {
    std::future::poll_fn(|cx| std::task::Poll::Ready(listener.poll_accept(cx).is_pending())).await
}

const BURST: u32 = 3;
