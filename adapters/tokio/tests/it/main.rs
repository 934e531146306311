//! The client against small servers on loopback sockets.

mod faults;
mod lifetime;
mod replay;
mod server;
mod slow;
mod trace;
