//! `explain`: what a policy promises, as a table to take to a review.

use std::fmt::Write as _;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use redial::Policy;
use serde::Serialize;

use crate::output::{millis, print, short};
use crate::{ExplainArgs, Failure};

/// Prints what the policy of the file promises, or the default one.
///
/// # Errors
///
/// [`Failure::Input`] for a file that cannot be read or holds no valid policy, with line and fields.
pub(crate) fn explain(args: &ExplainArgs) -> Result<(), Failure> {
    let policy = args.policy.as_deref().map_or_else(|| Ok(Policy::new()), read_policy)?;
    let promises = Promises::of(&policy);
    if args.json {
        let text = serde_json::to_string_pretty(&promises).expect("plain data has a JSON form");
        print(&format!("{text}\n"))
    } else {
        print(&promises.to_text())
    }
}

/// The policy in a file.
pub(crate) fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::Input(format!("the policy in {}: {error}", path.display()))
    };
    let file = File::open(path).map_err(|error| wrong(&error))?;
    serde_json::from_reader(BufReader::new(file)).map_err(|error| wrong(&error))
}

/// What a policy promises; its JSON form has these names, with durations in whole milliseconds,
/// rounded up.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
struct Promises {
    /// The delay before the next attempt, by failures in a row. The last line holds for all beyond.
    delays: Vec<Delay>,
    /// Null without a limit.
    attempts: Option<Vec<Attempts>>,
    /// Null without a heartbeat: a peer that dies silently is never noticed.
    dead_peer_noticed_within_ms: Option<u64>,
    back: Back,
}

#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
struct Delay {
    failures: u32,
    from_ms: u64,
    to_ms: u64,
}

/// At most so many attempts in any window of that length.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
struct Attempts {
    window_ms: u64,
    at_most: u64,
}

/// From the moment that the server is back until the attempt begins that finds it.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
struct Back {
    /// An attempt that began just before may have to time out.
    vain_attempt_ms: u64,
    /// Then the longest wait: of ladder, spread, and limits with the draw on top of each.
    longest_wait_ms: u64,
    within_ms: u64,
    /// Not covered: a `Retry-After`, which with the draw on top of it may take this long.
    server_may_ask_ms: u64,
}

impl Promises {
    fn of(policy: &Policy) -> Self {
        let windows = [1, 10, 60, 3_600].map(Duration::from_secs);
        let attempts = windows
            .into_iter()
            .map(|window| {
                let at_most = policy.attempts_within(window)?;
                Some(Attempts { window_ms: millis(window), at_most })
            })
            .collect();
        Self {
            delays: delays(policy),
            attempts,
            dead_peer_noticed_within_ms: policy.detection_max().map(millis),
            back: Back::of(policy),
        }
    }

    fn to_text(&self) -> String {
        let mut text = String::new();
        let _infallible = write!(
            text,
            "Delay before the next attempt\n{}\n\nAttempts\n{}\n\nTimes\n{}\n\n{NOT_COVERED}\n",
            self.delays_table(),
            self.attempts_table(),
            self.times_table(),
        );
        text
    }

    fn delays_table(&self) -> Table {
        let mut table = table(["failures in a row", "at least", "at most"]);
        let last = self.delays.len() - 1;
        for (index, delay) in self.delays.iter().enumerate() {
            let failures = match (index == last, delay.failures) {
                (false, 0) => "0, a settled connection was lost".to_owned(),
                (false, failures) => failures.to_string(),
                (true, failures) => format!("{failures} and more"),
            };
            table.add_row([failures, span(delay.from_ms), span(delay.to_ms)]);
        }
        right_align(&mut table);
        table
    }

    fn attempts_table(&self) -> Table {
        let mut table = table(["in any window of", "at most"]);
        let Some(attempts) = &self.attempts else {
            table.add_row(["any length", "no bound"]);
            return table;
        };
        for attempts in attempts {
            table.add_row([span(attempts.window_ms), attempts.at_most.to_string()]);
        }
        right_align(&mut table);
        table
    }

    fn times_table(&self) -> Table {
        let Back { vain_attempt_ms, longest_wait_ms, within_ms, server_may_ask_ms } = self.back;
        let dead = self.dead_peer_noticed_within_ms;
        let mut table = table(["worst case", "within"]);
        table.add_row(["a dead peer is noticed", &dead.map_or("never".to_owned(), span)]);
        table.add_row(["the server is back: the next attempt begins", &span(within_ms)]);
        table.add_row(["  an attempt in vain, begun just before", &span(vain_attempt_ms)]);
        table.add_row(["  the longest wait after it", &span(longest_wait_ms)]);
        table.add_row([
            "a server's Retry-After and its draw, in its place",
            &span(server_may_ask_ms),
        ]);
        right_align(&mut table);
        table
    }
}

/// What the figures leave out, said where they are read.
const NOT_COVERED: &str = "\
A dead peer: from its last byte, plus the lateness of the machine's timers. A machine that slept
through its deadline probes once more.
The server is back: covers backoff, jitter, spread and attempt limits. Does not cover a Retry-After
or a close that names a window for the return, no network, a pause, and what comes after the
attempt begins: dialling, login, subscribing again.";

/// Up to the level from which on nothing changes.
fn delays(policy: &Policy) -> Vec<Delay> {
    let at = |failures| {
        let (from, to) = policy.delay_range(failures).into_inner();
        Delay { failures, from_ms: millis(from), to_ms: millis(to) }
    };
    let settled = LEVELS
        .clone()
        .find(|&level| level > 0 && policy.delay_range(level) == policy.delay_range(LEVELS.end))
        .unwrap_or(LEVELS.end);
    (0..=settled).map(at).collect()
}

/// Growth may be as slow as a policy likes; a table that long serves nobody.
const LEVELS: std::ops::Range<u32> = 0..64;

impl Back {
    fn of(policy: &Policy) -> Self {
        let vain = policy.open_within() + policy.ready_within().unwrap_or_default();
        let limits = [policy.attempts(), policy.attempts_long()];
        // A token is back one interval after the last attempt took one, and the draw on top of
        // that is as long again.
        let limited = limits.into_iter().flatten().map(|limit| limit.interval() * 2).max();
        let upper = |level| *policy.delay_range(level).end();
        let ladder = upper(LEVELS.end).max(upper(0));
        let spread = policy.spread().map(|spread| spread + spread / 10);
        let wait = ladder.max(limited.unwrap_or_default()).max(spread.unwrap_or_default());
        let asked = policy.server_delay_max();
        Self {
            vain_attempt_ms: millis(vain),
            longest_wait_ms: millis(wait),
            within_ms: millis(vain + wait),
            server_may_ask_ms: millis(asked + ladder.max(asked / 10)),
        }
    }
}

fn span(millis: u64) -> String {
    short(Duration::from_millis(millis))
}

fn table<const N: usize>(head: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::UTF8_BORDERS_ONLY).set_header(head);
    table
}

fn right_align(table: &mut Table) {
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}
