//! What waits for time: answers that do not come, and retries.

use super::{Desk, Subscriptions, is_given_up, less};
use crate::policy::Subscriptions as Terms;
use crate::slot::{Asked, ListId, RETRY_LISTS, RETRY_STEPS, Slot, get, mark};
use crate::stats::count;
use crate::time::{Instant, Nanos};

impl Subscriptions {
    /// Applies the deadlines that are due, and works out the next. Bounded by the window. Only once
    /// [`Self::wake_at`] has come, which it does not while there is no connection.
    pub(crate) fn fire_due(&mut self, desk: &mut Desk<'_>) {
        debug_assert!(desk.now >= self.wake_at, "something may be due");
        let terms = &desk.policy.subscriptions;
        while let Some(key) = self.overdue(desk.slots, terms, desk.now) {
            self.time_out(desk, key);
        }
        self.schedule(desk.slots, terms, desk.now);
    }

    fn overdue(&self, slots: &mut [Slot], terms: &Terms, now: Instant) -> Option<u32> {
        let slot = get(slots, self.in_flight.first)?;
        (slot.at.after(terms.ack_within) <= now).then_some(self.in_flight.first)
    }

    /// No answer came in time: the peer may hold the key or not. The answer may still come.
    fn time_out(&mut self, desk: &mut Desk<'_>, key: u32) {
        let terms = &desk.policy.subscriptions;
        count(&mut desk.stats.request_timeouts);
        let Some(slot) = get(desk.slots, key) else { return };
        self.unweigh(slot, terms);
        less(&mut self.counts.in_flight);
        slot.marks.clear(mark::RESYNC);
        let asked_for_wish = slot.is_wanted() == (slot.facts.asked() == Asked::Subscribe);
        let tries = slot.tries;
        self.forget_place(desk.slots, key);
        if asked_for_wish {
            if let Some(slot) = get(desk.slots, key) {
                slot.tries = tries.saturating_add(1);
            }
            self.retry_later(desk, key, None, false);
        } else {
            self.queue_up(desk.slots, key);
        }
        self.weigh(desk.slots, key, terms);
    }

    /// Works out the next deadline. What is due already waits for the window or the pace, not for
    /// time (P2).
    pub(super) fn schedule(&mut self, slots: &mut [Slot], terms: &Terms, now: Instant) {
        let oldest = get(slots, self.in_flight.first);
        let mut next = oldest.map_or(Instant::MAX, |slot| slot.at.after(terms.ack_within));
        if let (Some(pace), true) = (terms.pace, self.may_speak(terms)) {
            let release = self.pace.release(pace);
            next = if release > now { next.min(release) } else { next };
        }
        self.ripe = false;
        for list in &self.retries {
            match get(slots, list.first) {
                Some(slot) if slot.at > now => next = next.min(slot.at),
                Some(_) => self.ripe = true,
                None => {}
            }
        }
        self.wake_at = next;
    }

    /// Puts a key into the retry list for its tries, or for the `delay` that the server named. What it
    /// `asked` for holds over connections.
    pub(super) fn retry_later(
        &mut self,
        desk: &mut Desk<'_>,
        key: u32,
        delay: Option<Nanos>,
        asked: bool,
    ) {
        let terms = &desk.policy.subscriptions;
        let Some(slot) = get(desk.slots, key) else { return };
        let delay = delay.unwrap_or(Nanos::ZERO);
        let floor = if is_given_up(slot, terms) { terms.retry_longest } else { delay };
        let tries = if delay == Nanos::ZERO { slot.tries } else { 1 };
        let (step, wait) = step(terms, tries, floor);
        slot.rounds = turns_up(Nanos(delay.0.saturating_sub(wait.0)), wait);
        slot.at = desk.now.after(wait);
        self.wake_at = self.wake_at.min(slot.at);
        self.push(desk.slots, key, ListId::retry(step, asked));
    }

    /// Moves the keys whose retry is due to the queues.
    pub(super) fn release_retries(&mut self, slots: &mut [Slot], terms: &Terms, now: Instant) {
        // What nobody answered comes before what the server put off.
        for index in (RETRY_STEPS..RETRY_LISTS).chain(0..RETRY_STEPS) {
            let list = ListId(index as u8);
            while let Some(key) = self.first_due(slots, list, now) {
                let Some(slot) = get(slots, key) else { break };
                // Nobody looked while the link was down: those turns are over, too.
                let missed = turns(now.since(slot.at), terms.retry_longest);
                slot.rounds = slot.rounds.saturating_sub(missed);
                if slot.rounds > 0 {
                    slot.rounds = slot.rounds.saturating_sub(1);
                    slot.at = now.after(terms.retry_longest);
                    self.take(slots, key);
                    self.push(slots, key, list);
                    continue;
                }
                self.take(slots, key);
                self.renew(slots, key);
                self.queue_up(slots, key);
            }
        }
        self.schedule(slots, terms, now);
    }

    fn first_due(&self, slots: &mut [Slot], list: ListId, now: Instant) -> Option<u32> {
        let first = self.retries.get(usize::from(list.0))?.first;
        get(slots, first).filter(|slot| slot.at <= now).map(|_| first)
    }
}

/// The step of a key's ladder for its `tries`-th try in a row that waits at least `floor`, or the
/// last one, and how long it takes.
fn step(terms: &Terms, tries: u8, floor: Nanos) -> (u8, Nanos) {
    let (mut step, mut wait) = (0_u8, terms.retry_shortest);
    // A policy whose ladder had more steps than there are lists would not be valid.
    while wait < terms.retry_longest && (step.saturating_add(1) < tries || wait < floor) {
        step = step.saturating_add(1);
        wait = wait.saturating_add(wait).min(terms.retry_longest);
    }
    (step, wait)
}

/// How many turns of `wait` last as long as `span`.
pub(super) fn turns_up(span: Nanos, wait: Nanos) -> u32 {
    let turns = span.0.div_ceil(wait.0.max(1));
    u32::try_from(turns).unwrap_or(u32::MAX)
}

/// How many turns of `wait` went by in `span`.
fn turns(span: Nanos, wait: Nanos) -> u32 {
    let turns = span.0.checked_div(wait.0).unwrap_or(0);
    u32::try_from(turns).unwrap_or(u32::MAX)
}
