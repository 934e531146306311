//! The core's tests: one crate, one binary.

mod policy;
mod promises;
mod sizes;
mod world;
