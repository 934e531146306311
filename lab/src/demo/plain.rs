//! One readable line per event, for pipes and logs.

use std::io::{self, Write};

use redial::{Phase, Session};
use tokio::sync::mpsc::UnboundedReceiver;

use super::board::{News, Report};
use crate::output::short;
use crate::words;

/// Prints the news as they come, until the board is gone.
pub(crate) async fn show(news: &mut UnboundedReceiver<News>) -> io::Result<()> {
    while let Some(item) = news.recv().await {
        writeln!(io::stdout().lock(), "{}", line(&item))?;
    }
    Ok(())
}

/// Prints what is left of the news.
pub(crate) fn drain(news: &mut UnboundedReceiver<News>) -> io::Result<()> {
    while let Ok(item) = news.try_recv() {
        writeln!(io::stdout().lock(), "{}", line(&item))?;
    }
    Ok(())
}

/// `  12.345s  link     waiting (backoff) 85ms, after i/o reset`
pub(crate) fn line(news: &News) -> String {
    let (at, who, what) = match news {
        News::Strike { at, number, total, fault } => {
            (at, "fault", format!("{number} of {total}: {fault}"))
        }
        News::Restored { at, after } => (at, "fault", format!("restored after {}", short(*after))),
        News::Unnoticed { at, fault } => (at, "fault", format!("nobody noticed: {fault}")),
        News::Stuck { at, phase } => {
            (at, "fault", format!("still {}, the script ends", words::name(*phase)))
        }
        News::Open { at, attempt, endpoint, session } => {
            let where_to = if endpoint.get() > 0 { ", the other server" } else { "" };
            let resumes = if *session == Session::Resume { ", resuming" } else { "" };
            (at, "link", format!("attempt {attempt}{where_to}{resumes}"))
        }
        News::Report(report) => (&report.at, "link", status(report)),
        News::Refused { at, symbol } => (at, "feed", format!("{symbol} refused for good")),
        News::Note { at, text } => (at, "server", (*text).to_owned()),
    };
    format!("{:>9.3}s  {who:<7} {what}", at.as_secs_f64())
}

/// `waiting (limit) 850ms, after close 1012 by peer`
pub(crate) fn status(report: &Report) -> String {
    let status = &report.status;
    let mut text = words::name(status.phase);
    if let Some(reason) = status.waits_for {
        text.push_str(&format!(" ({})", words::name(reason)));
    }
    if let (Phase::Live, Some(continuity)) = (status.phase, status.continuity) {
        text.push_str(&format!(" ({})", words::name(continuity)));
    }
    if status.rotating {
        text.push_str(", moving");
    }
    if let Some(until) = report.until {
        text.push_str(&format!(" {}", short(until.saturating_sub(report.at))));
    }
    if let Some(reason) = status.halted {
        text.push_str(&format!(" ({})", words::name(reason)));
    }
    if let (Some(cause), Phase::Waiting | Phase::Halted) = (status.cause, status.phase) {
        text.push_str(&format!(", after {}", words::cause(cause)));
    }
    text
}
