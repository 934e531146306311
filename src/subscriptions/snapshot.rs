//! What a snapshot keeps of the subscriptions, once no connection is held.

use super::waits::turns_up;
use super::{Counts, Subscriptions, more, to_say_of};
use crate::link::capacity;
use crate::policy::{Policy, Subscriptions as Terms};
use crate::slot::{Asked, Facts, Known, ListId, NOWHERE, RETRY_STEPS, Slot, get, mark, wish};
use crate::snapshot::{Clock, Fault, moment, record};
use crate::time::{Instant, Nanos};

/// The era of what the lost connection held, in a link that was restored; the present one comes
/// after it.
const LOST: u32 = 1;

/// The subscriptions and their slots, as a snapshot tells them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keys<'a> {
    subscriptions: &'a Subscriptions,
    slots: &'a [Slot],
    /// A turn of what waits longest.
    turn: Nanos,
    /// The session keeps them: the next connection may hold what the last one held.
    kept: bool,
    now: Instant,
}

impl Subscriptions {
    /// What is pending and given up on the current connection once no successor is there.
    pub(crate) fn counts_alone(&self) -> Counts {
        if self.is_on_successor() {
            Counts { pending: self.home_open, ..Counts::default() }
        } else {
            self.counts
        }
    }
}

impl<'a> Keys<'a> {
    pub(crate) const fn new(
        subscriptions: &'a Subscriptions,
        slots: &'a [Slot],
        policy: &Policy,
        kept: bool,
        now: Instant,
    ) -> Self {
        Self { subscriptions, slots, turn: policy.subscriptions.retry_longest, kept, now }
    }

    /// In the order in which they became wanted.
    pub(crate) fn wanted(self) -> impl Iterator<Item = u32> + Clone {
        self.along(self.subscriptions.wanted.first, |slot| slot.wish.next())
    }

    /// Wanted, and refused for good.
    pub(crate) fn refused(self) -> impl Iterator<Item = u32> + Clone {
        self.wanted().filter(move |key| self.slot(*key).is_some_and(Slot::is_refused))
    }

    /// What waits because the server asked for it, in the order of the lists.
    pub(crate) fn retries(self) -> impl Iterator<Item = record::Retry> + Clone {
        (0..RETRY_STEPS as u8).flat_map(move |step| {
            let ListId(index) = ListId::retry(step, true);
            let list = self.subscriptions.retries.get(usize::from(index));
            let first = list.map_or(NOWHERE, |list| list.first);
            self.along(first, |slot| slot.queue.next()).filter_map(move |key| {
                let slot = self.slot(key)?;
                let at_ns = moment(slot.at, self.now);
                let rest_ns = self.turn.0.saturating_mul(u64::from(slot.rounds));
                Some(record::Retry { key, step, at_ns, rest_ns })
            })
        })
    }

    /// What the peer is known to hold, or may hold.
    pub(crate) fn holding(self, known: Known) -> impl Iterator<Item = u32> + Clone {
        let slots = if self.kept { self.slots } else { &[] };
        (0_u32..)
            .zip(slots)
            .filter(move |(_, slot)| self.subscriptions.base(slot) == known)
            .map(|(key, _)| key)
    }

    fn slot(self, key: u32) -> Option<&'a Slot> {
        self.slots.get(usize::try_from(key).ok()?)
    }

    /// The keys of a list, from `first` on.
    fn along(self, first: u32, next: fn(&Slot) -> u32) -> impl Iterator<Item = u32> + Clone {
        let present = move |key: u32| (key != NOWHERE).then_some(key);
        core::iter::successors(present(first), move |key| present(next(self.slot(*key)?)))
    }
}

/// Subscriptions that are being restored into slots.
#[derive(Debug)]
pub(crate) struct Loader<'a> {
    subscriptions: Subscriptions,
    slots: &'a mut [Slot],
    policy: &'a Policy,
    clock: &'a Clock,
}

impl<'a> Loader<'a> {
    /// Whatever the slots held before is overwritten.
    pub(crate) fn new(slots: &'a mut [Slot], policy: &'a Policy, clock: &'a Clock) -> Self {
        slots.fill(Slot::EMPTY);
        Self { subscriptions: Subscriptions::new(), slots, policy, clock }
    }

    pub(crate) fn want(&mut self, key: u32) -> Result<(), Fault> {
        let slot = self.slot(key)?;
        if slot.is_wanted() {
            return Err(Fault::Damaged);
        }
        slot.marks.set(mark::WANTED);
        self.subscriptions.wanted.push_back(self.slots, key, wish);
        more(&mut self.subscriptions.counts.wanted);
        Ok(())
    }

    pub(crate) fn refuse(&mut self, key: u32) -> Result<(), Fault> {
        self.slot(key)?.marks.set(mark::REFUSED);
        Ok(())
    }

    /// A wait that the policy's ladder has no such step for is put where it ends no sooner, and one
    /// longer than a server may ask for is cut.
    pub(crate) fn retry(&mut self, retry: record::Retry) -> Result<(), Fault> {
        let terms = &self.policy.subscriptions;
        let slot = self.slot(retry.key)?;
        if slot.list != ListId::NONE || usize::from(retry.step) >= RETRY_STEPS {
            return Err(Fault::Damaged);
        }
        let at = self.clock.at(retry.at_ns);
        let until = at.after(Nanos(retry.rest_ns));
        let until = until.min(self.clock.now.after(self.policy.server_delay_max));
        let (step, latest) = self.place(retry.step, at, retry.rest_ns > 0);
        // Where two steps become one, an entry may lie behind one that ends later, and waits with it.
        let at = at.min(latest);
        let rounds = turns_up(until.since(at), terms.retry_longest);
        if let Some(slot) = get(self.slots, retry.key) {
            (slot.at, slot.rounds) = (at, rounds);
        }
        self.subscriptions.push(self.slots, retry.key, ListId::retry(step, true));
        Ok(())
    }

    /// The first step, from `step` on, that lasts until `at`, and until when it lasts. What waits
    /// `on` is at the ladder's end.
    fn place(&self, step: u8, at: Instant, on: bool) -> (u8, Instant) {
        let terms = &self.policy.subscriptions;
        let lasts = |step| {
            let wait = wait(terms, step);
            (self.clock.now.after(wait), wait == terms.retry_longest)
        };
        let fits = |step: &u8| {
            let (latest, longest) = lasts(*step);
            longest || at <= latest && !on
        };
        let last = RETRY_STEPS.saturating_sub(1) as u8;
        let step = (step..last).find(fits).unwrap_or(last);
        (step, lasts(step).0)
    }

    pub(crate) fn hold(&mut self, key: u32, known: Known) -> Result<(), Fault> {
        let slot = self.slot(key)?;
        if slot.facts.known() != Known::Absent {
            return Err(Fault::Damaged);
        }
        (slot.facts, slot.era) = (Facts::of(known, Known::Absent), LOST);
        Ok(())
    }

    fn slot(&mut self, key: u32) -> Result<&mut Slot, Fault> {
        let capacity = capacity(self.slots);
        let too_small = Fault::Storage { key, capacity };
        if key < capacity { get(self.slots, key).ok_or(too_small) } else { Err(too_small) }
    }

    /// The subscriptions, where the session `keeps` what the lost connection held.
    pub(crate) fn finish(mut self, keeps: bool) -> Result<Subscriptions, Fault> {
        let present = LOST.saturating_add(1);
        self.subscriptions.era = present;
        self.subscriptions.home = if keeps { LOST } else { present };
        for slot in self.slots.iter() {
            let refused = slot.is_refused();
            let waits = slot.list != ListId::NONE;
            let contradicts = if slot.is_wanted() { refused && waits } else { refused || waits };
            if contradicts {
                return Err(Fault::Damaged);
            }
            if refused {
                more(&mut self.subscriptions.counts.refused);
            }
            if to_say_of(slot, self.subscriptions.base(slot)) != Asked::Nothing {
                more(&mut self.subscriptions.home_open);
            }
        }
        Ok(self.subscriptions)
    }
}

/// How long an entry waits at a step of the ladder.
fn wait(terms: &Terms, step: u8) -> Nanos {
    let doubled = terms.retry_shortest.0.saturating_mul(1 << step.min(RETRY_STEPS as u8));
    Nanos(doubled).min(terms.retry_longest)
}
