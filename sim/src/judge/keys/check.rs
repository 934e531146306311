//! What the log of requests and answers says of the promise (P5).

use core::time::Duration;
use std::collections::BTreeSet;

use redial::{ConnId, Counts, Instant, Phase, Request, SubKey};

use super::speech::{Held, Speech};
use super::{Check, Key, Keys, Refused, must};
use crate::judge::roughly;
use crate::terms::{Rate, Terms};

/// Each request, as it is handed out.
impl Keys {
    pub(super) fn check_request(
        &self,
        terms: &Terms,
        now: Instant,
        conn: ConnId,
        request: Request,
        subscribe: bool,
    ) -> Check {
        let Request { key: name, number } = request;
        let Some(speech) = self.speech(conn) else {
            return Self::misspoken(format!("a request on {conn}, which is not spoken on"));
        };
        must(number > speech.newest_request, || {
            format!("request {number} after {}", speech.newest_request)
        })?;
        let in_flight = speech.in_flight();
        must(in_flight < usize::from(terms.window), || {
            format!("request {number} beside {in_flight} in flight, the window is {}", terms.window)
        })?;
        if let Some(pace) = terms.pace {
            must(now.as_nanos() >= speech.pace.free_at(pace), || {
                format!("request {number} before the pace {pace:?} admits it")
            })?;
        }
        let Some(key) = self.keys.get(&name) else {
            return Self::misspoken(format!("a request for key {name}, which was never wanted"));
        };
        let twice = self.speeches.iter().find(|speech| speech.on(name).in_flight());
        must(twice.is_none(), || {
            let other = twice.map(|speech| speech.conn);
            format!("a second request for key {name} beside the one in flight on {other:?}")
        })?;
        if subscribe {
            self.check_subscribe(now, speech, name, key)
        } else {
            let is_due = key.wanted && key.refused == Refused::No;
            must(!is_due, || format!("key {name} is wanted and unsubscribed"))
        }
    }

    fn check_subscribe(&self, now: Instant, speech: &Speech, name: SubKey, key: &Key) -> Check {
        let on = speech.on(name);
        must(key.wanted, || format!("key {name} was withdrawn and is subscribed"))?;
        must(key.refused != Refused::Yes, || {
            format!("key {name} was refused for good and is subscribed")
        })?;
        must(!on.confirmed, || {
            format!("key {name} is confirmed on {} and subscribed on it again", speech.conn)
        })?;
        must(key.not_before.is_none_or(|at| now >= at), || {
            format!("key {name} is subscribed before the server wants it, {:?}", key.not_before)
        })?;
        if on.asked {
            return Ok(());
        }
        let earlier = self.keys.iter().find(|(name, other)| {
            let on = speech.on(**name);
            let open = other.to_say(&on) == Some(true) && !on.asked && !on.unsure;
            let replayed = open && !other.held_back && !on.lifted && !on.again;
            replayed && other.place < key.place
        });
        // What is said again on demand is no replay, also where a session kept all that was said.
        must(earlier.is_none() || on.lifted || on.again, || {
            let earlier = earlier.map(|(name, _)| name);
            format!("key {name} is replayed before key {earlier:?}, which was wanted earlier")
        })
    }
}

/// The whole, after an event or a drain.
impl Keys {
    /// `spoken_on`: the connection that is spoken on, if any, and whether it may stay silent.
    pub(in crate::judge) fn drained(
        &self,
        terms: &Terms,
        handled_at: Instant,
        spoken_on: Option<(ConnId, bool)>,
        due: Instant,
        counts: &Counts,
    ) -> Check {
        let wanted = self.keys.values().filter(|key| key.wanted).count();
        must(counts.wanted as usize == wanted, || {
            format!("{} keys are wanted, the link says {}", wanted, counts.wanted)
        })?;
        let Some((conn, may_wait)) = spoken_on else { return Ok(()) };
        let Some(speech) = self.speech(conn) else { return Ok(()) };
        self.check_answers(terms, speech, due)?;
        if may_wait { Ok(()) } else { self.check_said(terms, speech, handled_at, due) }
    }

    /// Each request that is unanswered has its deadline.
    fn check_answers(&self, terms: &Terms, speech: &Speech, due: Instant) -> Check {
        for name in self.keys.keys() {
            let flight = speech.on(*name).flight.filter(|flight| !flight.timed_out);
            let at_most =
                flight.map_or(Instant::MAX, |it| it.sent_at.saturating_add(terms.ack_within));
            must(due <= roughly(at_most), || {
                format!("the answer for key {name} is due {at_most}, the deadline is {due}")
            })?;
        }
        Ok(())
    }

    /// What has to be said was said, unless window, pace or the key's own retry forbids it; and
    /// where time is all it waits for, the deadline is set.
    fn check_said(&self, terms: &Terms, speech: &Speech, now: Instant, due: Instant) -> Check {
        let window_full = speech.in_flight() >= usize::from(terms.window);
        let paced = terms.pace.map(|pace: Rate| Instant::from_nanos(speech.pace.free_at(pace)));
        for (name, key) in &self.keys {
            let on = speech.on(*name);
            if on.in_flight() || key.to_say(&on).is_none() || window_full {
                continue;
            }
            let waits = [on.retry, key.hold].into_iter().flatten();
            let own = waits.map(|(since, wait)| since.saturating_add(longest_retry(terms, wait)));
            let latest = own.max().max(paced).unwrap_or(Instant::ZERO);
            must(now < latest, || {
                format!("key {name} has to be said on {} and is not: {key:?} {on:?}", speech.conn)
            })?;
            must(due <= roughly(latest), || {
                format!("key {name} is to be said by {latest}, the deadline is {due}")
            })?;
        }
        Ok(())
    }

    /// What the phase says of the current connection after an event, where that one is spoken on.
    pub(in crate::judge) fn check_phase(
        &mut self,
        terms: &Terms,
        conn: ConnId,
        phase: Phase,
    ) -> Check {
        let Some(speech) = self.speech(conn) else { return Ok(()) };
        let keys = || self.keys.iter().map(|(name, key)| (name, key, speech.on(*name)));
        match phase {
            Phase::Live if !speech.restored => {
                let open = keys().find(|(_, key, on)| key.is_pending(on));
                must(open.is_none(), || format!("live, and {open:?} is pending"))?;
            }
            Phase::Degraded => {
                let open = keys().any(|(_, key, on)| !key.is_settled(&on));
                must(open || self.given_up(terms), || "degraded, and no key failed".into())?;
            }
            Phase::Restoring => {
                let mut pending = keys().filter(|(_, _, on)| on.failures < terms.timeouts);
                let any = pending.any(|(_, key, on)| !key.is_settled(&on));
                return must(any, || "nothing is pending, and still restoring".into());
            }
            _ => return Ok(()),
        }
        if let Some(speech) = self.speech_mut(conn) {
            speech.restored = true;
        }
        Ok(())
    }

    /// No key on `conn` is pending that cannot have been given up.
    pub(in crate::judge) fn are_restored(&self, terms: &Terms, conn: ConnId) -> bool {
        let Some(speech) = self.speech(conn) else { return false };
        let mut open = self.keys.iter().filter(|(_, key)| key.failures < terms.timeouts);
        !open.any(|(name, key)| key.is_pending(&speech.on(*name)))
    }

    /// A rotation may move to `conn`: every wanted key is confirmed or refused for good on it.
    pub(in crate::judge) fn may_move_to(&self, conn: ConnId) -> Check {
        let Some(speech) = self.speech(conn) else {
            return Self::misspoken(format!("a move to {conn}, which was never ready"));
        };
        let missing = self.keys.iter().find(|(name, key)| {
            let on = speech.on(**name);
            let answered = key.refused != Refused::No || on.held == Held::Yes;
            key.wanted && !answered
        });
        must(missing.is_none(), || format!("a move to {conn}, which does not hold {missing:?}"))
    }

    /// A rotation must move to `conn`: nothing is left to be said or answered on it.
    pub(in crate::judge) fn must_move_to(&self, conn: ConnId) -> bool {
        let Some(speech) = self.speech(conn) else { return false };
        self.keys.iter().all(|(name, key)| key.is_settled(&speech.on(*name)))
    }

    /// The move is made: the successor goes on as the one before it left off.
    pub(in crate::judge) fn moved(&mut self, from: ConnId, to: ConnId) {
        let restored = self.speech(from).is_some_and(|speech| speech.restored);
        if let Some(speech) = self.speech_mut(to) {
            speech.restored |= restored;
        }
        self.parted(from);
    }

    /// Against what the peer really holds: what it confirmed it holds, what it withdrew it does not.
    pub(in crate::judge) fn match_peer(&self, conn: ConnId, held: &BTreeSet<SubKey>) -> Check {
        let Some(speech) = self.speech(conn) else { return Ok(()) };
        for (name, key) in &self.keys {
            let on = speech.on(*name);
            let known = match on.held {
                Held::Yes if on.flight.is_none() => true,
                Held::No if on.flight.is_none() => false,
                Held::Yes | Held::No | Held::Maybe => continue,
            };
            must(known == held.contains(name), || {
                let does = if known { "does not hold" } else { "holds" };
                format!("the peer of {conn} {does} key {name}: {key:?} {on:?}")
            })?;
        }
        let unknown = held.iter().find(|name| !self.keys.contains_key(name));
        must(unknown.is_none(), || format!("the peer of {conn} holds {unknown:?}"))
    }
}

/// The longest that a key may wait before it is asked for again: its own backoff, or the server's
/// delay rounded up to one of its doubling steps.
fn longest_retry(terms: &Terms, wait: Duration) -> Duration {
    terms.subscription_retry.1.saturating_add(wait.saturating_mul(2))
}
