//! What is known of the run at any moment: written by dashboard and script, read by the display and
//! the report.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redial::{Action, Continuity, Endpoint, Instant, Phase, Session, Status};
use tokio::sync::{mpsc, watch};

use super::clock::Clock;
use super::ledger::Ledger;
use super::market::{Price, Symbol};
use super::script::Fault;
use super::server::{Link, Welcome, Witness};

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
    pub(crate) refreshes: Vec<Refresh>,
    pub(crate) reports: Vec<Report>,
    pub(crate) lives: Vec<Live>,
    pub(crate) strikes: Vec<Strike>,
    pub(crate) ledger: Ledger,
    clients: usize,
}

/// A client of the run, in order: the feed's, the account's, and the one that goes on from that one's
/// snapshot. Each has a clock of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct ClientId(usize);

impl ClientId {
    /// What the client's link is to.
    pub(crate) const fn link(self) -> Link {
        if self.0 == 0 { Link::Feed } else { Link::Account }
    }
}

/// One `Open` of the core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Open {
    pub(crate) client: ClientId,
    pub(crate) at: Duration,
    /// The instant given to `poll_action`: the one that P1 speaks of.
    pub(crate) polled: Instant,
}

/// One `RefreshCredentials` of the core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refresh {
    pub(crate) at: Duration,
}

/// One `Report` of the core.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report {
    pub(crate) client: ClientId,
    pub(crate) at: Duration,
    pub(crate) status: Status,
    /// `status.until`, by the demo's clock.
    pub(crate) until: Option<Duration>,
}

/// What the server held at the moment the core said `Live`, or that a rotation was over, against what
/// it should; and how the connection continues the one before, by either.
#[derive(Clone, Debug)]
pub(crate) struct Live {
    pub(crate) at: Duration,
    pub(crate) continuity: Option<Continuity>,
    pub(crate) welcome: Option<Welcome>,
    pub(crate) missing: BTreeSet<Symbol>,
    pub(crate) surplus: BTreeSet<Symbol>,
}

/// One fault, from the blow until the dashboard was live again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Strike {
    pub(crate) fault: Fault,
    /// Which link was struck.
    pub(crate) link: Link,
    pub(crate) at: Duration,
    /// When the link left `Live`, or began to move.
    pub(crate) noticed: Option<Duration>,
    pub(crate) restored: Option<Duration>,
    /// How many faults the script has.
    pub(crate) total: usize,
    /// How often continuity was lost before the blow.
    pub(crate) losses_before: u32,
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
    Open { at: Duration, attempt: usize, endpoint: Endpoint, session: Session },
    Report(Report),
    Refused { at: Duration, symbol: Symbol },
    Note { at: Duration, text: &'static str },
}

impl Board {
    pub(crate) fn new(clock: Clock, witness: Witness) -> (Self, mpsc::UnboundedReceiver<News>) {
        let (news, inbox) = mpsc::unbounded_channel();
        let record = Record::new();
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

    /// Who hears what the core of the next client asks for.
    pub(crate) fn watcher(&self) -> Watcher {
        let mut record = self.record();
        let client = ClientId(record.clients);
        record.clients += 1;
        Watcher { board: self.clone(), client }
    }

    pub(crate) fn received(&self, price: Price) {
        self.record().ledger.note(price);
    }

    pub(crate) fn refused(&self, symbol: Symbol) {
        self.record().ledger.refuse(symbol);
        self.tell(News::Refused { at: self.clock.now(), symbol });
    }

    fn opened(&self, client: ClientId, polled: Instant, endpoint: Endpoint, session: Session) {
        let at = self.clock.now();
        let mut record = self.record();
        record.opens.push(Open { client, at, polled });
        self.tell(News::Open { at, attempt: record.opens.len(), endpoint, session });
    }

    fn reported(&self, client: ClientId, polled: Instant, status: Status) {
        let at = self.clock.now();
        let until = status.until.map(|until| at + until.saturating_since(polled));
        let report = Report { client, at, status, until };
        let mut record = self.record();
        let was = record.reports.last().map(|report| report.status);
        if is_complete(&status) && !was.is_some_and(|was| is_complete(&was)) {
            let live = self.compare(at, status.continuity);
            // A rotation that failed has changed nothing.
            let moved = status.continuity == Some(Continuity::Overlapped);
            if moved || was.is_none_or(|was| was.phase != Phase::Live) {
                record.lives.push(live);
            }
        }
        record.time_strike(&report, &self.witness);
        record.reports.push(report);
        drop(record);
        self.tell(News::Report(report));
        self.phase.send_replace(status.phase);
    }

    fn compare(&self, at: Duration, continuity: Option<Continuity>) -> Live {
        let log = self.witness.log();
        let held = log.held_now();
        let wanted: BTreeSet<_> = &Symbol::all().collect() - &log.refused_symbols();
        let welcome = log.served_last().and_then(|visit| visit.welcome);
        Live { at, continuity, welcome, missing: &wanted - &held, surplus: &held - &wanted }
    }

    pub(crate) fn strike(&self, fault: Fault, total: usize) {
        let at = self.clock.now();
        let generated_before = self.witness.log().generated;
        let mut record = self.record();
        let strike = Strike {
            fault,
            link: record.reports.last().map_or(Link::Feed, |report| report.client.link()),
            at,
            noticed: None,
            restored: None,
            total,
            losses_before: record.losses(),
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
    pub(crate) fn new() -> Self {
        Self {
            opens: Vec::new(),
            refreshes: Vec::new(),
            reports: Vec::new(),
            lives: Vec::new(),
            strikes: Vec::new(),
            ledger: Ledger::new(),
            clients: 0,
        }
    }

    /// Prices missed because of a fault. What is counted from one blow to
    /// the next belongs to it: the last holes show only when the next price of each symbol has come.
    pub(crate) fn missed_by(&self, strike: usize) -> u64 {
        let next = self.strikes.get(strike + 1);
        next.map_or(self.ledger.missed, |next| next.missed_before)
            - self.strikes[strike].missed_before
    }

    /// As [`missed_by`](Self::missed_by), for prices that came twice.
    pub(crate) fn duplicates_by(&self, strike: usize) -> u64 {
        let next = self.strikes.get(strike + 1);
        next.map_or(self.ledger.duplicates, |next| next.duplicates_before)
            - self.strikes[strike].duplicates_before
    }

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

    /// How often the link at hand has lost continuity.
    pub(crate) fn losses(&self) -> u32 {
        self.reports.last().map_or(0, |report| report.status.losses)
    }

    fn time_strike(&mut self, report: &Report, witness: &Witness) {
        let Some(strike) = self.strikes.last_mut() else { return };
        let complete = is_complete(&report.status);
        if !complete {
            strike.noticed.get_or_insert(report.at);
        } else if strike.noticed.is_some() && strike.restored.is_none() {
            let log = witness.log();
            if log.served_last().is_some_and(|visit| visit.port == 0) {
                strike.restored = Some(report.at);
                strike.generated = log.generated - strike.generated_before;
            }
        }
    }
}

/// All is well: the link is live, and not about to move.
pub(crate) fn is_complete(status: &Status) -> bool {
    status.phase == Phase::Live && !status.rotating
}

/// Hears the actions of one client's core, in the client's own task and before they are carried out.
#[derive(Clone, Debug)]
pub(crate) struct Watcher {
    board: Board,
    client: ClientId,
}

impl Watcher {
    pub(crate) fn heard(&self, polled: Instant, action: Action) {
        match action {
            Action::Open { endpoint, session, .. } => {
                self.board.opened(self.client, polled, endpoint, session);
            }
            Action::Report(status) => self.board.reported(self.client, polled, status),
            Action::RefreshCredentials { .. } => {
                let at = self.board.clock.now();
                self.board.record().refreshes.push(Refresh { at });
            }
            Action::Close { .. }
            | Action::Ping { .. }
            | Action::Subscribe { .. }
            | Action::Unsubscribe { .. }
            | Action::ArmTimer { .. }
            | Action::DisarmTimer => {}
        }
    }
}
