//! The command line of redial.

mod demo;
mod drive;
mod explain;
mod hold;
mod lines;
mod output;
mod replay;
mod words;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use demo::Speed;

/// Reconnection with promises: see them kept, read what a policy promises, replay what happened.
///
/// Exit status: 0 all is well; 1 a promise was broken, or not put to the test, or a trace differs;
/// 2 bad input; 3 the command could not run; 130 interrupted.
#[derive(Parser, Debug)]
#[command(name = "redial-lab", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Runs a market server, a dashboard that must survive it, and a script of faults.
    Demo(DemoArgs),
    /// Says what a policy promises: delays, attempts, detection, recovery.
    Explain(ExplainArgs),
    /// Replays a trace and compares it with this core; completes one of events alone.
    Replay(ReplayArgs),
    /// Drives the core from a pipe: a header and events on standard input, one JSON line each, and
    /// after each event the actions that follow and a deadline on standard output.
    Drive,
    /// Holds a link to a WebSocket server and prints each phase, until it is killed.
    Hold(HoldArgs),
}

#[derive(Args, Debug)]
struct DemoArgs {
    /// One line per event, on a terminal too.
    #[arg(long)]
    plain: bool,
    /// Shortens the script's and the policy's durations together: 0.25 to 10.
    #[arg(long, value_name = "X", default_value = "1")]
    speed: Speed,
    /// Repeats the script of that seed. Without it each run has its own.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Writes the report as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Records the trace of the link to the feed, for `replay`.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Draws the run as a timeline.
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct ExplainArgs {
    /// A policy in JSON; what it leaves out has its default. Without it, the defaults.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Args, Debug)]
struct ReplayArgs {
    /// The trace; - for standard input.
    trace: PathBuf,
    /// Tells the trace in sentences.
    #[arg(long)]
    explain: bool,
}

#[derive(Args, Debug)]
struct HoldArgs {
    /// The server: ws://HOST:PORT/PATH.
    url: String,
    /// A policy in JSON; what it leaves out has its default. Without it, the defaults.
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// Stores what the link remembers before each attempt, and goes on from it: a process that is
    /// killed and started again dials no more often than one that runs on.
    #[arg(long, value_name = "FILE")]
    snapshot: Option<PathBuf>,
}

/// Why a command did not get as far as a verdict.
#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("{0}")]
    Input(String),
    #[error("{0}")]
    Run(String),
    #[error("interrupted")]
    Interrupted,
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Self::Input(_) => ExitCode::from(2),
            Self::Run(_) => ExitCode::from(3),
            Self::Interrupted => ExitCode::from(130),
        }
    }
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Demo(args) => demo::demo(&args),
        Command::Explain(args) => explain::explain(&args).map(|()| true),
        Command::Replay(args) => replay::replay(&args),
        Command::Drive => drive::drive().map(|()| true),
        Command::Hold(args) => hold::hold(&args).map(|()| true),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("redial-lab: {failure}");
            failure.exit_code()
        }
    }
}
