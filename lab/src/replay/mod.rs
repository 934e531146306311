//! `replay`: a trace against this core.

mod story;

use std::fs;
use std::io::{self, Read, Write};
use std::path::Path;

use redial::trace::{Difference, Header, Line, Replay};
use redial::{Action, Instant, Link};

use crate::lines::{self, Damage, storage};
use crate::output::short;
use crate::{Failure, ReplayArgs};
use story::Story;

/// Replays a trace and compares, or completes one of events alone. True unless they differ.
///
/// # Errors
///
/// [`Failure::Input`] for a trace that cannot be read, with the number of the damaged line;
/// [`Failure::Run`] if standard output fails.
pub(crate) fn replay(args: &ReplayArgs) -> Result<bool, Failure> {
    let text = read(&args.trace)?;
    let name = args.trace.display();
    let damaged = |damage: Damage| Failure::Input(format!("{name}, {damage}"));
    let trace = Trace::parse(&text).map_err(damaged)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let agrees = if trace.is_recorded() {
        let difference = trace.compare().map_err(damaged)?;
        if args.explain {
            let told = difference.as_ref().map_or(usize::MAX, |found| found.number);
            let lines = trace.lines.iter().filter(|line| line.number < told);
            Story::tell(lines.map(|line| line.line), &mut out)?;
        }
        match &difference {
            Some(found) => found.print(&args.trace, &mut out)?,
            None if args.explain => {}
            None => say(&mut out, &trace.summary(&args.trace))?,
        }
        difference.is_none()
    } else {
        // Who writes a scenario by hand sees what came before the mistake.
        let mut lines = Vec::new();
        let completed = trace.complete(&mut lines);
        if args.explain {
            Story::tell(lines.into_iter(), &mut out)?;
        } else {
            trace.print(&lines, &mut out)?;
        }
        out.flush().map_err(unprintable)?;
        completed.map_err(damaged)?;
        true
    };
    out.flush().map_err(unprintable)?;
    Ok(agrees)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let text = if path == Path::new("-") {
        let mut text = Vec::new();
        io::stdin().lock().read_to_end(&mut text).map(|_| text)
    } else {
        fs::read(path)
    };
    text.map_err(|error| Failure::Input(format!("cannot read {}: {error}", path.display())))
}

struct Trace<'a> {
    header: Header,
    /// As it was written.
    header_text: &'a [u8],
    lines: Vec<Numbered>,
}

#[derive(Clone, Copy)]
struct Numbered {
    number: usize,
    line: Line,
}

/// Where trace and core part.
struct Found {
    number: usize,
    recorded: Line,
    given: Line,
    before: (redial::Status, Option<Instant>),
    /// The event whose consequences differ.
    event: Option<Numbered>,
}

impl<'a> Trace<'a> {
    /// Blank lines are skipped, and counted.
    fn parse(text: &'a [u8]) -> Result<Self, Damage> {
        let mut numbered = (1..)
            .zip(text.split(|byte| *byte == b'\n'))
            .filter(|(_, line)| !line.trim_ascii().is_empty());
        let (number, header_text) = numbered.next().unwrap_or((1, text));
        let header = lines::header(number, header_text)?;
        let lines = numbered
            .map(|(number, text)| Ok(Numbered { number, line: lines::line(number, text)? }))
            .collect::<Result<_, Damage>>()?;
        Ok(Self { header, header_text, lines })
    }

    /// Whether the trace says what came out, and not only what went in.
    fn is_recorded(&self) -> bool {
        self.lines.iter().any(|Numbered { line, .. }| {
            matches!(line, Line::Action { .. } | Line::Deadline { .. })
        })
    }

    fn compare(&self) -> Result<Option<Found>, Damage> {
        let mut replay = Replay::new(&self.header, storage);
        let mut event = None;
        for numbered in &self.lines {
            let Numbered { number, line } = *numbered;
            if matches!(line, Line::Event { .. }) {
                event = Some(*numbered);
            }
            let Err(difference) = replay.check(&line) else { continue };
            let given = match difference {
                Difference::Action { given: Some(action), .. } => {
                    Line::Action { at: instant(line), action }
                }
                Difference::Action { given: None, .. } => {
                    Line::Deadline { at: instant(line), deadline: replay.link().deadline() }
                }
                Difference::Deadline { given: deadline, .. } => {
                    Line::Deadline { at: instant(line), deadline }
                }
                other => return Err(Damage::new(number, other)),
            };
            let before = replay.before();
            return Ok(Some(Found { number, recorded: line, given, before, event }));
        }
        Ok(None)
    }

    /// Adds the lines to `to`, with what the core answers to each event, up to the first that
    /// cannot be.
    fn complete(&self, to: &mut Vec<Line>) -> Result<(), Damage> {
        let Header { policy, seed, subscriptions } = self.header;
        let mut link = Link::with_storage(policy, seed, storage(subscriptions));
        for Numbered { number, line } in &self.lines {
            match *line {
                Line::Event { at, event } => {
                    link.handle(at, event).map_err(|misuse| Damage::new(*number, misuse))?;
                    to.push(*line);
                    drain(&mut link, at, to);
                }
                Line::Subscriptions(slots) => {
                    link.replace_storage(storage(slots)).map_err(|_| {
                        Damage::new(*number, format!("the storage does not grow to {slots} slots"))
                    })?;
                    to.push(*line);
                }
                Line::Action { .. } | Line::Deadline { .. } => {}
            }
        }
        Ok(())
    }

    fn print(&self, lines: &[Line], out: &mut impl Write) -> Result<(), Failure> {
        say(out, &String::from_utf8_lossy(self.header_text))?;
        lines.iter().try_for_each(|line| say(out, &json(line)))
    }

    fn summary(&self, path: &Path) -> String {
        let count = |is: fn(&Line) -> bool| self.lines.iter().filter(|it| is(&it.line)).count();
        let events = count(|line| matches!(line, Line::Event { .. }));
        let actions = count(|line| matches!(line, Line::Action { .. }));
        let mut instants = self.lines.iter().filter_map(|it| instant(it.line));
        let span = instants
            .next()
            .zip(instants.next_back())
            .map(|(first, last)| format!(" in {}", short(last.saturating_since(first))));
        format!(
            "{} agrees: {events} events, {actions} actions{}",
            path.display(),
            span.unwrap_or_default()
        )
    }
}

impl Found {
    fn print(&self, path: &Path, out: &mut impl Write) -> Result<(), Failure> {
        let (status, deadline) = self.before;
        let before = json(&Line::Action { at: None, action: Action::Report(status) });
        let deadline = json(&Line::Deadline { at: None, deadline });
        say(out, &format!("{}, line {}: the core does not do this", path.display(), self.number))?;
        say(out, &format!("  in the trace   {}", json(&self.recorded)))?;
        say(out, &format!("  from the core  {}", json(&self.given)))?;
        say(out, &format!("  state before   {before}\n                 {deadline}"))?;
        match &self.event {
            Some(Numbered { number, line }) => {
                say(out, &format!("  after line {number}  {}", json(line)))
            }
            None => Ok(()),
        }
    }
}

fn drain(link: &mut Link<Vec<redial::Slot>>, at: Instant, lines: &mut Vec<Line>) {
    while let Some(action) = link.poll_action(at) {
        lines.push(Line::Action { at: None, action });
    }
    lines.push(Line::Deadline { at: None, deadline: link.deadline() });
}

const fn instant(line: Line) -> Option<Instant> {
    match line {
        Line::Event { at, .. } => Some(at),
        Line::Action { at, .. } | Line::Deadline { at, .. } => at,
        Line::Subscriptions(_) => None,
    }
}

fn json(line: &Line) -> String {
    serde_json::to_string(line).expect("plain data has a JSON form")
}

fn say(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    writeln!(out, "{text}").map_err(unprintable)
}

fn unprintable(error: io::Error) -> Failure {
    Failure::Run(format!("cannot print: {error}"))
}
