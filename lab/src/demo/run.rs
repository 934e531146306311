//! Plays the script: strikes, waits until the dashboard is live again, and strikes anew.

use std::io;
use std::time::Duration;

use redial::Phase;
use tokio::time::{sleep, timeout};

use super::board::{Board, News, Record};
use super::script::{Cut, Fault, Script};
use super::server::{Door, Server};
use super::verdict::{LATENESS, Terms};

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

/// Plays every step. A fault that nobody notices is cut short; a dashboard that does not come back
/// ends the script.
pub(crate) async fn play(
    script: &Script,
    server: &mut Server,
    board: &Board,
    terms: Terms,
) -> io::Result<End> {
    let first_live = |record: &Record| record.phase() == Phase::Live;
    if !happens(board, terms.recovery, first_live).await {
        return Ok(stuck(board));
    }
    for step in &script.steps {
        sleep(step.after).await;
        board.strike(step.fault, script.steps.len());
        let struck = board.clock().now();
        inflict(step.fault, server, board).await?;
        if !noticed(board, server, step.fault, terms).await {
            return Ok(stuck(board));
        }
        lift(step.fault, server, board, struck).await;
        let patience = terms.recovery + asked_wait(step.fault);
        if !happens(board, patience, restored).await {
            return Ok(stuck(board));
        }
        clean_up(step.fault, server);
        tell_restored(board);
    }
    sleep(script.steps.first().map_or(Duration::ZERO, |step| step.after)).await;
    Ok(End::Played)
}

async fn inflict(fault: Fault, server: &mut Server, board: &Board) -> io::Result<()> {
    match fault {
        Fault::Cut(how) => server.cut(how),
        Fault::AcceptThenDrop { .. } => {
            server.set_door(Door::Drops);
            server.cut(Cut::Fin);
        }
        Fault::HalfOpen => server.freeze(),
        Fault::Unavailable { retry_after_s, .. } => {
            server.set_door(Door::Unavailable { retry_after_s });
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
            board.note("the server is back");
        }
    }
    Ok(())
}

/// Waits until the dashboard noticed. What it should have noticed by now is ended, so that the
/// script can go on; false if even that goes unnoticed.
async fn noticed(board: &Board, server: &Server, fault: Fault, terms: Terms) -> bool {
    let noticed = |record: &Record| record.strikes.last().is_some_and(|it| it.noticed.is_some());
    if happens(board, terms.detection + 2 * LATENESS, noticed).await {
        return true;
    }
    board.tell(News::Unnoticed { at: board.clock().now(), fault });
    server.cut(Cut::Reset);
    happens(board, terms.recovery, noticed).await
}

/// Ends a fault that lasts for a while.
async fn lift(fault: Fault, server: &Server, board: &Board, struck: Duration) {
    if let Fault::AcceptThenDrop { lasts } | Fault::Unavailable { lasts, .. } = fault {
        sleep((struck + lasts).saturating_sub(board.clock().now())).await;
        server.set_door(Door::Open);
        board.note("the server serves again");
    }
}

fn asked_wait(fault: Fault) -> Duration {
    if let Fault::Unavailable { retry_after_s, .. } = fault {
        Duration::from_secs(retry_after_s.into())
    } else {
        Duration::ZERO
    }
}

/// The half-open connection is looked at only now: until here the server had to stay silent.
fn clean_up(fault: Fault, server: &Server) {
    if fault == Fault::HalfOpen {
        server.thaw();
    }
}

fn restored(record: &Record) -> bool {
    record.strikes.last().is_some_and(|strike| strike.restored.is_some())
}

fn tell_restored(board: &Board) {
    let last = board.record().strikes.last().copied();
    if let Some((strike, restored)) = last.and_then(|it| Some((it, it.restored?))) {
        board.tell(News::Restored { at: restored, after: restored - strike.at });
    }
}

fn stuck(board: &Board) -> End {
    let (at, phase) = (board.clock().now(), board.record().phase());
    board.tell(News::Stuck { at, phase });
    End::Stuck { at, phase }
}

async fn happens(board: &Board, within: Duration, what: impl Fn(&Record) -> bool) -> bool {
    let mut phase = board.phase();
    // The board outlives the wait, so the only way to fail is to be late.
    timeout(within, phase.wait_for(|_| what(&board.record()))).await.is_ok_and(|seen| seen.is_ok())
}
