//! What the core asks for, carried out.

use redial::{Action, Closure, ConnId, Endpoint, How, Instant, IoKind, Session, Status, Why};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use super::Task;
use super::connections::{Connection, Dial, Stage};
use crate::client::Observed;
use crate::dial::{closure, dial};
use crate::log;
use crate::protocol::Protocol;

impl<P: Protocol> Task<P> {
    /// Carries out what the core asks for; whether it asked for anything.
    pub(super) fn perform(&mut self, now: Instant) -> bool {
        let mut any = false;
        while let Some(action) = self.link.poll_action(now) {
            any = true;
            if let Some(recording) = &mut self.recording {
                recording.action(now, &action);
            }
            if let Some(observer) = &mut self.observer {
                observer(now, Observed::Action(&action));
            }
            match action {
                Action::Open { conn, endpoint, session } => {
                    // First, so that a process that dies of it has spent it (P1).
                    self.save();
                    self.open(now, conn, endpoint, session);
                }
                Action::Close { conn, how, why } => self.close(now, conn, how, why),
                Action::RefreshCredentials { ticket } => self.refresh(ticket),
                Action::Ping { conn } => {
                    let ping = self.protocol.ping(conn);
                    if let Some(socket) = self.connections.socket(conn) {
                        socket.ping(ping.unwrap_or_else(|| Message::Ping(Vec::new().into())));
                    }
                }
                Action::Subscribe { conn, request } => {
                    self.topics.asked(conn, request, true);
                    if let Some(topic) = self.topics.topic(request.key) {
                        let message = self.protocol.subscribe(conn, topic, request.number);
                        self.say(conn, message);
                    }
                }
                Action::Unsubscribe { conn, request } => {
                    self.topics.asked(conn, request, false);
                    if let Some(topic) = self.topics.topic(request.key) {
                        let message = self.protocol.unsubscribe(conn, topic, request.number);
                        self.say(conn, message);
                    }
                }
                Action::Report(status) => self.report(now, status),
                Action::ArmTimer { at } => self.armed = Some(at),
                Action::DisarmTimer => self.armed = None,
            }
        }
        if let Some(recording) = &mut self.recording {
            recording.drained(now, &self.link);
        }
        any
    }

    fn open(&mut self, now: Instant, conn: ConnId, endpoint: Endpoint, session: Session) {
        match self.dial(conn, endpoint, session) {
            Ok(dial) => {
                let stage = Stage::Dialling(dial);
                self.connections.insert(Connection { conn, endpoint, session, stage });
            }
            Err(closure) => self.closed(now, conn, closure),
        }
    }

    fn dial(
        &mut self,
        conn: ConnId,
        endpoint: Endpoint,
        session: Session,
    ) -> Result<Dial, Closure> {
        let attempt = super::attempt(conn, endpoint, session, self.token.as_ref());
        let request = (self.request)(&attempt).map_err(|error| {
            log::no_request(conn, error.as_ref());
            Closure::local().io(IoKind::Other)
        })?;
        let tls = self.tls.prepare(request.uri()).map_err(|error| {
            log::no_request(conn, &error);
            closure(&error)
        })?;
        Ok(Box::pin(dial(conn, request, tls, self.config)))
    }

    fn close(&mut self, now: Instant, conn: ConnId, how: How, why: Why) {
        log::close(conn, how, why);
        let code = self.protocol.close_code(why);
        match (how, self.connections.socket(conn)) {
            (How::Graceful, Some(socket)) => {
                socket.close(CloseFrame { code: code.into(), reason: "".into() });
            }
            (How::Graceful, None) => {
                self.closed(now, conn, Closure::local());
            }
            (How::Abort, _) => self.drop_connection(now, conn),
        }
    }

    fn report(&mut self, now: Instant, status: Status) {
        let conn = self.link.current().or(self.connections.newest());
        log::status(now, conn, &status);
        let lost = status.losses != self.losses;
        self.losses = status.losses;
        // Who hears of a status finds the rest of the link as new.
        self.publish();
        self.events.push_status(status, lost);
    }
}
