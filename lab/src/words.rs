//! The core's facts in words. Names of phases and kinds are the core's own.

use redial::{By, Cause, Fact};
use serde::Serialize;

/// The name under which the core serialises a variant without data: `waiting`, `when_silent`.
pub(crate) fn name(variant: impl Serialize) -> String {
    match serde_json::to_value(variant) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(error) => error.to_string(),
    }
}

/// Why a connection or attempt ended, as the core saw it.
pub(crate) fn cause(cause: Cause) -> String {
    match cause {
        Cause::Closed { by, fact } => closed(by, fact),
        Cause::OpenTimeout => "not open in time".to_owned(),
        Cause::ReadyTimeout => "not ready in time".to_owned(),
        Cause::Silent => "silence".to_owned(),
        Cause::Network => "no network".to_owned(),
        Cause::Credentials => "no credentials".to_owned(),
        Cause::SessionLost => "session lost".to_owned(),
        Cause::Moved => "moved".to_owned(),
        Cause::Degraded => "degraded".to_owned(),
        _ => format!("{cause:?}"),
    }
}

pub(crate) fn closed(by: By, fact: Fact) -> String {
    let what = match fact {
        Fact::None => "closed".to_owned(),
        Fact::Code(code) => format!("close {code}"),
        Fact::Http(status) => format!("http {status}"),
        Fact::Io(kind) => format!("i/o {}", name(kind)),
        _ => format!("{fact:?}"),
    };
    match by {
        By::Peer => format!("{what} by peer"),
        By::Local => format!("{what} by us"),
        By::Unknown => what,
    }
}
