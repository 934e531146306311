//! A checksum over values, whatever text or bytes they are stored as.

use crate::event::{By, IoKind};
use crate::status::{Continuity, Halted};

/// FNV-1a with 64 bits (Fowler, Noll and Vo, `draft-eastlake-fnv`). It tells a damaged snapshot from
/// a whole one; it is no protection against somebody who means harm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Checksum(u64);

impl Checksum {
    pub(crate) const NEW: Self = Self(0xCBF2_9CE4_8422_2325);
    const PRIME: u64 = 0x0000_0100_0000_01B3;

    pub(crate) const fn value(self) -> u64 {
        self.0
    }

    const fn octet(&mut self, octet: u8) {
        self.0 = (self.0 ^ octet as u64).wrapping_mul(Self::PRIME);
    }
}

/// What a checksum can be taken of.
pub(crate) trait Fold {
    fn fold(&self, sum: &mut Checksum);
}

impl Fold for u64 {
    /// The lowest octet first, on every platform.
    fn fold(&self, sum: &mut Checksum) {
        for octet in self.to_le_bytes() {
            sum.octet(octet);
        }
    }
}

macro_rules! fold_as_u64 {
    ($($kind:ty),*) => {$(
        impl Fold for $kind {
            fn fold(&self, sum: &mut Checksum) {
                (*self as u64).fold(sum);
            }
        }
    )*};
}

fold_as_u64!(u8, u16, u32, i64, bool, By, Continuity, Halted, IoKind);

impl<T: Fold> Fold for Option<T> {
    fn fold(&self, sum: &mut Checksum) {
        self.is_some().fold(sum);
        self.iter().for_each(|it| it.fold(sum));
    }
}

impl<T: Fold> Fold for [T] {
    fn fold(&self, sum: &mut Checksum) {
        self.iter().for_each(|it| it.fold(sum));
    }
}

impl<T: Fold, const N: usize> Fold for [T; N] {
    fn fold(&self, sum: &mut Checksum) {
        self.as_slice().fold(sum);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fnv_1a() {
        // The vectors of the algorithm's authors.
        for (text, value) in [
            ("", 0xCBF2_9CE4_8422_2325),
            ("a", 0xAF63_DC4C_8601_EC8C),
            ("foobar", 0x8594_4171_F739_67E8),
        ] {
            let mut sum = Checksum::NEW;
            text.bytes().for_each(|octet| sum.octet(octet));
            assert_eq!(sum.value(), value, "{text}");
        }
    }

    #[test]
    fn nothing_and_zero_differ() {
        let of = |value: &dyn Fn(&mut Checksum)| {
            let mut sum = Checksum::NEW;
            value(&mut sum);
            sum
        };
        assert_ne!(of(&|sum| None::<u64>.fold(sum)), of(&|sum| Some(0_u64).fold(sum)));
        assert_ne!(of(&|sum| [1_u8, 2].fold(sum)), of(&|sum| [2_u8, 1].fold(sum)));
    }
}
