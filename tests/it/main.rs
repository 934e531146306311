//! The core's tests: one crate, one binary.

mod sizes;
