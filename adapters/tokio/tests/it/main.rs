//! The client against small servers on loopback sockets.

mod close;
mod faults;
mod lifetime;
mod logs;
mod order;
mod replay;
mod requests;
mod server;
mod slow;
mod subscriptions;
mod ticker;
#[cfg(any(feature = "rustls-native-roots", feature = "rustls-webpki-roots"))]
mod tls;
mod trace;
