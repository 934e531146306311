//! A sans-IO reconnection core.
#![no_std]

// The derive of `arbitrary` names `std`.
#[cfg(feature = "arbitrary")]
extern crate std;

mod action;
mod backoff;
mod connection;
mod event;
mod id;
mod lifecycle;
mod limit;
mod link;
mod liveness;
mod policy;
mod seed;
mod slot;
#[cfg(feature = "serde")]
mod span;
mod stats;
mod status;
mod subscriptions;
mod time;
mod verdict;
mod wait;

pub use action::{Action, How, Why};
pub use event::{By, Closure, Event, Fact, IoKind, Misuse, Refusal};
pub use id::{ConnId, Request, SubKey};
pub use lifecycle::Lifecycle;
pub use limit::Limit;
pub use link::Link;
pub use policy::{
    FirstPing, Heartbeat, JitterKind, NetworkDown, Pings, Policy, PolicyBuilder, PolicyError,
    WhenDegraded,
};
pub use seed::Seed;
pub use slot::Slot;
pub use stats::Stats;
pub use status::{Cause, Continuity, Halted, Phase, Status, WaitsFor};
pub use subscriptions::Counts;
pub use time::{Instant, Millis};
pub use verdict::{Rule, Verdict};

/// Pages of the book.
pub mod docs {
    /// The states.
    pub mod states {}
}
