//! Names of things that live shorter than a link: connections, subscriptions, requests.

use core::fmt;

/// Names one connection. The core issues them with [`Action::Open`](crate::Action::Open), in
/// rising order from 1, and never issues one twice.
///
/// Every event about a socket carries the `ConnId` of the `Open` that caused it; that is how a late
/// report of a dead socket is told from news of the present one (P6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct ConnId(pub(crate) u64);

impl ConnId {
    /// The id with this number, for drivers that pass ids through a wire or a file. A number that
    /// the core has not handed out yet is [`Misuse`](crate::Misuse) when it comes in with an event.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number behind the id: 1 for a link's first connection.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Names a subscription: the index of its slot in the storage that was lent to the link.
///
/// The driver maps its topics to dense keys; the core knows nothing of topics. A key may get
/// another meaning only while [`Link::is_free`](crate::Link::is_free) says so.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SubKey(pub(crate) u32);

impl SubKey {
    /// The key of slot `index`.
    #[must_use]
    pub const fn new(index: u32) -> Self {
        Self(index)
    }

    /// The index of the key's slot.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl fmt::Display for SubKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One request to subscribe or unsubscribe: what an answer refers to.
///
/// `number` rises from 1 on each connection and never repeats on it, so it serves as the protocol's
/// own request id.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[allow(clippy::exhaustive_structs, reason = "drivers keep and rebuild requests")]
pub struct Request {
    /// The subscription it is about.
    pub key: SubKey,
    /// Its number on its connection.
    pub number: u64,
}
