//! What a snapshot says, in words of its own: how the link keeps it may change, this may not.
//!
//! `_ns` in a name is a span of nanoseconds, or an instant as [`Moment`] has it.

use serde::de::Deserializer;
use serde::ser::{SerializeSeq, Serializer};
use serde::{Deserialize, Serialize};

pub(crate) use super::cause::Cause;
use super::checksum::{Checksum, Fold};
use crate::policy::{ENDPOINTS_MAX, Filler, SESSION_LIMITS};
use crate::status::{Continuity, Halted};

/// An instant: nanoseconds after the snapshot's own, negative before it.
pub(crate) type Moment = i64;

/// Fields that are read and written by their names, and folded into a checksum in their order.
macro_rules! record {
    ($(#[$meta:meta])* $name:ident { $($(#[$doc:meta])* $field:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $name {
            $($(#[$doc])* pub(crate) $field: $kind,)*
        }

        impl Fold for $name {
            fn fold(&self, sum: &mut Checksum) {
                $(self.$field.fold(sum);)*
            }
        }
    };
}
pub(super) use record;

record! {
    /// All that is not about keys.
    Memory {
        state: State,
        paused: bool,
        offline: bool,
        newest_conn: u64,
        newest_ticket: u64,
        jitter: Jitter,
        failures: Failures,
        /// When the attempt limits have all their tokens again; 0 if they have.
        limits_full_ns: [u64; 2],
        endpoints: Endpoints,
        session: Kept,
        credentials: Credentials,
        suspended: bool,
        ever_ready: bool,
        ready_since_start: bool,
        degraded_spent: bool,
        outage_ns: u64,
        continuity: Continuity,
        losses: u32,
        cause: Option<Cause>,
    }
}

/// What is left once no connection is held.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Idle,
    Waiting(Wait),
    Halted(Halted),
}

record! {
    /// Every draw of a wait that was made. What session it will ask for, the session says.
    Wait {
        backoff_ns: Moment,
        spread: bool,
        hint_ns: Option<Moment>,
        floor_ns: Option<Moment>,
        limits_ns: [Option<Moment>; 2],
        fresh_limits_ns: [Option<Moment>; SESSION_LIMITS],
        endpoint: u8,
        refreshed: bool,
        turn: Turn,
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Turn {
    Waiting,
    /// Credentials are to be asked for.
    RefreshOwed,
    /// They were asked for.
    Refreshing,
    /// The `Open` is to be handed out.
    Open,
}

record! {
    Jitter {
        key: u64,
        draws: u64,
    }
}

record! {
    /// The ladder's bound is not among them: level and policy give it.
    Failures {
        count: u32,
        level: u32,
        previous_ns: u64,
        capped: bool,
        soon_spent: bool,
        rejections: u32,
        told_spread_ns: Option<u64>,
        negotiated_spread_ms: Option<u32>,
        spread_begun: bool,
    }
}

record! {
    Endpoint {
        /// None if the server never asked for one.
        floor_ns: Option<Moment>,
        /// None if it has not failed since a connection to it settled.
        quarantined_ns: Option<Moment>,
        quarantines: u8,
    }
}

record! {
    /// The session.
    Kept {
        kept: bool,
        failures: u32,
        /// When the limits of fresh sessions have all their tokens again; 0 if they have.
        limits_full_ns: [u64; SESSION_LIMITS],
        /// How long each of them takes from empty to full, which tells one from another; 0 if none.
        limits_refill_ns: [u64; SESSION_LIMITS],
    }
}

record! {
    Credentials {
        answer_by_ns: Option<Moment>,
        run_out_ns: Option<Moment>,
        renew_at_ns: Option<Moment>,
        renewal_owed: bool,
        renewal_failures: u8,
        rejected: bool,
    }
}

record! {
    /// A wait that the server asked for a key.
    Retry {
        key: u32,
        /// Which step of the key's ladder it waits at.
        step: u8,
        at_ns: Moment,
        /// How much longer it waits then, in turns of the ladder's last step.
        rest_ns: u64,
    }
}

/// As many endpoints as the policy has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Endpoints {
    list: [Endpoint; ENDPOINTS_MAX],
    len: u8,
}

impl Endpoints {
    pub(crate) const NONE: Self = {
        let unknown = Endpoint { floor_ns: None, quarantined_ns: None, quarantines: 0 };
        Self { list: [unknown; ENDPOINTS_MAX], len: 0 }
    };

    pub(crate) fn push(&mut self, endpoint: Endpoint) {
        if let Some(place) = self.list.get_mut(usize::from(self.len)) {
            *place = endpoint;
            self.len = self.len.saturating_add(1);
        }
    }

    pub(crate) fn as_slice(&self) -> &[Endpoint] {
        self.list.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Serialize for Endpoints {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(usize::from(self.len)))?;
        for endpoint in self.as_slice() {
            seq.serialize_element(endpoint)?;
        }
        seq.end()
    }
}

impl<'de> Deserialize<'de> for Endpoints {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut endpoints = Self::NONE;
        let filler = Filler { list: &mut endpoints.list, read: Ok::<Endpoint, _> };
        endpoints.len = deserializer.deserialize_seq(filler)?;
        Ok(endpoints)
    }
}

impl Fold for Endpoints {
    fn fold(&self, sum: &mut Checksum) {
        self.len.fold(sum);
        self.as_slice().fold(sum);
    }
}

impl Fold for State {
    fn fold(&self, sum: &mut Checksum) {
        match self {
            Self::Idle => 0_u8.fold(sum),
            Self::Waiting(wait) => {
                1_u8.fold(sum);
                wait.fold(sum);
            }
            Self::Halted(halted) => {
                2_u8.fold(sum);
                halted.fold(sum);
            }
        }
    }
}

impl Fold for Turn {
    fn fold(&self, sum: &mut Checksum) {
        (*self as u64).fold(sum);
    }
}
