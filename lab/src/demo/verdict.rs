//! Was each promise kept? From the server's log and the core's actions, never from what the core
//! says of itself.

mod account;
mod attempts;

use std::time::Duration;

use serde::Serialize;

use super::board::{Record, Strike};
use super::script::Fault;
use super::server::{Log, Visit};
use crate::output::{millis, short};
use crate::words;
use redial::Phase;

/// What was promised, in figures.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    pub(crate) burst: u32,
    pub(crate) interval: Duration,
    /// A dead peer is noticed within this, plus [`LATENESS`].
    pub(crate) detection: Duration,
    /// The script waits no longer for `Live`.
    pub(crate) recovery: Duration,
    /// A session that cannot be resumed so often in a row is given up.
    pub(crate) resume_failures: u32,
}

/// How late the machine may wake a task before the demo blames the core.
pub(crate) const LATENESS: Duration = Duration::from_millis(400);

/// How much later than the dial the server may have seen it: its windows are that much shorter.
const ACCEPT_LATENESS: Duration = Duration::from_millis(100);

/// One promise, and whether it was kept.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub(crate) struct Verdict {
    pub(crate) promise: &'static str,
    pub(crate) name: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) evidence: String,
    pub(crate) breaches: Vec<Breach>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Kept,
    Broken,
    /// The run never put the promise to the test.
    Untested,
}

/// When a promise was broken, and how.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub(crate) struct Breach {
    pub(crate) at_ms: u64,
    pub(crate) what: String,
}

/// Judges the run. `stuck` is when and in which phase the script gave up waiting for `Live`.
pub(crate) fn judge(
    record: &Record,
    log: &Log,
    stuck: Option<(Duration, Phase)>,
    terms: Terms,
) -> Vec<Verdict> {
    vec![
        attempts::bounded(record, log, terms),
        attempts::one_socket(&log.visits),
        subscriptions(record, log, stuck, terms),
        silence(&record.strikes, &log.visits, terms),
        floor(log),
        account::credentials(record, log),
        account::continuity(record, log, terms),
    ]
}

impl Verdict {
    fn new(
        (promise, name): (&'static str, &'static str),
        tested: bool,
        evidence: String,
        mut breaches: Vec<Breach>,
    ) -> Self {
        breaches.sort_by_key(|breach| breach.at_ms);
        let outcome = match (breaches.is_empty(), tested) {
            (false, _) => Outcome::Broken,
            (true, true) => Outcome::Kept,
            (true, false) => Outcome::Untested,
        };
        Self { promise, name, outcome, evidence, breaches }
    }
}

impl Breach {
    fn new(at: Duration, what: String) -> Self {
        Self { at_ms: millis(at), what }
    }
}

fn subscriptions(
    record: &Record,
    log: &Log,
    stuck: Option<(Duration, Phase)>,
    terms: Terms,
) -> Verdict {
    let mut breaches: Vec<Breach> = record
        .lives
        .iter()
        .filter(|live| !live.missing.is_empty() || !live.surplus.is_empty())
        .map(|live| {
            let (missing, surplus) = (live.missing.len(), live.surplus.len());
            let what = format!("live, but the server lacks {missing} and holds {surplus} unwanted");
            Breach::new(live.at, what)
        })
        .collect();
    if let Some((at, phase)) = stuck {
        let phase = words::name(phase);
        let what = format!("still {phase}, not live within {}", short(terms.recovery));
        breaches.push(Breach::new(at, what));
    }
    breaches.extend(log.visits.iter().filter(|visit| !visit.repeated.is_empty()).map(|visit| {
        let what = format!("{} confirmed symbols were asked for again", visit.repeated.len());
        Breach::new(visit.accepted, what)
    }));
    breaches.extend(log.over_limit.iter().map(|&(_, at)| {
        Breach::new(at, "more requests than the pace allows: closed with 1008".to_owned())
    }));
    breaches.extend(asked_again(log));
    let requests: u64 = log.visits.iter().map(|visit| visit.requests).sum();
    let evidence = format!(
        "at each of {} times live the server held the wanted set; {requests} requests, {} refused",
        record.lives.len(),
        log.refused.len(),
    );
    let evidence = if breaches.is_empty() { evidence } else { format!("{requests} requests") };
    let tested = record.lives.len() > 1;
    Verdict::new(("P5", "subscriptions converged"), tested, evidence, breaches)
}

/// A link does not ask again for what it was refused for good.
fn asked_again(log: &Log) -> impl Iterator<Item = Breach> + '_ {
    log.refused.iter().enumerate().filter_map(|(index, &(visit, symbol))| {
        let visit = &log.visits[visit];
        let again = log.refused[..index]
            .iter()
            .any(|&(before, refused)| refused == symbol && log.visits[before].link == visit.link);
        let what = format!("{symbol} was asked for again after its final refusal");
        again.then(|| Breach::new(visit.accepted, what))
    })
}

fn silence(strikes: &[Strike], visits: &[Visit], terms: Terms) -> Verdict {
    let mut breaches = Vec::new();
    let mut evidence = "the server was never silent".to_owned();
    let silent = visits.iter().filter_map(|visit| visit.silent_since);
    let strikes = strikes.iter().filter(|strike| strike.fault == Fault::HalfOpen);
    let mut tested = false;
    for (since, strike) in silent.zip(strikes) {
        tested = true;
        let Some(noticed) = strike.noticed else {
            breaches.push(Breach::new(since, "the silence was never noticed".to_owned()));
            continue;
        };
        let took = noticed.saturating_sub(since);
        let promised = short(terms.detection);
        evidence = format!("noticed {} after the last byte, promised {promised}", short(took));
        if took > terms.detection + LATENESS {
            let what = format!("silence noticed after {}, promised {promised}", short(took));
            breaches.push(Breach::new(since + terms.detection, what));
        }
    }
    Verdict::new(("P7", "dead peer noticed in time"), tested, evidence, breaches)
}

fn floor(log: &Log) -> Verdict {
    let mut breaches = Vec::new();
    let mut waits = Vec::new();
    for refusal in &log.unavailable {
        let mut later = log
            .visits
            .iter()
            .filter(|visit| visit.port == refusal.port && visit.accepted > refusal.at);
        let Some(next) = later.next() else { continue };
        let waited = next.accepted - refusal.at;
        waits.push(format!(
            "asked to wait {}, came after {}",
            short(refusal.retry_after),
            short(waited)
        ));
        if waited < refusal.retry_after {
            let what = format!(
                "dialled {} after a 503 that asked for {}",
                short(waited),
                short(refusal.retry_after)
            );
            breaches.push(Breach::new(next.accepted, what));
        }
    }
    let tested = !waits.is_empty();
    let evidence = if tested { waits.join("; ") } else { "nobody was asked to wait".to_owned() };
    Verdict::new(("P9", "floor respected"), tested, evidence, breaches)
}

#[cfg(test)]
mod tests;
