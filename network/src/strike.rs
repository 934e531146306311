//! A fault that strikes a link that is up, lasts and ends.

use std::time::Duration;

use redial::{By, Cause, Fact};

use crate::faults::{SLACK, Soon, recovery};
use crate::lines::monotonic_ns;
use crate::server::SILENCE;
use crate::world::World;

#[derive(Clone, Copy)]
pub(crate) struct Strike {
    pub(crate) strike: fn(&mut World),
    pub(crate) heal: fn(&mut World),
    /// One of these must be seen; nothing at all if there is none.
    pub(crate) first: &'static [Cause],
    /// What attempts fail by while it lasts; none fails if there is none.
    pub(crate) then: &'static [Cause],
    /// By when the first must be seen.
    pub(crate) soon: Soon,
    /// How long it lasts, after it was noticed.
    pub(crate) lasts: Duration,
    /// Whether the server sees attempts only once it is over.
    pub(crate) holds_up: bool,
}

/// What was seen, or what was wrong.
pub(crate) fn run(strike: &Strike, world: &mut World) -> Result<String, String> {
    begin(world)?;
    let policy = world.setup.policy;
    let (before, known) = (world.watch.opens(), causes(world).len());
    let struck_at = monotonic_ns();
    (strike.strike)(world);
    let noticed = notice(strike, world, known, struck_at)?;
    world.pass(strike.lasts);

    let healed_at = monotonic_ns();
    let later = then(strike, world, known, healed_at)?;
    (strike.heal)(world);
    if !world.until_restored(recovery(&policy)) {
        let link = world.watch.first().expect("there is one");
        return Err(format!("not back after {:?}: {:?}", recovery(&policy), link.phase));
    }
    let back = since(healed_at);
    let attempts = world.watch.opens() - before;
    if strike.first.is_empty() && attempts > 0 {
        return Err(format!("{attempts} attempts where nothing happened"));
    }
    let late = if strike.holds_up { since(struck_at) } else { Duration::ZERO };
    end(world, late)?;
    kernel_agrees(world)?;
    Ok(match noticed {
        Some((cause, after)) => {
            format!(
                "{} after {after:?}, then {later}; back after {back:?}, {attempts} attempts",
                name(cause)
            )
        }
        None => "nothing".to_owned(),
    })
}

/// The expectation, in words.
pub(crate) fn expected(strike: &Strike, world: &World) -> String {
    let policy = &world.setup.policy;
    let names =
        |causes: &[Cause]| causes.iter().map(|&cause| name(cause)).collect::<Vec<_>>().join("|");
    if strike.first.is_empty() {
        return "nothing".to_owned();
    }
    let then = if strike.then.is_empty() { "nothing".to_owned() } else { names(strike.then) };
    let first = names(strike.first);
    let (within, back) = (strike.soon.bound(policy), recovery(policy));
    format!("{first} within {within:?}, then {then}; back within {back:?}")
}

/// Up, and settled.
pub(crate) fn begin(world: &mut World) -> Result<(), String> {
    if !world.until_restored(recovery(&world.setup.policy) + STARTING) {
        return Err("the link did not come up".to_owned());
    }
    let heartbeat = world.setup.policy.heartbeat().expect("the policies here have one");
    world.pass(world.setup.policy.settle_after() + heartbeat.ping_after());
    Ok(())
}

fn notice(
    strike: &Strike,
    world: &mut World,
    known: usize,
    struck_at: u64,
) -> Result<Option<(Cause, Duration)>, String> {
    let bound = strike.soon.bound(&world.setup.policy);
    if strike.first.is_empty() {
        return Ok(None);
    }
    world.wait(bound + SLACK, |watch| watch.first().is_some_and(|link| link.causes.len() > known));
    let &(at, cause) = causes(world).get(known).ok_or(format!("nothing seen in {bound:?}"))?;
    let after = Duration::from_nanos(at.saturating_sub(struck_at));
    if !strike.first.contains(&cause) {
        return Err(format!("{} was seen first", name(cause)));
    }
    if after > bound {
        return Err(format!("{} was seen only after {after:?}", name(cause)));
    }
    Ok(Some((cause, rounded(after))))
}

/// What later attempts failed by, until it was healed.
fn then(
    strike: &Strike,
    world: &mut World,
    known: usize,
    healed_at: u64,
) -> Result<String, String> {
    let causes = causes(world);
    let first = usize::from(!strike.first.is_empty());
    let later: Vec<Cause> = causes[known..]
        .iter()
        .skip(first)
        .filter(|&&(at, _)| at <= healed_at)
        .map(|&(_, cause)| cause)
        .collect();
    if let Some(&other) = later.iter().find(|cause| !strike.then.contains(cause)) {
        return Err(format!("{} was seen", name(other)));
    }
    match later.last() {
        None if !strike.then.is_empty() => Err("no attempt failed while it lasted".to_owned()),
        None => Ok("nothing".to_owned()),
        Some(&last) => Ok(format!("{} {} times", name(last), later.len())),
    }
}

/// What must hold after any fault.
pub(crate) fn end(world: &mut World, late: Duration) -> Result<(), String> {
    let links = world.setup.links as usize;
    if !world.wait(SILENCE + SLACK, |watch| watch.is_tidy(links)) {
        return Err("the server holds a connection too many (P4)".to_owned());
    }
    if let Some(over) = world.watch.attempts_over(&world.setup.policy, late + SLACK) {
        return Err(over);
    }
    let figures = world.figures();
    if figures.clock_anomalies > 0 {
        return Err(format!("{figures:?}"));
    }
    world.watch.wrong.first().map_or(Ok(()), |wrong| Err(wrong.clone()))
}

/// That what reached the server were the client's attempts and nothing else.
fn kernel_agrees(world: &World) -> Result<(), String> {
    let (syns, opens, dialled) = (world.syns(), world.watch.opens(), world.watch.dialled());
    if syns > opens || dialled > syns {
        return Err(format!("{opens} attempts, {syns} at the server's kernel, {dialled} accepted"));
    }
    Ok(())
}

fn causes(world: &mut World) -> &[(u64, Cause)] {
    &world.watch.link(0).causes
}

pub(crate) fn since(at: u64) -> Duration {
    rounded(Duration::from_nanos(monotonic_ns().saturating_sub(at)))
}

fn rounded(duration: Duration) -> Duration {
    Duration::from_millis(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
}

fn name(cause: Cause) -> String {
    let name = match cause {
        Cause::Closed { by: By::Peer, fact: Fact::None } => "gone".to_owned(),
        Cause::Closed { by: By::Peer, fact } => format!("{fact:?}"),
        Cause::Closed { fact: Fact::Io(kind), .. } => format!("{kind:?}"),
        other => format!("{other:?}"),
    };
    name.to_lowercase()
}

const STARTING: Duration = Duration::from_secs(5);
