//! The subscriptions: what is wanted, what was asked and answered on each connection, and what
//! therefore must hold (P5).

mod check;
mod speech;

use core::time::Duration;
use std::collections::BTreeMap;

use redial::{ConnId, Instant, Refusal, Request, SubKey};

use super::{Check, Promise, broken, ensure};
use crate::terms::Terms;
use speech::{Flight, Held, OnConnection, Speech};

const P5: Promise = Promise::Subscriptions;

/// All keys, and the conversation on each ready connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    keys: BTreeMap<SubKey, Key>,
    /// The place of the next key that becomes wanted, in the order of replay.
    next_place: u64,
    speeches: Vec<Speech>,
    /// What the peer holds for a session that it keeps without a connection.
    kept: Option<Speech>,
}

#[derive(Clone, Debug, Default)]
struct Key {
    wanted: bool,
    /// When it last became wanted, as a place in the order.
    place: u64,
    /// Counts the changes between wanted and not wanted: whose wish a request speaks for.
    wish: u64,
    refused: Refused,
    /// A retryable refusal came last.
    held_back: bool,
    /// Since when it waits as a refusal asked it to, over connections, and how long.
    hold: Option<(Instant, Duration)>,
    /// The refusal spoke for the present wish: it is not asked for again before.
    not_before: Option<Instant>,
    /// Failed requests in a row, over connections: at most this many.
    failures: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Refused {
    #[default]
    No,
    Yes,
    /// What the judge saw allows both.
    Unsure,
}

impl Key {
    /// What has to be said of it where the peer holds it so: subscribe, unsubscribe, or nothing.
    fn to_say(&self, on: &OnConnection) -> Option<bool> {
        match (self.wanted, self.refused) {
            (true, Refused::No) => (on.held != Held::Yes || on.again).then_some(true),
            (true, Refused::Unsure) => None,
            (true, Refused::Yes) | (false, Refused::No | Refused::Unsure | Refused::Yes) => {
                (on.held != Held::No).then_some(false)
            }
        }
    }

    /// Nothing is to be said of it, nothing unanswered, nothing uncertain.
    fn is_settled(&self, on: &OnConnection) -> bool {
        self.is_sure(on) && on.flight.is_none() && self.to_say(on).is_none()
    }

    /// Something is to be said of it or unanswered for certain.
    fn is_pending(&self, on: &OnConnection) -> bool {
        self.is_sure(on) && !self.is_settled(on)
    }

    fn is_sure(&self, on: &OnConnection) -> bool {
        self.refused != Refused::Unsure && !on.unsure
    }
}

/// The connections.
impl Keys {
    /// `conn` is ready; `keeps`: the session that it resumed kept what the one before it held.
    pub(super) fn connected(&mut self, conn: ConnId, keeps: bool) {
        let before = self.kept.take().filter(|_| keeps);
        let speech = before.map_or_else(|| Speech::new(conn), |kept| kept.resumed(conn));
        self.speeches.push(speech);
    }

    /// `conn` is spoken on no more; `keeps`: the peer keeps what it holds.
    pub(super) fn disconnected(&mut self, conn: ConnId, keeps: bool) {
        let place = self.speeches.iter().position(|speech| speech.conn == conn);
        if let Some(place) = place {
            self.kept = Some(self.speeches.remove(place));
        }
        self.kept = self.kept.take().filter(|_| keeps);
    }

    /// A rotation's other connection is spoken on no more.
    pub(super) fn parted(&mut self, conn: ConnId) {
        self.speeches.retain(|speech| speech.conn != conn);
    }

    /// A successor is spoken on in place of `conn`, which may be spoken on again should that fail.
    pub(super) fn overtaken(&mut self, conn: ConnId) {
        if let Some(speech) = self.speech_mut(conn) {
            speech.is_overtaken();
        }
    }

    pub(super) fn speech_is_over(&self, conn: ConnId) -> bool {
        self.speech(conn).is_none_or(|speech| speech.in_flight() == 0)
    }

    pub(super) fn newest_request(&self, conn: ConnId) -> u64 {
        self.speech(conn).map_or(0, |speech| speech.newest_request)
    }

    fn speech(&self, conn: ConnId) -> Option<&Speech> {
        self.speeches.iter().find(|speech| speech.conn == conn)
    }

    fn speech_mut(&mut self, conn: ConnId) -> Option<&mut Speech> {
        self.speeches.iter_mut().find(|speech| speech.conn == conn)
    }

    fn everywhere(&mut self, key: SubKey, mut change: impl FnMut(&mut OnConnection)) {
        for speech in self.speeches.iter_mut().chain(&mut self.kept) {
            change(speech.on_mut(key));
        }
    }
}

/// The application's wishes.
impl Keys {
    pub(super) fn want(&mut self, name: SubKey) {
        let key = self.keys.entry(name).or_default();
        if key.wanted {
            let lifted = key.refused != Refused::No;
            key.refused = Refused::No;
            return self.everywhere(name, |on| on.lifted |= lifted);
        }
        key.wanted = true;
        key.wish += 1;
        key.not_before = None;
        key.place = self.next_place;
        self.next_place += 1;
        self.everywhere(name, |on| on.failures = 0);
    }

    pub(super) fn withdraw(&mut self, name: SubKey) {
        let key = self.keys.entry(name).or_default();
        if !key.wanted {
            return;
        }
        key.wanted = false;
        key.wish += 1;
        key.refused = Refused::No;
        key.not_before = None;
        self.everywhere(name, |on| {
            on.failures = 0;
            on.confirmed = false;
            // A gap outlives the wish that it was found for.
            if core::mem::take(&mut on.again) && on.held == Held::Yes {
                on.held = Held::Maybe;
            }
            if on.flight.is_some_and(|flight| flight.timed_out) && on.held == Held::No {
                on.held = Held::Maybe;
            }
        });
    }

    /// It is said again on whatever connection is spoken on next.
    pub(super) fn resync(&mut self, name: SubKey) {
        let Some(key) = self.keys.get_mut(&name).filter(|key| key.wanted) else { return };
        let lifted = key.refused != Refused::No;
        key.refused = Refused::No;
        for speech in self.speeches.iter_mut().chain(&mut self.kept) {
            let on = speech.on_mut(name);
            on.lifted |= lifted;
            on.confirmed = false;
            on.again |= on.held == Held::Yes || on.in_flight();
        }
    }
}

/// Requests and answers.
impl Keys {
    pub(super) fn request(
        &mut self,
        terms: &Terms,
        now: Instant,
        conn: ConnId,
        request: Request,
        subscribe: bool,
    ) -> Check {
        self.check_request(terms, now, conn, request, subscribe)?;
        let Some(key) = self.keys.get_mut(&request.key) else { return Ok(()) };
        if key.refused == Refused::Unsure {
            key.refused = if subscribe { Refused::No } else { Refused::Yes };
        }
        (key.hold, key.not_before) = (None, None);
        let wish = key.wish;
        let Some(speech) = self.speech_mut(conn) else { return Ok(()) };
        speech.newest_request = request.number;
        if let Some(pace) = terms.pace {
            speech.pace.count(pace, now.as_nanos());
        }
        let on = speech.on_mut(request.key);
        on.asked = true;
        on.confirmed &= subscribe;
        on.again = false;
        on.unsure = false;
        on.retry = None;
        on.held = Held::Maybe;
        on.flight = Some(Flight {
            request,
            subscribe,
            wish,
            sent_at: now,
            timed_out: false,
            overtaken: false,
        });
        Ok(())
    }

    /// The answer that counts: to the newest request of its key, and the first one.
    fn answered(&mut self, conn: ConnId, request: Request) -> Option<Flight> {
        let on = self.speech_mut(conn)?.on_mut(request.key);
        let flight = on.flight.filter(|flight| flight.request == request)?;
        on.flight = None;
        on.retry = None;
        on.failures = 0;
        Some(flight)
    }

    /// `spoken`: on the connection that is spoken on; elsewhere a link may well have stopped
    /// listening to answers.
    pub(super) fn acked(&mut self, conn: ConnId, request: Request, spoken: bool) {
        let Some(flight) = self.answered(conn, request) else { return };
        let spoken = spoken && !flight.overtaken;
        let Some(key) = self.keys.get_mut(&request.key) else { return };
        if spoken {
            key.held_back = false;
            key.hold = None;
            key.failures = 0;
        }
        let wish = key.wish;
        let Some(speech) = self.speech_mut(conn) else { return };
        let on = speech.on_mut(request.key);
        on.held = if flight.subscribe { Held::Yes } else { Held::No };
        on.unsure |= !spoken;
        on.confirmed = flight.subscribe && flight.wish == wish && !on.again && !on.unsure;
    }

    /// `spoken`: as for an ack.
    pub(super) fn refused(
        &mut self,
        terms: &Terms,
        now: Instant,
        conn: ConnId,
        (request, refusal): (Request, Refusal),
        spoken: bool,
    ) {
        let failures = self.speech(conn).map_or(0, |speech| speech.on(request.key).failures);
        let Some(flight) = self.answered(conn, request) else { return };
        let spoken = spoken && !flight.overtaken;
        let Some(key) = self.keys.get_mut(&request.key) else { return };
        let speaks = flight.subscribe && key.wanted && flight.wish == key.wish;
        let Some(speech) = self.speeches.iter_mut().find(|speech| speech.conn == conn) else {
            return;
        };
        let on = speech.on_mut(request.key);
        on.held = Held::No;
        on.unsure |= !spoken;
        on.confirmed = false;
        let again = core::mem::take(&mut on.again);
        match refusal {
            // What was refused before stays so, whatever else comes.
            Refusal::Final if !speaks || key.refused == Refused::Yes => {}
            Refusal::Final if again || !spoken => key.refused = Refused::Unsure,
            Refusal::Final => key.refused = Refused::Yes,
            Refusal::Retry(wait) => {
                let wait = wait.map_or(Duration::ZERO, redial::Millis::as_duration);
                let wait = wait.min(terms.server_delay_max);
                on.failures = failures + u32::from(speaks);
                key.failures += 1;
                key.held_back = true;
                key.hold = Some((now, wait));
                key.not_before = (speaks && spoken).then(|| now.saturating_add(wait));
            }
        }
    }

    /// The deadlines for answers that an event at `now` made due.
    pub(super) fn notice_timeouts(&mut self, terms: &Terms, now: Instant) {
        for speech in &mut self.speeches {
            for (name, on) in speech.all_mut() {
                let Some(flight) = on.flight.as_mut().filter(|flight| !flight.timed_out) else {
                    continue;
                };
                if now < flight.sent_at.saturating_add(terms.ack_within) {
                    continue;
                }
                flight.timed_out = true;
                let wish = flight.wish;
                on.again = false;
                on.retry = Some((now, Duration::ZERO));
                if let Some(key) = self.keys.get_mut(&name) {
                    on.failures += u32::from(wish == key.wish);
                    key.failures += 1;
                }
            }
        }
    }

    /// Some key failed often enough to be given up for now.
    pub(super) fn given_up(&self, terms: &Terms) -> bool {
        self.keys.values().any(|key| key.failures >= terms.timeouts)
    }

    fn misspoken<T>(what: impl Into<String>) -> Result<T, (Promise, String)> {
        broken(P5, what)
    }
}

fn must(holds: bool, what: impl FnOnce() -> String) -> Check {
    ensure(holds, P5, what)
}
