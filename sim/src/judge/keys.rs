//! The subscriptions: what is wanted, what was asked and answered on the present connection, and
//! what therefore must hold (P5).

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use redial::{Counts, Instant, Phase, Refusal, Request, SubKey};

use super::{Check, Promise, broken, ensure, roughly};
use crate::terms::{Meter, Rate, Terms};

const P5: Promise = Promise::Subscriptions;

/// All keys, and the requests of the present connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    keys: BTreeMap<SubKey, Key>,
    /// The place of the next key that becomes wanted, in the order of replay.
    next_place: u64,
    newest_request: u64,
    pace: Meter,
    /// The present connection was `Live` or `Degraded`.
    restored: bool,
}

#[derive(Clone, Debug, Default)]
struct Key {
    wanted: bool,
    /// When it last became wanted, as a place in the order.
    place: u64,
    /// Counts the changes between wanted and not wanted: whose wish a request speaks for.
    wish: u64,
    refused: Refused,
    /// A retryable refusal came last, and its delay holds over connections.
    held_back: bool,
    /// Failed requests in a row, over connections: at most this many.
    failures: u32,
    on: OnConnection,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Refused {
    #[default]
    No,
    Yes,
    /// What the judge saw allows both.
    Unsure,
}

/// What is known of a key on the present connection.
#[derive(Clone, Debug, Default)]
struct OnConnection {
    held: Held,
    flight: Option<Flight>,
    asked: bool,
    /// The peer confirmed it, and nothing since allows to ask again.
    confirmed: bool,
    /// It must be said again although it is held.
    again: bool,
    /// A final refusal was lifted: its place in the replay is open.
    lifted: bool,
    /// Since when it waits for its own retry, and at most how long.
    retry: Option<(Instant, Duration)>,
    /// Failed requests in a row for the present wish: at least this many.
    failures: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Held {
    #[default]
    No,
    Yes,
    /// A request got no answer.
    Maybe,
}

#[derive(Clone, Copy, Debug)]
struct Flight {
    request: Request,
    subscribe: bool,
    wish: u64,
    sent_at: Instant,
    timed_out: bool,
}

impl Key {
    /// What has to be said of it on this connection: subscribe, unsubscribe, or nothing.
    fn to_say(&self) -> Option<bool> {
        if self.wanted {
            let wants = self.refused == Refused::No;
            (wants && (self.on.held != Held::Yes || self.on.again)).then_some(true)
        } else {
            (self.on.held != Held::No).then_some(false)
        }
    }

    const fn in_flight(&self) -> bool {
        matches!(self.on.flight, Some(Flight { timed_out: false, .. }))
    }

    fn is_settled(&self) -> bool {
        self.on.flight.is_none() && self.to_say().is_none() && self.refused != Refused::Unsure
    }

    /// A request failed that speaks for the present wish, or does not.
    fn failed(&mut self, now: Instant, wait: Duration, speaks: bool) {
        self.on.retry = Some((now, wait));
        self.on.failures += u32::from(speaks);
        self.failures += 1;
    }
}

impl Keys {
    pub(super) const fn newest_request(&self) -> u64 {
        self.newest_request
    }

    pub(super) fn want(&mut self, key: SubKey) {
        let key = self.keys.entry(key).or_default();
        if key.wanted {
            key.on.lifted |= key.refused != Refused::No;
            key.refused = Refused::No;
            return;
        }
        key.wanted = true;
        key.wish += 1;
        key.on.failures = 0;
        key.place = self.next_place;
        self.next_place += 1;
    }

    pub(super) fn withdraw(&mut self, key: SubKey) {
        let key = self.keys.entry(key).or_default();
        if key.wanted {
            key.wanted = false;
            key.wish += 1;
            key.refused = Refused::No;
            key.on.failures = 0;
            key.on.confirmed = false;
            key.on.again = false;
            if key.on.flight.is_some_and(|flight| flight.timed_out) && key.on.held == Held::No {
                key.on.held = Held::Maybe;
            }
        }
    }

    pub(super) fn resync(&mut self, key: SubKey) {
        let Some(key) = self.keys.get_mut(&key).filter(|key| key.wanted) else { return };
        key.on.lifted |= key.refused != Refused::No;
        key.refused = Refused::No;
        key.on.confirmed = false;
        key.on.again |= key.on.held == Held::Yes || key.in_flight();
    }

    pub(super) fn connected(&mut self) {
        self.newest_request = 0;
        self.pace = Meter::default();
        self.restored = false;
    }

    pub(super) fn disconnected(&mut self) {
        for key in self.keys.values_mut() {
            let delay = key.on.retry.filter(|_| key.held_back);
            key.on = OnConnection { retry: delay, ..OnConnection::default() };
        }
    }

    /// The answer that counts: to the newest request of its key, and the first one.
    fn answered(&mut self, request: Request) -> Option<(&mut Key, Flight)> {
        let key = self.keys.get_mut(&request.key)?;
        let flight = key.on.flight.filter(|flight| flight.request == request)?;
        key.on.flight = None;
        key.on.retry = None;
        key.on.failures = 0;
        Some((key, flight))
    }

    pub(super) fn acked(&mut self, request: Request) {
        let Some((key, flight)) = self.answered(request) else { return };
        key.held_back = false;
        key.failures = 0;
        key.on.held = if flight.subscribe { Held::Yes } else { Held::No };
        key.on.confirmed = flight.subscribe && flight.wish == key.wish && !key.on.again;
    }

    /// `spoken`: on a connection that may be spoken on, not on one that is closing, where a link
    /// may well have stopped listening to answers.
    pub(super) fn refused(
        &mut self,
        request: Request,
        refusal: Refusal,
        now: Instant,
        spoken: bool,
    ) {
        let Some(key) = self.keys.get(&request.key) else { return };
        let failures = key.on.failures;
        let Some((key, flight)) = self.answered(request) else { return };
        key.on.held = Held::No;
        key.on.confirmed = false;
        let again = core::mem::take(&mut key.on.again);
        let speaks = flight.subscribe && key.wanted && flight.wish == key.wish;
        match refusal {
            Refusal::Final if speaks && (again || !spoken) => key.refused = Refused::Unsure,
            Refusal::Final if speaks => key.refused = Refused::Yes,
            Refusal::Final => {}
            Refusal::Retry(wait) => {
                key.on.failures = failures;
                key.held_back = true;
                let wait = wait.map_or(Duration::ZERO, redial::Millis::as_duration);
                key.failed(now, wait, speaks);
            }
        }
    }

    pub(super) fn request(
        &mut self,
        terms: &Terms,
        now: Instant,
        request: Request,
        subscribe: bool,
    ) -> Check {
        let Request { key: name, number } = request;
        ensure(number > self.newest_request, P5, || {
            format!("request {number} after {}", self.newest_request)
        })?;
        self.newest_request = number;
        let in_flight = self.keys.values().filter(|key| key.in_flight()).count();
        ensure(in_flight < usize::from(terms.window), P5, || {
            format!("request {number} beside {in_flight} in flight, the window is {}", terms.window)
        })?;
        if let Some(pace) = terms.pace {
            ensure(now.as_nanos() >= self.pace.free_at(pace), P5, || {
                format!("request {number} before the pace {pace:?} admits it")
            })?;
            self.pace.count(pace, now.as_nanos());
        }
        let Some(key) = self.keys.get(&name) else {
            return broken(P5, format!("a request for key {name}, which was never wanted"));
        };
        ensure(!key.in_flight(), P5, || format!("a second request for key {name} in flight"))?;
        if subscribe {
            self.check_subscribe(name, key)?;
        } else {
            ensure(!key.wanted, P5, || format!("key {name} is wanted and unsubscribed"))?;
        }
        let Some(key) = self.keys.get_mut(&name) else { return Ok(()) };
        let on = &mut key.on;
        on.asked = true;
        on.again = false;
        on.retry = None;
        if key.refused == Refused::Unsure {
            key.refused = Refused::No;
        }
        on.held = Held::Maybe;
        on.flight =
            Some(Flight { request, subscribe, wish: key.wish, sent_at: now, timed_out: false });
        Ok(())
    }

    fn check_subscribe(&self, name: SubKey, key: &Key) -> Check {
        ensure(key.wanted, P5, || format!("key {name} was withdrawn and is subscribed"))?;
        ensure(key.refused != Refused::Yes, P5, || {
            format!("key {name} was refused for good and is subscribed")
        })?;
        ensure(!key.on.confirmed, P5, || {
            format!("key {name} is confirmed on this connection and subscribed again")
        })?;
        if key.on.asked {
            return Ok(());
        }
        let earlier = self.keys.iter().find(|(_, other)| {
            let open = other.wanted && other.refused == Refused::No && !other.on.asked;
            open && !other.held_back && !other.on.lifted && other.place < key.place
        });
        ensure(earlier.is_none() || key.on.lifted, P5, || {
            let earlier = earlier.map(|(name, _)| name);
            format!("key {name} is replayed before key {earlier:?}, which was wanted earlier")
        })
    }

    /// The deadlines for answers that an event at `now` made due.
    pub(super) fn notice_timeouts(&mut self, terms: &Terms, now: Instant) {
        for key in self.keys.values_mut() {
            let Some(flight) = key.on.flight.as_mut().filter(|flight| !flight.timed_out) else {
                continue;
            };
            if now >= flight.sent_at.saturating_add(terms.ack_within) {
                flight.timed_out = true;
                let speaks = flight.wish == key.wish;
                key.on.again = false;
                key.failed(now, Duration::ZERO, speaks);
            }
        }
    }

    /// Some key failed often enough to be given up for now.
    pub(super) fn given_up(&self, terms: &Terms) -> bool {
        self.keys.values().any(|key| key.failures >= terms.timeouts)
    }

    pub(super) fn drained(
        &self,
        terms: &Terms,
        handled_at: Instant,
        ready: bool,
        due: Instant,
        counts: &Counts,
    ) -> Check {
        let wanted = self.keys.values().filter(|key| key.wanted).count();
        ensure(counts.wanted as usize == wanted, P5, || {
            format!("{} keys are wanted, the link says {}", wanted, counts.wanted)
        })?;
        if !ready {
            return Ok(());
        }
        self.check_said(terms, handled_at, due)
    }

    /// What has to be said was said, unless window, pace or the key's own retry forbids it; and
    /// where time is all it waits for, the deadline is set.
    fn check_said(&self, terms: &Terms, now: Instant, due: Instant) -> Check {
        let in_flight = self.keys.values().filter(|key| key.in_flight()).count();
        let window_full = in_flight >= usize::from(terms.window);
        let paced = terms.pace.map(|pace: Rate| Instant::from_nanos(self.pace.free_at(pace)));
        for (name, key) in &self.keys {
            if let Some(flight) = key.on.flight.filter(|flight| !flight.timed_out) {
                let at_most = flight.sent_at.saturating_add(terms.ack_within);
                ensure(due <= roughly(at_most), P5, || {
                    format!("the answer for key {name} is due {at_most}, the deadline is {due}")
                })?;
                continue;
            }
            if key.to_say().is_none() || window_full {
                continue;
            }
            let own = key.on.retry.map_or(Instant::ZERO, |(since, wait)| {
                since.saturating_add(longest_retry(terms, wait))
            });
            let latest = own.max(paced.unwrap_or(Instant::ZERO));
            ensure(now < latest, P5, || format!("key {name} has to be said and is not: {key:?}"))?;
            ensure(due <= roughly(latest), P5, || {
                format!("key {name} is to be said by {latest}, the deadline is {due}")
            })?;
        }
        Ok(())
    }

    /// What the phase of a ready connection says after an event.
    pub(super) fn check_phase(&mut self, terms: &Terms, phase: Phase) -> Check {
        match phase {
            Phase::Live if !self.restored => {
                self.restored = true;
                let open = self
                    .keys
                    .iter()
                    .find(|(_, key)| !key.is_settled() && key.refused != Refused::Unsure);
                ensure(open.is_none(), P5, || format!("live, and {open:?} is pending"))
            }
            Phase::Live => Ok(()),
            Phase::Degraded => {
                self.restored = true;
                let open = self.keys.values().any(|key| !key.is_settled());
                ensure(open || self.given_up(terms), P5, || "degraded, and no key failed".into())
            }
            Phase::Restoring => {
                let pending = |key: &Key| {
                    let given_up = key.on.failures >= terms.timeouts;
                    !key.is_settled() && !given_up
                };
                ensure(self.keys.values().any(pending), P5, || {
                    "nothing is pending, and still restoring".into()
                })
            }
            _ => Ok(()),
        }
    }

    /// Against what the peer really holds: each key with nothing pending is held exactly if it is
    /// wanted and not refused for good.
    pub(super) fn match_peer(&self, held: &BTreeSet<SubKey>) -> Check {
        for (name, key) in self.keys.iter().filter(|(_, key)| key.is_settled()) {
            let should = key.wanted && key.refused == Refused::No;
            ensure(should == held.contains(name), P5, || {
                let does = if should { "does not hold" } else { "holds" };
                format!("the peer {does} key {name}: {key:?}")
            })?;
        }
        let unknown = held.iter().find(|name| !self.keys.contains_key(name));
        ensure(unknown.is_none(), P5, || format!("the peer holds {unknown:?}"))
    }
}

/// The longest that a key may wait before it is asked for again: its own backoff, or the server's
/// delay rounded up to one of its doubling steps.
fn longest_retry(terms: &Terms, wait: Duration) -> Duration {
    terms.subscription_retry.1.saturating_add(wait.saturating_mul(2))
}
