//! A reconnecting WebSocket client.

mod client;
mod dial;
mod events;
mod handle;
mod protocol;
mod queue;
mod socket;
mod task;
mod topics;

pub use client::{Builder, Client, ConnectError, Observed};
pub use events::{ClientEvent, Events};
pub use handle::{Handle, NotReady};
pub use protocol::{BadFrame, Inbound, Protocol};
pub use tokio_tungstenite::tungstenite;
