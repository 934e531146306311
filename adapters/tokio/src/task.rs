//! The one task behind a client: it owns the link, the socket and the timer.

mod inbound;
mod perform;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use redial::{Closure, ConnId, Event, Instant, Link, Phase, Slot};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::client::{BoxError, Observed};
use crate::clock;
use crate::dial::WebSocket;
use crate::handle::{Shared, Wish};
use crate::log;
use crate::protocol::Protocol;
use crate::queue::{Producer, Room};
use crate::socket::Socket;
use crate::tls::Tls;
use crate::topics::Topics;

pub(crate) type MakeRequest = Box<dyn FnMut() -> Result<Request, BoxError> + Send>;
pub(crate) type Observer = Box<dyn FnMut(Instant, Observed<'_>) + Send>;

pub(crate) struct Task<P: Protocol> {
    pub(crate) protocol: P,
    pub(crate) request: MakeRequest,
    pub(crate) tls: Tls,
    pub(crate) config: WebSocketConfig,
    pub(crate) observer: Option<Observer>,
    pub(crate) link: Link<Vec<Slot>>,
    pub(crate) topics: Topics<P::Topic>,
    pub(crate) wishes: UnboundedReceiver<Wish<P::Topic>>,
    pub(crate) events: Producer<P::Topic, P::Data>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) timer: Pin<Box<Sleep>>,
    /// What the timer is armed for.
    pub(crate) armed: Option<Instant>,
    pub(crate) connection: Connection,
    /// A message that was read and finds no room.
    pub(crate) held: Option<Message>,
    /// Whether the link starts without being told to.
    pub(crate) starts: bool,
    pub(crate) losses: u32,
}

pub(crate) type Dial = Pin<Box<dyn Future<Output = Result<WebSocket, Closure>> + Send>>;

/// What there is of a socket. The core holds one at a time (P4).
pub(crate) enum Connection {
    None,
    Dialling { conn: ConnId, dial: Dial },
    Open(Box<Socket>),
}

impl Connection {
    const fn conn(&self) -> Option<ConnId> {
        match self {
            Self::None => None,
            Self::Dialling { conn, .. } => Some(*conn),
            Self::Open(socket) => Some(socket.conn),
        }
    }
}

impl<P: Protocol> Task<P> {
    /// Runs until the application is gone.
    pub(crate) async fn run(mut self) {
        if self.starts {
            let now = self.shared.clock.now();
            self.handle(now, Event::Start);
        }
        poll_fn(|cx| self.poll(cx)).await;
    }

    /// One wake-up: takes in what happened, carries out what follows, asks to be woken again as
    /// long as there is more. The clock is read once.
    ///
    /// The peer comes first: what it said in time counts, even if a deadline has passed since.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Room::For(room) = self.events.poll_room(cx) else { return Poll::Ready(()) };
        let now = self.shared.clock.now();
        let mut more = self.poll_connection(cx, now, room);
        self.vouch(now);
        let wished = self.poll_wishes(cx, now);
        more |= wished.unwrap_or(false);
        more |= self.poll_timer(cx, now);
        more |= self.perform(now);
        more |= self.poll_write(cx, now);
        self.publish();
        if wished.is_none() {
            return Poll::Ready(());
        }
        if more {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }

    /// `None` once nobody can wish for anything and nothing is under way.
    fn poll_wishes(&mut self, cx: &mut Context<'_>, now: Instant) -> Option<bool> {
        for _ in 0..WISHES {
            match self.wishes.poll_recv(cx) {
                Poll::Pending => return Some(false),
                Poll::Ready(Some(wish)) => self.take(now, wish),
                Poll::Ready(None) => {
                    let over = matches!(self.link.phase(), Phase::Idle | Phase::Halted);
                    return (!over).then_some(false);
                }
            }
        }
        Some(true)
    }

    fn take(&mut self, now: Instant, wish: Wish<P::Topic>) {
        let event = match wish {
            Wish::Start => Some(Event::Start),
            Wish::Stop => Some(Event::Stop),
            Wish::RetryNow => Some(Event::RetryNow),
            Wish::Pause => Some(Event::Pause),
            Wish::Resume => Some(Event::Resume),
            Wish::NetworkDown => Some(Event::NetworkDown),
            Wish::NetworkUp => Some(Event::NetworkUp),
            Wish::Subscribe(topic) => {
                self.topics.want(topic, &mut self.link).map(|key| Event::Subscribe { key })
            }
            Wish::Unsubscribe(topic) => {
                self.topics.withdraw(&topic).map(|key| Event::Unsubscribe { key })
            }
            Wish::Resync(topic) => self.topics.key(&topic).map(|key| Event::Resync { key }),
            Wish::Send { conn, message, place } => {
                if let Some(socket) = self.socket(conn) {
                    socket.queue(message, Some(place));
                }
                None
            }
        };
        if let Some(event) = event {
            self.handle(now, event);
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Some(at) = self.armed else { return false };
        if now < at {
            let woke = self.timer.as_mut().poll(cx).is_ready();
            if woke {
                self.arm(now, at);
            }
            return woke;
        }
        self.armed = None;
        self.handle(now, Event::TimerFired);
        true
    }

    /// Before a deadline passes: if it is the application that does not listen, and there is
    /// something to hear, the peer is no less alive.
    fn vouch(&mut self, now: Instant) {
        let is_due = self.armed.is_some_and(|at| at <= now);
        if let (true, Some(_unread), Connection::Open(socket)) =
            (is_due, &self.held, &self.connection)
        {
            let conn = socket.conn;
            if socket.waits_to_be_read() {
                self.handle(now, Event::Received { conn });
            }
        }
    }

    fn arm(&mut self, now: Instant, at: Instant) {
        self.armed = Some(at);
        self.timer.as_mut().reset(tokio::time::Instant::now() + clock::sleep(now, at));
    }

    fn poll_connection(&mut self, cx: &mut Context<'_>, now: Instant, room: usize) -> bool {
        match &mut self.connection {
            Connection::None => false,
            Connection::Dialling { conn, dial } => {
                let conn = *conn;
                let Poll::Ready(dialled) = dial.as_mut().poll(cx) else { return false };
                match dialled {
                    Ok(stream) => self.opened(now, conn, stream),
                    Err(closure) => self.closed(now, conn, closure),
                }
                true
            }
            Connection::Open(socket) => {
                let conn = socket.conn;
                self.poll_read(cx, now, conn, room)
            }
        }
    }

    fn opened(&mut self, now: Instant, conn: ConnId, stream: WebSocket) {
        let mut socket = Socket::new(conn, stream);
        if let Some(greeting) = self.protocol.greet() {
            socket.queue(greeting, None);
        }
        self.connection = Connection::Open(Box::new(socket));
        log::opened(conn);
        // What follows is carried out before anything is read, so a loss is told before new data.
        self.handle(now, Event::Opened { conn });
    }

    fn closed(&mut self, now: Instant, conn: ConnId, closure: Closure) {
        log::closed(conn, &closure);
        self.drop_connection(conn);
        self.handle(now, Event::Closed { conn, closure });
    }

    fn drop_connection(&mut self, conn: ConnId) {
        match &mut self.connection {
            Connection::Open(socket) if socket.conn == conn => {
                // Answers the peer's close frame, where the network takes the answer at once.
                let _ = socket.poll_write(&mut Context::from_waker(Waker::noop()));
            }
            Connection::Dialling { conn: dialled, .. } if *dialled == conn => {}
            Connection::Open(_) | Connection::Dialling { .. } | Connection::None => return,
        }
        self.connection = Connection::None;
        self.held = None;
        self.topics.forget_requests();
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        let Connection::Open(socket) = &mut self.connection else { return false };
        let conn = socket.conn;
        let Err(closure) = socket.poll_write(cx) else { return false };
        self.closed(now, conn, closure);
        true
    }

    fn handle(&mut self, now: Instant, event: Event) {
        if let Some(observer) = &mut self.observer {
            observer(now, Observed::Event(&event));
        }
        if let Err(misuse) = self.link.handle(now, event) {
            log::misuse(misuse);
        }
    }

    fn socket(&mut self, conn: ConnId) -> Option<&mut Socket> {
        match &mut self.connection {
            Connection::Open(socket) if socket.conn == conn => Some(socket),
            Connection::Open(_) | Connection::Dialling { .. } | Connection::None => None,
        }
    }

    fn publish(&self) {
        let phase = self.link.phase();
        let ready = matches!(phase, Phase::Restoring | Phase::Live | Phase::Degraded);
        let mut snapshot = self.shared.lock();
        snapshot.status = self.link.status();
        snapshot.stats = self.link.stats();
        snapshot.counts = self.link.counts();
        snapshot.ready = match &self.connection {
            Connection::Open(socket) if ready => Some(socket.conn),
            Connection::Open(_) | Connection::Dialling { .. } | Connection::None => None,
        };
    }
}

/// How many wishes are taken in one wake-up, so that they keep neither the socket nor other tasks
/// waiting.
const WISHES: usize = 256;
