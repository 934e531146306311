//! What the server remembers, and what it tells.

use std::time::Duration;

use redial::{Cause, Continuity, Phase};
use redial_tokio::{Client, Events, Handle};
use tokio::net::TcpListener;

use crate::desk::{Desk, Peer, built, policy};
use crate::server::{bounded, listen, phase};

#[tokio::test]
async fn a_session_is_resumed() {
    bounded(async {
        let (listener, url) = listen().await;
        let (_handle, mut events) = connect(&url);
        live(&listener, &mut events).await;
        let mut peer = Peer::accept(&listener).await;
        peer.answer("resume a -", "resumed").await;
        let status = phase(&mut events, Phase::Live).await;
        assert_eq!((status.continuity, status.losses), (Some(Continuity::Resumed), 0));
    })
    .await;
}

#[tokio::test]
async fn a_session_that_is_lost_is_begun_afresh() {
    bounded(async {
        let (listener, url) = listen().await;
        let (_handle, mut events) = connect(&url);
        live(&listener, &mut events).await;
        Peer::accept(&listener).await.answer("resume a -", "lost").await;
        let waiting = phase(&mut events, Phase::Waiting).await;
        assert_eq!(waiting.cause, Some(Cause::SessionLost));
        let mut peer = Peer::accept(&listener).await;
        peer.answer("login -", "fresh b").await;
        let status = phase(&mut events, Phase::Live).await;
        assert_eq!((status.continuity, status.losses), (Some(Continuity::Lost), 1));
    })
    .await;
}

/// A connection that was live and ended.
async fn live(listener: &TcpListener, events: &mut Events<u32, String>) {
    let mut peer = Peer::accept(listener).await;
    peer.answer("login -", "fresh a").await;
    phase(events, Phase::Live).await;
}

/// The server's heartbeat takes the place of the policy's, which is 15 s.
#[tokio::test]
async fn the_servers_terms_are_kept() {
    bounded(async {
        let (listener, url) = listen().await;
        let (_handle, mut events) = connect(&url);
        let mut peer = Peer::accept(&listener).await;
        peer.say("terms 1000 0").await;
        peer.answer("login -", "fresh a").await;
        phase(&mut events, Phase::Live).await;
        let pinged = tokio::time::timeout(Duration::from_secs(10), peer.pinged());
        assert!(pinged.await.expect("a second is over"));
    })
    .await;
}

#[tokio::test]
async fn a_server_that_speaks_is_answered() {
    bounded(async {
        let (listener, url) = listen().await;
        let (_handle, mut events) = connect(&url);
        let mut peer = Peer::accept(&listener).await;
        peer.answer("login -", "echo").await;
        peer.answer("echoed", "fresh a").await;
        phase(&mut events, Phase::Live).await;
    })
    .await;
}

fn connect(url: &str) -> (Handle<u32>, Events<u32, String>) {
    Client::builder(url).policy(built(policy())).connect(Desk::default()).unwrap()
}
