//! What the driver is told: the difference between what is and what it was told before.

use super::{Context, Lifecycle, State, pending};
use crate::action::{Action, How, Why};
use crate::connection::Connection;
use crate::policy::Policy;
use crate::stats::Stats;
use crate::time::Instant;

impl Lifecycle {
    /// As [`Link::poll_action`](crate::Link::poll_action).
    #[inline]
    pub fn poll_action(
        &mut self,
        policy: &Policy,
        stats: &mut Stats,
        now: Instant,
    ) -> Option<Action> {
        if self.is_drained() {
            return None;
        }
        if self.is_tail_next() {
            return self.poll_tail(now);
        }
        self.poll_pending(policy, stats, now)
    }

    #[inline(never)]
    fn poll_pending(&mut self, policy: &Policy, stats: &mut Stats, now: Instant) -> Option<Action> {
        let mut cx = self.poll_context(policy, stats, now);
        self.poll_head(&mut cx).or_else(|| self.poll_tail(now))
    }

    #[inline]
    pub(crate) const fn is_drained(&self) -> bool {
        self.pending.0 == 0
    }

    #[inline]
    pub(crate) fn poll_context<'a>(
        &mut self,
        policy: &'a Policy,
        stats: &'a mut Stats,
        now: Instant,
    ) -> Context<'a> {
        Context { policy, stats, now: self.advance(now) }
    }

    /// Moves the clock to `now`, or leaves it at the latest seen if that is later. It never reaches
    /// `Instant::MAX`, for that is what never comes.
    #[inline]
    pub(crate) fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now.min(Instant::LAST));
        self.now
    }

    /// Close, Open, RefreshCredentials, Ping.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Option<Action> {
        if self.pending.has(pending::CLOSE) {
            let action = self.poll_close(cx);
            if action.is_some() {
                return action;
            }
            self.pending.clear(pending::CLOSE);
        }
        if self.pending.has(pending::ATTEMPT) {
            let action = self.open(cx);
            if action.is_some() {
                return action;
            }
            if let Some(ticket) = self.ask(cx) {
                return Some(Action::RefreshCredentials { ticket });
            }
            self.pending.clear(pending::ATTEMPT);
        }
        if self.pending.has(pending::PING) {
            let action = self.poll_ping(cx);
            if action.is_some() {
                return action;
            }
            self.pending.clear(pending::PING);
        }
        None
    }

    fn poll_close(&mut self, cx: &Context<'_>) -> Option<Action> {
        if let Some((conn, why)) = self.owed.take_abort() {
            return Some(Action::Close { conn, how: How::Abort, why });
        }
        if let State::Closing(closing) = &mut self.state {
            if closing.deadline.is_none() {
                let deadline = cx.now.after(cx.policy.close_within);
                closing.deadline = Some(deadline);
                self.wake_at = self.wake_at.min(deadline);
                let (conn, why) = (closing.id, closing.why);
                return Some(Action::Close { conn, how: How::Graceful, why });
            }
        }
        if let Some(conn) = self.leave(cx) {
            return Some(Action::Close { conn, how: How::Graceful, why: Why::Moved });
        }
        self.poll_stale_close()
    }

    fn poll_stale_close(&mut self) -> Option<Action> {
        loop {
            let conn = self.owed.take_stale()?;
            // Two at most are held.
            if !self.is_held(conn) {
                return Some(Action::Close { conn, how: How::Abort, why: Why::Stale });
            }
        }
    }

    fn poll_ping(&mut self, cx: &Context<'_>) -> Option<Action> {
        let heartbeat = cx.policy.heartbeat.as_ref()?;
        let State::Up { current, rotation } = &mut self.state else { return None };
        let owes = |it: &mut Connection| it.liveness().is_some_and(|it| it.is_ping_owed());
        let connection = [Some(current), rotation.successor_mut()]
            .into_iter()
            .flatten()
            .find_map(|connection| owes(connection).then_some(connection))?;
        let conn = connection.id;
        let liveness = connection.liveness()?;
        liveness.pinged(heartbeat, cx.now);
        self.wake_at = self.wake_at.min(liveness.deadline(Some(heartbeat)));
        self.pending.set(pending::TIMER);
        Some(Action::Ping { conn })
    }

    /// Whether the subscriptions may have something to say, and nothing comes before it.
    #[inline]
    pub(crate) const fn is_speech_next(&self) -> bool {
        self.pending.0 & (pending::HEAD | pending::SPEECH) == pending::SPEECH
    }

    /// Whether nothing comes before report and timer.
    #[inline]
    pub(crate) const fn is_tail_next(&self) -> bool {
        !self.pending.has(pending::HEAD | pending::SPEECH)
    }

    /// Tells whether the subscriptions may have something to say.
    #[inline]
    pub(crate) const fn speech_may_follow(&mut self, may_speak: bool) {
        if may_speak {
            self.pending.set(pending::SPEECH);
        } else {
            self.pending.clear(pending::SPEECH);
        }
    }

    /// Something has a deadline at `at`, too.
    #[inline]
    pub(crate) fn wake_by(&mut self, at: Instant) {
        if at < self.wake_at {
            self.wake_at = at;
            self.pending.set(pending::TIMER);
        }
    }

    /// Report, timer.
    #[inline]
    pub(crate) fn poll_tail(&mut self, now: Instant) -> Option<Action> {
        if self.pending.has(pending::REPORT) {
            return self.poll_report(now);
        }
        self.poll_timer(now)
    }

    #[inline(never)]
    fn poll_report(&mut self, now: Instant) -> Option<Action> {
        self.pending.clear(pending::REPORT);
        let status = self.status();
        if status == self.told {
            return self.poll_timer(now);
        }
        self.told = status;
        Some(Action::Report(status))
    }

    /// Re-arms only to fire earlier or after it fired: an early timer is harmless, and postponing
    /// costs no call. The last of all: nothing is left to be told then.
    #[inline(never)]
    fn poll_timer(&mut self, now: Instant) -> Option<Action> {
        self.pending.0 = 0;
        self.advance(now);
        if self.wake_at == Instant::MAX {
            let armed = self.armed != Instant::MAX;
            self.armed = Instant::MAX;
            return armed.then_some(Action::DisarmTimer);
        }
        // A timer that should have fired by now counts as fired.
        let fires = if self.armed <= self.now { Instant::MAX } else { self.armed };
        if fires <= self.wake_at {
            return None;
        }
        self.armed = self.wake_at;
        Some(Action::ArmTimer { at: self.wake_at })
    }
}
