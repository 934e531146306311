//! The peer: what it makes of requests, of a handshake, and what it tells on its own.

use core::time::Duration;

use redial::{
    Closure, ConnId, Established, Event, Instant, Millis, Refusal, Request, SubKey, Verdict,
};

use super::{Item, Net};

impl Net {
    pub(super) fn request(
        &mut self,
        now: Instant,
        conn: ConnId,
        request: Request,
        subscribe: bool,
    ) {
        let faults = self.faults;
        self.sessions.spoken(conn);
        if !self.reaches(conn) || self.script.forgets || self.dice.chance(faults.forgets) {
            return;
        }
        let refusal = self.refusal(request.key, subscribe);
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        let answer = match refusal {
            Some(refusal) => {
                socket.held.remove(&request.key);
                Event::Refused { conn, request, refusal }
            }
            None => {
                if subscribe {
                    socket.held.insert(request.key);
                } else {
                    socket.held.remove(&request.key);
                }
                Event::Acked { conn, request }
            }
        };
        if self.dice.chance(faults.forgets_answer) {
            return;
        }
        let late = if self.dice.chance(faults.answers_late) {
            self.timing.ack_within + self.dice.span(self.timing.ack_within)
        } else {
            Duration::ZERO
        };
        self.report(now.saturating_add(late), conn, answer);
        if self.dice.chance(faults.answers_twice) {
            self.report(now.saturating_add(late), conn, answer);
        }
    }

    fn refusal(&mut self, key: SubKey, subscribe: bool) -> Option<Refusal> {
        if subscribe && let Some(refusal) = self.script.refusals.get(&key) {
            return Some(*refusal);
        }
        if self.dice.chance(self.faults.refuses_for_good) {
            Some(Refusal::Final)
        } else if self.dice.chance(self.faults.refuses_for_now) {
            let wait = self.dice.chance(50).then(|| Millis::new(self.dice.below(20_000) as u32));
            Some(Refusal::Retry(wait))
        } else {
            None
        }
    }

    /// The application handshake of a connection that has just opened.
    pub(super) fn greet(&mut self, now: Instant, conn: ConnId) {
        let at = now.saturating_add(self.latency());
        match self.sockets.get(&conn).and_then(|socket| socket.resumes) {
            None => self.begin_session(at, conn),
            Some(session) => self.resume(at, conn, session),
        }
    }

    fn begin_session(&mut self, at: Instant, conn: ConnId) {
        let scripted = self.script.dials.is_some();
        let keeps = if scripted {
            self.script.keeps_sessions
        } else {
            !self.dice.chance(self.faults.keeps_no_session)
        };
        let poisoned = self.dice.chance(self.faults.poisons_session);
        let session = keeps.then(|| self.sessions.begin(conn, poisoned));
        self.ready(at, conn, Established::Fresh, session);
    }

    fn ready(&mut self, at: Instant, conn: ConnId, how: Established, session: Option<u64>) {
        let Some(socket) = self.sockets.get_mut(&conn) else { return };
        socket.session = session;
        let ready = Event::Ready { conn, session: how, resumable: session.is_some() };
        self.push(at, Item::Report(conn, ready));
    }

    fn resume(&mut self, at: Instant, conn: ConnId, session: Option<u64>) {
        let refuses = self.dice.chance(self.faults.refuses_resume);
        let kept = session.filter(|_| !refuses).and_then(|it| self.sessions.resume(it, conn));
        let Some(kept) = kept else {
            if let Some(session) = session {
                self.sessions.lose(session);
            }
            return self.refuse_resume(at, conn);
        };
        if let Some(old) = self.sockets.get_mut(&kept.conn) {
            old.ended = true;
            let held = if self.timing.keeps_subscriptions { old.held.clone() } else { [].into() };
            if let Some(socket) = self.sockets.get_mut(&conn) {
                socket.held = held;
            }
        }
        self.ready(at, conn, Established::Resumed, session);
        if kept.poisoned {
            let soon = at.saturating_add(self.dice.span(Duration::from_secs(2)));
            self.push(soon, Item::Fall(conn, Closure::peer().code(1011)));
        }
    }

    fn refuse_resume(&mut self, at: Instant, conn: ConnId) {
        match self.dice.below(3) {
            0 => self.begin_session(at, conn),
            1 => self.push(at, Item::Report(conn, Event::SessionLost { conn })),
            _ => {
                let closure = Closure::peer().code(4009).verdict(Verdict::FreshSession);
                self.push(at, Item::Fall(conn, closure));
            }
        }
    }

    /// What the server tells on an open connection while all is well.
    pub(super) fn tell(&mut self, now: Instant, conn: ConnId) {
        let faults = self.faults;
        if self.dice.chance(faults.negotiates) {
            let heartbeat = self.dice.chance(70).then(|| self.dice.below(40_000));
            let spread = self.dice.chance(50).then(|| self.dice.below(90_000));
            let [heartbeat, spread] = [heartbeat, spread].map(|millis| {
                // None at all, now and then.
                let some = u64::from(!self.dice.chance(10));
                millis.map(|millis| Millis::new((millis * some) as u32))
            });
            self.report(now, conn, Event::Negotiated { conn, heartbeat, spread });
        }
        if self.dice.chance(faults.sends_away) {
            let at = now.saturating_add(self.dice.span(Duration::from_secs(60)));
            let within = Millis::new(self.dice.below(30_000) as u32);
            self.report(at, conn, Event::GoAway { conn, within });
        }
        if self.dice.chance(faults.loses_session) {
            let at = now.saturating_add(self.dice.span(Duration::from_secs(60)));
            self.push(at, Item::LosesSession(conn));
        }
    }

    /// The peer forgets the session that runs on `conn`, and says so.
    pub(super) fn loses_session(&mut self, conn: ConnId) -> Option<Event> {
        let session = self.sockets.get(&conn)?.session?;
        self.sessions.lose(session);
        self.reaches(conn).then_some(Event::SessionLost { conn })
    }
}
