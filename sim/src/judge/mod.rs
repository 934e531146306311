//! The judge: an independent reading of the promises.
//!
//! It sees what goes in (events, with their instants and answers), what comes out (actions, with the
//! instants given to the poll) and what the public getters say, and nothing else. From these and the
//! policy's figures it follows each promise on its own terms, and names the one that is broken.
//!
//! After an event it works out what must have happened: first what the event itself ended
//! ([`input`]), then what deadlines may have ended ([`ends`]). Where both ways are right by the log,
//! the link's own counters decide which was taken, and the judge holds it to that. Actions are
//! judged as they come ([`output`]), a drained link as a whole ([`drained`]).

mod attempt;
mod connection;
mod credentials;
mod drained;
mod endpoints;
mod ends;
mod input;
mod keys;
mod log;
mod output;
mod report;
mod rotation;
mod sessions;
#[cfg(test)]
mod tests;

use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;

use redial::{Action, ConnId, Counts, Event, Instant, Link, Misuse, Slot, Status, SubKey};

pub use report::{Broken, Promise};

use crate::terms::Terms;
use attempt::Attempts;
use connection::{Connection, Role};
use credentials::Credentials;
use endpoints::Endpoints;
use input::Wish;
use keys::Keys;
use log::{Entry, Log};
use rotation::Rotations;
use sessions::Sessions;

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
    /// `Stats::settled`.
    pub settled: u64,
    /// `Stats::rotations`.
    pub rotations: u64,
    /// `Stats::rotations_failed`.
    pub rotations_failed: u64,
}

impl View {
    /// What `link` says of itself.
    #[must_use]
    pub fn of<S: AsRef<[Slot]> + AsMut<[Slot]>>(link: &Link<S>) -> Self {
        let stats = link.stats();
        Self {
            deadline: link.deadline(),
            status: link.status(),
            counts: link.counts(),
            settled: stats.settled,
            rotations: stats.rotations,
            rotations_failed: stats.rotations_failed,
        }
    }
}

/// Follows one link from its making on, and tells the first promise that it breaks.
///
/// Feed it everything, in order: [`Judge::event`] after each `handle`, [`Judge::action`] after each
/// `poll_action` that gave an action, [`Judge::drained`] after each that gave none. Where there is a
/// model of the peer, [`Judge::peer_holds`] after a drain tells what the peer really holds.
#[derive(Clone, Debug)]
pub struct Judge {
    terms: Arc<Terms>,
    capacity: u32,
    /// The latest instant seen: one that runs backwards counts as this.
    now: Instant,
    /// The latest instant that came with an event.
    handled_at: Instant,
    view: View,
    /// Since the last event everything was polled.
    drained: bool,
    /// Everything was polled before the last event.
    was_drained: bool,
    /// The event before the last whole drain.
    drained_at: Instant,
    wish: Wish,
    newest: u64,
    /// All that the link holds or the driver still has.
    connections: Vec<Connection>,
    /// Stale `Opened`s that a `Close` is owed for.
    owed: BTreeSet<ConnId>,
    /// Since a drain only stale events came: nothing may come out but a `Close` for one of them.
    quiet_until: Option<Instant>,
    armed: Option<Instant>,
    /// The last report; before the first, what the link says of itself when it is made.
    reported: Status,
    attempts: Attempts,
    endpoints: Endpoints,
    credentials: Credentials,
    sessions: Sessions,
    rotations: Rotations,
    keys: Keys,
    log: Log,
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
            endpoints: Endpoints::new(&terms),
            sessions: Sessions::new(&terms),
            terms: Arc::new(terms),
            capacity,
            now: Instant::ZERO,
            handled_at: Instant::ZERO,
            view,
            drained: true,
            was_drained: true,
            drained_at: Instant::ZERO,
            wish: Wish::default(),
            newest: 0,
            connections: Vec::new(),
            owed: BTreeSet::new(),
            quiet_until: None,
            armed: None,
            reported: view.status,
            attempts: Attempts::default(),
            credentials: Credentials::new(),
            rotations: Rotations::default(),
            keys: Keys::default(),
            log: Log::default(),
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
        self.log.note(now, Entry::Event(*event, result.is_ok()));
        let check = self.judge_event(now, event, result, view);
        self.finish(check)
    }

    /// After `poll_action(now)` gave `action` and left the link as `view` says.
    ///
    /// # Errors
    ///
    /// The promise that is broken.
    pub fn action(&mut self, now: Instant, action: &Action, view: View) -> Result<(), Broken> {
        self.log.note(now, Entry::Action(*action));
        self.now = self.now.max(now);
        let check = self.judge_action(action, view);
        self.finish(check)
    }

    /// After `poll_action(now)` gave nothing and left the link as `view` says.
    ///
    /// # Errors
    ///
    /// The promise that is broken.
    pub fn drained(&mut self, now: Instant, view: View) -> Result<(), Broken> {
        self.log.note(now, Entry::Drained(view.status.phase, view.deadline));
        self.now = self.now.max(now);
        self.drained = true;
        self.drained_at = self.handled_at;
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
        if !self.drained || !self.by_id(conn).is_some_and(Connection::is_ready) {
            return Ok(());
        }
        let check = self.keys.match_peer(conn, held);
        self.finish(check)
    }

    /// The last lines of what it saw, the oldest first.
    pub fn log(&self) -> impl Iterator<Item = String> {
        self.log.lines()
    }

    /// The connection that the link is on as far as its driver can know, ready or not.
    #[must_use]
    pub fn held(&self) -> Option<ConnId> {
        self.role(Role::Current).map(|it| it.id)
    }

    /// The connection that a rotation shall move to, while there is one.
    #[must_use]
    pub fn successor(&self) -> Option<ConnId> {
        self.role(Role::Successor).map(|it| it.id)
    }

    /// Whether a rotation that is asked for now may well succeed: no server has said on this
    /// connection that there is no point in it.
    #[must_use]
    pub fn may_rotate(&self) -> bool {
        self.terms.rotate.is_some() && self.rotations.is_open()
    }

    pub(crate) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The held connection in this role.
    fn role(&self, role: Role) -> Option<&Connection> {
        self.connections.iter().find(|it| it.role == role && it.is_held())
    }

    fn role_mut(&mut self, role: Role) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|it| it.role == role && it.is_held())
    }

    /// The held connection of this name.
    fn by_id(&self, conn: ConnId) -> Option<&Connection> {
        self.connections.iter().find(|it| it.id == conn && it.is_held())
    }

    fn by_id_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|it| it.id == conn && it.is_held())
    }

    /// Which connection requests are sent on: the current one, until a successor is ready and nothing
    /// is in flight any more.
    fn spoken_on(&self) -> Option<ConnId> {
        let current = self.role(Role::Current).filter(|it| it.is_ready())?.id;
        let successor = self.role(Role::Successor).filter(|it| it.is_ready());
        let moves_on = self.keys.speech_is_over(current);
        Some(successor.filter(|_| moves_on).map_or(current, |it| it.id))
    }

    fn finish(&self, check: Check) -> Result<(), Broken> {
        check.map_err(|(promise, what)| Broken {
            promise,
            at: self.now,
            what,
            log: self.log.lines().collect(),
        })
    }
}

/// `limit` rounded up by the nanoseconds that integer arithmetic may lose.
fn roughly(limit: Instant) -> Instant {
    limit.saturating_add(ROUNDING)
}

const ROUNDING: Duration = Duration::from_nanos(16);
