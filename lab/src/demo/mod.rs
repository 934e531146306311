//! `demo`: a market server, a dashboard that must survive it, and a script of faults.

mod board;
mod clock;
mod dashboard;
mod ledger;
mod market;
mod plain;
mod protocol;
mod report;
mod run;
mod screen;
mod script;
mod server;
mod terms;
mod timeline;
mod verdict;

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::sleep;

use crate::output::print;
use crate::{DemoArgs, Failure};
use board::{Board, News};
use clock::Clock;
use report::{Report, Run};
use run::{End, Stage};
use screen::Screen;
use script::Script;
use server::Server;
use verdict::Terms;

pub(crate) use clock::Speed;

/// Runs the demo. True if every promise was kept.
///
/// # Errors
///
/// [`Failure::Input`] before anything runs, for a file that cannot be written;
/// [`Failure::Interrupted`] if the user quits; else [`Failure::Run`].
pub(crate) fn demo(args: &DemoArgs) -> Result<bool, Failure> {
    let json = args.json.as_deref().map(create).transpose()?;
    let svg = args.svg.as_deref().map(create).transpose()?;
    let trace = args.record.as_deref().map(create).transpose()?.map(|output| output.file);
    let seed = args.seed.unwrap_or_else(any_seed);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| Failure::Run(format!("no runtime: {error}")))?;
    let plain = args.plain || !io::stdout().is_terminal();
    let (record, report) = runtime.block_on(perform(seed, args.speed, trace, plain))?;
    print(&report.to_text())?;
    if let Some(mut json) = json {
        let text = serde_json::to_string_pretty(&report).expect("plain data has a JSON form");
        json.write(&format!("{text}\n"))?;
    }
    if let Some(mut svg) = svg {
        let end = Duration::from_millis(report.duration_ms);
        svg.write(&timeline::draw(&record, &report, end).to_string())?;
    }
    Ok(report.kept)
}

async fn perform(
    seed: u64,
    speed: Speed,
    trace: Option<File>,
    plain: bool,
) -> Result<(board::Record, Report), Failure> {
    let failed = |what: &'static str| move |error| Failure::Run(format!("{what}: {error}"));
    let agreed =
        terms::agreed(speed).map_err(|error| Failure::Run(format!("the policy: {error}")))?;
    let terms = agreed.terms;
    let clock = Clock::start();
    let server = Server::start(clock, speed, seed).map_err(failed("no server"))?;
    let (board, mut news) = Board::new(clock, server.witness());
    let script = Script::new(seed, speed);
    let mut stage = Stage { script, server, board: board.clone(), agreed, seed };
    let end = tokio::select! {
        end = stage.play(trace) => end?,
        shown = display(plain, terms, &board, &mut news) => {
            shown.map_err(failed("no display"))?;
            return Err(Failure::Interrupted);
        }
        _ = tokio::signal::ctrl_c() => return Err(Failure::Interrupted),
    };
    let server = stage.server;
    let duration = clock.now();
    settle(&server).await;
    if plain {
        plain::drain(&mut news).map_err(failed("no display"))?;
    }
    let record = board.record().clone();
    let log = server.log().clone();
    let stuck = match end {
        End::Played => None,
        End::Stuck { at, phase } => Some((at, phase)),
    };
    let verdicts = verdict::judge(&record, &log, stuck, terms);
    let run = Run { seed, speed: speed.factor(), duration, end };
    let report = Report::new(run, &record, verdicts);
    Ok((record, report))
}

/// Shows the run; returns only if the user quits.
async fn display(
    plain: bool,
    terms: Terms,
    board: &Board,
    news: &mut UnboundedReceiver<News>,
) -> io::Result<()> {
    if plain { plain::show(news).await } else { Screen::take(terms)?.run(board, news).await }
}

/// Gives the server a moment to see the last connection end.
async fn settle(server: &Server) {
    for _ in 0..50 {
        if server.log().visits.iter().all(|visit| visit.over.is_some()) {
            return;
        }
        sleep(Duration::from_millis(20)).await;
    }
}

/// A file for a result, created before the run so that a bad path fails at once.
struct Output {
    path: PathBuf,
    file: File,
}

fn create(path: &Path) -> Result<Output, Failure> {
    let file = File::create(path)
        .map_err(|error| Failure::Input(format!("cannot write {}: {error}", path.display())))?;
    Ok(Output { path: path.to_owned(), file })
}

impl Output {
    fn write(&mut self, text: &str) -> Result<(), Failure> {
        self.file
            .write_all(text.as_bytes())
            .map_err(|error| Failure::Run(format!("cannot write {}: {error}", self.path.display())))
    }
}

fn any_seed() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // Short enough to be typed again.
    u64::from(since.subsec_nanos()) / 1_000
}
