//! The command line as a user meets it.

mod demo;
mod explain;

use assert_cmd::Command;

fn lab() -> Command {
    Command::new(assert_cmd::cargo::cargo_bin!("redial-lab"))
}
