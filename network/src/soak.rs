//! Random faults for a long time: the client's memory stays flat, it keeps its promises, and in the
//! end it holds what is wanted.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::faults::{QUICK, SLACK, recovery};
use crate::lines::Manner;
use crate::strike;
use crate::world::{Program, Setup, World};

/// For so long after the warm-up. Prints a line now and then, and the figures.
pub(crate) fn run(minutes: f64, seed: u64) -> Result<(), String> {
    println!("seed {seed}: scripts/soak {minutes} {seed} repeats the choice of faults");
    let mut random = fastrand::Rng::with_seed(seed);
    // How many wishes there is time for varies.
    let mut wishes = random.fork();
    let mut world = World::new(Setup {
        policy: QUICK,
        links: LINKS,
        topics: TOPICS,
        program: Program::Ours,
        tls: false,
        stores: false,
        tick_ms: Some(20),
    });
    strike::begin(&mut world)?;
    let (mut strikes, mut memory) = (0, Vec::new());
    let begun = Instant::now();
    let warm = begun + WARM_UP;
    let end = warm + Duration::from_secs_f64(minutes * 60.0);
    let mut told = begun;
    while Instant::now() < end {
        let (name, strike, heal) = random.choice(STRIKES).expect("there are some");
        strike(&mut world);
        strikes += 1;
        let lasts = random.u64(100..2500);
        rest(&mut world, &mut wishes, lasts);
        heal(&mut world);
        let pause = random.u64(500..3000);
        rest(&mut world, &mut wishes, pause);
        if Instant::now() > warm {
            memory.push(world.client.resident_kib());
        }
        check(&world).map_err(|wrong| format!("after {strikes} faults, {name}: {wrong}"))?;
        if told.elapsed() > REPORT {
            told = Instant::now();
            let (after, kib) = (begun.elapsed().as_secs(), world.client.resident_kib());
            println!("{after} s: {strikes} faults, {} attempts, {kib} KiB", world.watch.opens());
        }
    }
    converge(&mut world)?;
    let (before, after) = thirds(&memory)?;
    println!(
        "{strikes} faults, {} attempts; {before} KiB in the first third, {after} in the last",
        world.watch.opens()
    );
    let bound = before + before / 10 + 1024;
    if after > bound {
        return Err(format!("{after} KiB in the last third, at most {bound} allowed"));
    }
    Ok(())
}

/// Wishes change meanwhile.
fn rest(world: &mut World, wishes: &mut fastrand::Rng, ms: u64) {
    let end = Instant::now() + Duration::from_millis(ms);
    while Instant::now() < end {
        let topic = wishes.u32(0..TOPICS);
        let order = if world.wanted.remove(&topic) {
            "unsubscribe"
        } else {
            world.wanted.insert(topic);
            "subscribe"
        };
        world.client.order(&format!("{order} {topic}"));
        world.pass(WISH);
    }
}

/// What must hold at any time.
fn check(world: &World) -> Result<(), String> {
    // Some faults stop the server: what reaches it may be as late as they last.
    if let Some(over) = world.watch.attempts_over(&QUICK, Duration::from_secs(3)) {
        return Err(over);
    }
    world.watch.wrong.first().map_or(Ok(()), |wrong| Err(wrong.clone()))
}

fn converge(world: &mut World) -> Result<(), String> {
    let bound = recovery(&QUICK) + SLACK;
    if !world.until_restored(bound) {
        return Err(format!("not what is wanted within {bound:?}"));
    }
    strike::end(world, Duration::from_secs(3))
}

/// The medians of the first and the last third.
fn thirds(memory: &[u64]) -> Result<(u64, u64), String> {
    let third = memory.len() / 3;
    let median = |part: &[u64]| {
        let mut part = part.to_vec();
        part.sort_unstable();
        part.get(part.len() / 2).copied()
    };
    let (first, last) = (&memory[..third], &memory[memory.len() - third..]);
    median(first).zip(median(last)).ok_or("too short to tell".to_owned())
}

type Deed = fn(&mut World);

/// A name, what is done and what ends it.
const STRIKES: &[(&str, Deed, Deed)] = &[
    ("drop both ways", |world| world.rule("-A INPUT -j DROP"), |world| world.no_rules()),
    ("drop to client", |world| world.rule("-A OUTPUT -j DROP"), |world| world.no_rules()),
    (
        "drop one packet in five",
        |world| world.rule("-A INPUT -m statistic --mode random --probability 0.2 -j DROP"),
        |world| world.no_rules(),
    ),
    (
        "reject",
        |world| world.rule("-A INPUT -p tcp -j REJECT --reject-with tcp-reset"),
        |world| world.no_rules(),
    ),
    ("reset", |world| world.reset_connections(), |_| {}),
    ("link down", |world| world.link_down(), |world| world.link_up()),
    (
        "link down and told",
        |world| {
            world.link_down();
            world.client.order("down");
        },
        |world| {
            world.link_up();
            world.client.order("up");
        },
    ),
    ("server stopped", |world| world.stop_server(), |world| world.continue_server()),
    ("server killed", |world| world.kill_server(), |world| world.start_server()),
    (
        "busy",
        |world| world.replace_server(Manner::Busy),
        |world| world.replace_server(Manner::Serves),
    ),
    (
        "mute",
        |world| world.replace_server(Manner::Mute),
        |world| world.replace_server(Manner::Serves),
    ),
    ("server closes", |world| world.order_server("close 4321"), |_| {}),
    (
        "client stopped",
        |world| world.client.signal(Signal::STOP),
        |world| world.client.signal(Signal::CONT),
    ),
];

const LINKS: u32 = 8;
const TOPICS: u32 = 200;
/// One wish in so long.
const WISH: Duration = Duration::from_millis(50);
const WARM_UP: Duration = Duration::from_secs(20);
const REPORT: Duration = Duration::from_secs(30);
