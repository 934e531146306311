//! The market: a real WebSocket server on a loopback port, with a remote control for faults.
//!
//! It keeps its own log of what it saw, so that no verdict has to take the dashboard's word.

mod account;
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
use account::Accounts;

pub(crate) use account::Tokens;
pub(crate) use log::{Link, Log, Unavailable, Visit, Welcome};

/// How many requests the server takes at once, and then one per [`REQUEST_INTERVAL_MS`]: 20 a
/// second. Who asks more is closed with 1008.
pub(crate) const REQUEST_BURST: u32 = 20;
pub(crate) const REQUEST_INTERVAL_MS: u64 = 50;

const PORTS: usize = 2;

/// The running server. Dropping it ends it.
#[derive(Debug)]
pub(crate) struct Server {
    shared: Arc<Shared>,
    /// Of the preferred port, and of the other one.
    addrs: [SocketAddr; PORTS],
    listening: Vec<JoinHandle<()>>,
    feed: JoinHandle<()>,
}

/// How the server treats a connection that comes in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Door {
    Open,
    /// It is upgraded, then dropped.
    Drops,
    /// It is dropped before its upgrade.
    Refuses,
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
    /// Ask the client to leave.
    GoAway,
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
    accounts: Mutex<Accounts>,
    log: Mutex<Log>,
    orders: broadcast::Sender<Order>,
    prices: broadcast::Sender<Price>,
}

#[derive(Debug)]
struct Controls {
    link: Link,
    doors: [Door; PORTS],
    delisted: Option<Symbol>,
    /// The next connection is cut after this many answers.
    cut_after_answers: Option<u32>,
    rush: bool,
}

impl Server {
    pub(crate) fn start(clock: Clock, speed: Speed, seed: u64) -> io::Result<Self> {
        let shared = Arc::new(Shared {
            clock,
            request_interval: speed.of_millis(REQUEST_INTERVAL_MS),
            controls: Mutex::new(Controls {
                link: Link::Feed,
                doors: [Door::Open; PORTS],
                delisted: None,
                cut_after_answers: None,
                rush: false,
            }),
            accounts: Mutex::new(Accounts::default()),
            log: Mutex::new(Log::default()),
            orders: broadcast::channel(64).0,
            prices: broadcast::channel(8_192).0,
        });
        let any_port = || bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let listeners = [any_port()?, any_port()?];
        let addrs = [listeners[0].local_addr()?, listeners[1].local_addr()?];
        let feed = tokio::spawn(feed::run(Arc::clone(&shared), speed, seed));
        let mut server = Self { shared, addrs, listening: Vec::new(), feed };
        server.listen(listeners);
        Ok(server)
    }

    /// Of the public feed.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/", self.addrs[0])
    }

    /// Of an account, by either port; a token is to follow.
    pub(crate) fn account_urls(&self) -> [String; PORTS] {
        self.addrs.map(|addr| format!("ws://{addr}{}", account::PATH))
    }

    /// Where an account gets its tokens.
    pub(crate) fn tokens(&self) -> Tokens {
        Tokens::new(Arc::clone(&self.shared))
    }

    /// Who comes from now on is the account's link.
    pub(crate) fn expect_account(&self) {
        self.shared.controls().link = Link::Account;
    }

    /// No token that was issued is good any more.
    pub(crate) fn expire_tokens(&self) {
        self.shared.accounts().expire_tokens();
    }

    /// Who resumes a session is cut off, until somebody asks for a fresh one.
    pub(crate) fn poison_resumes(&self) {
        self.shared.accounts().poisoned = true;
    }

    /// Makes more prices than usual, or as many again.
    pub(crate) fn set_rush(&self, rush: bool) {
        self.shared.controls().rush = rush;
    }

    /// Asks every client to leave its connection for another.
    pub(crate) fn go_away(&self) {
        self.order(Order::GoAway);
    }

    /// What the server saw until now.
    pub(crate) fn log(&self) -> MutexGuard<'_, Log> {
        self.shared.log()
    }

    /// A view of the log for those who outlive a borrow of the server.
    pub(crate) fn witness(&self) -> Witness {
        Witness { shared: Arc::clone(&self.shared) }
    }

    pub(crate) fn set_doors(&self, door: Door) {
        self.shared.controls().doors = [door; PORTS];
    }

    /// Of the preferred port alone.
    pub(crate) fn set_first_door(&self, door: Door) {
        self.shared.controls().doors[0] = door;
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

    /// Stops listening and cuts every connection. The ports are free when this returns.
    pub(crate) async fn go_down(&mut self) {
        for listening in self.listening.drain(..) {
            listening.abort();
            // An aborted task reports that it was cancelled; there is nothing else to learn.
            let _cancelled = listening.await;
        }
        self.cut(Cut::Reset);
    }

    /// Listens again, on the same ports.
    pub(crate) fn come_back(&mut self) -> io::Result<()> {
        let listeners = [bind(self.addrs[0])?, bind(self.addrs[1])?];
        self.listen(listeners);
        Ok(())
    }

    fn listen(&mut self, listeners: [TcpListener; PORTS]) {
        for (port, listener) in listeners.into_iter().enumerate() {
            self.listening.push(tokio::spawn(listen(Arc::clone(&self.shared), listener, port)));
        }
    }

    fn order(&self, order: Order) {
        // Without a connection there is nobody to order about.
        let _receivers = self.shared.orders.send(order);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.feed.abort();
        for listening in &self.listening {
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

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remember(&self, price: Price) {
        self.accounts().remember(price);
    }
}

/// A restarted server must get its port back while old connections linger in `TIME_WAIT`.
fn bind(addr: SocketAddr) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    socket.listen(64)
}

async fn listen(shared: Arc<Shared>, listener: TcpListener, port: usize) {
    while let Ok((stream, _)) = listener.accept().await {
        let (link, door) = {
            let controls = shared.controls();
            (controls.link, controls.doors[port])
        };
        let visit = shared.log().admit(shared.clock.now(), port, link);
        tokio::spawn(session::serve(Arc::clone(&shared), stream, visit, door));
    }
}
