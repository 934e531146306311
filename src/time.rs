//! Points in time and spans of time, in integers.
//!
//! The core never reads a clock: each call carries the driver's `now`. [`Instant`] is the driver's
//! clock, [`Millis`] the compact span that events carry, and policies take [`Duration`].

use core::cmp::Ordering;
use core::fmt;
use core::time::Duration;

/// A point on the driver's clock: nanoseconds since an origin that the driver chose.
///
/// The clock must not run ahead of real time. It should go on during a suspend (`CLOCK_BOOTTIME`
/// rather than `CLOCK_MONOTONIC` where there is a choice), or a link learns of the lost hours only
/// from its peer. A `now` that runs backwards counts as the latest seen; all arithmetic saturates.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Instant(u64);

// Derived, each comparison would go through an `Ordering`: three times as much code where a word has
// 32 bits.
impl PartialOrd for Instant {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }

    #[inline]
    fn lt(&self, other: &Self) -> bool {
        self.0 < other.0
    }

    #[inline]
    fn le(&self, other: &Self) -> bool {
        self.0 <= other.0
    }

    #[inline]
    fn gt(&self, other: &Self) -> bool {
        self.0 > other.0
    }

    #[inline]
    fn ge(&self, other: &Self) -> bool {
        self.0 >= other.0
    }
}

impl Ord for Instant {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.cmp(&other.0)
    }

    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn max(self, other: Self) -> Self {
        if self.0 > other.0 { self } else { other }
    }

    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn min(self, other: Self) -> Self {
        if self.0 < other.0 { self } else { other }
    }
}

impl Instant {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);

    /// Never: later than any instant that a driver reaches (584 years after the origin).
    pub const MAX: Self = Self(u64::MAX);

    /// The latest instant that ever comes.
    pub(crate) const LAST: Self = Self(u64::MAX - 1);

    /// The instant `nanos` nanoseconds after the origin.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The instant `since_origin` after the origin, [`Instant::MAX`] where that overflows.
    #[must_use]
    pub const fn from_duration(since_origin: Duration) -> Self {
        Self::ZERO.saturating_add(since_origin)
    }

    /// Nanoseconds since the origin.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// The span from `earlier` to this instant, zero if `earlier` is later.
    #[must_use]
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.since(earlier).0)
    }

    /// This instant moved later by `span`, [`Instant::MAX`] where that overflows.
    #[must_use]
    pub const fn saturating_add(self, span: Duration) -> Self {
        self.after(Nanos::from_duration(span))
    }

    // A call is smaller than 64 bits in words of 32, saturated.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(crate) const fn since(self, earlier: Self) -> Nanos {
        Nanos(self.0.saturating_sub(earlier.0))
    }

    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(crate) const fn after(self, span: Nanos) -> Self {
        Self(self.0.saturating_add(span.0))
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Seconds since the origin, to the nanosecond: `12.043000000s`; `never` for [`Instant::MAX`].
impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::MAX {
            return f.write_str("never");
        }
        let since_origin = Duration::from_nanos(self.0);
        write!(f, "{}.{:09}s", since_origin.as_secs(), since_origin.subsec_nanos())
    }
}

/// A span in whole milliseconds, as events carry it: compact, and never shorter than what was said.
///
/// `Millis::from(duration)` rounds up, so that a `Retry-After` of 0.4 ms does not become none, and
/// saturates at `u32::MAX` milliseconds (49.7 days).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Millis(u32);

impl Millis {
    /// No time at all.
    pub const ZERO: Self = Self(0);

    /// A span of `millis` milliseconds.
    #[must_use]
    pub const fn new(millis: u32) -> Self {
        Self(millis)
    }

    /// `span` rounded up to whole milliseconds; `u32::MAX` milliseconds if it is longer.
    #[must_use]
    pub const fn from_duration(span: Duration) -> Self {
        let millis = span.as_nanos().div_ceil(1_000_000);
        Self(if millis > u32::MAX as u128 { u32::MAX } else { millis as u32 })
    }

    /// The number of milliseconds.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// The same span as a [`Duration`].
    #[must_use]
    pub const fn as_duration(self) -> Duration {
        Duration::from_millis(self.0 as u64)
    }

    pub(crate) const fn nanos(self) -> Nanos {
        // At most 2^32 · 10^6 < 2^52.
        Nanos((self.0 as u64).saturating_mul(1_000_000))
    }
}

impl From<Duration> for Millis {
    fn from(span: Duration) -> Self {
        Self::from_duration(span)
    }
}

/// An `Option<Millis>` in the space of a [`Millis`]. The longest span is one millisecond shorter in
/// it, which nobody misses: what a server asks for is clamped below that.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct MaybeMillis(u32);

impl MaybeMillis {
    pub(crate) const NONE: Self = Self(u32::MAX);

    pub(crate) const fn some(millis: Millis) -> Self {
        Self(if millis.0 == u32::MAX { u32::MAX - 1 } else { millis.0 })
    }

    pub(crate) const fn get(self) -> Option<Millis> {
        if self.0 == u32::MAX { None } else { Some(Millis(self.0)) }
    }
}

/// A span in nanoseconds, half the size of [`Duration`] and cheap to compare.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Nanos(pub(crate) u64);

impl Nanos {
    pub(crate) const ZERO: Self = Self(0);

    pub(crate) const fn from_duration(span: Duration) -> Self {
        let nanos = span.as_nanos();
        Self(if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 })
    }

    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// The whole milliseconds in it.
    pub(crate) fn whole_millis(self) -> Millis {
        Millis(u32::try_from(self.0 / 1_000_000).unwrap_or(u32::MAX))
    }

    pub(crate) const fn as_duration(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    pub(crate) const fn saturating_add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// An `Option<Nanos>` in the space of a [`Nanos`]. The longest span is one nanosecond shorter in it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct MaybeNanos(u64);

impl MaybeNanos {
    pub(crate) const NONE: Self = Self(u64::MAX);

    pub(crate) const fn some(nanos: Nanos) -> Self {
        Self(if nanos.0 == u64::MAX { u64::MAX - 1 } else { nanos.0 })
    }

    pub(crate) const fn get(self) -> Option<Nanos> {
        if self.0 == u64::MAX { None } else { Some(Nanos(self.0)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_optional_span_is_what_went_in_and_the_longest_is_one_less() {
        assert_eq!(MaybeMillis::NONE.get(), None);
        assert_eq!(MaybeNanos::NONE.get(), None);
        for (millis, kept) in [(0, 0), (u32::MAX - 1, u32::MAX - 1), (u32::MAX, u32::MAX - 1)] {
            assert_eq!(MaybeMillis::some(Millis(millis)).get(), Some(Millis(kept)));
        }
        for (nanos, kept) in [(0, 0), (u64::MAX - 1, u64::MAX - 1), (u64::MAX, u64::MAX - 1)] {
            assert_eq!(MaybeNanos::some(Nanos(nanos)).get(), Some(Nanos(kept)));
        }
    }

    #[test]
    fn a_duration_that_no_nanoseconds_hold_is_the_longest_that_they_do() {
        let longer = Duration::from_nanos(u64::MAX) + Duration::from_nanos(1);
        assert_eq!(Nanos::from_duration(longer), Nanos(u64::MAX));
    }

    #[test]
    fn whole_milliseconds_are_rounded_down_and_saturate() {
        assert_eq!(Nanos(1_999_999).whole_millis(), Millis(1));
        assert_eq!(Nanos(u64::MAX).whole_millis(), Millis(u32::MAX));
    }
}
