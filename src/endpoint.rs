//! Which server to dial: floors, quarantines, and the one that is due first.

#[cfg(feature = "serde")]
mod snapshot;

use crate::id::Endpoint;
use crate::policy::{ENDPOINTS_MAX, Endpoints as Terms};
use crate::time::{Instant, Nanos};

/// What a link remembers of its endpoints, whatever becomes of the link's wish (P9).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Endpoints {
    health: [Health; ENDPOINTS_MAX],
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Health {
    /// No attempt before, for the server asked so.
    floor: Instant,
    /// Not dialled before while another one is open.
    quarantined_until: Instant,
    /// Quarantines in a row.
    quarantines: u8,
}

impl Endpoints {
    pub(crate) const fn new() -> Self {
        let health =
            Health { floor: Instant::ZERO, quarantined_until: Instant::ZERO, quarantines: 0 };
        Self { health: [health; ENDPOINTS_MAX] }
    }

    /// The lowest endpoint with neither floor nor quarantine running.
    #[inline(never)]
    pub(crate) fn lowest_open(&self, terms: &Terms, now: Instant) -> Option<Endpoint> {
        self.present(terms)
            .find(|(_, health)| health.open_at() <= now)
            .map(|(endpoint, _)| endpoint)
    }

    /// The endpoint that an attempt is for which begins at `now`: the lowest open one, else the one
    /// that is due first.
    #[inline]
    pub(crate) fn pick(&self, terms: &Terms, now: Instant) -> Endpoint {
        if terms.count == 1 {
            return Endpoint(0);
        }
        self.lowest_open(terms, now).unwrap_or_else(|| {
            let first = self.present(terms).min_by_key(|(_, health)| health.open_at());
            first.map_or(Endpoint(0), |(endpoint, _)| endpoint)
        })
    }

    /// The endpoint that an attempt dials at `now`: the lowest open one, else the `preferred` one.
    #[inline]
    pub(crate) fn dialled(&self, terms: &Terms, now: Instant, preferred: Endpoint) -> Endpoint {
        if terms.count == 1 {
            return Endpoint(0);
        }
        self.lowest_open(terms, now).unwrap_or(preferred)
    }

    /// No attempt at `endpoint` before (P9).
    pub(crate) fn floor(&self, endpoint: Endpoint) -> Instant {
        self.get(endpoint).map_or(Instant::ZERO, |health| health.floor)
    }

    /// When neither floor nor quarantine of `endpoint` run any more.
    pub(crate) fn open_at(&self, endpoint: Endpoint) -> Instant {
        self.get(endpoint).map_or(Instant::ZERO, |health| health.open_at())
    }

    /// The server asked for patience: never shortened, not even by `Stop` and `Start` (P9).
    pub(crate) fn raise_floor(&mut self, endpoint: Endpoint, until: Instant) {
        if let Some(health) = self.get_mut(endpoint) {
            health.floor = health.floor.max(until);
        }
    }

    /// `endpoint` failed: the others come first for a while, twice as long each time.
    pub(crate) fn quarantine(&mut self, endpoint: Endpoint, terms: &Terms, now: Instant) {
        if terms.count == 1 {
            return;
        }
        if let Some(health) = self.get_mut(endpoint) {
            let doublings = u32::from(health.quarantines).min(u64::BITS.saturating_sub(1));
            let span = terms.quarantine_shortest.0.saturating_mul(1 << doublings);
            health.quarantines = health.quarantines.saturating_add(1);
            health.quarantined_until = now.after(Nanos(span).min(terms.quarantine_longest));
        }
    }

    /// A connection to `endpoint` settled: its quarantines are forgotten. Nothing else forgets
    /// them, hence two bad endpoints never look good by taking turns.
    pub(crate) fn forgive(&mut self, endpoint: Endpoint) {
        if let Some(health) = self.get_mut(endpoint) {
            health.quarantined_until = Instant::ZERO;
            health.quarantines = 0;
        }
    }

    fn present(&self, terms: &Terms) -> impl Iterator<Item = (Endpoint, &Health)> {
        (0..terms.count).map(Endpoint).zip(&self.health)
    }

    fn get(&self, endpoint: Endpoint) -> Option<&Health> {
        self.health.get(usize::from(endpoint.0))
    }

    fn get_mut(&mut self, endpoint: Endpoint) -> Option<&mut Health> {
        self.health.get_mut(usize::from(endpoint.0))
    }
}

impl Health {
    fn open_at(&self) -> Instant {
        self.floor.max(self.quarantined_until)
    }
}
