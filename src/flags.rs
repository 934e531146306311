//! Yes-or-no facts, each a bit, in one byte.

/// Which of up to eight facts hold; what each bit means is said where they are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Flags(pub(crate) u8);

impl Flags {
    pub(crate) const NONE: Self = Self(0);

    pub(crate) const fn has(self, any_of: u8) -> bool {
        self.0 & any_of != 0
    }

    pub(crate) const fn set(&mut self, bits: u8) {
        self.0 |= bits;
    }

    pub(crate) const fn clear(&mut self, bits: u8) {
        self.0 &= !bits;
    }
}
