//! What is left of a run: per fault what happened, per promise whether it was kept.

use std::fmt::Write as _;
use std::time::Duration;

use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use super::board::{Record, Strike};
use super::run::End;
use super::verdict::{Outcome, Verdict};
use crate::output::{millis, short};
use crate::words;

/// The report; its JSON form has these names.
#[derive(Clone, Serialize, Debug)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) speed: f64,
    pub(crate) duration_ms: u64,
    /// The script was played to its end.
    pub(crate) played: bool,
    pub(crate) faults: Vec<Damage>,
    /// Outages that no fault of the script explains.
    pub(crate) unscripted_outages: usize,
    pub(crate) attempts: usize,
    pub(crate) prices_received: u64,
    pub(crate) prices_missed: u64,
    pub(crate) duplicates: u64,
    pub(crate) promises: Vec<Verdict>,
    pub(crate) kept: bool,
}

/// What one fault did.
#[derive(Clone, Serialize, Debug)]
pub(crate) struct Damage {
    pub(crate) fault: &'static str,
    pub(crate) title: String,
    pub(crate) at_ms: u64,
    /// Each cause that the core reported until it was live again, once, in order.
    pub(crate) causes: Vec<String>,
    pub(crate) noticed_after_ms: Option<u64>,
    pub(crate) restored_after_ms: Option<u64>,
    pub(crate) attempts: usize,
    /// Prices that the dashboard never saw, by the holes in their sequence numbers.
    pub(crate) prices_missed: u64,
    /// Prices that the market made until the dashboard was live again.
    pub(crate) prices_made: u64,
    pub(crate) duplicates: u64,
}

/// What a run is named by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    pub(crate) seed: u64,
    pub(crate) speed: f64,
    pub(crate) duration: Duration,
    pub(crate) end: End,
}

impl Report {
    pub(crate) fn new(run: Run, record: &Record, promises: Vec<Verdict>) -> Self {
        let faults: Vec<_> = (0..record.strikes.len()).map(|index| damage(record, index)).collect();
        let scripted = record
            .strikes
            .iter()
            .filter(|strike| strike.noticed.is_some() && strike.fault.is_outage());
        let scripted = scripted.count();
        let kept = promises.iter().all(|verdict| verdict.outcome == Outcome::Kept);
        Self {
            seed: run.seed,
            speed: run.speed,
            duration_ms: millis(run.duration),
            played: matches!(run.end, End::Played),
            unscripted_outages: record.outages().saturating_sub(scripted),
            attempts: record.opens.len(),
            prices_received: record.ledger.received,
            prices_missed: record.ledger.missed,
            duplicates: record.ledger.duplicates,
            faults,
            promises,
            kept,
        }
    }

    /// The tables for a person.
    pub(crate) fn to_text(&self) -> String {
        let mut text = String::new();
        let _infallible = writeln!(text, "\n{}\n\n{}", self.faults_table(), self.promises_table());
        for verdict in &self.promises {
            let promise = verdict.promise;
            for breach in verdict.breaches.iter().take(BREACHES_TOLD) {
                let at = short(Duration::from_millis(breach.at_ms));
                let _infallible = writeln!(text, "{promise} broken at {at}: {}", breach.what);
            }
            if let Some(more @ 1..) = verdict.breaches.len().checked_sub(BREACHES_TOLD) {
                let _infallible = writeln!(text, "{promise} broken {more} times more");
            }
        }
        let _infallible = writeln!(text, "{}", self.summary());
        text
    }

    fn faults_table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(presets::UTF8_BORDERS_ONLY).set_header([
            "fault",
            "cause as the core saw it",
            "noticed",
            "restored",
            "attempts",
            "missed",
            "twice",
        ]);
        for damage in &self.faults {
            table.add_row([
                damage.title.clone(),
                damage.causes.join(", "),
                span(damage.noticed_after_ms),
                span(damage.restored_after_ms),
                damage.attempts.to_string(),
                format!("{} of {}", damage.prices_missed, damage.prices_made),
                damage.duplicates.to_string(),
            ]);
        }
        for column in table.column_iter_mut().skip(2) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        table
    }

    fn promises_table(&self) -> Table {
        let mut table = Table::new();
        table
            .load_preset(presets::UTF8_BORDERS_ONLY)
            .set_header(["", "promise", "verdict", "evidence"]);
        for verdict in &self.promises {
            table.add_row([
                verdict.promise,
                verdict.name,
                &words::name(verdict.outcome),
                &verdict.evidence,
            ]);
        }
        table
    }

    /// What was broken; what was not tested only where nothing was broken.
    fn unkept(&self) -> String {
        let named = |outcome: Outcome| {
            let such = self.promises.iter().filter(move |verdict| verdict.outcome == outcome);
            let such = such.map(|verdict| {
                format!("{} {} ({})", verdict.promise, words::name(outcome), verdict.name)
            });
            such.collect::<Vec<_>>()
        };
        let broken = named(Outcome::Broken);
        let unkept = if broken.is_empty() { named(Outcome::Untested) } else { broken };
        unkept.join(", ")
    }

    fn summary(&self) -> String {
        let verdict = if self.kept { "every promise was kept".to_owned() } else { self.unkept() };
        let Self { seed, prices_received, prices_missed, unscripted_outages, .. } = self;
        let took = short(Duration::from_millis(self.duration_ms));
        format!(
            "seed {seed}, {took}: {prices_received} prices received, {prices_missed} missed in \
             outages, {unscripted_outages} unscripted outages; {verdict}"
        )
    }
}

/// A report is read to the end if it is short; the JSON has them all.
const BREACHES_TOLD: usize = 3;

fn span(millis: Option<u64>) -> String {
    millis.map_or_else(|| "never".to_owned(), |millis| short(Duration::from_millis(millis)))
}

fn damage(record: &Record, index: usize) -> Damage {
    let strike = &record.strikes[index];
    let until = strike.restored.unwrap_or(Duration::MAX);
    let during = |at: Duration| (strike.at..=until).contains(&at);
    Damage {
        fault: strike.fault.name(),
        title: strike.fault.to_string(),
        at_ms: millis(strike.at),
        causes: causes(record, strike),
        noticed_after_ms: strike.noticed.map(|at| millis(at - strike.at)),
        restored_after_ms: strike.restored.map(|at| millis(at - strike.at)),
        attempts: record.opens.iter().filter(|open| during(open.at)).count(),
        prices_missed: record.missed_by(index),
        prices_made: strike.generated,
        duplicates: record.duplicates_by(index),
    }
}

fn causes(record: &Record, strike: &Strike) -> Vec<String> {
    let until = strike.restored.unwrap_or(Duration::MAX);
    let mut causes = Vec::new();
    for report in &record.reports {
        let Some(cause) = report.status.cause else { continue };
        let cause = words::cause(cause);
        if (strike.at..=until).contains(&report.at) && !causes.contains(&cause) {
            causes.push(cause);
        }
    }
    causes
}
