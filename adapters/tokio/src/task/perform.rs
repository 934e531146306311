//! What the core asks for, carried out.

use redial::{Action, Closure, ConnId, How, Instant, IoKind, Status, Why};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::{Connection, Dial, Task};
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
                Action::Open { conn, .. } => self.open(now, conn),
                Action::Close { conn, how, why } => self.close(now, conn, how, why),
                Action::RefreshCredentials { .. } => {}
                Action::Ping { conn } => {
                    let ping =
                        self.protocol.ping().unwrap_or_else(|| Message::Ping(Vec::new().into()));
                    if let Some(socket) = self.socket(conn) {
                        socket.ping(ping);
                    }
                }
                Action::Subscribe { conn, request } => {
                    self.topics.asked(request, true);
                    if let Some(topic) = self.topics.topic(request.key) {
                        let message = self.protocol.subscribe(topic, request.number);
                        self.say(conn, message);
                    }
                }
                Action::Unsubscribe { conn, request } => {
                    self.topics.asked(request, false);
                    if let Some(topic) = self.topics.topic(request.key) {
                        let message = self.protocol.unsubscribe(topic, request.number);
                        self.say(conn, message);
                    }
                }
                Action::Report(status) => self.report(now, status),
                Action::ArmTimer { at } => self.arm(now, at),
                Action::DisarmTimer => self.armed = None,
            }
        }
        if let Some(recording) = &mut self.recording {
            recording.drained(now, &self.link);
        }
        any
    }

    fn open(&mut self, now: Instant, conn: ConnId) {
        match self.dial(conn) {
            Ok(dial) => self.connection = Connection::Dialling { conn, dial },
            Err(closure) => self.closed(now, conn, closure),
        }
    }

    fn dial(&mut self, conn: ConnId) -> Result<Dial, Closure> {
        let request = (self.request)().map_err(|error| {
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
        match (how, self.socket(conn)) {
            (How::Graceful, Some(socket)) => {
                let code = if why == Why::Stop { CloseCode::Normal } else { CloseCode::Away };
                socket.close(CloseFrame { code, reason: "".into() });
            }
            (How::Graceful, None) => {
                self.closed(now, conn, Closure::local());
            }
            (How::Abort, _) => self.drop_connection(conn),
        }
    }

    fn report(&mut self, now: Instant, status: Status) {
        log::status(now, self.connection.conn(), &status);
        let lost = status.losses != self.losses;
        self.losses = status.losses;
        // Who hears of a status finds the rest of the link as new.
        self.publish();
        self.events.push_status(status, lost);
    }

    fn say(&mut self, conn: ConnId, message: Message) {
        if let Some(socket) = self.socket(conn) {
            socket.queue(message, None);
        }
    }
}
