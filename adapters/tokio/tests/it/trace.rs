//! What a client records is what it did.

use std::io;
use std::sync::{Arc, Mutex};

use redial::trace::{Header, Line, Replay};
use redial::{Action, Event, Phase, Slot};
use redial_tokio::{Client, ConnectError, Observed};

use crate::server::{Lines, accept, bounded, listen, phase, serve};

/// A file that the test can read.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Shared {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_recorded_client_replays() {
    bounded(async {
        let (listener, url) = listen().await;
        let trace = Shared::default();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let witness = Arc::clone(&seen);
        let client = Client::builder(url).record(trace.clone()).observe(move |_, observed| {
            witness.lock().unwrap().push(match observed {
                Observed::Event(event) => Seen::Event(*event),
                Observed::Action(action) => Seen::Action(*action),
            });
        });
        let (handle, mut events) = client.connect(Lines).unwrap();
        // More topics than the storage begins with.
        for topic in 0..40 {
            handle.subscribe(topic);
        }
        let mut socket = accept(&listener).await;
        serve(&mut socket, 40).await;
        phase(&mut events, Phase::Live).await;
        drop(socket);
        let mut socket = accept(&listener).await;
        serve(&mut socket, 40).await;
        phase(&mut events, Phase::Live).await;
        handle.stop();
        drop(handle);
        while events.next().await.is_some() {}

        let recorded = replayed(&trace.text());
        assert_eq!(recorded, *seen.lock().unwrap(), "nothing is left out");
        assert!(recorded.len() > 160, "{} lines", recorded.len());
        let last = trace.text().lines().last().unwrap().to_owned();
        assert_eq!(last, r#"{"deadline":null}"#, "drains are told to end");
    })
    .await;
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Seen {
    Event(Event),
    Action(Action),
}

/// What the trace tells, if the core agrees.
fn replayed(trace: &str) -> Vec<Seen> {
    let mut lines = trace.lines();
    let header: Header = serde_json::from_str(lines.next().unwrap()).unwrap();
    let mut replay = Replay::new(&header, |slots| vec![Slot::EMPTY; slots as usize]);
    let mut recorded = Vec::new();
    for line in lines {
        let line: Line = serde_json::from_str(line).unwrap();
        replay.check(&line).unwrap_or_else(|difference| panic!("{difference}"));
        match line {
            Line::Event { event, .. } => recorded.push(Seen::Event(event)),
            Line::Action { action, .. } => recorded.push(Seen::Action(action)),
            Line::Deadline { .. } | Line::Subscriptions(_) => {}
        }
    }
    recorded
}

/// Takes so many writes.
struct Full(usize);

impl io::Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.checked_sub(1).ok_or(io::ErrorKind::StorageFull)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn a_full_disk_ends_the_trace_and_not_the_client() {
    bounded(async {
        let (listener, url) = listen().await;
        let client = Client::builder(url.as_str()).record(Full(3));
        let (_handle, mut events) = client.connect(Lines).unwrap();
        let _socket = accept(&listener).await;
        phase(&mut events, Phase::Live).await;

        let error = Client::builder(url).record(Full(0)).connect(Lines).unwrap_err();
        let ConnectError::Trace(error) = error else { panic!("{error}") };
        assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    })
    .await;
}
