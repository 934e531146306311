//! One connection, from accept to its end.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::{StatusCode, header::RETRY_AFTER};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};
use tokio_tungstenite::{WebSocketStream, accept_async, accept_hdr_async};

use super::{Door, Order, REQUEST_BURST, Shared, Unavailable, Welcome, account};
use crate::demo::market::{Ask, Price, Say, Symbol};
use crate::demo::script::Cut;

/// How long the server waits for the client's half of a farewell.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream, visit: usize, door: Door) {
    let orders = shared.orders.subscribe();
    // Without it a price waits for the acknowledgement of the one before.
    let _best_effort = stream.set_nodelay(true);
    match door {
        Door::Open => {
            if let Some((socket, public)) = admit(&shared, stream).await {
                let session = Session::new(Arc::clone(&shared), socket, visit);
                if public {
                    session.welcome(Welcome::Fresh);
                }
                session.run(orders).await;
            }
        }
        // An upgrade that the client gives up on has nobody left to drop.
        Door::Drops => drop(accept_async(stream).await),
        Door::Refuses => drop(stream),
        Door::Unavailable { retry_after_s } => {
            unavailable(&shared, stream, visit, retry_after_s).await;
        }
    }
    let now = shared.clock.now();
    shared.log().over(visit, now);
}

/// The upgraded connection, and whether it is to the public feed. An account's needs a good token.
async fn admit(shared: &Shared, stream: TcpStream) -> Option<(WebSocketStream<TcpStream>, bool)> {
    let mut public = true;
    #[allow(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let answer = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        public = request.uri().path() != account::PATH;
        let checked = shared.accounts().check(request.uri());
        checked.map(|()| response).map_err(|token| {
            shared.log().rejected.push((shared.clock.now(), token));
            refusal(StatusCode::UNAUTHORIZED)
        })
    };
    let socket = accept_hdr_async(stream, answer).await.ok()?;
    Some((socket, public))
}

async fn unavailable(shared: &Shared, stream: TcpStream, visit: usize, retry_after_s: u32) {
    let retry_after = Duration::from_secs(retry_after_s.into());
    {
        let mut log = shared.log();
        let port = log.visits[visit].port;
        log.unavailable.push(Unavailable { port, at: shared.clock.now(), retry_after });
    }
    #[allow(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let answer = move |_: &Request, _: Response| -> Result<Response, ErrorResponse> {
        let mut refusal = refusal(StatusCode::SERVICE_UNAVAILABLE);
        refusal.headers_mut().insert(RETRY_AFTER, retry_after_s.into());
        Err(refusal)
    };
    // It always ends in an error: that is what refusing means.
    drop(accept_hdr_async(stream, answer).await);
}

fn refusal(status: StatusCode) -> ErrorResponse {
    let mut refusal = ErrorResponse::new(None);
    *refusal.status_mut() = status;
    refusal
}

struct Session {
    shared: Arc<Shared>,
    socket: WebSocketStream<TcpStream>,
    visit: usize,
    limit: RequestLimit,
    answers: u32,
    cut_after_answers: Option<u32>,
    /// The account's session, once there is one.
    session: Option<u64>,
    /// The last price of each symbol that was sent out of turn, to who resumed.
    replayed: BTreeMap<Symbol, u64>,
}

/// The connection is over.
struct Over;

impl Session {
    fn new(shared: Arc<Shared>, socket: WebSocketStream<TcpStream>, visit: usize) -> Self {
        let limit = RequestLimit::new(shared.request_interval);
        let cut_after_answers = shared.controls().cut_after_answers.take();
        Self {
            shared,
            socket,
            visit,
            limit,
            answers: 0,
            cut_after_answers,
            session: None,
            replayed: BTreeMap::new(),
        }
    }

    async fn run(mut self, mut orders: broadcast::Receiver<Order>) {
        let mut prices = self.shared.prices.subscribe();
        loop {
            let flow = tokio::select! {
                biased;
                order = orders.recv() => match order {
                    Ok(Order::Freeze) => return self.frozen(orders).await,
                    Ok(order) => self.obey(order).await,
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return,
                },
                frame = self.socket.next() => self.heard(frame).await,
                price = prices.recv() => match price {
                    Ok(price) => self.publish(price).await,
                    // Too slow a reader is cut off rather than served with holes.
                    Err(RecvError::Lagged(_) | RecvError::Closed) => return,
                },
            };
            if flow.is_break() {
                return;
            }
        }
    }

    async fn obey(&mut self, order: Order) -> ControlFlow<Over> {
        match order {
            Order::Cut(how) => self.cut(how).await,
            Order::Close(code) => self.close(code).await,
            Order::GoAway => self.say(Say::GoAway).await,
            Order::Freeze | Order::Thaw => ControlFlow::Continue(()),
        }
    }

    async fn cut(&mut self, how: Cut) -> ControlFlow<Over> {
        self.over();
        match how {
            Cut::Reset => self.reset_on_drop(),
            // The drop that follows ends the connection if this cannot.
            Cut::Fin => drop(self.socket.get_mut().shutdown().await),
        }
        ControlFlow::Break(Over)
    }

    fn reset_on_drop(&self) {
        // Failing that, the drop is a FIN, and the connection is cut all the same.
        let _best_effort = SockRef::from(self.socket.get_ref()).set_linger(Some(Duration::ZERO));
    }

    async fn close(&mut self, code: u16) -> ControlFlow<Over> {
        self.over();
        let frame = CloseFrame { code: code.into(), reason: "".into() };
        if self.socket.close(Some(frame)).await.is_ok() {
            self.until_gone().await;
        }
        ControlFlow::Break(Over)
    }

    /// Reads until the client's end of the connection; false if it keeps it.
    async fn until_gone(&mut self) -> bool {
        let gone = async { while let Some(Ok(_)) = self.socket.next().await {} };
        timeout(FAREWELL, gone).await.is_ok()
    }

    async fn frozen(mut self, mut orders: broadcast::Receiver<Order>) {
        self.over();
        self.shared.log().visits[self.visit].silent_since = Some(self.shared.clock.now());
        loop {
            match orders.recv().await {
                Ok(Order::Freeze | Order::Close(_) | Order::GoAway) => {}
                Ok(Order::Thaw) => break,
                Ok(Order::Cut(_)) => return self.reset_on_drop(),
                Err(RecvError::Lagged(_) | RecvError::Closed) => return,
            }
        }
        let leaked = !self.until_gone().await;
        self.shared.log().visits[self.visit].leaked = leaked;
    }

    fn over(&self) {
        self.shared.log().over(self.visit, self.shared.clock.now());
    }

    fn welcome(&self, welcome: Welcome) {
        self.shared.log().visits[self.visit].welcome = Some(welcome);
    }

    async fn publish(&mut self, price: Price) -> ControlFlow<Over> {
        if self.replayed.get(&price.symbol).is_some_and(|&seq| price.seq <= seq) {
            return ControlFlow::Continue(());
        }
        let wanted = self.shared.log().visits[self.visit].held.contains(&price.symbol);
        if wanted { self.say(Say::Price(price)).await } else { ControlFlow::Continue(()) }
    }

    async fn heard(
        &mut self,
        frame: Option<Result<Message, tungstenite::Error>>,
    ) -> ControlFlow<Over> {
        match frame {
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(Ask::Login) => self.begin().await,
                Ok(Ask::Resume { session, seen }) => self.resume(session, seen).await,
                Ok(Ask::Subscribe { id, symbol }) => self.answer(id, symbol, true).await,
                Ok(Ask::Unsubscribe { id, symbol }) => self.answer(id, symbol, false).await,
                Err(_) => self.close(UNSUPPORTED_DATA).await,
            },
            // Pings are answered by the library.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => {
                ControlFlow::Continue(())
            }
            Some(Ok(Message::Binary(_))) => self.close(UNSUPPORTED_DATA).await,
            // The library sends the echo when it is polled once more.
            Some(Ok(Message::Close(_))) => {
                self.over();
                self.until_gone().await;
                ControlFlow::Break(Over)
            }
            Some(Err(_)) | None => ControlFlow::Break(Over),
        }
    }

    async fn begin(&mut self) -> ControlFlow<Over> {
        let session = {
            let mut accounts = self.shared.accounts();
            accounts.poisoned = false;
            accounts.begin()
        };
        self.session = Some(session);
        self.welcome(Welcome::Fresh);
        self.say(Say::Welcome { session, resumed: false }).await
    }

    async fn resume(&mut self, session: u64, seen: Vec<(Symbol, u64)>) -> ControlFlow<Over> {
        if self.shared.accounts().poisoned {
            self.shared.log().poisoned.push(self.shared.clock.now());
            return self.cut(Cut::Fin).await;
        }
        let held = self.shared.accounts().held(session).cloned();
        let Some(held) = held else { return self.begin().await };
        self.session = Some(session);
        self.shared.log().visits[self.visit].held = held;
        self.welcome(Welcome::Resumed);
        self.say(Say::Welcome { session, resumed: true }).await?;
        // Prices made from here on come by the feed as well, which this connection listens to already.
        let missed = self.shared.accounts().after(&seen.into_iter().collect());
        for price in missed {
            self.replayed.insert(price.symbol, price.seq);
            self.say(Say::Price(price)).await?;
        }
        ControlFlow::Continue(())
    }

    async fn answer(&mut self, id: u64, symbol: Symbol, wanted: bool) -> ControlFlow<Over> {
        let now = self.shared.clock.now();
        if !self.limit.admits(now) {
            self.shared.log().over_limit.push((self.visit, now));
            return self.close(POLICY_VIOLATION).await;
        }
        let agreed = self.decide(symbol, wanted);
        let flow = self.say(if agreed { Say::Ack { id } } else { Say::Refused { id } }).await;
        self.answers += 1;
        if self.cut_after_answers == Some(self.answers) {
            return self.cut(Cut::Reset).await;
        }
        flow
    }

    /// The memory changes before the answer is sent: what the client knows, the log knows. False is
    /// a refusal.
    fn decide(&self, symbol: Symbol, wanted: bool) -> bool {
        let delisted = self.shared.controls().delisted;
        let mut log = self.shared.log();
        log.visits[self.visit].requests += 1;
        if wanted && delisted == Some(symbol) {
            log.refused.push((self.visit, symbol));
            return false;
        }
        let visit = &mut log.visits[self.visit];
        if !wanted {
            visit.held.remove(&symbol);
        } else if !visit.held.insert(symbol) {
            visit.repeated.push(symbol);
        }
        if let Some(session) = self.session
            && let Some(held) = self.shared.accounts().held(session)
        {
            held.clone_from(&visit.held);
        }
        true
    }

    async fn say(&mut self, say: Say) -> ControlFlow<Over> {
        let text = serde_json::to_string(&say).expect("plain data has a JSON form");
        match self.socket.send(Message::text(text)).await {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(Over),
        }
    }
}

/// The server's own limiter, apart from the one it is meant to test.
struct RequestLimit {
    interval: Duration,
    tokens: f64,
    counted: Duration,
}

impl RequestLimit {
    fn new(interval: Duration) -> Self {
        Self { interval, tokens: REQUEST_BURST.into(), counted: Duration::ZERO }
    }

    fn admits(&mut self, now: Duration) -> bool {
        let gained = now.saturating_sub(self.counted).div_duration_f64(self.interval);
        self.tokens = (self.tokens + gained).min(REQUEST_BURST.into());
        self.counted = now;
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

const UNSUPPORTED_DATA: u16 = 1003;
const POLICY_VIOLATION: u16 = 1008;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_twenty_at_once_and_twenty_a_second() {
        let mut limit = RequestLimit::new(Duration::from_millis(50));
        let at_once = (0..100).filter(|_| limit.admits(Duration::from_secs(9))).count();
        assert_eq!(at_once, 20);
        let in_the_next_second = (1..=1_000_u64)
            .filter(|&millis| limit.admits(Duration::from_millis(9_000 + millis)))
            .count();
        assert!((19..=20).contains(&in_the_next_second), "{in_the_next_second}");
    }
}
