//! What each fuzz target demands of its input. The targets run these under the fuzzer; the ordinary
//! tests run them over the corpus, with the toolchain that everybody has.

pub(crate) mod chain;
pub(crate) mod frames;
#[path = "../../lab/src/lines.rs"]
mod lines;
pub(crate) mod trace;

use arbitrary::{Arbitrary, Unstructured};
use redial::Policy;
use redial_sim::Plan;

/// A link of any policy, told anything at any time, keeps every promise.
pub(crate) fn link(bytes: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    if let Err(failure) = plan.run() {
        panic!("{failure}");
    }
}

/// A policy file is read or refused; what was read is written and read as the same, and is what its
/// builder builds.
pub(crate) fn policy(bytes: &[u8]) {
    let Ok(policy) = serde_json::from_slice::<Policy>(bytes) else { return };
    let text = serde_json::to_string(&policy).expect("a policy can be written");
    assert_eq!(serde_json::from_str::<Policy>(&text).expect("what was written is read"), policy);
    assert_eq!(policy.to_builder().build(), Ok(policy));
}
