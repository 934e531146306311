//! The example on the crate's first page speaks with a server.

use futures_util::StreamExt;
use redial::{ConnId, Phase, Refusal};
use redial_tokio::{BadFrame, Client, ClientEvent};

use self::example::Ticker;
use crate::server::{accept, bounded, listen, say};

#[path = "../../examples/ticker.rs"]
#[allow(dead_code, reason = "a test has a main function of its own")]
mod example;

#[tokio::test]
async fn the_example_works() {
    bounded(async {
        let (listener, url) = listen().await;
        let (handle, mut events) = Client::builder(url).idle().connect(Ticker).unwrap();
        handle.subscribe("BTC-USD".to_owned());
        handle.subscribe("NONE".to_owned());
        handle.start();
        let mut socket = accept(&listener).await;
        for (expected, answer) in [("subscribe 1 BTC-USD", "ok 1"), ("subscribe 2 NONE", "no 2")] {
            assert_eq!(socket.next().await.unwrap().unwrap().to_text().unwrap(), expected);
            say(&mut socket, answer).await.unwrap();
        }
        say(&mut socket, "BTC-USD 64250.5").await.unwrap();
        say(&mut socket, "BTC-USD much").await.unwrap();
        let mut heard = Vec::new();
        while heard.last() != Some(&ClientEvent::BadFrame(BadFrame::new("no price"))) {
            let event = events.next().await.unwrap();
            if !matches!(event, ClientEvent::Status(_)) {
                heard.push(event);
            }
        }
        let topic = "NONE".to_owned();
        assert_eq!(heard[0], ClientEvent::Refused { topic, refusal: Refusal::Final });
        let topic = Some("BTC-USD".to_owned());
        let expected = ClientEvent::Data { conn: ConnId::new(1), topic, data: 64250.5, seen: None };
        assert_eq!(heard[1], expected);
        assert_eq!(handle.status().phase, Phase::Live);
        handle.unsubscribe(&"BTC-USD".to_owned());
        let last = socket.next().await.unwrap().unwrap();
        assert_eq!(last.to_text().unwrap(), "unsubscribe 3 BTC-USD");
    })
    .await;
}
