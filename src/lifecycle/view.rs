//! What can be seen of a link's state.

use core::num::NonZeroU32;

use super::{Lifecycle, Speakers, State, unsettled};
use crate::action::Session;
use crate::connection::Connection;
use crate::id::{ConnId, Endpoint};
use crate::policy::{OnResume, Policy};
use crate::status::{Phase, Status, WaitsFor};
use crate::time::Instant;
use crate::wait::{Turn, Wait};

/// Getters.
impl Lifecycle {
    /// As [`Link::deadline`](crate::Link::deadline).
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        (self.wake_at != Instant::MAX).then_some(self.wake_at)
    }

    /// Where the link is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        match &self.state {
            State::Idle => Phase::Idle,
            State::Waiting(wait) if self.is_refreshing(wait) => Phase::Refreshing,
            State::Waiting(_) => Phase::Waiting,
            State::Up { current, .. } => current.phase(),
            State::Closing(_) => Phase::Closing,
            State::Halted(_) => Phase::Halted,
        }
    }

    /// The connection that the link is on, if it is ready.
    pub(crate) fn in_use(&self) -> Option<ConnId> {
        let State::Up { current, .. } = &self.state else { return None };
        current.is_ready().then_some(current.id)
    }

    /// The state as the application sees it.
    #[must_use]
    #[inline(never)]
    pub fn status(&self) -> Status {
        let base = Status { losses: self.losses, ..Status::IDLE };
        match &self.state {
            State::Idle => base,
            State::Waiting(wait) if self.is_refreshing(wait) => {
                Status { phase: Phase::Refreshing, ..self.attempting(base) }
            }
            State::Waiting(wait) => {
                let (waits_for, until) = self.awaited(wait);
                let waits_for = Some(waits_for);
                Status { phase: Phase::Waiting, waits_for, until, ..self.attempting(base) }
            }
            State::Up { current, rotation } => {
                let phase = current.phase();
                if !current.is_ready() {
                    return Status { phase, ..self.attempting(base) };
                }
                let (continuity, rotating) = (Some(self.continuity), rotation.is_under_way());
                Status { phase, continuity, rotating, ..base }
            }
            State::Closing(_) => Status { phase: Phase::Closing, cause: self.cause, ..base },
            State::Halted(halted) => {
                let halted = Some(*halted);
                Status { phase: Phase::Halted, halted, cause: self.cause, ..base }
            }
        }
    }

    /// What all phases between the wish and ready tell.
    #[inline]
    fn attempting(&self, base: Status) -> Status {
        let (attempt, cause, suspended) = (self.attempt(), self.cause, self.suspended);
        Status { attempt, cause, suspended, ..base }
    }

    /// What a wait is for, and until when; never known where it hangs on an event.
    #[inline]
    fn awaited(&self, wait: &Wait) -> (WaitsFor, Option<Instant>) {
        let waits_for = self.waits_for(wait);
        let until = match waits_for {
            WaitsFor::Pause | WaitsFor::Network => None,
            WaitsFor::Backoff | WaitsFor::Floor | WaitsFor::Limit | WaitsFor::SessionLimit => {
                Some(wait.due())
            }
        };
        (waits_for, until)
    }

    pub(super) fn attempt(&self) -> Option<NonZeroU32> {
        NonZeroU32::new(self.failures.level().saturating_add(1))
    }

    /// Pause and network come before all.
    pub(super) const fn waits_for(&self, wait: &Wait) -> WaitsFor {
        if self.paused {
            WaitsFor::Pause
        } else if self.offline {
            WaitsFor::Network
        } else {
            wait.decided_by()
        }
    }

    pub(super) const fn is_blocked(&self) -> bool {
        self.paused || self.offline
    }

    /// Whether credentials are being fetched for the attempt, or about to be.
    const fn is_refreshing(&self, wait: &Wait) -> bool {
        match wait.turn {
            Turn::RefreshOwed => !self.is_blocked(),
            Turn::Refreshing => true,
            Turn::Waiting | Turn::Open => false,
        }
    }

    /// Whether `conn` is the one that the link is on, rather than what lies beside it.
    pub(super) fn is_current(&self, conn: ConnId) -> bool {
        matches!(&self.state, State::Up { current, .. } if current.id == conn)
    }

    /// Whether `conn` may still act.
    pub(super) fn is_held(&self, conn: ConnId) -> bool {
        self.endpoint_of(conn).is_some()
    }

    /// The endpoint of `conn`, if it may still act.
    pub(super) fn endpoint_of(&self, conn: ConnId) -> Option<Endpoint> {
        match &self.state {
            State::Up { current, .. } if current.id == conn => Some(current.endpoint),
            State::Up { rotation, .. } => {
                rotation.beside().filter(|(id, _)| *id == conn).map(|(_, endpoint)| endpoint)
            }
            State::Closing(closing) => (closing.id == conn).then_some(closing.endpoint),
            State::Idle | State::Waiting(_) | State::Halted(_) => None,
        }
    }

    /// Whether a rotation's successor is ready.
    #[inline]
    pub(super) fn has_ready_successor(&self) -> bool {
        let State::Up { rotation, .. } = &self.state else { return false };
        rotation.successor().is_some_and(Connection::is_ready)
    }

    /// The connections on which subscriptions may be spoken.
    pub(crate) fn speakers(&self, policy: &Policy) -> Speakers {
        let kept = policy.sessions.subscriptions == OnResume::Kept;
        let begun = self.unsettled.has(unsettled::BEGUN);
        let State::Up { current, rotation } = &self.state else {
            let keeps = kept && self.sessions.next() == Session::Resume;
            return Speakers { keeps, begun, ..Speakers::default() };
        };
        let speaks = |it: &Connection| it.is_ready().then_some(it.id);
        // Until it is ready, a fresh attempt that took the place of a lost connection does not end
        // that one's session.
        let resumes = if current.is_ready() { current.session } else { self.sessions.next() };
        let (current, successor) = (speaks(current), rotation.successor().and_then(speaks));
        Speakers { current, successor, keeps: kept && resumes == Session::Resume, begun }
    }
}
