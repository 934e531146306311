//! Faults on real sockets. `scripts/check-network` and `scripts/soak` run it, in namespaces of its
//! own; it runs itself again as server and as client.

mod cases;
mod certificates;
mod client;
mod faults;
mod host;
mod lines;
mod orders;
mod server;
mod soak;
mod strike;
mod watch;
mod world;

use std::process::ExitCode;

use crate::faults::{Fault, Run};
use crate::world::World;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", setting] => alone(server::run(read(setting))),
        ["client", setting] => alone(client::run(read(setting))),
        ["soak", minutes, seed] => {
            let (minutes, seed) = (minutes.parse(), seed.parse());
            let (Ok(minutes), Ok(seed)) = (minutes, seed) else { return usage() };
            return soak(minutes, seed);
        }
        ["faults", ref names @ ..] => return check(names),
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("run scripts/check-network [NAME…] or scripts/soak [MINUTES [SEED]]");
    ExitCode::from(2)
}

fn soak(minutes: f64, seed: u64) -> ExitCode {
    match soak::run(minutes, seed) {
        Ok(()) => {
            println!("passed");
            ExitCode::SUCCESS
        }
        Err(wrong) => {
            println!("FAILED: {wrong}");
            ExitCode::FAILURE
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(setting: &str) -> T {
    serde_json::from_str(setting).expect("the setting is one that we wrote")
}

/// One thread, as [`orders`] says.
fn alone(role: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the system has what it takes").block_on(role);
}

/// The faults of these names, or all.
fn check(names: &[&str]) -> ExitCode {
    let all = faults::all();
    if let Some(unknown) = names.iter().find(|&&name| all.iter().all(|fault| fault.name != name)) {
        eprintln!("there is no fault {unknown}; there are");
        all.iter().for_each(|fault| eprintln!("  {}", fault.name));
        return ExitCode::from(2);
    }
    let mut failed = 0;
    let wanted = all.iter().filter(|fault| names.is_empty() || names.contains(&fault.name));
    for fault in wanted {
        failed += usize::from(!passes(fault));
    }
    if failed > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn passes(fault: &Fault) -> bool {
    let mut world = World::new(fault.setup.clone());
    let seen = match fault.run {
        Run::Struck(strike) => {
            let expected = strike::expected(&strike, &world);
            match strike::run(&strike, &mut world) {
                Ok(seen) => Ok(format!("{expected} | {seen}")),
                Err(wrong) => Err(format!("{expected} | {wrong}")),
            }
        }
        Run::Own(run) => run(&mut world),
    };
    let (seen, result) = match &seen {
        Ok(seen) => (seen, "passed"),
        Err(wrong) => (wrong, "FAILED"),
    };
    println!("{} | {seen} | {result}", fault.name);
    result == "passed"
}
