//! `replay`.

use std::fs;
use std::path::PathBuf;

use assert_cmd::assert::Assert;

use crate::lab;

/// A scenario as a person writes it: policy, seed and events. The application wants two keys; the
/// server refuses, sends away, accepts, falls silent, comes back, and shuts down.
const SCENARIO: &str = r#"{"type":"trace","version":1,"policy":{"subscriptions":{"window":1}},"seed":7,"subscriptions":2}
{"at":0,"event":{"type":"subscribe","key":0}}
{"at":0,"event":{"type":"subscribe","key":1}}
{"at":0,"event":{"type":"start"}}
{"at":20000000,"event":{"type":"closed","conn":1,"by":"unknown","io":"refused"}}
{"at":5000000000,"event":{"type":"timer_fired"}}
{"at":5020000000,"event":{"type":"closed","conn":2,"by":"peer","http":503,"retry_after":"20s"}}
{"at":6000000000,"event":{"type":"retry_now"}}
{"at":30000000000,"event":{"type":"timer_fired"}}
{"at":30040000000,"event":{"type":"opened","conn":3}}
{"at":30080000000,"event":{"type":"acked","conn":3,"request":{"key":0,"number":1}}}
{"at":30120000000,"event":{"type":"acked","conn":3,"request":{"key":1,"number":2}}}
{"at":31000000000,"event":{"type":"received","conn":3}}
{"at":32000000000,"event":{"type":"received","conn":3}}
{"at":33000000000,"event":{"type":"pause"}}
{"at":34000000000,"event":{"type":"resume"}}
{"at":40000000000,"event":{"type":"unsubscribe","key":1}}
{"at":40040000000,"event":{"type":"acked","conn":3,"request":{"key":1,"number":3}}}
{"at":55040000000,"event":{"type":"timer_fired"}}
{"at":55080000000,"event":{"type":"received","conn":3}}
{"at":70080000000,"event":{"type":"timer_fired"}}
{"at":80080000000,"event":{"type":"timer_fired"}}
{"at":82000000000,"event":{"type":"timer_fired"}}
{"at":82040000000,"event":{"type":"opened","conn":4}}
{"at":82080000000,"event":{"type":"acked","conn":4,"request":{"key":0,"number":1}}}
{"at":90000000000,"event":{"type":"resync","key":0}}
{"at":90040000000,"event":{"type":"acked","conn":4,"request":{"key":0,"number":2}}}
{"at":91000000000,"event":{"type":"stop"}}
{"at":91040000000,"event":{"type":"closed","conn":4,"by":"peer","code":1000}}
{"at":92000000000,"event":{"type":"timer_fired"}}
"#;

fn replayed(trace: &str) -> Assert {
    lab().args(["replay", "-"]).write_stdin(trace).assert()
}

fn told(run: &Assert) -> String {
    String::from_utf8(run.get_output().stdout.clone()).unwrap()
}

fn complained(run: &Assert) -> String {
    String::from_utf8(run.get_output().stderr.clone()).unwrap()
}

/// The scenario with what the core did.
fn completed() -> String {
    told(&replayed(SCENARIO).success())
}

#[test]
fn a_hand_written_scenario_gives_actions_and_then_agrees() {
    assert_eq!(SCENARIO.lines().count(), 30);
    let trace = completed();
    let events: Vec<_> = trace.lines().filter(|line| !is_output(line)).collect();
    assert_eq!(events, SCENARIO.lines().collect::<Vec<_>>(), "what went in stays as it was");
    for action in ["open\",\"conn\":4", "close\",\"conn\":3,\"how\":\"abort\",\"why\":\"silent"] {
        assert!(trace.contains(action), "no {action} in\n{trace}");
    }
    let run = replayed(&trace).success();
    assert_eq!(told(&run), "- agrees: 29 events, 36 actions in 1m 32s\n");
}

fn is_output(line: &str) -> bool {
    line.starts_with(r#"{"action""#) || line.starts_with(r#"{"deadline""#)
}

#[test]
fn an_edited_action_is_named_with_both_sides_and_the_state_before() {
    let trace = completed();
    let number = 1 + trace.lines().position(|line| line.contains(r#""why":"silent""#)).unwrap();
    let edited = trace.replace(r#""why":"silent""#, r#""why":"stop""#);
    let run = replayed(&edited).code(1).stderr("");
    let told = told(&run);
    for part in [
        &format!("-, line {number}: "),
        r#"in the trace   {"action":{"type":"close","conn":3,"how":"abort","why":"stop"}}"#,
        r#"from the core  {"action":{"type":"close","conn":3,"how":"abort","why":"silent"}}"#,
        r#"state before   {"action":{"type":"report","phase":"waiting","attempt":"#,
        &format!("after line {}", number - 1),
        r#"{"at":80080000000,"event":{"type":"timer_fired"}}"#,
    ] {
        assert!(told.contains(part), "no {part} in\n{told}");
    }
}

#[test]
fn an_action_too_many_one_too_few_and_another_deadline_differ() {
    let trace = completed();
    let ping = r#"{"action":{"type":"ping","conn":3}}"#;
    let without = trace.replacen(&format!("{ping}\n"), "", 1);
    let run = replayed(&without).code(1);
    assert!(told(&run).contains(&format!("from the core  {ping}")), "{}", told(&run));
    let twice = trace.replacen(&format!("{ping}\n"), &format!("{ping}\n{ping}\n"), 1);
    let run = replayed(&twice).code(1);
    assert!(told(&run).contains(&format!("in the trace   {ping}")), "{}", told(&run));
    let sleepless = trace.replacen(r#"{"deadline":null}"#, r#"{"deadline":5}"#, 1);
    let run = replayed(&sleepless).code(1);
    assert!(told(&run).contains(r#"from the core  {"deadline":null}"#), "{}", told(&run));
}

#[test]
fn damage_is_named_with_its_line() {
    let trace = completed();
    let lines = trace.lines().count();
    // Cut in the middle of the last line, a line of garbage, no header, an unknown field, an id
    // that was never handed out, more slots than anyone has memory for.
    let garbled = trace.replacen(r#"{"deadline":null}"#, "}{", 1);
    let unknown = trace.replacen(r#""type":"opened""#, r#""type":"opened","port":80"#, 1);
    let foreign = trace.replacen(r#""opened","conn":3"#, r#""opened","conn":9"#, 1);
    let huge = SCENARIO.replacen(r#""subscriptions":2"#, r#""subscriptions":4000000000"#, 1);
    let at =
        |needle: &str, text: &str| 1 + text.lines().position(|it| it.contains(needle)).unwrap();
    for (damaged, number, what) in [
        (&trace[..trace.len() - 5], lines, "EOF while parsing"),
        (&garbled, at("}{", &garbled), "expected value"),
        (&trace[10..], 1, "expected value"),
        ("", 1, "EOF while parsing"),
        (&unknown, at("\"port\":80", &unknown), "unknown field `port`"),
        (&foreign, at(r#""opened","conn":9"#, &foreign), "connection 9 was not handed out yet"),
        (&huge, 1, "4000000000 subscriptions are more than"),
    ] {
        let run = replayed(damaged).code(2);
        let said = complained(&run);
        assert!(said.starts_with(&format!("redial-lab: -, line {number}: ")), "{what}: {said}");
        assert!(said.contains(what), "{what}: {said}");
    }
}

#[test]
fn a_scenario_that_cannot_be_is_completed_up_to_there() {
    let wrong = SCENARIO.replacen(r#""opened","conn":3"#, r#""opened","conn":4"#, 1);
    let run = replayed(&wrong).code(2);
    assert!(told(&run).contains(r#"{"type":"open","conn":3"#), "{}", told(&run));
    assert!(complained(&run).contains("line 10: connection 4 was not"), "{}", complained(&run));
}

#[test]
fn explained_it_is_a_story() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("incident.jsonl");
    fs::write(&file, completed()).unwrap();
    let run = lab().args(["replay", "--explain"]).arg(&file).assert().success();
    let story = told(&run);
    for sentence in [
        "0.000s: the application wants 2 keys: 0 to 1",
        "0.000s: the application wants the link up",
        "0.020s: connection 1 ended: i/o refused",
        "5.020s: connection 2 ended: http 503 by peer, which asks for 20s",
        "30.120s: the link is live",
        "70.080s: connection 3 silent for 15s, pinged",
        "80.080s: connection 3 silent for 25s, aborted",
        "82.040s: the link restores its subscriptions, something may be missed, loss 1",
        "82.080s: the link is live",
        "91.040s: the link is idle",
    ] {
        assert!(story.lines().any(|line| line == sentence), "no {sentence:?} in\n{story}");
    }
    let run = lab().args(["replay", "--explain", "-"]).write_stdin(SCENARIO).assert().success();
    assert_eq!(told(&run), story, "the story does not depend on who recorded it");
}

#[test]
fn golden_traces_agree() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/traces");
    for entry in fs::read_dir(folder).unwrap() {
        lab().arg("replay").arg(entry.unwrap().path()).assert().success();
    }
}

#[test]
fn a_trace_that_is_not_there_is_bad_input() {
    let run = lab().args(["replay", "/nowhere/trace.jsonl"]).assert().code(2).stdout("");
    assert!(complained(&run).contains("/nowhere/trace.jsonl"), "{}", complained(&run));
}
