//! What a client remembers over restarts of its process.

use std::fmt;
use std::hash::Hash;
use std::time::Duration;

use redial::{Instant, Link, Policy, Slot};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::topics::Topics;

/// Stores what a client remembers, and gives it back to the next one: how often it may still dial,
/// whom it must leave alone and for how long, whether there is a session to resume, and which topics
/// are wanted. For [`Builder::connect_with_snapshots`](crate::Builder::connect_with_snapshots).
///
/// A process that crashes and restarts in a loop then dials no more often than one that runs on. What
/// the protocol remembers, such as a session's id, is the protocol's to store; numbered data begin
/// anew, as nothing is known of what came meanwhile.
pub struct Snapshots<T> {
    pub(crate) save: Save<T>,
    stored: Option<Stored<T>>,
}

pub(crate) type Save<T> = Box<dyn FnMut(&Link<Vec<Slot>>, &Topics<T>) + Send>;

/// What was stored, and how long ago.
struct Stored<T> {
    topics: Topics<T>,
    link: Box<RawValue>,
    elapsed: Option<Duration>,
}

/// Link and topics as they were stored.
pub(crate) struct Restored<T> {
    pub(crate) link: Link<Vec<Slot>>,
    pub(crate) topics: Topics<T>,
}

/// A stored text cannot be used: it is damaged, or of another version. The client can start without
/// it, as on the first day.
#[derive(Debug, thiserror::Error)]
#[error("the snapshot cannot be restored")]
pub struct SnapshotError(#[from] serde_json::Error);

/// The text: the topics by their keys, whether each is wanted, and the link.
#[derive(Serialize, Deserialize)]
struct Text<T, L> {
    topics: Vec<(T, bool)>,
    link: L,
}

impl<T> Snapshots<T>
where
    T: Clone + Eq + Hash + Serialize + DeserializeOwned + Send + Sync + 'static,
{
    /// Calls `save` with a text of JSON before each attempt is dialled, and when the client ends.
    ///
    /// It runs in the client's task and takes its time; that a restarting process dials no more often
    /// than allowed holds if the text is stored when it returns. It has about 20 bytes for each
    /// topic, besides the topic itself.
    pub fn new(mut save: impl FnMut(&str) + Send + 'static) -> Self {
        let save = move |link: &Link<Vec<Slot>>, topics: &Topics<T>| {
            let topics = topics.list().map(|(topic, wanted)| (topic.clone(), wanted)).collect();
            match serde_json::to_string(&Text { topics, link: link.snapshot() }) {
                Ok(text) => save(&text),
                Err(error) => crate::log::no_snapshot(&error),
            }
        };
        Self { save: Box::new(save), stored: None }
    }

    /// Goes on from the text that was stored last. `elapsed` is how long ago that was: at most what
    /// has really passed, and `None` where nobody knows, which waits longer than it had to and never
    /// shorter.
    ///
    /// # Errors
    ///
    /// [`SnapshotError`] where it is no such text. One that is damaged inside is found when the client
    /// is started.
    pub fn restore(mut self, text: &str, elapsed: Option<Duration>) -> Result<Self, SnapshotError> {
        let Text { topics, link } = serde_json::from_str::<Text<T, Box<RawValue>>>(text)?;
        let topics = Topics::from_list(topics).ok_or_else(twice)?;
        self.stored = Some(Stored { topics, link, elapsed });
        Ok(self)
    }
}

fn twice() -> serde_json::Error {
    serde::de::Error::custom("a topic stands there twice")
}

impl<T: Clone + Eq + Hash> Snapshots<T> {
    /// What was stored, if anything was.
    pub(crate) fn take(
        &mut self,
        policy: Policy,
        now: Instant,
    ) -> Result<Option<Restored<T>>, SnapshotError> {
        let Some(Stored { topics, link, elapsed }) = self.stored.take() else { return Ok(None) };
        let storage = vec![Slot::EMPTY; topics.len()];
        let mut text = serde_json::Deserializer::from_str(link.get());
        let link = Link::restore(policy, storage, now, elapsed, &mut text)?;
        Ok(Some(Restored { link, topics }))
    }
}

impl<T> fmt::Debug for Snapshots<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshots").field("restores", &self.stored.is_some()).finish()
    }
}
