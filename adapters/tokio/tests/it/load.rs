//! Rotation under load: nothing is missed, and nothing is delivered twice.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use redial::{Limit, Rotation};
use redial_tokio::{Client, ClientEvent};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::MissedTickBehavior;

use crate::desk::{Desk, Peer, built, policy};
use crate::server::{bounded, listen, next};

#[tokio::test]
async fn nothing_is_missed_over_rotations() {
    bounded(rotate_under_load(5, Duration::from_millis(100))).await;
}

/// `cargo test -p redial-tokio --test it -- --ignored load`.
#[tokio::test]
#[ignore = "takes half a minute"]
async fn nothing_is_missed_over_fifty_rotations() {
    bounded(rotate_under_load(50, Duration::from_millis(500))).await;
}

async fn rotate_under_load(rotations: u64, after: Duration) {
    let (listener, url) = listen().await;
    let ticker = Ticker::default();
    let serving = tokio::spawn(serve(listener, ticker.clone()));
    let ticking = tokio::spawn(tick(ticker));
    let policy = policy()
        .attempts(Limit::new(10, Duration::from_millis(10)))
        .rotate(Some(Rotation::new(after, after / 4, Duration::from_secs(30))));
    let client = Client::builder(url).policy(built(policy)).idle();
    let (handle, mut events) = client.connect(Desk::default()).unwrap();
    handle.subscribe(7);
    handle.start();

    let mut heard = Heard::default();
    while handle.stats().rotations < rotations || !heard.is_complete() {
        match next(&mut events).await {
            ClientEvent::Data { data, .. } => {
                let (_, number) = data.rsplit_once(' ').unwrap();
                heard.take(number.parse().unwrap());
            }
            ClientEvent::Gap { missing, .. } => panic!("{missing:?} was missed"),
            ClientEvent::Lost { .. } => panic!("a connection was lost"),
            _ => {}
        }
    }
    serving.abort();
    ticking.abort();
    let lasted = Duration::from_nanos(handle.stats().wanted_ns);
    println!("{} messages and {rotations} rotations in {lasted:?}", heard.0.len());
}

/// How often each number was delivered, from the first one on.
#[derive(Default)]
struct Heard(Vec<bool>, Option<u64>);

impl Heard {
    fn take(&mut self, number: u64) {
        let first = *self.1.get_or_insert(number);
        let at =
            usize::try_from(number.checked_sub(first).expect("none before the first")).unwrap();
        if self.0.len() <= at {
            self.0.resize(at + 1, false);
        }
        assert!(!std::mem::replace(&mut self.0[at], true), "{number} was delivered twice");
    }

    fn is_complete(&self) -> bool {
        // The latest few may be on their way over the slower of two connections.
        self.0.iter().all(|&heard| heard)
    }
}

/// What every subscriber is told from now on.
#[derive(Clone, Default)]
struct Ticker(Arc<Mutex<Vec<UnboundedSender<u64>>>>);

/// 5000 numbers a second.
async fn tick(ticker: Ticker) {
    let mut interval = tokio::time::interval(Duration::from_millis(1));
    interval.set_missed_tick_behavior(MissedTickBehavior::Burst);
    for number in 0_u64.. {
        if number % 5 == 0 {
            interval.tick().await;
        }
        ticker.0.lock().unwrap().retain(|subscriber| subscriber.send(number).is_ok());
    }
}

async fn serve(listener: TcpListener, ticker: Ticker) {
    loop {
        let peer = Peer::accept(&listener).await;
        tokio::spawn(attend(peer, ticker.clone()));
    }
}

async fn attend(mut peer: Peer, ticker: Ticker) {
    peer.answer("login -", "fresh a").await;
    let asked = peer.hear().await;
    assert_eq!(asked.as_deref(), Some("+7 1"));
    let (subscriber, mut numbers) = unbounded_channel();
    ticker.0.lock().unwrap().push(subscriber);
    peer.say("ok 1").await;
    feed(&mut peer, &mut numbers).await;
}

/// Until the client leaves.
async fn feed(peer: &mut Peer, numbers: &mut UnboundedReceiver<u64>) {
    loop {
        tokio::select! {
            biased;
            heard = peer.hear() => match heard {
                Some(unexpected) => panic!("{unexpected}"),
                None => return,
            },
            Some(number) = numbers.recv() => peer.say(format!("#7 0 {number}")).await,
        }
    }
}
