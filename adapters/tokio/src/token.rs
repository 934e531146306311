//! Credentials, as the application fetches them.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

/// What [`Builder::tokens`](crate::Builder::tokens) fetches. Its `Debug` form hides the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    pub(crate) secret: String,
    pub(crate) lasts: Option<Duration>,
}

impl Token {
    /// A token that is good until the server rejects it.
    #[must_use]
    pub fn new(secret: impl Into<String>) -> Self {
        Self { secret: secret.into(), lasts: None }
    }

    /// How long it is good from now on: another is fetched in time, without harm to the connection.
    #[must_use]
    pub const fn lasts(mut self, lasts: Duration) -> Self {
        self.lasts = Some(lasts);
        self
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("lasts", &self.lasts).finish_non_exhaustive()
    }
}

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
#[error("no token could be had")]
pub struct TokenError {
    pub(crate) source: Box<dyn std::error::Error + Send + Sync>,
    pub(crate) fatal: bool,
}

impl TokenError {
    /// Not now: the attempt has failed, the next one asks again.
    pub fn retryable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: source.into(), fatal: false }
    }

    /// Never: the link halts until [`Handle::start`](crate::Handle::start).
    pub fn fatal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { source: source.into(), fatal: true }
    }

    /// Whether asking again is pointless.
    #[must_use]
    pub const fn is_fatal(&self) -> bool {
        self.fatal
    }
}

pub(crate) type Fetch = Pin<Box<dyn Future<Output = Result<Token, TokenError>> + Send>>;
pub(crate) type MakeFetch = Box<dyn FnMut() -> Fetch + Send>;
