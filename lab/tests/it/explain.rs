//! `explain`.

use expect_test::expect;
use serde_json::Value;

use crate::lab;

fn explained(args: &[&str]) -> String {
    let run = lab().arg("explain").args(args).assert().success();
    String::from_utf8(run.get_output().stdout.clone()).unwrap()
}

/// What a policy file of this content is answered with, at exit status 2.
fn refused(policy: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    std::fs::write(&file, policy).unwrap();
    let run = lab().args(["explain", "--policy"]).arg(&file).assert().code(2).stdout("");
    String::from_utf8(run.get_output().stderr.clone()).unwrap()
}

#[test]
fn the_default_policy() {
    expect![[r#"
        Delay before the next attempt
        ┌───────────────────────────────────────────────────────┐
        │ failures in a row                  at least   at most │
        ╞═══════════════════════════════════════════════════════╡
        │ 0, a settled connection was lost        0ms        1s │
        │ 1                                     500ms        1s │
        │ 2                                     500ms        2s │
        │ 3                                     500ms        4s │
        │ 4                                     500ms        8s │
        │ 5                                     500ms       16s │
        │ 6 and more                            500ms       30s │
        └───────────────────────────────────────────────────────┘

        Attempts
        ┌────────────────────────────┐
        │ in any window of   at most │
        ╞════════════════════════════╡
        │ 1s                       5 │
        │ 10s                      6 │
        │ 1m                      11 │
        │ 1h                     365 │
        └────────────────────────────┘

        Times
        ┌────────────────────────────────────────────────────────────┐
        │ worst case                                          within │
        ╞════════════════════════════════════════════════════════════╡
        │ a dead peer is noticed                                 25s │
        │ the server is back: the next attempt begins            40s │
        │   an attempt in vain, begun just before                10s │
        │   the longest wait after it                            30s │
        │ a server's Retry-After and its draw, in its place    1h 6m │
        └────────────────────────────────────────────────────────────┘

        A dead peer: from its last byte, plus the lateness of the machine's timers. A machine that slept
        through its deadline probes once more.
        The server is back: covers backoff, jitter, spread and attempt limits. Does not cover a Retry-After
        or a close that names a window for the return, no network, a pause, and what comes after the
        attempt begins: dialling, login, subscribing again.
    "#]].assert_eq(&explained(&[]));
}

#[test]
fn json_has_the_same_figures() {
    let promises: Value = serde_json::from_str(&explained(&["--json"])).unwrap();
    assert_eq!(promises["dead_peer_noticed_within_ms"], 25_000);
    assert_eq!(promises["attempts"][2], serde_json::json!({"window_ms": 60_000, "at_most": 11}));
    assert_eq!(promises["delays"][0]["to_ms"], 1_000);
    let last = promises["delays"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["from_ms"], &last["to_ms"]), (&500.into(), &30_000.into()));
    assert_eq!(promises["back"]["within_ms"], 40_000);
}

#[test]
fn a_policy_file_changes_what_it_names_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.json");
    std::fs::write(&file, r#"{"heartbeat": null, "attempts": {"burst": 2, "interval": "30s"}}"#)
        .unwrap();
    let told = explained(&["--json", "--policy", file.to_str().unwrap()]);
    let promises: Value = serde_json::from_str(&told).unwrap();
    assert_eq!(promises["dead_peer_noticed_within_ms"], Value::Null);
    assert_eq!(promises["attempts"][2]["at_most"], 4);
    assert_eq!(promises["back"]["longest_wait_ms"], 60_000);
}

#[test]
fn every_wrong_field_is_named_at_once() {
    let told = refused(r#"{"settle_after": "0s", "retry": {"shortest": "9s", "longest": "1s"}}"#);
    for field in ["settle_after", "longest"] {
        assert!(told.contains(field), "no {field} in {told}");
    }
}

#[test]
fn an_unknown_field_and_broken_json_are_named_with_their_line() {
    let told = refused("{\n  \"setle_after\": \"5s\"\n}");
    assert!(told.contains("setle_after") && told.contains("line 2"), "{told}");
    let told = refused("{\n  \"settle_after\": \n}");
    assert!(told.contains("line 3"), "{told}");
}

#[test]
fn a_policy_file_that_is_not_there_is_bad_input() {
    let run = lab().args(["explain", "--policy", "/nowhere/policy.json"]).assert().code(2);
    let told = String::from_utf8_lossy(&run.get_output().stderr);
    assert!(told.contains("/nowhere/policy.json"), "{told}");
}
