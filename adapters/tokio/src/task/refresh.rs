//! Credentials, fetched when the core asks for them.

use std::task::{Context, Poll};

use redial::{Event, Instant, Millis, Ticket};

use super::Task;
use crate::log;
use crate::protocol::Protocol;
use crate::token::{Fetch, MakeFetch, Token};

/// One token is fetched at a time: a newer ticket drops what the older one waited for.
pub(crate) struct Tokens {
    make: Option<MakeFetch>,
    fetching: Option<(Ticket, Fetch)>,
}

impl Tokens {
    pub(crate) const fn new(make: Option<MakeFetch>) -> Self {
        Self { make, fetching: None }
    }
}

impl<P: Protocol> Task<P> {
    pub(super) fn refresh(&mut self, ticket: Ticket) {
        // First, so that no two ever run at once.
        self.tokens.fetching = None;
        self.tokens.fetching = self.tokens.make.as_mut().map(|make| (ticket, make()));
    }

    pub(super) fn poll_tokens(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some((ticket, fetch)) = &mut self.tokens.fetching else { return false };
        let ticket = *ticket;
        let Poll::Ready(fetched) = fetch.as_mut().poll(cx) else { return false };
        self.tokens.fetching = None;
        match fetched {
            Ok(Token { secret, lasts }) => {
                self.token = Some(secret);
                let lasts = lasts.map(Millis::from);
                self.handle(now, Event::CredentialsReady { ticket, lasts });
            }
            Err(error) => {
                log::no_token(&error);
                let fatal = error.is_fatal();
                self.handle(now, Event::CredentialsFailed { ticket, fatal });
            }
        }
        true
    }
}
