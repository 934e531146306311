//! What the application may ask for while the client runs.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redial::{Counts, Fates, Instant, Pushed, Stats, Status};
use tokio::sync::mpsc::UnboundedSender;
use tokio_tungstenite::tungstenite::Message;

use crate::clock::Clock;
use crate::outbox::Outbox;

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
    Rotate,
    Subscribe(T),
    Unsubscribe(T),
    Resync(T),
    CaughtUp {
        topic: T,
        epoch: u64,
        sequence: u64,
    },
    /// There is something in the outbox.
    Send,
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

    /// Replaces the connection by another. With `rotate` in the policy nothing is missed: the old one
    /// goes once the new one has every topic. Otherwise it is closed first. Without a ready
    /// connection, and while another is being made, nothing happens.
    pub fn rotate(&self) {
        self.wish(Wish::Rotate);
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

    /// The application has all that was said on `topic` up to `sequence` of `epoch` by other means,
    /// such as a snapshot that it asked for after a [`Gap`](crate::ClientEvent::Gap): what was missing
    /// up to there is not missing any more, and what arrives of it is not delivered.
    pub fn caught_up(&self, topic: &T, epoch: u64, sequence: u64)
    where
        T: Clone,
    {
        self.wish(Wish::CaughtUp { topic: topic.clone(), epoch, sequence });
    }

    /// Sends a message, behind what waits already: at once, or when the link is up again
    /// ([`Live`](redial::Phase::Live) or [`Degraded`](redial::Phase::Degraded)). Each accepted
    /// message ends in exactly one way: it is written to a socket; or it falls out of this or a later
    /// `send`, as the answer says; or an [`Unsent`](crate::ClientEvent::Unsent) tells of it.
    ///
    /// Written does not mean received. A message that was only partly written when its connection
    /// broke is written again on the next one, so where twice would be worse than never, let the
    /// message carry an id.
    ///
    /// How many messages wait, for how long, and what happens to one more is
    /// [`Builder::outbox`](crate::Builder::outbox)'s to say. Rejected as well once the client has
    /// ended.
    pub fn send(&self, message: Message) -> Pushed<Message> {
        self.push(message, None)
    }

    /// As [`send`](Self::send), in place of the oldest message still waiting that was sent with the
    /// same key, if there is one: that one falls out. The new one goes to the end of the queue.
    pub fn send_replacing(&self, key: u64, message: Message) -> Pushed<Message> {
        self.push(message, Some(key))
    }

    fn push(&self, message: Message, key: Option<u64>) -> Pushed<Message> {
        let (pushed, wake) = self.shared.outbox().push(self.shared.clock.now(), message, key);
        if wake {
            self.wish(Wish::Send);
        }
        pushed
    }

    /// How many messages ended in which way.
    #[must_use]
    pub fn fates(&self) -> Fates {
        self.shared.outbox().fates()
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
    view: Mutex<View>,
    outbox: Mutex<Outbox>,
}

/// The link as the task last left it.
#[derive(Debug)]
pub(crate) struct View {
    pub(crate) status: Status,
    pub(crate) stats: Stats,
    pub(crate) counts: Counts,
}

impl Shared {
    pub(crate) const fn new(clock: Clock, view: View, outbox: Outbox) -> Self {
        Self { clock, view: Mutex::new(view), outbox: Mutex::new(outbox) }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, View> {
        self.view.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
