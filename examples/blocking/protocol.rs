//! A protocol of lines. Asked `subscribe KEY NUMBER`, `unsubscribe KEY NUMBER` and `ping`, the server
//! answers `ok KEY NUMBER` and `pong`, and sends `tick KEY VALUE` when it likes.

use redial::{ConnId, Event, Request, SubKey};

pub(crate) fn subscribe(Request { key, number }: Request) -> String {
    format!("subscribe {} {number}\n", key.get())
}

pub(crate) fn unsubscribe(Request { key, number }: Request) -> String {
    format!("unsubscribe {} {number}\n", key.get())
}

/// Takes the first line out of what has arrived, or all of it once it is longer than any line.
pub(crate) fn next_line(arrived: &mut Vec<u8>) -> Option<Vec<u8>> {
    match arrived.iter().position(|byte| *byte == b'\n') {
        Some(end) => Some(arrived.drain(..=end).collect()),
        None => (arrived.len() > 1000).then(|| std::mem::take(arrived)),
    }
}

/// What a line from the server means to the link; `None` for one that is none of the protocol.
pub(crate) fn read(conn: ConnId, line: &[u8]) -> Option<Event> {
    let words: Vec<_> = core::str::from_utf8(line).ok()?.split_whitespace().collect();
    match *words.as_slice() {
        ["ok", key, number] => {
            let key = SubKey::new(key.parse().ok()?);
            Some(Event::Acked { conn, request: Request { key, number: number.parse().ok()? } })
        }
        ["pong"] | ["tick", _, _] => Some(Event::Received { conn }),
        _ => None,
    }
}
