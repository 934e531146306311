//! What a closure means for the next attempt.

use crate::event::{By, Closure, Fact};
use crate::time::Millis;

/// What a closure means for the next attempt.
///
/// A verdict that the closure states comes first, then the policy's first matching [`Rule`], then
/// the table of [`Verdict::of_fact`]. A closure by ourselves is always [`Verdict::Retry`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(into = "crate::policy::VerdictFile", from = "crate::policy::VerdictFile")
)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Verdict {
    /// Retry on the ladder.
    Retry,
    /// Retry after a quick draw, once; a second one before a connection settles is as [`Self::Retry`].
    RetrySoon,
    /// Retry within a window: not before `from`, and spread up to `to`.
    RetryWithin {
        /// A floor for the next attempt.
        from: Millis,
        /// The end of the window over which clients spread.
        to: Millis,
    },
    /// The credentials were rejected.
    Reauthenticate,
    /// This endpoint cannot serve us, another may. With one endpoint it is as [`Self::Retry`].
    NextEndpoint,
    /// Retry, and with a fresh session.
    FreshSession,
    /// Retrying is pointless or forbidden.
    Halt,
}

impl Verdict {
    /// The table for facts that no rule names.
    ///
    /// | fact | verdict |
    /// |---|---|
    /// | close 1012 (service restart) | within 5 to 30 s, as its registration asks |
    /// | close 1013 (try again later) | next endpoint |
    /// | HTTP 401, close 3000 (unauthorized) | reauthenticate |
    /// | HTTP 403, 404, 410, close 3003 (forbidden) | halt |
    /// | everything else | retry |
    ///
    /// The close codes are those of the IANA WebSocket Close Code Number Registry.
    ///
    /// ```
    /// use redial::{Fact, Verdict};
    /// assert_eq!(Verdict::of_fact(Fact::Code(1008)), Verdict::Retry);
    /// assert_eq!(Verdict::of_fact(Fact::Http(403)), Verdict::Halt);
    /// ```
    #[must_use]
    pub const fn of_fact(fact: Fact) -> Self {
        match fact {
            Fact::Code(1012) => {
                Self::RetryWithin { from: Millis::new(5_000), to: Millis::new(30_000) }
            }
            Fact::Code(1013) => Self::NextEndpoint,
            Fact::Code(3000) | Fact::Http(401) => Self::Reauthenticate,
            Fact::Code(3003) | Fact::Http(403 | 404 | 410) => Self::Halt,
            Fact::None | Fact::Code(_) | Fact::Http(_) | Fact::Io(_) => Self::Retry,
        }
    }
}

/// A policy's own reading of a range of close codes or HTTP statuses. The first that matches counts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rule {
    pub(crate) facts: Range,
    pub(crate) verdict: Verdict,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Range {
    Code(u16, u16),
    Http(u16, u16),
}

impl Rule {
    /// Close codes `first` to `last`, both included, mean `verdict`.
    #[must_use]
    pub const fn code(first: u16, last: u16, verdict: Verdict) -> Self {
        Self { facts: Range::Code(first, last), verdict }
    }

    /// HTTP statuses `first` to `last`, both included, mean `verdict`.
    #[must_use]
    pub const fn http(first: u16, last: u16, verdict: Verdict) -> Self {
        Self { facts: Range::Http(first, last), verdict }
    }

    /// What the facts that it covers mean.
    #[must_use]
    pub const fn verdict(self) -> Verdict {
        self.verdict
    }

    /// Whether it covers this fact. Whoever closed, and whether an earlier rule covers it too, is
    /// [`Policy::classify`](crate::Policy::classify)'s business.
    #[must_use]
    pub const fn matches(self, fact: Fact) -> bool {
        match (self.facts, fact) {
            (Range::Code(first, last), Fact::Code(number))
            | (Range::Http(first, last), Fact::Http(number)) => first <= number && number <= last,
            (Range::Code(..) | Range::Http(..), _) => false,
        }
    }
}

pub(crate) fn classify(rules: &[Rule], closure: Closure) -> Verdict {
    if closure.by == By::Local {
        return Verdict::Retry;
    }
    closure
        .verdict
        .or_else(|| rules.iter().find(|rule| rule.matches(closure.fact)).map(|rule| rule.verdict))
        .unwrap_or(Verdict::of_fact(closure.fact))
}
