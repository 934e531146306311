//! One stream's sequence numbers: what is new, what came before, what is missing.
//!
//! # Theory of operation
//!
//! A trading client wants two things of a stream: never to apply a message twice, and never to miss
//! one unawares. A high-water mark alone has both, but takes a number that arrives after a higher one
//! for a duplicate. That is the ordinary case in a rotation: the successor is ahead, its first
//! message leaves a gap, and the old connection fills it a moment later. So the cursor keeps the
//! mark and, below it, the ranges that were told missing:
//!
//! ```text
//!          begin                                   latest
//!   ─────────┼──────────[ missing ]───[ missing ]────┼────────▶ numbers of one epoch
//!   Outdated │ Duplicate    Late        Late         │ Next, or Gap
//! ```
//!
//! A number is told new exactly when it is above `latest`, which then passes it, or in a missing
//! range, which then loses it: hence never twice. `latest` passes over a number only by telling it
//! missing, hence no gap is hidden.
//!
//! Memory is bounded by forgetting the lowest range: `begin` moves behind it, its numbers are then
//! too old to be told apart, and `is_complete` stays false until the application says that it has
//! what they said. Each connection delivers in order, so two of them that deliver the same leave one
//! gap at a time that may still fill; [`REMEMBERED`] has room for a few losses besides.

/// Tells of each message of one stream whether it is new, was there before, or leaves a gap.
///
/// One per stream that the server numbers: per key, per channel or per connection. It holds for
/// numbers that rise by one per message. A pure value beside the [`Link`](crate::Link), which it
/// knows nothing of; 128 bytes, no clock, every call is O(1).
///
/// Two promises: **no message is told new twice, and no gap is hidden.** Messages for which
/// [`Seen::is_new`] holds are each new exactly once, though not always in order; whatever was skipped
/// is told at once, and [`is_complete`](Self::is_complete) is false until it arrived or the
/// application [`caught_up`](Self::caught_up).
///
/// ```
/// use redial::{Cursor, Missing, Seen};
///
/// let mut cursor = Cursor::new();
/// assert_eq!(cursor.observe(1, 40), Seen::First);
/// assert_eq!(cursor.observe(1, 41), Seen::Next);
///
/// // A rotation: the successor is ahead, and then both deliver the same.
/// assert_eq!(cursor.observe(1, 44), Seen::Gap(Missing { first: 42, last: 43 }));
/// assert_eq!(cursor.observe(1, 42), Seen::Late);
/// assert_eq!(cursor.observe(1, 43), Seen::Late);
/// assert_eq!(cursor.observe(1, 44), Seen::Duplicate);
/// assert!(cursor.is_complete());
///
/// // A loss: what is still missing after a moment's patience is asked for again.
/// assert_eq!(cursor.observe(1, 50), Seen::Gap(Missing { first: 45, last: 49 }));
/// assert!(!cursor.is_complete()); // Event::Resync; a snapshot says where it stands:
/// cursor.caught_up(1, 52);
/// assert!(cursor.is_complete());
/// assert_eq!(cursor.observe(1, 51), Seen::Outdated);
/// assert_eq!(cursor.observe(1, 53), Seen::Next);
/// ```
///
/// # Epochs
///
/// A server that may begin its numbers again says so by an *epoch*: a session, a start time, an
/// instance. Epochs rise; a later one ends the earlier, whose messages are [`Seen::Outdated`] from
/// then on. Where the server's are not in order (a random id), count them; where it has none, use 0.
/// Where each connection is numbered by itself, [`ConnId::get`](crate::ConnId::get) is the epoch:
/// two connections then cannot be compared, and the newer one wins from its first message on.
///
/// Within an epoch numbers never begin again: a server that does so unsaid looks like one that
/// repeats itself, and is told [`Seen::Duplicate`] or [`Seen::Outdated`] until it is past its mark.
///
/// # Wrap-around
///
/// Numbers do not wrap: after `u64::MAX` nothing follows but a later epoch. A counter of fewer bits is
/// made one that does not wrap by [`widen`](Self::widen).
#[derive(Clone, Debug, Default)]
pub struct Cursor {
    /// `None` until the first message.
    stream: Option<Stream>,
}

/// What [`Cursor::observe`] tells of a message.
///
/// Exhaustive on purpose: each needs an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use = "a gap that is not acted on is hidden"]
#[allow(clippy::exhaustive_enums, reason = "each needs an answer")]
pub enum Seen {
    /// New: the first that this cursor sees, whatever its number. Nothing before it is known to be
    /// missing.
    First,
    /// New, and right after the latest.
    Next,
    /// New, and these before it were skipped. They may still arrive, from the other connection of a
    /// rotation, or never.
    Gap(Missing),
    /// New, though not in order: it was told missing.
    Late,
    /// It was told new before.
    Duplicate,
    /// New: the first of a later epoch. Nothing more will come of the epoch before, and how that
    /// ended nobody knows: the application starts over, as after a loss of continuity.
    EpochChanged,
    /// Not new: of an earlier epoch, or from before what the cursor knows (before its first message,
    /// before what the application caught up with, or in a gap so old that it was forgotten).
    Outdated,
}

impl Seen {
    /// Whether the message is to be applied. True once for each number of an epoch, whatever arrives.
    #[must_use]
    pub const fn is_new(self) -> bool {
        match self {
            Self::First | Self::Next | Self::Gap(_) | Self::Late | Self::EpochChanged => true,
            Self::Duplicate | Self::Outdated => false,
        }
    }
}

/// A range of numbers that were skipped, both ends included.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(clippy::exhaustive_structs, reason = "a range has two ends")]
pub struct Missing {
    /// The lowest.
    pub first: u64,
    /// The highest, at least `first`.
    pub last: u64,
}

/// How many missing ranges are remembered at once.
const REMEMBERED: usize = 4;

/// What is known of the present epoch.
#[derive(Clone, Debug)]
struct Stream {
    epoch: u64,
    /// The lowest number that is known to be new, missing or a duplicate.
    begin: u64,
    /// The highest number seen, or caught up with.
    latest: u64,
    /// Ranges between `begin` and `latest`, in no order.
    missing: [Option<Missing>; REMEMBERED],
    /// A missing range was forgotten for want of room.
    forgot: bool,
}

impl Cursor {
    /// A cursor that has seen nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { stream: None }
    }

    /// A message came: what it is. Not new means that nothing changed.
    pub fn observe(&mut self, epoch: u64, seq: u64) -> Seen {
        let Some(stream) = &mut self.stream else {
            self.stream = Some(Stream::beginning(epoch, seq));
            return Seen::First;
        };
        if epoch > stream.epoch {
            *stream = Stream::beginning(epoch, seq);
            return Seen::EpochChanged;
        }
        if epoch < stream.epoch || seq < stream.begin {
            return Seen::Outdated;
        }
        stream.place(seq)
    }

    /// The application has what was said up to and including `seq` of `epoch` by other means, such
    /// as a snapshot that it asked for after a gap. What was missing up to there is not missing any
    /// more, and what arrives of it is outdated.
    ///
    /// Before the first message, or of a later epoch: the stream begins after `seq`. Of an earlier
    /// epoch, or twice: nothing changes. The number of a counter that wraps goes through
    /// [`widen`](Self::widen) here, too.
    pub fn caught_up(&mut self, epoch: u64, seq: u64) {
        match &mut self.stream {
            Some(stream) if epoch < stream.epoch => {}
            Some(stream) if epoch == stream.epoch => stream.catch_up(seq),
            Some(_) | None => {
                let mut stream = Stream::beginning(epoch, seq);
                stream.catch_up(seq);
                self.stream = Some(stream);
            }
        }
    }

    /// The latest of the epoch, whatever is missing before it; `None` before the first message.
    #[must_use]
    pub fn latest(&self) -> Option<u64> {
        self.stream.as_ref().map(|stream| stream.latest)
    }

    /// Whether no number of this epoch is missing between the first message, or what the application
    /// caught up with, and the latest. A gap so old that it was forgotten counts as missing until
    /// [`caught_up`](Self::caught_up).
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.missing().next().is_none() && !self.stream.as_ref().is_some_and(|stream| stream.forgot)
    }

    /// The ranges that are missing and remembered, at most four, in no order: each of their numbers
    /// is [`Seen::Late`] should it arrive. When one more is told, or one is split by a late arrival,
    /// the lowest is forgotten: its numbers are [`Seen::Outdated`] from then on.
    pub fn missing(&self) -> impl Iterator<Item = Missing> + '_ {
        self.stream.iter().flat_map(|stream| stream.missing).flatten()
    }

    /// The number that a counter of `bits` bits, which wraps, stands for: of those that end in
    /// `narrow`, the nearest to the latest. Right while no two messages that arrive one after the
    /// other are half the counter's range apart. `narrow` itself for 64 bits and more.
    ///
    /// Every number of the stream goes through it, one to [`caught_up`](Self::caught_up) as well: it
    /// leaves room below the first, so that one which arrives late has a place. What it gives lies near
    /// 2^62 for up to 62 bits.
    ///
    /// ```
    /// use redial::{Cursor, Seen};
    ///
    /// let mut cursor = Cursor::new();
    /// let mut observe = |narrow: u16| {
    ///     let seq = cursor.widen(narrow.into(), u16::BITS);
    ///     cursor.observe(0, seq)
    /// };
    /// assert_eq!(observe(u16::MAX), Seen::First);
    /// assert_eq!(observe(0), Seen::Next);
    /// assert_eq!(observe(u16::MAX), Seen::Duplicate);
    /// ```
    #[must_use]
    pub fn widen(&self, narrow: u64, bits: u32) -> u64 {
        let Some(range) = 1_u64.checked_shl(bits) else { return narrow };
        let below = range.wrapping_sub(1);
        // Far up, at a multiple of the range: there are numbers before the first, and each epoch may
        // begin below the one before.
        let latest = self.latest().unwrap_or(range.max(1 << 62));
        let ahead = narrow.wrapping_sub(latest) & below;
        let next = latest.wrapping_add(ahead);
        if self.stream.is_none() || ahead <= below / 2 {
            next
        } else {
            // None is below zero.
            latest.checked_sub(range.wrapping_sub(ahead)).unwrap_or(next)
        }
    }
}

impl Stream {
    const fn beginning(epoch: u64, seq: u64) -> Self {
        Self { epoch, begin: seq, latest: seq, missing: [None; REMEMBERED], forgot: false }
    }

    /// Tells of a number from `begin` on.
    fn place(&mut self, seq: u64) -> Seen {
        if seq > self.latest {
            let expected = self.latest.saturating_add(1);
            self.latest = seq;
            if seq == expected {
                return Seen::Next;
            }
            let missing = Missing { first: expected, last: seq.saturating_sub(1) };
            self.remember(missing);
            return Seen::Gap(missing);
        }
        let holds = |range: &&mut Option<Missing>| range.is_some_and(|range| range.contains(seq));
        match self.missing.iter_mut().find(holds).and_then(Option::take) {
            Some(range) => {
                for rest in range.without(seq).into_iter().flatten() {
                    self.remember(rest);
                }
                Seen::Late
            }
            None => Seen::Duplicate,
        }
    }

    /// Remembers a missing range, in place of the lowest if there is no room.
    fn remember(&mut self, range: Missing) {
        // An empty place sorts before every range.
        let lowest = |place: &&mut Option<Missing>| place.map(|range| range.first);
        let Some(place) = self.missing.iter_mut().min_by_key(lowest) else { return };
        if let Some(forgotten) = place.replace(range) {
            self.begin = forgotten.last.saturating_add(1);
            self.forgot = true;
        }
    }

    fn catch_up(&mut self, seq: u64) {
        let next = seq.saturating_add(1);
        // What was forgotten lies below `begin`: caught up with that only in part is not enough.
        if next < self.begin {
            return;
        }
        self.begin = next;
        self.latest = self.latest.max(seq);
        self.forgot = false;
        for range in &mut self.missing {
            *range = range.and_then(|range| Missing::between(range.first.max(next), range.last));
        }
    }
}

impl Missing {
    /// How many numbers that is.
    #[must_use]
    pub const fn count(self) -> u64 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }

    fn between(first: u64, last: u64) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    const fn contains(self, seq: u64) -> bool {
        self.first <= seq && seq <= self.last
    }

    /// What is below and above `seq`, which is in the range.
    fn without(self, seq: u64) -> [Option<Self>; 2] {
        let below = seq.checked_sub(1).and_then(|last| Self::between(self.first, last));
        let above = seq.checked_add(1).and_then(|first| Self::between(first, self.last));
        [below, above]
    }
}
