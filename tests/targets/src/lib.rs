//! The golden traces of `redial`, and their replay with nothing but `core`.
//!
//! Each kind of machine has its program in `src/bin`; `scripts/check-machines` runs them all.
#![no_std]

use core::fmt;

use redial::Slot;
use redial::trace::{Difference, Header, Replay};
use serde::Deserialize;

/// Name and text of each golden trace. [`tests::every_golden_trace_is_here`] keeps it whole.
pub const GOLDEN: [(&str, &str); 8] = [
    ("credentials", include_str!("../../traces/credentials.jsonl")),
    ("endpoints", include_str!("../../traces/endpoints.jsonl")),
    ("outage", include_str!("../../traces/outage.jsonl")),
    ("rotation", include_str!("../../traces/rotation.jsonl")),
    ("sessions", include_str!("../../traces/sessions.jsonl")),
    ("subscriptions", include_str!("../../traces/subscriptions.jsonl")),
    ("suspend", include_str!("../../traces/suspend.jsonl")),
    ("wishes", include_str!("../../traces/wishes.jsonl")),
];

/// Room for the subscriptions of every golden trace.
const SLOTS: usize = 4;

type Slots = [Slot; SLOTS];

/// Why a trace does not replay, and where.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The line of the trace, counted from 1.
    pub line: u32,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with a line.
#[derive(Clone, Debug)]
pub enum Why {
    /// It is missing, or no line of a trace.
    Unreadable,
    /// The core does something else.
    Differs(Difference),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.why {
            Why::Unreadable => write!(f, "line {}: no line of a trace", self.line),
            Why::Differs(difference) => write!(f, "line {}: {difference}", self.line),
        }
    }
}

/// Replays one trace and says how many lines it had.
///
/// # Errors
///
/// The first line that cannot be read, or at which the core does something else.
pub fn replay(trace: &str) -> Result<u32, Failure> {
    let (header, lines) = trace.split_once('\n').unwrap_or((trace, ""));
    let mut replay = begin(&read(1, header)?);
    let mut last = 1;
    for (line, text) in (2..).zip(lines.lines()) {
        let differs = |difference| Failure { line, why: Why::Differs(difference) };
        replay.check(&read(line, text)?).map_err(differs)?;
        last = line;
    }
    Ok(last)
}

// Neither is inlined: a policy is big, and its copies shall not lie on the stack of `replay`.
#[inline(never)]
fn begin(header: &Header) -> Replay<Slots, fn(u32) -> Slots> {
    Replay::new(header, |_| [Slot::EMPTY; SLOTS])
}

#[inline(never)]
fn read<'a, T: Deserialize<'a>>(line: u32, text: &'a str) -> Result<T, Failure> {
    match serde_json_core::from_str(text) {
        Ok((value, _length)) => Ok(value),
        Err(_) => Err(Failure { line, why: Why::Unreadable }),
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::fs;
    use std::string::ToString;

    use super::*;

    #[test]
    fn every_golden_trace_is_here() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../traces");
        let mut found = 0;
        for entry in fs::read_dir(folder).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let name = name.strip_suffix(".jsonl").unwrap();
            assert!(GOLDEN.iter().any(|(golden, _)| *golden == name), "{name}");
            found += 1;
        }
        assert_eq!(found, GOLDEN.len());
    }

    #[test]
    fn golden_traces_replay() {
        for (name, trace) in GOLDEN {
            let lines = replay(trace).unwrap_or_else(|failure| panic!("{name}: {failure}"));
            assert_eq!(lines as usize, trace.lines().count(), "{name}");
        }
    }

    #[test]
    fn a_line_that_differs_is_named() {
        let (_, outage) = GOLDEN[2];
        let at = outage.lines().position(|line| line.contains(r#""endpoint":0"#)).unwrap();
        let failure =
            replay(&outage.replacen(r#""endpoint":0"#, r#""endpoint":1"#, 1)).unwrap_err();
        assert_eq!(failure.line as usize, at + 1);
        assert!(failure.to_string().contains("the trace has Some(Open"), "{failure}");
    }

    #[test]
    fn a_line_that_is_cut_is_named() {
        let (_, outage) = GOLDEN[2];
        let failure = replay(&outage[..outage.len() - 4]).unwrap_err();
        assert_eq!(failure.line as usize, outage.lines().count());
        assert_eq!(replay("").unwrap_err().line, 1);
    }
}
