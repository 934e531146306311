//! The trace of a client's link.

use std::fmt;
use std::io::{self, Write};

use redial::trace::{Header, Writer};
use redial::{Action, Event, Instant, Link, Policy, Seed, Slot};

pub(crate) type Sink = Box<dyn Write + Send>;

/// Writes down what passes between task and link. Where the sink fails the trace ends, and the
/// client goes on.
pub(crate) struct Recording(Writer<Text>);

impl Recording {
    /// Begins the trace of a link without storage that has done nothing yet.
    pub(crate) fn begin(to: Sink, policy: Policy, seed: Seed) -> Result<Self, io::Error> {
        let text = Text { to, error: None };
        Writer::new(text, &Header { policy, seed, subscriptions: 0 })
            .map(Self)
            .map_err(|text| text.error.unwrap_or_else(|| io::ErrorKind::Other.into()))
    }

    pub(crate) fn event(&mut self, now: Instant, event: &Event, link: &Link<Vec<Slot>>) {
        // The storage grows when a topic is new, which is before the event that tells of it.
        self.written(|trace| trace.subscriptions(link.capacity()));
        self.written(|trace| trace.event(now, event));
    }

    pub(crate) fn action(&mut self, now: Instant, action: &Action) {
        self.written(|trace| trace.action(now, action));
    }

    pub(crate) fn drained(&mut self, now: Instant, link: &Link<Vec<Slot>>) {
        self.written(|trace| trace.drained(now, link.deadline()));
    }

    fn written(&mut self, write: impl FnOnce(&mut Writer<Text>) -> fmt::Result) {
        // The sink has told of it, and the writer writes nothing after it.
        let _ = write(&mut self.0);
    }
}

/// A sink of bytes that takes text.
struct Text {
    to: Sink,
    error: Option<io::Error>,
}

impl fmt::Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.to.write_all(text.as_bytes()).map_err(|error| {
            tracing::warn!(%error, "the trace ends here, for it cannot be written");
            self.error = Some(error);
            fmt::Error
        })
    }
}
