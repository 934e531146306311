//! What the server remembers of us between connections.

#[cfg(feature = "serde")]
mod snapshot;

use crate::action::Session;
use crate::limit::Bucket;
use crate::policy::{SESSION_LIMITS, Sessions as Terms};
use crate::time::Instant;

/// A link's memory of its session with the server.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Sessions {
    /// The server keeps a session that the next connection can resume.
    kept: bool,
    /// Failed resumes in a row.
    failures: u32,
    /// The limits of fresh sessions, which resumes do not spend.
    pub(crate) fresh: [Bucket; SESSION_LIMITS],
}

impl Sessions {
    pub(crate) const fn new() -> Self {
        Self { kept: false, failures: 0, fresh: [Bucket::FULL; SESSION_LIMITS] }
    }

    /// What the next connection asks the server for.
    pub(crate) const fn next(&self) -> Session {
        if self.kept { Session::Resume } else { Session::Fresh }
    }

    /// A connection is ready, and the server keeps its session or does not. What was said of an
    /// older session is forgotten with it.
    pub(crate) const fn established(&mut self, resumable: bool, session: Session) {
        self.kept = resumable;
        if matches!(session, Session::Fresh) {
            self.failures = 0;
        }
    }

    pub(crate) const fn forget(&mut self) {
        self.kept = false;
        self.failures = 0;
    }

    /// A connection settled that had resumed the session.
    pub(crate) const fn proven(&mut self) {
        self.failures = 0;
    }

    /// A connection that asked to resume was opened and then lost before it settled. So many in a
    /// row poison the session: the next one is fresh.
    pub(crate) const fn resume_failed(&mut self, terms: &Terms) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= terms.resume_failures {
            self.forget();
        }
    }

    /// A fresh session is spent. Charged where it is asked for, or where the server gives one in
    /// answer to a resume.
    pub(crate) fn charge(&mut self, terms: &Terms, now: Instant) {
        for (bucket, limit) in self.fresh.iter_mut().zip(terms.fresh) {
            if let Some(limit) = limit {
                bucket.charge(limit, now);
            }
        }
    }
}
