//! What the model world finds is a trace, which `replay` shows.

use std::fs;
use std::path::Path;
use std::time::Duration;

use redial::trace::{Header, Line};
use redial::{Action, Closure, ConnId, Event, Instant, Policy, Seed};
use redial_sim::{Broken, Desk, Driver, Failure, Promise, Rate, Terms, Trace, Watched, World};

use crate::lab;

/// A judge that was told of one attempt an hour finds that the defaults break P1.
fn one_an_hour() -> Terms {
    let hourly = Rate { burst: 1, interval: Duration::from_secs(3_600) };
    Terms { attempts: Some(hourly), ..Terms::from(&Policy::new()) }
}

fn watched() -> Watched {
    Watched::new(Policy::new(), one_an_hour(), Seed::from_u64(42), 4)
}

/// Subscriptions and messages around two connections that fall.
fn busy() -> Watched {
    let mut link = watched();
    let mut now = Instant::from_nanos(1_000_000_000);
    let mut tell = |event| {
        let _misuse = link.handle(now, event);
        while link.poll_action(now).is_some() {}
        now = now.saturating_add(Duration::from_millis(700)).max(link.deadline().unwrap_or(now));
    };
    tell(Event::Start);
    for number in 1..=3 {
        let conn = ConnId::new(number);
        tell(Event::Opened { conn });
        for _ in 0..20 {
            tell(Event::Received { conn });
        }
        tell(Event::Closed { conn, closure: Closure::unknown() });
        tell(Event::TimerFired);
    }
    link
}

fn failure() -> Failure {
    busy().failure().expect("the second attempt is one too many")
}

/// The calls of a trace once more, before a judge who knows nothing of the first time.
fn judged_again(trace: &Trace) -> Option<Found> {
    let text = trace.to_string();
    let mut lines = text.lines();
    let header: Header = serde_json::from_str(lines.next().unwrap()).unwrap();
    let mut link = Watched::new(header.policy, one_an_hour(), header.seed, header.subscriptions);
    let mut last = Instant::ZERO;
    for line in lines {
        match serde_json::from_str(line).unwrap() {
            Line::Event { at, event } => {
                last = at;
                link.handle(at, event).unwrap();
            }
            Line::Action { at, .. } | Line::Deadline { at, .. } => {
                link.poll_action(at.unwrap_or(last));
            }
            Line::Subscriptions(_) => panic!("a watched link keeps its storage"),
        }
    }
    link.broken().map(found)
}

/// What is broken, when and how; misuse is in the judge's log and not in the trace.
type Found = (Promise, Instant, String);

fn found(broken: &Broken) -> Found {
    (broken.promise, broken.at, broken.what.clone())
}

/// What `replay` prints of the trace.
#[track_caller]
fn replayed(trace: &str, flags: &[&str]) -> String {
    let run = lab().args(["replay", "-"]).args(flags).write_stdin(trace).assert().success();
    String::from_utf8(run.get_output().stdout.clone()).unwrap()
}

#[test]
fn a_broken_promise_of_a_watched_link_is_a_trace_that_replays() {
    let failure = failure();
    assert_eq!(failure.broken.promise, Promise::BoundedAttempts);
    let whole = failure.whole.to_string();
    assert!(replayed(&whole, &[]).starts_with("- agrees: "));
    assert_eq!(judged_again(&failure.whole), Some(found(&failure.broken)));
}

#[test]
fn the_shrunk_trace_is_shorter_and_breaks_the_same_promise() {
    let failure = failure();
    let shrunk = failure.shrunk.as_deref().expect("it takes no peer to see it");
    assert_eq!(shrunk.broken.promise, failure.broken.promise);
    assert_eq!(judged_again(&shrunk.trace), Some(found(&shrunk.broken)));
    let (text, whole) = (shrunk.trace.to_string(), failure.whole.to_string());
    let events = |text: &str| text.lines().filter(|line| line.contains("\"event\"")).count();
    assert!(events(&text) <= 4, "one dial, its end, and the next dial:\n{text}");
    assert!(text.lines().count() * 4 < whole.lines().count(), "{text}");
    assert!(replayed(&text, &[]).starts_with("- agrees: "));
}

#[test]
fn a_short_trace_is_printed_and_told() {
    let failure = failure();
    let text = failure.to_string();
    for words in ["P1 bounded attempts is broken at ", "Seed(42)", &failure.trace().to_string()] {
        assert!(text.contains(words), "no {words} in\n{text}");
    }
    assert_eq!(format!("{failure:?}"), text, "a test that unwraps it prints the same");
    assert_eq!(failure.file, None);
    let printed: Vec<_> = text.lines().filter(|line| line.starts_with('{')).collect();
    let told = replayed(&printed.join("\n"), &["--explain"]);
    assert!(told.lines().count() >= 4, "{told}");
}

/// Tells the link that each request was answered, and sends none.
struct Liar;

impl Driver for Liar {
    fn on_event(&mut self, desk: &mut Desk<'_>, event: Event) {
        let now = desk.clock.now();
        let _misuse = desk.link.handle(now, event);
        while let Some(action) = desk.link.poll_action(now) {
            match action {
                Action::Subscribe { conn, request } => {
                    desk.link.handle(now, Event::Acked { conn, request }).expect("it was asked");
                }
                other => desk.net.perform(now, &other),
            }
        }
    }

    fn on_wake(&mut self, desk: &mut Desk<'_>) {
        self.on_event(desk, Event::TimerFired);
    }

    fn wake_at(&self, desk: &Desk<'_>) -> Option<Instant> {
        desk.link.deadline()
    }
}

/// Only the model of the peer knows, so nothing is shrunk.
fn world_failure() -> Failure {
    let mut world = World::builder(Policy::new()).seed(7).driver(Liar).build();
    for key in [0, 2, 3] {
        world.subscribe(key).expect("nothing is connected");
    }
    for _ in 0..40 {
        world.tell(Event::RetryNow).expect("nothing is wanted");
    }
    let started = world.start();
    started.and_then(|()| world.run(50)).expect_err("the peer holds less than the link believes")
}

#[test]
fn a_long_trace_is_in_a_file_under_the_target_folder() {
    let failure = world_failure();
    assert_eq!(failure.broken.promise, Promise::Subscriptions);
    assert_eq!(failure.shrunk, None);
    let file = failure.file.as_deref().expect("a long trace");
    assert!(file.parent().unwrap().ends_with("failures"), "{}", file.display());
    let sources = Path::new(env!("CARGO_MANIFEST_DIR"));
    assert!(!file.starts_with(sources.join("src")) && !file.starts_with(sources.join("tests")));
    assert_eq!(fs::read_to_string(file).unwrap(), failure.trace().to_string());
    let text = failure.to_string();
    assert!(text.contains(&file.display().to_string()), "{text}");
    assert!(text.contains("Seed(7)") && text.contains("step "), "{text}");
    assert!(text.lines().count() < 6, "{text}");
    lab().arg("replay").arg(file).assert().success();
    lab().arg("replay").arg(file).arg("--explain").assert().success();
}
