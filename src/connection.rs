//! One socket's life, apart from the link's memory.

use crate::action::Session;
use crate::id::{ConnId, Endpoint};
use crate::liveness::Liveness;
use crate::policy::{Heartbeat, Policy};
use crate::seed::Jitter;
use crate::status::Phase;
use crate::subscriptions::Counts;
use crate::time::{Instant, MaybeMillis, Nanos};

/// A connection from its `Open` until it is lost or closed gracefully.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnId,
    pub(crate) stage: Stage,
    /// The deadline of the stage before ready, and since when the connection is ready: two meanings
    /// in one place, for entering a stage gives up what the one before said.
    at: Instant,
    /// Of no meaning until the connection is open.
    liveness: Liveness,
    /// When another takes its place; never if nothing asks for that.
    pub(crate) rotate_at: Instant,
    /// Over what window the server's clients should return should it fall.
    pub(crate) spread: MaybeMillis,
    pub(crate) endpoint: Endpoint,
    /// What session it asked for, and once ready what it has.
    pub(crate) session: Session,
    /// The server keeps its session.
    pub(crate) resumable: bool,
}

/// How far a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Stage {
    /// Dialled.
    Opening,
    /// Open, the application handshake under way.
    Greeting,
    /// Ready, as the two that follow, and some key is neither answered nor given up.
    Restoring,
    Live,
    Degraded,
}

impl Stage {
    #[inline]
    pub(crate) const fn is_ready(self) -> bool {
        matches!(self, Self::Restoring | Self::Live | Self::Degraded)
    }

    /// How far a connection is with these counts. A new key does not end `Live`; `Live` is entered
    /// only when the peer holds exactly what is wanted (P5).
    #[inline]
    pub(crate) const fn with(self, counts: Counts) -> Self {
        match self {
            Self::Opening | Self::Greeting => self,
            Self::Restoring | Self::Degraded if counts.pending > 0 => self,
            Self::Restoring | Self::Live | Self::Degraded if counts.given_up > 0 => Self::Degraded,
            Self::Restoring | Self::Live | Self::Degraded => Self::Live,
        }
    }
}

impl Connection {
    #[inline]
    pub(crate) const fn opening(
        id: ConnId,
        endpoint: Endpoint,
        session: Session,
        deadline: Instant,
    ) -> Self {
        Self {
            id,
            stage: Stage::Opening,
            at: deadline,
            liveness: Liveness::NONE,
            rotate_at: Instant::MAX,
            spread: MaybeMillis::NONE,
            endpoint,
            session,
            resumable: false,
        }
    }

    /// It opened at `now`, and greets until `deadline` unless it is ready at once.
    #[inline]
    pub(crate) fn opened(
        &mut self,
        heartbeat: Option<&Heartbeat>,
        now: Instant,
        deadline: Instant,
        jitter: &mut Jitter,
    ) {
        self.stage = Stage::Greeting;
        self.at = deadline;
        self.liveness.begin(heartbeat, now, jitter);
    }

    #[inline]
    pub(crate) fn ready(&mut self, now: Instant, rotate_at: Instant) {
        self.stage = Stage::Restoring;
        self.at = now;
        self.rotate_at = rotate_at;
    }

    #[inline]
    pub(crate) const fn is_open(&self) -> bool {
        !matches!(self.stage, Stage::Opening)
    }

    #[inline]
    pub(crate) const fn is_ready(&self) -> bool {
        self.stage.is_ready()
    }

    /// The phase of a link that is on it.
    #[inline]
    pub(crate) const fn phase(&self) -> Phase {
        match self.stage {
            Stage::Opening => Phase::Opening,
            Stage::Greeting => Phase::Greeting,
            Stage::Restoring => Phase::Restoring,
            Stage::Live => Phase::Live,
            Stage::Degraded => Phase::Degraded,
        }
    }

    /// Bytes arrived.
    pub(crate) fn heard(&mut self, now: Instant) {
        if self.is_open() {
            self.liveness.heard(now);
        }
    }

    /// As [`Self::heard`] on a ready connection while no ping waits for an answer; false, and nothing
    /// done, otherwise.
    #[inline]
    pub(crate) const fn heard_unprobed(&mut self, now: Instant) -> bool {
        self.is_ready() && self.liveness.heard_unprobed(now)
    }

    #[inline]
    pub(crate) fn liveness(&mut self) -> Option<&mut Liveness> {
        if self.is_open() { Some(&mut self.liveness) } else { None }
    }

    /// Until when the stage may last; for ever once ready.
    #[inline]
    pub(crate) fn stage_deadline(&self) -> Instant {
        if self.is_ready() { Instant::MAX } else { self.at }
    }

    #[inline]
    pub(crate) fn deadline(&self, policy: &Policy) -> Instant {
        let heartbeat = policy.heartbeat.as_ref();
        match self.stage {
            Stage::Opening => self.at,
            Stage::Greeting => self.at.min(self.liveness.deadline(heartbeat)),
            Stage::Restoring | Stage::Live | Stage::Degraded => self.liveness.deadline(heartbeat),
        }
    }

    /// Whether its proven uptime reached the policy's `settle_after`.
    #[inline]
    pub(crate) fn is_settled(&self, policy: &Policy, now: Instant, peer_closed: bool) -> bool {
        // No proof is later than now: a short life needs no closer look.
        self.is_ready()
            && now.since(self.at) >= policy.settle_after
            && self.proven_uptime(policy, now, peer_closed) >= policy.settle_after
    }

    /// Uptime that the peer has proven: from ready to its last byte, or to `now` where its own
    /// close has just arrived in time. Eight hours of suspend are no uptime.
    fn proven_uptime(&self, policy: &Policy, now: Instant, peer_closed: bool) -> Nanos {
        let due = self.liveness.alarm(policy.heartbeat.as_ref());
        let in_time = now.since(due) <= policy.late_by;
        let proof = if peer_closed && in_time { now } else { self.liveness.last_byte() };
        proof.since(self.at)
    }
}
