//! Snapshots: what a process leaves behind, and what the next one makes of it.

mod forged;
mod forms;
mod other;
mod same;
mod stories;
mod walk;

use core::time::Duration;

use redial::{Instant, Link, Policy, Slot, Snapshot};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn text(snapshot: &Snapshot<'_>) -> String {
    serde_json::to_string(snapshot).expect("any snapshot can be written")
}

fn load(
    policy: Policy,
    slots: u32,
    now: Instant,
    elapsed: Option<Duration>,
    text: &str,
) -> serde_json::Result<Link<Vec<Slot>>> {
    let slots = vec![Slot::EMPTY; usize::try_from(slots).expect("few")];
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let link = Link::restore(policy, slots, now, elapsed, &mut deserializer)?;
    deserializer.end()?;
    Ok(link)
}
