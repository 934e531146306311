//! TLS by rustls.

use std::io;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_tungstenite::Connector;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::uri_mode;
use tokio_tungstenite::tungstenite::error::TlsError;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::stream::Mode;

use crate::dial::WebSocket;

/// The configuration that all attempts share: it remembers TLS sessions, so that a client that comes
/// back costs the server less.
#[derive(Clone, Debug)]
pub(crate) struct Tls {
    /// Made at the first need, unless the application gave one.
    config: Option<Arc<ClientConfig>>,
}

impl Tls {
    pub(crate) const fn new() -> Self {
        Self { config: None }
    }

    pub(crate) const fn with(config: Arc<ClientConfig>) -> Self {
        Self { config: Some(config) }
    }

    /// Whether there is a way to dial `uri`.
    pub(crate) fn check(uri: &Uri) -> Result<(), Error> {
        uri_mode(uri).map(drop)
    }

    /// What the dial of `uri` needs.
    pub(crate) fn prepare(&mut self, uri: &Uri) -> Result<Self, Error> {
        if let (Mode::Tls, None) = (uri_mode(uri)?, &self.config) {
            let config = default_config().map_err(|error| TlsError::Rustls(Box::new(error)))?;
            self.config = Some(Arc::new(config));
        }
        Ok(self.clone())
    }

    pub(crate) async fn upgrade(
        self,
        request: Request,
        stream: TcpStream,
        config: WebSocketConfig,
    ) -> Result<(WebSocket, Response), Error> {
        let connector = self.config.map_or(Connector::Plain, Connector::Rustls);
        let config = Some(config);
        tokio_tungstenite::client_async_tls_with_config(request, stream, config, Some(connector))
            .await
    }
}

/// Whether an error comes from the TLS layer.
pub(crate) fn is_tls(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

/// The application's own provider of cryptography if it installed one, else ring. Installs none: that
/// is the application's to decide.
fn default_config() -> Result<ClientConfig, rustls::Error> {
    let provider = CryptoProvider::get_default()
        .map_or_else(|| Arc::new(ring::default_provider()), Arc::clone);
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    Ok(config.with_root_certificates(roots()?).with_no_client_auth())
}

fn roots() -> Result<RootCertStore, rustls::Error> {
    let mut roots = RootCertStore::empty();
    #[cfg(feature = "rustls-native-roots")]
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    #[cfg(feature = "rustls-webpki-roots")]
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if roots.is_empty() {
        return Err(rustls::Error::General("no root certificates were found".to_owned()));
    }
    Ok(roots)
}
