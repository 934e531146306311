//! Keeps three subscriptions over a real socket while the server cuts one connection and falls
//! silent on the next: `cargo run --example blocking`. Exits 1 if they are not all back in the end.
//!
//! `driver.rs` is a whole driver, to copy; the rest is a server that fails, and the story.

#![allow(
    clippy::std_instead_of_core,
    clippy::wildcard_enum_match_arm,
    reason = "it has a standard library, whose enums are not ours"
)]

mod driver;
mod protocol;
mod server;

use std::error::Error;
use std::net::TcpListener;
use std::time::{Duration, Instant};
use std::{io, thread};

use driver::Driver;
use redial::{ConnId, Event, Heartbeat, Link, Phase, Policy, Seed, Slot, SubKey};

const SUBSCRIPTIONS: u32 = 3;

/// Short times, so that the story ends soon. The default policy's fit most servers.
const POLICY: Policy = Policy::builder()
    .retry(Duration::from_millis(50), Duration::from_secs(1))
    .first_within(Duration::from_millis(50))
    .settle_after(Duration::from_millis(100))
    .heartbeat(Some(Heartbeat::new(Duration::from_millis(200), Duration::from_secs(1))))
    .build_const();

pub(crate) fn main() -> Result<(), Box<dyn Error>> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let server = listener.local_addr()?;
    let serving = thread::spawn(move || server::serve(&listener, SUBSCRIPTIONS as usize));

    let storage = vec![Slot::EMPTY; SUBSCRIPTIONS as usize];
    // A fleet whose clients have all the same seed dials in step: take it from a random source.
    let link = Link::with_storage(POLICY, Seed::from_u64(7), storage);
    let (origin, partial) = (Instant::now(), Vec::new());
    let mut driver = Driver { link, server, origin, socket: None, partial };
    for key in 0..SUBSCRIPTIONS {
        driver.tell(Event::Subscribe { key: SubKey::new(key) })?;
    }
    driver.tell(Event::Start)?;
    run(&mut driver, |link| link.phase() == Phase::Live && link.current() == Some(ConnId::new(3)))?;
    driver.tell(Event::Stop)?;
    run(&mut driver, |link| link.phase() == Phase::Idle)?;

    let account = serving.join().map_err(|_| "the server panicked")??;
    for held in &account {
        assert_eq!(held.len(), SUBSCRIPTIONS as usize, "{account:?}");
    }
    assert_eq!(driver.link.status().losses, 2);
    println!("all {SUBSCRIPTIONS} subscriptions on each of {} connections", account.len());
    Ok(())
}

/// Drives the link until it is as wished, within half a minute.
fn run(driver: &mut Driver, wished: impl Fn(&Link<Vec<Slot>>) -> bool) -> io::Result<()> {
    let begun = Instant::now();
    while !wished(&driver.link) {
        if begun.elapsed() > Duration::from_secs(30) {
            return Err(io::Error::other(format!("still {:?}", driver.link.status())));
        }
        driver.turn().map_err(io::Error::other)?;
    }
    Ok(())
}
