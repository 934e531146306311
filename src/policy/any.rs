//! Policies for fuzzers: any that is valid, the extremes as likely as what is usual.

#![allow(
    clippy::arithmetic_side_effects,
    reason = "spans are below 584 years, and no range is empty"
)]

use core::time::Duration;

use arbitrary::{Arbitrary, Error, Result, Unstructured};

use super::{
    ENDPOINTS_MAX, Heartbeat, JitterKind, LIST_MAX, Policy, PolicyBuilder, Rotation,
    SESSION_LIMITS, Suspension,
};
use crate::limit::Limit;
use crate::time::Millis;
use crate::verdict::{Rule, Verdict};

const MILLI: Duration = Duration::from_millis(1);
const YEARS_10: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
const DAYS_49: Duration = Duration::from_secs(49 * 24 * 3_600);

impl<'a> Arbitrary<'a> for Policy {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let parts = [retry, limits, deadlines, server, subscriptions, rules];
        let policy = parts.into_iter().try_fold(Self::builder(), |policy, part| {
            // No bytes are the defaults: a shrunk policy shows what it takes.
            if u.arbitrary()? { part(u, policy) } else { Ok(policy) }
        })?;
        policy.build().map_err(|_| Error::IncorrectFormat)
    }
}

fn retry(u: &mut Unstructured<'_>, policy: PolicyBuilder) -> Result<PolicyBuilder> {
    let zero = u.ratio(1, 8)?;
    let lowest = if zero { Duration::ZERO } else { MILLI };
    let shortest = span(u, lowest, YEARS_10 / 2)?;
    let longest = span(u, shortest + Duration::from_nanos(1), YEARS_10)?;
    let mut policy = policy.retry(shortest, longest).first_within(span(u, lowest, YEARS_10)?);
    if zero {
        policy = policy.dangerously_zero_delay();
    }
    policy = match Jitter::arbitrary(u)? {
        Jitter::Proportional(percent) => {
            policy.jitter(JitterKind::Proportional { percent: percent % 100 + 1 })
        }
        Jitter::None => policy.dangerously_no_jitter(),
        Jitter::Full => policy.jitter(JitterKind::Full),
        Jitter::Equal => policy.jitter(JitterKind::Equal),
        Jitter::Decorrelated => policy.jitter(JitterKind::Decorrelated),
        Jitter::Phase => policy.jitter(JitterKind::Phase),
    };
    policy = if u.arbitrary()? {
        let mut steps = [Duration::ZERO; LIST_MAX];
        let len = u.int_in_range(1..=LIST_MAX)?;
        let mut lowest = shortest + Duration::from_nanos(1);
        for step in steps.iter_mut().take(len) {
            *step = span(u, lowest, longest)?;
            lowest = *step;
        }
        policy.growth_table(steps.get(..len).unwrap_or(&[]))
    } else {
        let most = ((YEARS_10 * 50).as_nanos() - 1) / longest.as_nanos();
        let most = if u.ratio(1, 8)? { u32::try_from(most).unwrap_or(u32::MAX) } else { 49 };
        let numerator = u.int_in_range(2..=most)?;
        // A step of a few nanoseconds does not rise by less than twice, nor one of a millisecond by
        // less than its millionth.
        let most = if shortest < MILLI { 1 } else { (numerator - 1).min(1_000_000) };
        policy.growth(numerator, u.int_in_range(1..=most)?)
    };
    Ok(policy.spread(option(u, MILLI, YEARS_10)?))
}

#[derive(Arbitrary)]
enum Jitter {
    Full,
    Equal,
    Decorrelated,
    Phase,
    Proportional(u8),
    None,
}

fn limits(u: &mut Unstructured<'_>, mut policy: PolicyBuilder) -> Result<PolicyBuilder> {
    let rotates = u.arbitrary()?;
    let least = if rotates { 2 } else { 1 };
    let short = limit(u, least, MILLI, YEARS_10 / 2)?;
    policy = policy.attempts(short);
    if u.ratio(1, 8)? {
        policy = policy.dangerously_no_attempt_limit();
    }
    if u.arbitrary()? {
        let above = short.interval() + MILLI;
        policy = policy.attempts_long(Some(limit(u, least, above, YEARS_10)?));
    }
    if rotates {
        let after = span(u, MILLI, YEARS_10)?;
        let rotation = Rotation::new(after, span(u, MILLI, after)?, span(u, MILLI, YEARS_10)?);
        policy = policy.rotate(Some(rotation));
    }
    Ok(policy
        .give_up_attempts(count(u)?)
        .give_up_first_attempts(count(u)?)
        .give_up_outage(option(u, MILLI, YEARS_10)?))
}

fn deadlines(u: &mut Unstructured<'_>, mut policy: PolicyBuilder) -> Result<PolicyBuilder> {
    policy = policy
        .settle_after(span(u, MILLI, YEARS_10)?)
        .start_within(span(u, Duration::ZERO, YEARS_10)?)
        .open_within(span(u, MILLI, YEARS_10)?)
        .ready_within(option(u, MILLI, YEARS_10)?)
        .close_within(span(u, MILLI, YEARS_10)?)
        .late_by(span(u, Duration::ZERO, YEARS_10)?)
        .server_delay_max(span(u, Duration::from_secs(1), DAYS_49)?)
        .network_down(u.arbitrary()?)
        .heartbeat(None);
    if u.arbitrary()? {
        let heartbeat = Heartbeat::new(span(u, MILLI, YEARS_10)?, span(u, MILLI, YEARS_10)?);
        policy = policy.heartbeat(Some(heartbeat.pings(u.arbitrary()?).first(u.arbitrary()?)));
    }
    if u.arbitrary()? {
        let shortest = span(u, MILLI, YEARS_10 - MILLI)?;
        let longest = span(u, shortest + MILLI, YEARS_10)?;
        let after = span(u, MILLI, YEARS_10)?;
        policy = policy.suspend(Some(Suspension::new(after, shortest, longest)));
    }
    Ok(policy)
}

fn server(u: &mut Unstructured<'_>, policy: PolicyBuilder) -> Result<PolicyBuilder> {
    let limits: [Limit; SESSION_LIMITS] =
        [limit(u, 1, MILLI, YEARS_10)?, limit(u, 1, MILLI, YEARS_10)?];
    let limited = u.int_in_range(0..=SESSION_LIMITS)?;
    let shortest = span(u, MILLI, YEARS_10 - MILLI)?;
    Ok(policy
        .refresh(u.arbitrary()?)
        .refresh_within(span(u, MILLI, YEARS_10)?)
        .rejections(count(u)?.unwrap_or(3))
        .resume_failures(count(u)?.unwrap_or(3))
        .on_resume(u.arbitrary()?)
        .fresh_sessions(limits.get(..limited).unwrap_or(&[]))
        .endpoints(u.int_in_range(1..=ENDPOINTS_MAX as u8)?)
        .quarantine(shortest, span(u, shortest + MILLI, YEARS_10)?)
        .prefer_first_after(span(u, MILLI, YEARS_10)?))
}

fn subscriptions(u: &mut Unstructured<'_>, mut policy: PolicyBuilder) -> Result<PolicyBuilder> {
    let shortest = span(u, MILLI, YEARS_10 / 2)?;
    let most = shortest.saturating_mul(256).min(YEARS_10);
    if u.arbitrary()? {
        policy = policy.pace(Some(limit(u, 1, MILLI, YEARS_10)?));
    }
    Ok(policy
        .window(u.int_in_range(1..=u16::MAX)?)
        .ack_within(span(u, MILLI, YEARS_10)?)
        .subscription_retry(shortest, span(u, shortest + MILLI, most)?)
        .timeouts(u.int_in_range(1..=u32::from(u8::MAX))?)
        .when_degraded(u.arbitrary()?))
}

fn rules(u: &mut Unstructured<'_>, mut policy: PolicyBuilder) -> Result<PolicyBuilder> {
    for _ in 0..u.int_in_range(0..=LIST_MAX)? {
        let verdict = match u.arbitrary()? {
            Verdict::RetryWithin { from, to } => {
                let from = Millis::new(from.get() / 2);
                Verdict::RetryWithin { from, to: Millis::new(to.get() / 2 + from.get() + 1) }
            }
            verdict @ (Verdict::Retry
            | Verdict::RetrySoon
            | Verdict::Reauthenticate
            | Verdict::NextEndpoint
            | Verdict::FreshSession
            | Verdict::Halt) => verdict,
        };
        let rule = if u.arbitrary()? {
            let first = u.int_in_range(1_000..=4_999)?;
            Rule::code(first, u.int_in_range(first..=4_999)?, verdict)
        } else {
            let first = u.int_in_range(100..=599)?;
            Rule::http(first, u.int_in_range(first..=599)?, verdict)
        };
        policy = policy.rule(rule);
    }
    Ok(policy)
}

/// A bucket that fills within a hundred years.
fn limit(
    u: &mut Unstructured<'_>,
    least: u32,
    shortest: Duration,
    longest: Duration,
) -> Result<Limit> {
    let interval = span(u, shortest, longest)?;
    let most = (YEARS_10 * 10).as_nanos() / interval.as_nanos();
    let most = u32::try_from(most).unwrap_or(u32::MAX);
    Ok(Limit::new(u.int_in_range(least..=most)?, interval))
}

fn count(u: &mut Unstructured<'_>) -> Result<Option<u32>> {
    Ok(match u.int_in_range(0..=3)? {
        0 => None,
        1 => Some(u32::MAX),
        _ => Some(u.int_in_range(1..=20)?),
    })
}

fn option(
    u: &mut Unstructured<'_>,
    shortest: Duration,
    longest: Duration,
) -> Result<Option<Duration>> {
    if u.arbitrary()? { span(u, shortest, longest).map(Some) } else { Ok(None) }
}

/// A span in `[shortest, longest]`: each order of magnitude is as likely as any other, and so is
/// either end.
fn span(u: &mut Unstructured<'_>, shortest: Duration, longest: Duration) -> Result<Duration> {
    let nanos = |span: Duration| u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    let (from, to) = (nanos(shortest), nanos(longest));
    let within = match u.int_in_range(0..=9)? {
        0 => from,
        1 => to,
        _ => {
            let orders = u64::BITS - to.saturating_sub(from).leading_zeros();
            let order = u.int_in_range(0..=orders)?;
            let most = 1_u64.checked_shl(order).unwrap_or(u64::MAX);
            from.saturating_add(u.int_in_range(0..=most)?).min(to)
        }
    };
    Ok(Duration::from_nanos(within))
}
