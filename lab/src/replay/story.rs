//! A trace in sentences.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;

use redial::trace::Line;
use redial::{
    Action, Closure, ConnId, Continuity, Established, Event, Halted, How, Instant, Millis, Phase,
    Refusal, Request, Session, Status, SubKey, WaitsFor, Why,
};

use super::say;
use crate::Failure;
use crate::output::short;
use crate::words;

/// Tells a trace. Bytes that merely arrive, the timer and the storage are not worth a sentence; what
/// is said of many keys in a row shares one.
#[derive(Default)]
pub(super) struct Story {
    now: Instant,
    /// When each connection was last heard.
    heard: HashMap<ConnId, Instant>,
    /// As last reported: told when it changes.
    continuity: Option<Continuity>,
    /// In the order in which they began; nothing else was told since.
    runs: Vec<Run>,
    told: Vec<String>,
}

/// The same, said of one key after the other.
struct Run {
    first: Instant,
    last: Instant,
    /// `None` for the application.
    conn: Option<ConnId>,
    what: &'static str,
    keys: Vec<SubKey>,
}

impl Story {
    /// Tells the lines to `out`.
    pub(super) fn tell(
        lines: impl Iterator<Item = Line>,
        out: &mut impl Write,
    ) -> Result<(), Failure> {
        let mut story = Self::default();
        for line in lines {
            story.line(line);
            for sentence in story.told.drain(..) {
                say(out, &sentence)?;
            }
        }
        story.end_runs();
        story.told.iter().try_for_each(|sentence| say(out, sentence))
    }

    fn line(&mut self, line: Line) {
        match line {
            Line::Event { at, event } => {
                self.now = at;
                self.event(event);
            }
            Line::Action { at, action } => {
                self.now = at.unwrap_or(self.now);
                self.action(action);
            }
            Line::Deadline { .. } | Line::Subscriptions(_) => {}
        }
    }

    fn note(&mut self, sentence: &str) {
        self.end_runs();
        self.told.push(format!("{}: {sentence}", clock(self.now)));
    }

    fn about(&mut self, conn: ConnId, sentence: &str) {
        self.note(&format!("connection {conn} {sentence}"));
    }

    fn joins(&mut self, conn: ConnId, what: &'static str, request: Request) {
        self.run(Some(conn), what, request.key);
    }

    fn wishes(&mut self, what: &'static str, key: SubKey) {
        self.run(None, what, key);
    }

    fn run(&mut self, conn: Option<ConnId>, what: &'static str, key: SubKey) {
        let now = self.now;
        match self.runs.iter_mut().find(|run| (run.conn, run.what) == (conn, what)) {
            Some(run) => {
                run.keys.push(key);
                run.last = now;
            }
            None => self.runs.push(Run { first: now, last: now, conn, what, keys: vec![key] }),
        }
    }

    fn end_runs(&mut self) {
        self.told.extend(self.runs.drain(..).map(|run| run.to_string()));
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Start => self.note("the application wants the link up"),
            Event::Stop => self.note("the application wants the link down"),
            Event::RetryNow => self.note("the application wants the backoff skipped"),
            Event::Pause => self.note("the application goes to the background"),
            Event::Resume => self.note("the application is back"),
            Event::Rotate => self.note("the application wants another connection"),
            Event::NetworkDown => self.note("the platform says that there is no network"),
            Event::NetworkUp => self.note("the platform says that there is a network"),
            Event::Subscribe { key } => self.wishes("wants", key),
            Event::Unsubscribe { key } => self.wishes("no longer wants", key),
            Event::Resync { key } => self.wishes("found a gap in", key),
            Event::CredentialsReady { ticket, lasts } => {
                let lasts =
                    lasts.map_or(String::new(), |lasts| format!(", good for {}", span(lasts)));
                self.note(&format!("credentials for ticket {ticket} are there{lasts}"));
            }
            Event::CredentialsFailed { ticket, fatal } => {
                let retry = if fatal { ", nor ever" } else { "" };
                self.note(&format!("no credentials for ticket {ticket}{retry}"));
            }
            Event::TimerFired => {}
            other => self.news(other),
        }
    }

    /// What a driver reports of a socket.
    fn news(&mut self, event: Event) {
        match event {
            Event::Opened { conn } => {
                self.hears(conn);
                self.about(conn, "opened");
            }
            Event::Ready { conn, session, resumable } => {
                self.hears(conn);
                let session = match session {
                    Established::Fresh => "a fresh session",
                    Established::Resumed => "the session resumed",
                };
                let resumable = if resumable { ", which can be resumed" } else { "" };
                self.about(conn, &format!("is ready with {session}{resumable}"));
            }
            Event::Received { conn } => self.hears(conn),
            Event::Closed { conn, closure } => self.about(conn, &closed(closure)),
            Event::Negotiated { conn, heartbeat, spread } => {
                self.hears(conn);
                let terms = [("a heartbeat every", heartbeat), ("a return spread over", spread)]
                    .into_iter()
                    .filter_map(|(what, term)| Some(format!("{what} {}", span(term?))))
                    .collect::<Vec<_>>();
                self.about(conn, &format!("is told {}", terms.join(" and ")));
            }
            Event::GoAway { conn, within } => {
                self.hears(conn);
                self.about(conn, &format!("is asked to move within {}", span(within)));
            }
            Event::SessionLost { conn } => {
                self.hears(conn);
                self.about(conn, "is told that its session is lost");
            }
            Event::Acked { conn, request } => {
                self.hears(conn);
                self.joins(conn, "has an ack for", request);
            }
            Event::Refused { conn, request, refusal } => {
                self.hears(conn);
                match refusal {
                    Refusal::Final => self.joins(conn, "has a final refusal for", request),
                    Refusal::Retry(None) => self.joins(conn, "has a refusal for now for", request),
                    Refusal::Retry(Some(delay)) => {
                        let key = request.key;
                        let delay = span(delay);
                        self.about(conn, &format!("has a refusal for {delay} for key {key}"));
                    }
                }
            }
            other => self.note(&format!("{other:?}")),
        }
    }

    fn hears(&mut self, conn: ConnId) {
        self.heard.insert(conn, self.now);
    }

    fn silence(&self, conn: ConnId) -> String {
        self.heard.get(&conn).map_or("silent".to_owned(), |&at| {
            format!("silent for {}", short(self.now.saturating_since(at)))
        })
    }

    fn action(&mut self, action: Action) {
        match action {
            Action::Open { conn, endpoint, session } => {
                let session = match session {
                    Session::Fresh => "a fresh session",
                    Session::Resume => "the session to resume",
                };
                self.about(conn, &format!("is dialled at endpoint {endpoint} for {session}"));
            }
            Action::Close { conn, how, why } => {
                let why = self.why(conn, why);
                let how = match how {
                    How::Graceful => "closed gracefully",
                    How::Abort => "aborted",
                };
                self.about(conn, &format!("{why}, {how}"));
            }
            Action::RefreshCredentials { ticket } => {
                self.note(&format!("credentials are asked for, ticket {ticket}"));
            }
            Action::Ping { conn } => {
                let silence = self.silence(conn);
                self.about(conn, &format!("{silence}, pinged"));
            }
            Action::Subscribe { conn, request } => self.joins(conn, "subscribes", request),
            Action::Unsubscribe { conn, request } => self.joins(conn, "unsubscribes", request),
            Action::Report(status) => self.status(status),
            Action::ArmTimer { .. } | Action::DisarmTimer => {}
        }
    }

    fn why(&self, conn: ConnId, why: Why) -> String {
        let why = match why {
            Why::Stop => "is not wanted any more",
            Why::OpenTimeout => "did not open in time",
            Why::ReadyTimeout => "did not become ready in time",
            Why::Silent => return self.silence(conn),
            Why::Network => "is without a network",
            Why::Moved => "is replaced",
            Why::SessionLost => "lost its session",
            Why::Degraded => "has a key that is given up for now",
            Why::Stale => "opened after it was given up",
            other => return format!("{other:?}"),
        };
        why.to_owned()
    }

    fn status(&mut self, status: Status) {
        let news = status.continuity != std::mem::replace(&mut self.continuity, status.continuity);
        let Some(mut sentence) = phase(&status) else { return };
        if news {
            sentence.push_str(&continuity(&status));
        }
        if status.rotating {
            sentence.push_str(", and a successor is made");
        }
        self.note(&format!("the link {sentence}"));
    }
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, last) = (clock(self.first), clock(self.last));
        match self.conn {
            Some(conn) => write!(f, "{first}: connection {conn}")?,
            None => write!(f, "{first}: the application")?,
        }
        write!(f, " {} {}", self.what, list(&self.keys))?;
        if first == last { Ok(()) } else { write!(f, ", until {last}") }
    }
}

/// `None` for a phase that the sentence before has told.
fn phase(status: &Status) -> Option<String> {
    let attempt =
        status.attempt.map_or(String::new(), |attempt| format!(" with attempt {attempt}"));
    Some(match status.phase {
        Phase::Opening | Phase::Greeting => return None,
        Phase::Idle => "is idle".to_owned(),
        Phase::Waiting => {
            let until = status.until.map_or(String::new(), |at| format!(" until {}", clock(at)));
            let slowly = if status.suspended { ", at the slower cadence" } else { "" };
            format!("waits for {}{until}{attempt}{slowly}", waits_for(status.waits_for))
        }
        Phase::Refreshing => format!("waits for credentials{attempt}"),
        Phase::Restoring => "restores its subscriptions".to_owned(),
        Phase::Live => "is live".to_owned(),
        Phase::Degraded => "is degraded, for a key is given up for now".to_owned(),
        Phase::Closing => "is closing".to_owned(),
        Phase::Halted => format!("halts: {}", halted(status.halted)),
        other => format!("is {other:?}"),
    })
}

fn continuity(status: &Status) -> String {
    match status.continuity {
        Some(Continuity::Lost) => format!(", something may be missed, loss {}", status.losses),
        Some(Continuity::Resumed) => ", resumed without a loss".to_owned(),
        Some(Continuity::Overlapped) => ", moved without a loss".to_owned(),
        Some(_) | None => String::new(),
    }
}

fn waits_for(waits_for: Option<WaitsFor>) -> &'static str {
    match waits_for {
        Some(WaitsFor::Backoff) => "the backoff",
        Some(WaitsFor::Floor) => "the server",
        Some(WaitsFor::Limit) => "the attempt limit",
        Some(WaitsFor::SessionLimit) => "the limit of fresh sessions",
        Some(WaitsFor::Network) => "a network",
        Some(WaitsFor::Pause) => "the end of the pause",
        Some(_) | None => "something",
    }
}

fn halted(halted: Option<Halted>) -> &'static str {
    match halted {
        Some(Halted::Fatal) => "a closure forbids to retry",
        Some(Halted::Unauthorized) => "there are no credentials that the server accepts",
        Some(Halted::Exhausted) => "the policy gives up",
        Some(_) | None => "for good",
    }
}

fn closed(closure: Closure) -> String {
    let asks = closure
        .retry_after
        .map_or(String::new(), |wait| format!(", which asks for {}", span(wait)));
    let says = closure
        .verdict
        .map_or(String::new(), |verdict| format!(", which means {}", words::name(verdict)));
    format!("ended: {}{asks}{says}", words::closed(closure.by, closure.fact))
}

fn span(span: Millis) -> String {
    short(span.as_duration())
}

fn clock(at: Instant) -> String {
    let millis = at.as_nanos() / 1_000_000;
    format!("{}.{:03}s", millis / 1_000, millis % 1_000)
}

/// `key 3`, or `5 keys: 0 to 3, 7`.
fn list(keys: &[SubKey]) -> String {
    if let [key] = keys {
        return format!("key {key}");
    }
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for key in keys.iter().map(|key| key.get()) {
        match ranges.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(key) => *last = key,
            _ => ranges.push((key, key)),
        }
    }
    let ranges: Vec<_> = ranges
        .into_iter()
        .map(
            |(first, last)| {
                if first == last { first.to_string() } else { format!("{first} to {last}") }
            },
        )
        .collect();
    format!("{} keys: {}", keys.len(), ranges.join(", "))
}
