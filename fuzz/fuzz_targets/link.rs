//! See `checks::link`.
#![no_main]
#![allow(dead_code, reason = "each target has a check of its own")]

#[path = "../checks/mod.rs"]
mod checks;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| checks::link(bytes));
