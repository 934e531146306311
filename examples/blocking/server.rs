//! A server that fails: it cuts its first connection, never answers on its second beyond what was
//! asked first, and serves the third well until its client leaves.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};

/// What each connection was subscribed to when the server was done with it.
pub(crate) type Account = Vec<BTreeSet<String>>;

pub(crate) fn serve(listener: &TcpListener, subscriptions: usize) -> io::Result<Account> {
    let mut account = Account::new();
    let mut silent = Vec::new();
    for connection in 0..3 {
        let (mut socket, _) = listener.accept()?;
        let mut lines = BufReader::new(socket.try_clone()?).lines();
        let mut held = BTreeSet::new();
        while connection == 2 || held.len() < subscriptions {
            let Some(line) = lines.next() else { break };
            answer(&mut socket, &line?, &mut held)?;
        }
        account.push(held);
        if connection == 1 {
            silent.push(socket);
        }
    }
    Ok(account)
}

fn answer(socket: &mut TcpStream, line: &str, held: &mut BTreeSet<String>) -> io::Result<()> {
    match *line.split(' ').collect::<Vec<_>>().as_slice() {
        ["subscribe", key, number] => {
            held.insert(key.to_owned());
            write!(socket, "ok {key} {number}\ntick {key} 42\n")
        }
        ["unsubscribe", key, number] => {
            held.remove(key);
            writeln!(socket, "ok {key} {number}")
        }
        ["ping"] => writeln!(socket, "pong"),
        _ => Err(io::Error::other(format!("not of the protocol: {line}"))),
    }
}
