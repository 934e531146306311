//! Credentials: asked for before an attempt that needs them, and renewed beside a ready connection.

use super::{Context, Ended, Lifecycle, State, pending};
use crate::backoff::side_draw;
use crate::id::Ticket;
use crate::policy::Policy;
use crate::status::Cause;
use crate::time::{Instant, Millis};
use crate::verdict::Verdict;
use crate::wait::Turn;

impl Lifecycle {
    /// The next request for credentials, if one is to be handed out. At most one per attempt (P13).
    pub(super) fn ask(&mut self, cx: &Context<'_>) -> Option<Ticket> {
        if self.is_blocked() {
            return None;
        }
        let (turn, renews) = match &mut self.state {
            State::Waiting(wait) => (&mut wait.turn, false),
            State::Up { current, rotation } => (&mut rotation.turn, current.is_ready()),
            State::Idle | State::Closing(_) | State::Halted(_) => return None,
        };
        let for_attempt = *turn == Turn::RefreshOwed;
        let for_renewal = renews && self.credentials.is_renewal_owed();
        if !for_attempt && !for_renewal {
            return None;
        }
        if for_attempt {
            *turn = Turn::Refreshing;
        }
        let ticket = self.credentials.ask(&cx.policy.credentials, cx.now);
        self.wake_at = self.wake_at.min(self.credentials.answer_by());
        self.pending.set(pending::REPORT | pending::TIMER);
        Some(ticket)
    }

    pub(super) fn fetched(&mut self, cx: &mut Context<'_>, ticket: Ticket, lasts: Option<Millis>) {
        if !self.answered(cx, ticket) {
            return cx.stats.stale();
        }
        let run_out = lasts.map_or(Instant::MAX, |lasts| cx.now.after(lasts.nanos()));
        // What lasts no time is no reason to ask as fast as answers come (P2).
        let renew_at = run_out.max(cx.now.after(cx.policy.retry.shortest));
        self.credentials.fetched(run_out, renew_at);
        match &mut self.state {
            State::Waiting(wait) => match wait.turn {
                Turn::Refreshing => wait.refreshed(),
                // What it was about to ask for may be there (P13).
                Turn::RefreshOwed => wait.turn = Turn::Waiting,
                Turn::Waiting | Turn::Open => {}
            },
            State::Up { .. } => self.rotation_refreshed(),
            State::Idle | State::Closing(_) | State::Halted(_) => {}
        }
        self.changed();
    }

    pub(super) fn not_fetched(&mut self, cx: &mut Context<'_>, ticket: Ticket, fatal: bool) {
        if self.answered(cx, ticket) {
            self.refresh_failed(cx, fatal);
        } else {
            cx.stats.stale();
        }
    }

    /// Whether the answer to `ticket` counts. Where nothing falls due for want of it, as after a stop
    /// or once the connection that it was for is gone, it counts until its time is over (P13).
    fn answered(&mut self, cx: &Context<'_>, ticket: Ticket) -> bool {
        let falls_due = match &self.state {
            State::Waiting(wait) => wait.turn == Turn::Refreshing,
            State::Up { .. } => true,
            State::Idle | State::Closing(_) | State::Halted(_) => false,
        };
        if !falls_due && cx.now >= self.credentials.answer_by() {
            self.credentials.give_up();
        }
        self.credentials.answered(ticket)
    }

    /// No credentials: an attempt that waited for them has failed, or is pointless (P13). On a ready
    /// connection they are asked for again, and nothing else changes.
    pub(super) fn refresh_failed(&mut self, cx: &mut Context<'_>, fatal: bool) {
        self.credentials.give_up();
        match &self.state {
            State::Waiting(wait) if wait.turn == Turn::Refreshing => {
                let ended = Ended {
                    settled: false,
                    was_open: false,
                    was_ready: false,
                    resumed: false,
                    endpoint: None,
                    cause: Cause::Credentials,
                    verdict: if fatal { Verdict::Halt } else { Verdict::Retry },
                };
                self.end(cx, ended);
            }
            State::Up { .. } => {
                let failures = self.credentials.renewal_failed();
                let delay = side_draw(&cx.policy.retry, failures, &mut self.jitter);
                let again = if fatal { Instant::MAX } else { cx.now.after(delay) };
                self.credentials.renew_at(again);
                self.rotation_not_refreshed(cx, fatal);
                self.changed();
            }
            State::Waiting(_) | State::Idle | State::Closing(_) | State::Halted(_) => {}
        }
    }

    /// When credentials are renewed beside a ready connection, or the answer counts as missing.
    pub(super) fn renewal_deadline(&self, policy: &Policy) -> Instant {
        if self.credentials.answer_by() != Instant::MAX {
            return self.credentials.answer_by();
        }
        if self.is_blocked() {
            return Instant::MAX;
        }
        self.credentials.renewal_due(&policy.credentials)
    }

    /// Applies what is due of the renewal beside a ready connection. False if nothing was.
    pub(super) fn fire_renewal(&mut self, cx: &mut Context<'_>) -> bool {
        if cx.now >= self.credentials.answer_by() {
            self.refresh_failed(cx, false);
            return true;
        }
        // Once is enough while an answer is waited for.
        let due = cx.now >= self.renewal_deadline(cx.policy);
        if due {
            self.credentials.owe_renewal();
            self.pending.set(pending::ATTEMPT);
        }
        due
    }
}
