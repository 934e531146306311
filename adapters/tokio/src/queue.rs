//! The bounded way from the client's task to the application.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use redial::Status;

use crate::events::ClientEvent;

/// A queue for about `limit` events.
///
/// What comes from the peer finds room or is not read. A status cannot wait to be read, so it goes
/// beyond the limit, but takes the place of one that nobody has seen: at most one status and one
/// loss stand beyond it. So do unsent messages, as many as the outbox holds, and the gaps of a
/// rotation, as many as there are topics.
pub(crate) fn queue<T, D>(limit: usize) -> (Producer<T, D>, Consumer<T, D>) {
    let shared = Arc::new(Shared(Mutex::new(State {
        events: VecDeque::new(),
        limit: limit.max(1),
        consumer: None,
        producer: None,
        consumer_gone: false,
        producer_gone: false,
    })));
    (Producer(Arc::clone(&shared)), Consumer(shared))
}

pub(crate) struct Producer<T, D>(Arc<Shared<T, D>>);

pub(crate) struct Consumer<T, D>(Arc<Shared<T, D>>);

struct Shared<T, D>(Mutex<State<T, D>>);

struct State<T, D> {
    events: VecDeque<ClientEvent<T, D>>,
    limit: usize,
    consumer: Option<Waker>,
    producer: Option<Waker>,
    consumer_gone: bool,
    producer_gone: bool,
}

impl<T, D> Shared<T, D> {
    fn lock(&self) -> MutexGuard<'_, State<T, D>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the application takes more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Room {
    /// So many events.
    For(usize),
    /// The application is gone.
    Gone,
}

impl<T, D> Producer<T, D> {
    /// How much room there is; without any, the task is woken when there is some, and in any case
    /// when the application goes.
    pub(crate) fn poll_room(&self, cx: &Context<'_>) -> Room {
        let mut state = self.0.lock();
        if state.consumer_gone {
            return Room::Gone;
        }
        match &mut state.producer {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        Room::For(state.limit.saturating_sub(state.events.len()))
    }

    pub(crate) fn push(&self, event: ClientEvent<T, D>) {
        let mut state = self.0.lock();
        state.events.push_back(event);
        wake(state);
    }

    /// Tells a status in place of an unseen one; `lost` tells a loss first, likewise.
    pub(crate) fn push_status(&self, status: Status, lost: bool) {
        let mut state = self.0.lock();
        let events = &mut state.events;
        if matches!(events.back(), Some(ClientEvent::Status(_))) {
            events.pop_back();
        }
        if lost {
            if matches!(events.back(), Some(ClientEvent::Lost { .. })) {
                events.pop_back();
            }
            events.push_back(ClientEvent::Lost { losses: status.losses });
        }
        events.push_back(ClientEvent::Status(status));
        wake(state);
    }
}

impl<T, D> Drop for Producer<T, D> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.producer_gone = true;
        wake(state);
    }
}

impl<T, D> Consumer<T, D> {
    pub(crate) fn poll_next(&self, cx: &Context<'_>) -> Poll<Option<ClientEvent<T, D>>> {
        let mut state = self.0.lock();
        let was_full = state.events.len() >= state.limit;
        let Some(event) = state.events.pop_front() else {
            if state.producer_gone {
                return Poll::Ready(None);
            }
            state.consumer = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let producer = was_full.then(|| state.producer.take()).flatten();
        drop(state);
        if let Some(producer) = producer {
            producer.wake();
        }
        Poll::Ready(Some(event))
    }
}

impl<T, D> Drop for Consumer<T, D> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.consumer_gone = true;
        let unread = std::mem::take(&mut state.events);
        let producer = state.producer.take();
        drop(state);
        if let Some(producer) = producer {
            producer.wake();
        }
        drop(unread);
    }
}

/// Wakes the application, outside the lock.
fn wake<T, D>(mut state: MutexGuard<'_, State<T, D>>) {
    let consumer = state.consumer.take();
    drop(state);
    if let Some(consumer) = consumer {
        consumer.wake();
    }
}
