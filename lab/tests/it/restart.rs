//! A process that dies again and again dials no more often than one that lives (P1).

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};
use std::{fs, iter};

use assert_cmd::cargo::cargo_bin;

const KILLS: u32 = 20;
const BURST: u32 = 3;
const INTERVAL: Duration = Duration::from_millis(500);
/// How long a process lives at most. Without a snapshot it dies sooner, of its third attempt.
const LIFE: Duration = Duration::from_millis(400);
/// How much later than it was dialled the server may have seen a connection.
const LATENESS: Duration = Duration::from_millis(100);

/// The ladder alone would dial thirty times a second.
const POLICY: &str = r#"{
    "retry": { "shortest": "10ms", "longest": "50ms", "first_within": "20ms" },
    "attempts": { "burst": 3, "interval": "500ms" },
    "subscriptions": { "retry": ["1s", "30s"] }
}"#;

#[test]
fn killed_twenty_times_in_an_outage_it_keeps_to_its_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("snapshot.json");
    let dialled = dialled_over_kills(folder.path(), Some(&snapshot));
    eprintln!("with snapshots: {}", told(&dialled));
    assert!(dialled.len() > BURST as usize, "it goes on dialling: {}", told(&dialled));
    assert_eq!(breach(&dialled), None, "{}", told(&dialled));
}

#[test]
fn without_its_snapshot_it_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let dialled = dialled_over_kills(folder.path(), None);
    eprintln!("without: {}", told(&dialled));
    assert!(breach(&dialled).is_some(), "{}", told(&dialled));
}

/// When the server saw a connection, each of which it dropped.
fn dialled_over_kills(folder: &Path, snapshot: Option<&Path>) -> Vec<Instant> {
    let policy = folder.join("policy.json");
    fs::write(&policy, POLICY).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    let (seen, accepts) = channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            drop(connection);
            if seen.send(Instant::now()).is_err() {
                return;
            }
        }
    });
    let mut dialled = Vec::new();
    for _ in 0..KILLS {
        let child = start(&url, &policy, snapshot);
        dialled.extend(lives(&accepts));
        // SIGKILL: nothing can be stored any more.
        kill(child);
    }
    // What was on its way at the last kill.
    dialled.extend(iter::from_fn(|| accepts.recv_timeout(LATENESS).ok()));
    dialled
}

fn start(url: &str, policy: &Path, snapshot: Option<&Path>) -> Child {
    let mut command = Command::new(cargo_bin!("redial-lab"));
    command.args(["hold", url, "--policy"]).arg(policy).stdout(Stdio::null());
    if let Some(path) = snapshot {
        command.arg("--snapshot").arg(path);
    }
    command.spawn().unwrap()
}

/// What the server sees of one process, until it is time to kill it.
fn lives(accepts: &Receiver<Instant>) -> Vec<Instant> {
    let dies = Instant::now() + LIFE;
    let next = || accepts.recv_timeout(dies.saturating_duration_since(Instant::now())).ok();
    iter::from_fn(next).take(BURST as usize).collect()
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), None, "it was alive until it was killed: {status}");
}

/// The first window with more connections in it than P1 allows.
fn breach(dialled: &[Instant]) -> Option<(usize, Duration)> {
    let windows = (0..dialled.len()).flat_map(|first| {
        (first..dialled.len()).map(move |last| (last - first + 1, dialled[last] - dialled[first]))
    });
    windows.into_iter().find(|&(count, length)| count > allowed(length))
}

fn allowed(length: Duration) -> usize {
    let refills = (length + LATENESS).as_nanos() / INTERVAL.as_nanos();
    BURST as usize + usize::try_from(refills).unwrap()
}

fn told(dialled: &[Instant]) -> String {
    let length = match dialled {
        [first, .., last] => *last - *first,
        [] | [_] => Duration::ZERO,
    };
    format!("{} connections in {length:?}, {} allowed", dialled.len(), allowed(length))
}
