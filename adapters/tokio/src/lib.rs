//! A reconnecting WebSocket client.

mod events;
mod protocol;
mod queue;

pub use events::{ClientEvent, Events};
pub use protocol::{BadFrame, Inbound, Protocol};
pub use tokio_tungstenite::tungstenite;
