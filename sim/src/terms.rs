//! What was agreed, as the judge reads it: plain figures, and the delays that they allow.

use core::time::Duration;

use redial::{
    By, Closure, Fact, FirstPing, Heartbeat, JitterKind, Limit, Millis, NetworkDown, OnResume,
    Pings, Policy, Refresh, Rotation, Rule, Suspension, Verdict, WhenDegraded,
};

/// The figures of a policy. The judge computes every bound from these alone, never from the core's
/// own code. The names are those of the policy's builder.
#[derive(Clone, Debug)]
#[allow(missing_docs, clippy::exhaustive_structs, reason = "each field is the builder's method")]
pub struct Terms {
    pub shortest: Duration,
    pub longest: Duration,
    /// The ladder's upper ends from level 1 on; the last one holds for all levels after it.
    pub bounds: Vec<Duration>,
    /// `None`: dangerously none.
    pub jitter: Option<JitterKind>,
    pub first_within: Duration,
    pub spread: Option<Duration>,
    pub attempts: Option<Rate>,
    pub attempts_long: Option<Rate>,
    pub give_up_attempts: Option<u32>,
    pub give_up_outage: Option<Duration>,
    pub give_up_first_attempts: Option<u32>,
    pub settle_after: Duration,
    pub start_within: Duration,
    pub open_within: Duration,
    pub ready_within: Option<Duration>,
    pub close_within: Duration,
    pub heartbeat: Option<Beat>,
    pub late_by: Duration,
    pub server_delay_max: Duration,
    pub network_down: NetworkDown,
    pub suspend: Option<Suspend>,
    pub refresh: Refresh,
    pub refresh_within: Duration,
    pub rejections: u32,
    pub resume_failures: u32,
    pub fresh_sessions: Vec<Rate>,
    pub on_resume: OnResume,
    pub endpoints: u8,
    pub quarantine: (Duration, Duration),
    pub prefer_first_after: Duration,
    pub rotate: Option<Rotate>,
    pub window: u16,
    pub pace: Option<Rate>,
    pub ack_within: Duration,
    pub subscription_retry: (Duration, Duration),
    pub timeouts: u32,
    pub when_degraded: WhenDegraded,
    pub rules: Vec<Rule>,
}

/// `burst` at once, then one per `interval`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, clippy::exhaustive_structs, reason = "two figures")]
pub struct Rate {
    pub burst: u32,
    pub interval: Duration,
}

/// How a silent peer is found out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, clippy::exhaustive_structs, reason = "each field is the builder's method")]
pub struct Beat {
    pub ping_after: Duration,
    pub dead_after: Duration,
    pub pings: Pings,
    pub first: FirstPing,
}

/// The slower cadence of a long outage.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, clippy::exhaustive_structs, reason = "three figures")]
pub struct Suspend {
    pub after: Duration,
    pub shortest: Duration,
    pub longest: Duration,
}

/// When connections are replaced, make before break.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs, clippy::exhaustive_structs, reason = "three figures")]
pub struct Rotate {
    pub after: Duration,
    pub jitter: Duration,
    pub overlap: Duration,
}

impl Terms {
    /// The ladder's upper end at `level`, from 1.
    #[must_use]
    pub fn bound(&self, level: u32) -> Duration {
        let index = usize::try_from(level.max(1) - 1).unwrap_or(usize::MAX);
        self.bounds.get(index).or(self.bounds.last()).copied().unwrap_or(self.longest)
    }

    /// The shortest and the longest delay that the ladder may draw at `level`, from 1.
    pub(crate) fn ladder(&self, level: u32, drawn: Drawn) -> Delay {
        let bound = self.bound(level);
        let from = match self.jitter {
            Some(JitterKind::Equal) => bound / 2,
            Some(JitterKind::Proportional { percent }) => {
                bound * (100 - u32::from(percent)) / (100 + u32::from(percent))
            }
            Some(JitterKind::Phase) if drawn.capped => self.longest / 5 * 4,
            Some(_) => self.shortest,
            None => bound,
        };
        let to = if self.jitter == Some(JitterKind::Decorrelated) {
            let tripled = 3_u128.saturating_pow(drawn.count.saturating_add(1));
            let nanos = tripled.saturating_mul(self.shortest.as_nanos());
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(self.longest)
        } else {
            bound
        };
        Delay::new(from.max(self.shortest).min(to), to)
    }

    /// The spread that is agreed where the last ready connection negotiated this one, clamped.
    pub(crate) fn agreed_spread(&self, negotiated: Option<Millis>) -> Option<Duration> {
        let Some(told) = negotiated else { return self.spread };
        let clamped = told.as_duration().min(self.server_delay_max).max(self.first_within);
        (told != Millis::ZERO).then_some(clamped)
    }

    /// The heartbeat that holds where the server wants to hear one so `often`, clamped; zero is none.
    pub(crate) fn agreed_beat(&self, beat: Beat, often: Millis) -> Beat {
        // What is told in milliseconds is kept in them.
        let longest = u64::try_from(self.server_delay_max.as_millis()).unwrap_or(u64::MAX);
        let longest = Duration::from_millis(longest);
        let clamped = often.as_duration().min(longest).max(Duration::from_secs(1));
        let none = often == Millis::ZERO;
        Beat { ping_after: if none { Duration::MAX } else { clamped }, ..beat }
    }

    /// Whether the peer that closes so keeps no session: 1000 and 1001 say it, unless a rule reads
    /// them otherwise, and a rejection of credentials says nothing of sessions.
    pub(crate) fn ends_session(&self, closure: &Closure) -> bool {
        closure.by == By::Peer
            && [1000, 1001].map(Fact::Code).contains(&closure.fact)
            && !self.rules.iter().any(|rule| rule.matches(closure.fact))
            && self.verdict(closure) != Verdict::Reauthenticate
    }

    /// What `closure` means: a stated verdict, the policy's first rule for its fact, the table.
    pub(crate) fn verdict(&self, closure: &Closure) -> Verdict {
        if closure.by == By::Local {
            return Verdict::Retry;
        }
        let ruled = || self.rules.iter().find(|rule| rule.matches(closure.fact));
        closure
            .verdict
            .or_else(|| ruled().map(|rule| rule.verdict()))
            .unwrap_or_else(|| table(closure.fact))
    }
}

/// What a fact means that neither the closure nor a rule reads otherwise.
fn table(fact: Fact) -> Verdict {
    match fact {
        Fact::Code(1012) => {
            Verdict::RetryWithin { from: Millis::new(5_000), to: Millis::new(30_000) }
        }
        Fact::Code(1013) => Verdict::NextEndpoint,
        Fact::Code(3000) | Fact::Http(401) => Verdict::Reauthenticate,
        Fact::Code(3003) | Fact::Http(403 | 404 | 410) => Verdict::Halt,
        _ => Verdict::Retry,
    }
}

impl From<&Policy> for Terms {
    fn from(policy: &Policy) -> Self {
        let (shortest, longest) = policy.retry();
        Self {
            shortest,
            longest,
            bounds: bounds(policy),
            jitter: policy.jitter(),
            first_within: policy.first_within(),
            spread: policy.spread(),
            attempts: policy.attempts().map(Rate::from),
            attempts_long: policy.attempts_long().map(Rate::from),
            give_up_attempts: policy.give_up_attempts(),
            give_up_outage: policy.give_up_outage(),
            give_up_first_attempts: policy.give_up_first_attempts(),
            settle_after: policy.settle_after(),
            start_within: policy.start_within(),
            open_within: policy.open_within(),
            ready_within: policy.ready_within(),
            close_within: policy.close_within(),
            heartbeat: policy.heartbeat().map(Beat::from),
            late_by: policy.late_by(),
            server_delay_max: policy.server_delay_max(),
            network_down: policy.network_down(),
            suspend: policy.suspend().map(Suspend::from),
            refresh: policy.refresh(),
            refresh_within: policy.refresh_within(),
            rejections: policy.rejections(),
            resume_failures: policy.resume_failures(),
            fresh_sessions: policy.fresh_sessions().map(Rate::from).collect(),
            on_resume: policy.on_resume(),
            endpoints: policy.endpoints(),
            quarantine: policy.quarantine(),
            prefer_first_after: policy.prefer_first_after(),
            rotate: policy.rotate().map(Rotate::from),
            window: policy.window(),
            pace: policy.pace().map(Rate::from),
            ack_within: policy.ack_within(),
            subscription_retry: policy.subscription_retry(),
            timeouts: policy.timeouts(),
            when_degraded: policy.when_degraded(),
            rules: policy.rules().to_vec(),
        }
    }
}

/// The ladder's upper ends from level 1 on: `min(longest, shortest · growth^level)`, or the table.
fn bounds(policy: &Policy) -> Vec<Duration> {
    let (shortest, longest) = policy.retry();
    let Some((numerator, denominator)) = policy.growth() else {
        return policy.growth_table().collect();
    };
    let grown = |bound: &Duration| {
        let nanos = bound.as_nanos() * u128::from(numerator) / u128::from(denominator);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX)).min(longest)
    };
    let grown = core::iter::successors(Some(grown(&shortest)), |bound| Some(grown(bound)));
    grown.take(LEVELS).collect()
}

/// Enough for the slowest growth that is worth the name to reach its end.
const LEVELS: usize = 256;

impl From<Limit> for Rate {
    fn from(limit: Limit) -> Self {
        Self { burst: limit.burst(), interval: limit.interval() }
    }
}

impl From<Heartbeat> for Beat {
    fn from(heartbeat: Heartbeat) -> Self {
        Self {
            ping_after: heartbeat.ping_after(),
            dead_after: heartbeat.dead_after(),
            pings: heartbeat.sends(),
            first: heartbeat.first_ping(),
        }
    }
}

impl From<Suspension> for Suspend {
    fn from(suspension: Suspension) -> Self {
        let (shortest, longest) = suspension.delays();
        Self { after: suspension.after(), shortest, longest }
    }
}

impl From<Rotation> for Rotate {
    fn from(rotation: Rotation) -> Self {
        let (after, jitter) = (rotation.after(), rotation.jitter());
        Self { after, jitter, overlap: rotation.overlap() }
    }
}

/// What the ladder has drawn since failures were last forgotten.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drawn {
    pub(crate) count: u32,
    /// One of them with the bound at the ladder's end.
    pub(crate) capped: bool,
}

/// The interval that one delay is drawn from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Delay {
    /// No shorter than this.
    pub(crate) from: Duration,
    /// No longer than this.
    pub(crate) to: Duration,
}

impl Delay {
    pub(crate) const fn new(from: Duration, to: Duration) -> Self {
        Self { from, to }
    }

    pub(crate) const fn up_to(to: Duration) -> Self {
        Self { from: Duration::ZERO, to }
    }

    /// What either allows.
    pub(crate) fn or(self, other: Self) -> Self {
        Self { from: self.from.min(other.from), to: self.to.max(other.to) }
    }
}

/// A token bucket, followed from outside by the times at which something went through.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    full_at: u128,
}

impl Meter {
    pub(crate) const NEW: Self = Self { full_at: 0 };

    /// The first nanosecond at which one more may go through.
    pub(crate) const fn free_at(self, rate: Rate) -> u64 {
        let tolerance = rate.interval.as_nanos() * (rate.burst as u128 - 1);
        self.full_at.saturating_sub(tolerance) as u64
    }

    /// The first nanosecond at which one may go through and another one after it.
    pub(crate) fn free_for_two_at(self, rate: Rate) -> u64 {
        Self { full_at: self.full_at + rate.interval.as_nanos() }.free_at(rate)
    }

    pub(crate) fn count(&mut self, rate: Rate, now: u64) {
        self.full_at = self.full_at.max(u128::from(now)) + rate.interval.as_nanos();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { burst: 3, interval: Duration::from_nanos(10) };

    /// The promise itself: in every window at most `burst + ⌊W / interval⌋`.
    fn every_window_holds(times: &[u64]) -> bool {
        times.iter().enumerate().all(|(first, from)| {
            (1_u64..).zip(&times[first..]).all(|(count, to)| count <= 3 + (to - from) / 10)
        })
    }

    #[test]
    fn the_meter_agrees_with_a_count_over_every_window() {
        let mut dice = crate::Dice::new(1);
        let (mut held, mut broken) = (0, 0);
        for _ in 0..2_000 {
            let (mut now, mut meter, mut times, mut fits) = (0, Meter::default(), vec![], true);
            for _ in 0..8 {
                now += dice.below(15);
                fits &= now >= meter.free_at(RATE);
                meter.count(RATE, now);
                times.push(now);
            }
            assert_eq!(fits, every_window_holds(&times), "{times:?}");
            *if fits { &mut held } else { &mut broken } += 1;
        }
        assert!(held > 100 && broken > 100, "{held} {broken}");
    }
}
