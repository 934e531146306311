//! What the judge says.

use core::fmt;

use redial::Instant;

/// A promise of the design, by its name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[non_exhaustive]
pub enum Promise {
    /// P1, bounded attempts.
    BoundedAttempts,
    /// P2, never hot.
    NeverHot,
    /// P3, never asleep.
    NeverAsleep,
    /// P4, one socket.
    OneSocket,
    /// P5, the subscriptions.
    Subscriptions,
    /// P6, stale is harmless.
    StaleIsHarmless,
    /// P7, silence is noticed.
    SilenceIsNoticed,
    /// P8, patience.
    Patience,
    /// P9, the server is heard.
    ServerIsHeard,
    /// P10, total and bounded: `Misuse` is for what a correct driver cannot do, and changes nothing.
    Total,
    /// P12, one loss is one loss.
    OneLoss,
    /// P13, no credential loop.
    NoCredentialLoop,
    /// P14, continuity is explicit.
    Continuity,
    /// The sessions: resumed while the server keeps one and it is not poisoned.
    Sessions,
    /// The endpoints: which one is dialled.
    Endpoints,
    /// Rotation: make before break, and a move where there is none.
    Rotation,
    /// A report is the truth, is made, and is not repeated.
    Reports,
    /// The table of wishes: start, stop, pause and the network hints do what they say.
    Wishes,
}

impl fmt::Display for Promise {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BoundedAttempts => "P1 bounded attempts",
            Self::NeverHot => "P2 never hot",
            Self::NeverAsleep => "P3 never asleep",
            Self::OneSocket => "P4 one socket",
            Self::Subscriptions => "P5 the subscriptions",
            Self::StaleIsHarmless => "P6 stale is harmless",
            Self::SilenceIsNoticed => "P7 silence is noticed",
            Self::Patience => "P8 patience",
            Self::ServerIsHeard => "P9 the server is heard",
            Self::Total => "P10 total and bounded",
            Self::OneLoss => "P12 one loss is one loss",
            Self::NoCredentialLoop => "P13 no credential loop",
            Self::Continuity => "P14 continuity is explicit",
            Self::Sessions => "the sessions",
            Self::Endpoints => "the endpoints",
            Self::Rotation => "rotation",
            Self::Reports => "the reports",
            Self::Wishes => "the table of wishes",
        })
    }
}

/// A promise was broken: which, when, how, and what led to it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{promise} is broken at {at}: {what}\n{}", log.join("\n"))]
#[non_exhaustive]
pub struct Broken {
    /// The promise.
    pub promise: Promise,
    /// The latest instant that the link saw.
    pub at: Instant,
    /// What is wrong.
    pub what: String,
    /// The last lines of events and actions before it, the oldest first.
    pub log: Vec<String>,
}
