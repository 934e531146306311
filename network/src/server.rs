//! A server process: it holds topics for whoever asks, and says what it holds.

use std::collections::BTreeSet;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use redial_tokio::rustls::ServerConfig;
use redial_tokio::rustls::crypto::ring;
use redial_tokio::rustls::pki_types::pem::PemObject;
use redial_tokio::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use redial_tokio::tungstenite::Message;
use redial_tokio::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use redial_tokio::tungstenite::protocol::CloseFrame;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

use crate::lines::{Manner, Noted, ServerSetting};
use crate::orders::Orders;

/// Serves until it is killed. The order `close CODE` closes every connection with that code.
pub(crate) async fn run(setting: ServerSetting) {
    let socket = TcpSocket::new_v4().expect("sockets");
    socket.set_reuseaddr(true).expect("an option that all have");
    let address = format!("0.0.0.0:{}", setting.port).parse().expect("an address");
    socket.bind(address).expect("the port is free");
    let listener = socket.listen(BACKLOG).expect("it can be listened at");
    let tls = setting.certificate.as_ref().map(acceptor);
    let (close, closes) = watch::channel(0);
    tokio::spawn(async move {
        let mut orders = Orders::new();
        while let Some(order) = orders.next().await {
            let code = order.strip_prefix("close ").and_then(|code| code.parse().ok());
            close.send_replace(code.expect("close CODE is the only order"));
        }
    });
    Noted::Listening.say();
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        Noted::Dialled.say();
        tokio::spawn(meet(stream, setting.clone(), tls.clone(), closes.clone()));
    }
}

async fn meet(
    stream: TcpStream,
    setting: ServerSetting,
    tls: Option<TlsAcceptor>,
    closes: watch::Receiver<u16>,
) {
    match (setting.manner, tls) {
        (Manner::Mute, _) => until_gone(stream).await,
        (Manner::Drips, _) => drip(stream).await,
        (Manner::Cuts, _) => cut(stream).await,
        (Manner::Serves | Manner::Busy, None) => attend(stream, &setting, closes).await,
        (Manner::Serves | Manner::Busy, Some(tls)) => {
            // The client says why; here it is only one that did not come in.
            let Ok(stream) = tls.accept(stream).await else { return };
            attend(stream, &setting, closes).await;
        }
    }
}

async fn until_gone(mut stream: TcpStream) {
    let mut buffer = [0; 1024];
    while stream.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}

async fn drip(mut stream: TcpStream) {
    for byte in b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n".iter().cycle() {
        if stream.write_all(&[*byte]).await.is_err() {
            return;
        }
        sleep(DRIP).await;
    }
}

/// Half of a record of a TLS handshake, and the end.
async fn cut(mut stream: TcpStream) {
    let _hello = stream.read(&mut [0; 1024]).await;
    let _gone = stream.write_all(&[0x16, 3, 3, 0, 0x7a, 2, 0, 0]).await;
}

#[allow(clippy::result_large_err, reason = "the shape that the handshake asks for")]
async fn attend<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    setting: &ServerSetting,
    closes: watch::Receiver<u16>,
) {
    let mut link = 0;
    let upgrade = |request: &Request, response: Response| {
        link = request.uri().path().trim_start_matches('/').parse().unwrap_or(0);
        Noted::Asked { link }.say();
        if setting.manner == Manner::Busy {
            let mut refusal = ErrorResponse::new(None);
            *refusal.status_mut() =
                redial_tokio::tungstenite::http::StatusCode::SERVICE_UNAVAILABLE;
            return Err(refusal);
        }
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, upgrade).await else { return };
    let conn = CONNECTIONS.fetch_add(1, Ordering::Relaxed);
    Noted::Opened { conn, link }.say();
    serve(&mut socket, conn, setting.tick_ms, closes).await;
    Noted::Gone { conn }.say();
}

/// Until the client leaves, falls silent or is told to go.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    conn: u64,
    tick_ms: Option<u64>,
    mut closes: watch::Receiver<u16>,
) {
    closes.mark_unchanged();
    let mut ticks = interval(tick_ms.map_or(SILENCE, Duration::from_millis));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut silent = pin!(sleep(SILENCE));
    let mut held = BTreeSet::new();
    loop {
        let answer = tokio::select! {
            // What was said while this process was stopped is heard before it counts as silence.
            biased;
            heard = socket.next() => {
                let Some(Ok(message)) = heard else { return };
                silent.as_mut().reset(Instant::now() + SILENCE);
                let Message::Text(text) = message else { continue };
                let Some(answer) = answer(conn, &text, &mut held) else { return };
                answer
            }
            () = &mut silent => return,
            _ = ticks.tick(), if tick_ms.is_some() => {
                let Some(topic) = held.first() else { continue };
                Message::text(format!("{topic}:{}", "x".repeat(DATA_BYTES)))
            }
            Ok(()) = closes.changed() => {
                let code = (*closes.borrow()).into();
                Message::Close(Some(CloseFrame { code, reason: "".into() }))
            }
        };
        if socket.send(answer).await.is_err() {
            return;
        }
    }
}

/// `None` for what no client says.
fn answer(conn: u64, text: &str, held: &mut BTreeSet<u32>) -> Option<Message> {
    let (asked, number) = text.split_once(' ')?;
    let topic = asked.get(1..)?.parse().ok()?;
    if asked.starts_with('+') {
        held.insert(topic);
        Noted::Holds { conn, topic }.say();
    } else {
        held.remove(&topic);
        Noted::Frees { conn, topic }.say();
    }
    Some(Message::text(format!("ok {number}")))
}

fn acceptor((certificate, key): &(String, String)) -> TlsAcceptor {
    let certificate = CertificateDer::from_pem_file(certificate).expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(key).expect("a key");
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("the provider has them")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("the key is the certificate's");
    TlsAcceptor::from(Arc::new(config))
}

static CONNECTIONS: AtomicU64 = AtomicU64::new(1);

/// More than the links of the largest run dial at once.
const BACKLOG: u32 = 4096;
/// After which a client is gone: longer than any is stopped for, and it pings much more often.
pub(crate) const SILENCE: Duration = Duration::from_secs(4);
const DRIP: Duration = Duration::from_millis(100);
const DATA_BYTES: usize = 200;
