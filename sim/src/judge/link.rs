//! The life of connections and the wishes: P2, P3, P4, P6, P7 and the table of wishes.

use redial::{
    Action, By, Closure, ConnId, Event, How, Instant, Misuse, NetworkDown, Phase, Pings,
    WhenDegraded, Why,
};

use super::attempt::{Kind, Loss, Settled};
use super::{Check, Judge, Promise, View, broken, ensure, roughly};
use crate::terms::{Beat, Terms};

/// What the application wants.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish {
    wanted: bool,
    paused: bool,
    offline: bool,
    /// `Start` came while a connection was closing.
    afresh: bool,
}

/// The newest connection that was handed out.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) id: ConnId,
    dialled_at: Instant,
    opened_at: Option<Instant>,
    ready_at: Option<Instant>,
    /// Of the peer, `Opened` included.
    last_byte: Instant,
    /// When the first ping since the last byte was handed out.
    ping_at: Option<Instant>,
    /// A late wake-up of this silence was met with one more ping.
    probed: bool,
    /// A report that may or may not count as a byte came last.
    murky: bool,
    closing_since: Option<Instant>,
    /// The link holds it no more.
    let_go: bool,
    /// The driver knows: it reported the end, or was told to abort.
    gone: bool,
}

impl Connection {
    const fn new(id: ConnId, now: Instant) -> Self {
        Self {
            id,
            dialled_at: now,
            opened_at: None,
            ready_at: None,
            last_byte: now,
            ping_at: None,
            probed: false,
            murky: false,
            closing_since: None,
            let_go: false,
            gone: false,
        }
    }

    pub(super) const fn is_held(&self) -> bool {
        !self.let_go
    }

    pub(super) const fn is_ready(&self) -> bool {
        self.ready_at.is_some() && !self.let_go && self.closing_since.is_none()
    }

    fn opens(&mut self, now: Instant, terms: &Terms) {
        if self.opened_at.is_some() {
            self.murky = true;
        } else {
            self.opened_at = Some(now);
            self.last_byte = now;
            if terms.ready_within.is_none() && self.closing_since.is_none() {
                self.ready_at = Some(now);
            }
        }
    }

    const fn hears(&mut self, now: Instant) {
        if self.opened_at.is_some() {
            self.last_byte = now;
            self.ping_at = None;
            self.probed = false;
            self.murky = false;
        }
    }

    /// When it must have been pinged or presumed dead at the latest.
    fn alarm(&self, beat: Beat) -> Instant {
        match self.ping_at {
            Some(pinged) => pinged.saturating_add(beat.dead_after),
            None => self.last_byte.saturating_add(beat.ping_after),
        }
    }

    const fn is_listening(&self) -> bool {
        self.opened_at.is_some() && !self.let_go && self.closing_since.is_none() && !self.murky
    }

    fn settled(&self, until: Instant, terms: &Terms) -> bool {
        self.ready_at.is_some_and(|ready| until.saturating_since(ready) >= terms.settle_after)
    }
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
        let was_drained = core::mem::replace(&mut self.drained, false);
        self.now = self.now.max(now);
        self.handled_at = self.now;
        self.prompt = true;
        if is_foreign(event, self.held()) {
            self.foreign(event, &before, was_drained)?;
        } else {
            self.quiet_until = None;
            self.apply(event, &before)?;
        }
        if let Event::TimerFired = event {
            self.armed = None;
        }
        self.keys.notice_timeouts(&self.terms, self.now);
        self.follow_phase(event, &before)?;
        if self.connection.as_ref().is_some_and(Connection::is_ready) {
            self.keys.check_phase(&self.terms, self.view.status.phase)?;
        }
        self.check_wish()
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
                if self.held() == Some(conn) {
                    let unknown = request.number > self.keys.newest_request();
                    (unknown || request.key.get() < self.capacity).then_some(unknown)
                } else {
                    (request.key.get() < self.capacity).then_some(false)
                }
            }
            _ => Some(false),
        }
    }

    /// An event of a connection that is not held: it may do nothing but owe a `Close`.
    fn foreign(&mut self, event: &Event, before: &View, was_drained: bool) -> Check {
        if let Event::Opened { conn } = event {
            self.owed.insert(*conn);
        }
        let deadline = before.deadline.unwrap_or(Instant::MAX);
        if self.now >= deadline {
            self.quiet_until = None;
            return Ok(());
        }
        if was_drained {
            self.quiet_until = Some(deadline);
        }
        // The deadline is a lower bound: working it out again may move it later, never earlier.
        let same = View { deadline: before.deadline, ..self.view } == *before;
        let earlier = self.view.deadline.unwrap_or(Instant::MAX) < deadline;
        ensure(same && !earlier, Promise::StaleIsHarmless, || {
            format!("a stale event changed {before:?} to {:?}", self.view)
        })
    }

    fn apply(&mut self, event: &Event, before: &View) -> Check {
        let (now, terms) = (self.now, &self.terms);
        match *event {
            Event::Start => match before.status.phase {
                Phase::Idle | Phase::Halted => {
                    self.wish.wanted = true;
                    self.attempts.start(terms, now);
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
            }
            Event::Pause => self.wish.paused = true,
            Event::NetworkDown => self.wish.offline = true,
            Event::Resume | Event::NetworkUp | Event::RetryNow => {
                match event {
                    Event::Resume => self.wish.paused = false,
                    Event::NetworkUp => self.wish.offline = false,
                    _ => {}
                }
                self.attempts.hint(terms, now, event);
            }
            Event::Subscribe { key } => self.keys.want(key),
            Event::Unsubscribe { key } => self.keys.withdraw(key),
            Event::Resync { key } => self.keys.resync(key),
            _ => self.socket_event(event, before)?,
        }
        Ok(())
    }

    fn socket_event(&mut self, event: &Event, before: &View) -> Check {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        match *event {
            Event::Opened { .. } => connection.opens(self.now, &self.terms),
            Event::Received { .. } => connection.hears(self.now),
            Event::Ready { .. } => {
                if self.terms.ready_within.is_some() && connection.closing_since.is_none() {
                    if connection.opened_at.is_none() {
                        connection.opens(self.now, &self.terms);
                    }
                    connection.ready_at.get_or_insert(self.now);
                }
                connection.hears(self.now);
            }
            Event::Acked { request, .. } => {
                connection.hears(self.now);
                self.keys.acked(request);
            }
            Event::Refused { request, refusal, .. } => {
                connection.hears(self.now);
                let spoken = connection.is_ready();
                self.keys.refused(request, refusal, self.now, spoken);
            }
            Event::Closed { closure, .. } => return self.closed(closure, before),
            _ => {}
        }
        Ok(())
    }

    /// The first report of the end of the held connection.
    fn closed(&mut self, closure: Closure, before: &View) -> Check {
        let terms = &self.terms;
        let verdict = terms.verdict(&closure);
        let Some(connection) = &mut self.connection else { return Ok(()) };
        let was_closing = connection.closing_since.is_some();
        if closure.by != By::Local {
            if let Some(wait) = closure.retry_after {
                self.attempts.floor(terms, self.now, wait.as_duration());
            }
            if let redial::Verdict::RetryWithin { from, .. } = verdict
                && !was_closing
            {
                self.attempts.floor(terms, self.now, from.as_duration());
            }
        }
        connection.gone = true;
        let late = |due: Instant| self.now > due.saturating_add(terms.late_by);
        let deadline_late = late(before.deadline.unwrap_or(Instant::MAX));
        let alarm_late = terms.heartbeat.is_some_and(|beat| late(connection.alarm(beat)));
        // The deadline is a lower bound: whether it was a true one, only our own count can tell.
        let proves = match closure.by {
            By::Peer if !deadline_late => Settled::Yes,
            By::Peer if !alarm_late => Settled::Unsure,
            By::Peer | By::Local | By::Unknown => Settled::No,
        };
        let settled = if connection.settled(connection.last_byte, terms) {
            Settled::Yes
        } else if connection.settled(self.now, terms) {
            if connection.murky { Settled::Unsure } else { proves }
        } else {
            Settled::No
        };
        // Until when a connection that we close ourselves proves its uptime is not agreed.
        let settled = if was_closing { Settled::Unsure } else { settled };
        let kind = if was_closing { Kind::Degraded } else { Kind::Closed(verdict) };
        self.end(Loss { kind, settled })
    }

    /// The connection ended, whatever the reason: what the link does next.
    fn end(&mut self, loss: Loss) -> Check {
        let Some(connection) = &mut self.connection else { return Ok(()) };
        connection.let_go = true;
        self.keys.disconnected();
        let phase = self.view.status.phase;
        ensure(!is_connected(phase), Promise::OneLoss, || {
            format!("the connection ended and the link is {phase:?}")
        })?;
        if self.wish.afresh {
            self.wish.afresh = false;
            self.attempts.start(&self.terms, self.now);
        } else if self.wish.wanted {
            return self.attempts.lost(&self.terms, self.now, loss, &self.view.status);
        }
        Ok(())
    }

    /// What the phase says of the connection after an event.
    fn follow_phase(&mut self, event: &Event, before: &View) -> Check {
        let status = self.view.status;
        let Some(connection) = self.connection.as_mut().filter(|it| !it.let_go) else {
            if status.phase == Phase::Halted && before.status.phase != Phase::Halted {
                let known = conn_of(event).is_some() || self.attempts.may_give_up(&self.terms);
                return ensure(known, Promise::NeverAsleep, || {
                    format!("halted as {:?}, which nothing asked for", status.halted)
                });
            }
            return ensure(!is_connected(status.phase), Promise::OneSocket, || {
                format!("{:?} without a connection", status.phase)
            });
        };
        if !is_connected(status.phase) {
            let settled = match connection.settled(connection.last_byte, &self.terms) {
                true => Settled::Yes,
                false if connection.murky => Settled::Unsure,
                false => Settled::No,
            };
            let kind = self.reason_to_let_go(event)?;
            return self.end(Loss { kind, settled });
        }
        if status.phase == Phase::Closing && connection.closing_since.is_none() {
            let degraded = self.terms.when_degraded == WhenDegraded::Reconnect;
            connection.closing_since = Some(self.now);
            return ensure(!self.wish.wanted || degraded, Promise::Wishes, || {
                "closes a wanted connection".into()
            });
        }
        let ready = matches!(status.phase, Phase::Restoring | Phase::Live | Phase::Degraded);
        ensure(!ready || connection.is_ready(), Promise::Subscriptions, || {
            format!("{:?} on a connection that is not ready", status.phase)
        })?;
        self.check_silence()
    }

    /// The link gave up its connection without a report of its end: what entitles it to.
    fn reason_to_let_go(&self, event: &Event) -> Result<Kind, (Promise, String)> {
        let (now, terms) = (self.now, &self.terms);
        let Some(it) = &self.connection else { return Ok(Kind::Network) };
        let passed = |since: Option<Instant>, span| {
            since.is_some_and(|since| now >= since.saturating_add(span))
        };
        if let Event::Stop = event
            && it.opened_at.is_none()
        {
            return Ok(Kind::Network);
        }
        if let Event::NetworkDown = event
            && terms.network_down == NetworkDown::Drop
        {
            let closing = it.closing_since.is_some();
            return Ok(if closing { Kind::Degraded } else { Kind::Network });
        }
        if it.closing_since.is_some() {
            if passed(it.closing_since, terms.close_within) {
                return Ok(Kind::Degraded);
            }
        } else if it.opened_at.is_none() {
            if passed(Some(it.dialled_at), terms.open_within) {
                return Ok(Kind::TimedOut);
            }
        } else if it.ready_at.is_none()
            && let Some(within) = terms.ready_within
            && passed(it.opened_at, within)
        {
            return Ok(Kind::TimedOut);
        }
        if let Some(beat) = terms.heartbeat
            && it.closing_since.is_none()
            && it.opened_at.is_some()
            && passed(it.ping_at, beat.dead_after)
        {
            return Ok(Kind::TimedOut);
        }
        if terms.when_degraded == WhenDegraded::Reconnect && self.keys.given_up(terms) {
            return Ok(Kind::Degraded);
        }
        broken(
            Promise::SilenceIsNoticed,
            format!(
                "connection {} was given up for {:?}, last byte at {}, pinged at {:?}",
                it.id, self.view.status.cause, it.last_byte, it.ping_at
            ),
        )
    }

    /// After an event: a peer that is silent for too long must have been given up.
    fn check_silence(&mut self) -> Check {
        let Some((beat, it)) = self.terms.heartbeat.zip(self.connection.as_mut()) else {
            return Ok(());
        };
        let alarm = it.alarm(beat);
        if !it.is_listening() || it.ping_at.is_none() || self.now < alarm {
            return Ok(());
        }
        let late = self.now > alarm.saturating_add(self.terms.late_by);
        ensure(late && !it.probed, Promise::SilenceIsNoticed, || {
            format!("nothing heard since {}, due {alarm}, and still held", it.last_byte)
        })?;
        it.probed = true;
        it.ping_at = None;
        Ok(())
    }

    fn check_wish(&self) -> Check {
        let status = &self.view.status;
        let fits = match status.phase {
            Phase::Idle => !self.wish.wanted,
            Phase::Closing => true,
            _ => self.wish.wanted,
        };
        ensure(fits, Promise::Wishes, || {
            format!("{:?} while wanted is {}", status.phase, self.wish.wanted)
        })?;
        let trying = matches!(status.phase, Phase::Waiting | Phase::Opening | Phase::Greeting);
        let attempt = self.attempts.level() + 1;
        let said = status.attempt.map(core::num::NonZeroU32::get);
        ensure(!trying || said == Some(attempt), Promise::OneLoss, || {
            format!("{:?} says attempt {said:?}, it is attempt {attempt}", status.phase)
        })
    }

    pub(super) fn judge_action(&mut self, action: &Action, view: View) -> Check {
        self.view = view;
        let late = self.quiet_until.is_none_or(|until| self.now >= until);
        let harmless = match action {
            Action::Close { why, .. } => *why == Why::Stale,
            // A timer that should have fired by now may be armed anew.
            Action::ArmTimer { .. } => self.armed.is_some_and(|armed| armed <= self.now),
            Action::Open { .. }
            | Action::RefreshCredentials { .. }
            | Action::Ping { .. }
            | Action::Subscribe { .. }
            | Action::Unsubscribe { .. }
            | Action::Report(_)
            | Action::DisarmTimer => false,
        };
        ensure(late || harmless, Promise::StaleIsHarmless, || {
            format!("a stale event was answered with {action:?}")
        })?;
        match *action {
            Action::Open { conn, .. } => self.open(conn),
            Action::Close { conn, how, why } => self.close(conn, how, why),
            // semantics: owner
            Action::RefreshCredentials { .. } => Ok(()),
            Action::Ping { conn } => self.ping(conn),
            Action::Subscribe { conn, request } | Action::Unsubscribe { conn, request } => {
                let ready =
                    self.connection.as_ref().is_some_and(|it| it.id == conn && it.is_ready());
                ensure(ready, Promise::Subscriptions, || {
                    format!("a request on connection {conn}, which is not ready")
                })?;
                let subscribe = matches!(action, Action::Subscribe { .. });
                self.keys.request(&self.terms, self.now, request, subscribe)
            }
            Action::Report(status) => {
                let new = core::mem::replace(&mut self.reported, status) != status;
                ensure(new, Promise::Reports, || "the same report again".into())?;
                ensure(status == view.status, Promise::Reports, || {
                    format!("{status:?} is reported, {:?} is the case", view.status)
                })
            }
            Action::ArmTimer { at } => {
                self.armed = Some(at);
                Ok(())
            }
            Action::DisarmTimer => {
                self.armed = None;
                Ok(())
            }
        }
    }

    fn open(&mut self, conn: ConnId) -> Check {
        let wish = self.wish;
        ensure(wish.wanted && !wish.paused && !wish.offline, Promise::Wishes, || {
            format!("an Open while {wish:?}")
        })?;
        ensure(conn.get() > self.newest, Promise::OneSocket, || {
            format!("connection {conn} after {}", self.newest)
        })?;
        if let Some(old) = self.connection.as_ref().filter(|old| !old.gone) {
            let what = format!("an Open of {conn} while {} is open", old.id);
            return broken(Promise::OneSocket, what);
        }
        ensure(self.owed.is_empty(), Promise::OneSocket, || {
            format!("an Open while a Close is owed to {:?}", self.owed)
        })?;
        self.attempts.open(&self.terms, self.now)?;
        self.newest = conn.get();
        self.connection = Some(Connection::new(conn, self.now));
        self.keys.connected();
        Ok(())
    }

    fn close(&mut self, conn: ConnId, how: How, why: Why) -> Check {
        ensure(conn.get() <= self.newest, Promise::OneSocket, || {
            format!("a Close of {conn}, which was never opened")
        })?;
        self.owed.remove(&conn);
        let Some(it) = self.connection.as_mut().filter(|it| it.id == conn) else {
            return ensure(why == Why::Stale, Promise::OneSocket, || {
                format!("a Close of the old connection {conn} for {why:?}")
            });
        };
        match how {
            How::Abort => {
                let held = !it.let_go;
                it.gone = true;
                ensure(!held, Promise::OneSocket, || {
                    format!("connection {conn} is aborted for {why:?} and still held")
                })
            }
            How::Graceful => {
                let since = it.closing_since;
                ensure(since.is_some(), Promise::OneSocket, || {
                    format!("connection {conn} is closed for {why:?} and not closing")
                })?;
                // What an action starts counts from its hand-out.
                it.closing_since = Some(self.now);
                Ok(())
            }
        }
    }

    fn ping(&mut self, conn: ConnId) -> Check {
        let held = self.connection.as_mut().filter(|it| it.id == conn && it.is_held());
        let Some(it) = held.filter(|it| it.opened_at.is_some()) else {
            return broken(Promise::OneSocket, format!("a Ping on {conn}, which is not open"));
        };
        it.ping_at.get_or_insert(self.now);
        Ok(())
    }

    pub(super) fn judge_drained(&mut self) -> Check {
        self.quiet_until = None;
        let View { deadline, status, counts } = self.view;
        let due = deadline.unwrap_or(Instant::MAX);
        ensure(due > self.handled_at, Promise::NeverHot, || {
            format!("drained, and the deadline {due} is not later than {}", self.handled_at)
        })?;
        ensure(self.armed.unwrap_or(Instant::MAX) <= due, Promise::NeverAsleep, || {
            format!("the timer is armed for {:?}, the deadline is {due}", self.armed)
        })?;
        self.check_awake(due)?;
        self.check_sockets()?;
        self.check_ping(due)?;
        ensure(self.reported == status, Promise::Reports, || {
            format!("drained, and {status:?} was not reported")
        })?;
        if status.phase == Phase::Waiting && !self.wish.paused && !self.wish.offline {
            self.attempts.waiting(&self.terms, &status)?;
        }
        let ready = self.connection.as_ref().is_some_and(Connection::is_ready);
        self.keys.drained(&self.terms, self.handled_at, ready, due, &counts)
    }

    /// P3, and that every phase with an end of its own has the deadline for it.
    fn check_awake(&self, due: Instant) -> Check {
        let (terms, phase) = (&self.terms, self.view.status.phase);
        let at_most = match (phase, &self.connection) {
            (Phase::Idle | Phase::Halted, _) => {
                return ensure(due == Instant::MAX, Promise::Wishes, || {
                    format!("{phase:?} with a deadline at {due}")
                });
            }
            (Phase::Waiting, _) if self.wish.paused || self.wish.offline => None,
            (Phase::Waiting, _) => {
                let until = self.view.status.until;
                Some(until.unwrap_or(Instant::from_nanos(u64::MAX - 1)))
            }
            (Phase::Opening, Some(it)) => Some(it.dialled_at.saturating_add(terms.open_within)),
            (Phase::Greeting, Some(it)) => it
                .opened_at
                .zip(terms.ready_within)
                .map(|(opened, within)| opened.saturating_add(within)),
            (Phase::Closing, Some(it)) => {
                it.closing_since.map(|since| since.saturating_add(terms.close_within))
            }
            _ => None,
        };
        ensure(due <= at_most.unwrap_or(Instant::MAX), Promise::NeverAsleep, || {
            format!("{phase:?} until {at_most:?}, and the deadline is {due}")
        })
    }

    /// P4 after a drain: what is not held was told to close or reported closed.
    fn check_sockets(&self) -> Check {
        ensure(self.owed.is_empty(), Promise::OneSocket, || {
            format!("drained, and a Close is owed to {:?}", self.owed)
        })?;
        let leak = self.connection.as_ref().filter(|it| it.let_go && !it.gone);
        ensure(leak.is_none(), Promise::OneSocket, || format!("nobody closes {leak:?}"))
    }

    /// P7 after a drain: a silence that is due for a ping got one, and the next deadline is set.
    fn check_ping(&self, due: Instant) -> Check {
        let Some((beat, it)) = self.terms.heartbeat.zip(self.connection.as_ref()) else {
            return Ok(());
        };
        if !it.is_listening() {
            return Ok(());
        }
        let alarm = it.alarm(beat);
        let pinged = it.ping_at.is_some() || (self.handled_at < alarm && !it.probed);
        ensure(pinged, Promise::SilenceIsNoticed, || {
            format!("silent since {}, and no ping", it.last_byte)
        })?;
        let always = matches!(beat.pings, Pings::Always);
        ensure(due <= roughly(alarm), Promise::SilenceIsNoticed, || {
            format!("due {due}, the silence since {} at {alarm} (always: {always})", it.last_byte)
        })
    }
}

const fn is_connected(phase: Phase) -> bool {
    matches!(
        phase,
        Phase::Opening
            | Phase::Greeting
            | Phase::Restoring
            | Phase::Live
            | Phase::Degraded
            | Phase::Closing
    )
}

fn is_foreign(event: &Event, held: Option<ConnId>) -> bool {
    conn_of(event).is_some_and(|conn| Some(conn) != held)
}

const fn conn_of(event: &Event) -> Option<ConnId> {
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
