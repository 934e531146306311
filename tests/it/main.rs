//! The core's tests: one crate, one binary.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::wildcard_enum_match_arm,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

mod contract;
mod cursor;
mod examples;
mod outbox;
mod policy;
mod promises;
mod rotation;
mod search;
mod sizes;
#[cfg(feature = "serde")]
mod snapshot;
mod statistics;
#[cfg(feature = "trace")]
mod traces;
mod values;
mod world;
