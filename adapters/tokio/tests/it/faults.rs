//! Each fault is told by its cause, and the link goes on.

use futures_util::SinkExt;
use redial::{By, Cause, Fact, IoKind, Phase};
use redial_tokio::Client;
use redial_tokio::tungstenite::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::server::{Lines, accept, bounded, cause, connect, listen, phase};

fn closed(by: By, fact: Fact) -> Cause {
    Cause::Closed { by, fact }
}

#[tokio::test]
async fn garbage_frames() {
    bounded(async {
        let (listener, url) = listen().await;
        let (_handle, mut events) = connect(&url);
        let mut socket = accept(&listener).await;
        socket.get_mut().write_all(&[0xff; 64]).await.unwrap();
        let cause = cause(&mut events).await;
        assert_eq!(cause, closed(By::Unknown, Fact::Io(IoKind::Protocol)));
        let _socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
    })
    .await;
}

#[tokio::test]
async fn a_message_over_the_limit() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url).max_message_size(1 << 20);
        let (_handle, mut events) = client.connect(Lines).unwrap();
        let mut socket = accept(&listener).await;
        // The client hangs up as soon as it has read the length, so the rest cannot be sent.
        let flood = tokio::spawn(async move {
            let _cut_off = socket.send(Message::text("x".repeat(16 << 20))).await;
        });
        let cause = cause(&mut events).await;
        assert_eq!(cause, closed(By::Unknown, Fact::Io(IoKind::Protocol)));
        let _socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        flood.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn a_close_without_code() {
    bounded(async {
        let (listener, url) = listen().await;
        let (_handle, mut events) = connect(&url);
        accept(&listener).await.close(None).await.unwrap();
        assert_eq!(cause(&mut events).await, closed(By::Peer, Fact::None));
        let _socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
    })
    .await;
}

#[tokio::test]
async fn a_reset_during_the_upgrade() {
    bounded(async {
        let (listener, url) = listen().await;
        let (_handle, mut events) = connect(&url);
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 64]).await.unwrap();
        socket2::SockRef::from(&stream).set_linger(Some(std::time::Duration::ZERO)).unwrap();
        drop(stream);
        assert_eq!(cause(&mut events).await, closed(By::Unknown, Fact::Io(IoKind::Reset)));
        let _socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
    })
    .await;
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    bounded(async {
        let (_handle, mut events) = connect("ws://name.invalid");
        assert_eq!(cause(&mut events).await, closed(By::Unknown, Fact::Io(IoKind::Dns)));
        phase(&mut events, Phase::Opening).await;
    })
    .await;
}

#[tokio::test]
async fn a_refused_upgrade_with_a_delay() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events) = connect(&url);
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await.unwrap();
        let answer =
            b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 2\r\nContent-Length: 0\r\n\r\n";
        stream.write_all(answer).await.unwrap();
        let refused = handle.now();
        assert_eq!(cause(&mut events).await, closed(By::Peer, Fact::Http(503)));
        let _socket = accept(&listener).await;
        assert!(handle.now().saturating_since(refused).as_millis() >= 1990);
        phase(&mut events, Phase::Live).await;
    })
    .await;
}

#[tokio::test]
async fn a_server_that_never_answers_the_upgrade() {
    bounded(async {
        let (listener, url) = listen().await;
        let (_handle, mut events) = connect(&url);
        let _mute = listener.accept().await.unwrap();
        assert_eq!(cause(&mut events).await, Cause::OpenTimeout);
        let _socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
    })
    .await;
}
