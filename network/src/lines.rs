//! What the processes of a run say to one another, a line at a time.

use std::time::Duration;

use redial::{Cause, Phase, Policy, Stats};
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

/// What a client process is to do: its only argument, as JSON.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ClientSetting {
    /// Without the path, which is the link's number.
    pub(crate) url: String,
    pub(crate) links: u32,
    /// Each link wants the topics from 0 up to this.
    pub(crate) topics: u32,
    pub(crate) policy: Policy,
    /// A file of certificates to trust.
    pub(crate) trust: Option<String>,
    /// A file for the snapshots of the only link.
    pub(crate) store: Option<String>,
}

/// What a server process is to do: its only argument, as JSON.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(crate) struct ServerSetting {
    pub(crate) port: u16,
    pub(crate) manner: Manner,
    /// Files with a certificate and its key, for TLS.
    pub(crate) certificate: Option<(String, String)>,
    /// How often it sends data on each connection.
    pub(crate) tick_ms: Option<u64>,
}

/// How a server treats who dials it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Manner {
    /// It serves.
    #[default]
    Serves,
    /// It accepts and never says a word.
    Mute,
    /// It answers the upgrade with a byte now and then.
    Drips,
    /// It answers the upgrade with 503.
    Busy,
    /// It ends the connection in the middle of the first message that it hears.
    Cuts,
}

/// What a client process says, as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Told {
    /// A link's state, at a time of [`monotonic_ns`].
    Status { link: usize, at: u64, phase: Phase, cause: Option<Cause> },
    /// An `Open` was handed out, at a time of the link's own clock.
    Dialled { link: usize, at: u64 },
    /// An answer to `stats`.
    Figures { link: usize, figures: Figures },
}

/// Some of a link's counters.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Figures {
    pub(crate) attempts: u64,
    pub(crate) silences: u64,
    pub(crate) late_wakeups: u64,
    pub(crate) clock_anomalies: u64,
    pub(crate) detection_worst_ns: u64,
}

impl From<Stats> for Figures {
    fn from(stats: Stats) -> Self {
        Self {
            attempts: stats.attempts,
            silences: stats.silences,
            late_wakeups: stats.late_wakeups,
            clock_anomalies: stats.clock_anomalies,
            detection_worst_ns: stats.detection_worst_ns,
        }
    }
}

/// What a server process says: `TIME WORD NUMBER…`, so simple that servers in other languages say it too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Noted {
    Listening,
    /// A TCP connection was accepted.
    Dialled,
    /// A link asks for the upgrade.
    Asked {
        link: usize,
    },
    Opened {
        conn: u64,
        link: usize,
    },
    Holds {
        conn: u64,
        topic: u32,
    },
    Frees {
        conn: u64,
        topic: u32,
    },
    Gone {
        conn: u64,
    },
}

impl Noted {
    pub(crate) fn say(self) {
        let at = monotonic_ns();
        match self {
            Self::Listening => println!("{at} listening"),
            Self::Dialled => println!("{at} dialled"),
            Self::Asked { link } => println!("{at} asked {link}"),
            Self::Opened { conn, link } => println!("{at} opened {conn} {link}"),
            Self::Holds { conn, topic } => println!("{at} holds {conn} {topic}"),
            Self::Frees { conn, topic } => println!("{at} frees {conn} {topic}"),
            Self::Gone { conn } => println!("{at} gone {conn}"),
        }
    }

    /// `None` if it is no such line.
    pub(crate) fn read(line: &str) -> Option<(u64, Self)> {
        let words: Vec<&str> = line.split_whitespace().collect();
        let noted = match *words.get(1..)? {
            ["listening"] => Self::Listening,
            ["dialled"] => Self::Dialled,
            ["asked", link] => Self::Asked { link: link.parse().ok()? },
            ["opened", conn, link] => {
                Self::Opened { conn: conn.parse().ok()?, link: link.parse().ok()? }
            }
            ["holds", conn, topic] => {
                Self::Holds { conn: conn.parse().ok()?, topic: topic.parse().ok()? }
            }
            ["frees", conn, topic] => {
                Self::Frees { conn: conn.parse().ok()?, topic: topic.parse().ok()? }
            }
            ["gone", conn] => Self::Gone { conn: conn.parse().ok()? },
            _ => return None,
        };
        Some((words.first()?.parse().ok()?, noted))
    }
}

/// A clock that all processes of a run share.
pub(crate) fn monotonic_ns() -> u64 {
    nanoseconds(ClockId::Monotonic)
}

/// The clock that goes on while the machine is suspended.
pub(crate) fn boottime_ns() -> u64 {
    nanoseconds(ClockId::Boottime)
}

fn nanoseconds(clock: ClockId) -> u64 {
    let time = Duration::try_from(clock_gettime(clock)).expect("it began at zero");
    u64::try_from(time.as_nanos()).expect("five hundred years")
}
