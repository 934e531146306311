//! A WebSocket client that stays connected: [`redial`] decides when to dial, what to say again and
//! when a peer is dead; this crate carries it out over tokio and tokio-tungstenite.
//!
//! The server's language is a [`Protocol`]. [`Client::builder`] makes a [`Handle`], which says what
//! is wished, and a stream of [`Events`], which tells what came of it. A whole program:
//!
#![doc = "```no_run"]
#![doc = include_str!("../examples/ticker.rs")]
#![doc = "```"]
//!
//! # What it can do beyond that
//!
//! - **Sessions.** [`Protocol::greet`] is told whether to resume, and answers are told as
//!   [`Inbound::Ready`] or [`Inbound::SessionLost`]. Where to resume is the protocol's to remember.
//! - **Rotation.** With `rotate` in the policy, a connection is replaced in time, when the server
//!   asks ([`Inbound::GoAway`]) or when the application does ([`Handle::rotate`]): the old one goes
//!   once the new one has every topic. Meanwhile both deliver; data that the server numbers
//!   ([`Inbound::Numbered`]) come to the application once.
//! - **Several servers**: [`Client::endpoints`].
//! - **Tokens** that run out: [`Builder::tokens`].
//! - **Sending** while the link is down: [`Handle::send`].
//! - **Restarts** of the process: [`Builder::connect_with_snapshots`].
//! - **A record** of all that the core was told and asked for: [`Builder::record`].
//!
//! When and how often is the [`Policy`](redial::Policy)'s to say, in all of these.
//!
//! # What is kept in bounds
//!
//! Events wait up to [`Builder::event_buffer`]; then nothing more is read, one message of each
//! connection aside, and what that means for finding a dead peer is told at [`Events`]. Outgoing
//! messages wait up to what [`Builder::outbox`] says of the application's own, and a hundred thousand
//! others; with more the connection is closed. They never keep the timers waiting, and pings overtake
//! them: a peer that does not read is found dead as any other.
//!
//! # Time
//!
//! On Linux and Android the client's clock goes on while the machine is suspended
//! (`CLOCK_BOOTTIME`). Tokio's timers do not, so after a resume the client may notice what fell due
//! only at its next wake-up, which is at most 30 s away: it then probes the peer once more, or dials
//! if it is time. [`Handle::network_up`] makes it look at once. Elsewhere the clock is
//! [`std::time::Instant`], which on some platforms stops meanwhile: the client then behaves as if
//! nothing had happened. Tokio's paused test clock moves the timers and not the clock.
//!
//! # Tracing
//!
//! All that a client does happens in the span `redial.link` (level `info`), whose parent is the span
//! that [`Builder::connect`] was called in. Its field is `name`, as given by [`Builder::name`]. The
//! target of span and events is `redial_tokio`; their names and fields are stable, as far as the
//! table goes. A field that does not apply is left out. Values of the core's types are written as
//! their `Debug` form.
//!
//! | event | level | fields |
//! |---|---|---|
//! | `redial.status` | `info` | `conn`, `phase`, `attempt`, `cause`, `waits_for`, `wait_ms`, `losses`, `halted` |
//! | `redial.dial` | `debug` | `conn`, `server.address`, `server.port` |
//! | `redial.no_request` | `warn` | `conn`, `error`: there is nothing to dial with |
//! | `redial.no_token` | `warn` | `fatal`, `error`: what [`Builder::tokens`] gave |
//! | `redial.no_snapshot` | `warn` | `error`: why [`Snapshots`] cannot store the topics |
//! | `redial.error` | `debug` | `conn`, `stage` (`lookup`, `connect`, `tls`, `upgrade`, `read`, `write`), `error` |
//! | `redial.opened` | `debug` | `conn` |
//! | `redial.close` | `debug` | `conn`, `how`, `why`: the client closes it |
//! | `redial.closed` | `debug` | `conn`, `by`, one of `code`, `http`, `io`, and `retry_after_ms` |
//! | `redial.misuse` | `error` | `error`: a fault of this crate |
//!
//! `conn` numbers the connections of one client. `redial.status` is told whenever the [`Status`]
//! changes, with its fields; `wait_ms` is how long the next attempt is away. Of a URL only host and
//! port are logged: the rest may hold secrets.
//!
//! [`Status`]: redial::Status
//!
//! # Features
//!
//! `rustls-native-roots` and `rustls-webpki-roots` bring `wss://` with the system's or Mozilla's
//! root certificates; with both, either suffices. TLS is rustls, with ring unless the application
//! has installed another provider. `Builder::tls_config` gives it other roots, a client
//! certificate or another provider.

mod attempt;
mod client;
mod clock;
mod dial;
mod events;
mod frame;
mod handle;
mod log;
mod outbox;
mod protocol;
mod queue;
mod record;
mod snapshots;
mod socket;
mod task;
mod tls;
mod token;
mod topics;

pub use attempt::Attempt;
pub use client::{Builder, Client, ConnectError, Observed};
pub use events::{ClientEvent, Events};
#[cfg(feature = "__fuzz")]
#[doc(hidden)]
pub use frame::read_all;
pub use handle::Handle;
pub use protocol::{BadFrame, Inbound, Protocol};
pub use redial;
#[cfg(feature = "__rustls")]
pub use rustls;
pub use snapshots::{SnapshotError, Snapshots};
pub use token::{Token, TokenError};
pub use tokio_tungstenite::tungstenite;
