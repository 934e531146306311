//! What a run went through.

use core::fmt;
use core::ops::AddAssign;

use redial::{Action, Continuity, Endpoint, Phase, Session, Stats, Status};

/// What a run went through: a world in which nothing happened proves nothing. Those of several runs
/// add up.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Summary {
    /// Steps taken.
    pub steps: u64,
    /// The link's own counters.
    pub stats: Stats,
    /// How often the link entered `Live`.
    pub lives: u64,
    /// How often the link entered `Degraded`.
    pub degraded: u64,
    /// How often the link entered `Halted`.
    pub halts: u64,
    /// How often attempts began to come at the slower cadence of a long outage.
    pub suspended: u64,
    /// How often credentials were asked for.
    pub refreshes: u64,
    /// How often a session was to be resumed.
    pub resumes: u64,
    /// How often one was.
    pub resumed: u64,
    /// How often continuity was lost.
    pub lost: u64,
    /// How often another endpoint than the preferred one was dialled.
    pub failovers: u64,
    /// How often a rotation's successor became the link's own attempt.
    pub promoted: u64,
}

impl Summary {
    pub(crate) fn notice(&mut self, before: &Status, after: &Status) {
        let entered = |phase: Phase| u64::from(before.phase != phase && after.phase == phase);
        self.lives += entered(Phase::Live);
        self.degraded += entered(Phase::Degraded);
        self.halts += entered(Phase::Halted);
        self.suspended += u64::from(!before.suspended && after.suspended);
        let resumed = Some(Continuity::Resumed);
        self.resumed += u64::from(before.continuity != resumed && after.continuity == resumed);
        self.lost += u64::from(before.losses != after.losses);
        let dials = matches!(after.phase, Phase::Opening | Phase::Greeting);
        self.promoted += u64::from(before.rotating && dials);
    }

    pub(crate) fn notice_action(&mut self, action: &Action) {
        match action {
            Action::Open { endpoint, session, .. } => {
                self.failovers += u64::from(*endpoint != Endpoint::new(0));
                self.resumes += u64::from(*session == Session::Resume);
            }
            Action::RefreshCredentials { .. } => self.refreshes += 1,
            Action::Close { .. }
            | Action::Ping { .. }
            | Action::Unsubscribe { .. }
            | Action::Subscribe { .. }
            | Action::Report(_)
            | Action::ArmTimer { .. }
            | Action::DisarmTimer => {}
        }
    }
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.lives += other.lives;
        self.degraded += other.degraded;
        self.halts += other.halts;
        self.suspended += other.suspended;
        self.refreshes += other.refreshes;
        self.resumes += other.resumes;
        self.resumed += other.resumed;
        self.lost += other.lost;
        self.failovers += other.failovers;
        self.promoted += other.promoted;
        let (sum, stats) = (&mut self.stats, other.stats);
        sum.attempts += stats.attempts;
        sum.opens += stats.opens;
        sum.readies += stats.readies;
        sum.settled += stats.settled;
        sum.silences += stats.silences;
        sum.rotations += stats.rotations;
        sum.rotations_failed += stats.rotations_failed;
        sum.moves += stats.moves;
        sum.requests += stats.requests;
        sum.stale_events += stats.stale_events;
        sum.late_wakeups += stats.late_wakeups;
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { steps, stats, lives, degraded, halts, .. } = self;
        write!(
            f,
            "{steps} steps, {} attempts, {} opens, {} readies, {lives} live, {degraded} degraded, \
             {halts} halts, {} silences, {} requests, {} stale, {} refreshes, {} resumed of {}, \
             {} lost, {} failovers, {} suspended, {} rotations, {} failed, {} promoted, {} moves",
            stats.attempts,
            stats.opens,
            stats.readies,
            stats.silences,
            stats.requests,
            stats.stale_events,
            self.refreshes,
            self.resumed,
            self.resumes,
            self.lost,
            self.failovers,
            self.suspended,
            stats.rotations,
            stats.rotations_failed,
            self.promoted,
            stats.moves,
        )
    }
}
