//! Credentials: when they are asked for, how often, and what the answers lead to (P13).

use redial::{Instant, Millis, Refresh, Ticket};

use super::{Check, Promise, broken, ensure};
use crate::terms::Terms;

/// The credentials at hand, as far as the link can know.
#[derive(Clone, Debug)]
pub(super) struct Credentials {
    newest: u64,
    /// The refresh that waits for its answer.
    pub(super) pending: Option<Pending>,
    run_out: Instant,
    /// They were rejected since they were fetched.
    rejected: bool,
    /// One was asked for and came, for the attempt to come.
    refreshed: bool,
    /// One was asked for, for the attempt to come.
    asked: bool,
    /// The same for the rotation to come.
    asked_to_rotate: bool,
    refreshed_to_rotate: bool,
    /// A refresh beside a ready connection failed: not again before, and no later than.
    renew: Option<(Instant, Instant)>,
    renewal_failures: u32,
    /// There is no point in asking again beside a ready connection.
    forbidden: bool,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Pending {
    pub(super) ticket: Ticket,
    asked_at: Instant,
    pub(super) purpose: Purpose,
}

/// What credentials are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Purpose {
    /// The link's own next attempt.
    Attempt,
    /// A successor.
    Rotation,
    /// They run out on a ready connection.
    Renewal,
    /// One of these two.
    Either,
    /// For what is gone by now.
    Nothing,
}

impl Credentials {
    pub(super) const fn new() -> Self {
        Self {
            newest: 0,
            pending: None,
            run_out: Instant::MAX,
            rejected: false,
            refreshed: false,
            asked: false,
            asked_to_rotate: false,
            refreshed_to_rotate: false,
            renew: None,
            renewal_failures: 0,
            forbidden: false,
        }
    }

    pub(super) const fn newest(&self) -> u64 {
        self.newest
    }

    /// Whether the answer to `ticket` counts at `now`. What nothing waits for must be in time.
    pub(super) fn awaits(&self, terms: &Terms, now: Instant, ticket: Ticket) -> bool {
        self.pending.is_some_and(|pending| {
            let in_time = now < pending.asked_at.saturating_add(terms.refresh_within);
            pending.ticket == ticket && (in_time || pending.purpose != Purpose::Nothing)
        })
    }

    /// An attempt begins afresh: after a loss, after its own refresh failed, after `Start`.
    pub(super) fn next_attempt(&mut self) {
        (self.asked, self.refreshed) = (false, false);
        self.next_rotation();
        if let Some(pending) = &mut self.pending {
            pending.purpose = Purpose::Nothing;
        }
    }

    pub(super) const fn next_rotation(&mut self) {
        (self.asked_to_rotate, self.refreshed_to_rotate) = (false, false);
    }

    pub(super) const fn rejected(&mut self) {
        self.rejected = true;
    }

    /// Whether an attempt that falls due at `now` has to ask first.
    fn needed(&self, terms: &Terms, now: Instant) -> bool {
        match terms.refresh {
            Refresh::OnRejection => self.rejected || now >= self.run_out,
            Refresh::EveryAttempt => true,
            _ => false,
        }
    }

    /// A ticket is handed out at `now`. `rotates`: a rotation may begin.
    pub(super) fn ask(
        &mut self,
        terms: &Terms,
        now: Instant,
        ticket: Ticket,
        for_attempt: bool,
        rotates: bool,
    ) -> Check {
        ensure(ticket.get() > self.newest, Promise::NoCredentialLoop, || {
            format!("ticket {ticket} after {}", self.newest)
        })?;
        self.newest = ticket.get();
        let needed = self.needed(terms, now);
        let renews = terms.refresh != Refresh::Never
            && !self.forbidden
            && now >= self.run_out
            && self.renew.is_none_or(|(from, _)| now >= from);
        let purpose = if for_attempt {
            ensure(needed, Promise::NoCredentialLoop, || {
                format!("credentials are asked for, and those at hand are good: {self:?}")
            })?;
            ensure(!self.asked, Promise::NoCredentialLoop, || {
                format!("a second refresh for one attempt: {self:?}")
            })?;
            self.asked = true;
            Purpose::Attempt
        } else if rotates && needed && !self.asked_to_rotate {
            self.asked_to_rotate = !renews;
            if renews { Purpose::Either } else { Purpose::Rotation }
        } else if renews {
            Purpose::Renewal
        } else {
            let what = format!("nothing asks for credentials beside a connection: {self:?}");
            return broken(Promise::NoCredentialLoop, what);
        };
        self.pending = Some(Pending { ticket, asked_at: now, purpose });
        Ok(())
    }

    /// The answer that counts came. `rotates`: a rotation may begin, and need not ask again.
    pub(super) fn fetched(
        &mut self,
        terms: &Terms,
        now: Instant,
        lasts: Option<Millis>,
        rotates: bool,
    ) {
        self.refreshed_to_rotate |= rotates;
        match self.pending.take().map(|pending| pending.purpose) {
            Some(Purpose::Attempt) => self.refreshed = true,
            Some(Purpose::Rotation | Purpose::Either) => self.refreshed_to_rotate = true,
            Some(Purpose::Renewal | Purpose::Nothing) | None => {}
        }
        self.run_out = lasts.map_or(Instant::MAX, |lasts| now.saturating_add(lasts.as_duration()));
        self.rejected = false;
        // What lasts no time is no reason to ask as fast as answers come.
        let soonest = now.saturating_add(terms.shortest);
        self.renew = Some((soonest, soonest));
        self.renewal_failures = 0;
        self.forbidden = false;
    }

    /// The refresh failed, or was not answered in time. Says what it was for.
    pub(super) fn failed(&mut self, terms: &Terms, now: Instant, fatal: bool) -> Option<Purpose> {
        let purpose = self.pending.take()?.purpose;
        if matches!(purpose, Purpose::Rotation | Purpose::Renewal | Purpose::Either) {
            self.renewal_failures += 1;
            let longest = terms.bound(self.renewal_failures);
            let from = now.saturating_add(terms.shortest);
            self.renew = Some((from, now.saturating_add(longest.max(terms.shortest))));
            self.forbidden |= fatal;
        }
        // What came before for either of two may have been the rotation's, which then has its own.
        if purpose == Purpose::Rotation {
            self.next_rotation();
        }
        Some(purpose)
    }

    /// Until when the answer to the pending ticket is waited for.
    pub(super) fn answer_by(&self, terms: &Terms) -> Option<Instant> {
        Some(self.pending?.asked_at.saturating_add(terms.refresh_within))
    }

    /// When credentials must be asked for on a ready connection at the latest.
    pub(super) fn renewal_by(&self, terms: &Terms) -> Instant {
        if self.forbidden || terms.refresh == Refresh::Never {
            return Instant::MAX;
        }
        self.run_out.max(self.renew.map_or(Instant::ZERO, |(_, by)| by))
    }

    /// The link dials: no attempt goes without credentials that it needs. `due_at`: when it fell due.
    pub(super) fn open(&mut self, terms: &Terms, due_at: Instant) -> Check {
        let missing = self.needed(terms, due_at) && !self.refreshed;
        ensure(!missing, Promise::NoCredentialLoop, || {
            format!("an Open without the credentials that it needs: {self:?}")
        })?;
        self.next_attempt();
        Ok(())
    }

    /// A successor is dialled.
    pub(super) fn open_successor(&mut self, terms: &Terms, due_at: Instant) -> Check {
        let missing = self.needed(terms, due_at) && !self.refreshed_to_rotate;
        ensure(!missing, Promise::NoCredentialLoop, || {
            format!("a rotation without the credentials that it needs: {self:?}")
        })?;
        self.next_rotation();
        Ok(())
    }
}
