//! No TLS was compiled in.

use std::io;

use tokio::net::TcpStream;
use tokio_tungstenite::MaybeTlsStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::uri_mode;
use tokio_tungstenite::tungstenite::error::UrlError;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::http::Uri;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::stream::Mode;

use crate::dial::WebSocket;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Tls;

impl Tls {
    pub(crate) const fn new() -> Self {
        Self
    }

    /// Whether there is a way to dial `uri`.
    pub(crate) fn check(uri: &Uri) -> Result<(), Error> {
        match uri_mode(uri)? {
            Mode::Plain => Ok(()),
            Mode::Tls => Err(UrlError::TlsFeatureNotEnabled.into()),
        }
    }

    /// What the dial of `uri` needs.
    #[allow(clippy::needless_pass_by_ref_mut, reason = "with TLS there is something to make")]
    pub(crate) fn prepare(&mut self, uri: &Uri) -> Result<Self, Error> {
        Self::check(uri).map(|()| Self)
    }

    pub(crate) async fn upgrade(
        self,
        request: Request,
        stream: TcpStream,
        config: WebSocketConfig,
    ) -> Result<(WebSocket, Response), Error> {
        let stream = MaybeTlsStream::Plain(stream);
        tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await
    }
}

pub(crate) const fn is_tls(_: &io::Error) -> bool {
    false
}
