//! What is wrong with a policy: every wrong field at once.

#![allow(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "`const` code has neither `get` nor iterators; each index is below its loop's bound"
)]

use core::fmt;

use super::{
    ENDPOINTS_MAX, Endpoints, GiveUp, Growth, Heartbeat, Jitter, JitterKind, LIST_MAX, Policy,
    Retry, Rotation, Sessions, Subscriptions, Suspension,
};
use crate::limit::Limit;
use crate::time::Nanos;
use crate::verdict::{Range, Rule, Verdict};

/// A policy is wrong. The text names every wrong field, as a policy file spells it, and what it
/// must be.
///
/// ```
/// use core::time::Duration;
/// use redial::{Limit, Policy};
///
/// let error = Policy::builder()
///     .first_within(Duration::ZERO)
///     .attempts(Limit::new(0, Duration::from_secs(1)))
///     .build()
///     .unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "retry.first_within must be at least 1 ms and at most 10 years; attempts.burst must be at least 1, \
///      and times attempts.interval at most 100 years"
/// );
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct PolicyError {
    /// One bit per [`Problem`].
    problems: u64,
    /// One bit per rule that is wrong.
    rules: u16,
}

macro_rules! problems {
    ($($name:ident: $text:literal,)*) => {
        /// One way in which a policy can be wrong.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub(crate) enum Problem {
            $($name,)*
        }

        const TEXTS: &[(Problem, &str)] = &[$((Problem::$name, $text),)*];
    };
}

problems! {
    Shortest: "retry.shortest must be at least 1 ms",
    Longest: "retry.longest must be longer than retry.shortest and at most 10 years",
    GrowthRatio: "retry.growth must be a ratio that makes each delay longer than the one before, in \
                  numbers so small that its first times retry.longest stays below 500 years",
    GrowthTable: "retry.growth.table must have 1 to 16 steps, none shorter than the one before, \
                  each longer than retry.shortest and at most retry.longest",
    Percent: "retry.jitter.proportional must be 1 to 100",
    FirstWithin: "retry.first_within must be at least 1 ms and at most 10 years",
    Spread: "retry.spread must be at least 1 ms and at most 10 years",
    AttemptsBurst: "attempts.burst must be at least 1, and times attempts.interval at most 100 years",
    AttemptsInterval: "attempts.interval must be at least 1 ms and at most 10 years",
    LongBurst: "attempts_long.burst must be at least 1, and times attempts_long.interval at most 100 years",
    LongInterval: "attempts_long.interval must be longer than attempts.interval and at most 10 years",
    GiveUpAttempts: "give_up.attempts must be at least 1",
    GiveUpFirstAttempts: "give_up.first_attempts must be at least 1",
    GiveUpOutage: "give_up.outage must be at least 1 ms and at most 10 years",
    SettleAfter: "settle_after must be at least 1 ms and at most 10 years",
    StartWithin: "start_within must be at most 10 years",
    OpenWithin: "open_within must be at least 1 ms and at most 10 years",
    ReadyWithin: "ready_within must be at least 1 ms and at most 10 years",
    CloseWithin: "close_within must be at least 1 ms and at most 10 years",
    PingAfter: "heartbeat.ping_after must be at least 1 ms and at most 10 years",
    DeadAfter: "heartbeat.dead_after must be at least 1 ms and at most 10 years",
    LateBy: "late_by must be at most 10 years",
    ServerDelayMax: "server_delay_max must be at least 1 s and at most 49 days",
    SuspendAfter: "suspend.after must be at least 1 ms and at most 10 years",
    SuspendDelays: "suspend.longest must be longer than suspend.shortest, and both at least 1 ms and at most 10 years",
    RefreshWithin: "credentials.within must be at least 1 ms and at most 10 years",
    Rejections: "credentials.rejections must be at least 1",
    ResumeFailures: "sessions.resume_failures must be at least 1",
    FreshLimit: "sessions.fresh must be limits with a burst of at least 1 and an interval of at least 1 ms and at most 10 years, the two multiplied at most 100 years",
    FreshFull: "sessions.fresh must be at most 2 limits",
    EndpointCount: "endpoints.count must be 1 to 8",
    Quarantine: "endpoints.quarantine must rise, from at least 1 ms to at most 10 years",
    PreferFirstAfter: "endpoints.prefer_first_after must be at least 1 ms and at most 10 years",
    RotateAfter: "rotate.after must be at least 1 ms and at most 10 years",
    RotateJitter: "rotate.jitter must be at least 1 ms and at most rotate.after",
    RotateOverlap: "rotate.overlap must be at least 1 ms and at most 10 years",
    RotateBurst: "rotate needs attempts.burst, and attempts_long.burst where there is one, of at least 2",
    Window: "subscriptions.window must be at least 1",
    PaceBurst: "subscriptions.pace.burst must be at least 1, and times subscriptions.pace.interval at most 100 years",
    PaceInterval: "subscriptions.pace.interval must be at least 1 ms and at most 10 years",
    AckWithin: "subscriptions.ack_within must be at least 1 ms and at most 10 years",
    SubscriptionRetry: "subscriptions.retry must rise, from at least 1 ms to at most 256 times that",
    Timeouts: "subscriptions.timeouts must be 1 to 255",
    RulesFull: "rules must be at most 16",
}

impl PolicyError {
    pub(crate) const NONE: Self = Self { problems: 0, rules: 0 };

    pub(crate) const fn is_none(self) -> bool {
        self.problems == 0 && self.rules == 0
    }

    pub(crate) const fn add(&mut self, wrong: bool, problem: Problem) {
        if wrong {
            self.problems |= 1 << problem as u32;
        }
    }

    /// This, and everything that is wrong with `policy`.
    pub(crate) const fn and(self, policy: &Policy) -> Self {
        let mut found = self;
        found.retry(&policy.retry);
        found.limits(policy);
        found.give_up(&policy.give_up);
        found.deadlines(policy);
        if let Some(suspension) = policy.suspend {
            found.suspend(suspension);
        }
        found.span(policy.credentials.within, Problem::RefreshWithin);
        found.add(policy.credentials.rejections == 0, Problem::Rejections);
        found.sessions(&policy.sessions);
        found.endpoints(&policy.endpoints);
        found.subscriptions(&policy.subscriptions);
        if let Some(rotation) = policy.rotate {
            found.rotate(rotation, policy);
        }
        let mut index = 0;
        while index < policy.rules.len as usize {
            if !is_rule(&policy.rules.list[index]) {
                found.rules |= 1 << index;
            }
            index += 1;
        }
        found
    }

    const fn retry(&mut self, retry: &Retry) {
        let (shortest, longest) = (retry.shortest.0, retry.longest.0);
        self.add(!retry.zero && shortest < MILLI, Problem::Shortest);
        self.add(longest <= shortest || longest > YEARS_10, Problem::Longest);
        match retry.growth {
            Growth::Ratio { numerator, denominator } => {
                // What grows at its shortest grows everywhere: the step is proportional.
                let grown = shortest.saturating_mul(numerator as u64);
                let fits = longest.saturating_mul(numerator as u64) < YEARS_10 * 50;
                let rises = denominator > 0
                    && fits
                    && if shortest == 0 {
                        numerator > denominator
                    } else {
                        grown / denominator as u64 > shortest
                    };
                self.add(!rises, Problem::GrowthRatio);
            }
            Growth::Table { steps, len } => {
                self.add(!is_table(&steps, len as usize, retry), Problem::GrowthTable);
            }
        }
        if let Jitter::Kind(JitterKind::Proportional { percent }) = retry.jitter {
            self.add(percent == 0 || percent > 100, Problem::Percent);
        }
        self.add(!retry.zero && retry.first_within.0 < MILLI, Problem::FirstWithin);
        self.add(retry.first_within.0 > YEARS_10, Problem::FirstWithin);
        self.optional(retry.spread, Problem::Spread);
    }

    const fn limits(&mut self, policy: &Policy) {
        let mut shorter = Nanos::ZERO;
        if let Some(limit) = policy.attempts {
            self.limit(limit, Problem::AttemptsBurst, Problem::AttemptsInterval);
            shorter = limit.interval;
        }
        if let Some(limit) = policy.attempts_long {
            self.limit(limit, Problem::LongBurst, Problem::LongInterval);
            self.add(limit.interval.0 <= shorter.0, Problem::LongInterval);
        }
        if let Some(limit) = policy.subscriptions.pace {
            self.limit(limit, Problem::PaceBurst, Problem::PaceInterval);
        }
    }

    const fn limit(&mut self, limit: Limit, burst: Problem, interval: Problem) {
        // A bucket's arithmetic saturates at 584 years, and a gate that saturates stands open (P1).
        let refill = limit.interval.0.saturating_mul(limit.burst as u64);
        self.add(limit.burst == 0 || refill > YEARS_10 * 10, burst);
        self.span(limit.interval, interval);
    }

    const fn give_up(&mut self, give_up: &GiveUp) {
        self.add(matches!(give_up.attempts, Some(0)), Problem::GiveUpAttempts);
        self.add(matches!(give_up.first_attempts, Some(0)), Problem::GiveUpFirstAttempts);
        self.optional(give_up.outage, Problem::GiveUpOutage);
    }

    const fn deadlines(&mut self, policy: &Policy) {
        self.span(policy.settle_after, Problem::SettleAfter);
        self.add(policy.start_within.0 > YEARS_10, Problem::StartWithin);
        self.span(policy.open_within, Problem::OpenWithin);
        self.optional(policy.ready_within, Problem::ReadyWithin);
        self.span(policy.close_within, Problem::CloseWithin);
        if let Some(Heartbeat { ping_after, dead_after, .. }) = policy.heartbeat {
            self.span(ping_after, Problem::PingAfter);
            self.span(dead_after, Problem::DeadAfter);
        }
        self.add(policy.late_by.0 > YEARS_10, Problem::LateBy);
        let server_delay_max = policy.server_delay_max.0;
        let in_range = server_delay_max >= 1_000 * MILLI && server_delay_max <= DAYS_49;
        self.add(!in_range, Problem::ServerDelayMax);
    }

    const fn suspend(&mut self, suspension: Suspension) {
        self.span(suspension.after, Problem::SuspendAfter);
        self.rise(suspension.shortest, suspension.longest, Problem::SuspendDelays);
    }

    const fn sessions(&mut self, sessions: &Sessions) {
        self.add(sessions.resume_failures == 0, Problem::ResumeFailures);
        let mut index = 0;
        while index < sessions.fresh.len() {
            if let Some(limit) = sessions.fresh[index] {
                self.limit(limit, Problem::FreshLimit, Problem::FreshLimit);
            }
            index += 1;
        }
    }

    const fn endpoints(&mut self, endpoints: &Endpoints) {
        let count = endpoints.count;
        self.add(count == 0 || count as usize > ENDPOINTS_MAX, Problem::EndpointCount);
        let (shortest, longest) = (endpoints.quarantine_shortest, endpoints.quarantine_longest);
        self.rise(shortest, longest, Problem::Quarantine);
        self.span(endpoints.prefer_first_after, Problem::PreferFirstAfter);
    }

    const fn rotate(&mut self, rotation: Rotation, policy: &Policy) {
        self.span(rotation.after, Problem::RotateAfter);
        let jitter = rotation.jitter.0;
        self.add(jitter < MILLI || jitter > rotation.after.0, Problem::RotateJitter);
        self.span(rotation.overlap, Problem::RotateOverlap);
        // A rotation begins only while another attempt would be left (P1).
        self.add(is_single(policy.attempts), Problem::RotateBurst);
        self.add(is_single(policy.attempts_long), Problem::RotateBurst);
    }

    const fn subscriptions(&mut self, terms: &Subscriptions) {
        self.add(terms.window == 0, Problem::Window);
        self.span(terms.ack_within, Problem::AckWithin);
        let (shortest, longest) = (terms.retry_shortest.0, terms.retry_longest.0);
        let rises = shortest >= MILLI
            && shortest < longest
            && longest <= YEARS_10
            && longest <= shortest.saturating_mul(256);
        self.add(!rises, Problem::SubscriptionRetry);
        self.add(terms.timeouts == 0 || terms.timeouts > u8::MAX as u32, Problem::Timeouts);
    }

    const fn span(&mut self, span: Nanos, problem: Problem) {
        self.add(span.0 < MILLI || span.0 > YEARS_10, problem);
    }

    const fn rise(&mut self, from: Nanos, to: Nanos, problem: Problem) {
        self.span(from, problem);
        self.span(to, problem);
        self.add(from.0 >= to.0, problem);
    }

    const fn optional(&mut self, span: Option<Nanos>, problem: Problem) {
        if let Some(span) = span {
            self.span(span, problem);
        }
    }

    /// The text of the first thing that is wrong, for a panic at compile time.
    pub(crate) const fn first_text(self) -> &'static str {
        let mut index = 0;
        while index < TEXTS.len() {
            let (problem, text) = TEXTS[index];
            if self.problems & (1 << problem as u32) != 0 {
                return text;
            }
            index += 1;
        }
        RULE_TEXT
    }
}

const _: () = assert!(TEXTS.len() <= u64::BITS as usize, "one bit per problem");

const RULE_TEXT: &str = "a rule's range must rise within 1000 to 4999 for close codes or 100 to 599 \
                         for HTTP, and retry_within must rise";

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (problem, text) in TEXTS {
            if self.problems & (1 << *problem as u32) != 0 {
                write!(f, "{separator}{text}")?;
                separator = "; ";
            }
        }
        for index in 0..LIST_MAX {
            if self.rules & (1 << index) != 0 {
                write!(f, "{separator}rules[{index}]: {RULE_TEXT}")?;
                separator = "; ";
            }
        }
        Ok(())
    }
}

impl fmt::Debug for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PolicyError({self})")
    }
}

const fn is_table(steps: &[Nanos; LIST_MAX], len: usize, retry: &Retry) -> bool {
    if len == 0 || len > LIST_MAX {
        return false;
    }
    let mut before = retry.shortest.0 + 1;
    let mut index = 0;
    while index < len {
        let step = steps[index].0;
        if step < before || step > retry.longest.0 {
            return false;
        }
        before = step;
        index += 1;
    }
    true
}

const fn is_single(limit: Option<Limit>) -> bool {
    match limit {
        Some(limit) => limit.burst < 2,
        None => false,
    }
}

const fn is_rule(rule: &Rule) -> bool {
    let range = match rule.facts {
        Range::Code(first, last) => 1000 <= first && first <= last && last <= 4999,
        Range::Http(first, last) => 100 <= first && first <= last && last <= 599,
    };
    let rises = match rule.verdict {
        Verdict::RetryWithin { from, to } => from.get() < to.get(),
        Verdict::Retry
        | Verdict::RetrySoon
        | Verdict::Reauthenticate
        | Verdict::NextEndpoint
        | Verdict::FreshSession
        | Verdict::Halt => true,
    };
    range && rises
}

const MILLI: u64 = 1_000_000;
const DAYS_49: u64 = 49 * 24 * 3_600 * 1_000 * MILLI;
const YEARS_10: u64 = 10 * 365 * 24 * 3_600 * 1_000 * MILLI;
