//! Traces.

use core::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use redial::trace::{Header, Line, Recorder, Replay};
use redial::{Event, Instant, Link, Seed, Slot};
use redial_sim::{Names, Plan, Step};

use super::lines::{self, Damage};

/// A trace is read, or refused with the number of the line that is wrong. What was read is replayed as
/// far as it agrees; its events alone, recorded, are a trace that agrees to its end. What is no text is
/// a plan, and recorded as well.
pub(crate) fn trace(bytes: &[u8]) {
    if bytes.first() != Some(&b'{') {
        let Ok(plan) = Plan::arbitrary_take_rest(Unstructured::new(bytes)) else { return };
        let (policy, seed) = (plan.policy, Seed::from_u64(plan.seed));
        let header = Header { policy, seed, subscriptions: plan.keys };
        return agrees(&recorded(&header, &Teller::new(&header).follow(&plan)));
    }
    let mut texts = (1..).zip(bytes.split(|byte| *byte == b'\n'));
    let Some((number, text)) = texts.next() else { return };
    let Some(header) = read(number, lines::header(number, text)) else { return };
    if header.subscriptions > SLOTS_MAX {
        return;
    }
    let mut known = vec![];
    for (number, text) in texts {
        let Some(line) = read(number, lines::line(number, text)) else { break };
        if matches!(line, Line::Subscriptions(slots) if slots > SLOTS_MAX) {
            break;
        }
        known.push(line);
    }
    let mut replay = Replay::new(&header, lines::storage);
    let _difference = known.iter().try_for_each(|line| replay.check(line));
    agrees(&recorded(&header, &known));
}

/// More than a trace of these needs.
const SLOTS_MAX: u32 = 64;

fn read<T>(number: usize, line: Result<T, Damage>) -> Option<T> {
    line.map_err(|damage| {
        assert_eq!(damage.number, number);
        let told = damage.to_string();
        assert!(told.starts_with(&format!("line {number}: ")), "{told}");
    })
    .ok()
}

/// What a plan tells a link, and when. It names what that link handed out.
struct Teller {
    link: Link<Vec<Slot>>,
    names: Names,
    at: Instant,
    told: Vec<Line>,
}

impl Teller {
    fn new(header: &Header) -> Self {
        let storage = vec![Slot::EMPTY; header.subscriptions as usize];
        let link = Link::with_storage(header.policy, header.seed, storage);
        let names = Names::new(header.subscriptions);
        Self { link, names, at: Instant::ZERO, told: vec![] }
    }

    fn follow(mut self, plan: &Plan) -> Vec<Line> {
        for step in &plan.steps {
            match *step {
                Step::Hears(event) => self.tell(self.names.resolve(event)),
                Step::Waits(_) => {
                    self.at = self.at.saturating_add(Duration::from_secs(7));
                    self.tell(Event::TimerFired);
                }
                Step::Fires => {
                    self.at = self.link.deadline().unwrap_or(self.at).max(self.at);
                    self.tell(Event::TimerFired);
                }
                Step::Helps => self.help(),
                Step::Serves => (0..ANSWERS_MAX).for_each(|_| self.help()),
                // It is drained after each event.
                Step::Polls | Step::Drains => {}
            }
        }
        self.told
    }

    fn help(&mut self) {
        if let Some(event) = self.names.answer() {
            self.tell(event);
        }
    }

    fn tell(&mut self, event: Event) {
        self.told.push(Line::Event { at: self.at, event });
        let _misuse = self.link.handle(self.at, event);
        while let Some(action) = self.link.poll_action(self.at) {
            self.names.notice(&action);
        }
    }
}

/// What a plan's helpful peer says in one go: there may always be another request to answer.
const ANSWERS_MAX: usize = 16;

/// The trace of a link that is told the events of `lines`, and drained after each.
fn recorded(header: &Header, lines: &[Line]) -> String {
    let Header { policy, seed, subscriptions } = *header;
    let storage = vec![Slot::EMPTY; subscriptions as usize];
    let mut link = Recorder::new(policy, seed, storage, String::new()).expect("any policy fits");
    for line in lines {
        match *line {
            Line::Event { at, event } => {
                let _misuse = link.handle(at, event);
                while link.poll_action(at).is_some() {}
            }
            Line::Subscriptions(slots) => {
                let _smaller = link.replace_storage(vec![Slot::EMPTY; slots as usize]);
            }
            Line::Action { .. } | Line::Deadline { .. } => {}
        }
    }
    assert!(link.is_whole(), "a line found no room");
    link.into_inner().1
}

fn agrees(text: &str) {
    let mut texts = text.lines();
    let header: Header = json(texts.next().expect("there is a header"));
    let mut replay = Replay::new(&header, lines::storage);
    for text in texts {
        replay.check(&json(text)).unwrap_or_else(|difference| panic!("{text}: {difference}"));
    }
}

fn json<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}
