//! Several servers.

use std::time::Duration;

use redial::Phase;
use redial_tokio::{Client, ConnectError};

use crate::desk::{Desk, Peer, built, policy};
use crate::server::{Lines, bounded, listen, phase};

/// The first server is gone, the second takes over; once the first is back for a while, it is
/// returned to, and no loss is told then.
#[tokio::test]
async fn the_second_takes_over_and_the_first_is_returned_to() {
    bounded(async {
        let (first, first_url) = listen().await;
        let (second, second_url) = listen().await;
        let policy = policy()
            .endpoints(2)
            .quarantine(Duration::from_millis(100), Duration::from_millis(200))
            .prefer_first_after(Duration::from_millis(100));
        let client = Client::endpoints([first_url, second_url]).policy(built(policy)).idle();
        let (handle, mut events) = client.connect(Desk::default()).unwrap();
        handle.start();
        let mut peer = Peer::accept(&first).await;
        peer.answer("login -", "fresh a").await;
        phase(&mut events, Phase::Live).await;
        drop(peer);
        let mut peer = Peer::accept(&second).await;
        // The session of the first server is none of the second's.
        let greeting = peer.hear().await.unwrap();
        assert!(!greeting.contains(" a "), "{greeting}");
        peer.say("fresh b").await;
        phase(&mut events, Phase::Live).await;
        let mut back = Peer::accept(&first).await;
        back.answer("login -", "fresh c").await;
        assert_eq!(peer.hear().await, None, "the second is left");
        assert_eq!(handle.status().losses, 1);
    })
    .await;
}

#[tokio::test]
async fn as_many_urls_as_endpoints() {
    let urls = ["ws://localhost:1", "ws://localhost:2"];
    let refused = Client::endpoints(urls).connect(Lines).expect_err("the policy has one");
    assert!(matches!(refused, ConnectError::Endpoints { given: 2, expected: 1 }), "{refused}");
    let none: [&str; 0] = [];
    let refused = Client::endpoints(none).connect(Lines).expect_err("there is no URL");
    assert!(matches!(refused, ConnectError::Endpoints { given: 0, expected: 1 }), "{refused}");
}
