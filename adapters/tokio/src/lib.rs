//! A reconnecting WebSocket client.
