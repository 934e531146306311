//! What goes in: misuse, stale events (P6), the table of wishes, and what sockets report.

use std::sync::Arc;

use redial::{By, Closure, ConnId, Event, Instant, Millis, Misuse, Phase, Verdict, WaitsFor};

use super::attempt::Kind;
use super::connection::{Connection, Role};
use super::credentials::Purpose;
use super::{Check, Judge, Promise, View, ensure};

/// What the application wants.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish {
    pub(super) wanted: bool,
    pub(super) paused: bool,
    pub(super) offline: bool,
    /// `Start` came while a connection was closing.
    pub(super) afresh: bool,
    /// The one reconnect for a key that was given up is spent until the next `Live`.
    pub(super) degraded_spent: bool,
}

impl Wish {
    pub(super) const fn is_blocked(self) -> bool {
        self.paused || self.offline
    }

    /// What holds every attempt up; a pause comes before the network.
    pub(super) const fn blocked_by(self) -> Option<WaitsFor> {
        if self.paused {
            Some(WaitsFor::Pause)
        } else if self.offline {
            Some(WaitsFor::Network)
        } else {
            None
        }
    }
}

/// What an event by itself ended.
pub(super) enum Ended {
    Nothing,
    /// A connection, by a report or by what was told of it.
    Connection(ConnId, Kind, Option<Closure>),
    /// An attempt that had not been made yet.
    Attempt(Kind),
    /// All that is held, because the network went.
    All,
}

impl Judge {
    pub(super) fn judge_event(
        &mut self,
        now: Instant,
        event: &Event,
        result: Result<(), Misuse>,
        view: View,
    ) -> Check {
        let misuse = self.is_misuse(event);
        if let Err(error) = result {
            ensure(misuse != Some(false), Promise::Total, || format!("{error}: it was"))?;
            return ensure(view == self.view, Promise::Total, || {
                format!("a refused event changed {:?} to {view:?}", self.view)
            });
        }
        ensure(misuse != Some(true), Promise::Total, || "misuse was accepted".into())?;
        let before = core::mem::replace(&mut self.view, view);
        self.was_drained = core::mem::replace(&mut self.drained, false);
        self.now = self.now.max(now);
        self.handled_at = self.now;
        self.account(&before);
        let ended = if self.is_foreign(event) {
            self.foreign(event, &before)?;
            Ended::Nothing
        } else {
            self.quiet_until = None;
            self.apply(event, &before)
        };
        if let Event::TimerFired = event {
            self.armed = None;
        }
        self.keys.notice_timeouts(&self.terms, self.now);
        self.follow(event, &before, &ended)
    }

    /// Adds the time since the last event to the outage, if that counts.
    pub(super) fn account(&mut self, view: &View) {
        let phase = view.status.phase;
        let closing_down = phase == Phase::Closing && !self.wish.wanted;
        let counts = match phase {
            Phase::Idle | Phase::Halted | Phase::Restoring | Phase::Live | Phase::Degraded => false,
            _ => !closing_down && !self.wish.is_blocked(),
        };
        self.attempts.account(self.now, counts);
    }

    /// `None` where a correct core may answer either way.
    fn is_misuse(&self, event: &Event) -> Option<bool> {
        if let Some(conn) = conn_of(event)
            && conn.get() > self.newest
        {
            return Some(true);
        }
        if conn_of(event).is_some_and(|conn| conn.get() == 0) {
            return None;
        }
        match *event {
            Event::Subscribe { key } | Event::Unsubscribe { key } | Event::Resync { key } => {
                Some(key.get() >= self.capacity)
            }
            Event::Acked { conn, request } | Event::Refused { conn, request, .. } => {
                let known = request.key.get() < self.capacity;
                if self.spoken_on() == Some(conn) {
                    let newest = self.keys.newest_request(conn);
                    let unknown = !(1..=newest).contains(&request.number);
                    (unknown || known).then_some(unknown)
                } else {
                    (known && request.number > 0 && self.by_id(conn).is_none()).then_some(false)
                }
            }
            Event::CredentialsReady { ticket, .. } | Event::CredentialsFailed { ticket, .. } => {
                (ticket.get() != 0).then_some(ticket.get() > self.credentials.newest())
            }
            _ => Some(false),
        }
    }

    /// An event of a connection that is not held, or of an older ticket.
    fn is_foreign(&self, event: &Event) -> bool {
        if let Event::CredentialsReady { ticket, .. } | Event::CredentialsFailed { ticket, .. } =
            event
        {
            return !self.credentials.awaits(&self.terms, self.now, *ticket);
        }
        conn_of(event).is_some_and(|conn| self.by_id(conn).is_none())
    }

    /// It may do nothing but owe a `Close`.
    fn foreign(&mut self, event: &Event, before: &View) -> Check {
        if let Event::Opened { conn } = event {
            self.owed.insert(*conn);
        }
        let deadline = before.deadline.unwrap_or(Instant::MAX);
        if self.now >= deadline {
            self.quiet_until = None;
            return Ok(());
        }
        if self.was_drained {
            self.quiet_until = Some(deadline);
        }
        // The deadline is a lower bound: working it out again may move it later, never earlier.
        let same = View { deadline: before.deadline, ..self.view } == *before;
        let earlier = self.view.deadline.unwrap_or(Instant::MAX) < deadline;
        ensure(same && !earlier, Promise::StaleIsHarmless, || {
            format!("a stale event changed {before:?} to {:?}", self.view)
        })
    }

    fn apply(&mut self, event: &Event, before: &View) -> Ended {
        let phase = before.status.phase;
        match *event {
            Event::Start => match phase {
                Phase::Idle | Phase::Halted => {
                    self.wish.wanted = true;
                    self.begin_afresh();
                }
                Phase::Closing => {
                    self.wish.afresh |= !self.wish.wanted;
                    self.wish.wanted = true;
                }
                _ => {}
            },
            Event::Stop => {
                self.wish.wanted = false;
                self.wish.afresh = false;
                self.attempts.stop();
                self.sessions.forget();
                self.credentials.next_attempt();
            }
            Event::Pause => self.wish.paused = true,
            Event::NetworkDown => {
                self.wish.offline = true;
                if self.drops_when_offline() {
                    return Ended::All;
                }
                self.probes();
            }
            Event::Resume | Event::NetworkUp | Event::RetryNow => {
                let was_blocked = self.wish.is_blocked();
                match event {
                    Event::Resume => self.wish.paused = false,
                    Event::NetworkUp => self.wish.offline = false,
                    _ => {}
                }
                if *event == Event::NetworkUp {
                    self.probes();
                }
                if was_blocked && !self.wish.is_blocked() {
                    self.rotations.may_wait(self.now.saturating_add(self.terms.first_within));
                }
                // What is under way is not touched.
                if phase == Phase::Waiting {
                    self.attempts.hint(&self.terms, self.now, event);
                }
            }
            Event::Rotate => self.asked_to_rotate(self.now),
            Event::Subscribe { key } => self.keys.want(key),
            Event::Unsubscribe { key } => self.keys.withdraw(key),
            Event::Resync { key } => self.keys.resync(key),
            Event::CredentialsReady { lasts, .. } => {
                let rotates = self.check_may_rotate_once_free("credentials").is_ok();
                self.credentials.fetched(&self.terms, self.now, lasts, rotates);
            }
            Event::CredentialsFailed { fatal, .. } => return self.refresh_failed(fatal),
            _ => return self.socket_event(event),
        }
        Ended::Nothing
    }

    /// `Start` takes effect.
    pub(super) fn begin_afresh(&mut self) {
        self.sessions.start();
        self.credentials.next_attempt();
        self.wish.degraded_spent = false;
        let next = (self.endpoints.pick(self.now), self.sessions.next());
        self.attempts.start(&self.terms, self.now, next);
    }

    /// Whoever is ready is to show that it is still there.
    fn probes(&mut self) {
        for role in [Role::Current, Role::Successor] {
            if let Some(it) = self.role_mut(role).filter(|it| it.is_ready()) {
                it.ping_owed |= it.beat.is_some();
            }
        }
    }

    fn asked_to_rotate(&mut self, by: Instant) {
        let now = self.now;
        if let Some(current) = self.role_mut(Role::Current).filter(|it| it.is_ready()) {
            current.asked_to_move(now, by);
        }
    }

    /// The refresh failed.
    pub(super) fn refresh_failed(&mut self, fatal: bool) -> Ended {
        match self.credentials.failed(&self.terms, self.now, fatal) {
            Some(Purpose::Attempt) => Ended::Attempt(Kind::Credentials { fatal }),
            Some(Purpose::Rotation) => {
                self.rotations.failed(&self.terms, self.now, fatal);
                Ended::Nothing
            }
            Some(Purpose::Either) => {
                self.rotations.may_have_failed(&self.terms, self.now, fatal);
                Ended::Nothing
            }
            // One that fell due meanwhile would have gone with its answer.
            Some(Purpose::Renewal) if self.check_may_rotate("credentials").is_ok() => {
                self.rotations.may_have_failed(&self.terms, self.now, fatal);
                Ended::Nothing
            }
            Some(Purpose::Renewal | Purpose::Nothing) | None => Ended::Nothing,
        }
    }

    fn socket_event(&mut self, event: &Event) -> Ended {
        let Some(conn) = conn_of(event) else { return Ended::Nothing };
        let (now, spoken) = (self.now, self.spoken_on() == Some(conn));
        let terms = Arc::clone(&self.terms);
        let Some(it) = self.by_id_mut(conn) else { return Ended::Nothing };
        match *event {
            Event::Opened { .. } => {
                if it.opens(now) && terms.ready_within.is_none() && it.closing.is_none() {
                    self.becomes_ready(conn, redial::Established::Fresh, false);
                }
                return Ended::Nothing;
            }
            Event::Closed { closure, .. } => {
                let kind = Kind::Closed(terms.verdict(&closure));
                return Ended::Connection(conn, kind, Some(closure));
            }
            _ => {}
        }
        let dialling = it.opened_at.is_none();
        if let Event::Ready { .. } = event
            && terms.ready_within.is_some()
            && it.closing.is_none()
        {
            it.opens(now);
        }
        it.hears(now);
        match *event {
            Event::Ready { session, resumable, .. } => {
                let waits = it.ready_at.is_none() && it.closing.is_none();
                if waits && terms.ready_within.is_some() {
                    self.becomes_ready(conn, session, resumable);
                }
            }
            Event::Acked { request, .. } => {
                it.progress_at = now;
                self.keys.acked(conn, request, spoken);
            }
            Event::Refused { request, refusal, .. } => {
                it.progress_at = now;
                self.keys.refused(&terms, now, conn, (request, refusal), spoken);
            }
            Event::Negotiated { heartbeat, spread, .. } => {
                it.spread = spread.or(it.spread);
                if let (Some(beat), Some(often), false) = (it.beat, heartbeat, dialling) {
                    it.beat = Some(terms.agreed_beat(beat, often));
                }
                if it.is_ready() && it.role == Role::Current {
                    let spread = it.spread;
                    self.attempts.negotiated(spread);
                }
            }
            Event::GoAway { within, .. } => return self.sent_away(conn, within),
            Event::SessionLost { .. } => return self.session_lost(conn),
            _ => {}
        }
        Ended::Nothing
    }

    /// `conn` is ready now.
    fn becomes_ready(&mut self, conn: ConnId, session: redial::Established, resumable: bool) {
        let (now, keeps) = (self.now, self.terms.on_resume == redial::OnResume::Kept);
        let Some(it) = self.connections.iter_mut().find(|it| it.id == conn) else { return };
        it.is_ready_now(now, &self.terms);
        self.sessions.established(&self.terms, now, it, session, resumable);
        let it = it.clone();
        self.attempts.ready();
        self.keys.connected(conn, keeps && it.resumes);
        if it.role == Role::Current {
            self.on_ready_current(&it);
        }
    }

    /// The current connection is ready, by itself or because it was promoted.
    pub(super) fn on_ready_current(&mut self, it: &Connection) {
        self.sessions.ready(it);
        self.attempts.negotiated(it.spread);
        self.rotations.next_connection();
    }

    /// The server asks us to move.
    fn sent_away(&mut self, conn: ConnId, within: Millis) -> Ended {
        let Some(it) = self.by_id(conn) else { return Ended::Nothing };
        if it.closing.is_some() {
            return Ended::Nothing;
        }
        if it.role == Role::Current && it.ready_at.is_some() {
            let within = within.as_duration().min(self.terms.server_delay_max);
            let latest = (within / 2).max(self.terms.first_within);
            self.asked_to_rotate(self.now.saturating_add(latest));
            return Ended::Nothing;
        }
        Ended::Connection(conn, Kind::SentAway, None)
    }

    /// The server cannot resume the session.
    fn session_lost(&mut self, conn: ConnId) -> Ended {
        let Some(it) = self.by_id_mut(conn) else { return Ended::Nothing };
        it.resumable = false;
        let over = it.ready_at.is_some() || it.closing.is_some();
        if it.role == Role::Current {
            self.sessions.forget();
        }
        if over { Ended::Nothing } else { Ended::Connection(conn, Kind::SessionLost, None) }
    }

    /// What the server asked for with a closure on a held connection (P9).
    pub(super) fn hear_floor(&mut self, conn: ConnId, closure: &Closure, current: bool) {
        let (now, terms) = (self.now, &self.terms);
        let Some(it) = self.connections.iter().find(|it| it.id == conn) else { return };
        if closure.by == By::Local {
            return;
        }
        if let Some(wait) = closure.retry_after {
            self.endpoints.floor(terms, now, it.endpoint, wait.as_duration());
        }
        if let Verdict::RetryWithin { from, .. } = terms.verdict(closure)
            && current
        {
            self.endpoints.floor(terms, now, it.endpoint, from.as_duration());
        }
    }
}

pub(super) const fn conn_of(event: &Event) -> Option<ConnId> {
    match *event {
        Event::Opened { conn }
        | Event::Ready { conn, .. }
        | Event::Received { conn }
        | Event::Closed { conn, .. }
        | Event::Negotiated { conn, .. }
        | Event::GoAway { conn, .. }
        | Event::SessionLost { conn }
        | Event::Acked { conn, .. }
        | Event::Refused { conn, .. } => Some(conn),
        _ => None,
    }
}
