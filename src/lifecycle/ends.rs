//! How connections and attempts end, and what that teaches the link.

use super::{Closing, Context, Lifecycle, State, Then};
use crate::action::{Session, Why};
use crate::backoff::{Cadence, Delay};
use crate::connection::Connection;
use crate::event::{By, Fact};
use crate::id::Endpoint;
use crate::policy::Policy;
use crate::stats::{Stats, count};
use crate::status::{Cause, Halted};
use crate::time::Nanos;
use crate::verdict::Verdict;

/// How a connection or an attempt ended.
pub(super) struct Ended {
    pub(super) settled: bool,
    pub(super) was_open: bool,
    pub(super) was_ready: bool,
    /// It asked to resume, or had resumed.
    pub(super) resumed: bool,
    /// Which one was dialled, if one was.
    pub(super) endpoint: Option<Endpoint>,
    pub(super) cause: Cause,
    pub(super) verdict: Verdict,
}

impl Ended {
    pub(super) fn of(
        connection: &Connection,
        cx: &Context<'_>,
        cause: Cause,
        verdict: Verdict,
    ) -> Self {
        let by_peer = matches!(cause, Cause::Closed { by: By::Peer, .. });
        Self {
            settled: connection.is_settled(cx.policy, cx.now, by_peer),
            was_open: connection.is_open(),
            was_ready: connection.is_ready(),
            resumed: connection.session == Session::Resume,
            endpoint: Some(connection.endpoint),
            cause,
            verdict,
        }
    }
}

impl Lifecycle {
    /// A connection or an attempt has ended while the link is wanted: one loss, whatever else is
    /// reported of it later (P12). A successor takes the place of a wait.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    pub(super) fn end(&mut self, cx: &mut Context<'_>, ended: Ended) {
        self.cause = Some(ended.cause);
        let successor = self.take_successor();
        let (halted, cadence) = self.learn(cx, &ended);
        if let Some(halted) = halted {
            if let Some(successor) = successor {
                self.abort(successor.id, Why::Moved);
            }
            return self.enter(State::Halted(halted));
        }
        if let Some(successor) = successor {
            return self.promote(successor);
        }
        let delay = if ended.settled && ended.cause == Cause::Moved {
            Delay::NONE
        } else {
            self.failures.delay(cx.policy, ended.verdict, cadence, &mut self.jitter)
        };
        self.wait(cx, delay);
    }

    /// A graceful close is over.
    pub(super) fn closed_gracefully(&mut self, cx: &mut Context<'_>, closing: Closing) {
        match closing.then {
            Then::Idle => self.enter(State::Idle),
            Then::Begin => self.begin_afresh(cx),
            Then::Lose { settled, cause } => {
                let ended = Ended {
                    settled,
                    was_open: true,
                    was_ready: true,
                    resumed: closing.resumed,
                    endpoint: Some(closing.endpoint),
                    cause,
                    verdict: Verdict::Retry,
                };
                self.end(cx, ended);
            }
        }
    }

    /// What an end teaches the link: failures, endpoint, session, credentials. Says whether it halts,
    /// and what kind of delay follows otherwise.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn learn(&mut self, cx: &mut Context<'_>, ended: &Ended) -> (Option<Halted>, Cadence) {
        cx.stats.ended(ended.cause, ended.was_ready.then_some(cx.now));
        let failed = !ended.settled && ended.cause != Cause::Network;
        let rejected = ended.verdict == Verdict::Reauthenticate;
        if ended.settled {
            self.settled(cx.stats, ended.endpoint);
        }
        self.learn_session(cx, ended, failed && !rejected);
        let cadence = self.learn_endpoint(cx, ended, failed && !rejected);
        if failed {
            count(&mut cx.stats.failures);
            match cadence {
                Cadence::Round => self.failures.raise_within_round(),
                Cadence::Ladder | Cadence::Suspended => self.failures.raise(&cx.policy.retry),
            }
        }
        let halted = match ended.verdict {
            Verdict::Halt if ended.cause == Cause::Credentials => Some(Halted::Unauthorized),
            Verdict::Halt => Some(Halted::Fatal),
            Verdict::Reauthenticate => {
                self.credentials.reject();
                self.failures.reject();
                let rejections = self.failures.rejections();
                (rejections >= cx.policy.credentials.rejections).then_some(Halted::Unauthorized)
            }
            Verdict::RetryWithin { .. }
            | Verdict::Retry
            | Verdict::RetrySoon
            | Verdict::NextEndpoint
            | Verdict::FreshSession => None,
        };
        let gives_up = failed && self.gives_up(cx.policy);
        (halted.or(gives_up.then_some(Halted::Exhausted)), cadence)
    }

    /// What a settled connection teaches. Nothing else but `Start` lets failures be forgotten (P8).
    pub(super) fn settled(&mut self, stats: &mut Stats, endpoint: Option<Endpoint>) {
        count(&mut stats.settled);
        self.failures.forget();
        self.outage.spent = Nanos::ZERO;
        self.suspended = false;
        if let Some(endpoint) = endpoint {
            self.endpoints.forgive(endpoint);
        }
    }

    /// Failed resumes poison a session; some ends say that the server keeps it no more. A rejection of
    /// our credentials says nothing of sessions.
    fn learn_session(&mut self, cx: &Context<'_>, ended: &Ended, failed: bool) {
        let rejected = ended.verdict == Verdict::Reauthenticate;
        let ends = !rejected && ended.ends_session(cx.policy);
        if ended.verdict == Verdict::FreshSession || ends {
            self.sessions.forget();
        } else if ended.resumed && ended.settled {
            self.sessions.proven();
        } else if ended.resumed && ended.was_open && failed {
            self.sessions.resume_failed(&cx.policy.sessions);
        }
    }

    /// A failure quarantines the endpoint, a settled connection forgives it, and `NextEndpoint`
    /// leaves it whatever it was. While another one is open, a round over them goes on.
    fn learn_endpoint(&mut self, cx: &Context<'_>, ended: &Ended, failed: bool) -> Cadence {
        let terms = &cx.policy.endpoints;
        if let Some(endpoint) = ended.endpoint {
            if let Verdict::RetryWithin { from, .. } = ended.verdict {
                self.raise_floor(cx, endpoint, from.nanos());
            }
            if terms.count > 1 && (failed || ended.verdict == Verdict::NextEndpoint) {
                self.endpoints.quarantine(endpoint, terms, cx.now);
                if self.endpoints.lowest_open(terms, cx.now).is_some() {
                    return Cadence::Round;
                }
            }
        }
        let suspension = cx.policy.suspend;
        self.suspended = suspension.is_some_and(|it| self.outage.spent >= it.after);
        if self.suspended { Cadence::Suspended } else { Cadence::Ladder }
    }

    /// The server asked for patience: never shortened, not even by `Stop` and `Start` (P9).
    pub(super) fn raise_floor(&mut self, cx: &Context<'_>, endpoint: Endpoint, wait: Nanos) {
        let wait = wait.min(cx.policy.server_delay_max);
        if wait != Nanos::ZERO {
            self.endpoints.raise_floor(endpoint, cx.now.after(wait));
        }
    }

    fn gives_up(&self, policy: &Policy) -> bool {
        let attempts = if self.ever_ready {
            policy.give_up.attempts
        } else {
            policy.give_up.first_attempts.or(policy.give_up.attempts)
        };
        attempts.is_some_and(|attempts| self.failures.count() >= attempts)
            || self.is_outage_over(policy)
    }

    pub(super) fn is_outage_over(&self, policy: &Policy) -> bool {
        policy.give_up.outage.is_some_and(|outage| self.outage.spent >= outage)
    }
}

impl Ended {
    /// A peer that closes with 1000 or 1001 keeps the session no more, unless the policy reads these
    /// codes otherwise.
    fn ends_session(&self, policy: &Policy) -> bool {
        let Cause::Closed { by: By::Peer, fact: Fact::Code(code @ (1000 | 1001)) } = self.cause
        else {
            return false;
        };
        !policy.rules().iter().any(|rule| rule.matches(Fact::Code(code)))
    }
}
