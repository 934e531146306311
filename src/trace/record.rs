//! A link that writes down what happens to it.

use core::fmt;

use super::{Header, Writer};
use crate::action::Action;
use crate::event::{Event, Misuse};
use crate::link::Link;
use crate::policy::Policy;
use crate::seed::Seed;
use crate::slot::Slot;
use crate::time::Instant;

/// A [`Link`] that writes its trace: use it in the link's place. The trace holds policy and seed,
/// so it replays by itself.
///
/// A sink that fails ends the trace and not the link: see [`is_whole`](Self::is_whole).
///
/// ```
/// use redial::trace::{Header, Recorder, Replay};
/// use redial::{Event, Instant, Policy, Seed, Slot};
///
/// let slots = vec![Slot::EMPTY; 16];
/// let mut link = Recorder::new(Policy::new(), Seed::from_u64(7), slots, String::new())?;
/// link.handle(Instant::ZERO, Event::Start)?;
/// while let Some(_action) = link.poll_action(Instant::ZERO) {}
/// let (_, trace) = link.into_inner();
///
/// let mut lines = trace.lines();
/// let header: Header = serde_json::from_str(lines.next().unwrap_or_default())?;
/// let mut replay = Replay::new(&header, |slots| vec![Slot::EMPTY; slots as usize]);
/// for line in lines {
///     replay.check(&serde_json::from_str(line)?)?;
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recorder<W, S = [Slot; 0]> {
    link: Link<S>,
    writer: Writer<W>,
}

impl<W: fmt::Write, S: AsRef<[Slot]> + AsMut<[Slot]>> Recorder<W, S> {
    /// A link that is not wanted yet, as [`Link::with_storage`] makes it, and its trace in `to`.
    ///
    /// # Errors
    ///
    /// Gives `to` back if the trace's header cannot be written.
    pub fn new(policy: Policy, seed: Seed, storage: S, to: W) -> Result<Self, W> {
        let link = Link::with_storage(policy, seed, storage);
        let header = Header { policy, seed, subscriptions: link.capacity() };
        Ok(Self { link, writer: Writer::new(to, &header)? })
    }

    /// As [`Link::handle`].
    ///
    /// # Errors
    ///
    /// [`Misuse`], and then nothing has changed, nor is anything written.
    pub fn handle(&mut self, now: Instant, event: Event) -> Result<(), Misuse> {
        self.link.handle(now, event)?;
        self.told(|writer| writer.event(now, &event));
        Ok(())
    }

    /// As [`Link::poll_action`].
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        let action = self.link.poll_action(now);
        let deadline = self.link.deadline();
        self.told(|writer| match &action {
            Some(action) => writer.action(now, action),
            None => writer.drained(now, deadline),
        });
        action
    }

    /// As [`Link::deadline`].
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.link.deadline()
    }

    /// As [`Link::replace_storage`].
    ///
    /// # Errors
    ///
    /// Gives `larger` back if it is smaller than the present storage; nothing has changed then.
    pub fn replace_storage(&mut self, larger: S) -> Result<S, S> {
        let old = self.link.replace_storage(larger)?;
        let slots = self.link.capacity();
        self.told(|writer| writer.subscriptions(slots));
        Ok(old)
    }

    /// The link, for its getters.
    #[must_use]
    pub const fn link(&self) -> &Link<S> {
        &self.link
    }

    /// Whether all of the trace was written. False after the sink failed once; nothing was written
    /// after that.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        self.writer.is_whole()
    }

    /// The link, which goes on unrecorded, and what the trace was written to.
    #[must_use]
    pub fn into_inner(self) -> (Link<S>, W) {
        (self.link, self.writer.into_inner())
    }

    fn told(&mut self, write: impl FnOnce(&mut Writer<W>) -> fmt::Result) {
        // The writer remembers a failure; the link goes on without a trace.
        let _ = write(&mut self.writer);
    }
}
