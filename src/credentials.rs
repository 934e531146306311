//! Credentials: when they are asked for, and which answer counts.

#[cfg(feature = "serde")]
mod snapshot;

use crate::id::Ticket;
use crate::policy::{Credentials as Terms, Refresh};
use crate::time::Instant;

/// A link's credentials, as far as they decide when to ask for others (P13).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Credentials {
    /// The newest ticket handed out.
    newest: Ticket,
    /// When the answer to the newest ticket counts as missing; never if none is waited for.
    answer_by: Instant,
    /// When those at hand run out; never if that is not known.
    run_out: Instant,
    /// When others are asked for beside a ready connection.
    renew_at: Instant,
    /// That time has come.
    renewal_owed: bool,
    /// Renewals in a row that failed.
    renewal_failures: u8,
    /// They were rejected since they were fetched.
    rejected: bool,
}

impl Credentials {
    pub(crate) const fn new() -> Self {
        Self {
            newest: Ticket(0),
            answer_by: Instant::MAX,
            run_out: Instant::MAX,
            renew_at: Instant::MAX,
            renewal_owed: false,
            renewal_failures: 0,
            rejected: false,
        }
    }

    pub(crate) const fn newest(&self) -> Ticket {
        self.newest
    }

    /// Whether an attempt that begins at `now` asks for others first.
    pub(crate) fn are_needed(&self, terms: &Terms, now: Instant) -> bool {
        match terms.when {
            Refresh::Never => false,
            Refresh::OnRejection => self.rejected || now >= self.run_out,
            Refresh::EveryAttempt => true,
        }
    }

    /// The next ticket, handed out at `now`.
    pub(crate) fn ask(&mut self, terms: &Terms, now: Instant) -> Ticket {
        self.newest = Ticket(self.newest.0.saturating_add(1));
        self.answer_by = now.after(terms.within);
        self.renewal_owed = false;
        self.newest
    }

    /// Until when an answer is waited for; never if none is.
    pub(crate) const fn answer_by(&self) -> Instant {
        self.answer_by
    }

    /// Whether nothing is asked for, nor will be for time's sake.
    #[inline]
    pub(crate) fn are_at_rest(&self) -> bool {
        self.answer_by == Instant::MAX && self.renew_at == Instant::MAX
    }

    /// Whether `ticket` is the one that waits for its answer; it then waits no more (P6, P13).
    pub(crate) fn answered(&mut self, ticket: Ticket) -> bool {
        let counts = ticket == self.newest && self.answer_by != Instant::MAX;
        if counts {
            self.answer_by = Instant::MAX;
        }
        counts
    }

    /// No answer is waited for any more.
    pub(crate) const fn give_up(&mut self) {
        self.answer_by = Instant::MAX;
    }

    /// Others are at hand, good until `run_out`; beside a ready connection the next ones are asked
    /// for at `renew_at`.
    pub(crate) const fn fetched(&mut self, run_out: Instant, renew_at: Instant) {
        (self.run_out, self.renew_at) = (run_out, renew_at);
        self.renewal_failures = 0;
        self.rejected = false;
    }

    /// The server did not take those at hand.
    pub(crate) const fn reject(&mut self) {
        self.rejected = true;
    }

    /// When others are asked for beside a ready connection.
    pub(crate) fn renewal_due(&self, terms: &Terms) -> Instant {
        if terms.when == Refresh::Never || self.renewal_owed { Instant::MAX } else { self.renew_at }
    }

    pub(crate) const fn owe_renewal(&mut self) {
        self.renewal_owed = true;
    }

    pub(crate) const fn is_renewal_owed(&self) -> bool {
        self.renewal_owed
    }

    /// How many in a row have failed now.
    pub(crate) const fn renewal_failed(&mut self) -> u8 {
        self.renewal_failures = self.renewal_failures.saturating_add(1);
        self.renewal_failures
    }

    /// Others are asked for again beside a ready connection, not before those at hand have run out,
    /// and not where an answer said that there is no point.
    pub(crate) fn renew_at(&mut self, at: Instant) {
        if self.renew_at != Instant::MAX {
            self.renew_at = at.max(self.run_out);
        }
    }
}
