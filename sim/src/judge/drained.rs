//! A drained link as a whole: never hot (P2), never asleep (P3), no leak (P4).

use redial::{Instant, Phase};

use super::connection::{Connection, Role};
use super::{Check, Judge, Promise, View, ensure, roughly};

impl Judge {
    pub(super) fn judge_drained(&mut self) -> Check {
        self.quiet_until = None;
        let View { deadline, status, .. } = self.view;
        let due = deadline.unwrap_or(Instant::MAX);
        ensure(due > self.handled_at, Promise::NeverHot, || {
            format!("drained, and the deadline {due} is not later than {}", self.handled_at)
        })?;
        ensure(self.armed.unwrap_or(Instant::MAX) <= due, Promise::NeverAsleep, || {
            format!("the timer is armed for {:?}, the deadline is {due}", self.armed)
        })?;
        self.check_awake(due)?;
        self.check_sockets()?;
        for role in [Role::Current, Role::Successor] {
            self.check_ping(role, due)?;
        }
        ensure(self.reported == status, Promise::Reports, || {
            format!("drained, and {status:?} was not reported")
        })?;
        self.check_waiting()?;
        self.check_keys(due)
    }

    fn check_waiting(&self) -> Check {
        let status = &self.view.status;
        let Some(wait) = &self.attempts.wait else { return Ok(()) };
        if status.phase != Phase::Waiting {
            return Ok(());
        }
        if let Some(by) = self.wish.blocked_by() {
            return ensure(status.waits_for == Some(by), Promise::Reports, || {
                format!("{:?} is said, it waits for {by:?}", status.waits_for)
            });
        }
        let floor = self.endpoints.floor_of(wait.endpoint);
        let fresh_free_at = self.sessions.free_at(&self.terms);
        self.attempts.waiting(&self.terms, status, floor, fresh_free_at)
    }

    fn check_keys(&self, due: Instant) -> Check {
        // While a successor waits for the last answers on the current connection, nothing new need
        // be said.
        let current = self.role(Role::Current).map(|it| it.id);
        let waits = self.role(Role::Successor).is_some_and(Connection::is_ready);
        let spoken_on = self.spoken_on();
        let may_wait = waits && spoken_on == current;
        self.keys.drained(
            &self.terms,
            self.handled_at,
            spoken_on.map(|conn| (conn, may_wait)),
            due,
            &self.view.counts,
        )
    }

    /// P3, and that every phase with an end of its own has the deadline for it.
    fn check_awake(&self, due: Instant) -> Check {
        let (status, phase) = (&self.view.status, self.view.status.phase);
        let at_most = match phase {
            Phase::Idle | Phase::Halted => {
                return ensure(due == Instant::MAX, Promise::Wishes, || {
                    format!("{phase:?} with a deadline at {due}")
                });
            }
            Phase::Waiting if self.wish.is_blocked() => Instant::MAX,
            Phase::Waiting => status.until.unwrap_or(Instant::ZERO),
            Phase::Refreshing => self.credentials.answer_by(&self.terms).unwrap_or(Instant::ZERO),
            _ => {
                let ends = [Role::Current, Role::Successor, Role::Leaving];
                let ends = ends.map(|role| self.role(role).map(|it| self.ends_by(it)));
                let ends = ends.into_iter().flatten().min().unwrap_or(Instant::MAX);
                ends.min(self.moves_by()).min(self.renews_by())
            }
        };
        ensure(due <= roughly(at_most), Promise::NeverAsleep, || {
            format!("{phase:?} until {at_most}, and the deadline is {due}: {:?}", self.connections)
        })
    }

    /// When a connection ends at the latest unless something happens on it; its silence apart.
    fn ends_by(&self, it: &Connection) -> Instant {
        let terms = &self.terms;
        if let Some(closing) = it.closing {
            return closing.since.saturating_add(terms.close_within);
        }
        let stage = match (it.opened_at, it.ready_at) {
            (None, _) => it.dialled_at.saturating_add(terms.open_within),
            (Some(opened), None) => {
                terms.ready_within.map_or(Instant::MAX, |within| opened.saturating_add(within))
            }
            (Some(_), Some(_)) => Instant::MAX,
        };
        let stalls = terms.rotate.filter(|_| it.role == Role::Successor);
        let stalls = stalls.map(|rotate| it.progress_at.saturating_add(rotate.overlap));
        stage.min(stalls.unwrap_or(Instant::MAX))
    }

    /// When credentials are asked for on a ready connection, or their answer counts as missing.
    fn renews_by(&self) -> Instant {
        if !self.role(Role::Current).is_some_and(Connection::is_ready) {
            return Instant::MAX;
        }
        match self.credentials.answer_by(&self.terms) {
            Some(by) => by,
            None if self.wish.is_blocked() => Instant::MAX,
            None => self.credentials.renewal_by(&self.terms),
        }
    }

    /// P4 after a drain: what is not held was told to close or reported closed.
    fn check_sockets(&self) -> Check {
        ensure(self.owed.is_empty(), Promise::OneSocket, || {
            format!("drained, and a Close is owed to {:?}", self.owed)
        })?;
        let leak = self.connections.iter().find(|it| it.let_go && !it.gone);
        ensure(leak.is_none(), Promise::OneSocket, || format!("nobody closes {leak:?}"))?;
        let untold =
            |it: &&Connection| it.is_held() && it.closing.is_some_and(|closing| !closing.told);
        let untold = self.connections.iter().find(untold);
        ensure(untold.is_none(), Promise::OneSocket, || format!("nobody was told of {untold:?}"))
    }

    /// P7 after a drain: a silence that is due for a ping got one, and the next deadline is set.
    fn check_ping(&self, role: Role, due: Instant) -> Check {
        let Some(it) = self.role(role).filter(|it| it.is_listening()) else { return Ok(()) };
        let Some(beat) = it.beat else { return Ok(()) };
        let alarm = it.alarm(beat).min(it.ping_due(beat));
        ensure(!it.ping_owed, Promise::SilenceIsNoticed, || {
            format!("{} was last heard at {}, a ping is due, and none comes", it.id, it.last_byte)
        })?;
        ensure(due <= roughly(alarm), Promise::SilenceIsNoticed, || {
            format!("due {due}, of {}, last heard at {}, at {alarm}", it.id, it.last_byte)
        })
    }
}
