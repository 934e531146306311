//! What was agreed: validated, immutable.

#[cfg(feature = "arbitrary")]
mod any;
mod builder;
mod error;
#[cfg(feature = "serde")]
mod file;
mod getters;
mod parts;

use core::ops::RangeInclusive;
use core::time::Duration;

pub use builder::PolicyBuilder;
pub use error::PolicyError;
#[cfg(feature = "serde")]
pub(crate) use file::{Filler, VerdictFile};
pub use parts::{Heartbeat, Rotation, Suspension};

use crate::event::Closure;
use crate::limit::Limit;
use crate::time::Nanos;
use crate::verdict::{Rule, Verdict, classify};

/// What a link may do, and when. It cannot change while a link lives.
///
/// [`Policy::new`] is right for a market-data client as it is: the first retry within a second, then
/// full jitter up to 30 s, at most 5 attempts at once and 6 a minute after that, a dead peer noticed
/// within 25 s, and it never gives up. Everything else is built and validated by [`PolicyBuilder`],
/// in a `const` at compile time, or read from a file with the feature `serde`.
///
/// ```
/// use core::time::Duration;
/// use redial::{Limit, Policy};
///
/// const POLICY: Policy = Policy::builder()
///     .retry(Duration::from_millis(250), Duration::from_secs(20))
///     .attempts(Limit::new(3, Duration::from_secs(15)))
///     .build_const();
/// assert_eq!(POLICY.attempts_within(Duration::from_secs(60)), Some(3 + 4));
/// ```
///
/// A wrong policy in a `const` does not compile:
///
/// ```compile_fail
/// use core::time::Duration;
/// use redial::Policy;
///
/// const LONGEST_BELOW_SHORTEST: Policy = Policy::builder()
///     .retry(Duration::from_secs(20), Duration::from_secs(1))
///     .build_const();
/// # let _ = LONGEST_BELOW_SHORTEST;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Policy {
    pub(crate) retry: Retry,
    /// `None` only by `dangerously_no_attempt_limit`.
    pub(crate) attempts: Option<Limit>,
    pub(crate) attempts_long: Option<Limit>,
    pub(crate) give_up: GiveUp,
    pub(crate) settle_after: Nanos,
    pub(crate) start_within: Nanos,
    pub(crate) open_within: Nanos,
    pub(crate) ready_within: Option<Nanos>,
    pub(crate) close_within: Nanos,
    pub(crate) heartbeat: Option<Heartbeat>,
    pub(crate) late_by: Nanos,
    pub(crate) server_delay_max: Nanos,
    pub(crate) network_down: NetworkDown,
    pub(crate) suspend: Option<Suspension>,
    pub(crate) credentials: Credentials,
    pub(crate) sessions: Sessions,
    pub(crate) endpoints: Endpoints,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) rotate: Option<Rotation>,
    pub(crate) rules: Rules,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Retry {
    pub(crate) shortest: Nanos,
    pub(crate) longest: Nanos,
    pub(crate) growth: Growth,
    pub(crate) jitter: Jitter,
    pub(crate) first_within: Nanos,
    pub(crate) spread: Option<Nanos>,
    /// Whether delays of zero were asked for by their dangerous name.
    pub(crate) zero: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Growth {
    Ratio {
        numerator: u32,
        denominator: u32,
    },
    /// The first `len` steps hold.
    Table {
        steps: [Nanos; LIST_MAX],
        len: u8,
    },
}

/// How a delay is drawn below its bound v.
///
/// "No jitter" is not among them: it is [`PolicyBuilder::dangerously_no_jitter`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum JitterKind {
    /// Uniform in `[shortest, v]` ("Exponential Backoff And Jitter", AWS Architecture Blog, with a
    /// floor).
    Full,
    /// Uniform in `[v/2, v]` (same source).
    Equal,
    /// Uniform in `[shortest, min(longest, 3 · previous)]` (same source). Its upper end follows the
    /// previous draw, so it can shrink.
    Decorrelated,
    /// As `Full` until `v = longest`, once more so, then uniform in `[0.8 · longest, longest]`: the
    /// fleet has spread by then and keeps its phases.
    Phase,
    /// Uniform in `[v(1−p)/(1+p), v]`.
    Proportional {
        /// p in percent, 1 to 100.
        percent: u8,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) enum Jitter {
    Kind(JitterKind),
    DangerouslyNone,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct GiveUp {
    pub(crate) attempts: Option<u32>,
    pub(crate) first_attempts: Option<u32>,
    pub(crate) outage: Option<Nanos>,
}

/// When pings are sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Pings {
    /// After `ping_after` without a byte.
    WhenSilent,
    /// Every `ping_after`, whatever arrives.
    Always,
}

/// When the first ping of a connection is due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum FirstPing {
    /// After `ping_after`.
    Fixed,
    /// After a draw in `[0, ping_after]`, so that a fleet which returned together does not ping
    /// together.
    Jittered,
}

/// What `NetworkDown` does to what is held.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum NetworkDown {
    /// Aborts it; that is no failure.
    Drop,
    /// Pings a ready connection.
    Probe,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Credentials {
    pub(crate) when: Refresh,
    pub(crate) within: Nanos,
    /// How many rejections in a row halt.
    pub(crate) rejections: u32,
}

/// When credentials are fetched.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum Refresh {
    /// Never: rejections only count.
    Never,
    /// Before the attempt that follows a rejection, and when those at hand have run out.
    OnRejection,
    /// Before every attempt.
    EveryAttempt,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Sessions {
    /// How many failed resumes in a row make the next session fresh.
    pub(crate) resume_failures: u32,
    pub(crate) fresh: [Option<Limit>; SESSION_LIMITS],
    pub(crate) subscriptions: OnResume,
}

/// What a resumed session holds of the subscriptions.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OnResume {
    /// Nothing: all of them are said again.
    Replay,
    /// All that were confirmed: only the difference is said.
    Kept,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Endpoints {
    /// 1 to [`ENDPOINTS_MAX`].
    pub(crate) count: u8,
    pub(crate) quarantine_shortest: Nanos,
    pub(crate) quarantine_longest: Nanos,
    pub(crate) prefer_first_after: Nanos,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Subscriptions {
    pub(crate) window: u16,
    pub(crate) pace: Option<Limit>,
    pub(crate) ack_within: Nanos,
    pub(crate) retry_shortest: Nanos,
    pub(crate) retry_longest: Nanos,
    /// At most `u8::MAX`, which is what a slot counts to.
    pub(crate) timeouts: u32,
    pub(crate) when_degraded: WhenDegraded,
}

/// What happens when a key is given up for now.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum WhenDegraded {
    /// The connection is kept.
    Keep,
    /// The link reconnects, once, and not again before a `Live`.
    Reconnect,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub(crate) struct Rules {
    list: [Rule; LIST_MAX],
    len: u8,
}

/// How many limits of fresh sessions a policy has room for.
pub(crate) const SESSION_LIMITS: usize = 2;

/// How many servers a policy can have.
pub(crate) const ENDPOINTS_MAX: usize = 8;

/// How many rules, and steps of a table, a policy has room for.
pub(crate) const LIST_MAX: usize = 16;

impl Policy {
    /// The defaults.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            retry: Retry {
                shortest: Nanos::from_millis(500),
                longest: Nanos::from_millis(30_000),
                growth: Growth::Ratio { numerator: 2, denominator: 1 },
                jitter: Jitter::Kind(JitterKind::Full),
                first_within: Nanos::from_millis(1_000),
                spread: None,
                zero: false,
            },
            attempts: Some(Limit { burst: 5, interval: Nanos::from_millis(10_000) }),
            attempts_long: None,
            give_up: GiveUp { attempts: None, first_attempts: None, outage: None },
            settle_after: Nanos::from_millis(30_000),
            start_within: Nanos::ZERO,
            open_within: Nanos::from_millis(10_000),
            ready_within: None,
            close_within: Nanos::from_millis(3_000),
            heartbeat: Some(Heartbeat::new(Duration::from_secs(15), Duration::from_secs(10))),
            late_by: Nanos::from_millis(5_000),
            server_delay_max: Nanos::from_millis(3_600_000),
            network_down: NetworkDown::Drop,
            suspend: None,
            credentials: Credentials {
                when: Refresh::Never,
                within: Nanos::from_millis(10_000),
                rejections: 3,
            },
            sessions: Sessions {
                resume_failures: 3,
                fresh: [None; SESSION_LIMITS],
                subscriptions: OnResume::Replay,
            },
            endpoints: Endpoints {
                count: 1,
                quarantine_shortest: Nanos::from_millis(5_000),
                quarantine_longest: Nanos::from_millis(300_000),
                prefer_first_after: Nanos::from_millis(60_000),
            },
            subscriptions: Subscriptions {
                window: 100,
                pace: None,
                ack_within: Nanos::from_millis(10_000),
                retry_shortest: Nanos::from_millis(1_000),
                retry_longest: Nanos::from_millis(30_000),
                timeouts: 3,
                when_degraded: WhenDegraded::Keep,
            },
            rotate: None,
            rules: Rules { list: [Rule::code(1000, 1000, Verdict::Retry); LIST_MAX], len: 0 },
        }
    }

    /// A builder that starts from the defaults.
    pub const fn builder() -> PolicyBuilder {
        PolicyBuilder::new()
    }

    /// A builder that starts from this policy.
    pub const fn to_builder(self) -> PolicyBuilder {
        PolicyBuilder::from_policy(self)
    }

    /// The most attempts in any window of this length (P1), over both limits:
    /// `burst + ⌊window / interval⌋`. `None` if there is dangerously no limit.
    #[must_use]
    pub fn attempts_within(&self, window: Duration) -> Option<u64> {
        let window = Nanos::from_duration(window).0;
        [self.attempts, self.attempts_long]
            .into_iter()
            .flatten()
            .map(|limit| {
                let refilled = window.checked_div(limit.interval.0).unwrap_or(u64::MAX);
                u64::from(limit.burst).saturating_add(refilled)
            })
            .min()
    }

    /// The interval from which the backoff after `level` failures in a row is drawn; without a
    /// spread, and without what limits and floors add. Level 0 is the quick draw after the loss of a
    /// settled connection. For decorrelated jitter the widest interval at that level.
    #[must_use]
    pub fn delay_range(&self, level: u32) -> RangeInclusive<Duration> {
        let retry = &self.retry;
        if level == 0 {
            return Duration::ZERO..=retry.first_within.as_duration();
        }
        let (mut bound, mut previous, mut capped) = (retry.shortest, retry.shortest, false);
        let mut interval = (retry.shortest, retry.shortest);
        for step in 1..=level {
            let next = retry.growth.next(bound, step, retry);
            interval = retry.interval(next, previous, capped);
            let steady = interval.1 == previous && step >= TABLE_END;
            capped |= next >= retry.longest;
            (bound, previous) = (next, interval.1);
            if steady {
                break;
            }
        }
        interval.0.as_duration()..=interval.1.as_duration()
    }

    /// How long a dead peer goes unnoticed at most after its last byte, besides what the driver's
    /// timer is late (P7). `None` without a heartbeat.
    #[must_use]
    pub fn detection_max(&self) -> Option<Duration> {
        let heartbeat = self.heartbeat?;
        Some(heartbeat.ping_after.saturating_add(heartbeat.dead_after).as_duration())
    }

    /// What a closure means under this policy: a verdict that it states, the first matching rule,
    /// the table. One by ourselves is always [`Verdict::Retry`], whatever it states.
    #[must_use]
    pub fn classify(&self, closure: Closure) -> Verdict {
        classify(self.rules.as_slice(), closure)
    }

    pub(crate) fn reconnects_when_degraded(&self) -> bool {
        self.subscriptions.when_degraded == WhenDegraded::Reconnect
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::new()
    }
}

impl Rules {
    pub(crate) fn as_slice(&self) -> &[Rule] {
        self.list.get(..usize::from(self.len)).unwrap_or_default()
    }
}

impl Growth {
    /// The ladder's bound at `level` ≥ 1, from the one at the level below it; `shortest` at level 0.
    pub(crate) fn next(&self, bound: Nanos, level: u32, retry: &Retry) -> Nanos {
        match self {
            Self::Ratio { numerator, denominator } => {
                let grown = bound.0.saturating_mul(u64::from(*numerator));
                let grown = grown.checked_div(u64::from(*denominator)).unwrap_or(u64::MAX);
                Nanos(grown).min(retry.longest)
            }
            Self::Table { steps, len } => {
                let last = u32::from(len.saturating_sub(1));
                let index = level.saturating_sub(1).min(last);
                usize::try_from(index)
                    .ok()
                    .and_then(|index| steps.get(index))
                    .copied()
                    .unwrap_or(bound)
            }
        }
    }
}

impl Retry {
    /// The ladder's bound that so many failures in a row raise, one after the other.
    pub(crate) fn bound_at(&self, level: u32) -> Nanos {
        let mut bound = self.shortest;
        for step in 1..=level {
            let next = self.growth.next(bound, step, self);
            if next == bound && step >= TABLE_END {
                break;
            }
            bound = next;
        }
        bound
    }

    /// The interval from which a delay with this bound is drawn. Each has a width, unless jitter was
    /// dangerously turned off (P8).
    ///
    /// `previous` is the ladder's last delay, at first `shortest`; `capped` says whether a delay was
    /// drawn before with the bound at the ladder's end.
    pub(crate) fn interval(&self, bound: Nanos, previous: Nanos, capped: bool) -> (Nanos, Nanos) {
        let v = bound.0;
        let (from, to) = match self.jitter {
            Jitter::DangerouslyNone => (v, v),
            Jitter::Kind(JitterKind::Full) => (self.shortest.0, v),
            Jitter::Kind(JitterKind::Equal) => (v / 2, v),
            Jitter::Kind(JitterKind::Decorrelated) => {
                (self.shortest.0, previous.0.saturating_mul(3).min(self.longest.0))
            }
            Jitter::Kind(JitterKind::Phase) if capped => (v.saturating_sub(v / 5), v),
            Jitter::Kind(JitterKind::Phase) => (self.shortest.0, v),
            Jitter::Kind(JitterKind::Proportional { percent }) => {
                let percent = u64::from(percent);
                (share(v, 100_u64.saturating_sub(percent), percent.saturating_add(100)), v)
            }
        };
        (Nanos(from).max(self.shortest).min(Nanos(to)), Nanos(to))
    }
}

/// ⌊v · part / whole⌋, for small numbers of parts: v · part would not fit where v is years.
fn share(v: u64, part: u64, whole: u64) -> u64 {
    let (Some(times), Some(rest)) = (v.checked_div(whole), v.checked_rem(whole)) else { return v };
    let rest = rest.saturating_mul(part).checked_div(whole).unwrap_or_default();
    times.saturating_mul(part).saturating_add(rest)
}

/// From this level on a table only repeats its last step.
const TABLE_END: u32 = LIST_MAX as u32;
