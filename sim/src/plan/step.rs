//! The steps of a plan, and how bytes become them.

use arbitrary::{Arbitrary, Result, Unstructured};
use redial::{
    Closure, ConnId, Established, Event, IoKind, Millis, Refusal, Request, SubKey, Ticket,
};

/// Something that happens to a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "it is made up by fuzzers, and read by nobody")]
pub enum Step {
    /// Time passes.
    Waits(Span),
    /// Time passes until the link's deadline, and the timer fires.
    Fires,
    /// The link is told this. Its numbers count back from the newest that was handed out.
    Hears(Event),
    /// The oldest thing that was asked for is answered as one would wish.
    Helps,
    /// All is fetched and answered as one would wish, until nothing is asked for any more.
    Serves,
    /// One action is fetched, if there is one.
    Polls,
    /// All actions are fetched.
    Drains,
}

/// How far the clock moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_enums, reason = "it is made up by fuzzers, and read by nobody")]
pub enum Span {
    /// So many nanoseconds.
    Nanos(u16),
    /// So many milliseconds.
    Millis(u16),
    /// So many seconds.
    Secs(u32),
    /// It runs back by so many milliseconds.
    Back(u16),
    /// To just before the link's deadline.
    BeforeDeadline,
    /// So many milliseconds past the link's deadline.
    PastDeadline(u16),
}

/// One byte for what is usual, more for what needs figures: a short input is a long plan.
impl<'a> Arbitrary<'a> for Step {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.arbitrary::<u8>()? {
            0..=31 => Self::Serves,
            32..=63 => Self::Drains,
            64..=95 => Self::Fires,
            96..=111 => Self::Helps,
            112..=119 => Self::Polls,
            120..=143 => Self::Waits(u.arbitrary()?),
            144..=247 => Self::Hears(event(u)?),
            // Any figures at all.
            248..=255 => Self::Hears(u.arbitrary()?),
        })
    }
}

impl<'a> Arbitrary<'a> for Span {
    fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
        Ok(match u.arbitrary::<u8>()? % 8 {
            0 => Self::BeforeDeadline,
            1 => Self::PastDeadline(0),
            2 => Self::PastDeadline(u.arbitrary()?),
            3 => Self::Nanos(u.arbitrary()?),
            4 => Self::Secs(u.arbitrary::<u8>()?.into()),
            5 => Self::Secs(u.arbitrary()?),
            6 => Self::Back(u.arbitrary()?),
            _ => Self::Millis(u.arbitrary()?),
        })
    }
}

fn event(u: &mut Unstructured<'_>) -> Result<Event> {
    let byte: u8 = u.arbitrary()?;
    let (kind, which) = (byte % 32, u64::from(byte / 32));
    // Two of eight names are one of an earlier connection, key or ticket.
    let back = if which < 6 { which } else { 12 + 16 * (which - 5) };
    let conn = ConnId::new(back);
    let key = SubKey::new(u32::try_from(which).unwrap_or(0));
    let request = Request { key, number: 0 };
    Ok(match kind {
        0 => Event::Start,
        1 => Event::Stop,
        2 => Event::RetryNow,
        3 => Event::Pause,
        4 => Event::Resume,
        5 => Event::NetworkDown,
        6 => Event::NetworkUp,
        7 | 8 => Event::Rotate,
        9 => Event::Opened { conn },
        10 => Event::Ready { conn, session: Established::Fresh, resumable: true },
        11 => Event::Ready { conn, session: u.arbitrary()?, resumable: u.arbitrary()? },
        12 | 13 => Event::Received { conn },
        14..=17 => Event::Closed { conn, closure: closure(u)? },
        18 => Event::Negotiated { conn, heartbeat: millis(u)?, spread: millis(u)? },
        19 => Event::GoAway { conn, within: millis(u)?.unwrap_or_default() },
        20 => Event::SessionLost { conn },
        21 => Event::CredentialsReady { ticket: Ticket::new(back), lasts: millis(u)? },
        22 => Event::CredentialsFailed { ticket: Ticket::new(back), fatal: false },
        23 => Event::CredentialsFailed { ticket: Ticket::new(back), fatal: u.arbitrary()? },
        24 | 25 => Event::Subscribe { key },
        26 => Event::Unsubscribe { key },
        27 => Event::Resync { key },
        28 => Event::Acked { conn, request },
        29 => Event::Refused { conn, request, refusal: Refusal::Final },
        30 => Event::Refused { conn, request, refusal: Refusal::Retry(millis(u)?) },
        _ => Event::TimerFired,
    })
}

/// What a server or a network does, rather than any figures.
fn closure(u: &mut Unstructured<'_>) -> Result<Closure> {
    let codes = [1000, 1001, 1006, 1008, 1011, 1012, 1013, 3000, 3003, 4000];
    let statuses = [401, 403, 404, 408, 410, 425, 429, 500, 502, 503, 504];
    Ok(match u.arbitrary::<u8>()? % 8 {
        0 | 1 => Closure::unknown().io(IoKind::Reset),
        2 => Closure::peer(),
        3 => Closure::local(),
        4 => Closure::peer().code(*u.choose(&codes)?),
        5 => Closure::peer().http(*u.choose(&statuses)?),
        6 => {
            let wait = millis(u)?.unwrap_or_default();
            Closure::peer().http(503).retry_after(wait.as_duration())
        }
        _ => Closure::peer().verdict(u.arbitrary()?),
    })
}

fn millis(u: &mut Unstructured<'_>) -> Result<Option<Millis>> {
    Ok(match u.arbitrary::<u8>()? % 4 {
        0 => None,
        1 => Some(Millis::new(u.arbitrary::<u8>()?.into())),
        2 => Some(Millis::new(u.arbitrary::<u16>()?.into())),
        _ => Some(Millis::new(u.arbitrary()?)),
    })
}
