//! Plans: a policy and what happens, as a fuzzer or a property test makes them up.

mod names;
mod step;

use core::time::Duration;

use arbitrary::{Arbitrary, Result, Unstructured};
use redial::{Event, Instant, Limit, Policy, Refresh, Rotation, Seed, Suspension};

use crate::failure::Failure;
use crate::summary::Summary;
use crate::terms::Terms;
use crate::watched::Watched;

pub use names::Names;
pub use step::{Span, Step};

/// A policy, a seed, and what happens to a link of them.
///
/// It runs without a model of the network: reports come in any order, as a driver and a server that
/// are both mad would send them, and the judge watches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The link's policy.
    pub policy: Policy,
    /// The link's seed.
    pub seed: u64,
    /// How many keys it has room for.
    pub keys: u32,
    /// What happens, one after the other.
    pub steps: Vec<Step>,
}

impl<'a> Arbitrary<'a> for Plan {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        let policy = policy(u)?;
        let (seed, keys) = (u.arbitrary::<u8>()?.into(), u.int_in_range(0..=12)?);
        let mut steps = vec![];
        while !u.is_empty() && steps.len() < STEPS {
            steps.push(u.arbitrary()?);
        }
        Ok(Self { policy, seed, keys, steps })
    }
}

/// More than that only takes longer.
const STEPS: usize = 1_000;

/// The defaults, one that agrees on everything there is, or any: those take bytes of their own, so
/// that a change of the policy leaves the steps as they are.
fn policy(u: &mut Unstructured<'_>) -> Result<Policy> {
    match u.arbitrary::<u8>()? {
        0..=31 => Ok(Policy::new()),
        32..=95 => Ok(EVERYTHING),
        kind => {
            let len = usize::from(kind - 96) * 4;
            let bytes = u.bytes(len.min(u.len() / 2))?;
            Unstructured::new(bytes).arbitrary()
        }
    }
}

const EVERYTHING: Policy = {
    let secs = Duration::from_secs;
    Policy::builder()
        .ready_within(Some(secs(5)))
        .attempts(Limit::new(5, secs(6)))
        .attempts_long(Some(Limit::new(50, secs(60))))
        .rotate(Some(Rotation::new(secs(40), secs(20), secs(8))))
        .suspend(Some(Suspension::new(secs(90), secs(30), secs(90))))
        .refresh(Refresh::EveryAttempt)
        .rejections(4)
        .resume_failures(2)
        .fresh_sessions(&[Limit::new(1, secs(5)), Limit::new(20, secs(300))])
        .endpoints(3)
        .quarantine(secs(2), secs(60))
        .prefer_first_after(secs(20))
        .window(2)
        .pace(Some(Limit::new(3, Duration::from_millis(300))))
        .ack_within(secs(3))
        .build_const()
};

impl Plan {
    /// Runs the plan from its beginning, the judge beside the link.
    ///
    /// # Errors
    ///
    /// The first promise that was broken.
    pub fn run(&self) -> core::result::Result<Summary, Failure> {
        self.run_under(Terms::from(&self.policy))
    }

    /// As [`Plan::run`], before a judge who was told these terms.
    fn run_under(&self, terms: Terms) -> core::result::Result<Summary, Failure> {
        let mut run = Run::new(self, terms);
        for step in &self.steps {
            if run.now > END || run.link.broken().is_some() {
                break;
            }
            run.take(*step);
        }
        if run.link.broken().is_none() {
            run.take(Step::Drains);
        }
        run.link.failure().map_or_else(|| Ok(run.link.summary()), Err)
    }
}

/// The clock ends at 584 years, and what waits then waits for good: a plan ends well before.
const END: Instant = Instant::from_nanos(u64::MAX / 2);

/// More than the answers to all requests of a replay.
const ANSWERS: usize = 64;

struct Run {
    link: Watched,
    names: Names,
    now: Instant,
    polled_at: Instant,
}

impl Run {
    fn new(plan: &Plan, terms: Terms) -> Self {
        let seed = Seed::from_u64(plan.seed);
        Self {
            link: Watched::new(plan.policy, terms, seed, plan.keys),
            names: Names::new(plan.keys),
            now: Instant::from_nanos(1_000_000_000),
            polled_at: Instant::ZERO,
        }
    }

    fn take(&mut self, step: Step) {
        match step {
            Step::Waits(span) => self.wait(span),
            Step::Fires => {
                self.now = self.now.max(self.link.deadline().unwrap_or(self.now));
                self.tell(Event::TimerFired);
            }
            Step::Hears(event) => self.tell(self.names.resolve(event)),
            Step::Helps => self.help(),
            Step::Serves => self.serve(),
            Step::Polls => drop(self.poll()),
            Step::Drains => self.drain(),
        }
    }

    fn help(&mut self) {
        if let Some(event) = self.names.answer() {
            self.tell(event);
        }
    }

    fn serve(&mut self) {
        self.drain();
        for _ in 0..ANSWERS {
            if !self.names.is_asked() {
                return;
            }
            self.help();
            self.drain();
        }
    }

    fn drain(&mut self) {
        while self.poll() {}
    }

    fn wait(&mut self, span: Span) {
        let deadline = self.link.deadline().unwrap_or(self.now);
        self.now = match span {
            Span::Nanos(nanos) => self.now.saturating_add(Duration::from_nanos(nanos.into())),
            Span::Millis(millis) => self.now.saturating_add(Duration::from_millis(millis.into())),
            Span::Secs(secs) => self.now.saturating_add(Duration::from_secs(secs.into())),
            Span::Back(millis) => {
                let back = u64::from(millis).saturating_mul(1_000_000);
                Instant::from_nanos(self.now.as_nanos().saturating_sub(back))
            }
            Span::BeforeDeadline => {
                self.now.max(Instant::from_nanos(deadline.as_nanos().saturating_sub(1)))
            }
            Span::PastDeadline(millis) => {
                self.now.max(deadline).saturating_add(Duration::from_millis(millis.into()))
            }
        };
    }

    /// A wrong number is misuse, which must change nothing; the judge looks at that, too. Whether a
    /// link saw the instant of a poll is its own business: no event comes before it.
    fn tell(&mut self, event: Event) {
        let _misuse = self.link.handle(self.now.max(self.polled_at), event);
    }

    fn poll(&mut self) -> bool {
        self.polled_at = self.polled_at.max(self.now);
        let Some(action) = self.link.poll_action(self.now) else { return false };
        self.names.notice(&action);
        true
    }
}

#[cfg(test)]
mod tests {
    use redial::Slot;
    use redial::trace::{Header, Replay};

    use super::*;
    use crate::{Promise, Rate, Trace};

    fn agrees(trace: &Trace) {
        let text = trace.to_string();
        let mut lines = text.lines();
        let header: Header = serde_json::from_str(lines.next().unwrap()).unwrap();
        assert_eq!(header, *trace.header());
        let mut replay = Replay::new(&header, |slots| vec![Slot::EMPTY; slots as usize]);
        for line in lines {
            replay.check(&serde_json::from_str(line).unwrap()).unwrap();
        }
    }

    /// Attempts that the policy allows and the judge was told to forbid.
    #[test]
    fn a_plan_that_breaks_a_promise_gives_a_trace_of_what_it_takes() {
        let noise = [Step::Polls, Step::Waits(Span::Millis(3)), Step::Helps];
        let fails = [Step::Hears(Event::Start), Step::Serves, Step::Fires, Step::Fires];
        let once = noise.iter().cycle().take(60).chain(&fails).copied();
        let steps = core::iter::repeat_n(once, 20).flatten().collect();
        let plan = Plan { policy: Policy::new(), seed: 5, keys: 3, steps };
        let hourly = Rate { burst: 1, interval: Duration::from_secs(3_600) };
        let terms = Terms { attempts: Some(hourly), ..Terms::from(&plan.policy) };

        let failure = plan.run_under(terms).unwrap_err();
        assert_eq!(failure.broken.promise, Promise::BoundedAttempts);
        assert_eq!(failure.whole.header().seed, Seed::from_u64(5));
        agrees(&failure.whole);
        let shrunk = failure.shrunk.as_deref().unwrap();
        assert_eq!(shrunk.broken.promise, Promise::BoundedAttempts);
        agrees(&shrunk.trace);
        assert!(shrunk.trace.calls().len() < failure.whole.calls().len());
        assert!(failure.to_string().contains(&shrunk.trace.to_string()), "{failure}");
    }
}
