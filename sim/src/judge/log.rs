//! The last that the judge saw, kept as it came and spelled out only when asked for.

use std::collections::VecDeque;

use redial::{Action, Event, Instant, Phase};

/// A ring of the last entries.
#[derive(Clone, Debug, Default)]
pub(super) struct Log(VecDeque<(Instant, Entry)>);

#[derive(Clone, Copy, Debug)]
pub(super) enum Entry {
    /// And whether it was accepted.
    Event(Event, bool),
    Action(Action),
    Drained(Phase, Option<Instant>),
}

impl Log {
    pub(super) fn note(&mut self, now: Instant, entry: Entry) {
        if self.0.len() == ENTRIES {
            self.0.pop_front();
        }
        self.0.push_back((now, entry));
    }

    pub(super) fn lines(&self) -> impl Iterator<Item = String> {
        self.0.iter().map(|(now, entry)| match entry {
            Entry::Event(event, true) => format!("{now} {event:?}"),
            Entry::Event(event, false) => format!("{now} {event:?} misuse"),
            Entry::Action(action) => format!("{now}   -> {action:?}"),
            Entry::Drained(phase, deadline) => format!("{now}   drained, {phase:?}, {deadline:?}"),
        })
    }
}

const ENTRIES: usize = 60;
