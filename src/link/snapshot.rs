//! A link's snapshot, and a link from one.

use core::time::Duration;

use serde::Deserializer;

use super::Link;
use crate::lifecycle::Lifecycle;
use crate::policy::Policy;
use crate::slot::Slot;
use crate::snapshot::{Clock, Reader, Snapshot};
use crate::stats::Stats;
use crate::subscriptions::{Counts, Keys, Subscriptions};
use crate::time::Instant;

impl<S: AsRef<[Slot]> + AsMut<[Slot]>> Link<S> {
    /// What the link remembers, to be stored: the link as it would be after
    /// [`Closed`](crate::Event::Closed) by ourselves of each connection that it holds, the newest
    /// first (P11). The link itself does not change.
    ///
    /// Taken whenever you like. A process that crashes and restarts stays within P1 if each snapshot
    /// is stored before the [`Open`](crate::Action::Open) that was just handed out is carried out.
    ///
    /// Costs what losing the connections costs; serializing it is O(n) in the number of slots.
    pub fn snapshot(&self) -> Snapshot<'_> {
        let Self { policy, lifecycle, subscriptions, storage, .. } = self;
        let (memory, kept) = lifecycle.record(policy, subscriptions.counts_alone());
        let keys = Keys::new(subscriptions, storage.as_ref(), policy, kept, lifecycle.now());
        Snapshot::new(memory, keys)
    }

    /// The link of a snapshot, its clock moved by what has `elapsed` since (P11): unknown counts as
    /// zero, and then every wait lasts longer than it had to, none shorter. It holds no connection:
    /// a socket of the link before is not its own, and is closed by whoever has it. It does not know
    /// what the driver was told, hence reports its state and arms its timer anew.
    ///
    /// `now` may be on a clock with another origin. `elapsed` must not be more than what has really
    /// passed since the latest instant that the link before was given (P1). What the slots held
    /// before is overwritten. Another policy than that of the link before is allowed; what it does
    /// not allow is cut to what it does, as the page on [snapshots](crate::docs::snapshots) says.
    /// Counters begin at zero.
    ///
    /// Feed it events and drain it as a link that has been there all along. A deadline that passed
    /// in the meantime is due at the first event.
    ///
    /// # Errors
    ///
    /// What the deserializer says of text that is none of its format; a snapshot of another version,
    /// one that is damaged, and one with a key outside the storage. The link can then start cold.
    pub fn restore<'de, D: Deserializer<'de>>(
        policy: Policy,
        mut storage: S,
        now: Instant,
        elapsed: Option<Duration>,
        deserializer: D,
    ) -> Result<Self, D::Error> {
        let clock = Clock::new(now, elapsed);
        let reader = Reader::new(storage.as_mut(), &policy, &clock);
        let (lifecycle, subscriptions) = reader.read(deserializer)?;
        Ok(Self { policy, stats: Stats::NONE, lifecycle, subscriptions, storage })
    }
}

impl Lifecycle {
    /// As [`Link::snapshot`], of a link without subscriptions.
    pub fn snapshot(&self, policy: &Policy) -> Snapshot<'_> {
        static NO_KEYS: Subscriptions = Subscriptions::new();
        let (memory, kept) = self.record(policy, Counts::default());
        Snapshot::new(memory, Keys::new(&NO_KEYS, &[], policy, kept, self.now()))
    }

    /// As [`Link::restore`]. There is no storage, hence a snapshot with keys is an error.
    ///
    /// # Errors
    ///
    /// As [`Link::restore`].
    pub fn restore<'de, D: Deserializer<'de>>(
        policy: &Policy,
        now: Instant,
        elapsed: Option<Duration>,
        deserializer: D,
    ) -> Result<Self, D::Error> {
        let clock = Clock::new(now, elapsed);
        let (lifecycle, _) = Reader::new(&mut [], policy, &clock).read(deserializer)?;
        Ok(lifecycle)
    }
}
