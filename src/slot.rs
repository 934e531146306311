//! One subscription's memory, and the lists that run through slots.

use crate::flags::Flags;
use crate::time::Instant;

/// Storage for one subscription: 40 bytes, lent to the link by the driver as an array, a slice or a
/// `Vec`. Start from [`Slot::EMPTY`]; what a link writes into it is the link's own business.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Slot {
    /// Its neighbours in the order in which the keys became wanted.
    pub(crate) wish: Links,
    /// Its neighbours in the list that `list` names.
    pub(crate) queue: Links,
    /// In flight: when the request was handed out. In a retry list: when its turn comes.
    pub(crate) at: Instant,
    /// The low half of the number of the last request on this connection.
    pub(crate) number: u32,
    /// The era that `facts`, `tries` and the marks hold for; void in any other.
    pub(crate) era: u32,
    /// How often its turn in the slowest retry list is still to be passed over.
    pub(crate) rounds: u32,
    /// Requests in a row without an answer, or with a retryable refusal.
    pub(crate) tries: u8,
    pub(crate) list: ListId,
    pub(crate) facts: Facts,
    pub(crate) marks: Flags,
}

/// What the peer is known to hold of a key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Known {
    Absent,
    /// A request was never answered, or a gap was found.
    Maybe,
    Held,
}

/// What an unanswered request asks for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Asked {
    Nothing,
    Subscribe,
    Unsubscribe,
}

impl Known {
    const fn from_bits(bits: u8) -> Self {
        match bits & Facts::FIELD {
            0 => Self::Absent,
            1 => Self::Maybe,
            2.. => Self::Held,
        }
    }
}

impl Asked {
    const fn from_bits(bits: u8) -> Self {
        match bits & Facts::FIELD {
            0 => Self::Nothing,
            1 => Self::Subscribe,
            2.. => Self::Unsubscribe,
        }
    }
}

/// What is known and what is asked, two bits each: a slot has no room for three bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Facts(u8);

impl Facts {
    pub(crate) const NONE: Self = Self::of(Known::Absent, Known::Absent);
    const FIELD: u8 = 0b11;
    const BASE: u32 = 2;
    const ASKED: u32 = 4;

    /// Nothing is asked.
    pub(crate) const fn of(known: Known, base: Known) -> Self {
        Self(known as u8 | (base as u8) << Self::BASE)
    }

    pub(crate) const fn known(self) -> Known {
        Known::from_bits(self.0)
    }

    /// What the current connection holds of it, while another one is spoken to.
    pub(crate) const fn base(self) -> Known {
        Known::from_bits(self.0 >> Self::BASE)
    }

    /// What the last request asked for, until it is answered.
    pub(crate) const fn asked(self) -> Asked {
        Asked::from_bits(self.0 >> Self::ASKED)
    }

    pub(crate) const fn set_known(&mut self, known: Known) {
        self.0 = self.0 & !Self::FIELD | known as u8;
    }

    pub(crate) const fn set_base(&mut self, base: Known) {
        self.0 = self.0 & !(Self::FIELD << Self::BASE) | (base as u8) << Self::BASE;
    }

    pub(crate) const fn set_asked(&mut self, asked: Asked) {
        self.0 = self.0 & !(Self::FIELD << Self::ASKED) | (asked as u8) << Self::ASKED;
    }
}

/// Yes-or-no facts of a slot.
pub(crate) mod mark {
    /// The application wants it.
    pub(crate) const WANTED: u8 = 1;
    /// Refused for good.
    pub(crate) const REFUSED: u8 = 2;
    /// It was withdrawn after its request was sent: the answer speaks for a wish that is gone.
    pub(crate) const OVERTAKEN: u8 = 4;
    /// To be said again once the request in flight is answered.
    pub(crate) const RESYNC: u8 = 8;
    /// The replay on this connection has come past it.
    pub(crate) const PASSED: u8 = 16;
    /// What goes with the request that it marks.
    pub(crate) const OF_A_REQUEST: u8 = OVERTAKEN | RESYNC;
    /// Wanted and said, and nothing else.
    pub(crate) const PLAIN: u8 = WANTED | PASSED;
}

/// A key's ladder has at most eight doubling steps above its shortest delay.
pub(crate) const RETRY_STEPS: usize = 9;

/// The retry lists: one per step for what the server asked for, which holds over connections, and
/// one per step for what this connection's silence caused.
pub(crate) const RETRY_LISTS: usize = 2 * RETRY_STEPS;

/// Which list a slot's `queue` links belong to: a retry list by its index, or one of these.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct ListId(pub(crate) u8);

impl ListId {
    pub(crate) const IN_FLIGHT: Self = Self(RETRY_LISTS as u8);
    pub(crate) const PARTING: Self = Self(Self::IN_FLIGHT.0 + 1);
    pub(crate) const AGAIN: Self = Self(Self::PARTING.0 + 1);
    pub(crate) const NONE: Self = Self(u8::MAX);

    /// The retry list for a step, by whether the server asked for the wait.
    pub(crate) const fn retry(step: u8, asked: bool) -> Self {
        Self(if asked { step } else { step.saturating_add(RETRY_STEPS as u8) })
    }

    /// Whether its entries outlive the connection: the server asked for their wait.
    #[inline]
    pub(crate) const fn outlives(self) -> bool {
        self.0 < RETRY_STEPS as u8
    }
}

/// A slot's neighbours in a list, by index.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Links {
    previous: u32,
    next: u32,
}

/// No slot: a storage has at most `u32::MAX` slots, indexed below this.
pub(crate) const NOWHERE: u32 = u32::MAX;

impl Links {
    const NONE: Self = Self { previous: NOWHERE, next: NOWHERE };

    pub(crate) const fn next(self) -> u32 {
        self.next
    }
}

impl Slot {
    /// A slot that no key has used yet.
    pub const EMPTY: Self = Self {
        wish: Links::NONE,
        queue: Links::NONE,
        at: Instant::ZERO,
        number: 0,
        era: 0,
        rounds: 0,
        tries: 0,
        list: ListId::NONE,
        facts: Facts::NONE,
        marks: Flags::NONE,
    };

    pub(crate) const fn is_wanted(&self) -> bool {
        self.marks.has(mark::WANTED)
    }

    pub(crate) const fn is_refused(&self) -> bool {
        self.marks.has(mark::REFUSED)
    }

    /// Makes the facts those of `era`: what another connection held says nothing of this one.
    /// A wait that the server asked for outlives the connection, the other lists do not.
    #[inline]
    pub(crate) fn renew(&mut self, era: u32, facts: Facts) {
        self.era = era;
        self.facts = facts;
        self.tries = 0;
        self.marks.clear(mark::OVERTAKEN);
        self.marks.clear(mark::RESYNC);
        self.marks.clear(mark::PASSED);
        if !self.list.outlives() {
            self.list = ListId::NONE;
        }
    }
}

impl Default for Slot {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// A doubly linked list through slots: every operation is O(1), and forgetting it is too.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct List {
    pub(crate) first: u32,
    pub(crate) last: u32,
}

/// Which of a slot's two pairs of links a list runs through.
pub(crate) type Through = fn(&mut Slot) -> &mut Links;

/// The order in which keys became wanted.
pub(crate) fn wish(slot: &mut Slot) -> &mut Links {
    &mut slot.wish
}

/// The list that `Slot::list` names.
pub(crate) fn queue(slot: &mut Slot) -> &mut Links {
    &mut slot.queue
}

impl List {
    pub(crate) const EMPTY: Self = Self { first: NOWHERE, last: NOWHERE };

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.first == NOWHERE
    }

    #[inline]
    pub(crate) fn push_back(&mut self, slots: &mut [Slot], key: u32, through: Through) {
        let last = self.last;
        if let Some(slot) = get(slots, key) {
            *through(slot) = Links { previous: last, next: NOWHERE };
        }
        match get(slots, last) {
            Some(slot) => through(slot).next = key,
            None => self.first = key,
        }
        self.last = key;
    }

    /// Takes `key`, which is in this list, out of it, and leaves it its links: nobody reads the
    /// links of a slot that is in no list, nor the `previous` of the first. It is mostly the first
    /// that leaves; its neighbour is then not worth a visit.
    #[inline]
    pub(crate) fn remove(&mut self, slots: &mut [Slot], key: u32, through: Through) {
        let Some(slot) = get(slots, key) else { return };
        let Links { previous, next } = *through(slot);
        if key == self.first {
            self.first = next;
            if next == NOWHERE {
                self.last = NOWHERE;
            }
            return;
        }
        if let Some(slot) = get(slots, previous) {
            through(slot).next = next;
        }
        match get(slots, next) {
            Some(slot) => through(slot).previous = previous,
            None => self.last = previous,
        }
    }
}

#[inline]
pub(crate) fn get(slots: &mut [Slot], key: u32) -> Option<&mut Slot> {
    slots.get_mut(usize::try_from(key).ok()?)
}
