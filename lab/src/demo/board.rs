//! What is known of the run at any moment: written by dashboard and script, read by the display and
//! the report.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redial::{Action, Instant, Phase, Status};
use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use super::ledger::Ledger;
use super::market::{Price, Symbol};
use super::script::Fault;
use super::server::Witness;

/// The shared board. Clones are the same board.
#[derive(Clone, Debug)]
pub(crate) struct Board {
    clock: Clock,
    witness: Witness,
    record: Arc<Mutex<Record>>,
    phase: watch::Sender<Phase>,
    news: mpsc::UnboundedSender<News>,
}

/// Everything noted so far.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    pub(crate) opens: Vec<Open>,
    pub(crate) reports: Vec<Report>,
    pub(crate) lives: Vec<Live>,
    pub(crate) strikes: Vec<Strike>,
    pub(crate) ledger: Ledger,
}

/// One `Open` of the core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub(crate) at: Duration,
    /// The instant given to `poll_action`: the one that P1 speaks of.
    pub(crate) polled: Instant,
}

/// One `Report` of the core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) at: Duration,
    pub(crate) status: Status,
    /// `status.until`, by the demo's clock.
    pub(crate) until: Option<Duration>,
}

/// What the server held at the moment the core said `Live`, against what it should.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) at: Duration,
    pub(crate) missing: BTreeSet<Symbol>,
    pub(crate) surplus: BTreeSet<Symbol>,
}

/// One fault, from the blow until the dashboard was live again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    pub(crate) fault: Fault,
    pub(crate) at: Duration,
    /// When the link left `Live`.
    pub(crate) noticed: Option<Duration>,
    pub(crate) restored: Option<Duration>,
    /// How many faults the script has.
    pub(crate) total: usize,
    /// Sums of the ledger and the feed at the blow.
    pub(crate) missed_before: u64,
    pub(crate) duplicates_before: u64,
    pub(crate) generated_before: u64,
    /// Prices made until the dashboard was live again.
    pub(crate) generated: u64,
}

/// What a reader of the plain output is told, as it happens.
#[derive(Clone, Debug)]
pub(crate) enum News {
    Strike { at: Duration, number: usize, total: usize, fault: Fault },
    Restored { at: Duration, after: Duration },
    Unnoticed { at: Duration, fault: Fault },
    Stuck { at: Duration, phase: Phase },
    Open { at: Duration, attempt: usize },
    Report(Report),
    Refused { at: Duration, symbol: Symbol },
    Note { at: Duration, text: &'static str },
}

impl Board {
    pub(crate) fn new(clock: Clock, witness: Witness) -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, inbox) = mpsc::unbounded_channel();
        let record = Record {
            opens: Vec::new(),
            reports: Vec::new(),
            lives: Vec::new(),
            strikes: Vec::new(),
            ledger: Ledger::new(),
        };
        let record = Arc::new(Mutex::new(record));
        let (phase, _) = watch::channel(Phase::Idle);
        (Self { clock, witness, record, phase, news }, inbox)
    }

    pub(crate) fn clock(&self) -> Clock {
        self.clock
    }

    pub(crate) fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The link's phase, for waiting on.
    pub(crate) fn phase(&self) -> watch::Receiver<Phase> {
        self.phase.subscribe()
    }

    pub(crate) fn tell(&self, news: News) {
        // The display may have ended already; the record is what the report is made of.
        let _inbox_is_open = self.news.send(news);
    }

    pub(crate) fn note(&self, text: &'static str) {
        self.tell(News::Note { at: self.clock.now(), text });
    }

    /// Hears an action of the core, in the driver's own task and before it is carried out.
    pub(crate) fn heard(&self, polled: Instant, action: Action) {
        match action {
            Action::Open { .. } => self.opened(polled),
            Action::Report(status) => self.reported(polled, status),
            Action::Close { .. }
            | Action::RefreshCredentials { .. }
            | Action::Ping { .. }
            | Action::Subscribe { .. }
            | Action::Unsubscribe { .. }
            | Action::ArmTimer { .. }
            | Action::DisarmTimer => {}
        }
    }

    pub(crate) fn received(&self, price: Price) {
        self.record().ledger.note(price);
    }

    pub(crate) fn refused(&self, symbol: Symbol) {
        self.record().ledger.refuse(symbol);
        self.tell(News::Refused { at: self.clock.now(), symbol });
    }

    fn opened(&self, polled: Instant) {
        let at = self.clock.now();
        let mut record = self.record();
        record.opens.push(Open { at, polled });
        self.tell(News::Open { at, attempt: record.opens.len() });
    }

    fn reported(&self, polled: Instant, status: Status) {
        let at = self.clock.now();
        let until = status.until.map(|until| at + until.saturating_since(polled));
        let report = Report { at, status, until };
        let mut record = self.record();
        let was = record.phase();
        if status.phase == Phase::Live && was != Phase::Live {
            record.lives.push(self.compare(at));
        }
        record.time_strike(at, was, status.phase, || self.witness.log().generated);
        record.reports.push(report);
        drop(record);
        self.tell(News::Report(report));
        self.phase.send_replace(status.phase);
    }

    fn compare(&self, at: Duration) -> Live {
        let log = self.witness.log();
        let held = log.held_now();
        let wanted: BTreeSet<_> = &Symbol::all().collect() - &log.refused_symbols();
        Live { at, missing: &wanted - &held, surplus: &held - &wanted }
    }

    pub(crate) fn strike(&self, fault: Fault, total: usize) {
        let at = self.clock.now();
        let generated_before = self.witness.log().generated;
        let mut record = self.record();
        let strike = Strike {
            fault,
            at,
            noticed: None,
            restored: None,
            total,
            missed_before: record.ledger.missed,
            duplicates_before: record.ledger.duplicates,
            generated_before,
            generated: 0,
        };
        record.strikes.push(strike);
        self.tell(News::Strike { at, number: record.strikes.len(), total, fault });
    }
}

impl Record {
    pub(crate) fn phase(&self) -> Phase {
        self.reports.last().map_or(Phase::Idle, |report| report.status.phase)
    }

    /// Times that the link was live and then was not, but for the end of the run.
    pub(crate) fn outages(&self) -> usize {
        self.reports
            .windows(2)
            .filter(|pair| {
                pair[0].status.phase == Phase::Live
                    && !matches!(pair[1].status.phase, Phase::Live | Phase::Closing)
            })
            .count()
    }

    fn time_strike(
        &mut self,
        at: Duration,
        was: Phase,
        is: Phase,
        generated: impl FnOnce() -> u64,
    ) {
        let Some(strike) = self.strikes.last_mut() else { return };
        if was == Phase::Live && is != Phase::Live && strike.noticed.is_none() {
            strike.noticed = Some(at);
        }
        if is == Phase::Live && strike.noticed.is_some() && strike.restored.is_none() {
            strike.restored = Some(at);
            strike.generated = generated() - strike.generated_before;
        }
    }
}
