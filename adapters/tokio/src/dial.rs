//! One attempt: name lookup, TCP, TLS and upgrade as one future.

use std::io;
use std::time::SystemTime;

use redial::{Closure, ConnId, Fact, IoKind};
use tokio::net::{TcpStream, lookup_host};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::{ProtocolError, UrlError};
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::http::header::RETRY_AFTER;
use tokio_tungstenite::tungstenite::http::{self, HeaderMap};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

use crate::log::{self, Stage};
use crate::tls::{Tls, is_tls};

pub(crate) type WebSocket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Dials. Dropping the future gives the attempt up, whatever it has come to.
pub(crate) async fn dial(
    conn: ConnId,
    request: Request,
    tls: Tls,
    config: WebSocketConfig,
) -> Result<WebSocket, Closure> {
    log::dial(conn, request.uri());
    let stream = connect(conn, request.uri()).await?;
    let (socket, _response) = tls.upgrade(request, stream, config).await.map_err(|error| {
        let closure = closure(&error);
        let is_tls = closure.fact == Fact::Io(IoKind::Tls);
        log::error(conn, if is_tls { Stage::Tls } else { Stage::Upgrade }, &error);
        closure
    })?;
    Ok(socket)
}

async fn connect(conn: ConnId, uri: &http::Uri) -> Result<TcpStream, Closure> {
    let host = uri.host().ok_or(Closure::local().io(IoKind::Other))?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("wss") { 443 } else { 80 });
    let addresses = lookup_host((host, port)).await.map_err(|error| {
        log::error(conn, Stage::Lookup, &error);
        Closure::unknown().io(IoKind::Dns)
    })?;
    let mut last = Closure::unknown().io(IoKind::Dns);
    for address in addresses {
        match TcpStream::connect(address).await {
            Ok(stream) => {
                // Not all platforms allow it on all sockets; the connection is as good without.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => {
                log::error(conn, Stage::Connect, &error);
                last = io_closure(&error);
            }
        }
    }
    Err(last)
}

/// What an error says of the end of a connection.
pub(crate) fn closure(error: &Error) -> Closure {
    match error {
        Error::Http(response) => {
            let closure = Closure::peer().http(response.status().as_u16());
            match retry_after(response.headers(), SystemTime::now()) {
                Some(wait) => closure.retry_after(wait),
                None => closure,
            }
        }
        Error::ConnectionClosed
        | Error::AlreadyClosed
        | Error::Protocol(
            ProtocolError::ResetWithoutClosingHandshake | ProtocolError::HandshakeIncomplete,
        ) => Closure::peer(),
        Error::Io(error) => io_closure(error),
        Error::Tls(_) | Error::Url(UrlError::TlsFeatureNotEnabled) => {
            Closure::unknown().io(IoKind::Tls)
        }
        Error::Capacity(_) | Error::Protocol(_) | Error::Utf8(_) | Error::AttackAttempt => {
            Closure::unknown().io(IoKind::Protocol)
        }
        Error::WriteBufferFull(_) | Error::Url(_) | Error::HttpFormat(_) => {
            Closure::local().io(IoKind::Other)
        }
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "not our enum: most kinds say nothing to us")]
fn io_closure(error: &io::Error) -> Closure {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => Closure::peer(),
        _ if is_tls(error) => Closure::unknown().io(IoKind::Tls),
        kind => Closure::unknown().io(match kind {
            io::ErrorKind::ConnectionRefused => IoKind::Refused,
            io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe => IoKind::Reset,
            io::ErrorKind::TimedOut => IoKind::Timeout,
            _ => IoKind::Other,
        }),
    }
}

/// `Retry-After` as seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<std::time::Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = value.parse() {
        return Some(std::time::Duration::from_secs(seconds));
    }
    httpdate::parse_http_date(value).ok()?.duration_since(now).ok()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let read = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, http::HeaderValue::from_static(value));
            retry_after(&headers, now)
        };
        assert_eq!(read(" 20 "), Some(Duration::from_secs(20)));
        let date = Box::leak(httpdate::fmt_http_date(now + Duration::from_secs(7)).into());
        assert_eq!(read(date), Some(Duration::from_secs(7)));
        assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT"), None);
        assert_eq!(read("soon"), None);
    }
}
