//! Plans made up by proptest: policies over their whole valid range, and hundreds of steps that come in
//! any order. `PROPTEST_CASES=100000 cargo test --release -p redial-sim --test plans` tries more.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};
use redial::Policy;
use redial_sim::{Plan, Step};

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..most)
}

fn policies() -> impl Strategy<Value = Policy> {
    bytes(600).prop_map(|bytes| {
        // Bytes that are at an end are zeros: everything is a policy.
        Policy::arbitrary(&mut Unstructured::new(&bytes)).unwrap()
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let known = prop_oneof![
        3 => Just(Step::Fires),
        3 => Just(Step::Helps),
        4 => Just(Step::Drains),
        1 => Just(Step::Polls),
    ];
    let any = bytes(24).prop_map(|bytes| Step::arbitrary(&mut Unstructured::new(&bytes)).unwrap());
    prop::collection::vec(prop_oneof![known, any], 0..400)
}

fn plans() -> impl Strategy<Value = Plan> {
    let policies = prop_oneof![1 => Just(Policy::new()), 3 => policies()];
    (policies, any::<u64>(), 0..12_u32, steps()).prop_map(|(policy, seed, keys, steps)| Plan {
        policy,
        seed,
        keys,
        steps,
    })
}

/// The same cases each time, unless `PROPTEST_RNG_SEED` or `PROPTEST_CASES` asks for others.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    let rng_seed = match config.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        RngSeed::Fixed(seed) => RngSeed::Fixed(seed),
    };
    let failures = FileFailurePersistence::SourceParallel("regressions");
    ProptestConfig { rng_seed, failure_persistence: Some(Box::new(failures)), ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_promise_holds_whatever_is_agreed_and_happens(plan in plans()) {
        if let Err(broken) = plan.run() {
            return Err(TestCaseError::fail(broken.to_string()));
        }
    }

    #[test]
    fn a_policy_that_was_made_up_is_what_its_builder_builds(policy in policies()) {
        prop_assert_eq!(policy.to_builder().build(), Ok(policy));
    }
}
