//! Faults of more than one strike.

use std::time::Duration;

use crate::faults::{NIGHT, SLACK, recovery};
use crate::lines::{Manner, monotonic_ns};
use crate::strike::{begin, end, since};
use crate::watch::allowed;
use crate::world::World;

/// A machine that falls asleep while a ping is under way, and wakes: that the answer is late says
/// nothing of the peer, which is asked once more.
pub(crate) fn suspended_while_asked(world: &mut World) -> Result<String, String> {
    begin(world)?;
    let attempts = world.watch.opens();
    let heartbeat = world.setup.policy.heartbeat().expect("the policies here have one");
    world.stop_server();
    world.pass(heartbeat.ping_after() + SLACK);
    world.jump(NIGHT);
    world.pass(heartbeat.dead_after());
    world.continue_server();
    world.pass(heartbeat.dead_after() + SLACK);
    let late = world.figures().late_wakeups;
    if late != 1 || world.watch.opens() > attempts {
        return Err(format!("{late} late wake-ups, {} attempts", world.watch.opens() - attempts));
    }
    end(world, Duration::ZERO)?;
    Ok("asked once more, and nothing | asked once more, and nothing".to_owned())
}

/// Another process goes on from the snapshot of one that was killed.
pub(crate) fn client_killed(world: &mut World) -> Result<String, String> {
    begin(world)?;
    world.kill_client();
    let bound = SLACK;
    if !world.wait(bound, |watch| watch.connections() == 0) {
        return Err("the server still holds a connection".to_owned());
    }
    let began = monotonic_ns();
    world.start_client();
    let bound = recovery(&world.setup.policy);
    if !world.until_restored(bound) {
        return Err(format!("not back after {bound:?}"));
    }
    let back = since(began);
    end(world, Duration::ZERO)?;
    Ok(format!("back within {bound:?} | back after {back:?}"))
}

/// A process that is killed as soon as it has dialled, again and again, dials no more often than one
/// that runs on.
pub(crate) fn client_crash_loop(world: &mut World) -> Result<String, String> {
    begin(world)?;
    let before = world.watch.asked();
    let began = monotonic_ns();
    while since(began) < CRASHING {
        world.kill_client();
        world.start_client();
        let asked = world.watch.asked();
        world.wait(IMPATIENCE, |watch| watch.asked() > asked);
    }
    let (window, attempts) = (since(began), world.watch.asked() - before);
    let allowed = allowed(&world.setup.policy, window + SLACK).unwrap_or(u64::MAX);
    let limit = world.setup.policy.attempts().expect("the policies here have one");
    if attempts <= limit.burst() as usize {
        return Err(format!("only {attempts} attempts: the limit was not tried"));
    }
    if attempts as u64 > allowed {
        return Err(format!("{attempts} attempts in {window:?} (P1)"));
    }
    if !world.until_restored(recovery(&world.setup.policy)) {
        return Err("the last process did not come up".to_owned());
    }
    end(world, Duration::ZERO)?;
    Ok(format!("at most {allowed} attempts in {window:?} | {attempts} attempts"))
}

/// Many links of one process lose their server, find it busy, and come back.
pub(crate) fn crowd(world: &mut World) -> Result<String, String> {
    let policy = world.setup.policy;
    let bound = recovery(&policy) + CROWDED;
    if !world.until_restored(bound) {
        return Err(format!("not up within {bound:?}"));
    }
    world.pass(policy.settle_after());
    let before = world.watch.opens();
    world.kill_server();
    world.pass(OUTAGE);
    world.replace_server(Manner::Busy);
    world.pass(OUTAGE);
    let healed_at = monotonic_ns();
    world.replace_server(Manner::Serves);
    if !world.until_restored(bound) {
        return Err(format!("not all back within {bound:?}"));
    }
    let back = since(healed_at);
    let attempts = world.watch.opens() - before;
    end(world, CROWDED)?;
    let links = world.setup.links;
    Ok(format!("all {links} back within {bound:?} | after {back:?}, {attempts} attempts"))
}

/// How long a client is left alone that does not dial.
const IMPATIENCE: Duration = Duration::from_millis(150);
const CRASHING: Duration = Duration::from_secs(4);
const OUTAGE: Duration = Duration::from_secs(4);
/// What many at once on two cores add.
const CROWDED: Duration = Duration::from_secs(5);
