//! `demo`, as fast as it goes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::lab;

#[test]
fn every_promise_is_kept_and_the_results_are_well_formed() {
    let folder = tempfile::tempdir().unwrap();
    let (json, svg) = (folder.path().join("run.json"), folder.path().join("run.svg"));
    let trace = folder.path().join("run.jsonl");
    let run = lab()
        .args(["demo", "--plain", "--speed", "6", "--seed", "1", "--json"])
        .arg(&json)
        .arg("--svg")
        .arg(&svg)
        .arg("--record")
        .arg(&trace)
        .timeout(Duration::from_secs(90))
        .assert()
        .success();
    let told = String::from_utf8_lossy(&run.get_output().stdout);
    for line in [
        "fault   10 of 15: server restart",
        "fault   15 of 15: client restarted",
        "link    live",
        "every promise was kept",
    ] {
        assert!(told.contains(line), "no {line:?} in\n{told}");
    }

    let report: Value = serde_json::from_str(&fs::read_to_string(json).unwrap()).unwrap();
    assert_eq!(report["kept"], true);
    assert_eq!(report["played"], true);
    let promises: Vec<_> =
        list(&report["promises"]).iter().map(|verdict| &verdict["promise"]).collect();
    assert_eq!(promises, ["P1", "P4", "P5", "P7", "P9", "P13", "P14"]);
    let faults = list(&report["faults"]);
    assert_eq!(faults.len(), 15);
    for fault in faults {
        assert!(fault["restored_after_ms"].is_u64(), "{fault}");
        let moves = fault["fault"] == "go_away";
        assert_eq!(list(&fault["causes"]).is_empty(), moves, "nothing ends in a move: {fault}");
        assert_eq!(fault["duplicates"], 0, "{fault}");
    }
    assert_eq!(causes(faults, "half_open"), ["silence"]);
    assert_eq!(causes(faults, "close_1012"), ["close 1012 by peer"]);
    assert!(causes(faults, "upgrade_503").contains(&"http 503 by peer"));
    assert!(causes(faults, "expired_token").contains(&"http 401 by peer"));
    assert_eq!(causes(faults, "fail_over"), ["close 1013 by peer"]);
    // A session that is resumed, and a move, miss nothing.
    for name in ["expired_token", "fail_over", "go_away", "client_restart"] {
        assert_eq!(fault(faults, name)["prices_missed"], 0, "{name}");
    }

    let svg = fs::read_to_string(svg).unwrap();
    let drawn = roxmltree::Document::parse(&svg).unwrap();
    let marks = drawn.descendants().filter(|node| node.has_tag_name("circle")).count();
    assert_eq!(marks, 30, "each fault is marked on the timeline and in the list");
    replays(&trace);
}

/// The trace agrees; with one action edited it names the line; cut short, the line that is damaged.
fn replays(file: &Path) {
    lab().arg("replay").arg(file).assert().success();
    let trace = fs::read_to_string(file).unwrap();
    let edited = trace.replacen(r#""why":"silent""#, r#""why":"stop""#, 1);
    let number = 1 + trace.lines().zip(edited.lines()).position(|(it, other)| it != other).unwrap();
    let run = lab().args(["replay", "-"]).write_stdin(edited).assert().code(1);
    let told = String::from_utf8_lossy(&run.get_output().stdout);
    assert!(told.starts_with(&format!("-, line {number}: ")), "{told}");
    let cut = &trace[..trace.len() - 3];
    let run = lab().args(["replay", "-"]).write_stdin(cut).assert().code(2);
    let said = String::from_utf8_lossy(&run.get_output().stderr);
    assert!(said.contains(&format!("-, line {}: ", trace.lines().count())), "{said}");
}

#[test]
fn a_file_that_cannot_be_written_fails_before_the_run() {
    lab()
        .args(["demo", "--json", "/nowhere/at/all.json"])
        .timeout(Duration::from_secs(5))
        .assert()
        .code(2)
        .stdout("");
}

#[test]
fn a_speed_out_of_range_is_bad_input() {
    for speed in ["0", "11", "-1", "NaN", "fast"] {
        let run = lab().args(["demo", &format!("--speed={speed}")]).assert().code(2);
        let told = String::from_utf8_lossy(&run.get_output().stderr);
        assert!(told.contains("a number from 0.25 to 10"), "{told}");
    }
}

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap()
}

fn fault<'a>(faults: &'a [Value], name: &str) -> &'a Value {
    faults.iter().find(|fault| fault["fault"] == name).unwrap()
}

fn causes<'a>(faults: &'a [Value], name: &str) -> Vec<&'a str> {
    list(&fault(faults, name)["causes"]).iter().map(|cause| cause.as_str().unwrap()).collect()
}
