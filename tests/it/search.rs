//! Exhaustive search: every event of the alphabet, in every abstract state that any order of them leads
//! to, with the judge beside each step, until no new state appears.
//!
//! An abstract state is what a link tells of itself, without instants and numbers: see [`Told`]. The
//! first history that leads to one stands for all. So this is no proof over all histories, but it
//! visits every corner of every phase, and finds what no chance would bring together. From each
//! state, a helpful world must lead to `Live`.

mod alphabet;
mod table;

use std::collections::{BTreeSet, HashSet, VecDeque};

use core::time::Duration;
use redial::{
    Limit, OnResume, Phase, Policy, PolicyBuilder, Refresh, Rotation, Seed, Suspension,
    WhenDegraded,
};
use redial_sim::{Terms, Watched};

use alphabet::{Letter, Place, Told};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Small enough to be searched, with every kind of deadline.
const fn small() -> PolicyBuilder {
    Policy::builder()
        .retry(secs(1), secs(4))
        .attempts(Limit::new(3, secs(5)))
        .settle_after(secs(30))
}

fn policies() -> [(&'static str, PolicyBuilder); 6] {
    let rotation = Rotation::new(secs(3_600), secs(60), secs(20));
    let sessions = small().ready_within(Some(secs(5))).resume_failures(1);
    let credentials = small().refresh(Refresh::OnRejection).give_up_attempts(Some(3));
    let everything = sessions
        .rotate(Some(rotation))
        .refresh(Refresh::OnRejection)
        .on_resume(OnResume::Kept)
        .when_degraded(WhenDegraded::Reconnect)
        .timeouts(1)
        .endpoints(2);
    [
        ("plain", small().timeouts(1)),
        ("sessions", sessions.on_resume(OnResume::Kept)),
        ("credentials", credentials),
        ("endpoints, suspension", {
            small().endpoints(2).suspend(Some(Suspension::new(secs(60), secs(10), secs(20))))
        }),
        ("rotation", small().rotate(Some(rotation))),
        ("everything", everything),
    ]
}

/// What a search found.
#[derive(Default)]
struct Found {
    states: HashSet<Told>,
    transitions: u64,
    depth: u32,
    /// From which phase which letter led to which.
    moves: BTreeSet<(Phase, Letter, Phase)>,
}

fn search(policy: Policy, drained: bool) -> Found {
    let link = Watched::new(policy, Terms::from(&policy), Seed::from_u64(1), 1);
    let start = Place::new(link);
    let mut found = Found::default();
    let mut next = VecDeque::from([(start.clone(), 0)]);
    found.states.insert(start.told());
    while let Some((place, depth)) = next.pop_front() {
        found.depth = found.depth.max(depth);
        let phase = place.phase();
        for (letter, event) in place.alphabet() {
            let mut after = place.clone();
            after.hear(letter, event);
            if drained {
                after.drain();
            }
            found.transitions += 1;
            found.moves.insert((phase, letter, after.phase()));
            if found.states.insert(after.told()) {
                after.clone().goes_live();
                next.push_back((after, depth + 1));
            }
        }
        if !drained {
            let mut after = place;
            after.poll();
            if found.states.insert(after.told()) {
                next.push_back((after, depth + 1));
            }
        }
    }
    found
}

#[test]
fn every_event_in_every_state_keeps_the_promises_and_leads_back_to_live() {
    let mut moves = BTreeSet::new();
    for (name, policy) in policies() {
        let found = search(policy.build().expect("a right policy"), true);
        let Found { states, transitions, depth, .. } = &found;
        println!("{name}: {} states, {transitions} transitions, depth {depth}", states.len());
        moves.extend(found.moves);
    }
    table::compare(&moves);
}

#[test]
fn a_driver_that_drains_when_it_likes_keeps_the_promises() {
    for (name, policy) in policies().into_iter().take(3) {
        let found = search(policy.build().expect("a right policy"), false);
        let Found { states, transitions, depth, .. } = &found;
        println!("{name}: {} states, {transitions} transitions, depth {depth}", states.len());
    }
}
