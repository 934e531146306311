//! The client against small servers on loopback sockets.

mod faults;
mod lifetime;
mod logs;
mod replay;
mod server;
mod slow;
