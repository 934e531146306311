//! The core's tests: one crate, one binary.

mod policy;
mod sizes;
