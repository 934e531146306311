//! Who lets go of a client ends it.

use redial::Phase;

use crate::server::{accept, bounded, connect, listen, phase, serve};

#[tokio::test]
async fn dropping_the_stream_drops_the_socket() {
    bounded(async {
        let (listener, url) = listen().await;
        let (_handle, mut events) = connect(&url);
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        drop(events);
        serve(&mut socket, usize::MAX).await;
    })
    .await;
}

#[tokio::test]
async fn a_stopped_client_without_handles_ends_its_stream() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events) = connect(&url);
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        handle.stop();
        drop(handle);
        serve(&mut socket, usize::MAX).await;
        while events.next().await.is_some() {}
    })
    .await;
}
