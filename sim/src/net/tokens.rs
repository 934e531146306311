//! The token provider, and the server's view of what it provides.

use core::time::Duration;

use redial::{Event, Instant, Millis, Ticket};

use crate::dice::Dice;
use crate::faults::Faults;

/// What becomes of a request for credentials.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Refreshed {
    /// They come, good for so long if that is known.
    Comes(Option<Duration>),
    /// They cannot be had, be it for good.
    Fails {
        /// There is no point in asking again.
        fatal: bool,
    },
    /// No answer comes.
    Hangs,
}

/// The credentials at hand.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens {
    good_until: Instant,
}

impl Tokens {
    pub(super) const fn new() -> Self {
        Self { good_until: Instant::MAX }
    }

    /// Whether the server takes them.
    pub(super) fn are_good(self, now: Instant) -> bool {
        now < self.good_until
    }

    /// An answer reaches the driver: it uses these from now on.
    pub(super) fn notice(&mut self, now: Instant, event: &Event) {
        if let Event::CredentialsReady { lasts, .. } = event {
            let until = lasts.map(|lasts| now.saturating_add(lasts.as_duration()));
            self.good_until = until.unwrap_or(Instant::MAX);
        }
    }
}

impl Refreshed {
    pub(super) fn draw(dice: &mut Dice, faults: &Faults) -> Self {
        if dice.chance(faults.token_hangs) {
            Self::Hangs
        } else if dice.chance(faults.token_forbidden) {
            Self::Fails { fatal: true }
        } else if dice.chance(faults.token_fails) {
            Self::Fails { fatal: false }
        } else {
            let short = dice.chance(faults.token_runs_out);
            Self::Comes(short.then(|| dice.span(Duration::from_secs(180))))
        }
    }

    pub(super) fn event(self, ticket: Ticket) -> Option<Event> {
        match self {
            Self::Comes(lasts) => {
                let lasts = lasts.map(Millis::from_duration);
                Some(Event::CredentialsReady { ticket, lasts })
            }
            Self::Fails { fatal } => Some(Event::CredentialsFailed { ticket, fatal }),
            Self::Hangs => None,
        }
    }
}
