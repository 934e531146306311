//! What can be seen of a link's state.

use core::num::NonZeroU32;

use super::{Lifecycle, Speakers, State};
use crate::action::Session;
use crate::connection::{Connection, Service, Stage};
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
            State::Up { current, .. } => match current.stage {
                Stage::Opening => Phase::Opening,
                Stage::Greeting => Phase::Greeting,
                Stage::Ready(Service::Restoring) => Phase::Restoring,
                Stage::Ready(Service::Live) => Phase::Live,
                Stage::Ready(Service::Degraded) => Phase::Degraded,
            },
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
    pub fn status(&self) -> Status {
        let phase = self.phase();
        let mut status = Status { phase, losses: self.losses, ..Status::IDLE };
        match &self.state {
            State::Idle => {}
            State::Waiting(wait) => {
                (status.attempt, status.cause) = (self.attempt(), self.cause);
                status.suspended = self.suspended;
                if phase == Phase::Waiting {
                    (status.waits_for, status.until) = self.awaited(wait);
                }
            }
            State::Up { current, rotation } if current.is_ready() => {
                status.continuity = Some(self.continuity);
                status.rotating = rotation.successor().is_some();
            }
            State::Up { .. } => {
                (status.attempt, status.cause) = (self.attempt(), self.cause);
                status.suspended = self.suspended;
            }
            State::Closing(_) => status.cause = self.cause,
            State::Halted(halted) => {
                (status.halted, status.cause) = (Some(*halted), self.cause);
            }
        }
        status
    }

    /// What a wait is for, and until when; never known where it hangs on an event.
    fn awaited(&self, wait: &Wait) -> (Option<WaitsFor>, Option<Instant>) {
        let waits_for = self.waits_for(wait);
        let until = match waits_for {
            WaitsFor::Pause | WaitsFor::Network => None,
            WaitsFor::Backoff | WaitsFor::Floor | WaitsFor::Limit | WaitsFor::SessionLimit => {
                Some(wait.due())
            }
        };
        (Some(waits_for), until)
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
            Turn::Refreshing { asked } => asked || !self.is_blocked(),
            Turn::Waiting | Turn::Open => false,
        }
    }

    /// How far the current connection's subscriptions are, if it is ready.
    pub(super) const fn service(&self) -> Option<Service> {
        let State::Up { current, .. } = &self.state else { return None };
        current.service()
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

    /// The connections on which subscriptions may be spoken.
    pub(crate) fn speakers(&self, policy: &Policy) -> Speakers {
        let kept = policy.sessions.subscriptions == OnResume::Kept;
        let State::Up { current, rotation } = &self.state else {
            let keeps = kept && self.sessions.next() == Session::Resume;
            return Speakers { keeps, ..Speakers::default() };
        };
        let speaks = |it: &Connection| it.is_ready().then_some(it.id);
        let resumes = current.session == Session::Resume;
        let (current, successor) = (speaks(current), rotation.successor().and_then(speaks));
        Speakers { current, successor, keeps: kept && resumes }
    }
}
