//! One socket's life, apart from the link's memory.

use crate::action::Session;
use crate::id::{ConnId, Endpoint};
use crate::liveness::Liveness;
use crate::policy::Policy;
use crate::subscriptions::Counts;
use crate::time::{Instant, Millis, Nanos};

/// A connection from its `Open` until it is lost or closed gracefully. Its deadlines lie in the
/// stage that they belong to, so that leaving the stage drops them.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnId,
    pub(crate) endpoint: Endpoint,
    /// What session it asked for, and once ready what it has.
    pub(crate) session: Session,
    /// The server keeps its session.
    pub(crate) resumable: bool,
    /// Over what window the server's clients should return should it fall.
    pub(crate) spread: Option<Millis>,
    pub(crate) stage: Stage,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Stage {
    Opening {
        deadline: Instant,
    },
    Greeting {
        deadline: Instant,
        liveness: Liveness,
    },
    Ready {
        since: Instant,
        service: Service,
        liveness: Liveness,
        /// When another takes its place; never if nothing asks for that.
        rotate_at: Instant,
    },
}

/// How far the subscriptions of a ready connection are.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Service {
    Restoring,
    Live,
    Degraded,
}

impl Service {
    /// How far a connection is with these counts. A new key does not end `Live`; `Live` is entered
    /// only when the peer holds exactly what is wanted (P5).
    pub(crate) const fn next(self, counts: Counts) -> Self {
        match self {
            Self::Restoring | Self::Degraded if counts.pending > 0 => self,
            Self::Restoring | Self::Live | Self::Degraded if counts.given_up > 0 => Self::Degraded,
            Self::Restoring | Self::Live | Self::Degraded => Self::Live,
        }
    }
}

impl Connection {
    pub(crate) const fn opening(
        id: ConnId,
        endpoint: Endpoint,
        session: Session,
        deadline: Instant,
    ) -> Self {
        let stage = Stage::Opening { deadline };
        Self { id, endpoint, session, resumable: false, spread: None, stage }
    }

    pub(crate) const fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Opening { .. })
    }

    pub(crate) const fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready { .. })
    }

    pub(crate) fn liveness(&mut self) -> Option<&mut Liveness> {
        match &mut self.stage {
            Stage::Opening { .. } => None,
            Stage::Greeting { liveness, .. } | Stage::Ready { liveness, .. } => Some(liveness),
        }
    }

    pub(crate) fn deadline(&self, policy: &Policy) -> Instant {
        let heartbeat = policy.heartbeat.as_ref();
        match &self.stage {
            Stage::Opening { deadline } => *deadline,
            Stage::Greeting { deadline, liveness } => (*deadline).min(liveness.deadline(heartbeat)),
            Stage::Ready { liveness, .. } => liveness.deadline(heartbeat),
        }
    }

    /// Uptime that the peer has proven: from ready to its last byte, or to `now` where its own
    /// close has just arrived in time. Eight hours of suspend are no uptime.
    pub(crate) fn proven_uptime(&self, policy: &Policy, now: Instant, peer_closed: bool) -> Nanos {
        match &self.stage {
            Stage::Opening { .. } | Stage::Greeting { .. } => Nanos::ZERO,
            Stage::Ready { since, liveness, .. } => {
                let in_time =
                    now.since(liveness.deadline(policy.heartbeat.as_ref())) <= policy.late_by;
                let proof = if peer_closed && in_time { now } else { liveness.last_byte() };
                proof.since(*since)
            }
        }
    }
}
