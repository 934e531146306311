//! Plans and worlds made up by proptest: policies over their whole valid range, and hundreds of steps
//! that come in any order, or with faults of any kind around a peer that remembers.
//! `PROPTEST_CASES=100000 cargo test --release -p redial-sim --test plans` tries more.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use arbitrary::{Arbitrary, Unstructured};
use proptest::prelude::*;
use proptest::test_runner::{FileFailurePersistence, RngSeed};
use redial::{Instant, Policy};
use redial_sim::{Faults, Plan, Step, World};

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
        3 => Just(Step::Serves),
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

/// None, all of them, or all with some turned off.
fn faults() -> impl Strategy<Value = Faults> {
    let all = any::<[bool; 5]>().prop_map(|[falls, dials, silence, answers, tokens]| {
        let mut faults = Faults::all();
        if falls {
            (faults.falls, faults.clock_jumps) = (3, 0);
        }
        if dials {
            (faults.dial_fails, faults.dial_hangs, faults.dial_late) = (0, 0, 0);
        }
        if silence {
            faults.goes_silent = 0;
        }
        if answers {
            (faults.forgets, faults.forgets_answer, faults.answers_late) = (0, 0, 0);
        }
        if tokens {
            (faults.token_fails, faults.token_forbidden, faults.token_hangs) = (0, 0, 0);
        }
        faults
    });
    prop_oneof![1 => Just(Faults { meddles: 60, ..Faults::none() }), 4 => all]
}

/// The same cases each time, unless `PROPTEST_RNG_SEED` or `PROPTEST_CASES` asks for others.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    let cases = std::env::var_os("PROPTEST_CASES").map_or(CASES, |_| config.cases);
    let rng_seed = match config.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        RngSeed::Fixed(seed) => RngSeed::Fixed(seed),
    };
    let failures = FileFailurePersistence::WithSource("regressions");
    ProptestConfig { cases, rng_seed, failure_persistence: Some(Box::new(failures)), ..config }
}

/// So many take seconds.
const CASES: u32 = 1_000;

/// The clock ends at 584 years, and what waits then waits for good: a world ends well before.
const END: Instant = Instant::from_nanos(u64::MAX / 2);

proptest! {
    #![proptest_config(config())]

    #[test]
    fn every_promise_holds_whatever_is_agreed_and_happens(plan in plans()) {
        if let Err(failure) = plan.run() {
            return Err(TestCaseError::fail(failure.to_string()));
        }
    }

    #[test]
    fn a_policy_that_was_made_up_is_what_its_builder_builds(policy in policies()) {
        prop_assert_eq!(policy.to_builder().build(), Ok(policy));
    }

    #[test]
    fn every_promise_holds_in_a_world_whatever_is_agreed(
        policy in policies(),
        faults in faults(),
        seed in any::<u64>(),
        steps in 0..600_u64,
    ) {
        let mut world = World::builder(policy).seed(seed).faults(faults).build();
        for _ in 0..steps {
            if world.now() > END {
                break;
            }
            world.step().map_err(|failure| TestCaseError::fail(failure.to_string()))?;
        }
    }
}
