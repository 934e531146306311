//! Closes that the driver has not been told of yet. No `Open` is handed out before them (P4).

use crate::action::Why;
use crate::id::ConnId;

/// Without an `Option`: no connection has the id 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(super) struct Owed {
    /// What is dropped. Two at most are held.
    aborts: [ConnId; 2],
    /// First and last of a range of ids that opened after they were given up. It may name ids that
    /// are gone already; closing those is harmless.
    stale: [ConnId; 2],
    /// What each of `aborts` is dropped for.
    reasons: [Why; 2],
}

const NONE: ConnId = ConnId(0);

impl Owed {
    pub(super) const fn new() -> Self {
        Self { aborts: [NONE; 2], stale: [NONE; 2], reasons: [Why::Stale; 2] }
    }

    pub(super) fn abort(&mut self, conn: ConnId, why: Why) {
        let mut places = self.aborts.iter_mut().zip(&mut self.reasons);
        if let Some((place, reason)) = places.find(|(place, _)| **place == NONE) {
            (*place, *reason) = (conn, why);
        }
    }

    pub(super) fn is_aborted(&self, conn: ConnId) -> bool {
        self.aborts.contains(&conn)
    }

    pub(super) fn take_abort(&mut self) -> Option<(ConnId, Why)> {
        let mut places = self.aborts.iter_mut().zip(&mut self.reasons);
        let (place, reason) = places.find(|(place, _)| **place != NONE)?;
        let taken = (*place, *reason);
        (*place, *reason) = (NONE, Why::Stale);
        Some(taken)
    }

    pub(super) fn close_stale(&mut self, conn: ConnId) {
        let [first, last] = self.stale;
        let first = if first == NONE { conn } else { first.min(conn) };
        self.stale = [first, last.max(conn)];
    }

    pub(super) fn take_stale(&mut self) -> Option<ConnId> {
        let [first, last] = self.stale;
        if first == NONE {
            return None;
        }
        let rest = [ConnId(first.0.saturating_add(1)), last];
        self.stale = if first < last { rest } else { [NONE; 2] };
        Some(first)
    }
}
