//! How many instructions the workloads take, and whether that is within budget:
//! `cargo bench -p redial --bench instructions`.
//!
//! The program runs itself under callgrind with N and with 2N rounds of a workload; the difference
//! is what N rounds take, without start-up and construction. The counts do not depend on the
//! machine's speed or load, but on the compiler: budgets leave it some room.
#![allow(clippy::expect_used, clippy::arithmetic_side_effects, reason = "a failure ends the run")]

mod workloads;

use std::process::{Command, ExitCode};

use workloads::floor::Floor;
use workloads::{Bare, Received, Reconnect, Resubscribe, link};

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name, rounds] = args.as_slice() {
        if flag == CHILD {
            run(name, rounds.parse().expect("a number of rounds"));
            return ExitCode::SUCCESS;
        }
    }
    if !args.iter().any(|arg| arg == "--bench") {
        // As `cargo test --benches` calls it: do the workloads still do what they assert?
        for workload in WORKLOADS.iter().filter(|workload| workload.rounds > 1) {
            run(workload.name, 1);
        }
        return ExitCode::SUCCESS;
    }
    match measure_all() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => {
            eprintln!("over budget");
            ExitCode::FAILURE
        }
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::FAILURE
        }
    }
}

struct Workload {
    name: &'static str,
    what: &'static str,
    /// Rounds of the shorter run.
    rounds: u64,
    /// Operations in a round.
    operations: u64,
    /// A workload that is part of each round and is not counted.
    less: Option<&'static str>,
    /// Instructions per operation; none for a workload that is there to compare with.
    budget: Option<u64>,
    /// Where the budget is not met: what must not be exceeded meanwhile.
    meanwhile: Option<u64>,
}

const WORKLOADS: &[Workload] = &[
    Workload {
        name: "received",
        what: "received, empty drain: Link",
        rounds: 100_000,
        operations: 1,
        less: None,
        budget: Some(30),
        meanwhile: None,
    },
    Workload {
        name: "received-floor",
        what: "received, empty drain: five states by hand",
        rounds: 100_000,
        operations: 1,
        less: None,
        budget: None,
        meanwhile: None,
    },
    Workload {
        name: "reconnect-lifecycle",
        what: "reconnect, per event: Lifecycle",
        rounds: 10_000,
        operations: Reconnect::<Bare>::EVENTS,
        less: None,
        budget: Some(300),
        meanwhile: Some(450),
    },
    Workload {
        name: "reconnect",
        what: "reconnect, per event: Link",
        rounds: 10_000,
        operations: Reconnect::<Bare>::EVENTS,
        less: None,
        budget: Some(400),
        meanwhile: Some(465),
    },
    Workload {
        name: "reconnect-floor",
        what: "reconnect, per event: five states by hand",
        rounds: 10_000,
        operations: Reconnect::<Bare>::EVENTS,
        less: None,
        budget: None,
        meanwhile: None,
    },
    Workload {
        name: "resubscribe-0",
        what: "reconnect of a Link with storage, no keys",
        rounds: 1_000,
        operations: 1,
        less: None,
        budget: None,
        meanwhile: None,
    },
    Workload {
        name: "resubscribe-100",
        what: "re-subscribing 100 keys, per key, acked",
        rounds: 1_000,
        operations: 100,
        less: Some("resubscribe-0"),
        budget: Some(250),
        meanwhile: None,
    },
    Workload {
        name: "resubscribe-10000",
        what: "re-subscribing 10 000 keys, per key, acked",
        rounds: 10,
        operations: 10_000,
        less: Some("resubscribe-0"),
        budget: Some(250),
        meanwhile: None,
    },
    Workload {
        name: "resubscribe-1000000",
        what: "re-subscribing 1 000 000 keys, per key, acked",
        rounds: 1,
        operations: 1_000_000,
        less: Some("resubscribe-0"),
        budget: Some(250),
        meanwhile: None,
    },
];

/// How much dearer a key may be among a million than among a hundred: per mille.
const GROWTH_PER_MILLE: u64 = 20;

/// What the program calls itself with.
const CHILD: &str = "--run";

fn run(name: &str, rounds: u64) {
    match name {
        "received" => Received::new(link()).run(rounds),
        "received-floor" => Received::new(Floor::new()).run(rounds),
        "reconnect-lifecycle" => Reconnect::new(Bare::new()).run(rounds),
        "reconnect" => Reconnect::new(link()).run(rounds),
        "reconnect-floor" => Reconnect::new(Floor::new()).run(rounds),
        "resubscribe-0" => Resubscribe::new(0).run(rounds),
        "resubscribe-100" => Resubscribe::new(100).run(rounds),
        "resubscribe-10000" => Resubscribe::new(10_000).run(rounds),
        "resubscribe-1000000" => Resubscribe::new(1_000_000).run(rounds),
        _ => panic!("no workload is called {name}"),
    }
}

/// Prints the table; false if a figure is over its budget and over what is known.
fn measure_all() -> Result<bool, String> {
    println!("{:<46} {:>13} {:>7}", "workload", "instructions", "budget");
    let mut within = true;
    // Hundredths of an instruction per round and per operation.
    let mut measured: Vec<(&str, u64, u64)> = Vec::new();
    for workload in WORKLOADS {
        let gross = per_round(workload)?;
        let less = workload.less.map_or(0, |name| of(&measured, name).0);
        let figure = gross.saturating_sub(less) / workload.operations;
        measured.push((workload.name, gross, figure));
        let (budget, verdict) = match (workload.budget, workload.meanwhile) {
            (Some(budget), _) if figure <= budget * 100 => (budget.to_string(), "ok"),
            (Some(budget), Some(meanwhile)) if figure <= meanwhile * 100 => {
                (budget.to_string(), "over budget, no worse than known")
            }
            (Some(budget), _) => {
                within = false;
                (budget.to_string(), "OVER")
            }
            (None, _) => ("-".to_owned(), ""),
        };
        let shown = format!("{}.{:02}", figure / 100, figure % 100);
        println!("{:<46} {shown:>13} {budget:>7} {verdict}", workload.what);
    }
    let (few, many) = (of(&measured, "resubscribe-100").1, of(&measured, "resubscribe-1000000").1);
    let grown = many * 1000 > few * (1000 + GROWTH_PER_MILLE);
    let verdict = if grown { "OVER" } else { "ok" };
    let shown = format!("{}.{:02}", many / few, many * 100 / few % 100);
    println!("{:<46} {shown:>13} {:>7} {verdict}", "a key among 1 000 000, as against 100", "1.02");
    Ok(within && !grown)
}

/// What was measured of this workload, per round and per operation.
fn of(measured: &[(&str, u64, u64)], name: &str) -> (u64, u64) {
    let found = measured.iter().find(|(measured, ..)| *measured == name);
    let &(_, round, operation) = found.expect("measured before");
    (round, operation)
}

/// Hundredths of an instruction.
fn per_round(workload: &Workload) -> Result<u64, String> {
    let once = instructions(workload.name, workload.rounds)?;
    let twice = instructions(workload.name, workload.rounds * 2)?;
    Ok(twice.saturating_sub(once) * 100 / workload.rounds)
}

fn instructions(name: &str, rounds: u64) -> Result<u64, String> {
    let own = std::env::current_exe().map_err(|error| format!("this program: {error}"))?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own)
        .args([CHILD, name, &rounds.to_string()])
        .output()
        .map_err(|error| {
            format!("valgrind: {error}\nInstall it, on Debian and Ubuntu: apt-get install valgrind")
        })?;
    let told = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("{name}, {rounds} rounds: {}\n{told}", output.status));
    }
    told.lines()
        .find_map(|line| line.split_once("Collected : "))
        .and_then(|(_, count)| count.trim().parse().ok())
        .ok_or_else(|| format!("{name}: callgrind tells no count\n{told}"))
}
