//! What a derive cannot read: lists of bounded length, and fields with more than one form.

use core::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Attempts, Fresh, LimitFile, RuleFile};
use crate::limit::Limit;
use crate::policy::{Growth, LIST_MAX, Policy, Rules, SESSION_LIMITS};
use crate::span::Span;
use crate::time::Nanos;

const NO_LIMIT: &str = "dangerously_none";

impl Serialize for Attempts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(limit) => LimitFile::from(limit).serialize(serializer),
            None => serializer.serialize_str(NO_LIMIT),
        }
    }
}

impl<'de> Deserialize<'de> for Attempts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Attempts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("attempts as {\"burst\", \"interval\"} or \"dangerously_none\"")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Attempts, E> {
                match text {
                    NO_LIMIT => Ok(Attempts(None)),
                    other => Err(E::invalid_value(serde::de::Unexpected::Str(other), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Attempts, A::Error> {
                let limit = LimitFile::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Attempts(Some(limit.into())))
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

impl Serialize for Growth {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Ratio { numerator, denominator } => {
                [numerator, denominator].serialize(serializer)
            }
            Self::Table { steps, len } => {
                let mut map = serializer.serialize_map(Some(1))?;
                let steps = steps.get(..usize::from(*len)).unwrap_or_default();
                map.serialize_entry("table", &Spans(steps))?;
                map.end()
            }
        }
    }
}

struct Spans<'a>(&'a [Nanos]);

impl Serialize for Spans<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter().map(|span| Span(*span)))
    }
}

impl<'de> Deserialize<'de> for Growth {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct TableFile {
            table: Table,
        }

        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Growth;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("growth as [numerator, denominator] or {\"table\": [durations]}")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Growth, A::Error> {
                let mut next = |index| {
                    seq.next_element()?.ok_or_else(|| A::Error::invalid_length(index, &self))
                };
                let (numerator, denominator) = (next(0)?, next(1)?);
                match seq.next_element::<u32>()? {
                    None => Ok(Growth::Ratio { numerator, denominator }),
                    Some(_) => Err(A::Error::invalid_length(3, &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Growth, A::Error> {
                let TableFile { table: Table { steps, len } } =
                    TableFile::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Growth::Table { steps, len })
            }
        }
        deserializer.deserialize_any(Reader)
    }
}

struct Table {
    steps: [Nanos; LIST_MAX],
    len: u8,
}

impl<'de> Deserialize<'de> for Table {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut steps = [Span(Nanos::ZERO); LIST_MAX];
        let len = deserializer.deserialize_seq(Filler { list: &mut steps, read: Ok::<Span, _> })?;
        Ok(Self { steps: steps.map(|span| span.0), len })
    }
}

impl Serialize for Rules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(usize::from(self.len)))?;
        for rule in self.as_slice() {
            seq.serialize_element(&RuleFile::from(*rule))?;
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut rules = Policy::new().rules;
        let filler = Filler { list: &mut rules.list, read: RuleFile::rule };
        rules.len = deserializer.deserialize_seq(filler)?;
        Ok(rules)
    }
}

impl Serialize for Fresh {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.into_iter().flatten().map(LimitFile::from))
    }
}

impl<'de> Deserialize<'de> for Fresh {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut list = [None; SESSION_LIMITS];
        let read = |limit: LimitFile| Ok(Some(Limit::from(limit)));
        deserializer.deserialize_seq(Filler { list: &mut list, read })?;
        Ok(Self(list))
    }
}

/// Reads a list of at most `N` elements into an array, and returns how many there were.
pub(crate) struct Filler<'a, F, T, const N: usize> {
    pub(crate) list: &'a mut [T; N],
    pub(crate) read: fn(F) -> Result<T, &'static str>,
}

impl<'de, F: Deserialize<'de>, T, const N: usize> Visitor<'de> for Filler<'_, F, T, N> {
    type Value = u8;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a list of at most {N} entries")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<u8, A::Error> {
        let mut len = 0_u8;
        while let Some(element) = seq.next_element()? {
            let Some(place) = self.list.get_mut(usize::from(len)) else {
                return Err(A::Error::invalid_length(N.saturating_add(1), &self));
            };
            *place = (self.read)(element).map_err(A::Error::custom)?;
            len = len.saturating_add(1);
        }
        Ok(len)
    }
}
