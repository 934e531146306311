//! Why the last connection or attempt ended.

use serde::{Deserialize, Serialize};

use super::checksum::{Checksum, Fold};
use super::record::record;
use crate::event::{self, By, IoKind};
use crate::status;

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Cause {
    Closed(Closed),
    OpenTimeout,
    ReadyTimeout,
    Silent,
    Network,
    Credentials,
    SessionLost,
    Moved,
    Degraded,
}

record! {
    Closed {
        by: By,
        fact: Fact,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Fact {
    None,
    Code(u16),
    Http(u16),
    Io(IoKind),
}

impl Fold for Cause {
    fn fold(&self, sum: &mut Checksum) {
        let word = match self {
            Self::Closed(closed) => {
                closed.fold(sum);
                0_u8
            }
            Self::OpenTimeout => 1,
            Self::ReadyTimeout => 2,
            Self::Silent => 3,
            Self::Network => 4,
            Self::Credentials => 5,
            Self::SessionLost => 6,
            Self::Moved => 7,
            Self::Degraded => 8,
        };
        word.fold(sum);
    }
}

impl Fold for Fact {
    fn fold(&self, sum: &mut Checksum) {
        let (word, number) = match self {
            Self::None => (0_u8, 0),
            Self::Code(code) => (1, u64::from(*code)),
            Self::Http(status) => (2, u64::from(*status)),
            Self::Io(kind) => (3, *kind as u64),
        };
        word.fold(sum);
        number.fold(sum);
    }
}

impl From<status::Cause> for Cause {
    fn from(cause: status::Cause) -> Self {
        use status::Cause as Known;
        match cause {
            Known::Closed { by, fact } => Self::Closed(Closed { by, fact: fact.into() }),
            Known::OpenTimeout => Self::OpenTimeout,
            Known::ReadyTimeout => Self::ReadyTimeout,
            Known::Silent => Self::Silent,
            Known::Network => Self::Network,
            Known::Credentials => Self::Credentials,
            Known::SessionLost => Self::SessionLost,
            Known::Moved => Self::Moved,
            Known::Degraded => Self::Degraded,
        }
    }
}

impl From<Cause> for status::Cause {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Closed(Closed { by, fact }) => Self::Closed { by, fact: fact.into() },
            Cause::OpenTimeout => Self::OpenTimeout,
            Cause::ReadyTimeout => Self::ReadyTimeout,
            Cause::Silent => Self::Silent,
            Cause::Network => Self::Network,
            Cause::Credentials => Self::Credentials,
            Cause::SessionLost => Self::SessionLost,
            Cause::Moved => Self::Moved,
            Cause::Degraded => Self::Degraded,
        }
    }
}

impl From<event::Fact> for Fact {
    fn from(fact: event::Fact) -> Self {
        match fact {
            event::Fact::None => Self::None,
            event::Fact::Code(code) => Self::Code(code),
            event::Fact::Http(status) => Self::Http(status),
            event::Fact::Io(kind) => Self::Io(kind),
        }
    }
}

impl From<Fact> for event::Fact {
    fn from(fact: Fact) -> Self {
        match fact {
            Fact::None => Self::None,
            Fact::Code(code) => Self::Code(code),
            Fact::Http(status) => Self::Http(status),
            Fact::Io(kind) => Self::Io(kind),
        }
    }
}
