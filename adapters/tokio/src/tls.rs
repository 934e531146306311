//! From a TCP stream to a WebSocket, through TLS where the URL says `wss`.

#[cfg(feature = "__rustls")]
mod rustls;
#[cfg(not(feature = "__rustls"))]
mod without;

#[cfg(feature = "__rustls")]
pub(crate) use self::rustls::{Tls, is_tls};
#[cfg(not(feature = "__rustls"))]
pub(crate) use self::without::{Tls, is_tls};
