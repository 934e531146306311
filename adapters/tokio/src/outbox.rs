//! What the application sends, until it is written.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use redial::{Instant, OutboxSlot, Overflow, Pushed};
use tokio_tungstenite::tungstenite::Message;

#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) message: Message,
    key: Option<u64>,
}

/// The core's outbox, shared by handles and task.
#[derive(Debug)]
pub(crate) struct Outbox {
    queue: redial::Outbox<Item, Vec<OutboxSlot<Item>>>,
    /// Whether the task was told of what was pushed last.
    told: bool,
    closed: bool,
}

impl Outbox {
    pub(crate) fn new(capacity: usize, time_to_live: Duration, overflow: Overflow) -> Self {
        let slots = std::iter::repeat_with(OutboxSlot::default).take(capacity).collect();
        let queue = redial::Outbox::with_storage(time_to_live, overflow, slots);
        Self { queue, told: false, closed: false }
    }

    /// What became of a message, and whether the task must be told.
    pub(crate) fn push(
        &mut self,
        now: Instant,
        message: Message,
        key: Option<u64>,
    ) -> (Pushed<Message>, bool) {
        if self.closed {
            return (Pushed::Rejected(message), false);
        }
        let item = Item { message, key };
        let pushed = match key {
            Some(_) => self.queue.push_replacing(now, item, |queued| queued.key == key),
            None => self.queue.push(now, item),
        };
        let pushed = match pushed {
            Pushed::Queued => Pushed::Queued,
            Pushed::FellOut { item, fate } => Pushed::FellOut { item: item.message, fate },
            Pushed::Rejected(item) => Pushed::Rejected(item.message),
        };
        (pushed, !std::mem::replace(&mut self.told, true))
    }

    /// The task looks from now on.
    pub(crate) const fn look(&mut self) {
        self.told = false;
    }

    /// Nothing is accepted any more.
    pub(crate) const fn close(&mut self) {
        self.closed = true;
    }
}

impl Deref for Outbox {
    type Target = redial::Outbox<Item, Vec<OutboxSlot<Item>>>;

    fn deref(&self) -> &Self::Target {
        &self.queue
    }
}

impl DerefMut for Outbox {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.queue
    }
}
