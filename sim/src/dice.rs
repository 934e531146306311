//! Chance that a test can repeat.

use core::time::Duration;

use wyrand::WyRand;

/// A seeded source of decisions: the same seed makes the same ones on every platform.
#[derive(Clone, Debug)]
pub struct Dice(WyRand);

impl Dice {
    /// Dice that fall as `seed` says.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(WyRand::new(seed))
    }

    /// True `percent` times in a hundred.
    pub const fn chance(&mut self, percent: u8) -> bool {
        self.below(100) < percent as u64
    }

    /// A number below `count`; 0 where `count` is 0.
    pub const fn below(&mut self, count: u64) -> u64 {
        ((self.0.rand() as u128 * count as u128) >> 64) as u64
    }

    /// A span of at most `longest`, in nanoseconds.
    pub fn span(&mut self, longest: Duration) -> Duration {
        let nanos = u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.below(nanos.saturating_add(1)))
    }

    /// One of `choices`; `None` where there are none.
    pub fn pick<'a, T>(&mut self, choices: &'a [T]) -> Option<&'a T> {
        let index = self.below(u64::try_from(choices.len()).unwrap_or(u64::MAX));
        choices.get(usize::try_from(index).unwrap_or(usize::MAX))
    }
}
