//! A clock that stands still until it is told to move.

use core::time::Duration;

use redial::Instant;

/// A clock for tests: it moves only when told to, and it may be moved backwards to play a clock
/// that does what a correct one never does.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FakeClock {
    now: Instant,
}

impl FakeClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn at(now: Instant) -> Self {
        Self { now }
    }

    /// What the clock shows.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Moves the clock on by `span`, at most to [`Instant::MAX`].
    pub const fn advance(&mut self, span: Duration) {
        self.now = self.now.saturating_add(span);
    }

    /// Moves the clock on to `instant`; one that has passed leaves it where it is.
    pub fn advance_to(&mut self, instant: Instant) {
        self.now = self.now.max(instant);
    }

    /// What a faulty clock would show: `span` ago. The clock itself stays where it is.
    #[must_use]
    pub const fn ago(&self, span: Duration) -> Instant {
        let nanos = span.as_nanos();
        let nanos = if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 };
        Instant::from_nanos(self.now.as_nanos().saturating_sub(nanos))
    }
}
