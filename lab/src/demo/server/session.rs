//! One connection, from accept to its end.

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

use super::{Door, Order, REQUEST_BURST, Shared, Unavailable};
use crate::demo::market::{Ask, Price, Say};
use crate::demo::script::Cut;

/// How long the server waits for the client's half of a farewell.
const FAREWELL: Duration = Duration::from_secs(1);

pub(super) async fn serve(shared: Arc<Shared>, stream: TcpStream, visit: usize) {
    let orders = shared.orders.subscribe();
    let door = shared.controls().door;
    // Without it a price waits for the acknowledgement of the one before.
    let _best_effort = stream.set_nodelay(true);
    match door {
        Door::Open => {
            if let Ok(socket) = accept_async(stream).await {
                Session::new(Arc::clone(&shared), socket, visit).run(orders).await;
            }
        }
        // An upgrade that the client gives up on has nobody left to drop.
        Door::Drops => drop(accept_async(stream).await),
        Door::Unavailable { retry_after_s } => refuse(&shared, stream, retry_after_s).await,
    }
    let now = shared.clock.now();
    shared.log().over(visit, now);
}

async fn refuse(shared: &Shared, stream: TcpStream, retry_after_s: u32) {
    let retry_after = Duration::from_secs(retry_after_s.into());
    shared.log().unavailable.push(Unavailable { at: shared.clock.now(), retry_after });
    #[allow(clippy::result_large_err, reason = "the signature is tungstenite's")]
    let answer = move |_: &Request, _: Response| -> Result<Response, ErrorResponse> {
        let mut refusal = ErrorResponse::new(None);
        *refusal.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
        refusal.headers_mut().insert(RETRY_AFTER, retry_after_s.into());
        Err(refusal)
    };
    // It always ends in an error: that is what refusing means.
    drop(accept_hdr_async(stream, answer).await);
}

struct Session {
    shared: Arc<Shared>,
    socket: WebSocketStream<TcpStream>,
    visit: usize,
    limit: RequestLimit,
    answers: u32,
    cut_after_answers: Option<u32>,
}

/// The connection is over.
struct Over;

impl Session {
    fn new(shared: Arc<Shared>, socket: WebSocketStream<TcpStream>, visit: usize) -> Self {
        let limit = RequestLimit::new(shared.request_interval);
        let cut_after_answers = shared.controls().cut_after_answers.take();
        Self { shared, socket, visit, limit, answers: 0, cut_after_answers }
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
                Ok(Order::Freeze | Order::Close(_)) => {}
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

    async fn publish(&mut self, price: Price) -> ControlFlow<Over> {
        let wanted = self.shared.log().visits[self.visit].held.contains(&price.symbol);
        if wanted { self.say(Say::Price(price)).await } else { ControlFlow::Continue(()) }
    }

    async fn heard(
        &mut self,
        frame: Option<Result<Message, tungstenite::Error>>,
    ) -> ControlFlow<Over> {
        match frame {
            Some(Ok(Message::Text(text))) => match serde_json::from_str(&text) {
                Ok(ask) => self.answer(ask).await,
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

    async fn answer(&mut self, ask: Ask) -> ControlFlow<Over> {
        let now = self.shared.clock.now();
        if !self.limit.admits(now) {
            self.shared.log().over_limit.push((self.visit, now));
            return self.close(POLICY_VIOLATION).await;
        }
        let say = self.decide(ask);
        let flow = self.say(say).await;
        self.answers += 1;
        if self.cut_after_answers == Some(self.answers) {
            return self.cut(Cut::Reset).await;
        }
        flow
    }

    /// The memory changes before the answer is sent: what the client knows, the log knows.
    fn decide(&self, ask: Ask) -> Say {
        let delisted = self.shared.controls().delisted;
        let mut log = self.shared.log();
        log.visits[self.visit].requests += 1;
        match ask {
            Ask::Subscribe { id, symbol } if delisted == Some(symbol) => {
                log.refused.push((self.visit, symbol));
                Say::Refused { id }
            }
            Ask::Subscribe { id, symbol } => {
                if !log.visits[self.visit].held.insert(symbol) {
                    log.visits[self.visit].repeated.push(symbol);
                }
                Say::Ack { id }
            }
            Ask::Unsubscribe { id, symbol } => {
                log.visits[self.visit].held.remove(&symbol);
                Say::Ack { id }
            }
        }
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
