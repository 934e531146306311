//! Close codes, both ways.

use std::time::Duration;

use futures_util::StreamExt;
use redial::{By, Cause, Fact, Phase, WhenDegraded};
use redial_tokio::tungstenite::Message;
use redial_tokio::tungstenite::protocol::CloseFrame;
use redial_tokio::{Client, Events};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;

use crate::server::{Lines, accept, asked, bounded, cause, connect, listen, phase, quick};

#[tokio::test]
async fn stop_closes_with_1000() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events) = connect(&url);
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        handle.stop();
        assert_eq!(last_words(&mut socket).await, Some(1000));
        phase(&mut events, Phase::Idle).await;
    })
    .await;
}

/// A link that comes back must not tell the server that it is done: some end the session then.
#[tokio::test]
async fn a_reconnect_does_not_close_with_1000() {
    bounded(async {
        let (listener, url) = listen().await;
        let policy = quick()
            .ack_within(Duration::from_millis(50))
            .timeouts(1)
            .when_degraded(WhenDegraded::Reconnect)
            .build()
            .unwrap();
        let client = Client::builder(url).policy(policy);
        let (handle, mut events) = client.connect(Lines).unwrap();
        let mut socket = accept(&listener).await;
        handle.subscribe(7);
        let _unanswered = asked(&mut socket).await.unwrap();
        assert_eq!(last_words(&mut socket).await, Some(4000));
        assert_eq!(cause(&mut events).await, Cause::Degraded);
    })
    .await;
}

/// Nor is letting go of the client a wish to end the session.
#[tokio::test]
async fn a_dropped_client_says_nothing() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events) = connect(&url);
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        drop((handle, events));
        assert_eq!(last_words(&mut socket).await, None);
    })
    .await;
}

#[tokio::test]
async fn the_peers_code_reaches_the_status() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url).policy(quick().build().unwrap());
        let (_handle, mut events) = client.connect(Lines).unwrap();
        for code in [1000, 1001, 1008, 1011, 4321] {
            close(&mut events, accept(&listener).await, code).await;
        }
    })
    .await;
}

async fn close(
    events: &mut Events<u32, String>,
    mut socket: WebSocketStream<TcpStream>,
    code: u16,
) {
    phase(events, Phase::Live).await;
    let frame = CloseFrame { code: code.into(), reason: "whatever it says".into() };
    socket.close(Some(frame)).await.unwrap();
    let expected = Cause::Closed { by: By::Peer, fact: Fact::Code(code) };
    assert_eq!(cause(events).await, expected);
    assert_eq!(last_words(&mut socket).await, Some(code), "the close frame is answered");
}

/// The code of the client's close frame; `None` if the connection ends without one.
async fn last_words(socket: &mut WebSocketStream<TcpStream>) -> Option<u16> {
    let mut code = None;
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Close(Some(frame)) = message {
            code = Some(frame.code.into());
        }
    }
    code
}
