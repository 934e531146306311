//! What each fuzz target demands of its input. The targets run these under the fuzzer; the ordinary
//! tests run them over the corpus, with the toolchain that everybody has.

use core::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use redial::trace::{Header, Line, Replay};
use redial::{Action, Closure, ConnId, Event, Instant, IoKind, Link, Policy, Seed, Slot};
use redial_sim::{Plan, Step};

/// A link of any policy, told anything at any time, keeps every promise.
pub(crate) fn link(bytes: &[u8]) {
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    if let Err(broken) = plan.run() {
        panic!("{broken}");
    }
}

/// A policy file is read or refused; what was read is written and read as the same.
pub(crate) fn policy(bytes: &[u8]) {
    let Ok(policy) = serde_json::from_slice::<Policy>(bytes) else { return };
    let text = serde_json::to_string(&policy).expect("a policy can be written");
    assert_eq!(serde_json::from_str::<Policy>(&text).expect("what was written is read"), policy);
}

/// A trace is read or refused, and replayed as far as it agrees.
pub(crate) fn trace(bytes: &[u8]) {
    let mut lines = bytes.split(|byte| *byte == b'\n');
    let header = lines.next().and_then(|text| serde_json::from_slice::<Header>(text).ok());
    let Some(header) = header.filter(|header| header.subscriptions <= SLOTS_MAX) else { return };
    let mut replay = Replay::new(&header, |slots| vec![Slot::EMPTY; slots.min(SLOTS_MAX) as usize]);
    for text in lines {
        let Ok(line) = serde_json::from_slice::<Line>(text) else { return };
        if replay.check(&line).is_err() {
            return;
        }
    }
}

/// More than a trace of these needs: a header of some bytes may ask for gigabytes.
const SLOTS_MAX: u32 = 64;

/// Links that follow each other, each from the snapshot of the one before, stay within the limit of
/// one (P1); and text that is no snapshot is refused.
pub(crate) fn snapshot(bytes: &[u8]) {
    let slots = || vec![Slot::EMPTY; 8];
    let mut text = serde_json::Deserializer::from_slice(bytes);
    let at = Instant::from_nanos(0);
    drop(Link::restore(Policy::new(), slots(), at, None, &mut text));
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let seed = Seed::from_u64(plan.seed);
    let mut chain = Chain {
        link: Link::with_storage(plan.policy, seed, slots()),
        policy: plan.policy,
        now: Instant::from_nanos(1),
        newest: None,
        opens: vec![],
    };
    for step in plan.steps {
        if chain.now > Instant::from_nanos(u64::MAX / 2) {
            break;
        }
        chain.take(step);
    }
    chain.check_limit();
}

struct Chain {
    link: Link<Vec<Slot>>,
    policy: Policy,
    now: Instant,
    newest: Option<ConnId>,
    opens: Vec<Instant>,
}

impl Chain {
    fn take(&mut self, step: Step) {
        match step {
            Step::Fires => {
                self.now = self.now.max(self.link.deadline().unwrap_or(self.now));
                self.tell(Event::TimerFired);
            }
            // What names a connection or a request may name one of the link before: that is misuse.
            Step::Hears(event) => self.tell(event),
            Step::Helps | Step::Serves => {
                if let Some(conn) = self.newest.take() {
                    let closure = Closure::unknown().io(IoKind::Reset);
                    self.tell(Event::Closed { conn, closure });
                }
                self.tell(Event::Start);
            }
            Step::Drains => self.drain(),
            Step::Polls => self.restart(Duration::ZERO),
            Step::Waits(_) => {
                let elapsed = Duration::from_millis(1);
                self.restart(elapsed);
                self.now = self.now.saturating_add(elapsed);
            }
        }
    }

    fn tell(&mut self, event: Event) {
        let _misuse = self.link.handle(self.now, event);
    }

    fn drain(&mut self) {
        while let Some(action) = self.link.poll_action(self.now) {
            if let Action::Open { conn, .. } = action {
                self.newest = Some(conn);
                self.opens.push(self.now);
            }
        }
    }

    /// The process dies and another one takes over.
    fn restart(&mut self, elapsed: Duration) {
        let text = serde_json::to_string(&self.link.snapshot()).expect("it can be written");
        let mut reader = serde_json::Deserializer::from_str(&text);
        let now = self.now.saturating_add(elapsed);
        let slots = vec![Slot::EMPTY; 8];
        self.link = Link::restore(self.policy, slots, now, Some(elapsed), &mut reader)
            .unwrap_or_else(|error| panic!("{error} in {text}"));
        let again = serde_json::to_string(&self.link.snapshot()).expect("it can be written");
        assert!(elapsed > Duration::ZERO || text == again, "{text}\nbecame\n{again}");
        self.newest = None;
    }

    fn check_limit(&self) {
        for limit in [self.policy.attempts(), self.policy.attempts_long()].into_iter().flatten() {
            for (index, from) in self.opens.iter().enumerate() {
                for (count, to) in self.opens.iter().skip(index).enumerate() {
                    let window = to.saturating_since(*from);
                    let refilled = window.as_nanos() / limit.interval().as_nanos();
                    let most = u128::from(limit.burst()) + refilled;
                    assert!((count as u128) < most, "{} opens in {window:?}", count + 1);
                }
            }
        }
    }
}
