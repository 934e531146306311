//! A policy as a file: the same names, the same validation, every wrong field at once.

mod lists;

pub(crate) use lists::Filler;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{
    Credentials, Endpoints, FirstPing, GiveUp, Growth, Heartbeat, Jitter, JitterKind, NetworkDown,
    OnResume, Pings, Policy, PolicyBuilder, PolicyError, Refresh, Retry, Rotation, Rules,
    SESSION_LIMITS, Sessions, Subscriptions, Suspension, WhenDegraded,
};
use crate::limit::Limit;
use crate::span::Span;
use crate::time::{Millis, Nanos};
use crate::verdict::{Range, Rule, Verdict};

impl Serialize for Policy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        File::from(*self).serialize(serializer)
    }
}

/// Reads the JSON form whose names are those of [`PolicyBuilder`]. A field left out has
/// its default, an unknown one is an error, and a wrong policy gives the text of
/// [`PolicyError`].
impl<'de> Deserialize<'de> for Policy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let file = File::deserialize(deserializer)?;
        PolicyBuilder { policy: file.into(), error: PolicyError::NONE }
            .build()
            .map_err(D::Error::custom)
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    retry: RetryFile,
    attempts: Attempts,
    attempts_long: Option<LimitFile>,
    give_up: GiveUpFile,
    settle_after: Span,
    start_within: Span,
    open_within: Span,
    ready_within: Option<Span>,
    close_within: Span,
    heartbeat: Option<HeartbeatFile>,
    late_by: Span,
    server_delay_max: Span,
    network_down: NetworkDown,
    suspend: Option<SuspendFile>,
    credentials: CredentialsFile,
    sessions: SessionsFile,
    endpoints: EndpointsFile,
    subscriptions: SubscriptionsFile,
    rotate: Option<RotateFile>,
    rules: Rules,
}

impl Default for File {
    fn default() -> Self {
        Policy::new().into()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RetryFile {
    shortest: Span,
    longest: Span,
    growth: Growth,
    jitter: JitterFile,
    first_within: Span,
    spread: Option<Span>,
    dangerously_zero_delay: bool,
}

impl Default for RetryFile {
    fn default() -> Self {
        File::default().retry
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum JitterFile {
    Full,
    Equal,
    Decorrelated,
    Phase,
    Proportional(u8),
    DangerouslyNone,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LimitFile {
    burst: u32,
    interval: Span,
}

/// A limit, or its absence by its dangerous name.
struct Attempts(Option<Limit>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct GiveUpFile {
    attempts: Option<u32>,
    outage: Option<Span>,
    first_attempts: Option<u32>,
}

impl Default for GiveUpFile {
    fn default() -> Self {
        File::default().give_up
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct HeartbeatFile {
    ping_after: Span,
    dead_after: Span,
    pings: Pings,
    first: FirstPing,
}

impl Default for HeartbeatFile {
    fn default() -> Self {
        let seconds = |seconds: u64| Span(Nanos::from_millis(seconds.saturating_mul(1_000)));
        Self {
            ping_after: seconds(15),
            dead_after: seconds(10),
            pings: Pings::WhenSilent,
            first: FirstPing::Fixed,
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CredentialsFile {
    when: Refresh,
    within: Span,
    rejections: u32,
}

impl Default for CredentialsFile {
    fn default() -> Self {
        File::default().credentials
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SessionsFile {
    resume_failures: u32,
    fresh: Fresh,
    subscriptions: OnResume,
}

/// Up to two limits.
struct Fresh([Option<Limit>; SESSION_LIMITS]);

impl Default for SessionsFile {
    fn default() -> Self {
        File::default().sessions
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct EndpointsFile {
    count: u8,
    quarantine: [Span; 2],
    prefer_first_after: Span,
}

impl Default for EndpointsFile {
    fn default() -> Self {
        File::default().endpoints
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SuspendFile {
    after: Span,
    shortest: Span,
    longest: Span,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RotateFile {
    after: Span,
    jitter: Span,
    overlap: Span,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SubscriptionsFile {
    window: u16,
    pace: Option<LimitFile>,
    ack_within: Span,
    retry: [Span; 2],
    timeouts: u32,
    when_degraded: WhenDegraded,
}

impl Default for SubscriptionsFile {
    fn default() -> Self {
        File::default().subscriptions
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleFile {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<[u16; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http: Option<[u16; 2]>,
    verdict: VerdictFile,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerdictFile {
    Retry,
    RetrySoon,
    RetryWithin([Span; 2]),
    Reauthenticate,
    NextEndpoint,
    FreshSession,
    Halt,
}

impl From<Policy> for File {
    fn from(policy: Policy) -> Self {
        Self {
            retry: policy.retry.into(),
            attempts: Attempts(policy.attempts),
            attempts_long: policy.attempts_long.map(Into::into),
            give_up: GiveUpFile {
                attempts: policy.give_up.attempts,
                outage: policy.give_up.outage.map(Span),
                first_attempts: policy.give_up.first_attempts,
            },
            settle_after: Span(policy.settle_after),
            start_within: Span(policy.start_within),
            open_within: Span(policy.open_within),
            ready_within: policy.ready_within.map(Span),
            close_within: Span(policy.close_within),
            heartbeat: policy.heartbeat.map(|heartbeat| HeartbeatFile {
                ping_after: Span(heartbeat.ping_after),
                dead_after: Span(heartbeat.dead_after),
                pings: heartbeat.pings,
                first: heartbeat.first,
            }),
            late_by: Span(policy.late_by),
            server_delay_max: Span(policy.server_delay_max),
            network_down: policy.network_down,
            suspend: policy.suspend.map(Into::into),
            credentials: policy.credentials.into(),
            sessions: policy.sessions.into(),
            endpoints: policy.endpoints.into(),
            subscriptions: policy.subscriptions.into(),
            rotate: policy.rotate.map(Into::into),
            rules: policy.rules,
        }
    }
}

impl From<File> for Policy {
    fn from(file: File) -> Self {
        Self {
            retry: file.retry.into(),
            attempts: file.attempts.0,
            attempts_long: file.attempts_long.map(Into::into),
            give_up: GiveUp {
                attempts: file.give_up.attempts,
                outage: file.give_up.outage.map(|span| span.0),
                first_attempts: file.give_up.first_attempts,
            },
            settle_after: file.settle_after.0,
            start_within: file.start_within.0,
            open_within: file.open_within.0,
            ready_within: file.ready_within.map(|span| span.0),
            close_within: file.close_within.0,
            heartbeat: file.heartbeat.map(|heartbeat| Heartbeat {
                ping_after: heartbeat.ping_after.0,
                dead_after: heartbeat.dead_after.0,
                pings: heartbeat.pings,
                first: heartbeat.first,
            }),
            late_by: file.late_by.0,
            server_delay_max: file.server_delay_max.0,
            network_down: file.network_down,
            suspend: file.suspend.map(Into::into),
            credentials: file.credentials.into(),
            sessions: file.sessions.into(),
            endpoints: file.endpoints.into(),
            subscriptions: file.subscriptions.into(),
            rotate: file.rotate.map(Into::into),
            rules: file.rules,
        }
    }
}

impl From<Retry> for RetryFile {
    fn from(retry: Retry) -> Self {
        Self {
            shortest: Span(retry.shortest),
            longest: Span(retry.longest),
            growth: retry.growth,
            jitter: match retry.jitter {
                Jitter::DangerouslyNone => JitterFile::DangerouslyNone,
                Jitter::Kind(JitterKind::Full) => JitterFile::Full,
                Jitter::Kind(JitterKind::Equal) => JitterFile::Equal,
                Jitter::Kind(JitterKind::Decorrelated) => JitterFile::Decorrelated,
                Jitter::Kind(JitterKind::Phase) => JitterFile::Phase,
                Jitter::Kind(JitterKind::Proportional { percent }) => {
                    JitterFile::Proportional(percent)
                }
            },
            first_within: Span(retry.first_within),
            spread: retry.spread.map(Span),
            dangerously_zero_delay: retry.zero,
        }
    }
}

impl From<RetryFile> for Retry {
    fn from(file: RetryFile) -> Self {
        Self {
            shortest: file.shortest.0,
            longest: file.longest.0,
            growth: file.growth,
            jitter: match file.jitter {
                JitterFile::DangerouslyNone => Jitter::DangerouslyNone,
                JitterFile::Full => Jitter::Kind(JitterKind::Full),
                JitterFile::Equal => Jitter::Kind(JitterKind::Equal),
                JitterFile::Decorrelated => Jitter::Kind(JitterKind::Decorrelated),
                JitterFile::Phase => Jitter::Kind(JitterKind::Phase),
                JitterFile::Proportional(percent) => {
                    Jitter::Kind(JitterKind::Proportional { percent })
                }
            },
            first_within: file.first_within.0,
            spread: file.spread.map(|span| span.0),
            zero: file.dangerously_zero_delay,
        }
    }
}

impl From<Suspension> for SuspendFile {
    fn from(terms: Suspension) -> Self {
        Self {
            after: Span(terms.after),
            shortest: Span(terms.shortest),
            longest: Span(terms.longest),
        }
    }
}

impl From<SuspendFile> for Suspension {
    fn from(file: SuspendFile) -> Self {
        Self { after: file.after.0, shortest: file.shortest.0, longest: file.longest.0 }
    }
}

impl From<Credentials> for CredentialsFile {
    fn from(terms: Credentials) -> Self {
        Self { when: terms.when, within: Span(terms.within), rejections: terms.rejections }
    }
}

impl From<CredentialsFile> for Credentials {
    fn from(file: CredentialsFile) -> Self {
        Self { when: file.when, within: file.within.0, rejections: file.rejections }
    }
}

impl From<Sessions> for SessionsFile {
    fn from(terms: Sessions) -> Self {
        Self {
            resume_failures: terms.resume_failures,
            fresh: Fresh(terms.fresh),
            subscriptions: terms.subscriptions,
        }
    }
}

impl From<SessionsFile> for Sessions {
    fn from(file: SessionsFile) -> Self {
        Self {
            resume_failures: file.resume_failures,
            fresh: file.fresh.0,
            subscriptions: file.subscriptions,
        }
    }
}

impl From<Endpoints> for EndpointsFile {
    fn from(terms: Endpoints) -> Self {
        Self {
            count: terms.count,
            quarantine: [Span(terms.quarantine_shortest), Span(terms.quarantine_longest)],
            prefer_first_after: Span(terms.prefer_first_after),
        }
    }
}

impl From<EndpointsFile> for Endpoints {
    fn from(file: EndpointsFile) -> Self {
        let [quarantine_shortest, quarantine_longest] = file.quarantine;
        Self {
            count: file.count,
            quarantine_shortest: quarantine_shortest.0,
            quarantine_longest: quarantine_longest.0,
            prefer_first_after: file.prefer_first_after.0,
        }
    }
}

impl From<Rotation> for RotateFile {
    fn from(terms: Rotation) -> Self {
        Self { after: Span(terms.after), jitter: Span(terms.jitter), overlap: Span(terms.overlap) }
    }
}

impl From<RotateFile> for Rotation {
    fn from(file: RotateFile) -> Self {
        Self { after: file.after.0, jitter: file.jitter.0, overlap: file.overlap.0 }
    }
}

impl From<Subscriptions> for SubscriptionsFile {
    fn from(terms: Subscriptions) -> Self {
        Self {
            window: terms.window,
            pace: terms.pace.map(Into::into),
            ack_within: Span(terms.ack_within),
            retry: [Span(terms.retry_shortest), Span(terms.retry_longest)],
            timeouts: terms.timeouts,
            when_degraded: terms.when_degraded,
        }
    }
}

impl From<SubscriptionsFile> for Subscriptions {
    fn from(file: SubscriptionsFile) -> Self {
        let [retry_shortest, retry_longest] = file.retry;
        Self {
            window: file.window,
            pace: file.pace.map(Into::into),
            ack_within: file.ack_within.0,
            retry_shortest: retry_shortest.0,
            retry_longest: retry_longest.0,
            timeouts: file.timeouts,
            when_degraded: file.when_degraded,
        }
    }
}

impl From<Limit> for LimitFile {
    fn from(limit: Limit) -> Self {
        Self { burst: limit.burst, interval: Span(limit.interval) }
    }
}

impl From<LimitFile> for Limit {
    fn from(file: LimitFile) -> Self {
        Self { burst: file.burst, interval: file.interval.0 }
    }
}

impl From<Rule> for RuleFile {
    fn from(rule: Rule) -> Self {
        let (code, http) = match rule.facts {
            Range::Code(first, last) => (Some([first, last]), None),
            Range::Http(first, last) => (None, Some([first, last])),
        };
        Self { code, http, verdict: rule.verdict.into() }
    }
}

impl RuleFile {
    fn rule(self) -> Result<Rule, &'static str> {
        let facts = match (self.code, self.http) {
            (Some([first, last]), None) => Range::Code(first, last),
            (None, Some([first, last])) => Range::Http(first, last),
            (None, None) | (Some(_), Some(_)) => {
                return Err("a rule has either `code` or `http`");
            }
        };
        Ok(Rule { facts, verdict: self.verdict.into() })
    }
}

impl From<Verdict> for VerdictFile {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Retry => Self::Retry,
            Verdict::RetrySoon => Self::RetrySoon,
            Verdict::RetryWithin { from, to } => {
                Self::RetryWithin([Span(from.nanos()), Span(to.nanos())])
            }
            Verdict::Reauthenticate => Self::Reauthenticate,
            Verdict::NextEndpoint => Self::NextEndpoint,
            Verdict::FreshSession => Self::FreshSession,
            Verdict::Halt => Self::Halt,
        }
    }
}

impl From<VerdictFile> for Verdict {
    fn from(file: VerdictFile) -> Self {
        let millis = |span: Span| Millis::from_duration(span.0.as_duration());
        match file {
            VerdictFile::Retry => Self::Retry,
            VerdictFile::RetrySoon => Self::RetrySoon,
            VerdictFile::RetryWithin([from, to]) => {
                Self::RetryWithin { from: millis(from), to: millis(to) }
            }
            VerdictFile::Reauthenticate => Self::Reauthenticate,
            VerdictFile::NextEndpoint => Self::NextEndpoint,
            VerdictFile::FreshSession => Self::FreshSession,
            VerdictFile::Halt => Self::Halt,
        }
    }
}
