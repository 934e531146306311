//! What is logged has the names and fields that the crate's documentation promises.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex};

use redial::Phase;
use redial_tokio::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;

use crate::server::{Lines, accept, bounded, listen, phase, serve};

/// A refused upgrade, a connection, a stop.
#[tokio::test]
async fn a_life_is_logged() {
    let log = Log::default();
    let _guard = tracing::subscriber::set_default(tracing_subscriber::registry().with(log.clone()));
    bounded(async {
        let (listener, url) = listen().await;
        let port = listener.local_addr().unwrap().port();
        let client = Client::builder(format!("{url}/path?token=secret")).name("feed");
        let (handle, mut events) = client.connect(Lines).unwrap();
        refuse(&listener).await;
        let mut socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;
        handle.stop();
        drop(handle);
        serve(&mut socket, usize::MAX).await;
        while events.next().await.is_some() {}

        let port = port.to_string();
        let lines = log.take();
        let dial = |conn| {
            line(
                "redial.dial",
                &[("conn", conn), ("server.address", "127.0.0.1"), ("server.port", &port)],
            )
        };
        let expected = [
            dial("1"),
            line(
                "redial.error",
                &[
                    ("conn", "1"),
                    ("error", "HTTP error: 503 Service Unavailable"),
                    ("stage", "upgrade"),
                ],
            ),
            line(
                "redial.closed",
                &[("by", "Peer"), ("conn", "1"), ("http", "503"), ("retry_after_ms", "0")],
            ),
            dial("2"),
            line("redial.opened", &[("conn", "2")]),
            line("redial.close", &[("conn", "2"), ("how", "Graceful"), ("why", "Stop")]),
            line("redial.closed", &[("by", "Peer"), ("code", "1000"), ("conn", "2")]),
        ];
        let (statuses, others): (Vec<_>, Vec<_>) =
            lines.into_iter().partition(|line| line.name == "redial.status");
        assert_eq!(others, expected);
        check_statuses(&statuses);
    })
    .await;
}

fn check_statuses(statuses: &[Line]) {
    let told: Vec<_> = statuses.iter().map(|line| line.fields["phase"].as_str()).collect();
    assert_eq!(told, ["Opening", "Waiting", "Opening", "Live", "Closing", "Idle"]);
    let waiting: Vec<_> = statuses[1].fields.keys().map(String::as_str).collect();
    assert_eq!(waiting, ["attempt", "cause", "losses", "phase", "wait_ms", "waits_for"]);
    assert_eq!(statuses[1].fields["cause"], "Closed { by: Peer, fact: Http(503) }");
    assert_eq!(statuses[1].fields["waits_for"], "Backoff");
    assert_eq!(
        statuses[3],
        line("redial.status", &[("conn", "2"), ("losses", "0"), ("phase", "Live"),])
    );
}

async fn refuse(listener: &tokio::net::TcpListener) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let _ = stream.read(&mut [0; 1024]).await.unwrap();
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(answer).await.unwrap();
}

/// An event of the client within its span.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Line {
    name: &'static str,
    fields: BTreeMap<String, String>,
}

fn line(name: &'static str, fields: &[(&str, &str)]) -> Line {
    let fields = fields.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect();
    Line { name, fields }
}

/// Collects what is logged under the client's target.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<Line>>>);

impl Log {
    fn take(&self) -> Vec<Line> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == "redial_tokio"
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        assert_eq!(attributes.metadata().name(), "redial.link");
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        assert_eq!(fields.0, BTreeMap::from([("name".to_owned(), "feed".to_owned())]));
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let span = context.event_span(event).expect("all happens in the span");
        assert_eq!(span.name(), "redial.link");
        let level = if metadata.name() == "redial.status" { Level::INFO } else { Level::DEBUG };
        assert_eq!(*metadata.level(), level);
        let mut fields = Fields::default();
        event.record(&mut fields);
        fields.0.remove("message");
        self.0.lock().unwrap().push(Line { name: metadata.name(), fields: fields.0 });
    }
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}
