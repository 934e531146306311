//! What the server remembers of us, what it costs, and what the link says of it (P14).

use redial::{Continuity, Established, Instant, Phase, Session, Status};

use super::connection::Connection;
use super::{Check, Promise, ensure};
use crate::terms::{Meter, Rate, Terms};

/// The session that the server keeps, if any, and the continuity that follows.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    kept: bool,
    /// Failed resumes in a row.
    failures: u32,
    fresh: Vec<Meter>,
    /// A connection was ready since `Start`.
    ready_before: bool,
    continuity: Option<Continuity>,
    losses: u32,
}

impl Sessions {
    pub(super) fn new(terms: &Terms) -> Self {
        Self { fresh: vec![Meter::default(); terms.fresh_sessions.len()], ..Self::default() }
    }

    pub(super) const fn start(&mut self) {
        self.ready_before = false;
    }

    pub(super) const fn forget(&mut self) {
        self.kept = false;
        self.failures = 0;
    }

    pub(super) const fn is_kept(&self) -> bool {
        self.kept
    }

    /// What the next attempt asks for.
    pub(super) const fn next(&self) -> Session {
        if self.kept { Session::Resume } else { Session::Fresh }
    }

    /// A connection became ready: a fresh session in answer to a resume is paid for afterwards.
    pub(super) fn established(
        &mut self,
        terms: &Terms,
        now: Instant,
        connection: &mut Connection,
        established: Established,
        resumable: bool,
    ) {
        if connection.resumes && established == Established::Fresh {
            self.charge(terms, now);
            connection.resumes = false;
        }
        connection.resumable = resumable;
    }

    /// The current connection is ready, by itself or because it was promoted.
    pub(super) fn ready(&mut self, connection: &Connection) {
        self.adopt(connection);
        self.continuity = Some(if !self.ready_before {
            Continuity::First
        } else if connection.resumes {
            Continuity::Resumed
        } else {
            self.losses += 1;
            Continuity::Lost
        });
        self.ready_before = true;
    }

    /// A successor took over while the one before it still delivered.
    pub(super) const fn overlapped(&mut self, connection: &Connection) {
        self.adopt(connection);
        self.continuity = Some(Continuity::Overlapped);
    }

    const fn adopt(&mut self, connection: &Connection) {
        self.kept = connection.resumable;
        if !connection.resumes {
            self.failures = 0;
        }
    }

    /// A connection that had asked to resume settled, or was opened and then failed.
    pub(super) const fn resume_ended(&mut self, terms: &Terms, settled: bool) {
        if settled {
            self.failures = 0;
            return;
        }
        self.failures += 1;
        if self.failures >= terms.resume_failures {
            self.forget();
        }
    }

    /// An `Open` asks for `session` at `now`, where `due` is what it should ask for. Resumes spend
    /// nothing.
    pub(super) fn open(
        &mut self,
        terms: &Terms,
        now: Instant,
        session: Session,
        due: Session,
    ) -> Check {
        ensure(session == due, Promise::Sessions, || {
            format!("{session:?} is asked for, {due:?} is due: {self:?}")
        })?;
        if session == Session::Resume {
            return Ok(());
        }
        let free_at = self.free_at(terms);
        ensure(now >= free_at, Promise::BoundedAttempts, || {
            format!("a fresh session at {now}, its limits admit it at {free_at}")
        })?;
        self.charge(terms, now);
        Ok(())
    }

    /// When the limits of fresh sessions admit one.
    pub(super) fn free_at(&self, terms: &Terms) -> Instant {
        let free = |(rate, meter): (&Rate, &Meter)| meter.free_at(*rate);
        let nanos = terms.fresh_sessions.iter().zip(&self.fresh).map(free).max();
        Instant::from_nanos(nanos.unwrap_or(0))
    }

    fn charge(&mut self, terms: &Terms, now: Instant) {
        for (rate, meter) in terms.fresh_sessions.iter().zip(&mut self.fresh) {
            meter.count(*rate, now.as_nanos());
        }
    }

    /// P14: whenever a link says anything, it says this.
    pub(super) fn check(&self, status: &Status) -> Check {
        let ready = matches!(status.phase, Phase::Restoring | Phase::Live | Phase::Degraded);
        let continuity = self.continuity.filter(|_| ready);
        let said = (status.continuity, status.losses);
        ensure(said == (continuity, self.losses), Promise::Continuity, || {
            let phase = status.phase;
            format!(
                "{phase:?}, {said:?} is said of continuity, it is {continuity:?} and {}",
                self.losses
            )
        })
    }
}
