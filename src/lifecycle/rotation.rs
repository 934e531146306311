//! Rotation: another connection takes the place of the current one.
//!
//! # Theory of operation
//!
//! ```text
//!            due, admitted            ready, every key confirmed       old one gone
//!   Alone ───────────────▶ Successor ───────────────────────────▶ Leaving ─────────▶ Alone
//!     ▲                        │  fails, or stalls for `overlap`
//!     └────────────────────────┘  (again later, on a ladder of its own)
//! ```
//!
//! Make before break: the successor is dialled, made ready and subscribed on while the current one
//! delivers. Its failure costs the current one nothing. If the current one is lost meanwhile, the
//! successor is the link's attempt: there is never a third connection (P4). Without a `rotate` in the
//! policy a move is break before make: a graceful close, then the next attempt.

use super::deadlines::due_cause;
use super::{Context, Ended, Lifecycle, State, Then, connection, limits, pending, unsettled};
use crate::action::Why;
use crate::backoff::{draw, quick_draw, side_draw};
use crate::connection::{Connection, Stage};
use crate::id::{ConnId, Endpoint};
use crate::policy::Policy;
use crate::seed::Jitter;
use crate::stats::count;
use crate::status::{Cause, Continuity};
use crate::time::{Instant, Millis, Nanos};
use crate::verdict::Verdict;
use crate::wait::Turn;

/// What lies beside the current connection.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) struct Rotation {
    pub(super) side: Side,
    /// How far an attempt is that has not been made yet.
    pub(super) turn: Turn,
    /// Credentials were fetched for this attempt.
    refreshed: bool,
    /// No attempt before: the ladder's end, or a limit's. While there is a successor: when it has
    /// made no progress for too long.
    until: Instant,
    /// Attempts in a row that failed beside this connection.
    failures: u8,
    /// A server said that there is no point; until the next connection.
    barred: bool,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Side {
    Alone,
    Successor(Connection),
    /// The connection that was taken over from.
    Leaving {
        id: ConnId,
        endpoint: Endpoint,
        /// When it is aborted; unknown until its `Close` is handed out.
        deadline: Option<Instant>,
    },
}

impl Rotation {
    /// Not a constant: one is copied as a whole, unused bytes of a successor included.
    #[inline]
    pub(super) const fn none() -> Self {
        Self {
            side: Side::Alone,
            turn: Turn::Waiting,
            refreshed: false,
            until: Instant::ZERO,
            failures: 0,
            barred: false,
        }
    }

    /// A successor is dialled.
    pub(super) fn begun(&mut self, connection: Connection, cx: &Context<'_>) {
        self.turn = Turn::Waiting;
        self.refreshed = false;
        self.side = Side::Successor(connection);
        self.until = stalls_at(cx);
    }

    pub(super) const fn is_under_way(&self) -> bool {
        matches!(self.side, Side::Successor(_))
    }

    pub(super) const fn successor(&self) -> Option<&Connection> {
        match &self.side {
            Side::Successor(connection) => Some(connection),
            Side::Alone | Side::Leaving { .. } => None,
        }
    }

    pub(super) const fn successor_mut(&mut self) -> Option<&mut Connection> {
        match &mut self.side {
            Side::Successor(connection) => Some(connection),
            Side::Alone | Side::Leaving { .. } => None,
        }
    }

    /// The id and the endpoint of what lies beside.
    pub(super) const fn beside(&self) -> Option<(ConnId, Endpoint)> {
        match &self.side {
            Side::Alone => None,
            Side::Successor(connection) => Some((connection.id, connection.endpoint)),
            Side::Leaving { id, endpoint, .. } => Some((*id, *endpoint)),
        }
    }
}

/// When a successor that makes progress now has stalled. `overlap` bounds the time without progress,
/// not the whole rotation: a paced replay takes its time.
fn stalls_at(cx: &Context<'_>) -> Instant {
    cx.policy.rotate.map_or(Instant::MAX, |terms| cx.now.after(terms.overlap))
}

/// When a connection that is ready now is to be replaced.
pub(super) fn draw_rotate_at(cx: &Context<'_>, jitter: &mut Jitter) -> Instant {
    let Some(terms) = cx.policy.rotate else { return Instant::MAX };
    let earliest = Nanos(terms.after.0.saturating_sub(terms.jitter.0));
    cx.now.after(draw(jitter, earliest, terms.after))
}

/// What asks for a rotation.
impl Lifecycle {
    /// The server asks: within half of what it gives us, at an instant of our own, or a herd moves
    /// at once. Before ready the attempt has failed.
    pub(super) fn go_away(&mut self, cx: &mut Context<'_>, conn: ConnId, within: Millis) {
        if !self.heard(cx, conn) {
            return;
        }
        if !self.is_current(conn) {
            return self.fail_successor(cx, conn, Verdict::Retry, Some(Why::Moved));
        }
        let Some(current) = connection(&mut self.state, conn) else { return };
        if !current.is_ready() {
            let ended = Ended::of(current, cx, Cause::Moved, Verdict::Retry);
            self.abort(conn, Why::Moved);
            return self.end(cx, ended);
        }
        let within = within.nanos().min(cx.policy.server_delay_max);
        let latest = Nanos(within.0 / 2).max(cx.policy.retry.first_within);
        let delay = draw(&mut self.jitter, Nanos::ZERO, latest);
        self.rotate_by(cx.now.after(delay));
    }

    /// A ready connection is to be replaced by `at`. While a successor is under way that holds for the
    /// case that it fails.
    pub(super) fn rotate_by(&mut self, at: Instant) {
        let State::Up { current, .. } = &mut self.state else { return };
        if current.is_ready() {
            current.rotate_at = at.min(current.rotate_at);
            self.changed();
        }
    }

    /// When the next rotation is due; never while something else must come first (P2).
    fn rotation_due(&self, policy: &Policy, current: &Connection, rotation: &Rotation) -> Instant {
        let restored = matches!(current.stage, Stage::Live | Stage::Degraded);
        let free = matches!(rotation.side, Side::Alone) && matches!(rotation.turn, Turn::Waiting);
        if !free || rotation.barred || !restored || self.is_blocked() {
            return Instant::MAX;
        }
        let returns = policy.rotate.is_some() && current.endpoint != Endpoint(0);
        let return_at = if returns {
            let first_open_at = self.endpoints.open_at(Endpoint(0));
            first_open_at.after(policy.endpoints.prefer_first_after)
        } else {
            Instant::MAX
        };
        current.rotate_at.min(return_at).max(rotation.until)
    }

    /// Whether nothing beside a ready current connection can have a deadline, as is so for most
    /// links. Where a policy rotates, `rotate_at` is drawn.
    #[inline]
    pub(super) fn is_without_side(&self, current: &Connection, rotation: &Rotation) -> bool {
        let is_alone = matches!(rotation.side, Side::Alone);
        is_alone && current.rotate_at == Instant::MAX && self.credentials.are_at_rest()
    }

    /// The earliest deadline of what lies beside a ready current connection.
    #[inline(never)]
    pub(super) fn side_deadline(
        &self,
        policy: &Policy,
        current: &Connection,
        rotation: &Rotation,
    ) -> Instant {
        let side = match &rotation.side {
            Side::Alone => self.rotation_due(policy, current, rotation),
            Side::Successor(connection) => connection.deadline(policy).min(rotation.until),
            Side::Leaving { deadline, .. } => deadline.unwrap_or(Instant::MAX),
        };
        side.min(self.renewal_deadline(policy))
    }

    /// Applies one due deadline beside the current connection. False if there was none.
    pub(super) fn fire_side(&mut self, cx: &mut Context<'_>) -> bool {
        let State::Up { current, rotation } = &self.state else { return false };
        if !current.is_ready() {
            return false;
        }
        if cx.now >= self.rotation_due(cx.policy, current, rotation) {
            self.begin_rotation(cx);
            return true;
        }
        let State::Up { rotation, .. } = &mut self.state else { return false };
        match &mut rotation.side {
            Side::Alone => {}
            Side::Successor(connection) => {
                let stalled = (cx.now >= rotation.until).then_some(Why::Moved);
                let due = due_cause(connection, cx).map(|(_, why)| why).or(stalled);
                let id = connection.id;
                if due.is_some() {
                    self.fail_successor(cx, id, Verdict::Retry, due);
                    return true;
                }
            }
            Side::Leaving { id, deadline, .. } => {
                if deadline.is_some_and(|deadline| cx.now >= deadline) {
                    let id = *id;
                    rotation.side = Side::Alone;
                    self.abort(id, Why::Moved);
                    return true;
                }
            }
        }
        self.fire_renewal(cx)
    }

    /// A rotation is due: it is made once floor and limits admit, with a token to spare for a loss
    /// (P1), and with credentials where an attempt needs them.
    fn begin_rotation(&mut self, cx: &Context<'_>) {
        let free_at = self.rotation_free_at(cx);
        let State::Up { current, rotation } = &mut self.state else { return };
        if cx.policy.rotate.is_none() {
            let settled = current.is_settled(cx.policy, cx.now, false);
            self.cause = Some(Cause::Moved);
            return self.close(Why::Moved, Then::Lose { settled, cause: Cause::Moved });
        }
        if free_at > cx.now {
            let within = cx.policy.attempts.map_or(cx.policy.retry.first_within, |it| it.interval);
            // As wide as what is on top of a floor for an attempt (P9).
            let within = within.max(Nanos(free_at.since(cx.now).0 / 10));
            rotation.until = free_at.after(draw(&mut self.jitter, Nanos::ZERO, within));
            return self.changed();
        }
        let needed = self.credentials.are_needed(&cx.policy.credentials, cx.now);
        rotation.turn = if needed && !rotation.refreshed { Turn::RefreshOwed } else { Turn::Open };
        self.changed();
        self.pending.set(pending::ATTEMPT);
    }

    /// The successor's `Open` is handed out.
    #[cold]
    pub(super) fn begin_successor(&mut self, cx: &Context<'_>, successor: Connection) {
        if let State::Up { rotation, .. } = &mut self.state {
            rotation.begun(successor, cx);
        }
        // `overlap` may be shorter than `open_within`.
        self.wake_at = self.wake_at.min(self.own_deadline(cx.policy));
        self.pending.set(pending::REPORT | pending::TIMER);
    }

    /// The way is free again: a rotation that fell due meanwhile waits a quick draw, or a fleet would
    /// dial in one tick.
    pub(super) fn unblock_rotation(&mut self, cx: &Context<'_>) {
        let State::Up { current, rotation } = &self.state else { return };
        let is_due = cx.now >= self.rotation_due(cx.policy, current, rotation);
        if !is_due && !matches!(rotation.turn, Turn::RefreshOwed | Turn::Open) {
            return;
        }
        let delay = quick_draw(&cx.policy.retry, &mut self.jitter);
        let State::Up { rotation, .. } = &mut self.state else { return };
        (rotation.turn, rotation.until) = (Turn::Waiting, cx.now.after(delay));
    }

    fn rotation_free_at(&self, cx: &Context<'_>) -> Instant {
        let target = self.endpoints.pick(&cx.policy.endpoints, cx.now);
        let mut free_at = self.endpoints.floor(target);
        for (bucket, limit) in self.buckets.iter().zip(limits(cx.policy)) {
            let release = limit.map_or(Instant::ZERO, |limit| bucket.release_of_two(limit));
            free_at = free_at.max(release);
        }
        for (bucket, limit) in self.sessions.fresh.iter().zip(cx.policy.sessions.fresh) {
            let release = limit.map_or(Instant::ZERO, |limit| bucket.release(limit));
            free_at = free_at.max(release);
        }
        free_at
    }

    /// Credentials for a rotation are at hand.
    pub(super) fn rotation_refreshed(&mut self) {
        let State::Up { rotation, .. } = &mut self.state else { return };
        if matches!(rotation.turn, Turn::RefreshOwed | Turn::Refreshing) {
            rotation.turn = Turn::Waiting;
            rotation.refreshed = true;
        }
    }

    /// Credentials for a rotation could not be had. One that has not asked yet asks by itself.
    pub(super) fn rotation_not_refreshed(&mut self, cx: &Context<'_>, fatal: bool) {
        let State::Up { rotation, .. } = &mut self.state else { return };
        if rotation.turn == Turn::Refreshing {
            rotation.turn = Turn::Waiting;
            rotation.barred |= fatal;
            self.rotate_later(cx);
        }
    }
}

/// What becomes of it.
impl Lifecycle {
    /// The successor opened, is ready, or was answered on.
    pub(crate) fn progressed(&mut self, cx: &Context<'_>, conn: ConnId) {
        let State::Up { rotation, .. } = &mut self.state else { return };
        if rotation.successor().is_some_and(|it| it.id == conn) {
            rotation.until = stalls_at(cx);
        }
    }

    /// Every wanted key is confirmed or refused for good on the successor: it takes over.
    pub(crate) fn switch(&mut self, cx: &mut Context<'_>) {
        let Some(successor) = self.take_successor() else { return };
        self.account(cx);
        let State::Up { current, .. } = &self.state else { return };
        let endpoint = current.endpoint;
        if current.is_settled(cx.policy, cx.now, false) {
            self.settled(cx.stats, Some(endpoint));
        }
        count(&mut cx.stats.rotations);
        let State::Up { current, .. } = &mut self.state else { return };
        let stage = current.stage;
        let side = Side::Leaving { id: current.id, endpoint, deadline: None };
        let spread = successor.spread;
        self.sessions.established(successor.resumable, successor.session);
        *current = successor;
        current.stage = stage;
        let rotation = Rotation { side, ..Rotation::none() };
        self.continuity = Continuity::Overlapped;
        self.failures.negotiated(spread);
        if let State::Up { rotation: beside, .. } = &mut self.state {
            *beside = rotation;
        }
        self.unsettled.set(unsettled::MOVED);
        self.pending.set(pending::CLOSE);
        self.changed();
    }

    /// The current connection is lost while a successor is there: that one is the link's attempt,
    /// and what lay between is lost (P4, P14).
    pub(super) fn promote(&mut self, successor: Connection) {
        let ready = successor.is_ready();
        let (resumable, session, spread) =
            (successor.resumable, successor.session, successor.spread);
        self.enter(State::Up { current: successor, rotation: Rotation::none() });
        if ready {
            self.continue_with(resumable, session, spread);
        }
    }

    /// The successor failed, or is to be given up for `abort`. That changes nothing for the current
    /// connection, whatever the verdict.
    pub(super) fn fail_successor(
        &mut self,
        cx: &mut Context<'_>,
        conn: ConnId,
        verdict: Verdict,
        abort: Option<Why>,
    ) {
        let State::Up { rotation, .. } = &mut self.state else { return };
        let Some(successor) = rotation.successor().filter(|it| it.id == conn) else { return };
        let endpoint = successor.endpoint;
        rotation.side = Side::Alone;
        rotation.barred |= verdict == Verdict::Halt;
        count(&mut cx.stats.rotations_failed);
        match verdict {
            Verdict::Reauthenticate => self.credentials.reject(),
            Verdict::Retry
            | Verdict::RetrySoon
            | Verdict::RetryWithin { .. }
            | Verdict::NextEndpoint
            | Verdict::FreshSession
            | Verdict::Halt => {
                self.endpoints.quarantine(endpoint, &cx.policy.endpoints, cx.now);
            }
        }
        if let Some(why) = abort {
            self.abort(conn, why);
        }
        self.unsettled.set(unsettled::MOVED);
        self.rotate_later(cx);
    }

    /// Again, on a ladder of its own.
    fn rotate_later(&mut self, cx: &Context<'_>) {
        let State::Up { rotation, .. } = &mut self.state else { return };
        rotation.failures = rotation.failures.saturating_add(1);
        rotation.refreshed = false;
        let delay = side_draw(&cx.policy.retry, rotation.failures, &mut self.jitter);
        rotation.until = cx.now.after(delay);
        self.changed();
    }

    /// What lies beside was reported closed.
    pub(super) fn side_closed(&mut self, cx: &mut Context<'_>, conn: ConnId, verdict: Verdict) {
        let State::Up { rotation, .. } = &mut self.state else { return };
        match &rotation.side {
            Side::Alone => {}
            Side::Successor(_) => self.fail_successor(cx, conn, verdict, None),
            Side::Leaving { .. } => {
                rotation.side = Side::Alone;
                self.changed();
            }
        }
    }

    /// The successor, if there is one; what is leaving is dropped.
    pub(super) fn take_successor(&mut self) -> Option<Connection> {
        let State::Up { rotation, .. } = &mut self.state else { return None };
        match core::mem::replace(&mut rotation.side, Side::Alone) {
            Side::Alone => None,
            Side::Successor(connection) => Some(connection),
            Side::Leaving { id, .. } => {
                self.abort(id, Why::Moved);
                None
            }
        }
    }

    /// Nothing is to lie beside the current connection any more.
    pub(super) fn drop_side(&mut self, why: Why) {
        if let Some(successor) = self.take_successor() {
            self.abort(successor.id, why);
            self.unsettled.set(unsettled::MOVED);
        }
    }

    /// The `Close` of the connection that is leaving, with its deadline.
    pub(super) fn leave(&mut self, cx: &Context<'_>) -> Option<ConnId> {
        let State::Up { rotation, .. } = &mut self.state else { return None };
        let Side::Leaving { id, deadline: deadline @ None, .. } = &mut rotation.side else {
            return None;
        };
        let at = cx.now.after(cx.policy.close_within);
        *deadline = Some(at);
        self.wake_at = self.wake_at.min(at);
        Some(*id)
    }
}
