//! Makes a long log that breaks a promise a short one.

use redial::{Event, Instant};

use crate::failure::Shrunk;
use crate::judge::Promise;
use crate::terms::Terms;
use crate::trace::{Call, Trace};
use crate::watched::Watched;

/// What is done to a link that is made again.
#[derive(Clone, Copy)]
enum Step {
    Handle(Instant, Event),
    Poll(Instant),
    Drain(Instant),
}

/// The calls of `trace` that are needed to break `promise`, and how it breaks then. `None` if it
/// does not break without the model of the peer, or with no fewer calls.
pub(crate) fn shrink(trace: &Trace, terms: &Terms, promise: Promise) -> Option<Shrunk> {
    let breaks = |steps: &[Step]| {
        let played = play(trace, terms, steps);
        played.filter(|it| it.broken.promise == promise)
    };
    let drained = drained(trace);
    let mut kept = if breaks(&drained).is_some() { drained } else { polled(trace) };
    let mut found = breaks(&kept)?;
    let mut chunk = kept.len().div_ceil(2);
    while chunk > 0 {
        let mut from = 0;
        while from < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(from..(from + chunk).min(kept.len()));
            if let Some(shrunk) = breaks(&fewer) {
                (kept, found) = (fewer, shrunk);
            } else {
                from += chunk;
            }
        }
        chunk /= 2;
    }
    (found.trace.calls().len() < trace.calls().len()).then_some(found)
}

/// The same events, each drained at once: as a correct driver would do it.
fn drained(trace: &Trace) -> Vec<Step> {
    let events = trace.calls().iter().filter_map(|call| match *call {
        Call::Event(at, event, _) => Some([Step::Handle(at, event), Step::Drain(at)]),
        Call::Action(..) | Call::Drained(..) => None,
    });
    events.flatten().collect()
}

/// The same events, polled when and as often as they were.
fn polled(trace: &Trace) -> Vec<Step> {
    let step = |call: &Call| match *call {
        Call::Event(at, event, _) => Step::Handle(at, event),
        Call::Action(at, _) | Call::Drained(at, _) => Step::Poll(at),
    };
    trace.calls().iter().map(step).collect()
}

/// How a link of the same make breaks a promise when it is called so.
fn play(trace: &Trace, terms: &Terms, steps: &[Step]) -> Option<Shrunk> {
    let header = trace.header();
    let mut link = Watched::new(header.policy, terms.clone(), header.seed, header.subscriptions);
    let mut polled_at = Instant::ZERO;
    for step in steps {
        match *step {
            // A shorter log may name what it never handed out: then nothing happens. Whether a link
            // saw the instant of a poll is its own business, so the clock had better not run back
            // behind it.
            Step::Handle(at, event) => drop(link.handle(at.max(polled_at), event)),
            Step::Poll(at) => {
                polled_at = polled_at.max(at);
                let _action = link.poll_action(at);
            }
            Step::Drain(at) => {
                polled_at = polled_at.max(at);
                while link.broken().is_none() && link.poll_action(at).is_some() {}
            }
        }
        if let Some(broken) = link.broken() {
            return Some(Shrunk { broken: broken.clone(), trace: link.into_trace() });
        }
    }
    None
}
