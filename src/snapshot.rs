//! A link's memory, to be stored and restored.
//!
//! The record is one of its own, with names and a checksum that do not follow from how the link
//! keeps what is in it. Each part of a link has a `snapshot` module that converts to and fro; the
//! meaning of the fields is on the page about [snapshots](crate::docs::snapshots).

mod cause;
mod checksum;
mod reader;
pub(crate) mod record;

use core::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeSeq, SerializeStruct, Serializer};

use crate::slot::Known;
use crate::subscriptions::Keys;
use crate::time::{Instant, Nanos};
use checksum::{Checksum, Fold};
pub(crate) use reader::Reader;
use record::Moment;

/// The version of the form that this crate writes, and the only one that it reads.
const VERSION: u32 = 1;

/// What a link remembers, as it is once it has lost its connections: to be stored, and restored by
/// a process that takes over. See [`Link::snapshot`](crate::Link::snapshot).
///
/// Serializes into any format, allocates nothing and draws nothing. The page on
/// [snapshots](crate::docs::snapshots) says what is in it.
#[derive(Clone, Copy, Debug)]
#[must_use = "a snapshot is there to be serialized"]
pub struct Snapshot<'a> {
    memory: record::Memory,
    keys: Keys<'a>,
}

impl<'a> Snapshot<'a> {
    pub(crate) const fn new(memory: record::Memory, keys: Keys<'a>) -> Self {
        Self { memory, keys }
    }

    fn checksum(&self) -> u64 {
        let keys = self.keys;
        let mut sums = Sums::NEW;
        self.memory.fold(&mut sums.memory);
        keys.wanted().for_each(|key| key.fold(&mut sums.wanted));
        keys.refused().for_each(|key| key.fold(&mut sums.refused));
        keys.retries().for_each(|retry| retry.fold(&mut sums.retries));
        keys.holding(Known::Held).for_each(|key| key.fold(&mut sums.held));
        keys.holding(Known::Maybe).for_each(|key| key.fold(&mut sums.maybe));
        sums.total()
    }
}

impl Serialize for Snapshot<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let keys = self.keys;
        let mut fields = serializer.serialize_struct("Snapshot", reader::FIELDS.len())?;
        fields.serialize_field("version", &VERSION)?;
        fields.serialize_field("link", &self.memory)?;
        fields.serialize_field("wanted", &Listed(keys.wanted()))?;
        fields.serialize_field("refused", &Listed(keys.refused()))?;
        fields.serialize_field("retries", &Listed(keys.retries()))?;
        fields.serialize_field("held", &Listed(keys.holding(Known::Held)))?;
        fields.serialize_field("maybe", &Listed(keys.holding(Known::Maybe)))?;
        fields.serialize_field("checksum", &self.checksum())?;
        fields.end()
    }
}

/// Elements and how many there are, which some formats want to know first.
struct Listed<I>(I);

impl<I: Iterator<Item: Serialize> + Clone> Serialize for Listed<I> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut seq = serializer.serialize_seq(Some(self.0.clone().count()))?;
        for element in self.0.clone() {
            seq.serialize_element(&element)?;
        }
        seq.end()
    }
}

/// A checksum per part, so that the parts may be read in any order.
struct Sums {
    memory: Checksum,
    wanted: Checksum,
    refused: Checksum,
    retries: Checksum,
    held: Checksum,
    maybe: Checksum,
}

impl Sums {
    const NEW: Self = Self {
        memory: Checksum::NEW,
        wanted: Checksum::NEW,
        refused: Checksum::NEW,
        retries: Checksum::NEW,
        held: Checksum::NEW,
        maybe: Checksum::NEW,
    };

    fn total(&self) -> u64 {
        let mut total = Checksum::NEW;
        [self.memory, self.wanted, self.refused, self.retries, self.held, self.maybe]
            .map(Checksum::value)
            .fold(&mut total);
        total.value()
    }
}

/// Why a snapshot cannot be restored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error("a snapshot of version {0}, which is not version {VERSION}")]
    Version(u32),
    #[error("the storage of {capacity} slots has no room for key {key}")]
    Storage { key: u32, capacity: u32 },
    #[error("the snapshot is damaged")]
    Damaged,
}

/// `at` as it is stored in a snapshot taken at `now`.
pub(crate) fn moment(at: Instant, now: Instant) -> Moment {
    let offset = i128::from(at.as_nanos()).saturating_sub(i128::from(now.as_nanos()));
    let bounds = (i128::from(i64::MIN), i128::from(i64::MAX));
    offset.clamp(bounds.0, bounds.1) as i64
}

/// `at`, which may be never.
pub(crate) fn unless_never(at: Instant, now: Instant) -> Option<Moment> {
    (at != Instant::MAX).then(|| moment(at, now))
}

/// `at`, where the clock's origin stands for nothing.
pub(crate) fn unless_zero(at: Instant, now: Instant) -> Option<Moment> {
    (at != Instant::ZERO).then(|| moment(at, now))
}

/// What turns stored instants into those of the restored link.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    pub(crate) now: Instant,
    /// Since the snapshot was taken.
    pub(crate) elapsed: Nanos,
}

impl Clock {
    pub(crate) fn new(now: Instant, elapsed: Option<Duration>) -> Self {
        let elapsed = elapsed.map_or(Nanos::ZERO, Nanos::from_duration);
        Self { now: now.min(Instant::LAST), elapsed }
    }

    /// What would lie before the clock's origin lies at it.
    pub(crate) fn at(&self, moment: Moment) -> Instant {
        let nanos = i128::from(self.now.as_nanos())
            .saturating_add(i128::from(moment))
            .saturating_sub(i128::from(self.elapsed.0))
            .clamp(0, i128::from(Instant::LAST.as_nanos()));
        Instant::from_nanos(nanos as u64)
    }

    pub(crate) fn or_never(&self, moment: Option<Moment>) -> Instant {
        moment.map_or(Instant::MAX, |moment| self.at(moment))
    }

    /// The origin stands for nothing, hence something is later.
    pub(crate) fn or_zero(&self, moment: Option<Moment>) -> Instant {
        let something = |moment| self.at(moment).max(Instant::from_nanos(1));
        moment.map_or(Instant::ZERO, something)
    }
}
