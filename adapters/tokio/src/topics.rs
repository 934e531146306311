//! The user's topics as the dense keys of the core.

use std::collections::{HashMap, VecDeque};
use std::hash::Hash;

use redial::{ConnId, Cursor, Link, Request, Slot, SubKey};

/// Which key stands for which topic, and which request for which key.
#[derive(Debug)]
pub(crate) struct Topics<T> {
    keys: HashMap<T, SubKey>,
    entries: Vec<Entry<T>>,
    /// Keys whose topics were withdrawn: each may serve another topic once the core lets go of it.
    withdrawn: VecDeque<SubKey>,
    /// The last request about each key, by its number on its connection, until it is answered.
    unanswered: HashMap<(ConnId, u64), SubKey>,
}

#[derive(Debug)]
struct Entry<T> {
    topic: T,
    wanted: bool,
    /// Whether `withdrawn` lists the key.
    listed: bool,
    /// The key's request in `unanswered`.
    request: Option<(ConnId, u64)>,
    /// Whether that request asks for the topic, and the topic was wanted ever since.
    asks: bool,
    /// Where the topic's data are, if the server numbers them.
    cursor: Option<Box<Cursor>>,
}

impl<T> Entry<T> {
    const fn wanted(topic: T) -> Self {
        Self { topic, wanted: true, listed: false, request: None, asks: false, cursor: None }
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

    /// As [`list`](Self::list) told; `None` if a topic stands there twice.
    pub(crate) fn from_list(list: Vec<(T, bool)>) -> Option<Self> {
        let mut topics = Self::new();
        for (index, (topic, wanted)) in list.into_iter().enumerate() {
            let key = SubKey::new(u32::try_from(index).ok()?);
            if topics.keys.insert(topic.clone(), key).is_some() {
                return None;
            }
            if !wanted {
                topics.withdrawn.push_back(key);
            }
            topics.entries.push(Entry { wanted, listed: !wanted, ..Entry::wanted(topic) });
        }
        Some(topics)
    }

    /// All topics in the order of their keys, and whether they are wanted.
    pub(crate) fn list(&self) -> impl Iterator<Item = (&T, bool)> {
        self.entries.iter().map(|entry| (&entry.topic, entry.wanted))
    }

    pub(crate) const fn len(&self) -> usize {
        self.entries.len()
    }

    /// The key of a topic that is wanted from now on. `None` only if there are no keys left, at
    /// four thousand million topics.
    pub(crate) fn want(&mut self, topic: T, link: &mut Link<Vec<Slot>>) -> Option<SubKey> {
        if let Some(&key) = self.keys.get(&topic) {
            let entry = self.entry_mut(key)?;
            if !std::mem::replace(&mut entry.wanted, true) {
                // What was sent while nobody wanted it is no gap.
                entry.cursor = None;
            }
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

    /// Where the data of a topic are.
    pub(crate) fn cursor(&mut self, key: SubKey) -> Option<&mut Cursor> {
        Some(self.entry_mut(key)?.cursor.get_or_insert_default())
    }

    /// A request goes out on `conn`. Only the last one about a key has an answer that counts, so
    /// that the memory for requests never exceeds that for keys.
    pub(crate) fn asked(&mut self, conn: ConnId, request: Request, asks: bool) {
        let Some(entry) = self.entry_mut(request.key) else { return };
        entry.asks = asks && entry.wanted;
        if let Some(overtaken) = entry.request.replace((conn, request.number)) {
            self.unanswered.remove(&overtaken);
        }
        self.unanswered.insert((conn, request.number), request.key);
    }

    /// The request on `conn` that an answer with this number refers to.
    pub(crate) fn answered(&mut self, conn: ConnId, number: u64) -> Option<Request> {
        let key = self.unanswered.remove(&(conn, number))?;
        self.entry_mut(key)?.request = None;
        Some(Request { key, number })
    }

    /// The request on `conn` that a refusal with this number refers to, and the topic if it is the
    /// application's present wish that was refused.
    pub(crate) fn refused(&mut self, conn: ConnId, number: u64) -> Option<(Request, Option<T>)> {
        let request = self.answered(conn, number)?;
        let entry = self.entry_mut(request.key)?;
        Some((request, entry.asks.then(|| entry.topic.clone())))
    }

    /// No request of the connection that is gone will be answered.
    pub(crate) fn forget_requests(&mut self, conn: ConnId) {
        let entries = &mut self.entries;
        self.unanswered.retain(|&(on, _), key| {
            let entry = index(*key).and_then(|index| entries.get_mut(index));
            if let Some(entry) = entry.filter(|_| on == conn) {
                entry.request = None;
            }
            on != conn
        });
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
                if let Some(request) = old.request {
                    self.unanswered.remove(&request);
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

#[cfg(test)]
mod tests {
    use redial::{Policy, Seed};

    use super::*;

    /// Two connections of a rotation number their requests alike.
    #[test]
    fn an_answer_is_its_own_connections() {
        let mut link = Link::with_storage(Policy::new(), Seed::from_u64(1), Vec::new());
        let mut topics = Topics::new();
        let (first, second) = (ConnId::new(1), ConnId::new(2));
        let mut ask = |conn, topic| {
            let request = Request { key: topics.want(topic, &mut link).unwrap(), number: 1 };
            topics.asked(conn, request, true);
            request
        };
        let (on_first, on_second) = (ask(first, "a"), ask(second, "b"));
        assert_eq!(topics.answered(second, 1), Some(on_second));
        assert_eq!(topics.answered(second, 1), None);
        assert_eq!(topics.answered(first, 1), Some(on_first));
        topics.asked(first, on_first, true);
        topics.asked(second, on_second, true);
        topics.forget_requests(first);
        assert_eq!(topics.answered(first, 1), None);
        assert_eq!(topics.answered(second, 1), Some(on_second));
    }
    /// After a restart as before it, a key whose topic was withdrawn serves another one.
    #[test]
    fn a_stored_key_is_used_again() {
        let mut link = Link::with_storage(Policy::new(), Seed::from_u64(1), vec![Slot::EMPTY; 2]);
        let list = vec![("withdrawn", false), ("wanted", true)];
        let mut topics = Topics::from_list(list.clone()).unwrap();
        assert!(topics.list().map(|(topic, wanted)| (*topic, wanted)).eq(list));
        assert_eq!(topics.want("wanted", &mut link), Some(SubKey::new(1)));
        assert_eq!(topics.want("new", &mut link), Some(SubKey::new(0)));
        assert_eq!(topics.key(&"withdrawn"), None);
        assert!(Topics::from_list(vec![("twice", true), ("twice", false)]).is_none());
    }
}
