//! Events.

use super::{Facts, Mismatch, need, record};
use crate::event::{By, Closure, Established, Event, IoKind, Refusal};
use crate::id::{ConnId, Request, SubKey, Ticket};
use crate::time::Millis;
use crate::verdict::Verdict;

record! {
    EventRecord: EventKind {
        Start,
        Stop,
        RetryNow,
        Pause,
        Resume,
        NetworkDown,
        NetworkUp,
        TimerFired,
        Opened,
        Ready,
        Received,
        Closed,
        Negotiated,
        GoAway,
        SessionLost,
        CredentialsReady,
        CredentialsFailed,
        Rotate,
        Subscribe,
        Unsubscribe,
        Resync,
        Acked,
        Refused,
    } {
        conn: ConnId,
        ticket: Ticket,
        key: SubKey,
        request: Request,
        session: Established,
        resumable: bool,
        by: By,
        code: u16,
        http: u16,
        io: IoKind,
        retry_after: Millis,
        verdict: Verdict,
        heartbeat: Millis,
        spread: Millis,
        within: Millis,
        lasts: Millis,
        fatal: bool,
        refusal: Refusal,
    }
}

impl From<Event> for EventRecord {
    fn from(event: Event) -> Self {
        let of = Self::of;
        let on = |conn, kind| Self { conn: Some(conn), ..of(kind) };
        let about = |key, kind| Self { key: Some(key), ..of(kind) };
        match event {
            Event::Start => of(EventKind::Start),
            Event::Stop => of(EventKind::Stop),
            Event::RetryNow => of(EventKind::RetryNow),
            Event::Pause => of(EventKind::Pause),
            Event::Resume => of(EventKind::Resume),
            Event::NetworkDown => of(EventKind::NetworkDown),
            Event::NetworkUp => of(EventKind::NetworkUp),
            Event::TimerFired => of(EventKind::TimerFired),
            Event::Opened { conn } => on(conn, EventKind::Opened),
            Event::Ready { conn, session, resumable } => Self {
                session: Some(session),
                resumable: Some(resumable),
                ..on(conn, EventKind::Ready)
            },
            Event::Received { conn } => on(conn, EventKind::Received),
            Event::Closed { conn, closure } => Self::closed(conn, closure),
            Event::Negotiated { conn, heartbeat, spread } => {
                Self { heartbeat, spread, ..on(conn, EventKind::Negotiated) }
            }
            Event::GoAway { conn, within } => {
                Self { within: Some(within), ..on(conn, EventKind::GoAway) }
            }
            Event::SessionLost { conn } => on(conn, EventKind::SessionLost),
            Event::CredentialsReady { ticket, lasts } => {
                Self { ticket: Some(ticket), lasts, ..of(EventKind::CredentialsReady) }
            }
            Event::CredentialsFailed { ticket, fatal } => Self {
                ticket: Some(ticket),
                fatal: Some(fatal),
                ..of(EventKind::CredentialsFailed)
            },
            Event::Rotate => of(EventKind::Rotate),
            Event::Subscribe { key } => about(key, EventKind::Subscribe),
            Event::Unsubscribe { key } => about(key, EventKind::Unsubscribe),
            Event::Resync { key } => about(key, EventKind::Resync),
            Event::Acked { conn, request } => {
                Self { request: Some(request), ..on(conn, EventKind::Acked) }
            }
            Event::Refused { conn, request, refusal } => Self {
                request: Some(request),
                refusal: Some(refusal),
                ..on(conn, EventKind::Refused)
            },
        }
    }
}

impl TryFrom<EventRecord> for Event {
    type Error = Mismatch;

    fn try_from(mut record: EventRecord) -> Result<Self, Mismatch> {
        let event = match record.kind {
            EventKind::Start => Self::Start,
            EventKind::Stop => Self::Stop,
            EventKind::RetryNow => Self::RetryNow,
            EventKind::Pause => Self::Pause,
            EventKind::Resume => Self::Resume,
            EventKind::NetworkDown => Self::NetworkDown,
            EventKind::NetworkUp => Self::NetworkUp,
            EventKind::TimerFired => Self::TimerFired,
            EventKind::Opened => Self::Opened { conn: record.conn()? },
            EventKind::Ready => Self::Ready {
                conn: record.conn()?,
                session: need(record.session.take(), "session")?,
                resumable: need(record.resumable.take(), "resumable")?,
            },
            EventKind::Received => Self::Received { conn: record.conn()? },
            EventKind::Closed => Self::Closed { conn: record.conn()?, closure: record.closure()? },
            EventKind::Negotiated => Self::Negotiated {
                conn: record.conn()?,
                heartbeat: record.heartbeat.take(),
                spread: record.spread.take(),
            },
            EventKind::GoAway => {
                Self::GoAway { conn: record.conn()?, within: need(record.within.take(), "within")? }
            }
            EventKind::SessionLost => Self::SessionLost { conn: record.conn()? },
            EventKind::CredentialsReady => {
                Self::CredentialsReady { ticket: record.ticket()?, lasts: record.lasts.take() }
            }
            EventKind::CredentialsFailed => Self::CredentialsFailed {
                ticket: record.ticket()?,
                fatal: need(record.fatal.take(), "fatal")?,
            },
            EventKind::Rotate => Self::Rotate,
            EventKind::Subscribe => Self::Subscribe { key: record.key()? },
            EventKind::Unsubscribe => Self::Unsubscribe { key: record.key()? },
            EventKind::Resync => Self::Resync { key: record.key()? },
            EventKind::Acked => Self::Acked { conn: record.conn()?, request: record.request()? },
            EventKind::Refused => Self::Refused {
                conn: record.conn()?,
                request: record.request()?,
                refusal: need(record.refusal.take(), "refusal")?,
            },
        };
        record.emptied().map(|()| event)
    }
}

impl EventRecord {
    fn closed(conn: ConnId, closure: Closure) -> Self {
        let Closure { by, fact, retry_after, verdict } = closure;
        let Facts { code, http, io } = fact.into();
        let (conn, by) = (Some(conn), Some(by));
        Self { conn, by, code, http, io, retry_after, verdict, ..Self::of(EventKind::Closed) }
    }

    fn closure(&mut self) -> Result<Closure, Mismatch> {
        let facts = Facts { code: self.code.take(), http: self.http.take(), io: self.io.take() };
        Ok(Closure {
            by: need(self.by.take(), "by")?,
            fact: facts.try_into()?,
            retry_after: self.retry_after.take(),
            verdict: self.verdict.take(),
        })
    }

    fn conn(&mut self) -> Result<ConnId, Mismatch> {
        need(self.conn.take(), "conn")
    }

    fn ticket(&mut self) -> Result<Ticket, Mismatch> {
        need(self.ticket.take(), "ticket")
    }

    fn key(&mut self) -> Result<SubKey, Mismatch> {
        need(self.key.take(), "key")
    }

    fn request(&mut self) -> Result<Request, Mismatch> {
        need(self.request.take(), "request")
    }
}
