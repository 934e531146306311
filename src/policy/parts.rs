//! The parts of a policy that are there or not: built by themselves and handed to the builder.

use core::time::Duration;

use super::{FirstPing, Pings};
use crate::time::Nanos;

/// How silence is noticed: pings and patience.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Heartbeat {
    pub(crate) ping_after: Nanos,
    pub(crate) dead_after: Nanos,
    pub(crate) pings: Pings,
    pub(crate) first: FirstPing,
}

impl Heartbeat {
    /// Pings after `ping_after` without a byte; `dead_after` without a byte after a ping is death.
    #[must_use]
    pub const fn new(ping_after: Duration, dead_after: Duration) -> Self {
        Self {
            ping_after: Nanos::from_duration(ping_after),
            dead_after: Nanos::from_duration(dead_after),
            pings: Pings::WhenSilent,
            first: FirstPing::Fixed,
        }
    }

    /// When pings are sent; [`Pings::WhenSilent`] unless said.
    #[must_use]
    pub const fn pings(mut self, pings: Pings) -> Self {
        self.pings = pings;
        self
    }

    /// When the first ping is due; [`FirstPing::Fixed`] unless said.
    #[must_use]
    pub const fn first(mut self, first: FirstPing) -> Self {
        self.first = first;
        self
    }

    /// The silence after which a ping is sent.
    #[must_use]
    pub const fn ping_after(&self) -> Duration {
        self.ping_after.as_duration()
    }

    /// The silence after a ping that is death.
    #[must_use]
    pub const fn dead_after(&self) -> Duration {
        self.dead_after.as_duration()
    }

    /// Whether pings wait for silence.
    #[must_use]
    pub const fn sends(&self) -> Pings {
        self.pings
    }

    /// Whether the first ping is jittered.
    #[must_use]
    pub const fn first_ping(&self) -> FirstPing {
        self.first
    }
}

/// The slower cadence of a long outage.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Suspension {
    pub(crate) after: Nanos,
    pub(crate) shortest: Nanos,
    pub(crate) longest: Nanos,
}

impl Suspension {
    /// After an outage of `after`, delays are drawn from `[shortest, longest]`.
    #[must_use]
    pub const fn new(after: Duration, shortest: Duration, longest: Duration) -> Self {
        Self {
            after: Nanos::from_duration(after),
            shortest: Nanos::from_duration(shortest),
            longest: Nanos::from_duration(longest),
        }
    }

    /// The outage after which the cadence holds.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after.as_duration()
    }

    /// The shortest and the longest delay.
    #[must_use]
    pub const fn delays(&self) -> (Duration, Duration) {
        (self.shortest.as_duration(), self.longest.as_duration())
    }
}

/// When connections are replaced, make before break.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Rotation {
    pub(crate) after: Nanos,
    pub(crate) jitter: Nanos,
    pub(crate) overlap: Nanos,
}

impl Rotation {
    /// A connection is replaced after a draw in `[after - jitter, after]` from ready. A successor
    /// that makes no progress for `overlap` is given up.
    #[must_use]
    pub const fn new(after: Duration, jitter: Duration, overlap: Duration) -> Self {
        Self {
            after: Nanos::from_duration(after),
            jitter: Nanos::from_duration(jitter),
            overlap: Nanos::from_duration(overlap),
        }
    }

    /// The latest that a connection is replaced, from ready.
    #[must_use]
    pub const fn after(&self) -> Duration {
        self.after.as_duration()
    }

    /// By how much earlier it may be replaced.
    #[must_use]
    pub const fn jitter(&self) -> Duration {
        self.jitter.as_duration()
    }

    /// How long a successor may make no progress.
    #[must_use]
    pub const fn overlap(&self) -> Duration {
        self.overlap.as_duration()
    }
}
