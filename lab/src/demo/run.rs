//! Plays the script: strikes, waits until the dashboard is live again, and strikes anew.

use std::fs::File;
use std::io;
use std::time::Duration;

use redial::Phase;
use redial_tokio::ConnectError;
use tokio::time::{sleep, timeout};

use super::board::{Board, News, Record, is_complete};
use super::dashboard::{Dashboard, Stored};
use super::script::{Cut, Fault, Script, Step};
use super::server::{Door, Server};
use super::terms::Agreed;
use super::verdict::LATENESS;
use crate::Failure;

/// How the script ended.
#[derive(Clone, Copy, Debug)]
pub(crate) enum End {
    Played,
    /// The dashboard did not become live in time.
    Stuck {
        at: Duration,
        phase: Phase,
    },
}

/// All that a run takes.
#[derive(Debug)]
pub(crate) struct Stage {
    pub(crate) script: Script,
    pub(crate) server: Server,
    pub(crate) board: Board,
    pub(crate) agreed: Agreed,
    pub(crate) seed: u64,
}

impl Stage {
    /// Plays every step: the feed's, then the account's. A fault that nobody notices is cut short; a
    /// dashboard that does not come back ends the script. `trace` records the feed's link.
    pub(crate) async fn play(&mut self, trace: Option<File>) -> Result<End, Failure> {
        let Self { server, board, agreed, seed, .. } = self;
        let mut dashboard =
            Dashboard::feed(server, agreed.feed, *seed, trace, board).map_err(no_dashboard)?;
        let steps = self.script.feed.clone();
        let end = self.act(&steps, &mut dashboard).await?;
        dashboard.stop().await;
        if let End::Stuck { .. } = end {
            return Ok(end);
        }
        self.server.expect_account();
        self.board.record().ledger.begin_anew();
        self.board.note("the dashboard turns to its account");
        let mut dashboard = self.account(None)?;
        let steps = self.script.account.clone();
        let end = self.act(&steps, &mut dashboard).await?;
        dashboard.stop().await;
        Ok(end)
    }

    fn account(&self, stored: Option<Stored>) -> Result<Dashboard, Failure> {
        let Self { server, board, agreed, seed, .. } = self;
        Dashboard::account(server, agreed.account, *seed, stored, board).map_err(no_dashboard)
    }

    async fn act(&mut self, steps: &[Step], dashboard: &mut Dashboard) -> Result<End, Failure> {
        let recovery = self.agreed.terms.recovery;
        let is_live = |record: &Record| {
            record.reports.last().is_some_and(|report| is_complete(&report.status))
        };
        if !self.happens(recovery, is_live).await {
            return Ok(self.stuck());
        }
        for step in steps {
            sleep(step.after).await;
            self.board.strike(step.fault, self.script.len());
            let struck = self.board.clock().now();
            self.inflict(step.fault).await.map_err(not_back)?;
            if !self.noticed(step.fault).await {
                return Ok(self.stuck());
            }
            self.lift(step.fault, struck, dashboard).await?;
            if !self.happens(recovery + asked_wait(step.fault), restored).await {
                return Ok(self.stuck());
            }
            self.clean_up(step.fault);
            self.tell_restored();
        }
        // The last holes show with the next prices.
        sleep(steps.first().map_or(Duration::ZERO, |step| step.after)).await;
        Ok(End::Played)
    }

    async fn inflict(&mut self, fault: Fault) -> io::Result<()> {
        let server = &mut self.server;
        match fault {
            Fault::Cut(how) => server.cut(how),
            Fault::AcceptThenDrop { .. } => {
                server.set_doors(Door::Drops);
                server.cut(Cut::Fin);
            }
            Fault::HalfOpen => server.freeze(),
            Fault::Unavailable { retry_after_s, .. } => {
                server.set_doors(Door::Unavailable { retry_after_s });
                server.cut(Cut::Reset);
            }
            Fault::CloseRestart => server.close(1012),
            Fault::CloseTryLater => server.close(1013),
            Fault::Delist { symbol } => {
                server.delist(symbol);
                server.cut(Cut::Fin);
            }
            Fault::CutWhileRestoring { answers } => {
                server.cut_next_after(answers);
                server.cut(Cut::Reset);
            }
            Fault::Restart { down } => {
                server.go_down().await;
                sleep(down).await;
                server.come_back()?;
                self.board.note("the server is back");
            }
            Fault::ExpiredToken => {
                server.expire_tokens();
                server.cut(Cut::Fin);
            }
            Fault::PoisonedResume => {
                server.poison_resumes();
                server.cut(Cut::Reset);
            }
            Fault::FailOver { retry_after_s, .. } => {
                server.set_first_door(Door::Unavailable { retry_after_s });
                server.close(1013);
            }
            Fault::GoAway => {
                server.set_rush(true);
                server.go_away();
            }
            Fault::ClientRestart { .. } => {
                server.set_doors(Door::Refuses);
                server.cut(Cut::Reset);
            }
        }
        Ok(())
    }

    /// Waits until the dashboard noticed. What it should have noticed by now is ended, so that the
    /// script can go on; false if even that goes unnoticed.
    async fn noticed(&self, fault: Fault) -> bool {
        let terms = self.agreed.terms;
        let noticed =
            |record: &Record| record.strikes.last().is_some_and(|it| it.noticed.is_some());
        // A move waits until the attempt limit leaves room for it.
        let patience =
            if fault.is_outage() { terms.detection + 2 * LATENESS } else { terms.recovery };
        if self.happens(patience, noticed).await {
            return true;
        }
        self.board.tell(News::Unnoticed { at: self.board.clock().now(), fault });
        self.server.cut(Cut::Reset);
        self.happens(terms.recovery, noticed).await
    }

    /// Ends a fault that lasts for a while.
    async fn lift(
        &self,
        fault: Fault,
        struck: Duration,
        dashboard: &mut Dashboard,
    ) -> Result<(), Failure> {
        if let Fault::ClientRestart { dies_after, .. } = fault {
            self.until(struck + dies_after).await;
            self.restart_client(dashboard).await?;
        }
        if let Fault::AcceptThenDrop { lasts }
        | Fault::Unavailable { lasts, .. }
        | Fault::FailOver { lasts, .. }
        | Fault::ClientRestart { lasts, .. } = fault
        {
            self.until(struck + lasts).await;
            self.server.set_doors(Door::Open);
            self.board.note("the server serves again");
        }
        Ok(())
    }

    async fn restart_client(&self, dashboard: &mut Dashboard) -> Result<(), Failure> {
        let stored = dashboard.kill().await;
        self.board.note("the client is gone, and another one goes on from its snapshot");
        *dashboard = self.account(stored)?;
        Ok(())
    }

    async fn until(&self, at: Duration) {
        sleep(at.saturating_sub(self.board.clock().now())).await;
    }

    fn clean_up(&self, fault: Fault) {
        // The half-open connection is looked at only now: until here the server had to stay silent.
        if fault == Fault::HalfOpen {
            self.server.thaw();
        }
        self.server.set_rush(false);
    }

    fn tell_restored(&self) {
        let last = self.board.record().strikes.last().copied();
        if let Some((strike, restored)) = last.and_then(|it| Some((it, it.restored?))) {
            self.board.tell(News::Restored { at: restored, after: restored - strike.at });
        }
    }

    fn stuck(&self) -> End {
        let (at, phase) = (self.board.clock().now(), self.board.record().phase());
        self.board.tell(News::Stuck { at, phase });
        End::Stuck { at, phase }
    }

    async fn happens(&self, within: Duration, what: impl Fn(&Record) -> bool) -> bool {
        let mut phase = self.board.phase();
        // The board outlives the wait, so the only way to fail is to be late.
        let seen = timeout(within, phase.wait_for(|_| what(&self.board.record()))).await;
        seen.is_ok_and(|seen| seen.is_ok())
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it maps an error")]
fn no_dashboard(error: ConnectError) -> Failure {
    Failure::Run(format!("no dashboard: {error}"))
}

#[allow(clippy::needless_pass_by_value, reason = "it maps an error")]
fn not_back(error: io::Error) -> Failure {
    Failure::Run(format!("the server does not come back: {error}"))
}

fn asked_wait(fault: Fault) -> Duration {
    if let Fault::Unavailable { retry_after_s, .. } | Fault::FailOver { retry_after_s, .. } = fault
    {
        Duration::from_secs(retry_after_s.into())
    } else {
        Duration::ZERO
    }
}

fn restored(record: &Record) -> bool {
    record.strikes.last().is_some_and(|strike| strike.restored.is_some())
}
