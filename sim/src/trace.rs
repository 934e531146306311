//! What went into a link and what came out of it.

use core::fmt;

use redial::trace::{Header, Writer};
use redial::{Action, Event, Instant};

/// What went into a link and what came out of it, from its making on. Displayed it is a trace: JSON
/// Lines, which `redial-lab replay` reads.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Trace {
    header: Header,
    calls: Vec<Call>,
}

/// One call of a link, and what it gave.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Call {
    /// And whether it was accepted.
    Event(Instant, Event, bool),
    Action(Instant, Action),
    /// A poll gave nothing; the link's deadline then.
    Drained(Instant, Option<Instant>),
}

impl Trace {
    pub(crate) const fn new(header: Header) -> Self {
        Self { header, calls: vec![] }
    }

    pub(crate) fn push(&mut self, call: Call) {
        self.calls.push(call);
    }

    /// What the link was made of: policy, seed, and how many keys it has room for.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    pub(crate) fn calls(&self) -> &[Call] {
        &self.calls
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut writer = Writer::new(f, &self.header).map_err(|_| fmt::Error)?;
        self.calls.iter().try_for_each(|call| match call {
            Call::Event(at, event, true) => writer.event(*at, event),
            // The format leaves misuse out: it changes nothing.
            Call::Event(_, _, false) => Ok(()),
            Call::Action(at, action) => writer.action(*at, action),
            Call::Drained(at, deadline) => writer.drained(*at, *deadline),
        })
    }
}
