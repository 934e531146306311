//! Who is slow and who is dead.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use redial::{Action, By, Cause, Event, Fact, Heartbeat, Phase, PolicyBuilder, Why};
use redial_tokio::tungstenite::Message;
use redial_tokio::{Client, Handle, NotReady, Observed};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio_tungstenite::WebSocketStream;

use crate::server::{Lines, accept, bounded, cause, data, listen, phase, quick, say};

/// The server stops reading and writing, without closing.
#[tokio::test]
async fn a_half_open_connection_is_noticed() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url).policy(impatient().build().unwrap());
        let (_handle, mut events) = client.connect(Lines).unwrap();
        let _mute = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        assert_eq!(cause(&mut events).await, Cause::Silent);
        let _socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
    })
    .await;
}

/// The application takes nothing for many times as long as a silent peer would live, and more waits
/// than the client's buffers hold.
#[tokio::test]
async fn a_slow_consumer_is_not_a_dead_peer() {
    bounded(async {
        let (listener, url) = listen().await;
        let (observer, mut seen) = unbounded_channel();
        let client = Client::builder(url).policy(patient().build().unwrap()).event_buffer(8);
        let client = client.observe(watch(observer));
        let (handle, mut events) = client.connect(Lines).unwrap();
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        let server = tokio::spawn(async move {
            let padding = large();
            for number in 0..LARGE_MESSAGES {
                say(&mut socket, format!("{number} {padding}")).await.unwrap();
            }
            socket
        });
        timers(&mut seen, 8).await;
        assert_eq!(handle.stats().silences, 0);
        for number in 0..LARGE_MESSAGES {
            assert!(data(&mut events).await.1.starts_with(&format!("{number} ")));
        }
        let _socket = server.await.unwrap();
    })
    .await;
}

/// Nor is it where the application's wishes come between a deadline and the timer.
#[tokio::test]
async fn a_busy_application_is_not_a_dead_peer() {
    bounded(async {
        let (listener, url) = listen().await;
        let (observer, mut seen) = unbounded_channel();
        let client = Client::builder(url).policy(impatient().build().unwrap()).event_buffer(8);
        let client = client.observe(watch(observer));
        let (handle, mut events) = client.connect(Lines).unwrap();
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        burst(&mut socket).await;
        // Time passes for the client's buffers to fill, then one message more stays outside.
        while seen.recv().await.unwrap() != Seen::Ping {}
        say(&mut socket, "unread").await.unwrap();
        let mut fired = 0;
        while fired < 8 {
            handle.retry_now();
            tokio::task::yield_now().await;
            while let Ok(seen) = seen.try_recv() {
                fired += usize::from(seen == Seen::Timer);
            }
            assert_eq!(handle.stats().silences, 0);
        }
    })
    .await;
}

/// All that the peer sent fits the client's buffers, so that it can be asked whether it is there.
#[tokio::test]
async fn a_quiet_peer_of_a_slow_consumer_is_asked() {
    bounded(async {
        let (listener, url) = listen().await;
        let (observer, mut seen) = unbounded_channel();
        let client = Client::builder(url).policy(patient().build().unwrap()).event_buffer(8);
        let client = client.observe(watch(observer));
        let (handle, mut events) = client.connect(Lines).unwrap();
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        burst(&mut socket).await;
        // Reading answers the ping.
        let server = tokio::spawn(async move { while socket.next().await.is_some() {} });
        timers(&mut seen, 3).await;
        assert_eq!(handle.stats().silences, 0);
        for number in 0..SMALL_MESSAGES {
            assert_eq!(data(&mut events).await.1, number.to_string());
        }
        server.abort();
    })
    .await;
}

#[tokio::test]
async fn a_dead_peer_of_a_slow_consumer_is_noticed() {
    bounded(async {
        let (listener, url) = listen().await;
        let (observer, mut seen) = unbounded_channel();
        let client = Client::builder(url).policy(impatient().build().unwrap()).event_buffer(8);
        let client = client.observe(watch(observer));
        let (handle, mut events) = client.connect(Lines).unwrap();
        let mut mute = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        burst(&mut mute).await;
        while seen.recv().await.unwrap() != Seen::Silence {}
        assert_eq!(handle.stats().silences, 1);
    })
    .await;
}

/// Its end waits to be read in its turn.
#[tokio::test]
async fn a_closed_peer_of_a_slow_consumer_is_heard_out() {
    bounded(async {
        let (listener, url) = listen().await;
        let (observer, mut seen) = unbounded_channel();
        let client = Client::builder(url).policy(patient().build().unwrap()).event_buffer(8);
        let client = client.observe(watch(observer));
        let (_handle, mut events) = client.connect(Lines).unwrap();
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        burst(&mut socket).await;
        drop(socket);
        timers(&mut seen, 8).await;
        for number in 0..SMALL_MESSAGES {
            assert_eq!(data(&mut events).await.1, number.to_string());
        }
        assert_eq!(cause(&mut events).await, Cause::Closed { by: By::Peer, fact: Fact::None });
    })
    .await;
}

/// Writing blocks: only so much waits, the link finds the peer dead as any other, and there is room
/// again on the next connection.
#[tokio::test]
async fn a_peer_that_never_reads() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url).policy(impatient().build().unwrap());
        let (handle, mut events) = client.connect(Lines).unwrap();
        let _deaf = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        assert_eq!(fill(&handle), NotReady::Full);
        assert_eq!(cause(&mut events).await, Cause::Silent);
        assert_eq!(handle.send(large()), Err(NotReady::NotConnected));

        let _socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        for _ in 0..WAITING {
            handle.send(large()).unwrap();
        }
    })
    .await;
}

/// The peer reads at last, and has only so long to answer the ping: it must not stand behind all
/// that waits.
#[tokio::test]
async fn a_ping_overtakes_what_waits() {
    bounded(async {
        let (listener, url) = listen().await;
        let (observer, mut seen) = unbounded_channel();
        let policy = heartbeat(Duration::from_secs(60)).build().unwrap();
        let client = Client::builder(url).policy(policy).observe(watch(observer));
        let (handle, mut events) = client.connect(Lines).unwrap();
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        for _ in 0..WAITING {
            handle.send(large()).unwrap();
        }
        while seen.recv().await.unwrap() != Seen::Ping {}
        let mut before = 0;
        while !socket.next().await.unwrap().unwrap().is_ping() {
            before += 1;
        }
        assert!(before < WAITING / 2, "{before} messages came first");
    })
    .await;
}

/// As long as it sends it is not dead, and still only so much waits.
#[tokio::test]
async fn a_peer_that_never_reads_but_sends() {
    bounded(async {
        let (listener, url) = listen().await;
        let (observer, mut seen) = unbounded_channel();
        let client = Client::builder(url).policy(patient().build().unwrap());
        let client = client.observe(watch(observer));
        let (handle, mut events) = client.connect(Lines).unwrap();
        let mut deaf = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        let mut fired = 0;
        while fired < 8 {
            fill(&handle);
            say(&mut deaf, "a price").await.unwrap();
            data(&mut events).await;
            while let Ok(seen) = seen.try_recv() {
                fired += usize::from(seen == Seen::Timer);
            }
        }
        assert_eq!(fill(&handle), NotReady::Full);
        assert_eq!(handle.stats().silences, 0);
    })
    .await;
}

/// Arrives at once, and is more than the client's queue of events holds.
async fn burst(socket: &mut WebSocketStream<TcpStream>) {
    for number in 0..SMALL_MESSAGES {
        socket.feed(Message::text(number.to_string())).await.unwrap();
    }
    socket.flush().await.unwrap();
}

/// Sends until no more is accepted, at most as much as may wait.
fn fill(handle: &Handle<u32>) -> NotReady {
    (0..=WAITING).find_map(|_| handle.send(large()).err()).expect("only so much is accepted")
}

fn large() -> Message {
    Message::text("x".repeat(64 << 10))
}

/// Soon finds a peer dead that does not answer.
fn impatient() -> PolicyBuilder {
    heartbeat(Duration::from_millis(200))
}

/// Waits long enough for a peer on a busy machine.
fn patient() -> PolicyBuilder {
    heartbeat(Duration::from_secs(2))
}

fn heartbeat(dead_after: Duration) -> PolicyBuilder {
    quick().heartbeat(Some(Heartbeat::new(Duration::from_millis(200), dead_after)))
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    Timer,
    Ping,
    Silence,
}

fn watch(
    seen: tokio::sync::mpsc::UnboundedSender<Seen>,
) -> impl FnMut(redial::Instant, Observed<'_>) {
    move |_, observed| {
        let what = match observed {
            Observed::Event(&Event::TimerFired) => Seen::Timer,
            Observed::Action(&Action::Ping { .. }) => Seen::Ping,
            Observed::Action(&Action::Close { why: Why::Silent, .. }) => Seen::Silence,
            Observed::Event(_) | Observed::Action(_) => return,
        };
        let _ = seen.send(what);
    }
}

/// Each firing is a silence that the connection survived.
async fn timers(seen: &mut UnboundedReceiver<Seen>, count: usize) {
    let mut fired = 0;
    while fired < count {
        fired += usize::from(seen.recv().await.unwrap() == Seen::Timer);
    }
}

const LARGE_MESSAGES: usize = 200;
const SMALL_MESSAGES: usize = 100;
/// What waits at most, as `NotReady::Full` says.
const WAITING: usize = 1000;
