//! `wss` against servers with certificates of a test's own authority. Runs with the features that
//! bring TLS: `cargo test -p redial-tokio --features rustls-webpki-roots`.

use std::sync::Arc;

use futures_util::SinkExt;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use redial::{By, Cause, Fact, IoKind, Phase};
use redial_tokio::rustls::crypto::ring;
use redial_tokio::rustls::pki_types::PrivateKeyDer;
use redial_tokio::rustls::{
    AlertDescription, ClientConfig, Error, HandshakeKind, RootCertStore, ServerConfig,
};
use redial_tokio::tungstenite::Message;
use redial_tokio::{Builder, Client, ClientEvent};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_tungstenite::accept_async;

use crate::server::{Lines, bounded, cause, listen, phase, quick};

#[tokio::test]
async fn data_arrive_and_the_next_connection_resumes_the_tls_session() {
    bounded(async {
        let authority = Authority::new("ours");
        let server = authority.server("localhost", Validity::Now);
        let (listener, client) = listen_tls().await;
        let (_handle, mut events) = client.tls_config(authority.trusted()).connect(Lines).unwrap();
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let stream = accept(&listener, &server).await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(expected));
            let mut socket = accept_async(stream).await.unwrap();
            socket.send(Message::text("a price")).await.unwrap();
            loop {
                if let Some(ClientEvent::Data { data, .. }) = events.next().await {
                    assert_eq!(data, "a price");
                    break;
                }
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_certificate_by_an_unknown_authority() {
    let trusted = Authority::new("ours");
    let server = Authority::new("theirs").server("localhost", Validity::Now);
    refused(&trusted, server, AlertDescription::UnknownCA).await;
}

#[tokio::test]
async fn an_expired_certificate() {
    let authority = Authority::new("ours");
    let server = authority.server("localhost", Validity::Over);
    refused(&authority, server, AlertDescription::CertificateExpired).await;
}

#[tokio::test]
async fn a_certificate_for_another_name() {
    let authority = Authority::new("ours");
    let server = authority.server("elsewhere.test", Validity::Now);
    refused(&authority, server, AlertDescription::BadCertificate).await;
}

/// Mozilla's roots do not know a test's authority.
#[cfg(feature = "rustls-webpki-roots")]
#[tokio::test]
async fn mozillas_roots_are_used_by_default() {
    bounded(async {
        let server = Authority::new("ours").server("localhost", Validity::Now);
        let (listener, client) = listen_tls().await;
        let (_handle, mut events) = client.connect(Lines).unwrap();
        assert_eq!(alert(accept(&listener, &server).await), AlertDescription::UnknownCA);
        assert_eq!(cause(&mut events).await, TLS);
    })
    .await;
}

/// The system's roots are where the environment says, so a process with another environment runs the
/// client.
#[cfg(feature = "rustls-native-roots")]
#[tokio::test]
async fn the_systems_roots_are_used_by_default() {
    bounded(async {
        let authority = Authority::new("the system's");
        let server = authority.server("localhost", Validity::Now);
        let (listener, _) = listen().await;
        let roots = std::env::temp_dir().join(format!("redial-{}.pem", std::process::id()));
        std::fs::write(&roots, authority.0.pem()).unwrap();
        let mut client = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "tls::client_with_the_systems_roots"])
            .env("SSL_CERT_FILE", &roots)
            .env("REDIAL_PORT", listener.local_addr().unwrap().port().to_string())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let stream = accept(&listener, &server).await.unwrap();
        let _socket = accept_async(stream).await.unwrap();
        let ended = tokio::task::spawn_blocking(move || client.wait()).await.unwrap();
        std::fs::remove_file(&roots).unwrap();
        assert!(ended.unwrap().success());
    })
    .await;
}

#[cfg(feature = "rustls-native-roots")]
#[tokio::test]
#[ignore = "the other process of `the_systems_roots_are_used_by_default`"]
async fn client_with_the_systems_roots() {
    let url = format!("wss://localhost:{}", std::env::var("REDIAL_PORT").unwrap());
    let (_handle, mut events) = Client::builder(url).connect(Lines).unwrap();
    bounded(phase(&mut events, Phase::Live)).await;
}

/// A server that does not speak TLS at the port.
#[tokio::test]
async fn no_tls_at_the_port() {
    bounded(async {
        let (listener, client) = listen_tls().await;
        let (_handle, mut events) = client.connect(Lines).unwrap();
        let (mut stream, _) = listener.accept().await.unwrap();
        let answer = b"HTTP/1.1 400 Bad Request\r\n\r\n";
        tokio::io::AsyncWriteExt::write_all(&mut stream, answer).await.unwrap();
        assert_eq!(cause(&mut events).await, TLS);
    })
    .await;
}

/// The client refuses the certificate, says why on both sides, and goes on to a good one.
async fn refused(authority: &Authority, bad: Arc<ServerConfig>, reason: AlertDescription) {
    bounded(async {
        let good = authority.server("localhost", Validity::Now);
        let (listener, client) = listen_tls().await;
        let (_handle, mut events) = client.tls_config(authority.trusted()).connect(Lines).unwrap();
        assert_eq!(alert(accept(&listener, &bad).await), reason);
        assert_eq!(cause(&mut events).await, TLS);
        let stream = accept(&listener, &good).await.unwrap();
        let _socket = accept_async(stream).await.unwrap();
        phase(&mut events, Phase::Live).await;
    })
    .await;
}

async fn listen_tls() -> (TcpListener, Builder) {
    let (listener, _) = listen().await;
    let url = format!("wss://localhost:{}", listener.local_addr().unwrap().port());
    (listener, Client::builder(url).policy(quick().build().unwrap()))
}

async fn accept(
    listener: &TcpListener,
    config: &Arc<ServerConfig>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let (stream, _) = listener.accept().await?;
    TlsAcceptor::from(Arc::clone(config)).accept(stream).await
}

/// What the client told the server instead of going on.
fn alert(accepted: std::io::Result<TlsStream<TcpStream>>) -> AlertDescription {
    let error = accepted.expect_err("the client refuses");
    match error.get_ref().and_then(|inner| inner.downcast_ref()) {
        Some(Error::AlertReceived(alert)) => *alert,
        _ => panic!("no alert: {error}"),
    }
}

enum Validity {
    Now,
    Over,
}

struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn server(&self, name: &str, validity: Validity) -> Arc<ServerConfig> {
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        if let Validity::Over = validity {
            params.not_after = rcgen::date_time_ymd(2020, 1, 1);
        }
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key);
        Arc::new(config.unwrap())
    }

    /// A client's configuration that trusts this authority alone.
    fn trusted(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Arc::new(config)
    }
}

const TLS: Cause = Cause::Closed { by: By::Unknown, fact: Fact::Io(IoKind::Tls) };
