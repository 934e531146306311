//! The command line as a user meets it.

mod corpus;
mod demo;
mod drive;
mod explain;
mod failure;
mod replay;
mod restart;

use assert_cmd::Command;

fn lab() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin!("redial-lab"))
}
