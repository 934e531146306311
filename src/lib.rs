//! A sans-IO reconnection core: bounded attempts, jittered backoff, liveness and re-subscription as
//! a state machine.
//!
//! A *link* is the wish to stay connected. The core takes events (socket opened, socket closed, timer
//! fired, message received) and returns actions (open a socket, arm the timer, ping, subscribe
//! again). It never touches a socket, a clock, a thread, an allocator or a global: any runtime can
//! drive it, a test drives it with a fake clock, and an adapter is thin.
//!
//! Reconnection is an engineering contract, not a loop around `connect()`. The promises are named P1
//! to P15 in the README; the comment at each place that enforces one has its name.
//!
//! Begin with [`Link`], and with [`docs::driver`] to write a driver. `redial-tokio` is one for
//! WebSocket clients, `redial-sim` a world to test yours in. Beside a link stand two helpers that know
//! nothing of it: [`Outbox`] for what is sent while it is down, [`Cursor`] for sequence numbers.
//!
//! # Features
//!
//! All off by default, all additive.
//!
//! - `serde`: a [`Policy`] from a file, and back; events and actions in the form of a trace.
//! - `trace`: recording a link and replaying what was recorded. Includes `serde`.
//! - `defmt`: `defmt::Format` for the public types.
//! - `arbitrary`: `Arbitrary` for events, and for valid policies. It needs `std`.

#![no_std]

// The derive of `arbitrary` names `std`.
#[cfg(feature = "arbitrary")]
extern crate std;

mod action;
mod backoff;
mod connection;
mod credentials;
mod cursor;
mod endpoint;
mod event;
mod flags;
mod id;
mod lifecycle;
mod limit;
mod link;
mod liveness;
mod outbox;
mod policy;
mod seed;
mod session;
mod slot;
#[cfg(feature = "serde")]
mod snapshot;
#[cfg(feature = "serde")]
mod span;
mod stats;
mod status;
mod subscriptions;
mod time;
#[cfg(feature = "trace")]
pub mod trace;
mod verdict;
mod wait;
#[cfg(feature = "serde")]
mod wire;

pub use action::{Action, How, Session, Why};
pub use cursor::{Cursor, Missing, Seen};
pub use event::{By, Closure, Established, Event, Fact, IoKind, Misuse, Refusal};
pub use id::{ConnId, Endpoint, Request, SubKey, Ticket};
pub use lifecycle::Lifecycle;
pub use limit::Limit;
pub use link::Link;
pub use outbox::{Fate, Fates, ItemId, Outbox, OutboxSlot, Overflow, Pushed};
pub use policy::{
    FirstPing, Heartbeat, JitterKind, NetworkDown, OnResume, Pings, Policy, PolicyBuilder,
    PolicyError, Refresh, Rotation, Suspension, WhenDegraded,
};
pub use seed::Seed;
pub use slot::Slot;
#[cfg(feature = "serde")]
pub use snapshot::Snapshot;
pub use stats::Stats;
pub use status::{Cause, Continuity, Halted, Phase, Status, WaitsFor};
pub use subscriptions::Counts;
pub use time::{Instant, Millis};
pub use verdict::{Rule, Verdict};

/// Pages that explain, tested as documentation.
pub mod docs {
    #[doc = include_str!("../docs/driver.md")]
    pub mod driver {}

    #[doc = include_str!("../README.md")]
    pub mod readme {}

    #[cfg(feature = "serde")]
    #[doc = include_str!("../docs/snapshots.md")]
    pub mod snapshots {}

    #[doc = include_str!("../docs/states.md")]
    pub mod states {}

    #[cfg(feature = "trace")]
    #[doc = include_str!("../docs/traces.md")]
    pub mod traces {}
}
