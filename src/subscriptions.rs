//! The subscriptions: what is wanted against what the present connection confirmed.
//!
//! # Theory of operation
//!
//! What to say about a key is a function of two facts, evaluated when it is said:
//!
//! | | absent | maybe | held |
//! |---|---|---|---|
//! | **wanted**, not refused for good | subscribe | subscribe | – |
//! | **not wanted** | – | unsubscribe | unsubscribe |
//!
//! Replay is nothing of its own: a new connection makes every fact void, and a cursor walks the list
//! of wanted keys, which is in the order in which they became wanted. Whatever else needs a word is
//! in one of two queues, to part from or to say again. A key is in at most one list besides that of
//! the wanted: in flight, a queue, or one of the retry lists.
//!
//! Facts carry the *era* that they hold for. A loss advances the era and forgets the lists, so it is
//! O(1) whatever the number of keys; a slot is renewed when it is next touched.
//!
//! **Rotation.** Once a successor is ready and nothing is in flight on the current connection, the
//! successor alone is spoken to. That is another era; what the current one holds stays known as the
//! slot's `base`, for it is spoken on again should the successor fail. The eras since `home` are by
//! turns the current connection's and a successor's (or, where a session keeps the subscriptions,
//! nobody's), which their parity tells: so falling back is O(1), and so is taking over.

mod answers;
#[cfg(feature = "serde")]
mod snapshot;
mod waits;

#[cfg(feature = "serde")]
pub(crate) use snapshot::{Keys, Loader};

use crate::action::Action;
use crate::flags::Flags;
use crate::id::{ConnId, Request, SubKey};
use crate::lifecycle::Speakers;
use crate::limit::Bucket;
use crate::policy::{Policy, Subscriptions as Terms};
use crate::slot::{
    Asked, Facts, Known, List, ListId, NOWHERE, RETRY_LISTS, RETRY_STEPS, Slot, get, mark, queue,
    wish,
};
use crate::stats::Stats;
use crate::time::Instant;

/// How many subscriptions of a link are in which state. See [`Link::counts`](crate::Link::counts).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub struct Counts {
    /// Keys that the application wants.
    pub wanted: u32,
    /// Keys for which something is to be said, or unanswered, on the ready connection; none of them
    /// given up. Zero without a ready connection.
    pub pending: u32,
    /// Requests in flight.
    pub in_flight: u32,
    /// Wanted keys that were refused for good.
    pub refused: u32,
    /// Keys given up for now on the ready connection.
    pub given_up: u32,
}

/// Everything about subscriptions but the slots, which are lent to each call.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Subscriptions {
    /// The connection that may be spoken on.
    conn: Option<ConnId>,
    /// The connection to fall back on while a successor is spoken to.
    parked: Option<Voice>,
    /// A successor that is ready, and waits until nothing is in flight.
    next: Option<ConnId>,
    /// Which facts are about what is spoken on.
    era: u32,
    /// The first era whose facts say something about the current connection.
    home: u32,
    /// Keys for which something would be said on the current connection if it were spoken on.
    home_open: u32,
    /// The next slot in which something is looked for that the current connection holds unwanted;
    /// nowhere if there is none.
    search: u32,
    /// The next slot to be swept.
    sweep: u32,
    /// Keys in the order in which they became wanted.
    wanted: List,
    /// The next wanted key that the replay comes to.
    cursor: u32,
    /// Requests in flight, oldest first.
    in_flight: List,
    /// Keys to be unsubscribed.
    parting: List,
    /// Keys to be subscribed again out of turn.
    again: List,
    /// Two lists for each step of a key's ladder. All entries of one wait equally long, so that each
    /// list is in order of time by itself.
    retries: [List; RETRY_LISTS],
    counts: Counts,
    /// The number of the last request on this connection.
    number: u64,
    pace: Bucket,
    /// A retry whose time has come waits for the window.
    ripe: bool,
    /// A lower bound of the earliest deadline.
    wake_at: Instant,
}

/// A connection's own part of the conversation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Voice {
    conn: ConnId,
    number: u64,
    pace: Bucket,
}

/// What each call works on besides the subscriptions themselves.
pub(crate) struct Desk<'a> {
    pub(crate) slots: &'a mut [Slot],
    pub(crate) policy: &'a Policy,
    pub(crate) stats: &'a mut Stats,
    pub(crate) now: Instant,
}

/// The connections that the lifecycle steers to.
impl Subscriptions {
    pub(crate) const fn new() -> Self {
        Self {
            conn: None,
            parked: None,
            next: None,
            era: 1,
            home: 1,
            home_open: 0,
            search: NOWHERE,
            sweep: 0,
            wanted: List::EMPTY,
            cursor: NOWHERE,
            in_flight: List::EMPTY,
            parting: List::EMPTY,
            again: List::EMPTY,
            retries: [List::EMPTY; RETRY_LISTS],
            counts: Counts { wanted: 0, pending: 0, in_flight: 0, refused: 0, given_up: 0 },
            number: 0,
            pace: Bucket::FULL,
            ripe: false,
            wake_at: Instant::MAX,
        }
    }

    /// Speaks on these connections from now on. O(1).
    pub(crate) fn steer(&mut self, slots: &mut [Slot], to: Speakers) {
        if to.begun && to.current.is_none() {
            self.begin_unheard(slots);
        }
        if let Some(parked) = self.parked {
            if to.current == self.conn {
                return self.take_over();
            }
            if to.successor != self.conn && to.current == Some(parked.conn) {
                self.fall_back(slots, parked);
            } else if to.current != Some(parked.conn) {
                self.lose(slots);
            }
        }
        if self.parked.is_none() && to.current != self.conn {
            if self.conn.is_some() {
                self.lose(slots);
            }
            if let Some(conn) = to.current {
                self.meet(slots, conn, to.keeps);
            }
        }
        if self.conn.is_none() && !to.keeps {
            self.home = self.era;
        }
        if self.parked.is_none() {
            self.next = to.successor;
            self.turn_to_successor(slots);
        }
    }

    /// A connection is ready. What the one before held, it holds if the session `keeps` that.
    fn meet(&mut self, slots: &mut [Slot], conn: ConnId, keeps: bool) {
        self.conn = Some(conn);
        (self.number, self.pace) = (0, Bucket::FULL);
        if keeps {
            self.return_home(slots);
        } else {
            self.home = self.era;
            self.counts.pending = self.counts.wanted.saturating_sub(self.counts.refused);
        }
        self.cursor = self.wanted.first;
        self.wake_at = Instant::ZERO;
    }

    /// Nothing is spoken on any more, where something was.
    fn lose(&mut self, slots: &mut [Slot]) {
        if self.parked.is_none() {
            self.home_open = self.counts.pending.saturating_add(self.counts.given_up);
        }
        (self.conn, self.parked, self.next) = (None, None, None);
        self.advance(slots);
        if self.is_home(self.era) {
            self.advance(slots);
        }
    }

    /// Nothing is in flight on the current connection: its successor is spoken to (P5).
    fn turn_to_successor(&mut self, slots: &mut [Slot]) {
        let (Some(next), Some(conn), 0) = (self.next, self.conn, self.counts.in_flight) else {
            return;
        };
        let (number, pace) = (self.number, self.pace);
        self.lose(slots);
        self.parked = Some(Voice { conn, number, pace });
        self.conn = Some(next);
        (self.number, self.pace) = (0, Bucket::FULL);
        self.counts.pending = self.counts.wanted.saturating_sub(self.counts.refused);
        self.cursor = self.wanted.first;
        self.wake_at = Instant::ZERO;
    }

    /// A session began on a connection that is gone already: it is what a resume will be about (P5).
    fn begin_unheard(&mut self, slots: &mut [Slot]) {
        if self.parked.is_some() {
            return self.take_over();
        }
        self.lose(slots);
        self.take_over();
        // What is wanted from now on counts beside what that session holds.
        self.advance(slots);
        self.home_open = self.counts.wanted.saturating_sub(self.counts.refused);
    }

    /// The successor is the current connection now.
    const fn take_over(&mut self) {
        self.parked = None;
        self.home = self.era;
    }

    /// The successor failed: the difference is spoken on the current connection again.
    fn fall_back(&mut self, slots: &mut [Slot], parked: Voice) {
        self.advance(slots);
        self.parked = None;
        self.conn = Some(parked.conn);
        (self.number, self.pace) = (parked.number, parked.pace);
        self.return_home(slots);
        self.cursor = self.wanted.first;
        self.wake_at = Instant::ZERO;
    }

    /// What the current connection holds decides again, in the era that has just begun.
    fn return_home(&mut self, slots: &mut [Slot]) {
        if !self.is_home(self.era) {
            self.advance(slots);
        }
        self.counts.pending = self.home_open;
        self.search = if self.home_open == 0 { NOWHERE } else { 0 };
    }

    /// Begins another era: lists and counts of the one before are void.
    fn advance(&mut self, slots: &mut [Slot]) {
        (self.in_flight, self.parting, self.again) = (List::EMPTY, List::EMPTY, List::EMPTY);
        self.retries.iter_mut().skip(RETRY_STEPS).for_each(|list| *list = List::EMPTY);
        self.counts = Counts { pending: 0, in_flight: 0, given_up: 0, ..self.counts };
        (self.cursor, self.search) = (NOWHERE, NOWHERE);
        self.ripe = false;
        self.wake_at = Instant::MAX;
        // Eras come round after 2^32 of them. One slot swept at each keeps every fact younger.
        self.renew(slots, self.sweep);
        let capacity = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        self.sweep = self.sweep.wrapping_add(1).checked_rem(capacity).unwrap_or(0);
        self.era = self.era.wrapping_add(1);
    }

    /// Whether the facts of this era, which is not before `home`, are about the current connection.
    const fn is_home(&self, era: u32) -> bool {
        era.wrapping_sub(self.home) % 2 == 0
    }

    /// What the current connection is known to hold of a key.
    fn base(&self, slot: &Slot) -> Known {
        if self.era.wrapping_sub(slot.era) > self.era.wrapping_sub(self.home) {
            Known::Absent
        } else if self.is_home(slot.era) {
            slot.facts.known()
        } else {
            slot.facts.base()
        }
    }

    /// Whether a successor is spoken to.
    pub(crate) const fn is_on_successor(&self) -> bool {
        self.parked.is_some()
    }

    /// Whether a rotation bears on what is said.
    #[inline]
    pub(crate) const fn is_rotating(&self) -> bool {
        self.parked.is_some() || self.next.is_some()
    }

    /// Whether the successor that waits can be spoken to.
    pub(crate) const fn can_turn(&self) -> bool {
        self.next.is_some() && self.counts.in_flight == 0
    }

    /// Whether everything that is wanted is answered on what is spoken on.
    pub(crate) const fn is_all_answered(&self) -> bool {
        self.counts.pending == 0 && self.counts.given_up == 0 && self.counts.in_flight == 0
    }

    /// Whether the window admits a request (P5) and there may be one.
    #[inline]
    pub(crate) fn may_speak(&self, terms: &Terms) -> bool {
        self.next.is_none() && self.may_go_on(terms)
    }

    /// The same, where something has just been said.
    #[inline]
    pub(crate) fn may_go_on(&self, terms: &Terms) -> bool {
        self.counts.in_flight < u32::from(terms.window) && self.has_words()
    }

    /// Whether there may be something to say. O(1): what is left of the replay may turn out to need
    /// no word.
    #[inline]
    pub(crate) fn has_words(&self) -> bool {
        let replays = self.cursor != NOWHERE || self.search != NOWHERE;
        replays || self.queued() != NOWHERE || self.ripe
    }

    pub(crate) const fn conn(&self) -> Option<ConnId> {
        self.conn
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// The number of the last request on `conn`, if it is spoken on or will be again.
    pub(crate) fn newest(&self, conn: ConnId) -> Option<u64> {
        if self.conn == Some(conn) {
            return Some(self.number);
        }
        self.parked.filter(|parked| parked.conn == conn).map(|parked| parked.number)
    }

    pub(crate) const fn wake_at(&self) -> Instant {
        self.wake_at
    }

    pub(crate) fn is_free(&self, slot: &Slot) -> bool {
        let is_present = slot.era == self.era;
        let free_here = slot.facts.known() == Known::Absent && slot.list != ListId::IN_FLIGHT;
        !slot.is_wanted() && (!is_present || free_here) && self.base(slot) == Known::Absent
    }
}

/// The application's wishes.
impl Subscriptions {
    pub(crate) fn subscribe(&mut self, slots: &mut [Slot], key: SubKey, terms: &Terms) {
        let key = key.0;
        self.renew(slots, key);
        let Some(slot) = get(slots, key) else { return };
        if slot.is_wanted() {
            return self.lift_refusal(slots, key, terms);
        }
        self.unweigh(slot, terms);
        slot.marks.set(mark::WANTED);
        slot.marks.clear(mark::PASSED);
        // A request in flight keeps its place: its answer decides what comes next.
        if slot.list != ListId::IN_FLIGHT {
            self.forget_place(slots, key);
        }
        self.wanted.push_back(slots, key, wish);
        more(&mut self.counts.wanted);
        if self.conn.is_some() && self.cursor == NOWHERE {
            self.cursor = key;
        }
        self.weigh(slots, key, terms);
    }

    pub(crate) fn unsubscribe(&mut self, slots: &mut [Slot], key: SubKey, terms: &Terms) {
        let key = key.0;
        self.renew(slots, key);
        let Some(slot) = get(slots, key) else { return };
        if !slot.is_wanted() {
            return;
        }
        self.unweigh(slot, terms);
        if slot.is_refused() {
            less(&mut self.counts.refused);
        }
        slot.marks.clear(mark::WANTED);
        slot.marks.clear(mark::REFUSED);
        slot.marks.clear(mark::RESYNC);
        if slot.facts.asked() == Asked::Subscribe {
            slot.marks.set(mark::OVERTAKEN);
        }
        if self.cursor == key {
            self.cursor = slot.wish.next();
        }
        let in_flight = slot.list == ListId::IN_FLIGHT;
        self.wanted.remove(slots, key, wish);
        less(&mut self.counts.wanted);
        if !in_flight {
            self.forget_place(slots, key);
            self.queue_up(slots, key);
        }
        self.weigh(slots, key, terms);
    }

    pub(crate) fn resync(&mut self, slots: &mut [Slot], key: SubKey, terms: &Terms) {
        let key = key.0;
        self.renew(slots, key);
        self.lift_refusal(slots, key, terms);
        let Some(slot) = get(slots, key).filter(|slot| slot.is_wanted()) else { return };
        self.unweigh(slot, terms);
        // What another connection holds, or a session keeps, has the same gap.
        if slot.facts.base() == Known::Held {
            slot.facts.set_base(Known::Maybe);
        }
        if slot.list == ListId::IN_FLIGHT {
            slot.marks.set(mark::RESYNC);
        } else if slot.facts.known() == Known::Held {
            slot.facts.set_known(Known::Maybe);
            self.queue_up(slots, key);
        }
        self.weigh(slots, key, terms);
    }

    fn lift_refusal(&mut self, slots: &mut [Slot], key: u32, terms: &Terms) {
        let Some(slot) = get(slots, key) else { return };
        if !slot.is_refused() {
            return;
        }
        self.unweigh(slot, terms);
        slot.marks.clear(mark::REFUSED);
        less(&mut self.counts.refused);
        // It may be about to be unsubscribed.
        if slot.list != ListId::IN_FLIGHT {
            self.forget_place(slots, key);
            self.queue_up(slots, key);
        }
        self.weigh(slots, key, terms);
    }
}

/// What is said, and when.
impl Subscriptions {
    /// The replay's next request, if it is its turn and can be said as it stands: nothing in the
    /// queues, no pace to keep, the slot untouched since the last connection, and an older request
    /// to decide when to wake. `None` otherwise, and nothing has changed.
    #[inline]
    pub(crate) fn replay(
        &mut self,
        slots: &mut [Slot],
        terms: &Terms,
        now: Instant,
    ) -> Option<Action> {
        let (conn, key) = (self.conn?, self.cursor);
        let is_fresh = self.home == self.era;
        let as_it_stands = is_fresh && terms.pace.is_none() && !self.in_flight.is_empty();
        if self.ripe || self.queued() != NOWHERE || !as_it_stands {
            return None;
        }
        let slot = get(slots, key)?;
        let is_void = slot.era != self.era && !slot.list.outlives();
        if !is_void || slot.is_refused() {
            return None;
        }
        slot.renew(self.era, Facts::NONE);
        debug_assert!(slot.marks == Flags(mark::WANTED), "the replay is of wanted keys");
        // So that the compiler need not look.
        slot.marks = Flags(mark::WANTED);
        self.say(slots, terms, now, conn, key, Asked::Subscribe)
    }

    /// The next request, if the pace admits one (P5). Only while [`Self::may_speak`].
    pub(crate) fn poll(
        &mut self,
        slots: &mut [Slot],
        terms: &Terms,
        now: Instant,
    ) -> Option<Action> {
        debug_assert!(self.next.is_none(), "a successor waits to be spoken to");
        if self.ripe {
            self.release_retries(slots, terms, now);
        }
        let (conn, key) = (self.conn?, self.next_to_say(slots));
        let asked = to_say(get(slots, key)?);
        if let Some(pace) = terms.pace {
            let release = self.pace.release(pace);
            if now < release {
                self.wake_at = self.wake_at.min(release);
                return None;
            }
            self.pace.charge(pace, now);
        }
        self.take(slots, key);
        self.say(slots, terms, now, conn, key, asked)
    }

    /// The first key of the queues.
    #[inline]
    const fn queued(&self) -> u32 {
        if self.parting.is_empty() { self.again.first } else { self.parting.first }
    }

    /// The first key of the queues, or else the next one of the replay, and the cursor at it.
    fn next_to_say(&mut self, slots: &mut [Slot]) -> u32 {
        self.search_unwanted(slots);
        if self.queued() != NOWHERE {
            return self.queued();
        }
        while self.cursor != NOWHERE {
            self.renew(slots, self.cursor);
            let Some(slot) = get(slots, self.cursor) else { break };
            if slot.list == ListId::NONE && to_say(slot) == Asked::Subscribe {
                break;
            }
            slot.marks.set(mark::PASSED);
            self.cursor = slot.wish.next();
        }
        self.cursor
    }

    /// Looks for the next key that the connection holds unwanted. O(n) for all of them.
    fn search_unwanted(&mut self, slots: &mut [Slot]) {
        while self.search != NOWHERE && self.parting.is_empty() {
            let key = self.search;
            self.renew(slots, key);
            let Some(slot) = get(slots, key) else {
                self.search = NOWHERE;
                return;
            };
            self.search = key.wrapping_add(1);
            if slot.list == ListId::NONE && to_say(slot) == Asked::Unsubscribe {
                self.push(slots, key, ListId::PARTING);
            }
        }
    }

    /// Puts a key that is in no list in flight.
    #[inline(always)]
    fn say(
        &mut self,
        slots: &mut [Slot],
        terms: &Terms,
        now: Instant,
        conn: ConnId,
        key: u32,
        asked: Asked,
    ) -> Option<Action> {
        debug_assert!(self.counts.in_flight < u32::from(terms.window), "P5: the window admits");
        let slot = get(slots, key)?;
        if self.cursor == key {
            self.cursor = slot.wish.next();
        }
        // 2^64 requests do not fit into the life of a connection.
        self.number = self.number.wrapping_add(1);
        slot.facts.set_asked(asked);
        // Until the answer comes, the peer may hold it or not.
        slot.facts.set_known(Known::Maybe);
        slot.number = self.number as u32;
        slot.at = now;
        slot.marks.clear(mark::OVERTAKEN);
        slot.marks.set(mark::PASSED);
        // The oldest request decides when to wake.
        if self.in_flight.is_empty() {
            self.wake_at = self.wake_at.min(now.after(terms.ack_within));
        }
        slot.list = ListId::IN_FLIGHT;
        self.in_flight.push_back(slots, key, queue);
        more(&mut self.counts.in_flight);
        let request = Request { key: SubKey(key), number: self.number };
        match asked {
            Asked::Subscribe => Some(Action::Subscribe { conn, request }),
            Asked::Unsubscribe => Some(Action::Unsubscribe { conn, request }),
            Asked::Nothing => None,
        }
    }
}

/// Places and counts.
impl Subscriptions {
    /// Brings a slot up to the present era.
    #[inline]
    fn renew(&self, slots: &mut [Slot], key: u32) {
        let Some(slot) = get(slots, key) else { return };
        if slot.era == self.era {
            return;
        }
        let base = self.base(slot);
        let known = if self.is_home(self.era) { base } else { Known::Absent };
        slot.renew(self.era, Facts::of(known, base));
    }

    /// Puts a key that is in no list into the queue for what is to be said about it, if anything. One
    /// that waits, for its answer or because the server asked it to, keeps its place.
    fn queue_up(&mut self, slots: &mut [Slot], key: u32) {
        let Some(slot) = get(slots, key) else { return };
        if slot.list != ListId::NONE {
            return;
        }
        match to_say(slot) {
            Asked::Nothing => {}
            // The replay will come to it in its turn, on this connection or the next.
            Asked::Subscribe if !slot.marks.has(mark::PASSED) => {}
            Asked::Subscribe => self.push(slots, key, ListId::AGAIN),
            Asked::Unsubscribe => self.push(slots, key, ListId::PARTING),
        }
    }

    /// Takes a key out of its list, and its tries with it.
    fn forget_place(&mut self, slots: &mut [Slot], key: u32) {
        self.take(slots, key);
        if let Some(slot) = get(slots, key) {
            (slot.tries, slot.rounds) = (0, 0);
        }
    }

    fn list(&mut self, id: ListId) -> Option<&mut List> {
        match id {
            ListId::IN_FLIGHT => Some(&mut self.in_flight),
            ListId::PARTING => Some(&mut self.parting),
            ListId::AGAIN => Some(&mut self.again),
            ListId(index) => self.retries.get_mut(usize::from(index)),
        }
    }

    fn push(&mut self, slots: &mut [Slot], key: u32, id: ListId) {
        debug_assert!(get(slots, key).is_none_or(|slot| slot.list == ListId::NONE), "one list");
        if let Some(list) = self.list(id) {
            list.push_back(slots, key, queue);
        }
        if let Some(slot) = get(slots, key) {
            slot.list = id;
        }
    }

    fn take(&mut self, slots: &mut [Slot], key: u32) {
        let Some(slot) = get(slots, key) else { return };
        let id = core::mem::replace(&mut slot.list, ListId::NONE);
        if let Some(list) = self.list(id) {
            list.remove(slots, key, queue);
        }
    }

    /// Takes a key out of the counts before it changes.
    fn unweigh(&mut self, slot: &Slot, terms: &Terms) {
        if self.conn.is_some() && is_open(slot) {
            less(self.count_of(is_given_up(slot, terms)));
        }
        self.unweigh_home(slot);
    }

    /// Puts a key back into the counts after it changed.
    fn weigh(&mut self, slots: &mut [Slot], key: u32, terms: &Terms) {
        let Some(slot) = get(slots, key) else { return };
        if self.conn.is_some() && is_open(slot) {
            more(self.count_of(is_given_up(slot, terms)));
        }
        self.weigh_home(slot);
    }

    /// The same for what would be said on the current connection, were it spoken on.
    #[inline]
    fn unweigh_home(&mut self, slot: &Slot) {
        if !self.is_home(self.era) && to_say_of(slot, slot.facts.base()) != Asked::Nothing {
            less(&mut self.home_open);
        }
    }

    #[inline]
    fn weigh_home(&mut self, slot: &Slot) {
        if !self.is_home(self.era) && to_say_of(slot, slot.facts.base()) != Asked::Nothing {
            more(&mut self.home_open);
        }
    }

    const fn count_of(&mut self, given_up: bool) -> &mut u32 {
        if given_up { &mut self.counts.given_up } else { &mut self.counts.pending }
    }
}

/// What to say about a key: the difference between what is wanted and what is known to be held.
const fn to_say(slot: &Slot) -> Asked {
    to_say_of(slot, slot.facts.known())
}

/// The same, were this what is known.
const fn to_say_of(slot: &Slot, known: Known) -> Asked {
    // What another connection refused for good is not to be held on this one (P5).
    let is_due = slot.is_wanted() && !slot.is_refused();
    match known {
        Known::Absent | Known::Maybe if is_due => Asked::Subscribe,
        Known::Maybe | Known::Held if !is_due => Asked::Unsubscribe,
        Known::Absent | Known::Maybe | Known::Held => Asked::Nothing,
    }
}

/// One slot more. `u32` counts them all, and saturating would take four instructions in place of
/// one.
const fn more(count: &mut u32) {
    *count = count.wrapping_add(1);
}

/// One slot less, of those that were counted.
const fn less(count: &mut u32) {
    debug_assert!(*count > 0, "it was counted");
    *count = count.wrapping_sub(1);
}

/// Whether anything is to be said or unanswered.
fn is_open(slot: &Slot) -> bool {
    slot.list == ListId::IN_FLIGHT || to_say(slot) != Asked::Nothing
}

fn is_given_up(slot: &Slot, terms: &Terms) -> bool {
    u32::from(slot.tries) >= terms.timeouts
}
