//! What was asked and answered on one connection.

use core::time::Duration;
use std::collections::BTreeMap;

use redial::{ConnId, Instant, Request, SubKey};

use crate::terms::Meter;

/// The conversation about keys on one connection that is, or was, ready.
#[derive(Clone, Debug)]
pub(super) struct Speech {
    pub(super) conn: ConnId,
    pub(super) newest_request: u64,
    pub(super) pace: Meter,
    /// It was `Live` or `Degraded`.
    pub(super) restored: bool,
    on: BTreeMap<SubKey, OnConnection>,
}

/// What is known of a key on one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct OnConnection {
    pub(super) held: Held,
    pub(super) flight: Option<Flight>,
    pub(super) asked: bool,
    /// The peer confirmed it, and nothing since allows to ask again.
    pub(super) confirmed: bool,
    /// It must be said again although it is held.
    pub(super) again: bool,
    /// It may be said again although it is held.
    pub(super) unsure: bool,
    /// A final refusal was lifted: its place in the replay is open.
    pub(super) lifted: bool,
    /// Since when it waits for its own retry, and at most how long.
    pub(super) retry: Option<(Instant, Duration)>,
    /// Failed requests in a row for the present wish: at least this many.
    pub(super) failures: u32,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Held {
    No,
    Yes,
    /// A request got no answer.
    Maybe,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) request: Request,
    pub(super) subscribe: bool,
    pub(super) wish: u64,
    pub(super) sent_at: Instant,
    pub(super) timed_out: bool,
    /// Another connection was spoken on since: its answer need not be listened to any more.
    pub(super) overtaken: bool,
}

impl OnConnection {
    const NOTHING: Self = Self {
        held: Held::No,
        flight: None,
        asked: false,
        confirmed: false,
        again: false,
        unsure: false,
        lifted: false,
        retry: None,
        failures: 0,
    };

    pub(super) const fn in_flight(&self) -> bool {
        matches!(self.flight, Some(Flight { timed_out: false, .. }))
    }

    /// What another connection inherits that goes on with the same session.
    fn inherited(&self) -> Self {
        let open = self.flight.is_some() || self.again;
        Self {
            held: if open { Held::Maybe } else { self.held },
            confirmed: self.confirmed && !open,
            unsure: self.unsure,
            ..Self::NOTHING
        }
    }
}

impl Speech {
    /// Nothing was said yet.
    pub(super) const fn new(conn: ConnId) -> Self {
        let on = BTreeMap::new();
        Self { conn, newest_request: 0, pace: Meter::NEW, restored: false, on }
    }

    /// The conversation on `conn` with a peer that kept what it held on this one.
    pub(super) fn resumed(&self, conn: ConnId) -> Self {
        let on = self.on.iter().map(|(key, on)| (*key, on.inherited())).collect();
        Self { on, ..Self::new(conn) }
    }

    pub(super) fn on(&self, key: SubKey) -> OnConnection {
        self.on.get(&key).copied().unwrap_or(OnConnection::NOTHING)
    }

    pub(super) fn on_mut(&mut self, key: SubKey) -> &mut OnConnection {
        self.on.entry(key).or_insert(OnConnection::NOTHING)
    }

    pub(super) fn all_mut(&mut self) -> impl Iterator<Item = (SubKey, &mut OnConnection)> {
        self.on.iter_mut().map(|(key, on)| (*key, on))
    }

    /// Another connection is spoken on in place of this one.
    pub(super) fn is_overtaken(&mut self) {
        for flight in self.on.values_mut().filter_map(|on| on.flight.as_mut()) {
            flight.overtaken = true;
        }
    }

    pub(super) fn in_flight(&self) -> usize {
        self.on.values().filter(|on| on.in_flight()).count()
    }
}
