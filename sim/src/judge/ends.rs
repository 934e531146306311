//! What became of connections and attempts: one loss is one loss (P12), silence is noticed (P7), a
//! successor fails or takes over.

use redial::{By, Closure, ConnId, Event, Instant, Phase, Verdict, WhenDegraded, Why};

use super::attempt::{Kind, Loss};
use super::connection::{Closing, Connection, Role};
use super::input::Ended;
use super::{Check, Judge, Promise, View, broken, ensure};

/// What the link's counters say has happened in one event. Where the log allows either, they decide.
#[derive(Clone, Copy, Debug)]
struct Claims {
    settled: u64,
    rotations: u64,
    rotations_failed: u64,
}

impl Claims {
    const fn between(before: &View, after: &View) -> Self {
        Self {
            settled: after.settled.wrapping_sub(before.settled),
            rotations: after.rotations.wrapping_sub(before.rotations),
            rotations_failed: after.rotations_failed.wrapping_sub(before.rotations_failed),
        }
    }

    /// One of these, if one is left.
    const fn take(count: &mut u64) -> bool {
        let any = *count > 0;
        *count = count.saturating_sub(1);
        any
    }
}

impl Judge {
    /// After an event: what it ended, what deadlines ended, and what the link says now.
    pub(super) fn follow(&mut self, event: &Event, before: &View, ended: &Ended) -> Check {
        let mut claims = Claims::between(before, &self.view);
        let mut halted = None;
        match ended {
            Ended::Nothing => {}
            Ended::Connection(conn, kind, closure) => {
                self.event_ended(*conn, *kind, closure.as_ref(), before, &mut claims, &mut halted)?;
            }
            Ended::Attempt(kind) => self.attempt_failed(*kind, &mut halted),
            Ended::All => self.all_ended(&mut claims, &mut halted)?,
        }
        self.refresh_timed_out(&mut halted);
        self.fell_due(event, before, &mut halted);
        if let Event::Stop = event {
            self.stopped(&mut claims);
        }
        self.deadlines_ended(event, &mut claims, &mut halted)?;
        self.closing_began(before)?;
        self.check_connected()?;
        ensure(claims.settled == 0, Promise::OneLoss, || {
            format!("{} connections too many count as settled", claims.settled)
        })?;
        ensure(claims.rotations + claims.rotations_failed == 0, Promise::Rotation, || {
            format!("rotations count that the log does not show: {claims:?}")
        })?;
        self.check_halted(before, halted)?;
        self.check_said()
    }

    /// A connection ended by an event about it.
    fn event_ended(
        &mut self,
        conn: ConnId,
        kind: Kind,
        closure: Option<&Closure>,
        before: &View,
        claims: &mut Claims,
        halted: &mut Option<redial::Halted>,
    ) -> Check {
        let Some(it) = self.by_id(conn) else { return Ok(()) };
        let (role, was_closing) = (it.role, it.closing.is_some());
        let proof = closure.map(|closure| closure.by);
        let settles = self.settles(conn, proof, before);
        if let Some(closure) = closure {
            self.hear_floor(conn, closure, !was_closing);
            if role == Role::Current && !was_closing {
                self.hear_session(closure);
            }
        }
        let Some(it) = self.by_id_mut(conn) else { return Ok(()) };
        it.gone |= closure.is_some();
        match role {
            Role::Leaving => {
                it.let_go = true;
                Ok(())
            }
            Role::Successor => {
                Claims::take(&mut claims.rotations_failed);
                self.successor_failed(kind.verdict());
                Ok(())
            }
            Role::Current => self.current_ended(kind, settles, claims, halted),
        }
    }

    /// A closure that says that the server keeps no session.
    fn hear_session(&mut self, closure: &Closure) {
        if self.terms.ends_session(closure) {
            self.sessions.forget();
        }
    }

    /// The network went, and with it all that is held.
    fn all_ended(&mut self, claims: &mut Claims, halted: &mut Option<redial::Halted>) -> Check {
        for role in [Role::Successor, Role::Leaving] {
            self.drop_role(role);
        }
        let Some(current) = self.role(Role::Current) else { return Ok(()) };
        let settles = self.settles(current.id, None, &self.view);
        self.current_ended(Kind::Network, settles, claims, halted)
    }

    /// Whether the connection had settled where it ends now. `None`: what the judge saw allows both.
    /// `proof`: who closed it, if it was closed.
    fn settles(&self, conn: ConnId, proof: Option<By>, before: &View) -> Option<bool> {
        let (it, terms) = (self.by_id(conn)?, &self.terms);
        // Until when a connection that we close ourselves proves its uptime is not agreed.
        if it.closing.is_some() {
            return None;
        }
        if it.is_settled(it.last_byte, terms) {
            return Some(true);
        }
        if !it.is_settled(self.now, terms) {
            return Some(false);
        }
        if proof != Some(By::Peer) {
            return Some(false);
        }
        let late = |due: Instant| self.now > due.saturating_add(terms.late_by);
        if it.beat.is_some_and(|beat| late(it.alarm(beat))) {
            return Some(false);
        }
        // The deadline is a lower bound: whether it was a true one, only our own count can tell. And a
        // ping that the driver has not fetched is no deadline.
        let told = self.was_drained && !late(before.deadline.unwrap_or(Instant::MAX));
        told.then_some(true)
    }

    /// The current connection ended. A successor takes its place, be it ready or not.
    fn current_ended(
        &mut self,
        kind: Kind,
        settles: Option<bool>,
        claims: &mut Claims,
        halted: &mut Option<redial::Halted>,
    ) -> Check {
        let Some(current) = self.role_mut(Role::Current) else { return Ok(()) };
        current.let_go = true;
        let it = current.clone();
        let counts = self.wish.wanted && !self.wish.afresh && settles != Some(false);
        // One that had not settled leaves it to another that ends in the same instant.
        let claimed = counts && Claims::take(&mut claims.settled);
        let settled = settles.unwrap_or(claimed);
        self.drop_role(Role::Leaving);
        let why = it.closing.map(|closing| closing.why);
        let kind = match why {
            Some(Why::Moved) => Kind::Moved,
            Some(Why::Degraded) => Kind::Degraded,
            Some(_) | None => kind,
        };
        if self.wish.afresh {
            self.wish.afresh = false;
            self.keys.disconnected(it.id, false);
            self.begin_afresh();
            return Ok(());
        }
        if !self.wish.wanted {
            self.keys.disconnected(it.id, false);
            return Ok(());
        }
        ensure(!settled || claimed, Promise::OneLoss, || {
            format!("connection {} had settled and does not count as such, {it:?}", it.id)
        })?;
        self.learn_of(&it, kind, settled, halted);
        Ok(())
    }

    /// What the end of the current connection means for all that outlives it.
    fn learn_of(
        &mut self,
        it: &Connection,
        kind: Kind,
        settled: bool,
        halted: &mut Option<redial::Halted>,
    ) {
        let verdict = kind.verdict();
        let failed = !settled && kind != Kind::Network;
        if verdict == Verdict::FreshSession {
            self.sessions.forget();
        } else if it.resumes && it.opened_at.is_some() {
            let blamed = failed && verdict != Verdict::Reauthenticate;
            if settled || blamed {
                self.sessions.resume_ended(&self.terms, settled);
            }
        }
        if verdict == Verdict::Reauthenticate {
            self.credentials.rejected();
        }
        if settled {
            self.endpoints.forgive(it.endpoint);
        }
        let round = self.endpoints.learn(&self.terms, self.now, it.endpoint, failed, verdict);
        let keeps = self.sessions.is_kept() && self.terms.on_resume == redial::OnResume::Kept;
        self.keys.disconnected(it.id, keeps);
        let promotes = self.role(Role::Successor).is_some();
        self.lost(Loss { kind, settled, round, promotes }, halted);
        self.rotations.next_connection();
        if !promotes || halted.is_some() {
            self.credentials.next_attempt();
            return self.drop_role(Role::Successor);
        }
        self.credentials.next_rotation();
        let Some(successor) = self.role_mut(Role::Successor) else { return };
        successor.role = Role::Current;
        let successor = successor.clone();
        if successor.ready_at.is_some() {
            self.on_ready_current(&successor);
        }
    }

    fn lost(&mut self, loss: Loss, halted: &mut Option<redial::Halted>) {
        let next = (self.endpoints.pick(self.now), self.sessions.next());
        *halted = self.attempts.lost(&self.terms, self.now, loss, next);
    }

    /// An attempt that was not made yet has failed.
    fn attempt_failed(&mut self, kind: Kind, halted: &mut Option<redial::Halted>) {
        self.credentials.next_attempt();
        let loss = Loss { kind, settled: false, round: false, promotes: false };
        self.lost(loss, halted);
    }

    /// The answer to a refresh is missing for too long.
    fn refresh_timed_out(&mut self, halted: &mut Option<redial::Halted>) {
        let late = self.credentials.answer_by(&self.terms).is_some_and(|by| self.now >= by);
        if late && let Ended::Attempt(kind) = self.refresh_failed(false) {
            self.attempt_failed(kind, halted);
        }
    }

    /// The wait for an attempt is over with this event, which may be the end of all patience.
    fn fell_due(&mut self, event: &Event, before: &View, halted: &mut Option<redial::Halted>) {
        let (now, blocked) = (self.now, self.wish.is_blocked());
        let until = before.status.until.filter(|_| before.status.phase == Phase::Waiting);
        let Some(wait) = &mut self.attempts.wait else { return };
        let over = until.is_some_and(|until| now >= until) && !blocked;
        let anew = matches!(event, Event::Resume | Event::NetworkUp);
        let newly = over && wait.due_at.is_none() && !anew;
        if newly || (over && anew) {
            wait.due_at = Some(now);
        }
        // A hint may make it due at once, and an answer lets it fall due again.
        let says_so = self.view.status.phase == Phase::Halted && !blocked;
        if self.attempts.is_outage_over(&self.terms) && (newly || says_so) {
            self.attempts.wait = None;
            *halted = Some(redial::Halted::Exhausted);
        }
    }

    /// `Stop` drops all but what is closed with a handshake.
    fn stopped(&mut self, claims: &mut Claims) {
        // Until when the one that is closed proves its uptime is not agreed.
        if let Some(endpoint) = self.role(Role::Current).map(|it| it.endpoint)
            && Claims::take(&mut claims.settled)
        {
            self.attempts.settled();
            self.endpoints.forgive(endpoint);
        }
        for role in [Role::Successor, Role::Leaving] {
            self.drop_role(role);
        }
        let Some(it) = self.role_mut(Role::Current) else { return };
        if it.opened_at.is_none() {
            self.drop_role(Role::Current);
        } else if let Some(closing) = it.closing.as_mut().filter(|closing| !closing.told) {
            closing.why = Why::Stop;
        }
    }

    /// The held connection in this role is held no more, without a report of its end.
    fn drop_role(&mut self, role: Role) {
        let Some(it) = self.role_mut(role) else { return };
        it.let_go = true;
        let id = it.id;
        self.keys.parted(id);
    }

    /// Deadlines: the current connection's first, then what lies beside it.
    fn deadlines_ended(
        &mut self,
        event: &Event,
        claims: &mut Claims,
        halted: &mut Option<redial::Halted>,
    ) -> Check {
        // At most a current connection, the successor that takes its place, and one that leaves.
        for _ in 0..3 {
            let status = self.view.status;
            let connected = is_connected(status.phase);
            let successor = self.role(Role::Successor).map(|it| it.id);
            let Some(current) = self.role(Role::Current).map(|it| it.id) else { break };
            // What a close that begins drops did not fail; what had ended before it counts.
            let stopped = matches!(event, Event::Stop);
            let ended = claims.rotations_failed > 0 || (!stopped && self.is_dead(current));
            let dropped = status.phase == Phase::Closing && !ended;
            let rotating = status.rotating || dropped;
            if connected && (successor.is_none() || rotating) {
                break;
            }
            match successor {
                Some(successor) if connected && Claims::take(&mut claims.rotations) => {
                    self.moved(current, successor, claims)?;
                }
                Some(successor) if connected && Claims::take(&mut claims.rotations_failed) => {
                    self.reason_to_let_go(successor)?;
                    self.successor_failed(Verdict::Retry);
                }
                Some(_) | None => {
                    let kind = self.reason_to_let_go(current)?;
                    let settles = self.settles(current, None, &self.view);
                    self.current_ended(kind, settles, claims, halted)?;
                }
            }
        }
        self.left_in_time(event);
        Ok(())
    }

    /// A ready connection has been silent for so long that nothing excuses it.
    fn is_dead(&self, conn: ConnId) -> bool {
        let Some(it) = self.by_id(conn).filter(|it| it.is_listening()) else { return false };
        let Some((beat, _)) = it.beat.zip(it.ping_at) else { return false };
        let alarm = it.alarm(beat);
        let late = self.now > alarm.saturating_add(self.terms.late_by);
        self.now >= alarm && (it.probed || !late)
    }

    /// The one that a rotation moved away from is aborted when its time is over.
    fn left_in_time(&mut self, event: &Event) {
        let within = self.terms.close_within;
        let now = self.now;
        let over = |it: &&Connection| {
            let closing = it.closing.filter(|closing| closing.told);
            closing.is_some_and(|closing| now >= closing.since.saturating_add(within))
        };
        let stopped = matches!(event, Event::Stop);
        if stopped || self.role(Role::Leaving).as_ref().is_some_and(over) {
            self.drop_role(Role::Leaving);
        }
    }

    /// A rotation moves to its successor.
    fn moved(&mut self, from: ConnId, to: ConnId, claims: &mut Claims) -> Check {
        self.keys.may_move_to(to)?;
        let settles = self.settles(from, None, &self.view);
        let settled = settles.unwrap_or(claims.settled > 0);
        let claimed = Claims::take(&mut claims.settled);
        ensure(settled == claimed, Promise::OneLoss, || {
            format!("connection {from} had settled: {settled}, it counts as such: {claimed}")
        })?;
        let (now, why) = (self.now, Why::Moved);
        if let Some(it) = self.by_id_mut(from) {
            it.role = Role::Leaving;
            it.closing = Some(Closing { since: now, told: false, why });
            let endpoint = it.endpoint;
            if settled {
                self.attempts.settled();
                self.endpoints.forgive(endpoint);
            }
        }
        self.keys.moved(from, to);
        self.rotations.next_connection();
        self.credentials.next_rotation();
        let Some(it) = self.by_id_mut(to) else { return Ok(()) };
        it.role = Role::Current;
        let it = it.clone();
        self.sessions.overlapped(&it);
        self.attempts.negotiated(it.spread);
        Ok(())
    }

    /// The link gave up a connection without a report of its end: what entitles it to.
    fn reason_to_let_go(&self, conn: ConnId) -> Result<Kind, (Promise, String)> {
        let (now, terms) = (self.now, &self.terms);
        let Some(it) = self.by_id(conn) else { return Ok(Kind::Network) };
        let passed = |since: Option<Instant>, span| {
            since.is_some_and(|since| now >= since.saturating_add(span))
        };
        let silent = it.beat.is_some_and(|beat| passed(it.ping_at, beat.dead_after));
        let stalled = it.role == Role::Successor
            && terms.rotate.is_some_and(|rotate| passed(Some(it.progress_at), rotate.overlap));
        let over = if let Some(closing) = it.closing {
            passed(Some(closing.since), terms.close_within)
        } else if it.opened_at.is_none() {
            passed(Some(it.dialled_at), terms.open_within)
        } else if it.ready_at.is_none() {
            let greeted = terms.ready_within.is_some_and(|within| passed(it.opened_at, within));
            greeted || silent
        } else {
            silent
        };
        if over || stalled {
            return Ok(Kind::TimedOut);
        }
        broken(
            Promise::SilenceIsNoticed,
            format!(
                "connection {conn} was given up for {:?}, last byte at {}, pinged at {:?}",
                self.view.status.cause, it.last_byte, it.ping_at
            ),
        )
    }

    /// The link closes its current connection with a handshake: what entitles it to.
    fn closing_began(&mut self, before: &View) -> Check {
        let now = self.now;
        let phase = self.view.status.phase;
        let news = self.role(Role::Current).is_some_and(|it| it.closing.is_none());
        if phase != Phase::Closing || !news {
            return Ok(());
        }
        let why = if !self.wish.wanted {
            Why::Stop
        } else if self.view.status.cause == Some(redial::Cause::Moved) {
            self.check_way_free()?;
            self.check_move_asked()?;
            let current = self.role(Role::Current).map(|it| it.id);
            let restored = current.is_some_and(|it| self.keys.are_restored(&self.terms, it));
            let restoring = before.status.phase == Phase::Restoring;
            ensure(restored || !restoring, Promise::Rotation, || {
                "moves before its keys are restored".into()
            })?;
            // It may have been `Live` for no time at all.
            self.wish.degraded_spent = false;
            Why::Moved
        } else {
            let degraded = self.terms.when_degraded == WhenDegraded::Reconnect;
            // Once the way is free it leaves what it has called degraded since.
            let called = before.status.phase == Phase::Degraded;
            let given_up = degraded && (called || self.keys.given_up(&self.terms));
            let free = !self.wish.is_blocked();
            ensure(given_up && free && !self.wish.degraded_spent, Promise::Wishes, || {
                format!("closes a wanted connection, given up {given_up}, {:?}", self.wish)
            })?;
            self.wish.degraded_spent = true;
            Why::Degraded
        };
        for role in [Role::Successor, Role::Leaving] {
            self.drop_role(role);
        }
        let keeps = self.sessions.is_kept() && self.terms.on_resume == redial::OnResume::Kept;
        let Some(it) = self.role_mut(Role::Current) else { return Ok(()) };
        it.closing = Some(Closing { since: now, told: false, why });
        let id = it.id;
        self.keys.disconnected(id, keeps);
        Ok(())
    }

    /// After an event: what has no right to be silent any more.
    fn check_connected(&mut self) -> Check {
        for role in [Role::Current, Role::Successor] {
            self.check_silence(role)?;
        }
        let successor = self.role(Role::Successor).map(|it| it.id);
        let restored = successor.is_some_and(|it| self.keys.must_move_to(it));
        ensure(!restored || self.spoken_on() != successor, Promise::Rotation, || {
            format!("connection {successor:?} holds all that is wanted, and does not take over")
        })?;
        let Some(current) = self.role(Role::Current) else {
            let phase = self.view.status.phase;
            return ensure(!is_connected(phase), Promise::OneSocket, || {
                format!("{phase:?} without a connection")
            });
        };
        let ready =
            matches!(self.view.status.phase, Phase::Restoring | Phase::Live | Phase::Degraded);
        ensure(!ready || current.is_ready(), Promise::Subscriptions, || {
            format!("{:?} on a connection that is not ready", self.view.status.phase)
        })
    }

    /// A peer that is silent for too long must have been given up.
    fn check_silence(&mut self, role: Role) -> Check {
        let (now, late_by) = (self.now, self.terms.late_by);
        let Some(it) = self.role_mut(role) else { return Ok(()) };
        let Some(beat) = it.beat else { return Ok(()) };
        let alarm = it.alarm(beat);
        it.ping_owed |= it.is_listening() && now >= it.ping_due(beat);
        if !it.is_listening() || it.ping_at.is_none() || now < alarm {
            return Ok(());
        }
        let late = now > alarm.saturating_add(late_by);
        ensure(late && !it.probed, Promise::SilenceIsNoticed, || {
            format!("nothing heard since {}, due {alarm}, and still held", it.last_byte)
        })?;
        (it.probed, it.ping_owed, it.ping_at) = (true, true, None);
        Ok(())
    }

    /// A link halts when something says so, and not otherwise.
    fn check_halted(&self, before: &View, halted: Option<redial::Halted>) -> Check {
        let status = &self.view.status;
        let stays = before.status.phase == Phase::Halted && status.phase == Phase::Halted;
        let due = if stays { before.status.halted } else { halted };
        let promise = if due.is_some() { Promise::Wishes } else { Promise::NeverAsleep };
        ensure(status.halted == due, promise, || {
            format!("halted as {:?} for {:?}, due is {due:?}", status.halted, status.cause)
        })
    }

    /// What the link says of itself after an event.
    fn check_said(&mut self) -> Check {
        let status = self.view.status;
        if status.phase == Phase::Live {
            self.wish.degraded_spent = false;
        }
        // What this event let begin, or cut short, may have fallen due with it.
        let over = status.until.is_some_and(|until| self.now >= until) && !self.wish.is_blocked();
        if let Some(wait) = self.attempts.wait.as_mut().filter(|_| over) {
            wait.due_at.get_or_insert(self.now);
        }
        let fits = match status.phase {
            Phase::Idle => !self.wish.wanted,
            Phase::Closing => true,
            _ => self.wish.wanted,
        };
        ensure(fits, Promise::Wishes, || {
            format!("{:?} while wanted is {}", status.phase, self.wish.wanted)
        })?;
        let trying = [Phase::Waiting, Phase::Refreshing, Phase::Opening, Phase::Greeting];
        if trying.contains(&status.phase) {
            let attempt = self.attempts.level() + 1;
            let said = status.attempt.map(core::num::NonZeroU32::get);
            ensure(said == Some(attempt), Promise::OneLoss, || {
                format!("{:?} says attempt {said:?}, it is attempt {attempt}", status.phase)
            })?;
            self.attempts.check_suspended(&self.terms, status.suspended)?;
        }
        let rotating = self.role(Role::Successor).is_some();
        ensure(status.rotating == rotating, Promise::Reports, || {
            format!("rotating is said to be {}, it is {rotating}", status.rotating)
        })?;
        self.sessions.check(&status)?;
        let current = self.role(Role::Current).filter(|it| it.is_ready()).map(|it| it.id);
        let Some(current) = current else { return Ok(()) };
        if self.spoken_on() != Some(current) {
            self.keys.overtaken(current);
            return Ok(());
        }
        self.keys.check_phase(&self.terms, current, status.phase)
    }
}

pub(super) const fn is_connected(phase: Phase) -> bool {
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
