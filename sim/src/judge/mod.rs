//! The judge: an independent reading of the promises.
//!
//! It sees what goes in (events, with their instants and answers), what comes out (actions, with the
//! instants given to the poll) and what the public getters say, and nothing else. From these and the
//! policy's figures it follows each promise on its own terms, and names the one that is broken.

mod attempt;
mod keys;
mod link;
mod report;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::{BTreeSet, VecDeque};

use redial::{Action, ConnId, Counts, Event, Instant, Link, Misuse, Slot, Status, SubKey};

pub use report::{Broken, Promise};

use crate::terms::Terms;
use attempt::Attempts;
use keys::Keys;
use link::{Connection, Wish};

/// What the public getters say of a link at one moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "drivers of other links fill it in themselves")]
pub struct View {
    /// `Link::deadline`.
    pub deadline: Option<Instant>,
    /// `Link::status`.
    pub status: Status,
    /// `Link::counts`.
    pub counts: Counts,
}

impl View {
    /// What `link` says of itself.
    #[must_use]
    pub fn of<S: AsRef<[Slot]> + AsMut<[Slot]>>(link: &Link<S>) -> Self {
        Self { deadline: link.deadline(), status: link.status(), counts: link.counts() }
    }
}

/// Follows one link from its making on, and tells the first promise that it breaks.
///
/// Feed it everything, in order: [`Judge::event`] after each `handle`, [`Judge::action`] after each
/// `poll_action` that gave an action, [`Judge::drained`] after each that gave none. Where there is a
/// model of the peer, [`Judge::peer_holds`] after a drain tells what the peer really holds.
#[derive(Clone, Debug)]
pub struct Judge {
    terms: Terms,
    capacity: u32,
    /// The latest instant seen: one that runs backwards counts as this.
    now: Instant,
    /// The latest instant that came with an event.
    handled_at: Instant,
    view: View,
    /// Since the last event everything was polled.
    drained: bool,
    /// Since the last event all polls came at the event's own instant.
    prompt: bool,
    wish: Wish,
    newest: u64,
    connection: Option<Connection>,
    /// Stale `Opened`s that a `Close` is owed for.
    owed: BTreeSet<ConnId>,
    /// Since a drain only stale events came: nothing may come out but a `Close` for one of them.
    quiet_until: Option<Instant>,
    armed: Option<Instant>,
    /// The last report; before the first, what the link says of itself when it is made.
    reported: Status,
    attempts: Attempts,
    keys: Keys,
    log: VecDeque<String>,
}

/// What a check finds.
type Check = Result<(), (Promise, String)>;

fn broken<T>(promise: Promise, what: impl Into<String>) -> Result<T, (Promise, String)> {
    Err((promise, what.into()))
}

/// Fails with `what` unless `holds`.
fn ensure(holds: bool, promise: Promise, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err((promise, what())) }
}

impl Judge {
    /// A judge of a new link: `terms` are its policy's figures, `view` is what it says before the
    /// first event, `capacity` how many keys it has room for.
    #[must_use]
    pub fn new(terms: Terms, view: View, capacity: u32) -> Self {
        Self {
            terms,
            capacity,
            now: Instant::ZERO,
            handled_at: Instant::ZERO,
            view,
            drained: true,
            prompt: true,
            wish: Wish::default(),
            newest: 0,
            connection: None,
            owed: BTreeSet::new(),
            quiet_until: None,
            armed: None,
            reported: view.status,
            attempts: Attempts::default(),
            keys: Keys::default(),
            log: VecDeque::new(),
        }
    }

    /// After `handle(now, event)` answered `result` and left the link as `view` says.
    ///
    /// # Errors
    ///
    /// The promise that is broken.
    pub fn event(
        &mut self,
        now: Instant,
        event: &Event,
        result: Result<(), Misuse>,
        view: View,
    ) -> Result<(), Broken> {
        self.note(now, format!("{event:?}{}", if result.is_ok() { "" } else { " misuse" }));
        let check = self.judge_event(now, event, result, view);
        self.finish(check)
    }

    /// After `poll_action(now)` gave `action` and left the link as `view` says.
    ///
    /// # Errors
    ///
    /// The promise that is broken.
    pub fn action(&mut self, now: Instant, action: &Action, view: View) -> Result<(), Broken> {
        self.note(now, format!("  -> {action:?}"));
        self.tick(now);
        let check = self.judge_action(action, view);
        self.finish(check)
    }

    /// After `poll_action(now)` gave nothing and left the link as `view` says.
    ///
    /// # Errors
    ///
    /// The promise that is broken.
    pub fn drained(&mut self, now: Instant, view: View) -> Result<(), Broken> {
        self.note(now, format!("  drained, {:?}, {:?}", view.status.phase, view.deadline));
        self.tick(now);
        self.drained = true;
        self.view = view;
        let check = self.judge_drained();
        self.finish(check)
    }

    /// After a drain: the peer of connection `conn` holds exactly `held`. Only for a connection that
    /// the peer has not ended.
    ///
    /// # Errors
    ///
    /// The promise that is broken.
    pub fn peer_holds(&mut self, conn: ConnId, held: &BTreeSet<SubKey>) -> Result<(), Broken> {
        let ready = self.connection.as_ref().is_some_and(|it| it.id == conn && it.is_ready());
        if !self.drained || !ready {
            return Ok(());
        }
        let check = self.keys.match_peer(held);
        self.finish(check)
    }

    /// The last lines of what it saw, the oldest first.
    pub fn log(&self) -> impl Iterator<Item = &str> {
        self.log.iter().map(String::as_str)
    }

    /// The connection that the link holds as far as its driver can know, ready or not.
    #[must_use]
    pub fn held(&self) -> Option<ConnId> {
        self.connection.as_ref().filter(|it| it.is_held()).map(|it| it.id)
    }

    fn tick(&mut self, now: Instant) {
        self.prompt &= now <= self.handled_at;
        self.now = self.now.max(now);
    }

    fn note(&mut self, now: Instant, line: String) {
        if self.log.len() == LOG_LINES {
            self.log.pop_front();
        }
        self.log.push_back(format!("{now} {line}"));
    }

    fn finish(&self, check: Check) -> Result<(), Broken> {
        check.map_err(|(promise, what)| Broken {
            promise,
            at: self.now,
            what,
            log: self.log.iter().cloned().collect(),
        })
    }
}

/// `limit` rounded up by the nanoseconds that integer arithmetic may lose.
fn roughly(limit: Instant) -> Instant {
    limit.saturating_add(ROUNDING)
}

const ROUNDING: Duration = Duration::from_nanos(16);
const LOG_LINES: usize = 30;
