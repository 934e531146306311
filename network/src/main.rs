//! Faults on real sockets. `scripts/check-network` and `scripts/soak` run it, in namespaces of its
//! own; it runs itself again as server and as client.

mod client;
mod lines;
mod orders;
mod server;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["serve", setting] => alone(server::run(read(setting))),
        ["client", setting] => alone(client::run(read(setting))),
        _ => {
            eprintln!("redial-network: run scripts/check-network or scripts/soak");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn read<T: serde::de::DeserializeOwned>(setting: &str) -> T {
    serde_json::from_str(setting).expect("the setting is one that we wrote")
}

/// One thread, as [`orders`] says.
fn alone(role: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("the system has what it takes").block_on(role);
}
