//! A sans-IO reconnection core.
#![no_std]

mod action;
mod event;
mod id;
mod limit;
mod policy;
mod seed;
mod stats;
mod status;
mod time;
mod verdict;

pub use action::{Action, How, Why};
pub use event::{By, Closure, Event, Fact, IoKind, Misuse, Refusal};
pub use id::{ConnId, Request, SubKey};
pub use limit::Limit;
pub use policy::{FirstPing, JitterKind, NetworkDown, Pings, Policy, WhenDegraded};
pub use seed::Seed;
pub use stats::Stats;
pub use status::{Cause, Continuity, Halted, Phase, Status, WaitsFor};
pub use time::{Instant, Millis};
pub use verdict::{Rule, Verdict};

/// Pages of the book.
pub mod docs {
    /// The states.
    pub mod states {}
}
