//! What the driver is told: the difference between what is and what it was told before.

use super::{Context, Lifecycle, Pending, State};
use crate::action::{Action, How, Why};
use crate::id::ConnId;
use crate::policy::Policy;
use crate::stats::Stats;
use crate::time::Instant;

impl Lifecycle {
    /// As [`Link::poll_action`](crate::Link::poll_action).
    pub fn poll_action(
        &mut self,
        policy: &Policy,
        stats: &mut Stats,
        now: Instant,
    ) -> Option<Action> {
        if self.is_drained() {
            return None;
        }
        if self.is_head_pending() {
            let mut cx = self.poll_context(policy, stats, now);
            if let Some(action) = self.poll_head(&mut cx) {
                return Some(action);
            }
        }
        self.advance(now);
        self.poll_tail()
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

    /// Moves the clock to `now`, or leaves it at the latest seen if that is later.
    #[inline]
    pub(crate) fn advance(&mut self, now: Instant) -> Instant {
        self.now = self.now.max(now);
        self.now
    }

    #[inline]
    pub(crate) const fn is_head_pending(&self) -> bool {
        self.pending.0 & Pending::HEAD != 0
    }

    /// Close, Open, Ping.
    pub(crate) fn poll_head(&mut self, cx: &mut Context<'_>) -> Option<Action> {
        if !self.is_head_pending() {
            return None;
        }
        let action = self
            .poll_close(cx)
            .or_else(|| self.open(cx).map(|conn| Action::Open { conn }))
            .or_else(|| self.poll_ping(cx));
        if action.is_none() {
            self.pending.0 &= !Pending::HEAD;
        }
        action
    }

    fn poll_close(&mut self, cx: &Context<'_>) -> Option<Action> {
        if let Some((conn, why)) = self.owed.abort.take() {
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
        self.poll_stale_close()
    }

    fn poll_stale_close(&mut self) -> Option<Action> {
        let (first, last) = self.owed.stale?;
        let held = self.held().map_or(0, ConnId::get);
        let next = if first == held { first.saturating_add(1) } else { first };
        self.owed.stale = (next < last).then_some((next.saturating_add(1), last));
        let conn = ConnId(next);
        (next <= last).then_some(Action::Close { conn, how: How::Abort, why: Why::Stale })
    }

    fn poll_ping(&mut self, cx: &Context<'_>) -> Option<Action> {
        let heartbeat = cx.policy.heartbeat.as_ref()?;
        let State::Up(connection) = &mut self.state else { return None };
        let conn = connection.id;
        let liveness = connection.liveness()?;
        if !liveness.is_ping_owed() {
            return None;
        }
        liveness.pinged(heartbeat, cx.now);
        self.wake_at = self.wake_at.min(liveness.deadline(Some(heartbeat)));
        Some(Action::Ping { conn })
    }

    /// Whether the subscriptions may have something to say, and nothing comes before it.
    #[inline]
    pub(crate) const fn is_speech_next(&self) -> bool {
        self.pending.0 & (Pending::HEAD | Pending::SPEECH) == Pending::SPEECH
    }

    /// Tells whether the subscriptions may have something to say.
    #[inline]
    pub(crate) const fn speech_may_follow(&mut self, may_speak: bool) {
        if may_speak {
            self.pending.0 |= Pending::SPEECH;
        } else {
            self.pending.0 &= !Pending::SPEECH;
        }
    }

    /// The subscriptions have a deadline at `speech_at`.
    #[inline]
    pub(crate) fn wake_by(&mut self, speech_at: Instant) {
        if speech_at < self.wake_at {
            self.wake_at = speech_at;
            self.pending.0 |= Pending::TIMER;
        }
    }

    /// Report, timer.
    #[inline]
    pub(crate) fn poll_tail(&mut self) -> Option<Action> {
        if self.pending.0 & Pending::REPORT != 0 {
            self.pending.0 &= !Pending::REPORT;
            let status = self.status();
            if status != self.told {
                self.told = status;
                return Some(Action::Report(status));
            }
        }
        self.pending.0 = 0;
        self.poll_timer()
    }

    /// Re-arms only to fire earlier or after it fired: an early timer is harmless, and postponing
    /// costs no call.
    fn poll_timer(&mut self) -> Option<Action> {
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
