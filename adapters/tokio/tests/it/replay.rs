//! Many subscriptions come back, over many cuts.

use std::collections::HashSet;

use redial::Phase;
use redial_tokio::{Client, ClientEvent};

use crate::server::{Lines, accept, bounded, listen, serve};

/// Three cuts keep within the default policy's burst of attempts.
#[tokio::test]
async fn subscriptions_converge_over_cuts() {
    let keys = std::env::var("REDIAL_KEYS").map_or(10_000, |keys| keys.parse().unwrap());
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events) = Client::builder(url).connect(Lines).unwrap();
        for topic in 0..keys {
            handle.subscribe(topic);
        }
        let all = usize::try_from(keys).unwrap();
        let server = tokio::spawn(async move {
            for cut in 1..=CUTS {
                serve(&mut accept(&listener).await, all * cut / (CUTS + 1)).await;
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

const CUTS: usize = 3;
