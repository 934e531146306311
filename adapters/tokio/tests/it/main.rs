//! The client against small servers on loopback sockets.

mod close;
mod desk;
mod endpoints;
mod faults;
mod lifetime;
mod load;
mod logs;
mod once;
mod order;
mod outbox;
mod replay;
mod requests;
mod rotation;
mod server;
mod sessions;
mod slow;
mod snapshots;
mod subscriptions;
mod ticker;
#[cfg(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots"))]
mod tls;
mod tokens;
mod trace;
