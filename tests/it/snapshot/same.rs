//! P11: what is restored does what the link would have done after the loss of its connections.

use core::time::Duration;

use redial::{Action, Closure, Event, Instant, Link, Policy, Slot};
use redial_sim::Dice;

use super::walk::{KEYS, Seen, any_delay, any_event, cold, policies, step};
use super::{load, secs, text};

/// How often two links are compared after a restoration.
const STEPS: u32 = 300;

#[test]
fn p11_what_is_restored_goes_on_as_the_link_would_have() {
    for (index, policy) in policies().into_iter().enumerate() {
        let mut sum = Tally::default();
        for seed in crate::world::seeds(25) {
            Walk::new(policy, index, seed).run(&mut sum);
        }
        println!("policy {index}: {sum:?}");
        assert!(sum.forks > 50 && sum.opens > 50, "policy {index}: {sum:?}");
    }
}

#[derive(Default, Debug)]
struct Tally {
    forks: u32,
    /// Forks while one, or two, connections were held.
    held: [u32; 3],
    /// Forks with something in a list of keys: refused, retries, held, maybe.
    with: [u32; 4],
    opens: u32,
    spoken: u32,
}

struct Walk {
    policy: Policy,
    name: String,
    dice: Dice,
    link: Link<Vec<Slot>>,
    now: Instant,
    seen: Seen,
}

impl Walk {
    fn new(policy: Policy, index: usize, seed: u64) -> Self {
        Self {
            policy,
            name: format!("policy {index}, REDIAL_SEED={seed}"),
            dice: Dice::new(seed * 100 + index as u64),
            link: cold(policy, seed),
            now: Instant::from_nanos(7_000_000_000),
            seen: Seen::default(),
        }
    }

    fn run(mut self, sum: &mut Tally) {
        for at in 0..500 {
            self.advance();
            if self.dice.chance(2) {
                self.name = format!("{} at {at}", self.name);
                self.fork(sum);
            }
        }
    }

    fn advance(&mut self) {
        let then = self.now.saturating_add(any_delay(&mut self.dice, &self.link, self.now));
        let event = any_event(&mut self.dice, &mut self.seen);
        let polls = if self.dice.chance(70) { 100 } else { self.dice.below(4) };
        let (told, actions) = step(&mut self.link, then, event, polls);
        if told.is_ok() {
            self.now = then;
        }
        actions.iter().for_each(|action| self.seen.note(action));
    }

    /// Restores the link beside itself, compares the two, and goes on with either.
    fn fork(&mut self, sum: &mut Tally) {
        let stored = text(&self.link.snapshot());
        self.taken_again(&stored);
        let elapsed = match self.dice.below(3) {
            0 => Duration::ZERO,
            1 => self.dice.span(secs(20)),
            _ => self.dice.span(secs(900)),
        };
        // The other clock begins years before or after this one.
        let shift = [0, 1 << 50, 1 << 60][usize::try_from(self.dice.below(3)).unwrap()];
        let then = self.now.saturating_add(elapsed);
        let restored = load(self.policy, KEYS, moved(then, shift), Some(elapsed), &stored);
        let mut twins = Twins {
            name: &self.name,
            restored: restored.unwrap_or_else(|error| panic!("{}: {error}", self.name)),
            link: self.link.clone(),
            now: self.now,
            shift,
            seen: self.seen.clone(),
        };
        sum.forks += 1;
        for (name, with) in ["refused", "retries", "held", "maybe"].iter().zip(&mut sum.with) {
            *with += u32::from(!stored.contains(&format!("\"{name}\":[]")));
        }
        sum.held[twins.lose_all()] += 1;
        twins.now = then;
        twins.meet();
        let mut dice = Dice::new(self.dice.below(u64::MAX));
        for _ in 0..STEPS {
            for action in twins.advance(&mut dice) {
                sum.opens += u32::from(matches!(action, Action::Open { .. }));
                sum.spoken += u32::from(matches!(action, Action::Subscribe { .. }));
            }
        }
        if shift == 0 && self.dice.chance(50) {
            let Twins { restored, now, seen, .. } = twins;
            (self.link, self.now, self.seen) = (restored, now, seen);
        }
    }

    /// A snapshot of what was restored just now is the same snapshot.
    fn taken_again(&self, stored: &str) {
        let again = load(self.policy, KEYS, self.now, None, stored);
        let again = again.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        assert_eq!(text(&again.snapshot()), stored, "{}", self.name);
    }
}

/// A link whose connections were lost, and what was restored in its place on another clock.
struct Twins<'a> {
    name: &'a str,
    link: Link<Vec<Slot>>,
    restored: Link<Vec<Slot>>,
    now: Instant,
    shift: u64,
    seen: Seen,
}

impl Twins<'_> {
    /// `Closed` by ourselves of what is held, the newest first. Says how many that were.
    fn lose_all(&mut self) -> usize {
        let mut held = 0;
        for conn in self.seen.conns.iter().rev() {
            let mut lost = self.link.clone();
            let closed = Event::Closed { conn: *conn, closure: Closure::local() };
            lost.handle(self.now, closed).unwrap();
            if lost.stats().stale_events == self.link.stats().stale_events {
                self.link = lost;
                held += 1;
            }
        }
        held
    }

    /// The first drain: what the two were told before differs.
    fn meet(&mut self) {
        let (_, mut old) = step(&mut self.link, self.now, Event::TimerFired, 100);
        let then = moved(self.now, self.shift);
        let (_, mut new) = step(&mut self.restored, then, Event::TimerFired, 100);
        old.retain(|action| !matches!(action, Action::Close { .. } | Action::Report(_)));
        new.retain(|action| !matches!(action, Action::Report(_)));
        old.iter().for_each(|action| self.seen.note(action));
        assert_eq!(self.shifted(old), new, "{}: in the first drain", self.name);
        self.compare("after the first drain");
    }

    fn advance(&mut self, dice: &mut Dice) -> Vec<Action> {
        let then = self.now.saturating_add(any_delay(dice, &self.link, self.now));
        let event = any_event(dice, &mut self.seen);
        let polls = if dice.chance(70) { 100 } else { dice.below(4) };
        let (told, actions) = step(&mut self.link, then, event, polls);
        let restored_then = moved(then, self.shift);
        let (told_restored, actions_restored) =
            step(&mut self.restored, restored_then, event, polls);
        let context = format!("{}: {event:?} at {then}", self.name);
        assert_eq!(told, told_restored, "{context}");
        if told.is_ok() {
            self.now = then;
        }
        actions.iter().for_each(|action| self.seen.note(action));
        assert_eq!(self.shifted(actions.clone()), actions_restored, "{context}");
        self.compare(&context);
        actions
    }

    fn compare(&self, context: &str) {
        let deadline = self.link.deadline().map(|at| moved(at, self.shift));
        assert_eq!(deadline, self.restored.deadline(), "{context}");
        let [old] = self.shifted(vec![Action::Report(self.link.status())])[..] else { panic!() };
        assert_eq!(old, Action::Report(self.restored.status()), "{context}");
        assert_eq!(self.link.counts(), self.restored.counts(), "{context}");
    }

    fn shifted(&self, actions: Vec<Action>) -> Vec<Action> {
        let shift = |action| match action {
            Action::ArmTimer { at } => Action::ArmTimer { at: moved(at, self.shift) },
            Action::Report(mut status) => {
                status.until = status.until.map(|at| moved(at, self.shift));
                Action::Report(status)
            }
            other => other,
        };
        actions.into_iter().map(shift).collect()
    }
}

fn moved(at: Instant, shift: u64) -> Instant {
    at.saturating_add(Duration::from_nanos(shift))
}
