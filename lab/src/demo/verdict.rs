//! Was each promise kept? From the server's log and the core's actions, never from what the core
//! says of itself.

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
        bounded_attempts(record, log, terms),
        one_socket(&log.visits),
        subscriptions(record, log, stuck, terms),
        silence(&record.strikes, &log.visits, terms),
        floor(log),
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

/// Each stretch from one attempt to another is a window; no other can be fuller.
fn bounded_attempts(record: &Record, log: &Log, terms: Terms) -> Verdict {
    let polled: Vec<_> =
        record.opens.iter().map(|open| Duration::from_nanos(open.polled.as_nanos())).collect();
    let accepted: Vec<_> = log.visits.iter().map(|visit| visit.accepted).collect();
    let opens = fullest_window(&polled, terms, Duration::ZERO);
    let accepts = fullest_window(&accepted, terms, ACCEPT_LATENESS);
    let mut breaches = Vec::new();
    if let Some(window) = opens.filter(Window::is_over) {
        let at = record.opens[window.last].at;
        breaches.push(Breach::new(at, format!("the core asked for {window}")));
    }
    if let Some(window) = accepts.filter(Window::is_over) {
        let at = accepted[window.last];
        breaches.push(Breach::new(at, format!("the server accepted {window}")));
    }
    if accepted.len() > polled.len() {
        let what = format!("{} connections accepted, {} asked for", accepted.len(), polled.len());
        breaches.push(Breach::new(accepted[polled.len()], what));
    }
    let evidence = opens.map_or_else(
        || "no attempt".to_owned(),
        |window| format!("{} attempts; at the fullest {window}", polled.len()),
    );
    // A bound that was never reached by half was not put to the test.
    let tested = opens.is_some_and(|window| window.count >= usize_of(terms.burst));
    Verdict::new(("P1", "bounded attempts"), tested, evidence, breaches)
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Window {
    last: usize,
    count: usize,
    bound: usize,
    length: Duration,
}

impl Window {
    fn is_over(&self) -> bool {
        self.count > self.bound
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, bound, length, .. } = self;
        write!(f, "{count} in {} where {bound} are allowed", short(*length))
    }
}

/// The window with the least room left, the longest of them.
fn fullest_window(instants: &[Duration], terms: Terms, slack: Duration) -> Option<Window> {
    let windows = (0..instants.len()).flat_map(|first| {
        (first..instants.len()).map(move |last| {
            let length = instants[last].saturating_sub(instants[first]);
            let refills = (length + slack).as_nanos() / terms.interval.as_nanos();
            let refills = usize::try_from(refills).unwrap_or(usize::MAX);
            let bound = usize_of(terms.burst).saturating_add(refills);
            Window { last, count: last - first + 1, bound, length }
        })
    });
    windows.max_by_key(|window| {
        let room = window.bound as i128 - window.count as i128;
        (std::cmp::Reverse(room), window.count)
    })
}

fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// Two connections at once are a breach, unless the earlier one was being closed: the server learns
/// of the client's end of it a moment later.
fn one_socket(visits: &[Visit]) -> Verdict {
    let mut breaches = Vec::new();
    for (index, visit) in visits.iter().enumerate() {
        let beside = visits[..index].iter().filter(|earlier| {
            earlier.over.is_none_or(|over| over > visit.accepted + ACCEPT_LATENESS)
        });
        let beside = beside.count();
        if beside > 0 {
            let what = format!("a connection opened beside {beside} open ones");
            breaches.push(Breach::new(visit.accepted, what));
        }
        if let (true, Some(since)) = (visit.leaked, visit.silent_since) {
            let what = "a dead connection was never let go".to_owned();
            breaches.push(Breach::new(since, what));
        }
    }
    let evidence = format!("{} connections accepted, one at a time", visits.len());
    Verdict::new(("P4", "one socket"), visits.len() > 1, evidence, breaches)
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

/// A final refusal is not asked for again.
fn asked_again(log: &Log) -> impl Iterator<Item = Breach> + '_ {
    log.refused_symbols().into_iter().filter_map(|symbol| {
        let mut asked = log.refused.iter().filter(move |(_, refused)| *refused == symbol);
        let (visit, _) = asked.nth(1)?;
        let what = format!("{symbol} was asked for again after its final refusal");
        Some(Breach::new(log.visits[*visit].accepted, what))
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
        let mut later = log.visits.iter().filter(|visit| visit.accepted > refusal.at);
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
mod tests {
    use super::*;

    const TERMS: Terms = Terms {
        burst: 2,
        interval: Duration::from_secs(1),
        detection: Duration::from_secs(1),
        recovery: Duration::from_secs(9),
    };

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn fullest(millis: &[u64]) -> Window {
        let instants: Vec<_> = millis.iter().copied().map(at).collect();
        fullest_window(&instants, TERMS, Duration::ZERO).unwrap()
    }

    #[test]
    fn a_window_is_closed_at_both_ends() {
        assert!(!fullest(&[0, 0, 1_000, 2_000]).is_over());
        assert!(fullest(&[0, 0, 999]).is_over());
    }

    #[test]
    fn a_breach_far_from_the_first_attempt_is_found() {
        let window = fullest(&[0, 50_000, 50_100, 50_200, 90_000]);
        assert_eq!((window.count, window.bound, window.last), (3, 2, 3));
    }

    fn visit(accepted: u64, over: Option<u64>) -> Visit {
        Visit {
            accepted: at(accepted),
            over: over.map(at),
            held: [].into(),
            requests: 0,
            repeated: Vec::new(),
            silent_since: None,
            leaked: false,
        }
    }

    #[test]
    fn two_connections_at_once_are_told_from_a_closing_one() {
        let outcome = |visits: &[Visit]| one_socket(visits).outcome;
        assert_eq!(outcome(&[visit(0, Some(500)), visit(480, None)]), Outcome::Kept);
        assert_eq!(outcome(&[visit(0, Some(900)), visit(480, None)]), Outcome::Broken);
        assert_eq!(outcome(&[visit(0, None), visit(480, None)]), Outcome::Broken);
        assert_eq!(outcome(&[visit(0, None)]), Outcome::Untested);
        let leaked = Visit { leaked: true, silent_since: Some(at(3)), ..visit(0, Some(3)) };
        assert_eq!(outcome(&[leaked, visit(480, None)]), Outcome::Broken);
    }

    #[test]
    fn a_dial_before_the_floor_is_a_breach() {
        let unavailable =
            super::super::server::Unavailable { at: at(100), retry_after: Duration::from_secs(1) };
        let outcome = |next: u64| {
            let visits = vec![visit(90, Some(100)), visit(next, None)];
            floor(&Log { visits, unavailable: vec![unavailable], ..Log::default() }).outcome
        };
        assert_eq!(outcome(1_100), Outcome::Kept);
        assert_eq!(outcome(1_099), Outcome::Broken);
    }

    #[test]
    fn a_finally_refused_symbol_is_asked_for_once() {
        let symbol = super::super::market::Symbol::all().next().unwrap();
        let log = Log {
            visits: vec![visit(0, None), visit(9, None)],
            refused: vec![(0, symbol), (1, symbol)],
            ..Log::default()
        };
        assert_eq!(asked_again(&log).count(), 1);
    }
}
