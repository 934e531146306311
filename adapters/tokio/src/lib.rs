//! A reconnecting WebSocket client.

mod events;
mod handle;
mod protocol;
mod queue;
mod topics;

pub use events::{ClientEvent, Events};
pub use handle::{Handle, NotReady};
pub use protocol::{BadFrame, Inbound, Protocol};
pub use tokio_tungstenite::tungstenite;
