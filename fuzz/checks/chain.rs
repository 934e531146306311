//! Links that follow each other, each from the snapshot of the one before.

use core::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use redial::{Action, Closure, ConnId, Event, How, Instant, Link, Policy, Seed, Slot};
use redial_sim::{Names, Plan, Step};

/// A chain of links stays within the limits of one (P1), does twice what it does once, and each link
/// does what the one before would have done after the loss of its connections (P11). Text that is no
/// snapshot is refused.
pub(crate) fn snapshot(bytes: &[u8]) {
    if bytes.first() == Some(&b'{') {
        let mut text = serde_json::Deserializer::from_slice(bytes);
        let at = Instant::from_nanos(0);
        drop(Link::restore(Policy::new(), vec![Slot::EMPTY; 8], at, None, &mut text));
        return;
    }
    let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
    let chain = Chain::run(&plan);
    chain.check_limits();
    assert_eq!(chain.actions, Chain::run(&plan).actions, "the same plan, other actions");
}

type Slots = Vec<Slot>;

/// More than the answers that a link waits for at once.
const ANSWERS: usize = 16;

struct Chain {
    link: Link<Slots>,
    /// The link before, told that its connections are lost.
    before: Option<Link<Slots>>,
    /// Whether both were told anything since.
    told: bool,
    policy: Policy,
    keys: u32,
    names: Names,
    now: Instant,
    held: Vec<ConnId>,
    actions: Vec<(Instant, Action)>,
}

impl Chain {
    fn run(plan: &Plan) -> Self {
        let seed = Seed::from_u64(plan.seed);
        let mut chain = Self {
            link: Link::with_storage(plan.policy, seed, vec![Slot::EMPTY; plan.keys as usize]),
            before: None,
            told: false,
            policy: plan.policy,
            keys: plan.keys,
            names: Names::new(plan.keys),
            now: Instant::from_nanos(1),
            held: vec![],
            actions: vec![],
        };
        for step in &plan.steps {
            // The clock ends at 584 years, and what waits then waits for good.
            if chain.now > Instant::from_nanos(u64::MAX / 2) {
                break;
            }
            chain.take(*step);
        }
        chain
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Fires => {
                self.now = self.now.max(self.link.deadline().unwrap_or(self.now));
                self.tell(Event::TimerFired);
            }
            Step::Hears(event) => self.tell(self.names.resolve(event)),
            Step::Helps => self.help(),
            Step::Serves => {
                self.drain();
                for _ in 0..ANSWERS {
                    if !self.names.is_asked() {
                        break;
                    }
                    self.help();
                    self.drain();
                }
            }
            Step::Drains => self.drain(),
            Step::Polls => self.restart(Duration::ZERO),
            Step::Waits(_) => self.restart(Duration::from_millis(1_500)),
        }
    }

    fn help(&mut self) {
        if let Some(event) = self.names.answer() {
            self.tell(event);
        }
    }

    fn tell(&mut self, event: Event) {
        let result = self.link.handle(self.now, event);
        if let Some(before) = &mut self.before {
            assert_eq!(before.handle(self.now, event), result, "{event:?}");
            self.told |= result.is_ok();
        }
        if let Event::Closed { conn, .. } = event {
            self.held.retain(|held| *held != conn);
        }
    }

    fn drain(&mut self) {
        let actions = drained(&mut self.link, self.now);
        if let Some(before) = &mut self.before {
            let others = drained(before, self.now);
            assert!(
                actions
                    .iter()
                    .copied()
                    .filter(is_told_once)
                    .eq(others.into_iter().filter(is_told_once))
            );
            self.check_before();
        }
        for action in actions {
            self.names.notice(&action);
            match action {
                Action::Open { conn, .. } => self.held.push(conn),
                Action::Close { conn, how: How::Abort, .. } => {
                    self.held.retain(|held| *held != conn);
                }
                _ => {}
            }
            self.actions.push((self.now, action));
        }
    }

    /// The process dies and another one takes over.
    fn restart(&mut self, elapsed: Duration) {
        let text = text(&self.link);
        // The one before is younger by what has elapsed, until it is told what time it is.
        if let Some(before) = self.before.as_ref().filter(|_| self.told) {
            assert_eq!(text, self::text(before), "at {}", self.now);
        }
        let mut reader = serde_json::Deserializer::from_str(&text);
        let now = self.now.saturating_add(elapsed);
        let slots = vec![Slot::EMPTY; self.keys as usize];
        let restored = Link::restore(self.policy, slots, now, Some(elapsed), &mut reader)
            .unwrap_or_else(|error| panic!("{error} in {text}"));
        if elapsed == Duration::ZERO {
            assert_eq!(self::text(&restored), text, "restored and stored again");
        }
        let mut before = core::mem::replace(&mut self.link, restored);
        for conn in self.held.drain(..).rev() {
            let closure = Closure::local();
            before.handle(self.now, Event::Closed { conn, closure }).expect("it was handed out");
        }
        (self.before, self.told) = (Some(before), false);
        self.now = now;
    }

    fn check_before(&self) {
        let Some(before) = &self.before else { return };
        let (now, link) = (self.now, &self.link);
        assert_eq!(link.status(), before.status(), "at {now}");
        assert_eq!(link.deadline(), before.deadline(), "at {now}, {:?}", link.status());
        assert_eq!(link.counts(), before.counts(), "at {now}");
    }

    fn check_limits(&self) {
        let opens = self.actions.iter().filter(|(_, action)| matches!(action, Action::Open { .. }));
        let opens: Vec<Instant> = opens.map(|(at, _)| *at).collect();
        for limit in [self.policy.attempts(), self.policy.attempts_long()].into_iter().flatten() {
            for (index, from) in opens.iter().enumerate() {
                for (count, to) in opens.iter().skip(index).enumerate() {
                    let window = to.saturating_since(*from);
                    let refilled = window.as_nanos() / limit.interval().as_nanos();
                    let most = u128::from(limit.burst()) + refilled;
                    assert!((count as u128) < most, "{} opens in {window:?}", count + 1);
                }
            }
        }
    }
}

/// What a link says once, whatever its driver was told before.
fn is_told_once(action: &Action) -> bool {
    match action {
        Action::Open { .. }
        | Action::RefreshCredentials { .. }
        | Action::Ping { .. }
        | Action::Subscribe { .. }
        | Action::Unsubscribe { .. } => true,
        Action::Close { .. }
        | Action::Report(_)
        | Action::ArmTimer { .. }
        | Action::DisarmTimer => false,
    }
}

fn drained(link: &mut Link<Slots>, now: Instant) -> Vec<Action> {
    core::iter::from_fn(|| link.poll_action(now)).collect()
}

fn text(link: &Link<Slots>) -> String {
    serde_json::to_string(&link.snapshot()).expect("it can be written")
}
