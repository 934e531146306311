//! The command line of redial.
fn main() {}
