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
//! Facts carry the *era*, the count of connections, that they hold for. A loss advances the era and
//! forgets the lists, so it is O(1) whatever the number of keys; a slot is renewed when it is next
//! touched.

use crate::action::Action;
use crate::event::Refusal;
use crate::id::{ConnId, Request, SubKey};
use crate::limit::Bucket;
use crate::policy::{Policy, Subscriptions as Terms};
use crate::slot::{Asked, Known, List, ListId, Marks, NOWHERE, RETRY_STEPS, Slot, get, queue, wish};
use crate::stats::{Stats, count};
use crate::time::{Instant, Nanos};

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
    /// Which connection's facts are not void.
    era: u32,
    /// The next slot to be swept.
    sweep: u32,
    /// Keys in the order in which they became wanted.
    wanted: List,
    /// The next wanted key that the replay comes to.
    cursor: u32,
    lists: [List; LISTS],
    counts: Counts,
    /// The number of the last request on this connection.
    number: u64,
    pace: Bucket,
    /// Something to say waits for the pace.
    paced: bool,
    /// A retry whose time has come waits for the window.
    ripe: bool,
    /// A lower bound of the earliest deadline.
    wake_at: Instant,
}

const LISTS: usize = ListId::AGAIN.0 as usize + 1;

/// What an answer speaks for.
struct Answered {
    asked: Asked,
    tries: u8,
    marks: Marks,
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
            era: 1,
            sweep: 0,
            wanted: List::EMPTY,
            cursor: NOWHERE,
            lists: [List::EMPTY; LISTS],
            counts: Counts { wanted: 0, pending: 0, in_flight: 0, refused: 0, given_up: 0 },
            number: 0,
            pace: Bucket::FULL,
            paced: false,
            ripe: false,
            wake_at: Instant::MAX,
        }
    }

    /// Makes `conn` the connection to speak on, if it is another than before. O(1).
    pub(crate) fn steer(&mut self, slots: &mut [Slot], conn: Option<ConnId>) {
        if self.conn == conn {
            return;
        }
        if self.conn.is_some() {
            self.lose(slots);
        }
        if conn.is_some() {
            self.counts.pending = self.counts.wanted.saturating_sub(self.counts.refused);
            self.cursor = self.wanted.first;
            (self.number, self.pace) = (0, Bucket::FULL);
            self.wake_at = Instant::ZERO;
        }
        self.conn = conn;
    }

    fn lose(&mut self, slots: &mut [Slot]) {
        let [.., in_flight, parting, again] = &mut self.lists;
        (*in_flight, *parting, *again) = (List::EMPTY, List::EMPTY, List::EMPTY);
        self.counts = Counts { pending: 0, in_flight: 0, given_up: 0, ..self.counts };
        self.cursor = NOWHERE;
        (self.paced, self.ripe) = (false, false);
        self.wake_at = Instant::MAX;
        // Eras come round after 2^32 losses. One slot swept at each keeps every fact younger.
        if let Some(slot) = get(slots, self.sweep) {
            slot.renew(self.era);
        }
        let capacity = u32::try_from(slots.len()).unwrap_or(u32::MAX);
        let next = self.sweep.wrapping_add(1);
        self.sweep = if next < capacity { next } else { 0 };
        self.era = self.era.wrapping_add(1);
    }

    /// Whether [`Self::poll`] may find something to say. O(1): what is left of the replay may turn
    /// out to need no word.
    #[inline]
    pub(crate) fn may_speak(&self, terms: &Terms) -> bool {
        let window_open = self.counts.in_flight < u32::from(terms.window);
        window_open && (self.cursor != NOWHERE || self.queued() != NOWHERE || self.ripe)
    }

    pub(crate) const fn conn(&self) -> Option<ConnId> {
        self.conn
    }

    pub(crate) const fn counts(&self) -> Counts {
        self.counts
    }

    /// The number of the last request on the present connection.
    pub(crate) const fn newest(&self) -> u64 {
        self.number
    }

    pub(crate) const fn wake_at(&self) -> Instant {
        self.wake_at
    }

    pub(crate) fn is_free(&self, slot: &Slot) -> bool {
        let void = slot.era != self.era;
        !slot.is_wanted()
            && (void || (slot.known == Known::Absent && slot.list != ListId::IN_FLIGHT))
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
        slot.marks.set(Marks::WANTED);
        slot.marks.clear(Marks::PASSED);
        // A request in flight keeps its place: its answer decides what comes next.
        if slot.list != ListId::IN_FLIGHT {
            self.forget_place(slots, key);
        }
        self.wanted.push_back(slots, key, wish);
        self.counts.wanted = self.counts.wanted.saturating_add(1);
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
            self.counts.refused = self.counts.refused.saturating_sub(1);
        }
        slot.marks.clear(Marks::WANTED);
        slot.marks.clear(Marks::REFUSED);
        slot.marks.clear(Marks::RESYNC);
        if slot.asked == Asked::Subscribe {
            slot.marks.set(Marks::OVERTAKEN);
        }
        if self.cursor == key {
            self.cursor = slot.wish.next();
        }
        let in_flight = slot.list == ListId::IN_FLIGHT;
        self.wanted.remove(slots, key, wish);
        self.counts.wanted = self.counts.wanted.saturating_sub(1);
        if !in_flight {
            self.forget_place(slots, key);
            self.queue_up(slots, key);
        }
        self.weigh(slots, key, terms);
    }

    pub(crate) fn resync(&mut self, slots: &mut [Slot], key: SubKey, terms: &Terms) {
        let key = key.0;
        self.renew(slots, key);
        let Some(slot) = get(slots, key) else { return };
        if slot.is_refused() {
            return self.lift_refusal(slots, key, terms);
        }
        if slot.is_wanted() && slot.list == ListId::IN_FLIGHT {
            slot.marks.set(Marks::RESYNC);
        } else if slot.is_wanted() && slot.known == Known::Held {
            self.unweigh(slot, terms);
            slot.known = Known::Maybe;
            self.queue_up(slots, key);
            self.weigh(slots, key, terms);
        }
    }

    fn lift_refusal(&mut self, slots: &mut [Slot], key: u32, terms: &Terms) {
        let Some(slot) = get(slots, key) else { return };
        if !slot.is_refused() {
            return;
        }
        self.unweigh(slot, terms);
        slot.marks.clear(Marks::REFUSED);
        self.counts.refused = self.counts.refused.saturating_sub(1);
        self.queue_up(slots, key);
        self.weigh(slots, key, terms);
    }
}

/// The server's answers, and their absence.
impl Subscriptions {
    /// Whether this answers the last request of its key on the connection that is spoken on. What
    /// answers another is stale (P6).
    #[inline(always)]
    fn is_awaited(&self, slot: &Slot, request: Request) -> bool {
        // The low half decides: a key's older request would have to be 2^32 requests old.
        let last = slot.asked != Asked::Nothing && slot.number == request.number as u32;
        last && slot.era == self.era
    }

    /// Whether this is the ack of a key that is in flight to be subscribed and still to be held,
    /// so that nothing is left to say about it.
    #[inline(always)]
    pub(crate) fn is_plain_ack(&self, slots: &mut [Slot], terms: &Terms, request: Request) -> bool {
        self.counts.pending > 1 && self.number >= request.number && get(slots, request.key.0).is_some_and(|slot| {
                slot.asked == Asked::Subscribe
                && self.is_awaited(slot, request)
                && slot.list == ListId::IN_FLIGHT
                && slot.is_wanted()
                && !slot.marks.has(Marks::RESYNC)
            && !is_given_up(slot, terms) 
        })
    }

    /// Takes an answer in: the key leaves its list and the counts, and is ready to be told what is
    /// known. `None`, and counted, unless it is awaited.
    #[inline(always)]
    fn answered(
        &mut self,
        slots: &mut [Slot], terms: &Terms,
        key: u32,
    ) -> Option<Answered> {
        let slot = get(slots, key)?;
        let answered = Answered { asked: slot.asked, tries: slot.tries, marks: slot.marks };
        // What is unanswered is open.
        let count = self.count_of(is_given_up(slot, terms));
        *count = count.wrapping_sub(1);
        if slot.list == ListId::IN_FLIGHT {
            self.counts.in_flight = self.counts.in_flight.wrapping_sub(1);
        }
        slot.asked = Asked::Nothing;
        slot.tries = 0;
        slot.marks.clear(Marks::OF_A_REQUEST);
        self.take(slots, key);
        Some(answered)
    }

    #[inline]
    pub(crate) fn awaits(&self, slots: &mut [Slot], conn: ConnId, request: Request) -> bool {
        self.conn == Some(conn) && get(slots, request.key.0).is_some_and(|slot| self.is_awaited(slot, request))
    }

    #[inline(always)]
    pub(crate) fn acked(&mut self, slots: &mut [Slot], terms: &Terms, key: SubKey) {
        let Some(answered) = self.answered(slots, terms, key.0) else { return };
        let known = match answered.asked {
            Asked::Subscribe if answered.marks.has(Marks::RESYNC) => Known::Maybe,
            Asked::Subscribe => Known::Held,
            Asked::Unsubscribe | Asked::Nothing => Known::Absent,
        };
        self.conclude(slots, terms, key.0, known);
    }

    pub(crate) fn refused(
        &mut self,
        desk: &mut Desk<'_>,
        key: SubKey,
        refusal: Refusal,
    ) {
        let key = key.0;
        let Some(answered) = self.answered(desk.slots, &desk.policy.subscriptions, key) else { return };
        // A refused unsubscribe, and the answer to a wish that is gone, say no more than *not held*.
        let speaks_for_wish =
            answered.asked == Asked::Subscribe && !answered.marks.has(Marks::OVERTAKEN);
        if let (true, Some(slot)) = (speaks_for_wish, get(desk.slots, key)) {
            slot.known = Known::Absent;
            match refusal {
                Refusal::Final if answered.marks.has(Marks::RESYNC) => {}
                Refusal::Final => {
                    slot.marks.set(Marks::REFUSED);
                    self.counts.refused = self.counts.refused.saturating_add(1);
                }
                Refusal::Retry(delay) => {
                    slot.tries = answered.tries.saturating_add(1);
                    slot.marks.set(Marks::ASKED_TO_WAIT);
                    let delay = delay.map(|delay| delay.nanos().min(desk.policy.server_delay_max));
                    self.retry_later(desk, key, delay);
                }
            }
        }
        self.conclude(desk.slots, &desk.policy.subscriptions, key, Known::Absent);
    }

    /// What is known decides what is said next.
    #[inline(always)]
    fn conclude(&mut self, slots: &mut [Slot], terms: &Terms, key: u32, known: Known) {
        let Some(slot) = get(slots, key) else { return };
        slot.known = known;
        if to_say(slot) == Asked::Nothing {
            return;
        }
        if slot.list == ListId::NONE {
            self.queue_up(slots, key);
        }
        self.weigh(slots, key, terms);
    }

    /// Applies the deadlines that are due, and works out the next. Bounded by the window.
    pub(crate) fn fire_due(&mut self, desk: &mut Desk<'_>) {
        if self.conn.is_none() || desk.now < self.wake_at {
            return;
        }
        let terms = &desk.policy.subscriptions;
        while let Some(key) = self.overdue(desk.slots, terms, desk.now) {
            self.time_out(desk, key);
        }
        self.schedule(desk.slots, terms, desk.now);
    }

    fn overdue(&self, slots: &mut [Slot], terms: &Terms, now: Instant) -> Option<u32> {
        let [.., in_flight, _, _] = &self.lists;
        let slot = get(slots, in_flight.first)?;
        (slot.at.after(terms.ack_within) <= now).then_some(in_flight.first)
    }

    /// No answer came in time: the peer may hold the key or not. The answer may still come.
    fn time_out(&mut self, desk: &mut Desk<'_>, key: u32) {
        let terms = &desk.policy.subscriptions;
        count(&mut desk.stats.request_timeouts);
        let Some(slot) = get(desk.slots, key) else { return };
        self.unweigh(slot, terms);
        self.counts.in_flight = self.counts.in_flight.saturating_sub(1);
        slot.marks.clear(Marks::RESYNC);
        let asked_for_wish = slot.is_wanted() == (slot.asked == Asked::Subscribe);
        let tries = slot.tries;
        self.forget_place(desk.slots, key);
        if asked_for_wish {
            if let Some(slot) = get(desk.slots, key) {
                slot.tries = tries.saturating_add(1);
            }
            self.retry_later(desk, key, None);
        } else {
            self.queue_up(desk.slots, key);
        }
        self.weigh(desk.slots, key, terms);
    }

    /// Works out the next deadline. What is due already waits for the window or the pace, not for
    /// time (P2).
    fn schedule(&mut self, slots: &mut [Slot], terms: &Terms, now: Instant) {
        let [.., in_flight, _, _] = &self.lists;
        let oldest = get(slots, in_flight.first);
        let mut next = oldest.map_or(Instant::MAX, |slot| slot.at.after(terms.ack_within));
        if let (Some(pace), true) = (terms.pace, self.paced) {
            let release = self.pace.release(pace);
            next = if release > now { next.min(release) } else { next };
        }
        self.ripe = false;
        for list in self.lists.iter().take(RETRY_STEPS) {
            match get(slots, list.first) {
                Some(slot) if slot.at > now => next = next.min(slot.at),
                Some(_) => self.ripe = true,
                None => {}
            }
        }
        self.wake_at = next;
    }

    /// Puts a key into the retry list for its tries, or for the `delay` that the server asked for.
    fn retry_later(&mut self, desk: &mut Desk<'_>, key: u32, delay: Option<Nanos>) {
        let terms = &desk.policy.subscriptions;
        let Some(slot) = get(desk.slots, key) else { return };
        let asked = delay.unwrap_or(Nanos::ZERO);
        let floor = if is_given_up(slot, terms) { terms.retry_longest } else { asked };
        let tries = if asked == Nanos::ZERO { slot.tries } else { 1 };
        let (step, wait) = step(terms, tries, floor);
        slot.rounds = rounds(asked, wait);
        slot.at = desk.now.after(wait);
        self.wake_at = self.wake_at.min(slot.at);
        self.push(desk.slots, key, ListId(step));
    }
}

/// What is said, and when.
impl Subscriptions {
    /// Whether the next request is the replay's, and nothing has to be found out before it is said.
    #[inline(always)]
    pub(crate) fn is_replaying(&self, slots: &mut [Slot], terms: &Terms) -> bool {
        let [.., in_flight, _, _] = &self.lists;
        !self.ripe
            && self.queued() == NOWHERE
            && !in_flight.is_empty()
            && terms.pace.is_none()
            && get(slots, self.cursor).is_some_and(|slot| slot.era != self.era && !slot.list.is_retry() && slot.is_wanted() && !slot.is_refused())
    }

    /// Says the key at the cursor.
    #[inline(always)]
    pub(crate) fn replay(
        &mut self,
        slots: &mut [Slot],
        terms: &Terms,
        now: Instant,
    ) -> Option<Action> {
        let (conn, key) = (self.conn?, self.cursor);
        let slot = get(slots, key)?;
        slot.renew(self.era);
        slot.marks.set(Marks::PASSED);
        self.cursor = slot.wish.next();
        self.say(slots, terms, now, conn, key, Asked::Subscribe)
    }

    /// The next request, if the pace admits one.
    pub(crate) fn poll(
        &mut self,
        slots: &mut [Slot],
        terms: &Terms,
        now: Instant,
    ) -> Option<Action> {
        if self.ripe {
            self.release_retries(slots, terms, now);
        }
        let queued = self.queued();
        if queued == NOWHERE {
            self.seek(slots);
        }
        if let Some(pace) = terms.pace {
            let release = self.pace.release(pace);
            self.paced = now < release && self.may_speak(terms);
            if now < release {
            	if self.paced {
                self.wake_at = self.wake_at.min(release);
                }
                return None;
            }
            self.pace.charge(pace, now);
        }
        if queued == NOWHERE {
            return self.replay(slots, terms, now);
        }
        let (conn, asked) = (self.conn?, to_say(get(slots, queued)?));
        self.take(slots, queued);
        self.say(slots, terms, now, conn, queued, asked)
    }

    /// Moves the cursor to the next key that the replay says.
    fn seek(&mut self, slots: &mut [Slot]) {
        while self.cursor != NOWHERE {
            self.renew(slots, self.cursor);
            let Some(slot) = get(slots, self.cursor) else { return };
            if self.is_replayed(slot) {
                return;
            }
            slot.marks.set(Marks::PASSED);
            self.cursor = slot.wish.next();
        }
    }

    /// The first key of the queues.
    #[inline]
    const fn queued(&self) -> u32 {
        let [.., parting, again] = &self.lists;
        if parting.is_empty() { again.first } else { parting.first }
    }

    /// Whether the replay says this key. What another era knew of it is void; its place in a retry
    /// list is not for the replay to judge.
    #[inline(always)]
    fn is_replayed(&self, slot: &Slot) -> bool {
        let free = if slot.era == self.era {
            slot.list == ListId::NONE && slot.known != Known::Held
        } else {
            !slot.list.is_retry()
        };
        free && slot.is_wanted() && !slot.is_refused()
    }

    /// Moves the keys whose retry is due to the queues.
    #[inline(never)]
    fn release_retries(&mut self, slots: &mut [Slot], terms: &Terms, now: Instant) {
        for step in 0..RETRY_STEPS {
            let list = ListId(step as u8);
            while let Some(key) = self.first_due(slots, list, now) {
                let Some(slot) = get(slots, key) else { break };
                if slot.rounds > 0 {
                    slot.rounds = slot.rounds.saturating_sub(1);
                    slot.at = now.after(terms.retry_longest);
                    self.take(slots, key);
                    self.push(slots, key, list);
                    continue;
                }
                slot.marks.clear(Marks::ASKED_TO_WAIT);
                self.take(slots, key);
                self.renew(slots, key);
                self.queue_up(slots, key);
            }
        }
        self.schedule(slots, terms, now);
    }

    fn first_due(&self, slots: &mut [Slot], list: ListId, now: Instant) -> Option<u32> {
        let first = self.lists.get(usize::from(list.0))?.first;
        get(slots, first).filter(|slot| slot.at <= now).map(|_| first)
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
        let slot = get(slots, key)?;
        self.number = self.number.wrapping_add(1);
        slot.asked = asked;
        // Until the answer comes, the peer may hold it or not.
        slot.known = Known::Maybe;
        slot.number = self.number as u32;
        slot.at = now;
        slot.marks.clear(Marks::OVERTAKEN);
        // The oldest request decides; a younger one waits longer.
        let [.., in_flight, _, _] = &self.lists;
        if in_flight.is_empty() {
            self.wake_at = self.wake_at.min(now.after(terms.ack_within));
        }
        self.push(slots, key, ListId::IN_FLIGHT);
        self.counts.in_flight = self.counts.in_flight.wrapping_add(1);
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
    /// Brings a slot up to the present era. A retry that another connection's silence caused is
    /// void; one that the server asked for is not.
    #[inline]
    fn renew(&mut self, slots: &mut [Slot], key: u32) {
        let Some(slot) = get(slots, key) else { return };
        if slot.era == self.era {
            return;
        }
        let void = slot.list.is_retry() && !slot.marks.has(Marks::ASKED_TO_WAIT);
        slot.renew(self.era);
        if void {
            self.take(slots, key);
        }
    }

    /// Puts a key that is in no list into the queue for what is to be said about it, if anything.
    fn queue_up(&mut self, slots: &mut [Slot], key: u32) {
        let Some(slot) = get(slots, key) else { return };
        match to_say(slot) {
            Asked::Nothing => {}
            // The replay will come to it in its turn, on this connection or the next.
            Asked::Subscribe if !slot.marks.has(Marks::PASSED) => {}
            Asked::Subscribe => self.push(slots, key, ListId::AGAIN),
            Asked::Unsubscribe => self.push(slots, key, ListId::PARTING),
        }
    }

    /// Takes a key out of its list, and its tries with it.
    fn forget_place(&mut self, slots: &mut [Slot], key: u32) {
        self.take(slots, key);
        if let Some(slot) = get(slots, key) {
            (slot.tries, slot.rounds) = (0, 0);
            slot.marks.clear(Marks::ASKED_TO_WAIT);
        }
    }

    #[inline]
    fn push(&mut self, slots: &mut [Slot], key: u32, id: ListId) {
        if let Some(list) = self.lists.get_mut(usize::from(id.0)) {
            list.push_back(slots, key, queue);
        }
        if let Some(slot) = get(slots, key) {
            slot.list = id;
        }
    }

    #[inline]
    fn take(&mut self, slots: &mut [Slot], key: u32) {
        let Some(slot) = get(slots, key) else { return };
        let id = core::mem::replace(&mut slot.list, ListId::NONE);
        if let Some(list) = self.lists.get_mut(usize::from(id.0)) {
            list.remove(slots, key, queue);
        }
    }

    /// Takes a key out of the counts before it changes.
    fn unweigh(&mut self, slot: &Slot, terms: &Terms) {
        if self.conn.is_some() && is_open(slot) {
            let count = self.count_of(is_given_up(slot, terms));
            *count = count.saturating_sub(1);
        }
    }

    /// Puts a key back into the counts after it changed.
    fn weigh(&mut self, slots: &mut [Slot], key: u32, terms: &Terms) {
        let Some(slot) = get(slots, key) else { return };
        if self.conn.is_some() && is_open(slot) {
            let count = self.count_of(is_given_up(slot, terms));
            *count = count.saturating_add(1);
        }
    }

    const fn count_of(&mut self, given_up: bool) -> &mut u32 {
        if given_up { &mut self.counts.given_up } else { &mut self.counts.pending }
    }
}

/// What to say about a key: the difference between what is wanted and what is known to be held.
const fn to_say(slot: &Slot) -> Asked {
    match slot.known {
        Known::Absent | Known::Maybe if slot.is_wanted() && !slot.is_refused() => Asked::Subscribe,
        Known::Maybe | Known::Held if !slot.is_wanted() => Asked::Unsubscribe,
        Known::Absent | Known::Maybe | Known::Held => Asked::Nothing,
    }
}

/// Whether anything is to be said or unanswered.
fn is_open(slot: &Slot) -> bool {
    slot.list == ListId::IN_FLIGHT || to_say(slot) != Asked::Nothing
}

fn is_given_up(slot: &Slot, terms: &Terms) -> bool {
    u32::from(slot.tries) >= terms.timeouts
}

/// The step of a key's ladder for its `tries`-th try in a row that waits at least `floor`, or the
/// last one, and how long it takes.
fn step(terms: &Terms, tries: u8, floor: Nanos) -> (u8, Nanos) {
    let (mut step, mut wait) = (0_u8, terms.retry_shortest);
    let last = RETRY_STEPS.saturating_sub(1);
    while usize::from(step) < last
        && wait < terms.retry_longest
        && (step.saturating_add(1) < tries || wait < floor)
    {
        step = step.saturating_add(1);
        wait = wait.saturating_add(wait).min(terms.retry_longest);
    }
    (step, wait)
}

/// How many further turns of `wait` it takes to reach `asked`.
fn rounds(asked: Nanos, wait: Nanos) -> u16 {
    let turns = asked.0.div_ceil(wait.0.max(1));
    u16::try_from(turns.saturating_sub(1)).unwrap_or(u16::MAX)
}
