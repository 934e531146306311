//! Traces: what went into a link and what came out of it, as JSON Lines.
//!
//! A trace begins with a [`Header`], which holds all that a link is made of; each further line is a
//! [`Line`]. [`Recorder`] writes one around a link, [`Replay`] compares one with this core, and
//! [`Ring`] keeps the last events for a crash report. The page on [traces](crate::docs::traces)
//! shows the format, with an example of every event and every action.
//!
//! Writing allocates nothing. `Header` and `Line` implement `Deserialize`; reading takes any crate
//! that reads JSON, and a buffer for a line.

mod record;
mod replay;
mod ring;
mod writer;

pub use record::Recorder;
pub use replay::{Difference, Replay};
pub use ring::Ring;
pub use writer::Writer;

use serde::{Deserialize, Deserializer, Serialize};

use crate::action::Action;
use crate::event::Event;
use crate::policy::Policy;
use crate::seed::Seed;
use crate::time::Instant;

/// The version of the format that this crate writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// The first line of a trace: what the link was made of.
///
/// A `policy` left out is the default one, `subscriptions` left out are none. An unknown field,
/// another `type` and another version are errors.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "HeaderRecord", try_from = "HeaderRecord")]
#[allow(clippy::exhaustive_structs, reason = "a link is made of these and nothing else")]
pub struct Header {
    /// What was agreed.
    pub policy: Policy,
    /// Where the jitter came from.
    pub seed: Seed,
    /// How many slots of storage the link had.
    pub subscriptions: u32,
}

/// One line of a trace after its header.
///
/// Between two events stand the actions handed out between them, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "LineRecord", try_from = "LineRecord")]
#[allow(clippy::exhaustive_enums, reason = "another kind of line is another version of the format")]
pub enum Line {
    /// The link was told this. Misuse is not recorded, for it changes nothing.
    Event {
        /// The instant given to [`Link::handle`](crate::Link::handle), as the driver said it.
        at: Instant,
        /// What happened.
        event: Event,
    },
    /// The link handed this out.
    Action {
        /// The instant given to the poll; `None` where it is that of the last event.
        at: Option<Instant>,
        /// What the driver shall do.
        action: Action,
    },
    /// A drain ended: the poll gave nothing.
    Deadline {
        /// The instant given to the poll; `None` where it is that of the last event.
        at: Option<Instant>,
        /// The link's deadline then.
        deadline: Option<Instant>,
    },
    /// The storage was replaced by one of so many slots.
    Subscriptions(u32),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderRecord {
    #[serde(rename = "type")]
    kind: HeaderKind,
    version: u32,
    #[serde(default)]
    policy: Policy,
    seed: Seed,
    #[serde(default)]
    subscriptions: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum HeaderKind {
    Trace,
}

impl From<Header> for HeaderRecord {
    fn from(header: Header) -> Self {
        let Header { policy, seed, subscriptions } = header;
        Self { kind: HeaderKind::Trace, version: VERSION, policy, seed, subscriptions }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a trace of version {0}, which is not version {VERSION}")]
struct OtherVersion(u32);

impl TryFrom<HeaderRecord> for Header {
    type Error = OtherVersion;

    fn try_from(record: HeaderRecord) -> Result<Self, OtherVersion> {
        let HeaderRecord { kind: HeaderKind::Trace, version, policy, seed, subscriptions } = record;
        if version == VERSION {
            Ok(Self { policy, seed, subscriptions })
        } else {
            Err(OtherVersion(version))
        }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<Instant>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    event: Option<Event>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<Action>,
    /// Outside: whether the field is there. Inside: `null` for never.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "present")]
    deadline: Option<Option<Instant>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subscriptions: Option<u32>,
}

impl LineRecord {
    const EMPTY: Self =
        Self { at: None, event: None, action: None, deadline: None, subscriptions: None };
}

fn present<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Option<Instant>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl From<Line> for LineRecord {
    fn from(line: Line) -> Self {
        match line {
            Line::Event { at, event } => Self { at: Some(at), event: Some(event), ..Self::EMPTY },
            Line::Action { at, action } => Self { at, action: Some(action), ..Self::EMPTY },
            Line::Deadline { at, deadline } => Self { at, deadline: Some(deadline), ..Self::EMPTY },
            Line::Subscriptions(slots) => Self { subscriptions: Some(slots), ..Self::EMPTY },
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
enum NoLine {
    #[error("an event needs its `at`")]
    EventWithoutInstant,
    #[error("`subscriptions` have no `at`")]
    SubscriptionsWithInstant,
    #[error("a line has one of `event`, `action`, `deadline` and `subscriptions`")]
    NotOne,
}

impl TryFrom<LineRecord> for Line {
    type Error = NoLine;

    fn try_from(record: LineRecord) -> Result<Self, NoLine> {
        let LineRecord { at, event, action, deadline, subscriptions } = record;
        match (event, action, deadline, subscriptions) {
            (Some(event), None, None, None) => {
                let at = at.ok_or(NoLine::EventWithoutInstant)?;
                Ok(Self::Event { at, event })
            }
            (None, Some(action), None, None) => Ok(Self::Action { at, action }),
            (None, None, Some(deadline), None) => Ok(Self::Deadline { at, deadline }),
            (None, None, None, Some(slots)) if at.is_none() => Ok(Self::Subscriptions(slots)),
            (None, None, None, Some(_)) => Err(NoLine::SubscriptionsWithInstant),
            _ => Err(NoLine::NotOne),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::string::ToString;
    use std::vec::Vec;

    use super::*;
    use crate::wire::{ActionKind, ActionRecord, EventKind, EventRecord};

    const PAGE: &str = include_str!("../docs/traces.md");

    fn read(line: &str) -> Result<Line, serde_json::Error> {
        serde_json::from_str(line)
    }

    /// The lines of the page's examples.
    fn examples() -> impl Iterator<Item = &'static str> {
        PAGE.split("```jsonl\n")
            .skip(1)
            .flat_map(|block| block.split("```").next())
            .flat_map(str::lines)
    }

    #[test]
    fn the_page_shows_every_event_and_every_action() {
        let (mut events, mut actions) = (Vec::new(), Vec::new());
        for text in examples() {
            if let Ok(header) = serde_json::from_str::<Header>(text) {
                assert_eq!(header.seed, Seed::from_u64(42));
                continue;
            }
            let line = read(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(serde_json::to_string(&line).unwrap(), text, "reads back as it is written");
            match line {
                Line::Event { event, .. } => events.push(EventRecord::from(event).kind),
                Line::Action { action, .. } => actions.push(ActionRecord::from(action).kind),
                Line::Deadline { .. } | Line::Subscriptions(_) => {}
            }
        }
        for kind in EventKind::ALL {
            assert!(events.contains(kind), "the page shows no {kind:?}");
        }
        for kind in ActionKind::ALL {
            assert!(actions.contains(kind), "the page shows no {kind:?}");
        }
    }

    #[test]
    fn damaged_lines_say_what_is_wrong() {
        for (text, words) in [
            (r#"{"event":{"type":"start"}}"#, "an event needs its `at`"),
            (r#"{"at":0}"#, "one of `event`, `action`"),
            (r#"{"at":0,"event":{"type":"start"},"deadline":null}"#, "one of `event`, `action`"),
            (r#"{"at":0,"subscriptions":4}"#, "have no `at`"),
            (r#"{"at":0,"event":{"type":"start","conn":1}}"#, "`conn` does not belong here"),
            (r#"{"at":0,"event":{"type":"opened"}}"#, "`conn` is missing"),
            (r#"{"at":0,"event":{"type":"opened","conn":1,"port":9}}"#, "unknown field `port`"),
            (r#"{"at":0,"event":{"type":"opened","conn":1,"conn":2}}"#, "duplicate field `conn`"),
            (r#"{"at":0,"event":{"type":"explode"}}"#, "unknown variant `explode`"),
            (r#"{"at":-1,"event":{"type":"start"}}"#, "expected u64"),
            (
                r#"{"at":0,"event":{"type":"closed","conn":1,"by":"peer","code":1,"io":"dns"}}"#,
                "`io` does not",
            ),
            (
                r#"{"at":0,"event":{"type":"closed","conn":1,"by":"peer","code":1,"http":2}}"#,
                "`http` does not",
            ),
            (r#"{"at":0,"event":{"type":"closed","conn":1}}"#, "`by` is missing"),
            (r#"{"action":{"type":"report"}}"#, "`phase` is missing"),
            (r#"{"action":{"type":"ping","conn":1,"at":3}}"#, "`at` does not belong here"),
            (
                r#"{"action":{"type":"report","phase":"live","cause":{"closed":{"by":"peer","code":1,"io":"dns"}}}}"#,
                "`io` does not",
            ),
        ] {
            let error = read(text).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }

    #[test]
    fn headers_say_what_is_wrong() {
        for (text, words) in [
            (
                r#"{"type":"trace","version":2,"seed":1}"#,
                "a trace of version 2, which is not version 1",
            ),
            (r#"{"type":"trace","version":1}"#, "missing field `seed`"),
            (r#"{"type":"log","version":1,"seed":1}"#, "unknown variant `log`"),
            (r#"{"type":"trace","version":1,"seed":1,"slots":1}"#, "unknown field `slots`"),
            (
                r#"{"type":"trace","version":1,"seed":1,"policy":{"settle_after":"0s","open_within":"0s"}}"#,
                "settle_after must be at least 1 ms and at most 10 years; open_within",
            ),
        ] {
            let error = serde_json::from_str::<Header>(text).expect_err(text).to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
