//! What the driver reports of sockets.

use super::{Context, Ended, Lifecycle, State, connection, pending, rotation, unsettled};
use crate::action::{Session, Why};
use crate::connection::Stage;
use crate::event::{By, Closure, Established};
use crate::id::{ConnId, Endpoint};
use crate::stats::count;
use crate::status::{Cause, Continuity};
use crate::time::{Instant, MaybeMillis, Millis};
use crate::verdict::{Verdict, classify};

impl Lifecycle {
    pub(super) fn opened(&mut self, cx: &mut Context<'_>, conn: ConnId) {
        let jitter = &mut self.jitter;
        let Some(connection) = connection(&mut self.state, conn).filter(|it| !it.is_open()) else {
            if self.heard(cx, conn) {
                cx.stats.stale();
            }
            return self.owe_stale_close(conn);
        };
        count(&mut cx.stats.opens);
        let heartbeat = cx.policy.heartbeat.as_ref();
        match cx.policy.ready_within {
            None => {
                connection.opened(heartbeat, cx.now, Instant::MAX, jitter);
                self.become_ready(cx, conn, Established::Fresh, false);
            }
            Some(within) => {
                connection.opened(heartbeat, cx.now, cx.now.after(within), jitter);
                self.progressed(cx, conn);
                self.changed();
            }
        }
    }

    /// A socket that opened after it was given up must not leak (P4, P6).
    fn owe_stale_close(&mut self, conn: ConnId) {
        if self.is_held(conn) || self.owed.is_aborted(conn) {
            return;
        }
        self.owed.close_stale(conn);
        self.pending.set(pending::CLOSE);
    }

    pub(super) fn ready(
        &mut self,
        cx: &mut Context<'_>,
        conn: ConnId,
        established: Established,
        resumable: bool,
    ) {
        let expected = cx.policy.ready_within.is_some();
        if expected && connection(&mut self.state, conn).is_some_and(|it| !it.is_open()) {
            self.opened(cx, conn);
        }
        match connection(&mut self.state, conn) {
            Some(connection) if connection.stage == Stage::Greeting => {
                connection.heard(cx.now);
                self.become_ready(cx, conn, established, resumable);
            }
            Some(_) | None => {
                if self.heard(cx, conn) {
                    cx.stats.stale();
                }
            }
        }
    }

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    fn become_ready(
        &mut self,
        cx: &mut Context<'_>,
        conn: ConnId,
        established: Established,
        resumable: bool,
    ) {
        count(&mut cx.stats.readies);
        self.ever_ready = true;
        let rotate_at = rotation::draw_rotate_at(cx, &mut self.jitter);
        let Some(connection) = connection(&mut self.state, conn) else { return };
        let asked = connection.session;
        connection.session = match established {
            Established::Resumed => asked,
            Established::Fresh => Session::Fresh,
        };
        connection.resumable = resumable;
        connection.ready(cx.now, rotate_at);
        let (session, spread) = (connection.session, connection.spread);
        if asked == Session::Resume && session == Session::Fresh {
            self.sessions.charge(&cx.policy.sessions, cx.now);
        }
        if self.is_current(conn) {
            self.continue_with(resumable, session, spread);
        } else {
            self.progressed(cx, conn);
        }
        self.unsettled.set(unsettled::MOVED);
        if self.credentials.is_renewal_owed() {
            // It fell due on the connection before and was not fetched.
            self.pending.set(pending::ATTEMPT);
        }
        self.changed();
    }

    /// The current connection is ready: says how it continues the one before (P14).
    pub(super) fn continue_with(&mut self, resumable: bool, session: Session, spread: MaybeMillis) {
        self.cause = None;
        self.failures.negotiated(spread);
        self.sessions.established(resumable, session);
        if session == Session::Fresh {
            self.unsettled.set(unsettled::BEGUN);
        }
        self.continuity = match session {
            Session::Resume if self.ready_since_start => Continuity::Resumed,
            Session::Fresh if self.ready_since_start => {
                self.losses = self.losses.saturating_add(1);
                Continuity::Lost
            }
            Session::Resume | Session::Fresh => Continuity::First,
        };
        self.ready_since_start = true;
    }

    /// Bytes arrived on `conn`. False, and counted, if it is not held (P6).
    pub(crate) fn heard(&mut self, cx: &mut Context<'_>, conn: ConnId) -> bool {
        if !self.is_held(conn) {
            cx.stats.stale();
            return false;
        }
        if let Some(connection) = connection(&mut self.state, conn) {
            connection.heard(cx.now);
            let deadline = connection.deadline(cx.policy);
            self.wake_by(deadline);
        }
        true
    }

    /// What the server told while all was well. The last one told wins.
    pub(super) fn agree(
        &mut self,
        cx: &mut Context<'_>,
        conn: ConnId,
        heartbeat: Option<Millis>,
        spread: Option<Millis>,
    ) {
        if !self.heard(cx, conn) {
            return;
        }
        let jitter = &mut self.jitter;
        let Some(connection) = connection(&mut self.state, conn) else { return };
        connection.spread = spread.map_or(connection.spread, MaybeMillis::some);
        let (ready, spread) = (connection.is_ready(), connection.spread);
        let terms = cx.policy.heartbeat.as_ref();
        if let (Some(every), Some(terms)) = (heartbeat, terms) {
            if let Some(liveness) = connection.liveness() {
                liveness.agree(terms, every, cx.policy.server_delay_max, jitter);
            }
        }
        if ready && self.is_current(conn) {
            self.failures.negotiated(spread);
        }
        self.changed();
    }

    /// The server cannot resume: before ready the attempt has failed, and the next one is fresh.
    pub(super) fn session_lost(&mut self, cx: &mut Context<'_>, conn: ConnId) {
        if !self.heard(cx, conn) {
            return;
        }
        let beside = matches!(self.state, State::Up { .. }) && !self.is_current(conn);
        if !beside {
            self.sessions.forget();
        }
        let Some(connection) = connection(&mut self.state, conn) else { return };
        connection.resumable = false;
        if connection.is_ready() {
            return;
        }
        if beside {
            self.fail_successor(cx, conn, Verdict::FreshSession, Some(Why::SessionLost));
        } else {
            let ended = Ended::of(connection, cx, Cause::SessionLost, Verdict::FreshSession);
            self.abort(conn, Why::SessionLost);
            self.end(cx, ended);
        }
    }

    /// The first report of an end decides; afterwards the connection is not held (P12).
    #[inline]
    pub(super) fn closed(&mut self, cx: &mut Context<'_>, conn: ConnId, closure: Closure) {
        match &self.state {
            State::Up { current, .. } if current.id == conn => {
                let endpoint = current.endpoint;
                let verdict = self.read(cx, endpoint, &closure);
                let cause = Cause::Closed { by: closure.by, fact: closure.fact };
                let State::Up { current, .. } = &self.state else { return };
                let ended = Ended::of(current, cx, cause, verdict);
                self.end(cx, ended);
            }
            State::Idle
            | State::Waiting(_)
            | State::Up { .. }
            | State::Closing(_)
            | State::Halted(_) => self.other_closed(cx, conn, &closure),
        }
    }

    /// What lies beside the current connection, or is closing, is gone; or nothing that is held.
    #[cold]
    fn other_closed(&mut self, cx: &mut Context<'_>, conn: ConnId, closure: &Closure) {
        let Some(endpoint) = self.endpoint_of(conn) else {
            return cx.stats.stale();
        };
        let verdict = self.read(cx, endpoint, closure);
        match &self.state {
            State::Up { rotation, .. } => {
                let beside = rotation.successor().is_some();
                if let (Verdict::RetryWithin { from, .. }, true) = (verdict, beside) {
                    self.raise_floor(cx, endpoint, from.nanos());
                }
                self.side_closed(cx, conn, verdict);
            }
            State::Closing(closing) => {
                let closing = *closing;
                self.closed_gracefully(cx, closing);
            }
            State::Idle | State::Waiting(_) | State::Halted(_) => {}
        }
    }

    /// What a closure means, the wait that it asks for taken to heart.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn read(&mut self, cx: &Context<'_>, endpoint: Endpoint, closure: &Closure) -> Verdict {
        if let (Some(wait), false) = (closure.retry_after, closure.by == By::Local) {
            self.raise_floor(cx, endpoint, wait.nanos());
        }
        classify(cx.policy.rules.as_slice(), *closure)
    }
}
