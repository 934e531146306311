//! Durations as people write them: `250ms`, `1.5s`, `5m`.

use core::fmt;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::time::Nanos;

/// A span that reads and prints as a number with a unit: `ns`, `us`, `ms`, `s`, `m` or `h`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Span(pub(crate) Nanos);

/// Longest first, so that printing takes the largest that divides.
const UNITS: [(&str, u64); 6] = [
    ("h", 3_600_000_000_000),
    ("m", 60_000_000_000),
    ("s", 1_000_000_000),
    ("ms", 1_000_000),
    ("us", 1_000),
    ("ns", 1),
];

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(Nanos(nanos)) = *self;
        if nanos == 0 {
            return f.write_str("0s");
        }
        let divides = |unit: &&(&str, u64)| nanos.checked_rem(unit.1) == Some(0);
        let (name, size) = UNITS.iter().find(divides).copied().unwrap_or(("ns", 1));
        write!(f, "{}{name}", nanos.checked_div(size).unwrap_or(nanos))
    }
}

/// `None` unless it is a decimal number and a unit, in range.
fn parse(text: &str) -> Option<Span> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, size) = UNITS.iter().find(|(name, _)| *name == unit)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let mut nanos = whole.parse::<u64>().ok()?.checked_mul(*size)?;
    // Each digit of the fraction is worth a tenth of the one before; below a nanosecond it is none.
    let mut worth = *size;
    if fraction.is_empty() {
        return None;
    }
    for digit in fraction.bytes() {
        worth /= 10;
        let digit = u64::from(digit.checked_sub(b'0').filter(|digit| *digit <= 9)?);
        nanos = nanos.checked_add(digit.checked_mul(worth)?)?;
    }
    Some(Span(Nanos(nanos)))
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl Visitor<'_> for Reader {
            type Value = Span;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"250ms\", \"1.5s\", \"5m\" or \"1h\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Span, E> {
                parse(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }
        deserializer.deserialize_str(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_write_them() {
        for (text, nanos) in [
            ("0s", 0),
            ("250ms", 250_000_000),
            ("1.5s", 1_500_000_000),
            ("5m", 300_000_000_000),
            ("1h", 3_600_000_000_000),
            ("7ns", 7),
        ] {
            assert_eq!(parse(text), Some(Span(Nanos(nanos))), "{text}");
        }
    }

    #[test]
    fn nothing_else_is_a_span() {
        for text in ["", "5", "s", "-1s", "1 s", "1.s", ".5s", "1.2.3s", "1d", "99999999999h", "1é"]
        {
            assert_eq!(parse(text), None, "{text}");
        }
    }
}
