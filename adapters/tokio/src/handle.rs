//! What the application may ask for while the client runs.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redial::{ConnId, Counts, Instant, Stats, Status};
use tokio::sync::mpsc::UnboundedSender;
use tokio_tungstenite::tungstenite::Message;

use crate::clock::Clock;

/// Steers a client. Clones steer the same one.
///
/// No method waits and none fails for being called too early or twice: each says what is wished,
/// the client's task takes it up, and what comes of it is in the [`Events`](crate::Events). Once
/// that stream is dropped they have no effect.
pub struct Handle<T> {
    wishes: UnboundedSender<Wish<T>>,
    shared: Arc<Shared>,
}

/// A wish on its way to the task.
pub(crate) enum Wish<T> {
    Start,
    Stop,
    RetryNow,
    Pause,
    Resume,
    NetworkDown,
    NetworkUp,
    Subscribe(T),
    Unsubscribe(T),
    Resync(T),
    Send { conn: ConnId, message: Message, place: Place },
}

/// Why a message was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotReady {
    /// No connection is ready.
    #[error("no connection is ready")]
    NotConnected,
    /// A thousand messages wait already, because the peer does not read.
    #[error("too many messages wait to be sent")]
    Full,
}

impl<T> Handle<T> {
    pub(crate) const fn new(wishes: UnboundedSender<Wish<T>>, shared: Arc<Shared>) -> Self {
        Self { wishes, shared }
    }

    /// Wants the link up again after [`stop`](Self::stop), or after it halted.
    pub fn start(&self) {
        self.wish(Wish::Start);
    }

    /// Wants the link down: an open connection is closed with code 1000.
    pub fn stop(&self) {
        self.wish(Wish::Stop);
    }

    /// Skips what is left of the current backoff, never a limit or a wait that the server asked for.
    pub fn retry_now(&self) {
        self.wish(Wish::RetryNow);
    }

    /// The application is in the background: nothing is dialled until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.wish(Wish::Pause);
    }

    /// The application is back.
    pub fn resume(&self) {
        self.wish(Wish::Resume);
    }

    /// The platform says that there is no network.
    pub fn network_down(&self) {
        self.wish(Wish::NetworkDown);
    }

    /// The platform says that there is a network, or another one.
    pub fn network_up(&self) {
        self.wish(Wish::NetworkUp);
    }

    /// Wants a topic, on this and all later connections.
    pub fn subscribe(&self, topic: T) {
        self.wish(Wish::Subscribe(topic));
    }

    /// Asks for a topic again, as when a gap was found in its data. Lifts a final refusal. Nothing
    /// happens if the topic is not wanted.
    pub fn resync(&self, topic: &T)
    where
        T: Clone,
    {
        self.wish(Wish::Resync(topic.clone()));
    }

    /// Wants a topic no more.
    pub fn unsubscribe(&self, topic: &T)
    where
        T: Clone,
    {
        self.wish(Wish::Unsubscribe(topic.clone()));
    }

    /// Sends a message on the connection that is ready now, behind what waits already. It is sent at
    /// most once: if the connection breaks before, the message is gone.
    ///
    /// # Errors
    ///
    /// [`NotReady`] if there is no such connection or too much waits already.
    pub fn send(&self, message: Message) -> Result<(), NotReady> {
        let conn = self.shared.lock().ready.ok_or(NotReady::NotConnected)?;
        let place = Place::take(&self.shared).ok_or(NotReady::Full)?;
        self.wishes
            .send(Wish::Send { conn, message, place })
            .map_err(|_gone| NotReady::NotConnected)
    }

    /// The latest status, possibly later than what [`Events`](crate::Events) have told.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.lock().status
    }

    /// Counters and time sums.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.lock().stats
    }

    /// How many subscriptions are in which state.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.shared.lock().counts
    }

    /// Now, on the clock of [`Status::until`]: nanoseconds since the client was made.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.shared.clock.now()
    }

    fn wish(&self, wish: Wish<T>) {
        // Without a task there is nobody whose state the wish could change.
        let _ = self.wishes.send(wish);
    }
}

impl<T> Clone for Handle<T> {
    fn clone(&self) -> Self {
        Self { wishes: self.wishes.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("status", &self.status()).finish_non_exhaustive()
    }
}

/// What task and handles share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    snapshot: Mutex<Snapshot>,
    /// Messages of the application that were accepted and neither sent nor dropped.
    waiting: AtomicUsize,
}

/// The link as the task last left it.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) status: Status,
    pub(crate) stats: Stats,
    pub(crate) counts: Counts,
    /// The connection that the application may send on.
    pub(crate) ready: Option<ConnId>,
}

impl Shared {
    pub(crate) fn new(clock: Clock, snapshot: Snapshot) -> Self {
        Self { clock, snapshot: Mutex::new(snapshot), waiting: AtomicUsize::new(0) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Snapshot> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Room for one message of the application, until it is dropped.
pub(crate) struct Place(Arc<Shared>);

impl Place {
    fn take(shared: &Arc<Shared>) -> Option<Self> {
        let more = |waiting| (waiting < PLACES).then_some(waiting + 1);
        let taken = shared.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        taken.ok().map(|_| Self(Arc::clone(shared)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

const PLACES: usize = 1000;
