//! A trace against this core.

use super::{Header, Line};
use crate::action::Action;
use crate::event::Misuse;
use crate::link::Link;
use crate::slot::Slot;
use crate::status::Status;
use crate::time::Instant;

/// Feeds a trace to a new link and compares what comes out: polls are made where, and at the
/// instants at which, they were made when the trace was written. See
/// [`Recorder`](super::Recorder) for an example.
#[derive(Clone, Debug)]
pub struct Replay<S, F> {
    link: Link<S>,
    lend: F,
    /// The instant of the last event.
    at: Instant,
    before: (Status, Option<Instant>),
}

/// Where a trace and this core part.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Difference {
    /// The core refuses the event.
    #[error("the event is misuse: {0}")]
    Misuse(#[from] Misuse),
    /// The core hands out something else.
    #[error("the trace has {recorded:?}, the core gives {given:?}")]
    Action {
        /// The action of the trace; `None` where its drain ended.
        recorded: Option<Action>,
        /// The action of the core; `None` where it has none.
        given: Option<Action>,
    },
    /// The core has another deadline after the drain.
    #[error("the trace has the deadline {recorded:?}, the core {given:?}")]
    Deadline {
        /// The deadline of the trace.
        recorded: Option<Instant>,
        /// The deadline of the core.
        given: Option<Instant>,
    },
    /// The storage that was lent is smaller than the one before.
    #[error("the storage does not grow to {slots} slots")]
    Storage {
        /// How many slots were asked for.
        slots: u32,
    },
}

impl<S: AsRef<[Slot]> + AsMut<[Slot]>, F: FnMut(u32) -> S> Replay<S, F> {
    /// A link as the header describes it. `lend` gives storage of at least so many slots, now and
    /// whenever the trace replaced its own.
    pub fn new(header: &Header, mut lend: F) -> Self {
        let storage = lend(header.subscriptions);
        let link = Link::with_storage(header.policy, header.seed, storage);
        let before = (link.status(), link.deadline());
        Self { link, lend, at: Instant::ZERO, before }
    }

    /// The next line of the trace.
    ///
    /// # Errors
    ///
    /// [`Difference`] if the core does not do what the line says. The replay is then over: what
    /// follows would differ, too.
    pub fn check(&mut self, line: &Line) -> Result<(), Difference> {
        self.before = (self.link.status(), self.link.deadline());
        match *line {
            Line::Event { at, event } => {
                self.link.handle(at, event)?;
                self.at = at;
                Ok(())
            }
            Line::Action { at, action } => self.check_action(at, Some(action)),
            Line::Deadline { at, deadline: recorded } => {
                self.check_action(at, None)?;
                let given = self.link.deadline();
                if given == recorded {
                    Ok(())
                } else {
                    Err(Difference::Deadline { recorded, given })
                }
            }
            Line::Subscriptions(slots) => {
                let larger = (self.lend)(slots);
                let replaced = self.link.replace_storage(larger);
                replaced.map(|_old| ()).map_err(|_smaller| Difference::Storage { slots })
            }
        }
    }

    /// The link as the trace has left it.
    #[must_use]
    pub const fn link(&self) -> &Link<S> {
        &self.link
    }

    /// Status and deadline of the link before the last line that was checked.
    #[must_use]
    pub const fn before(&self) -> (Status, Option<Instant>) {
        self.before
    }

    fn check_action(
        &mut self,
        at: Option<Instant>,
        recorded: Option<Action>,
    ) -> Result<(), Difference> {
        let given = self.link.poll_action(at.unwrap_or(self.at));
        if given == recorded { Ok(()) } else { Err(Difference::Action { recorded, given }) }
    }
}
