//! Events and actions as text: a flat record each, with a `type` and the fields that apply to it.
//!
//! Flat, because a tagged enum can be read in any order of its fields only by a buffer that grows.

mod action;
mod event;

pub(crate) use action::{ActionRecord, CauseRecord};
pub(crate) use event::EventRecord;
#[cfg(all(test, feature = "trace"))]
pub(crate) use {action::ActionKind, event::EventKind};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::{Fact, IoKind};
use crate::span::Span;
use crate::time::Millis;

/// Why a record is no event or no action.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Mismatch {
    #[error("`{0}` is missing")]
    Missing(&'static str),
    #[error("`{0}` does not belong here")]
    Foreign(&'static str),
}

/// A record with a `type` and fields, all of them optional for the reader: which apply is a matter
/// of the type.
macro_rules! record {
    ($record:ident: $kind:ident { $($kinds:ident,)* } { $($field:ident: $type:ty,)* }) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $kind {
            $($kinds,)*
        }

        #[cfg(all(test, feature = "trace"))]
        impl $kind {
            pub(crate) const ALL: &[Self] = &[$(Self::$kinds,)*];
        }

        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $record {
            #[serde(rename = "type")]
            pub(crate) kind: $kind,
            $(
                #[serde(default, skip_serializing_if = "Option::is_none")]
                $field: Option<$type>,
            )*
        }

        impl $record {
            const fn of(kind: $kind) -> Self {
                Self { kind, $($field: None,)* }
            }

            /// Refuses a field that nothing has taken.
            const fn emptied(&self) -> Result<(), Mismatch> {
                $(
                    if self.$field.is_some() {
                        return Err(Mismatch::Foreign(stringify!($field)));
                    }
                )*
                Ok(())
            }
        }
    };
}
use record;

fn need<T>(field: Option<T>, name: &'static str) -> Result<T, Mismatch> {
    field.ok_or(Mismatch::Missing(name))
}

/// What is known of an end, as at most one of three fields.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Facts {
    code: Option<u16>,
    http: Option<u16>,
    io: Option<IoKind>,
}

impl From<Fact> for Facts {
    fn from(fact: Fact) -> Self {
        let none = Self { code: None, http: None, io: None };
        match fact {
            Fact::None => none,
            Fact::Code(code) => Self { code: Some(code), ..none },
            Fact::Http(http) => Self { http: Some(http), ..none },
            Fact::Io(io) => Self { io: Some(io), ..none },
        }
    }
}

impl TryFrom<Facts> for Fact {
    type Error = Mismatch;

    fn try_from(facts: Facts) -> Result<Self, Mismatch> {
        match facts {
            Facts { code: None, http: None, io: None } => Ok(Self::None),
            Facts { code: Some(code), http: None, io: None } => Ok(Self::Code(code)),
            Facts { code: None, http: Some(http), io: None } => Ok(Self::Http(http)),
            Facts { code: None, http: None, io: Some(io) } => Ok(Self::Io(io)),
            Facts { code: Some(_), http: Some(_), .. } => Err(Mismatch::Foreign("http")),
            Facts { .. } => Err(Mismatch::Foreign("io")),
        }
    }
}

impl Serialize for Millis {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Span(self.nanos()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Millis {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Span(nanos) = Span::deserialize(deserializer)?;
        Ok(Self::from_duration(nanos.as_duration()))
    }
}
