//! Which server may be dialled, and which one is to be: floors (P9) and quarantines.

use core::time::Duration;

use redial::{Endpoint, Instant, Verdict};

use super::{Check, Promise, broken, ensure};
use crate::terms::Terms;

/// What is known of each endpoint, whatever becomes of the wish.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    health: Vec<Health>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Health {
    /// The server asked for no attempt before.
    floor: Instant,
    /// How long it asked for.
    asked: Duration,
    quarantined_until: Instant,
    quarantines: u32,
}

impl Health {
    fn open_at(&self) -> Instant {
        self.floor.max(self.quarantined_until)
    }
}

impl Endpoints {
    pub(super) fn new(terms: &Terms) -> Self {
        Self { health: vec![Health::default(); usize::from(terms.endpoints)] }
    }

    /// The server at `endpoint` asked for a wait on a held connection.
    pub(super) fn floor(
        &mut self,
        terms: &Terms,
        now: Instant,
        endpoint: Endpoint,
        wait: Duration,
    ) {
        let wait = wait.min(terms.server_delay_max);
        let until = now.saturating_add(wait);
        if let Some(health) = self.health.get_mut(usize::from(endpoint.get()))
            && !wait.is_zero()
            && health.floor < until
        {
            (health.floor, health.asked) = (until, wait);
        }
    }

    pub(super) fn forgive(&mut self, endpoint: Endpoint) {
        if let Some(health) = self.health.get_mut(usize::from(endpoint.get())) {
            (health.quarantined_until, health.quarantines) = (Instant::ZERO, 0);
        }
    }

    /// `endpoint` failed, or says that it cannot serve us.
    pub(super) fn quarantine(&mut self, terms: &Terms, now: Instant, endpoint: Endpoint) {
        let (shortest, longest) = terms.quarantine;
        if terms.endpoints == 1 {
            return;
        }
        if let Some(health) = self.health.get_mut(usize::from(endpoint.get())) {
            let twice = |span: Duration, _| span.saturating_mul(2).min(longest);
            let span = (0..health.quarantines).fold(shortest, twice);
            health.quarantined_until = now.saturating_add(span);
            health.quarantines += 1;
        }
    }

    /// An attempt ended so; true if a round over the endpoints goes on.
    pub(super) fn learn(
        &mut self,
        terms: &Terms,
        now: Instant,
        endpoint: Endpoint,
        failed: bool,
        verdict: Verdict,
    ) -> bool {
        let blamed = failed && verdict != Verdict::Reauthenticate;
        if terms.endpoints == 1 || !(blamed || verdict == Verdict::NextEndpoint) {
            return false;
        }
        self.quarantine(terms, now, endpoint);
        self.lowest_open(now).is_some()
    }

    pub(super) fn lowest_open(&self, now: Instant) -> Option<Endpoint> {
        self.numbered().find(|(_, health)| health.open_at() <= now).map(|(endpoint, _)| endpoint)
    }

    /// The one for an attempt whose wait begins at `now`.
    pub(super) fn pick(&self, now: Instant) -> Endpoint {
        let due_first = || self.numbered().min_by_key(|(_, health)| health.open_at());
        self.lowest_open(now)
            .or_else(|| due_first().map(|(endpoint, _)| endpoint))
            .unwrap_or(Endpoint::new(0))
    }

    /// Until when the server at `endpoint` wants no attempt, and how long that was.
    pub(super) fn floor_of(&self, endpoint: Endpoint) -> (Instant, Duration) {
        let health = self.health.get(usize::from(endpoint.get())).copied().unwrap_or_default();
        (health.floor, health.asked)
    }

    pub(super) fn open_at(&self, endpoint: Endpoint) -> Instant {
        self.health.get(usize::from(endpoint.get())).map_or(Instant::ZERO, Health::open_at)
    }

    /// `endpoint` is dialled at `now`, where `else_picked` is due unless one is open.
    pub(super) fn dialled(
        &self,
        now: Instant,
        endpoint: Endpoint,
        else_picked: Option<Endpoint>,
    ) -> Check {
        let floor = self.floor_of(endpoint).0;
        ensure(usize::from(endpoint.get()) < self.health.len(), Promise::Endpoints, || {
            format!("endpoint {endpoint} of {}", self.health.len())
        })?;
        ensure(now >= floor, Promise::ServerIsHeard, || {
            format!("an Open at {now}, endpoint {endpoint} asked to wait until {floor}")
        })?;
        match self.lowest_open(now).or(else_picked) {
            Some(due) if due != endpoint => broken(
                Promise::Endpoints,
                format!("endpoint {endpoint} is dialled at {now}, it is {due}'s turn: {self:?}"),
            ),
            Some(_) | None => Ok(()),
        }
    }

    fn numbered(&self) -> impl Iterator<Item = (Endpoint, &Health)> {
        (0..=u8::MAX).map(Endpoint::new).zip(&self.health)
    }
}
