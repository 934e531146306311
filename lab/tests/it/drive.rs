//! `drive`.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use crate::lab;

/// A program that waits for each answer.
struct Waiting {
    core: Child,
    say: ChildStdin,
    hear: BufReader<ChildStdout>,
}

impl Waiting {
    fn new(header: &str) -> Self {
        let mut core = Command::new(env!("CARGO_BIN_EXE_redial-lab"))
            .arg("drive")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut say = core.stdin.take().unwrap();
        let hear = BufReader::new(core.stdout.take().unwrap());
        writeln!(say, "{header}").unwrap();
        Self { core, say, hear }
    }

    /// Says a line and waits for the whole answer.
    fn ask(&mut self, line: &str) -> Vec<String> {
        self.say.write_all(format!("{line}\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        loop {
            let mut text = String::new();
            assert!(self.hear.read_line(&mut text).unwrap() > 0, "no answer to {line}");
            answer.push(text.trim_end().to_owned());
            if text.starts_with("{\"deadline\":") || text.starts_with("{\"error\":") {
                return answer;
            }
        }
    }

    fn event(&mut self, at: u64, event: &str) -> Vec<String> {
        self.ask(&format!("{{\"at\":{at},\"event\":{event}}}"))
    }

    fn end(mut self) -> i32 {
        drop(self.say);
        self.core.wait().unwrap().code().unwrap()
    }
}

#[test]
fn each_event_is_answered_before_the_next() {
    let mut core = Waiting::new(r#"{"type":"trace","version":1,"seed":42,"subscriptions":1}"#);
    assert_eq!(
        core.event(0, r#"{"type":"start"}"#),
        [
            r#"{"action":{"type":"open","conn":1,"endpoint":0,"session":"fresh"}}"#,
            r#"{"action":{"type":"report","phase":"opening","attempt":1}}"#,
            r#"{"action":{"type":"arm_timer","at":10000000000}}"#,
            r#"{"deadline":10000000000}"#,
        ]
    );
    core.event(1, r#"{"type":"opened","conn":1}"#);
    let answer = core.event(2, r#"{"type":"subscribe","key":0}"#);
    assert_eq!(
        answer[0],
        r#"{"action":{"type":"subscribe","conn":1,"request":{"key":0,"number":1}}}"#
    );
    assert_eq!(core.end(), 0);
}

#[test]
fn what_is_wrong_is_answered_by_one_line_and_changes_nothing() {
    let header = r#"{"type":"trace","version":1,"seed":42}"#;
    let mut calm = Waiting::new(header);
    let mut disturbed = Waiting::new(header);
    let wrong = [
        (r#"{"at":9000000000,"event":{"type":"opened","conn":9}}"#, "line 2: connection 9 was not"),
        (r#"{"at":9000000000,"event":{"type":"subscribe","key":0}}"#, "line 3: key 0 is outside"),
        (r#"{"at":9000000000,"event":{"type":"jump"}}"#, "line 4: column 39: unknown variant"),
        (r#"{"at":9000000000,"action":{"type":"disarm_timer"}}"#, "line 5: not an event"),
        ("what?", "line 6: column 1: expected value"),
        ("", "line 7: column"),
    ];
    for (line, what) in wrong {
        let answer = disturbed.ask(line);
        assert_eq!(answer.len(), 1, "{answer:?}");
        assert!(answer[0].starts_with(&format!("{{\"error\":\"{what}")), "{}", answer[0]);
    }
    let start = r#"{"type":"start"}"#;
    assert_eq!(disturbed.event(5, start), calm.event(5, start), "not even the clock has changed");
    assert_eq!((calm.end(), disturbed.end()), (0, 0));
}

#[test]
fn a_wrong_header_is_answered_by_one_line_and_ends_it() {
    let policy = r#"{"settle_after":"0s","retry":{"shortest":"9s","longest":"1s"}}"#;
    let header = format!(r#"{{"type":"trace","version":1,"policy":{policy},"seed":1}}"#);
    let run = lab().arg("drive").write_stdin(format!("{header}\n")).assert().code(2);
    let told = String::from_utf8(run.get_output().stdout.clone()).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    for field in ["{\"error\":\"line 1", "settle_after", "retry.longest"] {
        assert!(told.contains(field), "no {field} in {told}");
    }
    let run = lab().arg("drive").write_stdin("").assert().code(2);
    assert!(run.get_output().stdout.starts_with(b"{\"error\":"));
}

#[test]
#[ignore = "needs python3; .ci/run runs it"]
fn a_python_script_drives_it_through_an_outage() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/drive.py");
    let core = env!("CARGO_BIN_EXE_redial-lab");
    assert_cmd::Command::new("python3")
        .args([script, core])
        .timeout(Duration::from_secs(60))
        .assert()
        .success()
        .stderr("");
}

/// `cargo test --release -p redial-lab --test it -- --ignored fast --nocapture`
#[test]
#[ignore = "measures, which only a release build on a quiet machine does"]
fn more_than_20_000_events_a_second_are_answered_fast() {
    let mut core = Waiting::new(r#"{"type":"trace","version":1,"seed":42}"#);
    core.event(0, r#"{"type":"start"}"#);
    core.event(0, r#"{"type":"opened","conn":1}"#);
    let begun = Instant::now();
    let events = 100_000;
    for at in 1..=events {
        core.event(at, r#"{"type":"received","conn":1}"#);
    }
    let rate = events as f64 / begun.elapsed().max(Duration::from_micros(1)).as_secs_f64();
    println!("{rate:.0} events a second");
    assert!(rate > 20_000.0, "{rate:.0} events a second");
}
