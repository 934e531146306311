//! What can be seen of a link's state.

use core::num::NonZeroU32;

use super::{Lifecycle, State};
use crate::connection::{Service, Stage};
use crate::id::ConnId;
use crate::status::{Phase, Status, WaitsFor};
use crate::time::Instant;
use crate::wait::Wait;

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
            State::Waiting(_) => Phase::Waiting,
            State::Up(connection) => match &connection.stage {
                Stage::Opening { .. } => Phase::Opening,
                Stage::Greeting { .. } => Phase::Greeting,
                Stage::Ready { service: Service::Restoring, .. } => Phase::Restoring,
                Stage::Ready { service: Service::Live, .. } => Phase::Live,
                Stage::Ready { service: Service::Degraded, .. } => Phase::Degraded,
            },
            State::Closing(_) => Phase::Closing,
            State::Halted(_) => Phase::Halted,
        }
    }

    /// The state as the application sees it.
    #[must_use]
    pub fn status(&self) -> Status {
        let phase = self.phase();
        let mut status = Status { phase, losses: self.losses, ..Status::IDLE };
        match &self.state {
            State::Idle => {}
            State::Waiting(wait) => {
                let waits_for = self.waits_for(wait);
                status.waits_for = Some(waits_for);
                status.until = match waits_for {
                    WaitsFor::Pause | WaitsFor::Network => None,
                    WaitsFor::Backoff
                    | WaitsFor::Floor
                    | WaitsFor::Limit
                    | WaitsFor::SessionLimit => Some(wait.due()),
                };
                (status.attempt, status.cause) = (self.attempt(), self.cause);
            }
            State::Up(connection) if connection.is_ready() => {
                status.continuity = Some(self.continuity);
            }
            State::Up(_) => (status.attempt, status.cause) = (self.attempt(), self.cause),
            State::Closing(_) => status.cause = self.cause,
            State::Halted(halted) => {
                (status.halted, status.cause) = (Some(*halted), self.cause);
            }
        }
        status
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

    /// The connection that may still act.
    pub(super) const fn held(&self) -> Option<ConnId> {
        match &self.state {
            State::Up(connection) => Some(connection.id),
            State::Closing(closing) => Some(closing.id),
            State::Idle | State::Waiting(_) | State::Halted(_) => None,
        }
    }

    /// The connection on which subscriptions may be spoken.
    pub(crate) const fn speaks_on(&self) -> Option<ConnId> {
        match &self.state {
            State::Up(connection) if connection.is_ready() => Some(connection.id),
            State::Up(_)
            | State::Idle
            | State::Waiting(_)
            | State::Closing(_)
            | State::Halted(_) => None,
        }
    }
}
