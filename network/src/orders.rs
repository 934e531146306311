//! Lines from standard input, without another thread: a process with one thread alone can be moved
//! into another time namespace.

use std::io;
use std::os::fd::AsFd;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::net::unix::pipe::Receiver;

pub(crate) struct Orders(Lines<BufReader<Receiver>>);

impl Orders {
    pub(crate) fn new() -> Self {
        let stdin = io::stdin().as_fd().try_clone_to_owned().expect("standard input is open");
        let pipe = Receiver::from_owned_fd(stdin).expect("standard input is a pipe");
        Self(BufReader::new(pipe).lines())
    }

    /// `None` once nobody can give any more.
    pub(crate) async fn next(&mut self) -> Option<String> {
        self.0.next_line().await.ok()?
    }
}
