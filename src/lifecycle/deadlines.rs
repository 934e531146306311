//! When something is due, and what that means.

use super::{Context, Ended, Lifecycle, State, pending, unsettled};
use crate::action::Why;
use crate::connection::Connection;
use crate::liveness::Due;
use crate::policy::Policy;
use crate::stats::count;
use crate::status::Cause;
use crate::time::Instant;
use crate::verdict::Verdict;
use crate::wait::Turn;

impl Lifecycle {
    /// Applies the deadlines that are due.
    pub(crate) fn fire_due(&mut self, cx: &mut Context<'_>) {
        while self.is_due() {
            self.account(cx);
            if !self.fire_one(cx) {
                self.unsettled.set(unsettled::DEADLINE);
                self.pending.set(pending::TIMER);
                return;
            }
            self.set_deadline(cx.policy);
        }
    }

    /// Whether a deadline may be reached: only then is anything due.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.now >= self.wake_at
    }

    /// Whether a deadline is due, or transitions have left something to settle.
    #[inline]
    pub(crate) fn is_unsettled(&self) -> bool {
        self.is_due() || self.unsettled.0 != 0
    }

    /// Whether who may be spoken to may have changed.
    #[inline]
    pub(crate) fn has_moved(&self) -> bool {
        self.unsettled.has(unsettled::MOVED | unsettled::BEGUN)
    }

    /// Who may be spoken to is known to the subscriptions.
    #[inline]
    pub(crate) fn steered(&mut self) {
        self.unsettled.clear(unsettled::MOVED | unsettled::BEGUN);
    }

    /// Works out the earliest deadline, if it may be another one.
    #[inline]
    pub(crate) fn set_deadline(&mut self, policy: &Policy) {
        if self.unsettled.has(unsettled::DEADLINE) {
            self.unsettled.clear(unsettled::DEADLINE);
            self.wake_at = self.own_deadline(policy);
        }
    }

    /// What waits for something else has no deadline of its own (P2); what is wanted and waits for
    /// nothing else has one (P3).
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(super) fn own_deadline(&self, policy: &Policy) -> Instant {
        match &self.state {
            State::Idle | State::Halted(_) => Instant::MAX,
            State::Waiting(wait) => match wait.turn {
                Turn::Refreshing => self.credentials.answer_by(),
                Turn::Waiting if !self.is_blocked() => wait.due(),
                Turn::Waiting | Turn::RefreshOwed | Turn::Open => Instant::MAX,
            },
            State::Up { current, rotation } => {
                let deadline = current.deadline(policy);
                if !current.is_ready() || self.is_without_side(current, rotation) {
                    deadline
                } else {
                    deadline.min(self.side_deadline(policy, current, rotation))
                }
            }
            State::Closing(closing) => closing.deadline.unwrap_or(Instant::MAX),
        }
    }

    /// Applies one due deadline. False if there was none.
    fn fire_one(&mut self, cx: &mut Context<'_>) -> bool {
        let blocked = self.is_blocked();
        match &mut self.state {
            State::Idle | State::Halted(_) => false,
            State::Waiting(wait) => {
                let (turn, due) = (wait.turn, wait.due());
                match turn {
                    Turn::Waiting if !blocked && cx.now >= due => self.fall_due(cx),
                    Turn::Refreshing if cx.now >= self.credentials.answer_by() => {
                        self.refresh_failed(cx, false);
                    }
                    Turn::Waiting | Turn::RefreshOwed | Turn::Refreshing | Turn::Open => {
                        return false;
                    }
                }
                true
            }
            State::Up { current, .. } => match due_cause(current, cx) {
                None => {
                    // A ping may be owed, or a renewal.
                    self.pending.set(pending::HEAD);
                    self.fire_side(cx)
                }
                Some((cause, why)) => {
                    let ended = Ended::of(current, cx, cause, Verdict::Retry);
                    // A connection presumed dead is aborted at once; the wait begins now.
                    let id = current.id;
                    self.abort(id, why);
                    self.end(cx, ended);
                    true
                }
            },
            State::Closing(closing) => {
                if closing.deadline.is_none_or(|deadline| cx.now < deadline) {
                    return false;
                }
                let closing = *closing;
                self.abort(closing.id, closing.why);
                self.closed_gracefully(cx, closing);
                true
            }
        }
    }
}

/// Whether a deadline of the connection is due, and what that means.
pub(super) fn due_cause(connection: &mut Connection, cx: &mut Context<'_>) -> Option<(Cause, Why)> {
    if cx.now >= connection.stage_deadline() {
        return Some(if connection.is_open() {
            (Cause::ReadyTimeout, Why::ReadyTimeout)
        } else {
            (Cause::OpenTimeout, Why::OpenTimeout)
        });
    }
    let heartbeat = cx.policy.heartbeat.as_ref();
    let liveness = connection.liveness()?;
    match liveness.due(heartbeat, cx.policy.late_by, cx.now) {
        Due::Alive => None,
        Due::Overslept => {
            count(&mut cx.stats.late_wakeups);
            None
        }
        Due::Dead => {
            cx.stats.detected(cx.now.since(liveness.last_byte()));
            Some((Cause::Silent, Why::Silent))
        }
    }
}
