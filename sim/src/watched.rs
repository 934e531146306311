//! A link with the judge beside it.

use std::collections::BTreeSet;

use redial::trace::Header;
use redial::{
    Action, ConnId, Event, Instant, Link, Misuse, Policy, Seed, Slot, Stats, Status, SubKey,
};

use crate::failure::Failure;
use crate::judge::{Broken, Judge, View};
use crate::summary::Summary;
use crate::terms::Terms;
use crate::trace::{Call, Trace};

/// A link whose every call the judge sees. It has the link's own inputs, outputs and getters, so a
/// driver calls it as it would call the link.
#[derive(Clone, Debug)]
pub struct Watched {
    link: Link<Vec<Slot>>,
    judge: Judge,
    broken: Option<Broken>,
    last: Status,
    seen: Summary,
    trace: Trace,
}

impl Watched {
    /// A new link with room for `keys` keys.
    #[must_use]
    pub fn new(policy: Policy, terms: Terms, seed: Seed, keys: u32) -> Self {
        let storage = vec![Slot::EMPTY; keys as usize];
        let link = Link::with_storage(policy, seed, storage);
        let view = View::of(&link);
        let judge = Judge::new(terms, view, keys);
        Self {
            link,
            judge,
            broken: None,
            last: view.status,
            seen: Summary::default(),
            trace: Trace::new(Header { policy, seed, subscriptions: keys }),
        }
    }

    /// As `Link::handle`.
    ///
    /// # Errors
    ///
    /// As `Link::handle`.
    pub fn handle(&mut self, now: Instant, event: Event) -> Result<(), Misuse> {
        let result = self.link.handle(now, event);
        self.record(Call::Event(now, event, result.is_ok()));
        let view = self.view();
        let found = self.judge.event(now, &event, result, view);
        self.keep(found);
        result
    }

    /// As `Link::poll_action`.
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        let action = self.link.poll_action(now);
        self.record(match action {
            Some(action) => Call::Action(now, action),
            None => Call::Drained(now, self.link.deadline()),
        });
        let view = self.view();
        if let Some(action) = &action {
            self.seen.notice_action(action);
        }
        let found = match &action {
            Some(action) => self.judge.action(now, action, view),
            None => self.judge.drained(now, view),
        };
        self.keep(found);
        action
    }

    /// As `Link::deadline`.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.link.deadline()
    }

    /// As `Link::status`.
    #[must_use]
    pub fn status(&self) -> Status {
        self.link.status()
    }

    /// As `Link::stats`.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.link.stats()
    }

    /// The link itself, to be looked at.
    #[must_use]
    pub const fn link(&self) -> &Link<Vec<Slot>> {
        &self.link
    }

    /// The judge, to be looked at.
    #[must_use]
    pub const fn judge(&self) -> &Judge {
        &self.judge
    }

    /// The first promise that was broken.
    #[must_use]
    pub const fn broken(&self) -> Option<&Broken> {
        self.broken.as_ref()
    }

    /// What the link went through so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary { stats: self.stats(), ..self.seen }
    }

    /// What went in and came out so far, or until the first promise was broken.
    #[must_use]
    pub const fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The first promise that was broken, with a trace that shows it. It is made anew by each call:
    /// the calls are shrunk, and a long trace is written to a file.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        let broken = self.broken.clone()?;
        Some(Failure::new(self, broken, None))
    }

    pub(crate) fn into_trace(self) -> Trace {
        self.trace
    }

    /// The peer's own word on what it holds, for the judge to compare.
    pub(crate) fn peer_holds(&mut self, conn: ConnId, held: &BTreeSet<SubKey>) {
        let found = self.judge.peer_holds(conn, held);
        self.keep(found);
    }

    fn view(&mut self) -> View {
        let view = View::of(&self.link);
        let status = view.status;
        let before = core::mem::replace(&mut self.last, status);
        self.seen.notice(&before, &status);
        view
    }

    /// What comes after the first broken promise only hides it.
    fn record(&mut self, call: Call) {
        if self.broken.is_none() {
            self.trace.push(call);
        }
    }

    fn keep(&mut self, found: Result<(), Broken>) {
        if let Err(broken) = found {
            self.broken.get_or_insert(broken);
        }
    }
}
