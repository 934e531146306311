//! What the WebSocket adapter makes of the bytes of a peer.

use core::future::Future;
use core::pin::pin;
use core::task::{Context, Poll, Waker};

use arbitrary::{Result, Unstructured};
use redial::{Closure, IoKind};
use redial_tokio::read_all;
use redial_tokio::tungstenite::Message;

/// However the bytes of a peer arrive, the protocol reads what RFC 6455 says is in them, and the
/// connection ends as it says.
pub(crate) fn frames(bytes: &[u8]) {
    let mut input = Unstructured::new(bytes);
    let (Ok(at_once), Ok(bytes)) = (input.arbitrary::<u8>(), wire(&mut input)) else { return };
    let expected = expected(&bytes);
    // A byte at a time is enough for some.
    let few = usize::from(at_once).max(bytes.len() / 1_000);
    for at_once in [few, usize::MAX] {
        let mut read = pin!(read_all(&bytes, at_once));
        let Poll::Ready(read) = read.as_mut().poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("it waits for bytes that are there");
        };
        assert_eq!(read, expected, "{at_once} at once of {bytes:?}");
    }
}

/// Any bytes, or frames most of which are right.
fn wire(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    if u.arbitrary()? {
        return Ok(u.bytes(u.len())?.to_vec());
    }
    let mut bytes = vec![];
    while !u.is_empty() {
        frame(u, &mut bytes)?;
    }
    Ok(bytes)
}

fn frame(u: &mut Unstructured<'_>, bytes: &mut Vec<u8>) -> Result<()> {
    let kind: u8 = u.arbitrary()?;
    // As often a whole message as all else.
    let opcode = [1, 2, 1, 2, 0, 9, 10, 8][usize::from(kind % 8)];
    let first = match kind / 8 {
        0..=23 => 0x80 | opcode,
        24..=30 => opcode,
        _ => u.arbitrary()?,
    };
    let length: u8 = u.arbitrary()?;
    let payload: &[u8] = match length {
        0..=125 => u.bytes(usize::from(length).min(u.len()))?,
        // Long enough for a length of two bytes, and of eight.
        126..=254 => &[b'x'; 300],
        255 => &[b'x'; 70_000],
    };
    bytes.push(first);
    match payload.len() {
        len @ 0..=125 => bytes.push(len as u8),
        len @ 126..=0xffff => {
            bytes.push(126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(payload);
    Ok(())
}

/// RFC 6455 read once more, by a client without extensions.
fn expected(mut bytes: &[u8]) -> (Vec<Message>, Closure) {
    let broken = Closure::unknown().io(IoKind::Protocol);
    let mut messages = vec![];
    let mut begun: Option<(bool, Vec<u8>)> = None;
    loop {
        let (head, payload) = match next(&mut bytes) {
            Next::Frame(head, payload) => (head, payload),
            Next::Nothing => return (messages, Closure::peer()),
            Next::Broken => return (messages, broken),
        };
        let (last, reserved, opcode) = (head[0] & 0x80 != 0, head[0] & 0x70 != 0, head[0] & 0xf);
        let masked = head[1] & 0x80 != 0;
        let is_control = opcode >= 8;
        if reserved || masked || is_control && (!last || payload.len() > 125) {
            return (messages, broken);
        }
        match opcode {
            9 | 10 => continue,
            8 => return (messages, closure(payload).unwrap_or(broken)),
            0 if begun.is_some() => {}
            1 | 2 if begun.is_none() => begun = Some((opcode == 1, vec![])),
            _ => return (messages, broken),
        }
        let Some((is_text, content)) = &mut begun else { unreachable!("it has just begun") };
        content.extend(payload);
        if *is_text && !may_be_text(content, last) {
            return (messages, broken);
        }
        if last {
            let content = core::mem::take(content);
            messages.push(if *is_text {
                Message::text(String::from_utf8(content).expect("it was looked at"))
            } else {
                Message::binary(content)
            });
            begun = None;
        }
    }
}

enum Next<'a> {
    Frame([u8; 2], &'a [u8]),
    /// No whole frame is left.
    Nothing,
    /// Its header suffices to leave.
    Broken,
}

fn next<'a>(bytes: &mut &'a [u8]) -> Next<'a> {
    let Some((head, rest)) = bytes.split_first_chunk::<2>() else { return Next::Nothing };
    let (length, rest) = match head[1] & 0x7f {
        126 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
            None => return Next::Nothing,
        },
        127 => match rest.split_first_chunk() {
            Some((length, rest)) => (u64::from_be_bytes(*length), rest),
            None => return Next::Nothing,
        },
        length => (u64::from(length), rest),
    };
    let mask = if head[1] & 0x80 == 0 { 0 } else { 4 };
    let Some(rest) = rest.get(mask..) else { return Next::Nothing };
    if length > FRAME_MAX || !matches!(head[0] & 0xf, 0..=2 | 8..=10) {
        return Next::Broken;
    }
    let Some((payload, rest)) = rest.split_at_checked(length as usize) else {
        return Next::Nothing;
    };
    *bytes = rest;
    Next::Frame(*head, payload)
}

/// What the client takes by default.
const FRAME_MAX: u64 = 16 << 20;

/// Whether `content`, or a continuation of it, is text.
fn may_be_text(content: &[u8], whole: bool) -> bool {
    match core::str::from_utf8(content) {
        Ok(_) => true,
        Err(error) => !whole && error.error_len().is_none(),
    }
}

/// What the payload of a close frame says. A code that must not be sent is told as 1002, and so is
/// 1014, which tungstenite does not know.
fn closure(payload: &[u8]) -> Option<Closure> {
    if payload.is_empty() {
        return Some(Closure::peer());
    }
    let (code, reason) = payload.split_first_chunk()?;
    core::str::from_utf8(reason).ok()?;
    let code = u16::from_be_bytes(*code);
    let allowed = matches!(code, 1000..=1003 | 1007..=1013 | 3000..=4999);
    Some(Closure::peer().code(if allowed { code } else { 1002 }))
}
