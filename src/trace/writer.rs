//! Writing lines, to anything that takes text.

use core::fmt;

use serde::Serialize;

use super::{Header, Line};
use crate::action::Action;
use crate::event::Event;
use crate::time::Instant;

/// Writes a trace line by line, each with one `write_str` and without an allocation. For a driver
/// that keeps its link to itself; [`Recorder`](super::Recorder) does the same around a link.
///
/// After a failed write nothing more is written, and every further call fails: a trace with a hole
/// would not replay.
#[derive(Clone, Debug)]
pub struct Writer<W> {
    to: W,
    whole: bool,
    /// The instant of the last event.
    at: Instant,
    /// Whether anything came after the last deadline line.
    open: bool,
    slots: u32,
}

impl<W: fmt::Write> Writer<W> {
    /// Begins a trace of a link that was made of `header` and has done nothing yet.
    ///
    /// # Errors
    ///
    /// Gives `to` back if the header cannot be written.
    pub fn new(to: W, header: &Header) -> Result<Self, W> {
        let slots = header.subscriptions;
        let mut writer = Self { to, whole: true, at: Instant::ZERO, open: false, slots };
        match writer.write::<HEADER_MAX>(header) {
            Ok(()) => Ok(writer),
            Err(fmt::Error) => Err(writer.to),
        }
    }

    /// `event` was handled at `at`. Misuse is not an event of the trace, for it changes nothing.
    ///
    /// # Errors
    ///
    /// If the line, or one before it, cannot be written.
    pub fn event(&mut self, at: Instant, event: &Event) -> fmt::Result {
        (self.at, self.open) = (at, true);
        self.line(&Line::Event { at, event: *event })
    }

    /// `action` was handed out by a poll at `at`.
    ///
    /// # Errors
    ///
    /// If the line, or one before it, cannot be written.
    pub fn action(&mut self, at: Instant, action: &Action) -> fmt::Result {
        self.open = true;
        self.line(&Line::Action { at: self.apart(at), action: *action })
    }

    /// A poll at `at` gave nothing, and `deadline` is the link's deadline. A second call with
    /// nothing in between writes nothing.
    ///
    /// # Errors
    ///
    /// If the line, or one before it, cannot be written.
    pub fn drained(&mut self, at: Instant, deadline: Option<Instant>) -> fmt::Result {
        if !core::mem::take(&mut self.open) {
            return self.so_far();
        }
        self.line(&Line::Deadline { at: self.apart(at), deadline })
    }

    /// The storage has so many slots. If it had as many before, nothing is written.
    ///
    /// # Errors
    ///
    /// If the line, or one before it, cannot be written.
    pub fn subscriptions(&mut self, slots: u32) -> fmt::Result {
        if slots == self.slots {
            return self.so_far();
        }
        self.slots = slots;
        self.line(&Line::Subscriptions(slots))
    }

    /// Whether everything so far was written.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.whole
    }

    /// What the trace was written to.
    #[must_use]
    pub fn into_inner(self) -> W {
        self.to
    }

    fn apart(&self, at: Instant) -> Option<Instant> {
        (at != self.at).then_some(at)
    }

    fn so_far(&self) -> fmt::Result {
        if self.whole { Ok(()) } else { Err(fmt::Error) }
    }

    fn line(&mut self, line: &Line) -> fmt::Result {
        self.write::<LINE_MAX>(line)
    }

    fn write<const MAX: usize>(&mut self, record: &impl Serialize) -> fmt::Result {
        self.so_far()?;
        let written = write_line::<MAX>(&mut self.to, record);
        self.whole = written.is_ok();
        written
    }
}

/// Writes `record` and a line feed at once.
fn write_line<const MAX: usize>(to: &mut impl fmt::Write, record: &impl Serialize) -> fmt::Result {
    let mut buffer = [b'\n'; MAX];
    let room = buffer.len().saturating_sub(1);
    let (body, _line_feed) = buffer.split_at_mut(room);
    let length = serde_json_core::to_slice(record, body).map_err(|_| fmt::Error)?;
    // The rest of the buffer is line feeds still.
    let line = buffer.get(..=length).and_then(|line| core::str::from_utf8(line).ok());
    to.write_str(line.ok_or(fmt::Error)?)
}

/// Writes one line, with its line feed.
pub(super) fn write_plain(to: &mut impl fmt::Write, line: &Line) -> fmt::Result {
    write_line::<LINE_MAX>(to, line)
}

/// More than the longest line takes: a report with every field at its longest.
const LINE_MAX: usize = 640;

/// More than the longest header takes: sixteen rules and a table of sixteen steps.
const HEADER_MAX: usize = 5 * 1024;

#[cfg(test)]
mod tests {
    extern crate std;

    use core::num::NonZeroU32;
    use core::time::Duration;
    use std::string::String;

    use super::*;
    use crate::policy::{JitterKind, Policy};
    use crate::verdict::{Rule, Verdict};
    use crate::*;

    const NEVER: Instant = Instant::MAX;

    /// Odd, so that no shorter unit divides it.
    const LONG: Duration = Duration::from_nanos(10 * 365 * 24 * 3_600 * 1_000_000_000 - 1);

    fn length(line: &Line) -> usize {
        let mut text = String::new();
        write_plain(&mut text, line).unwrap();
        text.len()
    }

    #[test]
    fn the_longest_lines_fit() {
        let status = Status {
            phase: Phase::Refreshing,
            attempt: NonZeroU32::new(u32::MAX),
            cause: Some(Cause::Closed { by: By::Unknown, fact: Fact::Io(IoKind::Protocol) }),
            waits_for: Some(WaitsFor::SessionLimit),
            until: Some(NEVER),
            continuity: Some(Continuity::Overlapped),
            losses: u32::MAX,
            halted: Some(Halted::Unauthorized),
            rotating: true,
            suspended: true,
        };
        let report = Line::Action { at: Some(NEVER), action: Action::Report(status) };
        let wait = Millis::new(u32::MAX);
        let closure = Closure {
            by: By::Unknown,
            fact: Fact::Io(IoKind::Protocol),
            retry_after: Some(wait),
            verdict: Some(Verdict::RetryWithin { from: wait, to: wait }),
        };
        let event = Event::Closed { conn: ConnId::new(u64::MAX), closure };
        let closed = Line::Event { at: NEVER, event };
        for line in [report, closed] {
            assert!(length(&line) * 3 / 2 < LINE_MAX, "{line:?} takes {}", length(&line));
        }
    }

    #[test]
    fn the_longest_header_fits() {
        let within =
            Verdict::RetryWithin { from: Millis::new(u32::MAX - 1), to: Millis::new(u32::MAX) };
        let limit = Limit::new(u32::MAX, Duration::from_nanos(700_000_001));
        let mut builder = Policy::builder()
            .retry(Duration::from_nanos(1_000_001), LONG)
            .growth_table(&[LONG; 16])
            .jitter(JitterKind::Proportional { percent: 100 })
            .attempts(limit)
            .attempts_long(Some(Limit::new(300_000, Duration::from_nanos(9_999_999_999_999))))
            .fresh_sessions(&[limit; 2])
            .pace(Some(limit))
            .spread(Some(LONG))
            .give_up_outage(Some(LONG))
            .rotate(Some(Rotation::new(LONG, LONG, LONG)))
            .suspend(Some(Suspension::new(LONG, LONG - Duration::from_nanos(2), LONG)));
        for _ in 0..16 {
            builder = builder.rule(Rule::code(1000, 4999, within));
        }
        let header = Header {
            policy: builder.build().unwrap(),
            seed: Seed::from_u64(u64::MAX),
            subscriptions: u32::MAX,
        };
        let text = Writer::new(String::new(), &header).unwrap().into_inner();
        // Some thirty durations more could be spelled out like these.
        assert!(text.len() + 30 * 24 < HEADER_MAX, "{} bytes", text.len());
    }

    #[test]
    fn nothing_is_written_after_a_failure() {
        /// Takes so many lines, then one fails.
        #[derive(Debug)]
        struct Tight(usize);
        impl fmt::Write for Tight {
            fn write_str(&mut self, _: &str) -> fmt::Result {
                self.0 = self.0.checked_sub(1).ok_or(fmt::Error)?;
                Ok(())
            }
        }
        let header = Header { policy: Policy::new(), seed: Seed::from_u64(1), subscriptions: 0 };
        assert!(Writer::new(Tight(0), &header).is_err());
        let mut writer = Writer::new(Tight(2), &header).unwrap();
        writer.event(Instant::ZERO, &Event::Start).unwrap();
        writer.event(Instant::ZERO, &Event::Stop).unwrap_err();
        assert!(!writer.is_whole());
        writer.to.0 = 9;
        writer.drained(Instant::ZERO, None).unwrap_err();
        writer.subscriptions(0).unwrap_err();
        assert_eq!(writer.into_inner().0, 9);
    }
}
