//! The server against a bare WebSocket client: each fault is what it says.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

use super::{Door, REQUEST_BURST, Server};
use crate::demo::clock::{Clock, Speed};
use crate::demo::market::{Ask, Say, Symbol};
use crate::demo::script::Cut;

type Client = WebSocketStream<MaybeTlsStream<TcpStream>>;

fn server() -> Server {
    let speed: Speed = "1".parse().unwrap();
    Server::start(Clock::start(), speed, 1).unwrap()
}

async fn client(server: &Server) -> Client {
    connect_async(server.url()).await.unwrap().0
}

fn symbol(index: usize) -> Symbol {
    Symbol::all().nth(index).unwrap()
}

async fn subscribe(client: &mut Client, id: u64, symbol: Symbol) {
    let ask = serde_json::to_string(&Ask::Subscribe { id, symbol }).unwrap();
    client.send(Message::text(ask)).await.unwrap();
}

async fn next(client: &mut Client) -> Option<Result<Message, Error>> {
    timeout(Duration::from_secs(5), client.next()).await.expect("the server says something")
}

async fn said(client: &mut Client) -> Say {
    let frame = next(client).await.unwrap().unwrap();
    serde_json::from_str(frame.to_text().unwrap()).unwrap()
}

/// The close code, or `None` where the connection ends without one.
async fn end_of(client: &mut Client) -> Option<u16> {
    loop {
        match next(client).await {
            Some(Ok(Message::Close(frame))) => return frame.map(|frame| frame.code.into()),
            Some(Ok(_)) => {}
            Some(Err(_)) | None => return None,
        }
    }
}

#[tokio::test]
async fn a_subscription_is_acknowledged_and_then_served_without_holes() {
    let server = server();
    let mut client = client(&server).await;
    subscribe(&mut client, 7, symbol(3)).await;
    assert_eq!(said(&mut client).await, Say::Ack { id: 7 });
    let mut seqs = Vec::new();
    while seqs.len() < 3 {
        let Say::Price(price) = said(&mut client).await else { panic!("not a price") };
        assert_eq!(price.symbol, symbol(3));
        seqs.push(price.seq);
    }
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    assert_eq!(server.log().held_now(), [symbol(3)].into());
}

#[tokio::test]
async fn who_asks_too_much_is_closed_with_1008() {
    let server = server();
    let mut client = client(&server).await;
    for id in 0..=u64::from(REQUEST_BURST) + 20 {
        subscribe(&mut client, id, symbol(0)).await;
    }
    assert_eq!(end_of(&mut client).await, Some(1008));
    assert_eq!(server.log().over_limit.len(), 1);
}

#[tokio::test]
async fn a_delisted_symbol_is_refused() {
    let server = server();
    server.delist(symbol(1));
    let mut client = client(&server).await;
    subscribe(&mut client, 1, symbol(1)).await;
    assert_eq!(said(&mut client).await, Say::Refused { id: 1 });
    assert!(server.log().held_now().is_empty());
}

#[tokio::test]
async fn an_unavailable_server_says_when_to_come_back() {
    let server = server();
    server.set_doors(Door::Unavailable { retry_after_s: 7 });
    let Err(Error::Http(response)) = connect_async(server.url()).await else {
        panic!("the upgrade must be refused");
    };
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "7");
}

#[tokio::test]
async fn closes_carry_their_code_and_cuts_carry_none() {
    let server = server();
    let mut closed = client(&server).await;
    subscribe(&mut closed, 1, symbol(0)).await;
    assert_eq!(said(&mut closed).await, Say::Ack { id: 1 });
    server.close(1012);
    assert_eq!(end_of(&mut closed).await, Some(1012));
    for how in [Cut::Reset, Cut::Fin] {
        let mut cut = client(&server).await;
        subscribe(&mut cut, 1, symbol(0)).await;
        assert_eq!(said(&mut cut).await, Say::Ack { id: 1 });
        server.cut(how);
        assert_eq!(end_of(&mut cut).await, None);
    }
}

#[tokio::test]
async fn a_cut_is_armed_for_the_next_connection_only() {
    let server = server();
    server.cut_next_after(2);
    let mut cut = client(&server).await;
    for id in 1..=2 {
        subscribe(&mut cut, id, symbol(0)).await;
    }
    assert_eq!(end_of(&mut cut).await, None);
    let mut spared = client(&server).await;
    for id in 1..=3 {
        subscribe(&mut spared, id, symbol(0)).await;
        while said(&mut spared).await != (Say::Ack { id }) {}
    }
}

#[tokio::test]
async fn a_client_that_keeps_a_dead_connection_is_told_from_one_that_lets_go() {
    for lets_go in [true, false] {
        let server = server();
        let mut client = client(&server).await;
        subscribe(&mut client, 1, symbol(0)).await;
        assert_eq!(said(&mut client).await, Say::Ack { id: 1 });
        server.freeze();
        wait_until(|| server.log().visits[0].silent_since.is_some()).await;
        let kept = (!lets_go).then_some(client);
        server.thaw();
        wait_until(|| server.shared.orders.receiver_count() == 0).await;
        assert_eq!(server.log().visits[0].leaked, !lets_go);
        drop(kept);
    }
}

#[tokio::test]
async fn a_restarted_server_has_its_port_back() {
    let mut server = server();
    let mut before = client(&server).await;
    server.go_down().await;
    assert_eq!(end_of(&mut before).await, None);
    assert!(connect_async(server.url()).await.is_err());
    server.come_back().unwrap();
    client(&server).await;
}

/// Polls what only the server's log can tell, with a bound.
async fn wait_until(what: impl Fn() -> bool) {
    let seen = async {
        while !what() {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), seen).await.expect("it happens");
}
