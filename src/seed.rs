//! Randomness that a test can repeat.

#[cfg(feature = "serde")]
mod snapshot;

use rand_core::Rng;
use wyrand::WyRand;

/// Where a link's jitter comes from. Required, so that nobody gets the same jitter on each device
/// by forgetting it.
///
/// Two links with one seed draw the same jitter: give each link its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Seed(u64);

impl Seed {
    /// A seed from a generator: the operating system's, or a hardware source.
    #[must_use]
    pub fn from_rng(rng: &mut impl Rng) -> Self {
        Self(rng.next_u64())
    }

    /// A seed from a number, for tests and replays, or from an entropy source of the driver's own.
    #[must_use]
    pub const fn from_u64(number: u64) -> Self {
        Self(number)
    }
}

/// The generator, kept as seed and number of draws: a draw is a function of the two, so that a
/// snapshot needs nothing of the generator's insides.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Jitter {
    key: u64,
    draws: u64,
}

impl Jitter {
    pub(crate) const fn new(seed: Seed) -> Self {
        // Neighbouring seeds must not give neighbouring sequences: mix once.
        Self { key: WyRand::new(seed.0).rand(), draws: 0 }
    }

    /// Uniform in `[from, to]`, both included; `from` where the interval is empty.
    ///
    /// The high half of a 128-bit product (Lemire, "Fast Random Integer Generation in an Interval",
    /// 2019) without the rejection step, for draws must be countable: its bias is below
    /// `(to - from) / 2^64`.
    pub(crate) fn uniform(&mut self, from: u64, to: u64) -> u64 {
        let bits = u128::from(self.next());
        let span = u128::from(to.saturating_sub(from));
        // bits · (span + 1), whose largest value is 2^128 - 2^64: nothing wraps, here and below.
        let offset = bits.wrapping_mul(span).wrapping_add(bits) >> 64;
        from.wrapping_add(offset as u64)
    }

    fn next(&mut self) -> u64 {
        /// 2^64 divided by the golden ratio: steps of a Weyl sequence.
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        self.draws = self.draws.wrapping_add(1);
        WyRand::new(self.key.wrapping_add(self.draws.wrapping_mul(STEP))).rand()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uniform_reaches_both_ends_and_nothing_beyond() {
        let mut jitter = Jitter::new(Seed::from_u64(1));
        let mut seen = [0_u32; 3];
        for _ in 0..300 {
            let draw = jitter.uniform(5, 7);
            seen[usize::try_from(draw - 5).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| count > 60), "{seen:?}");
        assert_eq!(jitter.uniform(9, 9), 9);
        assert_eq!(jitter.uniform(9, 3), 9);
        jitter.uniform(0, u64::MAX);
    }

    #[test]
    fn neighbouring_seeds_share_nothing() {
        let (mut one, mut two) = (Jitter::new(Seed::from_u64(1)), Jitter::new(Seed::from_u64(2)));
        let equal = (0..64).filter(|_| one.next() == two.next()).count();
        assert_eq!(equal, 0);
    }
}
