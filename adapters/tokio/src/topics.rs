//! The user's topics as the dense keys of the core.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use redial::{Link, Request, Slot, SubKey};

/// Which key stands for which topic, and which request for which key.
#[derive(Debug)]
pub(crate) struct Topics<T> {
    keys: HashMap<T, SubKey>,
    entries: Vec<Entry<T>>,
    /// Keys whose topics were withdrawn: each may serve another topic once the core lets go of it.
    withdrawn: VecDeque<SubKey>,
    /// The last request about each key on the present connection, until it is answered.
    unanswered: HashMap<u64, SubKey>,
}

#[derive(Debug)]
struct Entry<T> {
    topic: T,
    wanted: bool,
    /// Whether `withdrawn` lists the key.
    listed: bool,
    /// The key's number in `unanswered`.
    number: Option<u64>,
    /// Whether that request asks for the topic, and the topic was wanted ever since.
    asks: bool,
}

impl<T> Entry<T> {
    const fn wanted(topic: T) -> Self {
        Self { topic, wanted: true, listed: false, number: None, asks: false }
    }
}

impl<T: Clone + Eq + Hash> Topics<T> {
    pub(crate) fn new() -> Self {
        Self {
            keys: HashMap::new(),
            entries: Vec::new(),
            withdrawn: VecDeque::new(),
            unanswered: HashMap::new(),
        }
    }

    /// The key of a topic that is wanted from now on. `None` only if there are no keys left, at
    /// four thousand million topics.
    pub(crate) fn want(&mut self, topic: T, link: &mut Link<Vec<Slot>>) -> Option<SubKey> {
        if let Some(&key) = self.keys.get(&topic) {
            self.entry_mut(key)?.wanted = true;
            return Some(key);
        }
        let key = match self.reuse(topic.clone(), link) {
            Some(key) => key,
            None => self.append(topic.clone(), link)?,
        };
        self.keys.insert(topic, key);
        Some(key)
    }

    /// The key of a topic that is not wanted any more, if it ever was.
    pub(crate) fn withdraw(&mut self, topic: &T) -> Option<SubKey> {
        let key = self.key(topic)?;
        let entry = self.entry_mut(key)?;
        entry.wanted = false;
        entry.asks = false;
        if !std::mem::replace(&mut entry.listed, true) {
            self.withdrawn.push_back(key);
        }
        Some(key)
    }

    pub(crate) fn key(&self, topic: &T) -> Option<SubKey> {
        self.keys.get(topic).copied()
    }

    pub(crate) fn topic(&self, key: SubKey) -> Option<&T> {
        Some(&self.entries.get(index(key)?)?.topic)
    }

    /// A request goes out. Only the last one about a key has an answer that counts, so that the
    /// memory for requests never exceeds that for keys.
    pub(crate) fn asked(&mut self, request: Request, asks: bool) {
        let Some(entry) = self.entry_mut(request.key) else { return };
        entry.asks = asks && entry.wanted;
        if let Some(overtaken) = entry.number.replace(request.number) {
            self.unanswered.remove(&overtaken);
        }
        self.unanswered.insert(request.number, request.key);
    }

    /// The request that an answer with this number refers to.
    pub(crate) fn answered(&mut self, number: u64) -> Option<Request> {
        let key = self.unanswered.remove(&number)?;
        self.entry_mut(key)?.number = None;
        Some(Request { key, number })
    }

    /// The request that a refusal with this number refers to, and the topic if it is the
    /// application's present wish that was refused.
    pub(crate) fn refused(&mut self, number: u64) -> Option<(Request, Option<T>)> {
        let request = self.answered(number)?;
        let entry = self.entry_mut(request.key)?;
        Some((request, entry.asks.then(|| entry.topic.clone())))
    }

    /// No request of the connection that is gone will be answered.
    pub(crate) fn forget_requests(&mut self) {
        let unanswered = std::mem::take(&mut self.unanswered);
        for key in unanswered.into_values() {
            if let Some(entry) = self.entry_mut(key) {
                entry.number = None;
            }
        }
    }

    /// Gives a withdrawn key another topic. Looks at a few only: a key may be long in coming back.
    fn reuse(&mut self, topic: T, link: &Link<Vec<Slot>>) -> Option<SubKey> {
        for _ in 0..LOOKS {
            let key = self.withdrawn.pop_front()?;
            let entry = self.entry_mut(key)?;
            if entry.wanted {
                entry.listed = false;
            } else if link.is_free(key) {
                let old = std::mem::replace(entry, Entry::wanted(topic));
                self.keys.remove(&old.topic);
                if let Some(number) = old.number {
                    self.unanswered.remove(&number);
                }
                return Some(key);
            } else {
                self.withdrawn.push_back(key);
            }
        }
        None
    }

    fn append(&mut self, topic: T, link: &mut Link<Vec<Slot>>) -> Option<SubKey> {
        let key = SubKey::new(u32::try_from(self.entries.len()).ok()?);
        if key.get() >= link.capacity() {
            let larger = self.entries.len().saturating_mul(2).clamp(FIRST_CAPACITY, KEYS);
            link.replace_storage(vec![Slot::EMPTY; larger]).ok()?;
        }
        if key.get() >= link.capacity() {
            return None;
        }
        self.entries.push(Entry::wanted(topic));
        Some(key)
    }

    fn entry_mut(&mut self, key: SubKey) -> Option<&mut Entry<T>> {
        self.entries.get_mut(index(key)?)
    }
}

fn index(key: SubKey) -> Option<usize> {
    usize::try_from(key.get()).ok()
}

const LOOKS: usize = 4;
const FIRST_CAPACITY: usize = 16;
const KEYS: usize = u32::MAX as usize;
