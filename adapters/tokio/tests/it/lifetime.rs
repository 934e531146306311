//! Who lets go of a client ends it.

use std::future::poll_fn;
use std::task::Poll;

use redial::Phase;
use redial_tokio::{Client, Events, Handle};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::server::{Lines, accept, bounded, connect, data, listen, phase, quick, say, serve};

#[tokio::test]
async fn dropping_the_stream_drops_the_socket() {
    bounded(async {
        let (listener, url) = listen().await;
        let (_handle, mut events) = connect(&url);
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        drop(events);
        gone(&listener).await;
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
        gone(&listener).await;
    })
    .await;
}

/// Whoever holds the stream alone goes on listening, over cuts too.
#[tokio::test]
async fn a_stream_without_handles_goes_on() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url).policy(quick().build().unwrap());
        let (_, mut events) = client.connect(Lines).unwrap();
        for _ in 0..3 {
            say(&mut accept(&listener).await, "a price").await.unwrap();
            assert_eq!(data(&mut events).await.1, "a price");
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_of_a_client_that_was_never_started() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url).idle().connect(Lines).unwrap();
        assert_eq!(tasks(), 1);
        drop(client);
        gone(&listener).await;
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_of_a_client_that_dials() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events) = connect(&url);
        phase(&mut events, Phase::Opening).await;
        let (mut half_open, _) = listener.accept().await.unwrap();
        drop((handle, events));
        gone(&listener).await;
        // The socket of the attempt went with it.
        let mut request = Vec::new();
        let _ = half_open.read_to_end(&mut request).await;
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_of_a_client_that_waits() {
    bounded(async {
        let (listener, url) = listen().await;
        drop(sent_away(&listener, &url).await);
        gone(&listener).await;
    })
    .await;
}

#[tokio::test]
async fn nothing_is_left_of_a_client_that_is_live() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events) = connect(&url);
        let _socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        drop((handle, events));
        gone(&listener).await;
    })
    .await;
}

/// The server does not answer the close frame.
#[tokio::test]
async fn nothing_is_left_of_a_client_that_closes() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events) = connect(&url);
        let _mute = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        handle.stop();
        phase(&mut events, Phase::Closing).await;
        drop((handle, events));
        gone(&listener).await;
    })
    .await;
}

/// Handles alone keep nothing alive, and do nothing.
#[tokio::test]
async fn handles_without_the_stream_wish_in_vain() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, events) = sent_away(&listener, &url).await;
        drop(events);
        gone(&listener).await;
        handle.start();
        handle.retry_now();
        handle.subscribe(1);
        gone(&listener).await;
    })
    .await;
}

/// A client that the server sent away for an hour.
async fn sent_away(listener: &TcpListener, url: &str) -> (Handle<u32>, Events<u32, String>) {
    let (handle, mut events) = connect(url);
    let (mut stream, _) = listener.accept().await.unwrap();
    let answer =
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(answer).await.unwrap();
    phase(&mut events, Phase::Waiting).await;
    (handle, events)
}

/// Without a task there is nothing that could dial or keep a timer.
async fn gone(listener: &TcpListener) {
    for _ in 0..TURNS {
        tokio::task::yield_now().await;
    }
    assert_eq!(tasks(), 0, "the task goes on");
    let dialled = poll_fn(|cx| Poll::Ready(listener.poll_accept(cx).is_ready())).await;
    assert!(!dialled, "it dialled again");
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

/// How often everything that is to do is done before nothing is left to do.
const TURNS: usize = 1000;
