//! A model world for `redial`: a fake clock, sockets that fail, a peer that remembers, and a judge
//! that knows the promises.
//!
//! The [guide] shows how to drive a policy and a driver of your own with it.

mod clock;
mod dice;
mod driver;
mod failure;
mod faults;
mod judge;
mod net;
#[cfg(feature = "arbitrary")]
mod plan;
mod shrink;
mod summary;
mod terms;
mod trace;
mod watched;
mod world;

pub use clock::FakeClock;
pub use dice::Dice;
pub use driver::{Desk, Driver, Looping, Prompt, Sloppy};
pub use failure::{Failure, Shrunk};
pub use faults::Faults;
pub use judge::{Broken, Judge, Promise, View};
pub use net::{Dial, Net, Refreshed};
#[cfg(feature = "arbitrary")]
pub use plan::{Names, Plan, Span, Step};
pub use summary::Summary;
pub use terms::{Beat, Rate, Rotate, Suspend, Terms};
pub use trace::Trace;
pub use watched::Watched;
pub use world::{Builder, Peer, World};

#[doc = include_str!("../../docs/simulate.md")]
pub mod guide {
    #[allow(unused_imports, reason = "the page links to them")]
    use crate::{
        Broken, Builder, Desk, Driver, Failure, Faults, Looping, Prompt, Sloppy, Summary, Watched,
        World,
    };
}
