//! Everything that is logged. The crate's documentation promises the names and fields.

use std::error::Error;
use std::num::NonZeroU32;

use redial::{Closure, ConnId, Fact, How, Instant, IoKind, Millis, Misuse, Status, Why};
use tokio_tungstenite::tungstenite::http::Uri;
use tracing::{Span, field};

use crate::token::TokenError;

/// What a connection was busy with when an error came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Stage {
    Lookup,
    Connect,
    Tls,
    Upgrade,
    Read,
    Write,
}

impl Stage {
    const fn name(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Upgrade => "upgrade",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

pub(crate) fn span(name: Option<&str>) -> Span {
    tracing::info_span!(target: "redial_tokio", "redial.link", name)
}

pub(crate) fn status(now: Instant, conn: Option<ConnId>, status: &Status) {
    tracing::info!(
        name: "redial.status",
        target: "redial_tokio",
        conn = conn.map(ConnId::get),
        phase = ?status.phase,
        attempt = status.attempt.map(NonZeroU32::get),
        cause = status.cause.map(field::debug),
        waits_for = status.waits_for.map(field::debug),
        wait_ms = status.until.map(|at| millis(at.saturating_since(now))),
        losses = status.losses,
        halted = status.halted.map(field::debug),
        "link"
    );
}

/// Host and port only: the rest of a URL may hold secrets.
pub(crate) fn dial(conn: ConnId, uri: &Uri) {
    tracing::debug!(
        name: "redial.dial",
        target: "redial_tokio",
        conn = conn.get(),
        server.address = uri.host(),
        server.port = uri.port_u16(),
        "dialling"
    );
}

pub(crate) fn no_request(conn: ConnId, error: &(dyn Error + 'static)) {
    tracing::warn!(
        name: "redial.no_request",
        target: "redial_tokio",
        conn = conn.get(),
        error,
        "no request could be made"
    );
}

pub(crate) fn no_token(error: &TokenError) {
    tracing::warn!(
        name: "redial.no_token",
        target: "redial_tokio",
        fatal = error.is_fatal(),
        error = &*error.source as &(dyn Error + 'static),
        "no token could be had"
    );
}

pub(crate) fn no_snapshot(error: &(dyn Error + 'static)) {
    tracing::warn!(
        name: "redial.no_snapshot",
        target: "redial_tokio",
        error,
        "the topics cannot be stored"
    );
}

pub(crate) fn opened(conn: ConnId) {
    tracing::debug!(name: "redial.opened", target: "redial_tokio", conn = conn.get(), "opened");
}

pub(crate) fn error(conn: ConnId, stage: Stage, error: &(dyn Error + 'static)) {
    tracing::debug!(
        name: "redial.error",
        target: "redial_tokio",
        conn = conn.get(),
        stage = stage.name(),
        error,
        "failed"
    );
}

pub(crate) fn close(conn: ConnId, how: How, why: Why) {
    tracing::debug!(
        name: "redial.close",
        target: "redial_tokio",
        conn = conn.get(),
        ?how,
        ?why,
        "closing"
    );
}

pub(crate) fn closed(conn: ConnId, closure: &Closure) {
    let (code, http, io) = facts(closure.fact);
    tracing::debug!(
        name: "redial.closed",
        target: "redial_tokio",
        conn = conn.get(),
        by = ?closure.by,
        code,
        http,
        io = io.map(field::debug),
        retry_after_ms = closure.retry_after.map(Millis::get),
        "closed"
    );
}

pub(crate) fn misuse(misuse: Misuse) {
    tracing::error!(
        name: "redial.misuse",
        target: "redial_tokio",
        error = &misuse as &(dyn Error + 'static),
        "the client broke the core's contract"
    );
}

fn facts(fact: Fact) -> (Option<u16>, Option<u16>, Option<IoKind>) {
    match fact {
        Fact::Code(code) => (Some(code), None, None),
        Fact::Http(status) => (None, Some(status), None),
        Fact::Io(kind) => (None, None, Some(kind)),
        _ => (None, None, None),
    }
}

fn millis(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
