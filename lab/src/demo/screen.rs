//! The dashboard on a terminal.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use ratatui::crossterm::event::{self, Event, KeyCode, KeyModifiers};
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Modifier, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Gauge, Padding, Paragraph};
use ratatui::{DefaultTerminal, Frame};
use redial::Phase;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{MissedTickBehavior, interval};

use super::board::{Board, News, Record, Strike};
use super::ledger::Row;
use super::market::{SYMBOLS, Symbol};
use super::plain;
use super::verdict::Terms;
use crate::output::short;
use crate::words;

/// The terminal, taken over. Dropping it gives the terminal back; so does a panic anywhere.
#[derive(Debug)]
pub(crate) struct Screen {
    terminal: DefaultTerminal,
    lines: VecDeque<String>,
    terms: Terms,
}

impl Screen {
    pub(crate) fn take(terms: Terms) -> io::Result<Self> {
        let terminal = ratatui::try_init()?;
        Ok(Self { terminal, lines: VecDeque::new(), terms })
    }

    /// Draws until the user quits, with `q`, `Esc` or Ctrl-C.
    pub(crate) async fn run(
        &mut self,
        board: &Board,
        news: &mut UnboundedReceiver<News>,
    ) -> io::Result<()> {
        let mut frame = interval(FRAME);
        frame.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            frame.tick().await;
            while let Ok(item) = news.try_recv() {
                self.lines.push_front(plain::line(&item));
            }
            self.lines.truncate(LINES_KEPT);
            let record = board.record().clone();
            let view = View {
                record: &record,
                lines: &self.lines,
                terms: self.terms,
                now: board.clock().now(),
            };
            self.terminal.draw(|frame| view.draw(frame))?;
            if quit_pressed()? {
                return Ok(());
            }
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

const FRAME: Duration = Duration::from_millis(50);
const LINES_KEPT: usize = 100;
const COLUMNS: usize = 5;

/// Raw mode delivers Ctrl-C as a key.
fn quit_pressed() -> io::Result<bool> {
    while event::poll(Duration::ZERO)? {
        let Event::Key(key) = event::read()? else { continue };
        let interrupt =
            key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL);
        if interrupt || matches!(key.code, KeyCode::Char('q') | KeyCode::Esc) {
            return Ok(true);
        }
    }
    Ok(false)
}

struct View<'a> {
    record: &'a Record,
    lines: &'a VecDeque<String>,
    terms: Terms,
    now: Duration,
}

impl View<'_> {
    fn draw(&self, frame: &mut Frame<'_>) {
        let rows = usize::from(SYMBOLS).div_ceil(COLUMNS) as u16;
        let [link, progress, prices, log] = Layout::vertical([
            Constraint::Length(5),
            Constraint::Length(3),
            Constraint::Length(rows + 2),
            Constraint::Min(3),
        ])
        .areas(frame.area());
        frame.render_widget(self.link(), link);
        frame.render_widget(self.progress(), progress);
        self.prices(frame, prices);
        frame.render_widget(self.log(), log);
    }

    fn link(&self) -> Paragraph<'_> {
        let phase = self.record.phase();
        let name = Span::styled(
            format!(" {} ", words::name(phase)),
            Style::new().fg(Color::Black).bg(colour(phase)).add_modifier(Modifier::BOLD),
        );
        let minute = Duration::from_secs(60);
        let since = self.now.saturating_sub(minute);
        let attempts = self.record.opens.iter().filter(|open| open.at >= since).count();
        let allowed =
            u128::from(self.terms.burst) + minute.as_nanos() / self.terms.interval.as_nanos();
        let ledger = &self.record.ledger;
        Paragraph::new(vec![
            Line::from(vec![name, Span::raw(" "), Span::raw(self.waiting())]),
            Line::from(format!(
                "attempts in the last minute {attempts} of {allowed} promised    outages {}",
                self.record.outages()
            )),
            Line::from(format!(
                "prices received {}    missed {}    twice {}",
                ledger.received, ledger.missed, ledger.duplicates
            )),
        ])
        .block(panel(" link "))
    }

    /// What the link waits for, until when, and why.
    fn waiting(&self) -> String {
        let Some(report) = self.record.reports.last() else { return String::new() };
        let cause = report.status.cause.map(words::cause);
        let after = cause.map_or_else(String::new, |cause| format!(" after {cause}"));
        let Some(reason) = report.status.waits_for else { return after };
        let reason = words::name(reason);
        match report.until {
            Some(until) => {
                let left = short(until.saturating_sub(self.now));
                format!("for {reason}, next attempt in {left}{after}")
            }
            None => format!("for {reason}{after}"),
        }
    }

    fn progress(&self) -> Gauge<'_> {
        let done = self.record.strikes.len();
        let (ratio, label) = match self.record.strikes.last() {
            None => (0.0, "before the first fault".to_owned()),
            Some(Strike { fault, total, .. }) => {
                (done as f64 / *total as f64, format!("fault {done} of {total}: {fault}"))
            }
        };
        let title = format!(" script, {} ", short(self.now));
        Gauge::default()
            .block(Block::bordered().title(title))
            .gauge_style(Style::new().fg(Color::Blue))
            .ratio(ratio.min(1.0))
            .label(label)
    }

    fn prices(&self, frame: &mut Frame<'_>, area: Rect) {
        let block = panel(" prices ");
        let inside = block.inner(area);
        frame.render_widget(block, area);
        let columns = Layout::horizontal([Constraint::Fill(1); COLUMNS]).split(inside);
        let symbols: Vec<_> = Symbol::all().collect();
        let live = self.record.phase() == Phase::Live;
        let per_column = symbols.len().div_ceil(COLUMNS);
        for (column, symbols) in columns.iter().zip(symbols.chunks(per_column)) {
            let lines: Vec<_> = symbols
                .iter()
                .map(|&symbol| price(symbol, self.record.ledger.row(symbol), live))
                .collect();
            frame.render_widget(Paragraph::new(lines), *column);
        }
    }

    fn log(&self) -> Paragraph<'_> {
        let lines: Vec<_> = self.lines.iter().map(|line| Line::from(line.as_str())).collect();
        Paragraph::new(lines).block(panel(" events, newest first; q quits "))
    }
}

fn panel(title: &str) -> Block<'_> {
    Block::bordered().title(title).padding(Padding::horizontal(1))
}

/// Grey while the link is not live: a price shown then may be old.
fn price(symbol: Symbol, row: Row, live: bool) -> Line<'static> {
    if row.refused {
        return Line::from(format!("{symbol:<5}  refused")).dark_gray().crossed_out();
    }
    let Some(last) = row.last else { return Line::from(format!("{symbol:<5}        –")) };
    let text = format!("{symbol:<5} {:>5}.{:02}", last.cents / 100, last.cents % 100);
    let line = Line::from(text);
    if !live {
        line.dark_gray()
    } else if last.cents >= row.cents_before {
        line.green()
    } else {
        line.red()
    }
}

fn colour(phase: Phase) -> Color {
    match phase {
        Phase::Live => Color::Green,
        Phase::Restoring => Color::Cyan,
        Phase::Opening | Phase::Greeting => Color::Blue,
        Phase::Waiting => Color::Yellow,
        Phase::Degraded => Color::LightYellow,
        Phase::Halted => Color::Red,
        _ => Color::Gray,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::market::Price;

    #[test]
    fn a_price_shows_its_cents() {
        let symbol = Symbol::all().next().unwrap();
        let last = Some(Price { symbol, seq: 1, cents: 12_305 });
        let mut row = Row::default();
        (row.last, row.cents_before) = (last, 12_400);
        assert_eq!(price(symbol, row, true), Line::from("AAPL    123.05").red());
        assert_eq!(price(symbol, row, false), Line::from("AAPL    123.05").dark_gray());
    }
}
