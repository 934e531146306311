//! Rotation: when another connection may take the place of the current one, and when it must.

use redial::{Endpoint, Instant, NetworkDown, Phase, Verdict};

use super::connection::{Connection, Role};
use super::credentials::Purpose;
use super::{Check, Judge, Promise, ensure};
use crate::terms::Terms;

/// What is remembered of rotations beside the current connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Rotations {
    /// A server said that there is no point.
    pub(super) barred: bool,
    /// One may have said so.
    may_be_barred: bool,
    /// In a row.
    failures: u32,
    /// After a failure: not again before, and no later than.
    again: Option<(Instant, Instant)>,
}

impl Rotations {
    /// Credentials failed that may have been for a successor.
    pub(super) fn may_have_failed(&mut self, terms: &Terms, now: Instant, bars: bool) {
        self.may_be_barred |= bars;
        let (from, to) = self.again.unwrap_or_default();
        let longest = terms.bound(self.failures + 1).max(terms.shortest);
        self.failures += 1;
        self.again = Some((from, to.max(now.saturating_add(longest))));
    }

    /// What fell due while the way was not free may wait until `to`.
    pub(super) fn may_wait(&mut self, to: Instant) {
        let (from, latest) = self.again.unwrap_or_default();
        self.again = Some((from, latest.max(to)));
    }

    /// No server has said that there is no point, as far as can be known.
    pub(super) const fn is_open(&self) -> bool {
        !self.barred && !self.may_be_barred
    }

    /// Another connection is the current one.
    pub(super) fn next_connection(&mut self) {
        *self = Self::default();
    }

    /// A successor failed, or credentials for one did.
    pub(super) fn failed(&mut self, terms: &Terms, now: Instant, bars: bool) {
        self.barred |= bars;
        self.failures += 1;
        let longest = terms.bound(self.failures).max(terms.shortest);
        self.again = Some((now.saturating_add(terms.shortest), now.saturating_add(longest)));
    }
}

impl Judge {
    /// A successor failed: that changes nothing for the current connection, whatever the verdict.
    pub(super) fn successor_failed(&mut self, verdict: Verdict) {
        let Some(it) = self.role_mut(Role::Successor) else { return };
        it.let_go = true;
        let (id, endpoint) = (it.id, it.endpoint);
        self.keys.parted(id);
        match verdict {
            Verdict::Reauthenticate => self.credentials.rejected(),
            _ => self.endpoints.quarantine(&self.terms, self.now, endpoint),
        }
        self.credentials.next_rotation();
        self.rotations.failed(&self.terms, self.now, verdict == Verdict::Halt);
    }

    /// From when on, and until when at the latest, something asks for another connection.
    fn asked_to_move(&self, current: &Connection) -> (Instant, Instant) {
        let (mut from, mut to) = current.moves.unwrap_or((Instant::MAX, Instant::MAX));
        if self.terms.rotate.is_some() && current.endpoint != Endpoint::new(0) {
            let open_at = self.endpoints.open_at(Endpoint::new(0));
            let returns = open_at.saturating_add(self.terms.prefer_first_after);
            (from, to) = (from.min(returns), to.min(returns));
        }
        (from, to)
    }

    /// Whether another connection was asked for.
    pub(super) fn check_move_asked(&self) -> Check {
        let Some(current) = self.role(Role::Current) else { return Ok(()) };
        let (from, _) = self.asked_to_move(current);
        ensure(self.now >= from, Promise::Rotation, || {
            format!("moves at {}, asked for from {from} on", self.now)
        })
    }

    /// Whether neither a pause nor the network stands in the way.
    pub(super) fn check_way_free(&self) -> Check {
        ensure(!self.wish.is_blocked(), Promise::Rotation, || format!("moves in {:?}", self.wish))
    }

    /// Whether a rotation may begin now.
    fn check_may_move(&self, what: &str) -> Check {
        let phase = self.view.status.phase;
        let alone = self.connections.iter().filter(|it| it.is_held()).count() == 1;
        let restored = matches!(phase, Phase::Live | Phase::Degraded);
        ensure(restored && alone, Promise::Rotation, || {
            format!("{what} in {phase:?} beside {:?}", self.connections)
        })?;
        self.check_move_asked()?;
        let again = self.rotations.again.map_or(Instant::ZERO, |(from, _)| from);
        ensure(self.now >= again, Promise::Rotation, || {
            format!("{what} at {}, after a failure not before {again}", self.now)
        })?;
        ensure(!self.rotations.barred, Promise::Rotation, || {
            format!("{what}, and a server said that there is no point")
        })
    }

    /// Whether a rotation may begin as far as limits, floors and reasons go.
    pub(super) fn check_may_rotate(&self, what: &str) -> Check {
        self.check_way_free()?;
        self.check_may_rotate_once_free(what)
    }

    /// The same, whatever stands in the way: what fell due before that came up is served, too.
    pub(super) fn check_may_rotate_once_free(&self, what: &str) -> Check {
        ensure(self.terms.rotate.is_some(), Promise::Rotation, || {
            format!("{what}, and the policy has none")
        })?;
        self.check_may_move(what)?;
        let fresh_at = self.sessions.free_at(&self.terms);
        ensure(self.now >= fresh_at, Promise::BoundedAttempts, || {
            format!("{what} at {}, a fresh session is to be had at {fresh_at}", self.now)
        })?;
        self.attempts.admits_rotation(&self.terms, self.now)
    }

    /// The latest deadline for a rotation, or a move, that is asked for and that nothing else has to
    /// come before.
    pub(super) fn moves_by(&self) -> Instant {
        let settled = matches!(self.view.status.phase, Phase::Live | Phase::Degraded);
        let alone = self.role(Role::Successor).or(self.role(Role::Leaving)).is_none();
        let asks = self.credentials.pending.is_some_and(|it| it.purpose != Purpose::Renewal);
        let barred = !self.rotations.is_open() || self.wish.is_blocked();
        let free = settled && alone && !barred && !asks;
        let Some(current) = self.role(Role::Current).filter(|_| free) else {
            return Instant::MAX;
        };
        let (from, to) = self.asked_to_move(current);
        let again = self.rotations.again.map_or(Instant::ZERO, |(_, to)| to);
        if self.terms.rotate.is_none() {
            return to.max(again);
        }
        // What limits and floors forbid is tried again up to one interval after they admit it, or up to
        // a tenth of the time that is left until then.
        let rates = [self.terms.attempts, self.terms.attempts_long];
        let rates = rates.iter().flatten().chain(&self.terms.fresh_sessions);
        let widest = rates.map(|rate| rate.interval).max().unwrap_or_default();
        let endpoints = (0..self.terms.endpoints).map(Endpoint::new);
        let floors = endpoints.map(|endpoint| self.endpoints.floor_of(endpoint).0);
        let free_at = self.attempts.rotation_free_at(&self.terms);
        let free_at = free_at.max(self.sessions.free_at(&self.terms));
        let free_at = free_at.max(floors.max().unwrap_or_default());
        let within = widest.max(self.terms.first_within).max(free_at.saturating_since(from) / 10);
        let admitted = free_at.saturating_add(within);
        to.max(again).max(admitted)
    }

    /// Whether going offline drops what is held.
    pub(super) fn drops_when_offline(&self) -> bool {
        self.terms.network_down == NetworkDown::Drop
    }
}
