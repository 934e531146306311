//! Many subscriptions come back, over many cuts.

use redial::Phase;
use redial_tokio::{Client, ClientEvent};
use std::collections::HashSet;

use crate::server::{Lines, accept, bounded, listen, quick, serve};

/// `REDIAL_KEYS` and `REDIAL_CUTS` make it larger.
#[tokio::test]
async fn subscriptions_converge_over_cuts() {
    let keys = from_env("REDIAL_KEYS", 10_000);
    let cuts = usize::try_from(from_env("REDIAL_CUTS", 3)).unwrap();
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events) =
            Client::builder(url).policy(quick().build().unwrap()).connect(Lines).unwrap();
        for topic in 0..keys {
            handle.subscribe(topic);
        }
        let all = usize::try_from(keys).unwrap();
        let server = tokio::spawn(async move {
            for cut in 1..=cuts {
                serve(&mut accept(&listener).await, all * cut / (cuts + 1)).await;
            }
            let mut socket = accept(&listener).await;
            let subscribed = serve(&mut socket, all).await;
            (subscribed, socket)
        });
        while let Some(event) = events.next().await {
            let ClientEvent::Status(status) = event else { continue };
            let counts = handle.counts();
            if status.phase == Phase::Live && counts.wanted == keys && counts.pending == 0 {
                break;
            }
        }
        let (subscribed, _socket) = server.await.unwrap();
        assert_eq!(subscribed.len(), all, "each once on the last connection");
        assert_eq!(subscribed.into_iter().collect::<HashSet<_>>().len(), all);
    })
    .await;
}

fn from_env(name: &str, default: u32) -> u32 {
    std::env::var(name).map_or(default, |value| value.parse().unwrap())
}
