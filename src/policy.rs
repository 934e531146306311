//! What was agreed: validated, immutable.

use crate::limit::Limit;
use crate::time::Nanos;
use crate::verdict::Rule;

/// What a link may do and when. Immutable; validated where it is built.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
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
    /// How many rejections in a row halt.
    pub(crate) rejections: u32,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) rules: Rules,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Retry {
    pub(crate) shortest: Nanos,
    pub(crate) longest: Nanos,
    pub(crate) growth: Growth,
    pub(crate) jitter: JitterKind,
    pub(crate) first_within: Nanos,
    pub(crate) spread: Option<Nanos>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Growth {
    Ratio {
        numerator: u32,
        denominator: u32,
    },
    /// The first `len` entries hold; at least one.
    Table {
        steps: [Nanos; 16],
        len: u8,
    },
}

/// How a delay is drawn below its bound.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum JitterKind {
    /// Uniform in `[shortest, v]`.
    Full,
    /// Uniform in `[v/2, v]`.
    Equal,
    /// Uniform in `[shortest, min(longest, 3 · previous)]`.
    Decorrelated,
    /// As `Full` until `v = longest`, once more so, then uniform in `[0.8 · longest, longest]`.
    Phase,
    /// Uniform in `[v(1−p)/(1+p), v]`.
    Proportional {
        /// p, 1 to 100.
        percent: u8,
    },
    /// Exactly v. Only by a method that says `dangerously`.
    None,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct GiveUp {
    pub(crate) attempts: Option<u32>,
    pub(crate) first_attempts: Option<u32>,
    pub(crate) outage: Option<Nanos>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Heartbeat {
    pub(crate) ping_after: Nanos,
    pub(crate) dead_after: Nanos,
    pub(crate) pings: Pings,
    pub(crate) first: FirstPing,
}

/// When pings are sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Pings {
    /// After `ping_after` without a byte.
    WhenSilent,
    /// Every `ping_after`, whatever arrives.
    Always,
}

/// When the first ping of a connection is due.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum FirstPing {
    /// After `ping_after`.
    Fixed,
    /// After a draw in `[0, ping_after]`.
    Jittered,
}

/// What `NetworkDown` does to what is held.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum NetworkDown {
    /// Aborts it; that is no failure.
    Drop,
    /// Pings a ready connection.
    Probe,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Subscriptions {
    pub(crate) window: u16,
    pub(crate) pace: Option<Limit>,
    pub(crate) ack_within: Nanos,
    pub(crate) retry_shortest: Nanos,
    pub(crate) retry_longest: Nanos,
    pub(crate) timeouts: u32,
    pub(crate) when_degraded: WhenDegraded,
}

/// What happens when a key is given up for now.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum WhenDegraded {
    /// The connection is kept.
    Keep,
    /// The link reconnects, once, and not again before a `Live`.
    Reconnect,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Rules {
    pub(crate) list: [Rule; 16],
    pub(crate) len: u8,
}

impl Policy {
    /// Defaults.
    #[must_use]
    pub const fn new() -> Self {
        const fn s(x: u64) -> Nanos {
            Nanos(x * 1_000_000_000)
        }
        Self {
            retry: Retry {
                shortest: Nanos(500_000_000),
                longest: s(30),
                growth: Growth::Ratio { numerator: 2, denominator: 1 },
                jitter: JitterKind::Full,
                first_within: s(1),
                spread: None,
            },
            attempts: Some(Limit { burst: 5, interval: s(10) }),
            attempts_long: None,
            give_up: GiveUp { attempts: None, first_attempts: None, outage: None },
            settle_after: s(30),
            start_within: s(0),
            open_within: s(10),
            ready_within: None,
            close_within: s(3),
            heartbeat: Some(Heartbeat {
                ping_after: s(15),
                dead_after: s(10),
                pings: Pings::WhenSilent,
                first: FirstPing::Fixed,
            }),
            late_by: s(5),
            server_delay_max: s(3600),
            network_down: NetworkDown::Drop,
            rejections: 3,
            subscriptions: Subscriptions {
                window: 100,
                pace: None,
                ack_within: s(10),
                retry_shortest: s(1),
                retry_longest: s(30),
                timeouts: 3,
                when_degraded: WhenDegraded::Keep,
            },
            rules: Rules { list: [Rule::code(0, 0, crate::Verdict::Retry); 16], len: 0 },
        }
    }
    pub(crate) fn reconnects_when_degraded(&self) -> bool {
        self.subscriptions.when_degraded == WhenDegraded::Reconnect
    }
}
impl Rules {
    pub(crate) fn as_slice(&self) -> &[Rule] {
        self.list.get(..usize::from(self.len)).unwrap_or(&[])
    }
}
impl Growth {
    pub(crate) fn next(&self, bound: Nanos, level: u32, retry: &Retry) -> Nanos {
        match self {
            Growth::Ratio { numerator, denominator } => {
                Nanos(bound.0.saturating_mul(u64::from(*numerator)) / u64::from(*denominator))
                    .min(retry.longest)
            }
            Growth::Table { steps, len } => steps[(level as usize).min(*len as usize) - 1],
        }
    }
}
impl Retry {
    pub(crate) fn interval(&self, bound: Nanos, previous: Nanos, capped: bool) -> (Nanos, Nanos) {
        let _ = (previous, capped);
        (self.shortest, bound)
    }
}
