//! The market: a real WebSocket server on a loopback port, with a remote control for faults.
//!
//! It keeps its own log of what it saw, so that no verdict has to take the dashboard's word.

mod feed;
mod log;
mod session;
#[cfg(test)]
mod tests;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::broadcast;
use tokio::task::JoinHandle;

use super::clock::{Clock, Speed};
use super::market::{Price, Symbol};
use super::script::Cut;

pub(crate) use log::{Log, Unavailable, Visit};

/// How many requests the server takes at once, and then one per [`REQUEST_INTERVAL_MS`]: 20 a
/// second. Who asks more is closed with 1008.
pub(crate) const REQUEST_BURST: u32 = 20;
pub(crate) const REQUEST_INTERVAL_MS: u64 = 50;

/// The running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    shared: Arc<Shared>,
    addr: SocketAddr,
    listening: Option<JoinHandle<()>>,
    feed: JoinHandle<()>,
}

/// How the server treats a connection that comes in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    Open,
    /// It is upgraded, then dropped.
    Drops,
    /// Its upgrade is refused with 503.
    Unavailable {
        retry_after_s: u32,
    },
}

/// What the connections at hand shall do.
#[derive(Clone, Copy, Debug)]
enum Order {
    Cut(Cut),
    Close(u16),
    /// Neither read nor write any more.
    Freeze,
    /// Look whether the client has let go of a frozen connection.
    Thaw,
}

#[derive(Debug)]
struct Shared {
    clock: Clock,
    request_interval: Duration,
    controls: Mutex<Controls>,
    log: Mutex<Log>,
    orders: broadcast::Sender<Order>,
    prices: broadcast::Sender<Price>,
}

#[derive(Debug)]
struct Controls {
    door: Door,
    delisted: Option<Symbol>,
    /// The next connection is cut after this many answers.
    cut_after_answers: Option<u32>,
}

impl Server {
    pub(crate) fn start(clock: Clock, speed: Speed, seed: u64) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            clock,
            request_interval: speed.of_millis(REQUEST_INTERVAL_MS),
            controls: Mutex::new(Controls {
                door: Door::Open,
                delisted: None,
                cut_after_answers: None,
            }),
            log: Mutex::new(Log::default()),
            orders: broadcast::channel(64).0,
            prices: broadcast::channel(8_192).0,
        });
        let listener = bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
        let addr = listener.local_addr()?;
        let feed = tokio::spawn(feed::run(Arc::clone(&shared), speed, seed));
        let listening = Some(tokio::spawn(listen(Arc::clone(&shared), listener)));
        Ok(Self { shared, addr, listening, feed })
    }

    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.addr)
    }

    /// What the server saw until now.
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.shared.log()
    }

    /// A view of the log for those who outlive a borrow of the server.
    pub(crate) fn witness(&self) -> Witness {
        Witness { shared: Arc::clone(&self.shared) }
    }

    pub(crate) fn set_door(&self, door: Door) {
        self.shared.controls().door = door;
    }

    /// Cuts every connection.
    pub(crate) fn cut(&self, how: Cut) {
        self.order(Order::Cut(how));
    }

    /// Closes every connection with a close handshake.
    pub(crate) fn close(&self, code: u16) {
        self.order(Order::Close(code));
    }

    /// Makes every connection half-open.
    pub(crate) fn freeze(&self) {
        self.order(Order::Freeze);
    }

    /// Ends what [`Server::freeze`] began, and logs whether the client had let go.
    pub(crate) fn thaw(&self) {
        self.order(Order::Thaw);
    }

    /// Refuses `symbol` from now on, whoever asks.
    pub(crate) fn delist(&self, symbol: Symbol) {
        self.shared.controls().delisted = Some(symbol);
    }

    /// Cuts the next connection after `answers` answers.
    pub(crate) fn cut_next_after(&self, answers: u32) {
        self.shared.controls().cut_after_answers = Some(answers);
    }

    /// Stops listening and cuts every connection. The port is free when this returns.
    pub(crate) async fn go_down(&mut self) {
        if let Some(listening) = self.listening.take() {
            listening.abort();
            // An aborted task reports that it was cancelled; there is nothing else to learn.
            let _cancelled = listening.await;
        }
        self.cut(Cut::Reset);
    }

    /// Listens again, on the same port.
    pub(crate) fn come_back(&mut self) -> io::Result<()> {
        let listener = bind(self.addr)?;
        self.listening = Some(tokio::spawn(listen(Arc::clone(&self.shared), listener)));
        Ok(())
    }

    fn order(&self, order: Order) {
        // Without a connection there is nobody to order about.
        let _receivers = self.shared.orders.send(order);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.feed.abort();
        if let Some(listening) = &self.listening {
            listening.abort();
        }
    }
}

/// Reads the server's log from elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct Witness {
    shared: Arc<Shared>,
}

impl Witness {
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.shared.log()
    }
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn controls(&self) -> MutexGuard<'_, Controls> {
        self.controls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A restarted server must get its port back while old connections linger in `TIME_WAIT`.
fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(64)
}

async fn listen(shared: Arc<Shared>, listener: TcpListener) {
    while let Ok((stream, _)) = listener.accept().await {
        let visit = shared.log().admit(shared.clock.now());
        tokio::spawn(session::serve(Arc::clone(&shared), stream, visit));
    }
}
