//! The server's answers.

use super::{Desk, Subscriptions, is_given_up, less, more, to_say};
use crate::event::Refusal;
use crate::flags::Flags;
use crate::id::{ConnId, Request, SubKey};
use crate::policy::Subscriptions as Terms;
use crate::slot::{Asked, Known, ListId, Slot, get, mark, queue};

/// What an answer speaks for.
struct Answered {
    asked: Asked,
    tries: u8,
    marks: Flags,
}

impl Subscriptions {
    /// Whether this is the expected ack of a key that is wanted, while others are pending: the first
    /// try was heard, nothing is left to say about the key, and the connection is as far as before.
    /// The answer must have come on the connection that is spoken on.
    #[inline]
    pub(crate) fn is_plain_ack(&self, slots: &mut [Slot], request: Request) -> bool {
        self.counts.pending > 1
            && !self.is_rotating()
            // Misuse is not plain: the slot tells the low half of the number only.
            && request.number <= self.number
            && get(slots, request.key.0).is_some_and(|slot| {
                slot.facts.asked() == Asked::Subscribe
                    && slot.tries == 0
                    && slot.marks == Flags(mark::PLAIN)
                    && self.is_last_request(slot, request)
            })
    }

    /// Takes a plain ack in. What [`Self::grant`] does with it, less what is known to be so already.
    #[inline]
    pub(crate) fn grant_plain(&mut self, slots: &mut [Slot], key: SubKey) {
        debug_assert!(self.is_home(self.era), "nothing else is spoken on outside a rotation");
        let Some(slot) = get(slots, key.0) else { return };
        debug_assert!(slot.list == ListId::IN_FLIGHT, "no try of it has failed");
        slot.facts.set_asked(Asked::Nothing);
        slot.facts.set_known(Known::Held);
        slot.list = ListId::NONE;
        self.in_flight.remove(slots, key.0, queue);
        less(&mut self.counts.in_flight);
        less(&mut self.counts.pending);
    }

    pub(crate) fn acked(&mut self, desk: &mut Desk<'_>, conn: ConnId, request: Request) {
        if self.awaits(desk, conn, request) {
            self.grant(desk.slots, &desk.policy.subscriptions, request.key);
        }
    }

    /// The last request of this key was accepted.
    fn grant(&mut self, slots: &mut [Slot], terms: &Terms, key: SubKey) {
        let Some(answered) = self.answered(slots, terms, key.0) else { return };
        let known = match answered.asked {
            Asked::Subscribe if answered.marks.has(mark::RESYNC) => Known::Maybe,
            Asked::Subscribe => Known::Held,
            Asked::Unsubscribe | Asked::Nothing => Known::Absent,
        };
        self.conclude(slots, terms, key.0, known);
    }

    pub(crate) fn refused(
        &mut self,
        desk: &mut Desk<'_>,
        conn: ConnId,
        request: Request,
        refusal: Refusal,
    ) {
        if !self.awaits(desk, conn, request) {
            return;
        }
        let (key, terms) = (request.key.0, &desk.policy.subscriptions);
        let Some(answered) = self.answered(desk.slots, terms, key) else { return };
        // A refused unsubscribe, and the answer to a wish that is gone, say no more than *not held*.
        let speaks_for_wish =
            answered.asked == Asked::Subscribe && !answered.marks.has(mark::OVERTAKEN);
        if let (true, Some(slot)) = (speaks_for_wish, get(desk.slots, key)) {
            slot.facts.set_known(Known::Absent);
            match refusal {
                Refusal::Final if answered.marks.has(mark::RESYNC) => {}
                Refusal::Final => {
                    slot.marks.set(mark::REFUSED);
                    more(&mut self.counts.refused);
                }
                Refusal::Retry(delay) => {
                    slot.tries = answered.tries.saturating_add(1);
                    let delay = delay.map(|delay| delay.nanos().min(desk.policy.server_delay_max));
                    self.retry_later(desk, key, delay, true);
                }
            }
        }
        self.conclude(desk.slots, terms, key, Known::Absent);
    }

    /// Whether this answers the last request of its key on the present connection; counted as stale
    /// if it does not (P6).
    fn awaits(&self, desk: &mut Desk<'_>, conn: ConnId, request: Request) -> bool {
        let awaited = self.conn == Some(conn)
            && get(desk.slots, request.key.0)
                .is_some_and(|slot| self.is_last_request(slot, request));
        if !awaited {
            desk.stats.stale();
        }
        awaited
    }

    /// Whether the key's last request has this number, and no answer yet.
    #[inline]
    fn is_last_request(&self, slot: &Slot, request: Request) -> bool {
        // The low half decides: a key's older request would have to be 2^32 requests old.
        let last = slot.facts.asked() != Asked::Nothing && slot.number == request.number as u32;
        last && slot.era == self.era
    }

    /// Takes an answer in: the key leaves its list and the counts, and is ready to be told what is
    /// known.
    #[inline]
    fn answered(&mut self, slots: &mut [Slot], terms: &Terms, key: u32) -> Option<Answered> {
        let slot = get(slots, key)?;
        let answered = Answered { asked: slot.facts.asked(), tries: slot.tries, marks: slot.marks };
        // What is unanswered is open.
        less(self.count_of(is_given_up(slot, terms)));
        self.unweigh_home(slot);
        slot.facts.set_asked(Asked::Nothing);
        slot.tries = 0;
        slot.marks.clear(mark::OF_A_REQUEST);
        if slot.list == ListId::IN_FLIGHT {
            less(&mut self.counts.in_flight);
            slot.list = ListId::NONE;
            self.in_flight.remove(slots, key, queue);
        } else {
            self.take(slots, key);
        }
        Some(answered)
    }

    /// What is known decides what is said next.
    #[inline]
    fn conclude(&mut self, slots: &mut [Slot], terms: &Terms, key: u32, known: Known) {
        let Some(slot) = get(slots, key) else { return };
        slot.facts.set_known(known);
        self.weigh_home(slot);
        if to_say(slot) == Asked::Nothing {
            return;
        }
        let given_up = is_given_up(slot, terms);
        if slot.list == ListId::NONE {
            self.queue_up(slots, key);
        }
        more(self.count_of(given_up));
    }
}
