//! What is dialled, and how often it is asked for.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use redial::{By, Cause, Fact, IoKind, Phase};
use redial_tokio::tungstenite::client::IntoClientRequest;
use redial_tokio::{Attempt, Client, ConnectError};

use crate::server::{Lines, accept, bounded, cause, listen, phase, quick};

#[tokio::test]
async fn each_attempt_asks_for_its_request_once() {
    bounded(async {
        let (listener, url) = listen().await;
        let asked = Arc::new(AtomicUsize::new(0));
        let client = {
            let asked = Arc::clone(&asked);
            Client::with_request(move |_: &Attempt<'_>| {
                asked.fetch_add(1, Ordering::Relaxed);
                url.as_str().into_client_request()
            })
        };
        let client = client.policy(quick().build().unwrap()).idle();
        let (handle, mut events) = client.connect(Lines).unwrap();
        assert_eq!(asked.load(Ordering::Relaxed), 0, "nothing is dialled yet");
        handle.start();
        for attempt in 1..=5 {
            drop(listener.accept().await.unwrap());
            assert_eq!(asked.load(Ordering::Relaxed), attempt);
        }
        let _socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        assert_eq!(asked.load(Ordering::Relaxed), 6);
        assert_eq!(handle.stats().attempts, 6);
    })
    .await;
}

#[tokio::test]
async fn an_attempt_without_a_request_has_failed() {
    bounded(async {
        let (listener, url) = listen().await;
        let mut tokens = [Err("no token"), Ok("http://localhost"), Ok(url.leak())].into_iter();
        let client = Client::with_request(move |_: &Attempt<'_>| {
            let url = tokens.next().expect("three attempts suffice")?;
            url.into_client_request().map_err(Box::<dyn Error + Send + Sync>::from)
        });
        let client = client.policy(quick().build().unwrap());
        let (handle, mut events) = client.connect(Lines).unwrap();
        let other = Cause::Closed { by: By::Local, fact: Fact::Io(IoKind::Other) };
        assert_eq!(cause(&mut events).await, other);
        let _socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        assert_eq!((handle.stats().attempts, handle.stats().closed_by_local), (3, 2));
    })
    .await;
}

#[tokio::test]
async fn a_url_that_cannot_be_dialled_is_refused_at_once() {
    let urls = ["", "localhost:1", "http://localhost", "ws://", "ws:///path", "mailto:a@b"];
    for url in urls {
        let refused = Client::builder(url).connect(Lines).expect_err(url);
        assert!(matches!(refused, ConnectError::Url(_)), "{url}: {refused:?}");
    }
    let secured = Client::builder("wss://localhost:1").idle().connect(Lines);
    let has_tls = cfg!(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots"));
    assert_eq!(secured.is_ok(), has_tls);
}

#[test]
fn a_client_needs_a_runtime() {
    let refused = Client::builder("ws://localhost:1").connect(Lines).expect_err("no runtime");
    assert!(matches!(refused, ConnectError::NoRuntime));
}
