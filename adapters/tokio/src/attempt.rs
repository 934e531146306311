//! What is dialled, and with what in hand.

use std::fmt;

use redial::{ConnId, Endpoint, Session};

/// One attempt, as the function that makes its request and [`Protocol::greet`] see it.
///
/// [`Protocol::greet`]: crate::Protocol::greet
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Attempt<'a> {
    /// The connection that shall come of it.
    pub conn: ConnId,
    /// Which server is dialled: the index in the list of URLs.
    pub endpoint: Endpoint,
    /// Whether to resume what the server remembers of us. Where to resume is the protocol's
    /// knowledge, kept by endpoint.
    pub session: Session,
    /// The latest token of [`Builder::tokens`](crate::Builder::tokens); `None` before the first.
    pub token: Option<&'a str>,
}

/// Without the token, which is a secret.
impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("conn", &self.conn)
            .field("endpoint", &self.endpoint)
            .field("session", &self.session)
            .finish_non_exhaustive()
    }
}
