//! Which server to dial: floors, quarantines, and the one that is due first.

#[cfg(feature = "serde")]
mod snapshot;

use crate::id::Endpoint;
use crate::policy::{ENDPOINTS_MAX, Endpoints as Terms};
use crate::time::{Instant, Nanos};

/// What a link remembers of its endpoints, whatever becomes of the link's wish (P9).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Endpoints {
    /// No attempt before, for the server asked so.
    floors: [Instant; ENDPOINTS_MAX],
    /// Not dialled before while another one is open.
    quarantined_until: [Instant; ENDPOINTS_MAX],
    /// Quarantines in a row.
    quarantines: [u8; ENDPOINTS_MAX],
}

impl Endpoints {
    pub(crate) const fn new() -> Self {
        Self {
            floors: [Instant::ZERO; ENDPOINTS_MAX],
            quarantined_until: [Instant::ZERO; ENDPOINTS_MAX],
            quarantines: [0; ENDPOINTS_MAX],
        }
    }

    /// The lowest endpoint with neither floor nor quarantine running.
    #[inline(never)]
    pub(crate) fn lowest_open(&self, terms: &Terms, now: Instant) -> Option<Endpoint> {
        present(terms).find(|endpoint| self.open_at(*endpoint) <= now)
    }

    /// The endpoint that an attempt is for which begins at `now`: the lowest open one, else the one
    /// that is due first.
    #[inline]
    pub(crate) fn pick(&self, terms: &Terms, now: Instant) -> Endpoint {
        if terms.count == 1 {
            return Endpoint(0);
        }
        self.lowest_open(terms, now).unwrap_or_else(|| self.first_due(terms))
    }

    #[inline(never)]
    fn first_due(&self, terms: &Terms) -> Endpoint {
        let first = present(terms).min_by_key(|endpoint| self.open_at(*endpoint));
        first.unwrap_or(Endpoint(0))
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
    #[inline]
    pub(crate) fn floor(&self, endpoint: Endpoint) -> Instant {
        self.floors.get(index(endpoint)).copied().unwrap_or(Instant::ZERO)
    }

    /// When neither floor nor quarantine of `endpoint` run any more.
    #[inline]
    pub(crate) fn open_at(&self, endpoint: Endpoint) -> Instant {
        let until = self.quarantined_until.get(index(endpoint));
        self.floor(endpoint).max(until.copied().unwrap_or(Instant::ZERO))
    }

    /// The server asked for patience: never shortened, not even by `Stop` and `Start` (P9).
    pub(crate) fn raise_floor(&mut self, endpoint: Endpoint, until: Instant) {
        if let Some(floor) = self.floors.get_mut(index(endpoint)) {
            *floor = until.max(*floor);
        }
    }

    /// `endpoint` failed: the others come first for a while, twice as long each time.
    pub(crate) fn quarantine(&mut self, endpoint: Endpoint, terms: &Terms, now: Instant) {
        if terms.count == 1 {
            return;
        }
        if let Some((until, quarantines)) = self.quarantine_mut(endpoint) {
            let doublings = u32::from(*quarantines).min(u64::BITS.saturating_sub(1));
            let span = terms.quarantine_shortest.0.saturating_mul(1 << doublings);
            *quarantines = quarantines.saturating_add(1);
            *until = now.after(Nanos(span).min(terms.quarantine_longest));
        }
    }

    /// A connection to `endpoint` settled: its quarantines are forgotten. Nothing else forgets
    /// them, hence two bad endpoints never look good by taking turns.
    pub(crate) fn forgive(&mut self, endpoint: Endpoint) {
        if let Some((until, quarantines)) = self.quarantine_mut(endpoint) {
            (*until, *quarantines) = (Instant::ZERO, 0);
        }
    }

    fn quarantine_mut(&mut self, endpoint: Endpoint) -> Option<(&mut Instant, &mut u8)> {
        let until = self.quarantined_until.get_mut(index(endpoint))?;
        Some((until, self.quarantines.get_mut(index(endpoint))?))
    }
}

/// The endpoints that the policy has.
fn present(terms: &Terms) -> impl Iterator<Item = Endpoint> {
    (0..terms.count).map(Endpoint)
}

fn index(endpoint: Endpoint) -> usize {
    usize::from(endpoint.0)
}
