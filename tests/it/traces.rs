//! Traces: what was recorded replays, and golden traces pin the format and what the core does.
//!
//! `REDIAL_REWRITE_TRACES=1 cargo test -p redial --features trace --test it traces` writes the golden
//! traces anew from their headers and events. Read the difference before committing it.

use core::time::Duration;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use crate::promises::any_event;
use redial::trace::{Header, Line, Recorder, Replay, Writer};
use redial::{Action, ConnId, Event, Instant, Limit, Link, Misuse, Policy, Seed, Slot, SubKey};
use redial_sim::{Desk, Dice, Driver, Faults, World};

fn slots(count: u32) -> Vec<Slot> {
    vec![Slot::EMPTY; count as usize]
}

fn replay(trace: &str) -> Result<(), String> {
    let mut lines = trace.lines();
    let header: Header = serde_json::from_str(lines.next().expect("a header")).unwrap();
    let mut replay = Replay::new(&header, slots);
    for (number, line) in (2..).zip(lines) {
        let line = serde_json::from_str(line).unwrap_or_else(|error| panic!("{number}: {error}"));
        replay.check(&line).map_err(|difference| format!("line {number}: {difference}"))?;
    }
    Ok(())
}

/// A driver that drains late, in part and in between, and writes down what it does.
struct Taped {
    tape: Writer<String>,
    dice: Dice,
    armed: Option<Instant>,
    /// When to go on with a drain that was left.
    resume_at: Option<Instant>,
}

impl Taped {
    fn drain(&mut self, desk: &mut Desk<'_>) {
        let now = desk.clock.now();
        self.resume_at = None;
        while !self.dice.chance(10) {
            let Some(action) = desk.link.poll_action(now) else {
                return self.tape.drained(now, desk.link.deadline()).unwrap();
            };
            self.tape.action(now, &action).unwrap();
            desk.net.perform(now, &action);
            match action {
                Action::ArmTimer { at } => self.armed = Some(at),
                Action::DisarmTimer => self.armed = None,
                _ => {}
            }
        }
        self.resume_at = Some(now.saturating_add(Duration::from_millis(300)));
    }
}

impl Driver for Taped {
    fn on_event(&mut self, desk: &mut Desk<'_>, event: Event) {
        let now = desk.clock.now();
        if desk.link.handle(now, event).is_ok() {
            self.tape.event(now, &event).unwrap();
        }
        self.drain(desk);
    }

    fn on_wake(&mut self, desk: &mut Desk<'_>) {
        if self.armed.is_some_and(|at| at <= desk.clock.now()) {
            self.armed = None;
            self.on_event(desk, Event::TimerFired);
        } else {
            self.drain(desk);
        }
    }

    fn wake_at(&self, _: &Desk<'_>) -> Option<Instant> {
        [self.armed, self.resume_at].into_iter().flatten().min()
    }
}

#[test]
fn what_happens_in_random_worlds_replays() {
    let policy = Policy::builder()
        .ready_within(Some(Duration::from_secs(5)))
        .pace(Some(Limit::new(3, Duration::from_millis(50))))
        .build()
        .unwrap();
    for seed in 0..30 {
        let header = Header { policy, seed: Seed::from_u64(seed), subscriptions: 8 };
        let tape = Writer::new(String::new(), &header).unwrap();
        let driver = Taped { tape, dice: Dice::new(seed), armed: None, resume_at: None };
        let mut world =
            World::builder(policy).seed(seed).faults(Faults::all()).driver(driver).build();
        world.run(1_000).unwrap_or_else(|failure| panic!("{failure}"));
        let trace = world.driver().tape.clone().into_inner();
        replay(&trace).unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
        assert!(trace.lines().count() > 1_000, "seed {seed}");
        assert!(trace.contains(r#","action":"#), "seed {seed}: every drain was prompt");
    }
}

/// Any event at any time, the clock running back, a drain in part or not at all.
#[test]
fn whatever_is_done_to_a_link_replays() {
    for seed in 0..100 {
        let mut dice = Dice::new(seed);
        let mut link =
            Recorder::new(Policy::new(), Seed::from_u64(seed), slots(4), String::new()).unwrap();
        let mut now = Instant::ZERO;
        for _ in 0..400 {
            let _misuse = link.handle(now, any_event(&mut dice));
            for _ in 0..dice.below(6) {
                let longest = Duration::from_secs(dice.below(30));
                now = if dice.chance(10) {
                    Instant::from_nanos(dice.below(now.as_nanos().saturating_add(1)))
                } else {
                    now.saturating_add(dice.span(longest))
                };
                let _action = link.poll_action(now);
            }
        }
        let stats = link.link().stats();
        let (_, trace) = link.into_inner();
        replay(&trace).unwrap_or_else(|difference| panic!("seed {seed}: {difference}"));
        assert!(stats.clock_anomalies > 0, "seed {seed}");
    }
}

#[test]
fn a_link_that_grows_and_is_misused_replays() {
    let mut link = Recorder::new(Policy::new(), Seed::from_u64(3), slots(1), String::new())
        .expect("a string takes it");
    let beyond = Event::Subscribe { key: SubKey::new(1) };
    let misuse = Misuse::KeyOutsideStorage { key: SubKey::new(1), capacity: 1 };
    assert_eq!(link.handle(Instant::ZERO, beyond), Err(misuse));
    link.replace_storage(slots(2)).unwrap();
    link.replace_storage(slots(2)).unwrap();
    for event in [Event::Start, beyond, Event::Received { conn: ConnId::new(1) }] {
        let _ = link.handle(Instant::from_nanos(5), event);
        while link.poll_action(Instant::from_nanos(7)).is_some() {}
        assert_eq!(link.poll_action(Instant::from_nanos(9)), None);
    }
    assert!(link.is_whole());
    let (link, trace) = link.into_inner();
    assert_eq!(link.capacity(), 2);
    replay(&trace).unwrap();
    assert_eq!(trace.matches(r#"{"subscriptions":2}"#).count(), 1, "{trace}");
    assert_eq!(trace.matches(r#""key":1"#).count(), 1, "misuse is not recorded: {trace}");
    assert_eq!(trace.matches(r#""deadline":"#).count(), 3, "one end per drain: {trace}");
}

#[test]
fn a_sink_that_fails_ends_the_trace_and_not_the_link() {
    /// Has room for the header alone.
    #[derive(Debug, Default)]
    struct Full(bool);
    impl core::fmt::Write for Full {
        fn write_str(&mut self, _: &str) -> core::fmt::Result {
            if core::mem::replace(&mut self.0, true) { Err(core::fmt::Error) } else { Ok(()) }
        }
    }
    let mut link = Recorder::new(Policy::new(), Seed::from_u64(3), slots(0), Full::default())
        .expect("it takes the header");
    assert!(link.is_whole());
    link.handle(Instant::ZERO, Event::Start).unwrap();
    assert!(!link.is_whole());
    assert!(matches!(link.poll_action(Instant::ZERO), Some(Action::Open { .. })));
}

#[test]
fn a_replay_says_where_it_differs() {
    let mut link = Recorder::new(Policy::new(), Seed::from_u64(3), slots(0), String::new())
        .expect("a string takes it");
    link.handle(Instant::ZERO, Event::Start).unwrap();
    while link.poll_action(Instant::ZERO).is_some() {}
    let (_, trace) = link.into_inner();
    for (from, to, words) in [
        (r#""endpoint":0"#, r#""endpoint":1"#, "line 3: the trace has Some(Open"),
        (r#""attempt":1"#, r#""attempt":2"#, "line 4: the trace has Some(Report"),
        (
            r#"{"deadline":10000000000}"#,
            r#"{"deadline":null}"#,
            "line 6: the trace has the deadline None",
        ),
        (r#""type":"start""#, r#""type":"opened","conn":1"#, "line 2: the event is misuse"),
        (
            "{\"action\":{\"type\":\"arm_timer\",\"at\":10000000000}}\n",
            "",
            "line 5: the trace has None",
        ),
        (r#"{"action":{"type":"op"#, r#"{"at":9,"action":{"type":"op"#, "line 5: the trace has"),
    ] {
        let edited = trace.replacen(from, to, 1);
        assert_ne!(edited, trace, "{from}");
        let told = replay(&edited).expect_err(to);
        assert!(told.starts_with(words), "{to}: {told}");
    }
}

/// What a replay shows beside each line: the link there, and how it was before.
#[test]
fn a_replay_shows_the_link_before_and_after_each_line() {
    let header = Header { policy: Policy::new(), seed: Seed::from_u64(3), subscriptions: 1 };
    let mut link =
        Recorder::new(header.policy, header.seed, slots(1), String::new()).expect("a string");
    let mut replay = Replay::new(&header, slots);
    assert_eq!(replay.before(), (replay.link().status(), None));
    for at in [Instant::ZERO, Instant::from_nanos(5)] {
        let before = (link.link().status(), link.deadline());
        link.handle(at, Event::Start).unwrap();
        replay.check(&Line::Event { at, event: Event::Start }).unwrap();
        assert_eq!(replay.before(), before);
        while let Some(action) = link.poll_action(at) {
            replay.check(&Line::Action { at: None, action }).unwrap();
        }
        replay.check(&Line::Deadline { at: None, deadline: link.deadline() }).unwrap();
        assert_eq!(replay.before(), (link.link().status(), link.deadline()));
        assert_eq!(replay.link().status(), link.link().status());
    }
    assert_eq!(link.deadline(), Some(Instant::from_nanos(10_000_000_000)), "open_within");
}

#[test]
fn every_cause_reads_back_as_it_was_written() {
    for cause in [
        r#"{"closed":{"by":"peer","code":1006}}"#,
        r#"{"closed":{"by":"unknown","io":"reset"}}"#,
        r#""open_timeout""#,
        r#""ready_timeout""#,
        r#""silent""#,
        r#""network""#,
        r#""credentials""#,
        r#""session_lost""#,
        r#""moved""#,
        r#""degraded""#,
    ] {
        let text = format!(r#"{{"action":{{"type":"report","phase":"idle","cause":{cause}}}}}"#);
        let line: Line = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(serde_json::to_string(&line).unwrap(), text);
    }
}

fn golden() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/traces");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// A trace of the same header and events, drained after each.
fn drained(trace: &str) -> String {
    let (header, lines) = trace.split_once('\n').expect("a header");
    let Header { policy, seed, subscriptions } = serde_json::from_str(header).unwrap();
    let mut link = Link::with_storage(policy, seed, slots(subscriptions));
    let mut text = format!("{header}\n");
    let mut say = |line: &Line| {
        text.push_str(&serde_json::to_string(line).unwrap());
        text.push('\n');
    };
    for line in lines.lines() {
        let line = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        let Line::Event { at, event } = line else { continue };
        link.handle(at, event).unwrap();
        say(&line);
        while let Some(action) = link.poll_action(at) {
            say(&Line::Action { at: None, action });
        }
        say(&Line::Deadline { at: None, deadline: link.deadline() });
    }
    text
}

#[test]
fn golden_traces_replay() {
    let rewrite = env::var_os("REDIAL_REWRITE_TRACES").is_some();
    for path in golden() {
        let trace = fs::read_to_string(&path).unwrap();
        let new = drained(&trace);
        if rewrite {
            fs::write(&path, new).unwrap();
            continue;
        }
        replay(&trace).unwrap_or_else(|difference| panic!("{}: {difference}", path.display()));
        assert_eq!(new, trace, "{}", path.display());
    }
}

/// The page on the format has one example of each; so must have the goldens.
#[test]
fn golden_traces_have_every_event_and_every_action() {
    let page = include_str!("../../docs/traces.md");
    let golden: String = golden().iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let missing: BTreeSet<_> = kinds(page).difference(&kinds(&golden)).cloned().collect();
    assert_eq!(missing, BTreeSet::new());
}

fn kinds(text: &str) -> BTreeSet<String> {
    let kind = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).ok()?;
        ["event", "action"].into_iter().find_map(|what| {
            let kind = value.get(what)?.get("type")?.as_str()?;
            Some(format!("{what} {kind}"))
        })
    };
    text.lines().filter_map(kind).collect()
}
