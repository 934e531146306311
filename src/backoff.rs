//! How long to wait after a failure: the ladder, quick draws, spreads.

#[cfg(feature = "serde")]
pub(crate) mod snapshot;

use crate::policy::{Jitter as Drawing, JitterKind, Policy, Retry};
use crate::seed::Jitter;
use crate::time::{MaybeMillis, MaybeNanos, Millis, Nanos};
use crate::verdict::Verdict;

/// What a link remembers of its failures. Only a settled connection or `Start` forgets it (P8).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Failures {
    /// Failures in a row.
    count: u32,
    /// Failures in a row, a round over the endpoints counted as one.
    level: u32,
    /// The ladder's upper end at this level, kept rather than computed as a power.
    bound: Nanos,
    /// The last delay drawn from the ladder, for decorrelated jitter.
    previous: Nanos,
    /// Whether a delay was drawn with the bound at the ladder's end, for phase jitter.
    capped: bool,
    /// Whether the one quick answer to `RetrySoon` is spent.
    soon_spent: bool,
    /// Rejections in a row.
    rejections: u32,
    /// The window over which the server told its clients to return.
    told_spread: MaybeNanos,
    /// The window over which the last ready connection's server wants its clients to return.
    negotiated: MaybeMillis,
    /// Whether the first delay of the spread in force was drawn.
    spread_begun: bool,
}

/// What a failure is one of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cadence {
    /// The ladder.
    Ladder,
    /// A round over the endpoints: the next one is dialled soon.
    Round,
    /// An outage so long that attempts come slower.
    Suspended,
}

/// One draw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Delay {
    pub(crate) length: Nanos,
    /// A spread is not shortened by hints: that would gather the fleet again.
    pub(crate) spread: bool,
}

impl Delay {
    pub(crate) const NONE: Self = Self { length: Nanos::ZERO, spread: false };
}

impl Failures {
    pub(crate) const fn new() -> Self {
        Self {
            count: 0,
            level: 0,
            bound: Nanos::ZERO,
            previous: Nanos::ZERO,
            capped: false,
            soon_spent: false,
            rejections: 0,
            told_spread: MaybeNanos::NONE,
            negotiated: MaybeMillis::NONE,
            spread_begun: false,
        }
    }

    pub(crate) const fn count(&self) -> u32 {
        self.count
    }

    pub(crate) const fn level(&self) -> u32 {
        self.level
    }

    pub(crate) const fn rejections(&self) -> u32 {
        self.rejections
    }

    /// One more failure in a row, in a round over the endpoints that goes on: the level stays.
    pub(crate) fn raise_within_round(&mut self) {
        self.count = self.count.saturating_add(1);
    }

    /// One more failure in a row. The bound rises whatever kind of draw follows (P8).
    pub(crate) fn raise(&mut self, retry: &Retry) {
        self.count = self.count.saturating_add(1);
        let from = if self.level == 0 { retry.shortest } else { self.bound };
        self.level = self.level.saturating_add(1);
        self.bound = retry.growth.next(from, self.level, retry);
    }

    /// One more rejection of our credentials in a row.
    pub(crate) fn reject(&mut self) {
        self.rejections = self.rejections.saturating_add(1);
    }

    /// The upper end of what would be drawn at this level without a spread.
    pub(crate) fn bound(&self, retry: &Retry) -> Nanos {
        if self.level == 0 { retry.first_within } else { self.bound }
    }

    /// A connection settled, or the link begins afresh: all but what the server negotiated is
    /// forgotten (P8).
    pub(crate) fn forget(&mut self) {
        *self = Self { negotiated: self.negotiated, ..Self::new() };
    }

    /// A connection that was ready is lost: what it negotiated holds for the return, be it nothing.
    pub(crate) const fn negotiated(&mut self, spread: MaybeMillis) {
        self.negotiated = spread;
    }

    /// The delay that follows a loss or failure with this verdict (P8).
    pub(crate) fn delay(
        &mut self,
        policy: &Policy,
        verdict: Verdict,
        cadence: Cadence,
        jitter: &mut Jitter,
    ) -> Delay {
        let retry = &policy.retry;
        let quick = self.is_quick(verdict);
        if let (Cadence::Suspended, Some(suspension)) = (cadence, &policy.suspend) {
            let length = draw(jitter, suspension.shortest, suspension.longest);
            return Delay { length, spread: false };
        }
        if let Some((from, to)) = self.spread(policy, verdict) {
            return Delay { length: draw(jitter, from, to), spread: true };
        }
        let length = if quick || cadence == Cadence::Round {
            quick_draw(retry, jitter)
        } else {
            self.ladder_draw(retry, jitter)
        };
        Delay { length, spread: false }
    }

    fn is_quick(&mut self, verdict: Verdict) -> bool {
        let first_soon = verdict == Verdict::RetrySoon && !self.soon_spent;
        self.soon_spent |= verdict == Verdict::RetrySoon;
        let first_rejection = verdict == Verdict::Reauthenticate && self.rejections == 1;
        self.level == 0 || first_soon || first_rejection
    }

    /// The interval of a spread in force that is wider than the ladder at this level.
    fn spread(&mut self, policy: &Policy, verdict: Verdict) -> Option<(Nanos, Nanos)> {
        let retry = &policy.retry;
        let told = window(policy, verdict);
        if let Some((_, to)) = told {
            self.told_spread = MaybeNanos::some(to);
        }
        let width = self.told_spread.get().or_else(|| self.agreed_spread(policy))?;
        if width <= self.bound(retry) {
            return None;
        }
        let first = !self.spread_begun;
        self.spread_begun = true;
        let tenth = Nanos(width.0 / 10);
        Some(match told {
            Some(interval) => interval,
            None if first => (Nanos::ZERO, width),
            None => (Nanos(width.0.saturating_sub(tenth.0)), width.saturating_add(tenth)),
        })
    }

    /// What the last ready connection negotiated, clamped, zero being none; else the policy's.
    fn agreed_spread(&self, policy: &Policy) -> Option<Nanos> {
        match self.negotiated.get() {
            None => policy.retry.spread,
            Some(Millis::ZERO) => None,
            Some(spread) => {
                let longest = spread.nanos().min(policy.server_delay_max);
                Some(longest.max(policy.retry.first_within))
            }
        }
    }

    fn ladder_draw(&mut self, retry: &Retry, jitter: &mut Jitter) -> Nanos {
        let previous = self.previous.max(retry.shortest);
        let (from, to) = retry.interval(self.bound, previous, self.capped);
        self.capped |= self.bound >= retry.longest;
        self.previous = draw(jitter, from, to);
        self.previous
    }
}

/// Uniform in `[0, first_within]`.
pub(crate) fn quick_draw(retry: &Retry, jitter: &mut Jitter) -> Nanos {
    draw(jitter, Nanos::ZERO, retry.first_within)
}

/// A delay for what is tried again beside the link's own attempts: the ladder after `failures` in a
/// row.
pub(crate) fn side_draw(retry: &Retry, failures: u8, jitter: &mut Jitter) -> Nanos {
    let mut bound = retry.shortest;
    for level in 1..=u32::from(failures) {
        bound = retry.growth.next(bound, level, retry);
    }
    // Decorrelated jitter grows with the previous delay, which only the ladder itself remembers.
    let (from, to) = match retry.jitter {
        Drawing::Kind(JitterKind::Decorrelated) => (retry.shortest, bound),
        Drawing::Kind(_) | Drawing::DangerouslyNone => retry.interval(bound, retry.shortest, false),
    };
    draw(jitter, from, to)
}

/// Uniform in `[from, to]`, both included.
#[cfg_attr(not(target_pointer_width = "64"), inline(never))]
pub(crate) fn draw(jitter: &mut Jitter, from: Nanos, to: Nanos) -> Nanos {
    Nanos(jitter.uniform(from.0, to.0))
}

/// The window that a verdict names, clamped to what a server may ask for and widened so that it has
/// a width (P8).
fn window(policy: &Policy, verdict: Verdict) -> Option<(Nanos, Nanos)> {
    match verdict {
        Verdict::RetryWithin { from, to } => {
            let from = from.nanos().min(policy.server_delay_max);
            let to = to.nanos().min(policy.server_delay_max);
            Some((from, to.max(from.saturating_add(policy.retry.first_within))))
        }
        Verdict::Retry
        | Verdict::RetrySoon
        | Verdict::Reauthenticate
        | Verdict::NextEndpoint
        | Verdict::FreshSession
        | Verdict::Halt => None,
    }
}
