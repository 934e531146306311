//! Credentials are fetched when they are needed, one at a time.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redial::{Cause, Halted, Phase, Refresh};
use redial_tokio::tungstenite::client::IntoClientRequest;
use redial_tokio::{Attempt, Client, ConnectError, Token, TokenError};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::desk::{Desk, Peer, built, policy};
use crate::server::{Lines, bounded, listen, phase};

/// 401, then a token, which is in the request's URL and in the greeting.
#[tokio::test]
async fn a_rejection_fetches_a_token_for_the_next_attempt() {
    bounded(async {
        let (listener, url) = listen().await;
        let (fetched, count) = counted();
        let client = Client::with_request(move |attempt: &Attempt<'_>| {
            format!("{url}/{}", attempt.token.unwrap_or("none")).into_client_request()
        })
        .policy(built(policy().refresh(Refresh::OnRejection)))
        .tokens(move || {
            let number = fetched.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::task::yield_now().await;
                Ok(Token::new(format!("t{number}")))
            }
        });
        let (_handle, mut events) = client.connect(Desk::default()).unwrap();
        assert!(refuse(&listener).await.starts_with("GET /none "));
        let mut peer = Peer::accept(&listener).await;
        peer.answer("login t0", "fresh a").await;
        phase(&mut events, Phase::Live).await;
        drop(peer);
        // It was not rejected: it serves again.
        Peer::accept(&listener).await.answer("resume a t0", "resumed").await;
        assert_eq!(count.load(Ordering::Relaxed), 1);
    })
    .await;
}

/// Another is fetched before the first runs out, and the connection stays.
#[tokio::test]
async fn a_token_that_runs_out_is_replaced_in_time() {
    bounded(async {
        let (listener, url) = listen().await;
        let (fetched, count) = counted();
        let client = Client::builder(url)
            .policy(built(policy().refresh(Refresh::OnRejection)))
            .tokens(move || {
                let number = fetched.fetch_add(1, Ordering::Relaxed);
                async move { Ok(Token::new(format!("t{number}")).lasts(Duration::from_secs(1))) }
            });
        let (_handle, mut events) = client.connect(Desk::default()).unwrap();
        refuse(&listener).await;
        let mut peer = Peer::accept(&listener).await;
        peer.answer("login t0", "fresh a").await;
        phase(&mut events, Phase::Live).await;
        until(&count, 3).await;
        peer.say("echo").await;
        assert_eq!(peer.hear().await.as_deref(), Some("echoed"), "it is the same connection");
    })
    .await;
}

/// One that never comes is dropped when the core asks anew, and with the client.
#[tokio::test]
async fn one_is_fetched_at_a_time() {
    bounded(async {
        let (_listener, url) = listen().await;
        let (fetched, count) = counted();
        let running = Arc::new(AtomicUsize::new(0));
        let client = Client::builder(url)
            .policy(built(
                policy().refresh(Refresh::EveryAttempt).refresh_within(Duration::from_millis(20)),
            ))
            .tokens({
                let running = Arc::clone(&running);
                move || {
                    fetched.fetch_add(1, Ordering::Relaxed);
                    let run = Running::begin(&running);
                    async move {
                        pending::<()>().await;
                        drop(run);
                        Ok(Token::new("never"))
                    }
                }
            });
        let (handle, mut events) = client.connect(Lines).unwrap();
        let waiting = phase(&mut events, Phase::Waiting).await;
        assert_eq!(waiting.cause, Some(Cause::Credentials));
        until(&count, 3).await;
        drop((handle, events));
        while running.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

/// Counts itself, and finds no other.
struct Running(Arc<AtomicUsize>);

impl Running {
    fn begin(running: &Arc<AtomicUsize>) -> Self {
        assert_eq!(running.fetch_add(1, Ordering::Relaxed), 0, "the one before still runs");
        Self(Arc::clone(running))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_fatal_error_halts() {
    bounded(async {
        let (_listener, url) = listen().await;
        let client = Client::builder(url)
            .policy(built(policy().refresh(Refresh::EveryAttempt)))
            .tokens(|| async { Err(TokenError::fatal("the account is gone")) });
        let (_handle, mut events) = client.connect(Lines).unwrap();
        let halted = phase(&mut events, Phase::Halted).await;
        assert_eq!(halted.halted, Some(Halted::Unauthorized));
    })
    .await;
}

#[tokio::test]
async fn tokens_need_a_policy_and_a_policy_tokens() {
    let url = "ws://localhost:1";
    let tokens = Client::builder(url).tokens(|| async { Ok(Token::new("unused")) });
    assert!(matches!(tokens.connect(Lines), Err(ConnectError::Tokens)));
    let policy = Client::builder(url).policy(built(policy().refresh(Refresh::EveryAttempt)));
    assert!(matches!(policy.connect(Lines), Err(ConnectError::Tokens)));
}

#[test]
fn a_token_is_not_printed() {
    assert!(!format!("{:?}", Token::new("secret")).contains("secret"));
}

/// Answers an upgrade with 401; what was asked.
async fn refuse(listener: &TcpListener) -> String {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut request = vec![0; 4096];
    let read = stream.read(&mut request).await.unwrap();
    stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    String::from_utf8(request[..read].to_vec()).unwrap()
}

fn counted() -> (Arc<AtomicUsize>, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    (Arc::clone(&count), count)
}

async fn until(count: &AtomicUsize, reached: usize) {
    while count.load(Ordering::Relaxed) < reached {
        tokio::task::yield_now().await;
    }
}
