//! Makes a long log that breaks a promise a short one.

use redial::{Event, Instant, Policy, Seed};

use crate::judge::Broken;
use crate::terms::Terms;
use crate::watched::Watched;

/// What a link is made of, to be made again.
#[derive(Clone, Debug)]
pub(crate) struct Recipe {
    pub(crate) policy: Policy,
    pub(crate) terms: Terms,
    pub(crate) seed: u64,
    pub(crate) keys: u32,
}

/// One call of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    Handle(Instant, Event),
    Poll(Instant),
}

/// The events of `calls` that are needed to break the promise of `broken`, and how it breaks then.
/// `None` if it does not break without the model of the peer.
pub(crate) fn shrink(
    recipe: &Recipe,
    calls: &[Call],
    broken: &Broken,
) -> Option<(Vec<(Instant, Event)>, Broken)> {
    let drained = drained(calls);
    let breaks = |calls: &[Call]| recipe.play(calls).filter(|it| it.promise == broken.promise);
    let mut kept = if breaks(&drained).is_some() { drained } else { calls.to_vec() };
    let mut found = breaks(&kept)?;
    let mut chunk = kept.len().div_ceil(2);
    while chunk > 0 {
        let mut from = 0;
        while from < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(from..(from + chunk).min(kept.len()));
            if let Some(broken) = breaks(&fewer) {
                (kept, found) = (fewer, broken);
            } else {
                from += chunk;
            }
        }
        chunk /= 2;
    }
    let events = kept.iter().filter_map(|call| match call {
        Call::Handle(now, event) => Some((*now, *event)),
        Call::Poll(_) => None,
    });
    Some((events.collect(), found))
}

/// The same events, each drained at once.
fn drained(calls: &[Call]) -> Vec<Call> {
    let events = calls.iter().filter(|call| matches!(call, Call::Handle(..)));
    let drain = |call: &Call| match *call {
        Call::Handle(now, event) => [Call::Handle(now, event), Call::Poll(now)],
        Call::Poll(now) => [Call::Poll(now); 2],
    };
    events.flat_map(drain).collect()
}

impl Recipe {
    /// How a link of this make breaks a promise when it is called so; a poll is a whole drain.
    fn play(&self, calls: &[Call]) -> Option<Broken> {
        let seed = Seed::from_u64(self.seed);
        let mut link = Watched::new(self.policy, self.terms.clone(), seed, self.keys);
        let mut polled_at = Instant::ZERO;
        for call in calls {
            match *call {
                // A shorter log may name what it never handed out: then nothing happens. Whether a
                // link saw the instant of a poll is its own business, so the clock had better not run
                // back behind it.
                Call::Handle(now, event) => drop(link.handle(now.max(polled_at), event)),
                Call::Poll(now) => {
                    polled_at = polled_at.max(now);
                    while link.poll_action(now).is_some() {}
                }
            }
            if let Some(broken) = link.broken() {
                return Some(broken.clone());
            }
        }
        None
    }
}
