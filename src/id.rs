//! Names of what a link has many of: connections, tickets, endpoints, subscriptions, requests.

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

/// Names one request for credentials. The core issues them with
/// [`Action::RefreshCredentials`](crate::Action::RefreshCredentials), in rising order from 1, and
/// never issues one twice.
///
/// Only the answer to the newest ticket counts; that is how a refresh that took too long is told
/// from the one under way (P6).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ticket(pub(crate) u64);

impl Ticket {
    /// The ticket with this number, for drivers that pass tickets through a wire or a file. A number
    /// that the core has not handed out yet is [`Misuse`](crate::Misuse) when it comes in with an
    /// event.
    #[must_use]
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The number behind the ticket: 1 for a link's first refresh.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Names one of the servers that a link may dial: an index below the policy's
/// [`endpoints`](crate::PolicyBuilder::endpoints). 0 is the preferred one.
///
/// The driver maps it to an address; the core knows nothing of addresses.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Endpoint(pub(crate) u8);

impl Endpoint {
    /// The endpoint with this index, below 8 in any policy.
    #[must_use]
    pub const fn new(index: u8) -> Self {
        Self(index)
    }

    /// The index in the driver's list of endpoints.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl fmt::Display for Endpoint {
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
