//! Reads a snapshot, its keys straight into the slots that were lent.

use core::fmt;
use core::marker::PhantomData;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::checksum::{Checksum, Fold};
use super::record::{Memory, Retry};
use super::{Clock, Fault, Sums, VERSION};
use crate::lifecycle::Lifecycle;
use crate::policy::Policy;
use crate::slot::{Known, Slot};
use crate::subscriptions::{Loader, Subscriptions};

pub(super) const FIELDS: &[&str] =
    &["version", "link", "wanted", "refused", "retries", "held", "maybe", "checksum"];

/// The same, in the same order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(field_identifier, rename_all = "snake_case")]
enum Field {
    Version,
    Link,
    Wanted,
    Refused,
    Retries,
    Held,
    Maybe,
    Checksum,
}

const IN_ORDER: [Field; 8] = [
    Field::Version,
    Field::Link,
    Field::Wanted,
    Field::Refused,
    Field::Retries,
    Field::Held,
    Field::Maybe,
    Field::Checksum,
];

/// What has been read so far.
pub(crate) struct Reader<'a> {
    policy: &'a Policy,
    clock: &'a Clock,
    loader: Loader<'a>,
    memory: Option<Memory>,
    sums: Sums,
    checksum: Option<u64>,
    /// One bit per field.
    seen: u8,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(slots: &'a mut [Slot], policy: &'a Policy, clock: &'a Clock) -> Self {
        Self {
            policy,
            clock,
            loader: Loader::new(slots, policy, clock),
            memory: None,
            sums: Sums::NEW,
            checksum: None,
            seen: 0,
        }
    }

    pub(crate) fn read<'de, D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> Result<(Lifecycle, Subscriptions), D::Error> {
        deserializer.deserialize_struct("Snapshot", FIELDS, self)
    }

    fn finish<E: Error>(self) -> Result<(Lifecycle, Subscriptions), E> {
        let unseen = FIELDS.iter().zip(IN_ORDER).find(|(_, field)| self.seen & field.bit() == 0);
        if let Some((name, _)) = unseen {
            return Err(E::missing_field(name));
        }
        let whole = self.checksum == Some(self.sums.total());
        let memory = self.memory.filter(|_| whole).ok_or_else(|| E::custom(Fault::Damaged))?;
        let lifecycle = Lifecycle::restored(&memory, self.policy, self.clock);
        let keeps = lifecycle.speakers(self.policy).keeps;
        let subscriptions = self.loader.finish(keeps).map_err(E::custom)?;
        Ok((lifecycle, subscriptions))
    }
}

impl Field {
    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = (Lifecycle, Subscriptions);

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snapshot")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<Self::Value, A::Error> {
        while let Some(field) = map.next_key()? {
            map.next_value_seed(Reads { field, reader: &mut self })?;
        }
        self.finish()
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Self::Value, A::Error> {
        for (field, name) in IN_ORDER.into_iter().zip(FIELDS) {
            let read = seq.next_element_seed(Reads { field, reader: &mut self })?;
            read.ok_or_else(|| A::Error::missing_field(name))?;
        }
        self.finish()
    }
}

/// Reads one field.
struct Reads<'r, 'a> {
    field: Field,
    reader: &'r mut Reader<'a>,
}

impl<'de> DeserializeSeed<'de> for Reads<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let Reader { loader, memory, sums, checksum, seen, .. } = self.reader;
        if *seen & self.field.bit() != 0 {
            return Err(D::Error::custom(Fault::Damaged));
        }
        *seen |= self.field.bit();
        match self.field {
            Field::Version => match u32::deserialize(deserializer)? {
                VERSION => {}
                other => return Err(D::Error::custom(Fault::Version(other))),
            },
            Field::Link => {
                let read = Memory::deserialize(deserializer)?;
                read.fold(&mut sums.memory);
                *memory = Some(read);
            }
            Field::Wanted => {
                Each::of(&mut sums.wanted, |key| loader.want(key)).deserialize(deserializer)?;
            }
            Field::Refused => {
                Each::of(&mut sums.refused, |key| loader.refuse(key)).deserialize(deserializer)?;
            }
            Field::Retries => {
                let take = |retry: Retry| loader.retry(retry);
                Each::of(&mut sums.retries, take).deserialize(deserializer)?;
            }
            Field::Held => {
                let take = |key| loader.hold(key, Known::Held);
                Each::of(&mut sums.held, take).deserialize(deserializer)?;
            }
            Field::Maybe => {
                let take = |key| loader.hold(key, Known::Maybe);
                Each::of(&mut sums.maybe, take).deserialize(deserializer)?;
            }
            Field::Checksum => *checksum = Some(u64::deserialize(deserializer)?),
        }
        Ok(())
    }
}

/// Reads a list, and keeps none of it.
struct Each<'s, T, F> {
    sum: &'s mut Checksum,
    take: F,
    element: PhantomData<T>,
}

impl<'s, T, F: FnMut(T) -> Result<(), Fault>> Each<'s, T, F> {
    const fn of(sum: &'s mut Checksum, take: F) -> Self {
        Self { sum, take, element: PhantomData }
    }
}

impl<'de, T, F> DeserializeSeed<'de> for Each<'_, T, F>
where
    T: Deserialize<'de> + Fold,
    F: FnMut(T) -> Result<(), Fault>,
{
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de, T, F> Visitor<'de> for Each<'_, T, F>
where
    T: Deserialize<'de> + Fold,
    F: FnMut(T) -> Result<(), Fault>,
{
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<(), A::Error> {
        while let Some(element) = seq.next_element::<T>()? {
            element.fold(self.sum);
            (self.take)(element).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}
