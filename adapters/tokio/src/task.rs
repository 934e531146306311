//! The one task behind a client: it owns the link, the sockets and the timer.

mod connections;
mod inbound;
mod outgoing;
mod perform;
mod refresh;

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use redial::{ConnId, Endpoint, Event, Instant, ItemId, Link, Phase, Session, Slot, SubKey};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Sleep;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use crate::attempt::Attempt;
use crate::client::{BoxError, Observed};
use crate::clock;
use crate::handle::{Shared, Wish};
use crate::log;
use crate::protocol::Protocol;
use crate::queue::{Producer, Room};
use crate::record::Recording;
use crate::snapshots::Save;
use crate::tls::Tls;
use crate::topics::Topics;

pub(crate) use self::connections::Connections;
pub(crate) use self::refresh::Tokens;

pub(crate) type MakeRequest = Box<dyn FnMut(&Attempt<'_>) -> Result<Request, BoxError> + Send>;
pub(crate) type Observer = Box<dyn FnMut(Instant, Observed<'_>) + Send>;

pub(crate) struct Task<P: Protocol> {
    pub(crate) protocol: P,
    pub(crate) request: MakeRequest,
    pub(crate) tls: Tls,
    pub(crate) config: WebSocketConfig,
    pub(crate) observer: Option<Observer>,
    /// Before `events`, and so dropped before it: who sees the events end finds the trace whole.
    pub(crate) recording: Option<Recording>,
    /// Stores what the link remembers.
    pub(crate) save: Option<Save<P::Topic>>,
    pub(crate) link: Link<Vec<Slot>>,
    pub(crate) topics: Topics<P::Topic>,
    pub(crate) wishes: UnboundedReceiver<Wish<P::Topic>>,
    pub(crate) events: Producer<P::Topic, P::Data>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) timer: Pin<Box<Sleep>>,
    /// What the core armed it for.
    pub(crate) armed: Option<Instant>,
    /// What it is set to.
    pub(crate) sleeps_until: Option<Instant>,
    pub(crate) connections: Connections,
    pub(crate) tokens: Tokens,
    /// The latest token.
    pub(crate) token: Option<String>,
    /// The outbox's item that is being written, and where.
    pub(crate) in_hand: Option<(ConnId, ItemId)>,
    /// Topics of which something may be missing, should the other of two connections not have it.
    pub(crate) gaps: Vec<SubKey>,
    pub(crate) marks_duplicates: bool,
    pub(crate) resyncs_gaps: bool,
    /// Whether the link starts without being told to.
    pub(crate) starts: bool,
    pub(crate) losses: u32,
}

fn attempt(
    conn: ConnId,
    endpoint: Endpoint,
    session: Session,
    token: Option<&String>,
) -> Attempt<'_> {
    Attempt { conn, endpoint, session, token: token.map(String::as_str) }
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
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Room::For(room) = self.events.poll_room(cx) else { return Poll::Ready(()) };
        let now = self.shared.clock.now();
        let Some(mut more) = self.poll_wishes(cx, now) else { return Poll::Ready(()) };
        more |= self.poll_connections(cx, now, room);
        more |= self.poll_tokens(cx, now);
        self.expire(now);
        more |= self.poll_timer(cx, now);
        more |= self.perform(now);
        more |= self.poll_write(cx, now);
        self.publish();
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
            Wish::Rotate => Some(Event::Rotate),
            Wish::Subscribe(topic) => {
                self.topics.want(topic, &mut self.link).map(|key| Event::Subscribe { key })
            }
            Wish::Unsubscribe(topic) => {
                self.topics.withdraw(&topic).map(|key| Event::Unsubscribe { key })
            }
            Wish::Resync(topic) => self.topics.key(&topic).map(|key| Event::Resync { key }),
            Wish::CaughtUp { topic, epoch, sequence } => {
                self.caught_up(&topic, epoch, sequence);
                None
            }
            // To be woken suffices.
            Wish::Send => {
                self.shared.outbox().look();
                None
            }
        };
        if let Some(event) = event {
            self.handle(now, event);
        }
    }

    fn poll_timer(&mut self, cx: &mut Context<'_>, now: Instant) -> bool {
        if self.armed.is_some_and(|at| now >= at) {
            self.armed = None;
            self.hear_out(now);
            self.handle(now, Event::TimerFired);
            return true;
        }
        let expiry = self.shared.outbox().next_expiry();
        let wake = self.armed.into_iter().chain(expiry).min();
        let Some(at) = wake else { return false };
        if self.sleeps_until != wake {
            self.sleep(now, at);
        }
        let woke = self.timer.as_mut().poll(cx).is_ready();
        if woke {
            self.sleeps_until = None;
        }
        woke
    }

    fn sleep(&mut self, now: Instant, until: Instant) {
        self.sleeps_until = Some(until);
        self.timer.as_mut().reset(tokio::time::Instant::now() + clock::sleep(now, until));
    }

    /// Where messages wait for the application, it is the application that does not listen, unless
    /// there is nothing to hear.
    fn hear_out(&mut self, now: Instant) {
        for conn in self.connections.all().into_iter().flatten() {
            let Some(socket) = self.connections.socket(conn) else { continue };
            if socket.is_held_up() && socket.waits_to_be_read() {
                self.handle(now, Event::Received { conn });
            }
        }
    }

    fn handle(&mut self, now: Instant, event: Event) {
        if let Some(observer) = &mut self.observer {
            observer(now, Observed::Event(&event));
        }
        if let Err(misuse) = self.link.handle(now, event) {
            log::misuse(misuse);
        } else if let Some(recording) = &mut self.recording {
            recording.event(now, &event, &self.link);
        }
    }

    fn save(&mut self) {
        if let Some(save) = &mut self.save {
            save(&self.link, &self.topics);
        }
    }

    fn publish(&self) {
        let mut view = self.shared.lock();
        view.status = self.link.status();
        view.stats = self.link.stats();
        view.counts = self.link.counts();
    }
}

/// However it ends, with the application or with its runtime.
impl<P: Protocol> Drop for Task<P> {
    fn drop(&mut self) {
        self.save();
        self.return_all();
    }
}

/// How many wishes are taken in one wake-up, so that they keep neither the socket nor other tasks
/// waiting.
const WISHES: usize = 256;
