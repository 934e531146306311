//! Every word that a policy file has, read and written.

use redial::{JitterKind, Policy, PolicyBuilder, Rule, Verdict};

use super::ms;

/// A file in which `word` stands at the place says what `policy` says, and the other way round.
fn same(place: [&str; 2], word: &str, policy: PolicyBuilder) {
    let policy = policy.build().unwrap();
    let text = place.join(word);
    assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy, "{text}");
    let written = serde_json::to_string(&policy).unwrap();
    assert_eq!(serde_json::from_str::<Policy>(&written).unwrap(), policy, "{written}");
    assert!(written.contains(word), "{word} is not in {written}");
}

const JITTER: [&str; 2] = [r#"{"retry": {"jitter": "#, "}}"];
const GROWTH: [&str; 2] = [r#"{"retry": {"growth": "#, "}}"];
const VERDICT: [&str; 2] = [r#"{"rules": [{"code": [4000, 4099], "verdict": "#, "}]}"];

#[test]
fn every_kind_of_jitter_has_a_word() {
    for (word, kind) in [
        (r#""full""#, JitterKind::Full),
        (r#""equal""#, JitterKind::Equal),
        (r#""decorrelated""#, JitterKind::Decorrelated),
        (r#""phase""#, JitterKind::Phase),
        (r#"{"proportional":20}"#, JitterKind::Proportional { percent: 20 }),
    ] {
        same(JITTER, word, Policy::builder().jitter(kind));
    }
    same(JITTER, r#""dangerously_none""#, Policy::builder().dangerously_no_jitter());
}

#[test]
fn every_verdict_has_a_word() {
    let within = Verdict::RetryWithin { from: ms(5_000).into(), to: ms(30_000).into() };
    for (word, verdict) in [
        (r#""retry""#, Verdict::Retry),
        (r#""retry_soon""#, Verdict::RetrySoon),
        (r#"{"retry_within":["5s","30s"]}"#, within),
        (r#""reauthenticate""#, Verdict::Reauthenticate),
        (r#""next_endpoint""#, Verdict::NextEndpoint),
        (r#""fresh_session""#, Verdict::FreshSession),
        (r#""halt""#, Verdict::Halt),
    ] {
        same(VERDICT, word, Policy::builder().rule(Rule::code(4000, 4099, verdict)));
    }
}

#[test]
fn growth_is_a_pair_or_a_table() {
    same(GROWTH, "[3,2]", Policy::builder().growth(3, 2));
    let table = Policy::builder().growth_table(&[ms(1_000), ms(5_000)]);
    same(GROWTH, r#"{"table":["1s","5s"]}"#, table);
    let form = "growth as [numerator, denominator] or {\"table\": [durations]}";
    for (growth, words) in [
        ("2", form),
        ("[3]", "invalid length 1"),
        ("[3, 2, 1]", "invalid length 3"),
        (r#"{"steps": ["1s"]}"#, "unknown field `steps`"),
    ] {
        let text = GROWTH.join(growth);
        let error = serde_json::from_str::<Policy>(&text).unwrap_err().to_string();
        assert!(error.contains(words), "{growth}: {error}");
    }
}
