//! The policies that fuzzers and property tests draw from octets.

use arbitrary::{Arbitrary, Unstructured};
use redial::Policy;
use redial_sim::Dice;

/// Policies of as many seeds, each drawn from more octets than it takes.
fn drawn(seeds: u64) -> impl Iterator<Item = (u64, Policy)> {
    (0..seeds).map(|seed| {
        let mut dice = Dice::new(seed);
        let octets: Vec<u8> = (0..2_000).map(|_| dice.below(256).to_le_bytes()[0]).collect();
        let policy = Policy::arbitrary(&mut Unstructured::new(&octets));
        (seed, policy.unwrap_or_else(|error| panic!("seed {seed}: {error}")))
    })
}

#[test]
fn no_octets_are_the_defaults() {
    assert_eq!(Policy::arbitrary(&mut Unstructured::new(&[])), Ok(Policy::new()));
}

/// A file is validated when it is read, hence what reads back is right.
#[test]
fn whatever_is_drawn_is_right() {
    for (seed, policy) in drawn(2_000) {
        let text = serde_json::to_string(&policy).unwrap();
        let read: Policy = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("seed {seed}: {error} in {text}"));
        assert_eq!(read, policy, "seed {seed}: {text}");
    }
}

#[test]
fn whatever_a_policy_can_say_is_drawn() {
    let texts: String =
        drawn(2_000).map(|(_, policy)| serde_json::to_string(&policy).unwrap()).collect();
    for part in [
        r#""full""#,
        r#""equal""#,
        r#""decorrelated""#,
        r#""phase""#,
        r#""proportional":"#,
        r#""jitter":"dangerously_none""#,
        r#""attempts":"dangerously_none""#,
        r#""dangerously_zero_delay":true"#,
        r#""shortest":"0s""#,
        r#""table":["#,
        r#""growth":[2,1]"#,
        r#""spread":"87600h""#,
        r#""attempts_long":{"#,
        r#""rotate":{"#,
        r#""heartbeat":null"#,
        r#""jittered""#,
        r#""always""#,
        r#""probe""#,
        r#""suspend":{"#,
        r#""every_attempt""#,
        r#""on_rejection""#,
        r#""fresh":[{"#,
        r#""kept""#,
        r#""count":8"#,
        r#""pace":{"#,
        r#""reconnect""#,
        r#""retry_soon""#,
        r#""retry_within""#,
        r#""reauthenticate""#,
        r#""next_endpoint""#,
        r#""fresh_session""#,
        r#""verdict":"retry""#,
        r#""verdict":"halt""#,
        r#""http":["#,
        r#""code":["#,
        r#""first_attempts":4294967295"#,
    ] {
        assert!(texts.contains(part), "{part} is never drawn");
    }
}

/// P8, of the ladder alone: its bound never shrinks and ends at `longest`.
#[test]
fn p8_the_ladder_of_any_policy_rises_until_its_end() {
    for (seed, policy) in drawn(2_000) {
        let (shortest, longest) = policy.retry();
        assert_eq!(policy.bound(0), shortest, "seed {seed}");
        for level in 1..100 {
            let (below, bound) = (policy.bound(level - 1), policy.bound(level));
            assert!(below <= bound && bound <= longest, "seed {seed}, level {level}: {policy:?}");
            let range = policy.delay_range(level);
            assert!(range.start() <= range.end(), "seed {seed}, level {level}: {policy:?}");
            assert!((shortest..=longest).contains(range.start()), "seed {seed}: {policy:?}");
            assert!((shortest..=longest).contains(range.end()), "seed {seed}: {policy:?}");
        }
        if policy.jitter().is_none() {
            let bound = policy.bound(3);
            assert_eq!(policy.delay_range(3), bound..=bound, "seed {seed}");
        }
    }
}
