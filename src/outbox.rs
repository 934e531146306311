//! A bounded queue beside the link, for what the application sends while the link is down.
//!
//! # Theory of operation
//!
//! The queue is a ring through lent slots. New items come in at the back only and all live equally
//! long, so the order of sending, of age and of expiry are one: the front is the next to be sent and
//! the next to expire, and neither needs a search.
//!
//! ```text
//!                    ┌─ sent ─────────▶ Sent
//!   push ─▶ queued ──┼─ poll_expired ─▶ Expired   (or out of a push that finds no room)
//!     │      │ ▲     ├─ push ─────────▶ Dropped
//!     │ peek ▼ │     └─ take_back ────▶ Returned
//!     │     in hand
//!     └─▶ Rejected: never accepted
//! ```
//!
//! `peek` puts the front *in hand*: it may be on its way to the socket. While it is, nothing but
//! `sent` and `take_back` settles it, or the application would be told that an item expired which
//! the peer got. The next `peek` lays it back, which is why a lost connection needs no undoing.
//!
//! Every way out goes through `settle`, the one place that takes an item out of its slot, counts its
//! fate and hands it to the caller (P15). The one item that never gets into a slot, dropped for want
//! of room when it comes, is counted in `turn_away`.

use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use crate::stats::count;
use crate::status::Phase;
use crate::time::{Instant, Nanos};

/// A bounded queue for what the application sends, which flows while the link does.
///
/// It lies beside the [`Link`](crate::Link) and knows nothing of it but the [`Phase`] that
/// [`peek`](Self::peek) is told: items flow in [`Phase::Live`] and [`Phase::Degraded`]. An
/// application that sends everything through it, link up or down, keeps its order. It holds the
/// application's own type; what becomes bytes, and when, is the driver's business.
///
/// **Every item that it accepts has exactly one [`Fate`], and comes back with it** (P15): sent,
/// expired, dropped or returned. Only an outbox that is itself dropped drops what it holds;
/// [`take_back`](Self::take_back) first.
///
/// Its methods are of three kinds:
///
/// - **Input**: [`push`](Self::push) and [`push_replacing`](Self::push_replacing) accept an item,
///   [`sent`](Self::sent) says that one was written, [`replace_storage`](Self::replace_storage)
///   lends other room.
/// - **Output**: [`poll_expired`](Self::poll_expired), [`peek`](Self::peek) and
///   [`take_back`](Self::take_back).
/// - **Getters**: [`next_expiry`](Self::next_expiry), [`len`](Self::len),
///   [`is_empty`](Self::is_empty), [`capacity`](Self::capacity), [`fates`](Self::fates).
///
/// A `now` before the latest seen counts as the latest. Everything is O(1) but `push_replacing` and
/// `replace_storage`, which are O(n) in the number of items queued.
///
/// ```
/// use core::time::Duration;
/// use redial::{Instant, Outbox, OutboxSlot, Overflow, Phase, Pushed};
///
/// let at = |secs| Instant::from_duration(Duration::from_secs(secs));
/// let storage = [const { OutboxSlot::EMPTY }; 2];
/// let mut outbox = Outbox::with_storage(Duration::from_secs(10), Overflow::Reject, storage);
///
/// // The link is down: what there is room for waits.
/// assert_eq!(outbox.push(at(0), "buy 1"), Pushed::Queued);
/// assert_eq!(outbox.push(at(8), "buy 2"), Pushed::Queued);
/// assert_eq!(outbox.push(at(9), "buy 3"), Pushed::Rejected("buy 3"));
/// assert_eq!(outbox.peek(at(9), Phase::Waiting), None);
///
/// // It is up again: what is too old comes back, the rest is written.
/// let (now, phase) = (at(12), Phase::Live);
/// let mut socket = Vec::new();
/// while let Some(item) = outbox.poll_expired(now) {
///     assert_eq!(item, "buy 1");
/// }
/// while let Some((id, item)) = outbox.peek(now, phase) {
///     socket.push(*item); // On an error: leave the loop, the item is still at the front.
///     outbox.sent(id);
/// }
/// assert_eq!(socket, ["buy 2"]);
/// ```
#[derive(Debug)]
pub struct Outbox<T, S> {
    time_to_live: Nanos,
    overflow: Overflow,
    fates: Fates,
    latest: Instant,
    /// How many items were ever queued: the number of the last one.
    newest: u64,
    /// Where in the storage the front is.
    head: usize,
    len: usize,
    /// The front was given out by `peek`: it may be on its way to the socket.
    in_hand: bool,
    storage: S,
    items: PhantomData<fn() -> T>,
}

/// Room for one item, lent to an [`Outbox`] as an array, a slice or a `Vec`. Start from
/// [`OutboxSlot::EMPTY`]; what an outbox keeps in it is the outbox's own business.
#[derive(Clone, Debug)]
pub struct OutboxSlot<T>(Option<Entry<T>>);

#[derive(Clone, Debug)]
struct Entry<T> {
    id: ItemId,
    expires_at: Instant,
    item: T,
}

impl<T> OutboxSlot<T> {
    /// A slot without an item.
    pub const EMPTY: Self = Self(None);
}

impl<T> Default for OutboxSlot<T> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Names an item in an [`Outbox`] between [`peek`](Outbox::peek) and [`sent`](Outbox::sent). It
/// never repeats in one outbox, so a late `sent` cannot be taken for another item.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ItemId(u64);

impl ItemId {
    /// The number behind the id: items are numbered from 1 in the order in which they were queued.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What an [`Outbox`] does with a new item when it is full.
///
/// An item whose time is up makes room first, whatever the policy: expiry comes before eviction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Overflow {
    /// It is not accepted: the application learns at once that it must slow down. Right for orders.
    Reject,
    /// The oldest is dropped for it. Right where the new supersedes the old. The item in hand cannot
    /// be dropped; where only that one could make room, the new item is.
    DropOldest,
    /// It is accepted and dropped. Right where the first news counts and nobody waits for an answer.
    DropNewest,
}

/// How an item that an [`Outbox`] accepted ended (P15).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(clippy::exhaustive_enums, reason = "the promise names exactly these")]
pub enum Fate {
    /// It was written to the socket. Whether the peer got it, only the peer can say.
    Sent,
    /// Its time was up before it was written.
    Expired,
    /// It had to go for another item, or found no room.
    Dropped,
    /// The application took it back.
    Returned,
}

/// What became of a push.
///
/// At most one item falls out of a push, so that nothing needs a list.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "an item that fell out, or was not accepted, is lost here"]
#[allow(clippy::exhaustive_enums, reason = "an application that skips one loses an item")]
pub enum Pushed<T> {
    /// The item is queued and nothing fell out.
    Queued,
    /// The item is accepted, and this one has its fate: an older one that made room or was replaced,
    /// [`Fate::Expired`] if its time was up, [`Fate::Dropped`] otherwise; or the item itself,
    /// [`Fate::Dropped`] for want of room.
    FellOut {
        /// The item that is queued no longer, or never was.
        item: T,
        /// How it ended.
        fate: Fate,
    },
    /// The item is not accepted, so it has no fate: here it is again.
    Rejected(T),
}

/// How many items ended in which way since the outbox was made.
///
/// At any time `accepted = sent + expired + dropped + returned +` [`len`](Outbox::len). Counters
/// stop at their largest value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Fates {
    /// Items that were accepted.
    pub accepted: u64,
    /// Items that were not.
    pub rejected: u64,
    /// Of the accepted: written to the socket.
    pub sent: u64,
    /// Of the accepted: too old before they were written.
    pub expired: u64,
    /// Of the accepted: gone for another item, or for want of room.
    pub dropped: u64,
    /// Of the accepted: taken back by the application.
    pub returned: u64,
}

impl<T, S: AsRef<[OutboxSlot<T>]> + AsMut<[OutboxSlot<T>]>> Outbox<T, S> {
    /// An empty outbox with room for one item per slot of `storage`: `[OutboxSlot<T>; N]`,
    /// `Vec<OutboxSlot<T>>` or `&mut [OutboxSlot<T>]`. Items that the slots still hold from an
    /// earlier outbox are dropped without a fate.
    ///
    /// An item expires once it has been queued for `time_to_live`: [`Duration::MAX`] is never, zero
    /// is at once. One time holds for all items, which makes expiry O(1); what must live longer than
    /// the rest needs an outbox of its own.
    pub fn with_storage(time_to_live: Duration, overflow: Overflow, mut storage: S) -> Self {
        clear(storage.as_mut());
        Self {
            time_to_live: Nanos::from_duration(time_to_live),
            overflow,
            fates: Fates::default(),
            latest: Instant::ZERO,
            newest: 0,
            head: 0,
            len: 0,
            in_hand: false,
            storage,
            items: PhantomData,
        }
    }

    /// Queues `item` at the back. When there is no room, the item whose time is up goes first, then
    /// [`Overflow`] decides. O(1).
    pub fn push(&mut self, now: Instant, item: T) -> Pushed<T> {
        self.see(now);
        if self.len < self.capacity() {
            self.append(item);
            return Pushed::Queued;
        }
        let oldest = self.first_free();
        // Expiry comes before eviction.
        let fate = if self.is_due(oldest) {
            Fate::Expired
        } else {
            match self.overflow {
                Overflow::DropOldest => Fate::Dropped,
                Overflow::DropNewest => return self.turn_away(item),
                Overflow::Reject => {
                    count(&mut self.fates.rejected);
                    return Pushed::Rejected(item);
                }
            }
        };
        self.exchange(oldest, fate, item)
    }

    /// Queues `item` in place of the oldest one queued that has the same key, of which `same_key`
    /// tells; the replaced one is dropped, or expired if its time was up. Without one, as
    /// [`push`](Self::push). O(n) in the number of items queued.
    ///
    /// The new item goes to the *back*, as if the replaced one had never been pushed: so nothing
    /// is ever sent before what was pushed before it. In the place of the replaced one, a new quote
    /// would overtake the "cancel all" that was pushed between the two. The price is that a key which
    /// is replaced faster than the queue drains keeps moving back.
    ///
    /// The item in hand is not replaced, for it may be written already: the new one queues behind it.
    ///
    /// ```
    /// use core::time::Duration;
    /// use redial::{Fate, Instant, Outbox, OutboxSlot, Overflow, Pushed};
    ///
    /// #[derive(PartialEq, Debug)]
    /// struct Quote(&'static str, u32);
    ///
    /// let slots = [const { OutboxSlot::EMPTY }; 8];
    /// let mut outbox = Outbox::with_storage(Duration::MAX, Overflow::Reject, slots);
    /// let mut quote = |symbol, price| {
    ///     outbox.push_replacing(Instant::ZERO, Quote(symbol, price), |queued| queued.0 == symbol)
    /// };
    /// assert_eq!(quote("BTC", 100), Pushed::Queued);
    /// assert_eq!(quote("ETH", 5), Pushed::Queued);
    /// let item = Quote("BTC", 100);
    /// assert_eq!(quote("BTC", 101), Pushed::FellOut { item, fate: Fate::Dropped });
    /// assert_eq!(outbox.take_back(), Some(Quote("ETH", 5)));
    /// ```
    pub fn push_replacing(
        &mut self,
        now: Instant,
        item: T,
        mut same_key: impl FnMut(&T) -> bool,
    ) -> Pushed<T> {
        self.see(now);
        let mut free = self.first_free()..self.len;
        let same = |at: &usize| self.entry(*at).is_some_and(|entry| same_key(&entry.item));
        let Some(replaced) = free.find(same) else { return self.push(now, item) };
        let fate = if self.is_due(replaced) { Fate::Expired } else { Fate::Dropped };
        self.exchange(replaced, fate, item)
    }

    /// The next item whose time is up, the oldest first, until there is none: its fate is
    /// [`Fate::Expired`]. The item in hand does not expire. Call it until it gives `None`, before
    /// [`peek`](Self::peek), which waits for it. O(1).
    #[must_use = "the item is lost here"]
    pub fn poll_expired(&mut self, now: Instant) -> Option<T> {
        self.see(now);
        let oldest = self.first_free();
        if self.is_due(oldest) { self.settle(oldest, Fate::Expired) } else { None }
    }

    /// The item to be written next, and its name for [`sent`](Self::sent). `None` when `phase` is
    /// neither [`Phase::Live`] nor [`Phase::Degraded`], when nothing is queued, and while an expired
    /// item waits for [`poll_expired`](Self::poll_expired): the older one's fate is told first.
    ///
    /// The item stays at the front, in hand, until `sent`: it neither expires nor is dropped or
    /// replaced meanwhile. Peek again only when it was *not* written. Then, and after the connection
    /// was lost, it is given out again if its time is not up. Peek with the present phase while the
    /// link is down, too: that lays down the item that was in hand at the loss, so that it can
    /// expire. O(1).
    #[must_use]
    pub fn peek(&mut self, now: Instant, phase: Phase) -> Option<(ItemId, &T)> {
        self.see(now);
        self.in_hand = false;
        if !flows(phase) || self.is_due(0) {
            return None;
        }
        self.in_hand = self.len > 0;
        self.entry(0).map(|entry| (entry.id, &entry.item))
    }

    /// The item was written to the socket: its fate is [`Fate::Sent`], and here it is for a last
    /// look.
    ///
    /// Told late, after the item was laid down again, it still counts if the item is at the front.
    /// Told twice, or of an item that has another fate by now: `None`, and nothing changes. O(1).
    pub fn sent(&mut self, id: ItemId) -> Option<T> {
        if self.entry(0)?.id != id {
            return None;
        }
        self.in_hand = false;
        self.settle(0, Fate::Sent)
    }

    /// Takes back what is queued, the oldest first, until there is none: its fate is
    /// [`Fate::Returned`]. That goes for the item in hand, too, of which nobody can say then whether
    /// it was written; a `sent` that comes later is too late. O(1).
    ///
    /// For the application that stops, before it drops the outbox.
    #[must_use = "the item is lost here"]
    pub fn take_back(&mut self) -> Option<T> {
        self.in_hand = false;
        self.settle(0, Fate::Returned)
    }

    /// When the next item expires, for drivers that set a timer for it; `None` while none can. The
    /// item in hand cannot.
    ///
    /// It does not move past an item that expired until [`poll_expired`](Self::poll_expired) took
    /// it: a driver that sleeps until here and forgot the item comes straight back.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        let entry = self.entry(self.first_free())?;
        (entry.expires_at != Instant::MAX).then_some(entry.expires_at)
    }

    /// How many items are queued, the one in hand included.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is queued.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many items there is room for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.storage.as_ref().len()
    }

    /// How many items ended in which way.
    #[must_use]
    pub const fn fates(&self) -> Fates {
        self.fates
    }

    /// Moves the items to `other` in their order and gives the old storage back, empty. What `other`
    /// held is dropped. An item in hand stays in hand. O(n).
    ///
    /// # Errors
    ///
    /// Gives `other` back if it has no room for what is queued; nothing has changed then.
    pub fn replace_storage(&mut self, mut other: S) -> Result<S, S> {
        let slots = other.as_mut();
        if slots.len() < self.len {
            return Err(other);
        }
        clear(slots);
        for (at, slot) in (0..self.len).zip(slots) {
            slot.0 = self.take(at);
        }
        self.head = 0;
        Ok(core::mem::replace(&mut self.storage, other))
    }

    fn see(&mut self, now: Instant) {
        self.latest = self.latest.max(now);
    }

    /// The place of the oldest item that is not in hand.
    const fn first_free(&self) -> usize {
        if self.in_hand { 1 } else { 0 }
    }

    fn is_due(&self, at: usize) -> bool {
        let due =
            |entry: &Entry<T>| entry.expires_at != Instant::MAX && entry.expires_at <= self.latest;
        self.entry(at).is_some_and(due)
    }

    /// Queues an item, for which there is room.
    fn append(&mut self, item: T) {
        count(&mut self.fates.accepted);
        self.newest = self.newest.saturating_add(1);
        let expires_at = self.latest.after(self.time_to_live);
        let entry = Entry { id: ItemId(self.newest), expires_at, item };
        self.put(self.len, Some(entry));
        self.len = self.len.saturating_add(1);
    }

    /// Settles the item at place `at` and queues another; without one there, there is no room.
    fn exchange(&mut self, at: usize, fate: Fate, item: T) -> Pushed<T> {
        match self.settle(at, fate) {
            Some(fallen) => {
                self.append(item);
                Pushed::FellOut { item: fallen, fate }
            }
            None => self.turn_away(item),
        }
    }

    /// Accepts an item that finds no room, and drops it (P15).
    fn turn_away(&mut self, item: T) -> Pushed<T> {
        count(&mut self.fates.accepted);
        count(&mut self.fates.dropped);
        Pushed::FellOut { item, fate: Fate::Dropped }
    }

    /// Takes the item at place `at` out for good, under one fate (P15). What is before it moves up,
    /// so that the front, and the one behind an item in hand, cost O(1).
    fn settle(&mut self, at: usize, fate: Fate) -> Option<T> {
        let settled = self.take(at)?;
        for before in (0..at).rev() {
            let moved = self.take(before);
            self.put(before.saturating_add(1), moved);
        }
        self.head = self.index(1);
        self.len = self.len.saturating_sub(1);
        count(match fate {
            Fate::Sent => &mut self.fates.sent,
            Fate::Expired => &mut self.fates.expired,
            Fate::Dropped => &mut self.fates.dropped,
            Fate::Returned => &mut self.fates.returned,
        });
        Some(settled.item)
    }

    fn entry(&self, at: usize) -> Option<&Entry<T>> {
        // In a full ring, the place behind the last is the first again.
        let index = (at < self.len).then(|| self.index(at))?;
        self.storage.as_ref().get(index)?.0.as_ref()
    }

    fn take(&mut self, at: usize) -> Option<Entry<T>> {
        let index = (at < self.len).then(|| self.index(at))?;
        self.storage.as_mut().get_mut(index)?.0.take()
    }

    fn put(&mut self, at: usize, entry: Option<Entry<T>>) {
        let index = self.index(at);
        if let Some(slot) = self.storage.as_mut().get_mut(index) {
            slot.0 = entry;
        }
    }

    /// Where in the storage the place `at` of the queue is; places count from the front.
    fn index(&self, at: usize) -> usize {
        let index = self.head.saturating_add(at);
        index.checked_sub(self.capacity()).unwrap_or(index)
    }
}

/// Only where the link carries what the application says: before, its subscriptions and its
/// handshake come first.
const fn flows(phase: Phase) -> bool {
    matches!(phase, Phase::Live | Phase::Degraded)
}

fn clear<T>(slots: &mut [OutboxSlot<T>]) {
    for slot in slots {
        *slot = OutboxSlot::EMPTY;
    }
}
