//! The application's wishes and the platform's hints.

use super::{Context, Ended, Lifecycle, Outage, State, Then, pending};
use crate::action::Why;
use crate::backoff::{Delay, draw};
use crate::policy::NetworkDown;
use crate::status::Cause;
use crate::time::Nanos;
use crate::verdict::Verdict;

impl Lifecycle {
    pub(super) fn start(&mut self, cx: &Context<'_>) {
        match &mut self.state {
            State::Idle | State::Halted(_) => self.begin_afresh(cx),
            State::Closing(closing) if closing.then == Then::Idle => {
                closing.then = Then::Begin;
                self.pending.set(pending::REPORT);
            }
            State::Closing(_) | State::Waiting(_) | State::Up { .. } => {}
        }
    }

    /// Limits and floors stay: a restart is no way around them (P1, P9).
    pub(super) fn begin_afresh(&mut self, cx: &Context<'_>) {
        self.failures.forget();
        self.outage = Outage { spent: Nanos::ZERO, counted_to: cx.now };
        self.ready_since_start = false;
        self.degraded_spent = false;
        self.suspended = false;
        self.cause = None;
        let length = draw(&mut self.jitter, Nanos::ZERO, cx.policy.start_within);
        // A hint shortens it no more than a spread: a fleet that starts together gets its network together.
        self.wait(cx, Delay { length, spread: true });
    }

    pub(super) fn stop(&mut self, cx: &mut Context<'_>) {
        cx.stats.unwanted();
        self.cause = None;
        self.sessions.forget();
        self.drop_side(Why::Stop);
        match &mut self.state {
            State::Idle | State::Waiting(_) | State::Halted(_) => self.enter(State::Idle),
            State::Closing(closing) => {
                let then = core::mem::replace(&mut closing.then, Then::Idle);
                // A close that the driver was told of keeps its reason.
                if closing.deadline.is_none() {
                    closing.why = Why::Stop;
                }
                self.pending.set(pending::REPORT);
                let endpoint = closing.endpoint;
                if let Then::Lose { settled: true, .. } = then {
                    self.settled(cx.stats, Some(endpoint));
                }
            }
            State::Up { current, .. } if !current.is_open() => {
                let id = current.id;
                self.abort(id, Why::Stop);
                self.enter(State::Idle);
            }
            State::Up { current, .. } => {
                if current.is_settled(cx.policy, cx.now, false) {
                    let endpoint = current.endpoint;
                    self.settled(cx.stats, Some(endpoint));
                }
                self.close(Why::Stop, Then::Idle);
            }
        }
    }

    pub(super) fn retry_now(&mut self, cx: &Context<'_>) {
        let (state, mut terms) = self.terms(cx);
        if let State::Waiting(wait) = state {
            wait.drop_backoff(&mut terms);
            self.changed();
        }
    }

    pub(super) fn network_down(&mut self, cx: &mut Context<'_>) {
        self.condition(cx, |link| link.offline = true);
        if cx.policy.network_down == NetworkDown::Probe {
            return self.probe(cx);
        }
        self.drop_side(Why::Network);
        match &self.state {
            State::Up { current, .. } => {
                let ended = Ended::of(current, cx, Cause::Network, Verdict::Retry);
                self.abort(current.id, Why::Network);
                self.end(cx, ended);
            }
            State::Closing(closing) => {
                let closing = *closing;
                self.abort(closing.id, Why::Network);
                self.closed_gracefully(cx, closing);
            }
            State::Idle | State::Waiting(_) | State::Halted(_) => {}
        }
    }

    pub(super) fn probe(&mut self, cx: &Context<'_>) {
        let heartbeat = cx.policy.heartbeat.as_ref();
        let State::Up { current, rotation } = &mut self.state else { return };
        let ready = [Some(current), rotation.successor_mut()];
        for connection in ready.into_iter().flatten().filter(|it| it.is_ready()) {
            if let Some(liveness) = connection.liveness() {
                liveness.ask(heartbeat);
            }
        }
        self.pending.set(pending::PING);
    }

    /// Changes whether the link is paused or offline, and takes the hint if the way is free.
    pub(super) fn condition(&mut self, cx: &Context<'_>, change: impl FnOnce(&mut Self)) {
        let was_blocked = self.is_blocked();
        change(self);
        let blocked = self.is_blocked();
        let (state, mut terms) = self.terms(cx);
        if let (State::Waiting(wait), false) = (state, blocked) {
            wait.hint(was_blocked, &mut terms);
        }
        if was_blocked && !blocked {
            self.unblock_rotation(cx);
            self.leaves_degraded(cx);
        }
        // A renewal that waited for the way to be free.
        self.pending.set(pending::ATTEMPT);
        self.changed();
    }
}
