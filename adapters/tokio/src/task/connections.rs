//! The sockets that the link holds.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use redial::{Closure, ConnId, Endpoint, Event, Instant, Session};

use super::Task;
use crate::dial::WebSocket;
use crate::log;
use crate::protocol::Protocol;
use crate::socket::Socket;

pub(crate) type Dial = Pin<Box<dyn Future<Output = Result<WebSocket, Closure>> + Send>>;

/// What there is of sockets. The core holds at most two (P4): the current one, and beside it a
/// successor or one that is closing.
pub(crate) struct Connections {
    /// In rising order.
    held: Vec<Connection>,
    /// Which of two is looked at first.
    turn: bool,
}

pub(crate) struct Connection {
    pub(super) conn: ConnId,
    pub(super) endpoint: Endpoint,
    pub(super) session: Session,
    pub(super) stage: Stage,
}

pub(super) enum Stage {
    Dialling(Dial),
    Open(Box<Socket>),
}

impl Connections {
    pub(crate) const fn new() -> Self {
        Self { held: Vec::new(), turn: false }
    }

    pub(super) fn insert(&mut self, connection: Connection) {
        self.held.push(connection);
    }

    fn remove(&mut self, conn: ConnId) -> Option<Connection> {
        let at = self.held.iter().position(|held| held.conn == conn)?;
        Some(self.held.remove(at))
    }

    fn get_mut(&mut self, conn: ConnId) -> Option<&mut Connection> {
        self.held.iter_mut().find(|held| held.conn == conn)
    }

    pub(super) fn holds(&self, conn: ConnId) -> bool {
        self.held.iter().any(|held| held.conn == conn)
    }

    pub(super) fn socket(&mut self, conn: ConnId) -> Option<&mut Socket> {
        match &mut self.get_mut(conn)?.stage {
            Stage::Open(socket) => Some(socket),
            Stage::Dialling(_) => None,
        }
    }

    pub(super) fn newest(&self) -> Option<ConnId> {
        self.held.last().map(|held| held.conn)
    }

    /// Whether more than one may deliver.
    pub(super) fn overlap(&self) -> bool {
        self.held.iter().filter(|held| matches!(held.stage, Stage::Open(_))).count() > 1
    }

    pub(super) fn all(&self) -> [Option<ConnId>; 2] {
        let mut held = self.held.iter().map(|held| held.conn);
        [held.next(), held.next()]
    }

    /// Each of two comes first in its turn, so that a slow application starves neither of room.
    fn in_turn(&mut self) -> [Option<ConnId>; 2] {
        let [first, second] = self.all();
        self.turn = !self.turn;
        if self.turn { [first, second] } else { [second, first] }
    }
}

impl<P: Protocol> Task<P> {
    pub(super) fn poll_connections(
        &mut self,
        cx: &mut Context<'_>,
        now: Instant,
        mut room: usize,
    ) -> bool {
        let mut more = false;
        for conn in self.connections.in_turn().into_iter().flatten() {
            let Some(connection) = self.connections.get_mut(conn) else { continue };
            let any = match &mut connection.stage {
                Stage::Dialling(dial) => match dial.as_mut().poll(cx) {
                    Poll::Pending => false,
                    Poll::Ready(Ok(stream)) => {
                        self.opened(now, conn, stream);
                        true
                    }
                    Poll::Ready(Err(closure)) => {
                        self.closed(now, conn, closure);
                        true
                    }
                },
                Stage::Open(_) => self.poll_read(cx, now, conn, &mut room),
            };
            if any {
                // The loss of one is told before what another says after it.
                self.perform(now);
                more = true;
            }
        }
        more
    }

    fn opened(&mut self, now: Instant, conn: ConnId, stream: WebSocket) {
        let Some(connection) = self.connections.get_mut(conn) else { return };
        let (endpoint, session) = (connection.endpoint, connection.session);
        let mut socket = Socket::new(conn, stream);
        let attempt = super::attempt(conn, endpoint, session, self.token.as_ref());
        if let Some(greeting) = self.protocol.greet(&attempt) {
            socket.queue(greeting, None);
        }
        connection.stage = Stage::Open(Box::new(socket));
        log::opened(conn);
        // What follows is carried out before anything is read, so a loss is told before new data.
        self.handle(now, Event::Opened { conn });
    }

    pub(super) fn closed(&mut self, now: Instant, conn: ConnId, closure: Closure) {
        log::closed(conn, &closure);
        self.drop_connection(now, conn);
        self.handle(now, Event::Closed { conn, closure });
    }

    pub(super) fn drop_connection(&mut self, now: Instant, conn: ConnId) {
        let Some(connection) = self.connections.remove(conn) else { return };
        self.topics.forget_requests(conn);
        let Stage::Open(mut socket) = connection.stage else { return };
        // Answers the peer's close frame, where the network takes the answer at once.
        let last = socket.poll_write(&mut Context::from_waker(Waker::noop()));
        self.written(conn, last.ok().and_then(|written| written.item));
        self.lay_down(now, conn);
        self.protocol.closed(conn);
        self.tell_gaps(now);
    }
}
