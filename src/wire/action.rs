//! Actions, and the status that a report carries.

use core::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use super::{Facts, Mismatch, need, record};
use crate::action::{Action, How, Session, Why};
use crate::event::{By, IoKind};
use crate::id::{ConnId, Endpoint, Request, Ticket};
use crate::status::{Cause, Continuity, Halted, Phase, Status, WaitsFor};
use crate::time::Instant;

record! {
    ActionRecord: ActionKind {
        Open,
        Close,
        RefreshCredentials,
        Ping,
        Unsubscribe,
        Subscribe,
        Report,
        ArmTimer,
        DisarmTimer,
    } {
        conn: ConnId,
        endpoint: Endpoint,
        session: Session,
        how: How,
        why: Why,
        ticket: Ticket,
        request: Request,
        phase: Phase,
        attempt: NonZeroU32,
        cause: Cause,
        waits_for: WaitsFor,
        until: Instant,
        continuity: Continuity,
        losses: u32,
        rotating: bool,
        suspended: bool,
        halted: Halted,
        at: Instant,
    }
}

impl From<Action> for ActionRecord {
    fn from(action: Action) -> Self {
        let of = Self::of;
        let on = |conn, kind| Self { conn: Some(conn), ..of(kind) };
        match action {
            Action::Open { conn, endpoint, session } => Self {
                endpoint: Some(endpoint),
                session: Some(session),
                ..on(conn, ActionKind::Open)
            },
            Action::Close { conn, how, why } => {
                Self { how: Some(how), why: Some(why), ..on(conn, ActionKind::Close) }
            }
            Action::RefreshCredentials { ticket } => {
                Self { ticket: Some(ticket), ..of(ActionKind::RefreshCredentials) }
            }
            Action::Ping { conn } => on(conn, ActionKind::Ping),
            Action::Unsubscribe { conn, request } => {
                Self { request: Some(request), ..on(conn, ActionKind::Unsubscribe) }
            }
            Action::Subscribe { conn, request } => {
                Self { request: Some(request), ..on(conn, ActionKind::Subscribe) }
            }
            Action::Report(status) => Self::report(status),
            Action::ArmTimer { at } => Self { at: Some(at), ..of(ActionKind::ArmTimer) },
            Action::DisarmTimer => of(ActionKind::DisarmTimer),
        }
    }
}

impl TryFrom<ActionRecord> for Action {
    type Error = Mismatch;

    fn try_from(mut record: ActionRecord) -> Result<Self, Mismatch> {
        let action = match record.kind {
            ActionKind::Open => Self::Open {
                conn: record.conn()?,
                endpoint: need(record.endpoint.take(), "endpoint")?,
                session: need(record.session.take(), "session")?,
            },
            ActionKind::Close => Self::Close {
                conn: record.conn()?,
                how: need(record.how.take(), "how")?,
                why: need(record.why.take(), "why")?,
            },
            ActionKind::RefreshCredentials => {
                Self::RefreshCredentials { ticket: need(record.ticket.take(), "ticket")? }
            }
            ActionKind::Ping => Self::Ping { conn: record.conn()? },
            ActionKind::Unsubscribe => {
                Self::Unsubscribe { conn: record.conn()?, request: record.request()? }
            }
            ActionKind::Subscribe => {
                Self::Subscribe { conn: record.conn()?, request: record.request()? }
            }
            ActionKind::Report => Self::Report(record.status()?),
            ActionKind::ArmTimer => Self::ArmTimer { at: need(record.at.take(), "at")? },
            ActionKind::DisarmTimer => Self::DisarmTimer,
        };
        record.emptied().map(|()| action)
    }
}

impl ActionRecord {
    fn report(status: Status) -> Self {
        let Status {
            phase,
            attempt,
            cause,
            waits_for,
            until,
            continuity,
            losses,
            halted,
            rotating,
            suspended,
        } = status;
        Self {
            phase: Some(phase),
            attempt,
            cause,
            waits_for,
            until,
            continuity,
            losses: (losses > 0).then_some(losses),
            rotating: rotating.then_some(true),
            suspended: suspended.then_some(true),
            halted,
            ..Self::of(ActionKind::Report)
        }
    }

    fn status(&mut self) -> Result<Status, Mismatch> {
        Ok(Status {
            phase: need(self.phase.take(), "phase")?,
            attempt: self.attempt.take(),
            cause: self.cause.take(),
            waits_for: self.waits_for.take(),
            until: self.until.take(),
            continuity: self.continuity.take(),
            losses: self.losses.take().unwrap_or_default(),
            halted: self.halted.take(),
            rotating: self.rotating.take().unwrap_or_default(),
            suspended: self.suspended.take().unwrap_or_default(),
        })
    }

    fn conn(&mut self) -> Result<ConnId, Mismatch> {
        need(self.conn.take(), "conn")
    }

    fn request(&mut self) -> Result<Request, Mismatch> {
        need(self.request.take(), "request")
    }
}

/// A cause: a word, or `{"closed": {"by": "peer", "code": 1006}}`.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CauseRecord {
    Closed(ClosedRecord),
    OpenTimeout,
    ReadyTimeout,
    Silent,
    Network,
    Credentials,
    SessionLost,
    Moved,
    Degraded,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ClosedRecord {
    by: By,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    code: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    http: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    io: Option<IoKind>,
}

impl From<Cause> for CauseRecord {
    fn from(cause: Cause) -> Self {
        match cause {
            Cause::Closed { by, fact } => {
                let Facts { code, http, io } = fact.into();
                Self::Closed(ClosedRecord { by, code, http, io })
            }
            Cause::OpenTimeout => Self::OpenTimeout,
            Cause::ReadyTimeout => Self::ReadyTimeout,
            Cause::Silent => Self::Silent,
            Cause::Network => Self::Network,
            Cause::Credentials => Self::Credentials,
            Cause::SessionLost => Self::SessionLost,
            Cause::Moved => Self::Moved,
            Cause::Degraded => Self::Degraded,
        }
    }
}

impl TryFrom<CauseRecord> for Cause {
    type Error = Mismatch;

    fn try_from(record: CauseRecord) -> Result<Self, Mismatch> {
        Ok(match record {
            CauseRecord::Closed(ClosedRecord { by, code, http, io }) => {
                Self::Closed { by, fact: Facts { code, http, io }.try_into()? }
            }
            CauseRecord::OpenTimeout => Self::OpenTimeout,
            CauseRecord::ReadyTimeout => Self::ReadyTimeout,
            CauseRecord::Silent => Self::Silent,
            CauseRecord::Network => Self::Network,
            CauseRecord::Credentials => Self::Credentials,
            CauseRecord::SessionLost => Self::SessionLost,
            CauseRecord::Moved => Self::Moved,
            CauseRecord::Degraded => Self::Degraded,
        })
    }
}
