//! `hold`: a link to any WebSocket server, which survives the death of its process.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use redial::{ConnId, Policy};
use redial_tokio::tungstenite::Message;
use redial_tokio::{BadFrame, Client, ClientEvent, Inbound, Protocol, Snapshots};
use serde::{Deserialize, Serialize};

use crate::explain::read_policy;
use crate::output::print;
use crate::{Failure, HoldArgs, words};

/// Holds the link until the process is killed or the link halts.
///
/// # Errors
///
/// [`Failure::Input`] for a policy, a URL or a snapshot that cannot be used; else [`Failure::Run`].
pub(crate) fn hold(args: &HoldArgs) -> Result<(), Failure> {
    let policy = args.policy.as_deref().map_or_else(|| Ok(Policy::new()), read_policy)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::Run(format!("no runtime: {error}")))?;
    runtime.block_on(run(&args.url, policy, args.snapshot.as_deref()))
}

async fn run(url: &str, policy: Policy, snapshot: Option<&Path>) -> Result<(), Failure> {
    let client = Client::builder(url).policy(policy);
    let connected = match snapshot {
        None => client.connect(Listener),
        Some(path) => client.connect_with_snapshots(Listener, snapshots(path)?),
    };
    let (_handle, mut events) =
        connected.map_err(|error| Failure::Input(format!("{url}: {error}")))?;
    while let Some(event) = events.next().await {
        if let ClientEvent::Status(status) = event {
            print(&format!("{}\n", words::name(status.phase)))?;
            if status.halted.is_some() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// What the file holds.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// Since 1970.
    at: Duration,
    snapshot: String,
}

/// Goes on from the file if there is one.
fn snapshots(path: &Path) -> Result<Snapshots<String>, Failure> {
    let file = path.to_owned();
    let snapshots = Snapshots::new(move |text| {
        if let Err(error) = store(&file, text) {
            // Without it a restart would spend anew what this process has spent.
            eprintln!("redial-lab: cannot store {}: {error}", file.display());
            std::process::exit(3);
        }
    });
    let wrong = |error: &dyn std::fmt::Display| {
        Failure::Input(format!("the snapshot in {}: {error}", path.display()))
    };
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(snapshots),
        Err(error) => return Err(wrong(&error)),
    };
    let Stored { at, snapshot } = serde_json::from_slice(&text).map_err(|error| wrong(&error))?;
    // A clock that was set back tells nothing, which waits longer and never shorter.
    let elapsed = since_1970().checked_sub(at);
    snapshots.restore(&snapshot, elapsed).map_err(|error| wrong(&error))
}

/// In one step, so that a process that is killed in the middle leaves the older file whole.
fn store(path: &Path, text: &str) -> io::Result<()> {
    let stored = Stored { at: since_1970(), snapshot: text.to_owned() };
    let mut beside = path.as_os_str().to_owned();
    beside.push(".new");
    let beside = PathBuf::from(beside);
    fs::write(&beside, serde_json::to_vec(&stored)?)?;
    fs::rename(&beside, path)
}

fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Subscribes to nothing, and takes every message for a sign of life.
struct Listener;

impl Protocol for Listener {
    type Topic = String;
    type Data = ();

    fn subscribe(&mut self, _: ConnId, topic: &String, _: u64) -> Message {
        Message::text(topic)
    }

    fn unsubscribe(&mut self, _: ConnId, topic: &String, _: u64) -> Message {
        Message::text(topic)
    }

    fn read(&mut self, _: ConnId, _: Message) -> Result<Inbound<String, ()>, BadFrame> {
        Ok(Inbound::Nothing)
    }
}
