//! The core as a WebAssembly module with plain exports: no `wasm-bindgen`, no allocator.
//!
//! One instance of the module is one link; `driver.mjs` is its driver. Times are milliseconds on the
//! driver's clock, and all numbers are doubles, which JavaScript has: ids are exact up to 2^53.
//!
//! - [`create`] makes the link.
//! - **Input**: one export per event. Each gives 0, or 1 for misuse, which is a fault of the driver.
//! - **Output**: [`poll_action`], until it gives 0.
#![no_std]

mod cell;

use core::time::Duration;

use cell::Single;
use redial::{
    Action, Closure, ConnId, Event, How, Instant, Link, Phase, Policy, Request, Seed, Slot, SubKey,
    Ticket, Why,
};

/// Keys are below this.
const SUBSCRIPTIONS: usize = 64;

/// A page returns soon; the rest is the default.
const POLICY: Policy = Policy::builder().first_within(Duration::from_millis(500)).build_const();

static LINK: Single<Option<Link<[Slot; SUBSCRIPTIONS]>>> = Single::new(None);

/// What [`poll_action`] last gave: kind, connection, key, number, and what else the kind needs.
static ACTION: Single<[f64; 5]> = Single::new([0.0; 5]);

/// Makes the link, or makes it anew. `seed` shall be random: clients of one seed dial in step.
#[unsafe(no_mangle)]
extern "C" fn create(seed: u64) {
    let storage = [const { Slot::EMPTY }; SUBSCRIPTIONS];
    let link = Link::with_storage(POLICY, Seed::from_u64(seed), storage);
    LINK.with(|it| *it = Some(link));
}

/// The next action: where its five numbers are, or 0 for none. They hold until the next call.
///
/// | kind | is | connection | key | number | fifth |
/// |---|---|---|---|---|---|
/// | 1 | open | yes | | | |
/// | 2 | close | yes | | | 0: drop it; else with this close code |
/// | 3 | ping | yes | | | |
/// | 4 | subscribe | yes | yes | yes | |
/// | 5 | unsubscribe | yes | yes | yes | |
/// | 6 | refresh credentials | | | ticket | |
/// | 7 | report | | | losses | phase: its place in [`PHASES`] |
/// | 8 | arm the timer | | | | when |
/// | 9 | disarm the timer | | | | |
#[unsafe(no_mangle)]
extern "C" fn poll_action(now: f64) -> *const f64 {
    let action = LINK.with(|link| link.as_mut()?.poll_action(instant(now)));
    match action {
        Some(action) => ACTION.with(|numbers| {
            *numbers = encode(action);
            numbers.as_ptr()
        }),
        None => core::ptr::null(),
    }
}

fn encode(action: Action) -> [f64; 5] {
    match action {
        Action::Open { conn, .. } => [1.0, id(conn), 0.0, 0.0, 0.0],
        Action::Close { conn, how, why } => [2.0, id(conn), 0.0, 0.0, close_code(how, why)],
        Action::Ping { conn } => [3.0, id(conn), 0.0, 0.0, 0.0],
        Action::Subscribe { conn, request } => asked(4.0, conn, request),
        Action::Unsubscribe { conn, request } => asked(5.0, conn, request),
        Action::RefreshCredentials { ticket } => [6.0, 0.0, 0.0, ticket.get() as f64, 0.0],
        Action::Report(status) => [7.0, 0.0, 0.0, status.losses.into(), place(status.phase)],
        Action::ArmTimer { at } => [8.0, 0.0, 0.0, 0.0, at.as_nanos() as f64 / 1e6],
        Action::DisarmTimer => [9.0, 0.0, 0.0, 0.0, 0.0],
    }
}

/// A page may send 1000 and what lies from 3000 to 4999. Only a stop is 1000: to some servers it ends
/// the session.
fn close_code(how: How, why: Why) -> f64 {
    match (how, why) {
        (How::Abort, _) => 0.0,
        (How::Graceful, Why::Stop) => 1000.0,
        (How::Graceful, _) => 3000.0,
    }
}

fn asked(kind: f64, conn: ConnId, request: Request) -> [f64; 5] {
    [kind, id(conn), request.key.get().into(), request.number as f64, 0.0]
}

fn id(conn: ConnId) -> f64 {
    conn.get() as f64
}

/// In the order in which `driver.mjs` names them.
const PHASES: [Phase; 10] = [
    Phase::Idle,
    Phase::Waiting,
    Phase::Refreshing,
    Phase::Opening,
    Phase::Greeting,
    Phase::Restoring,
    Phase::Live,
    Phase::Degraded,
    Phase::Closing,
    Phase::Halted,
];

fn place(phase: Phase) -> f64 {
    PHASES.iter().position(|it| *it == phase).unwrap_or(PHASES.len()) as f64
}

/// A timer may fire a fraction of a millisecond early; that is harmless.
fn instant(millis: f64) -> Instant {
    Instant::from_nanos((millis * 1e6) as u64)
}

fn handle(now: f64, event: Event) -> u32 {
    let handled = |link: &mut Link<_>| link.handle(instant(now), event).is_ok();
    LINK.with(|link| if link.as_mut().is_some_and(handled) { 0 } else { 1 })
}

#[unsafe(no_mangle)]
extern "C" fn start(now: f64) -> u32 {
    handle(now, Event::Start)
}

#[unsafe(no_mangle)]
extern "C" fn stop(now: f64) -> u32 {
    handle(now, Event::Stop)
}

#[unsafe(no_mangle)]
extern "C" fn network_up(now: f64) -> u32 {
    handle(now, Event::NetworkUp)
}

#[unsafe(no_mangle)]
extern "C" fn network_down(now: f64) -> u32 {
    handle(now, Event::NetworkDown)
}

#[unsafe(no_mangle)]
extern "C" fn timer_fired(now: f64) -> u32 {
    handle(now, Event::TimerFired)
}

#[unsafe(no_mangle)]
extern "C" fn subscribe(now: f64, key: u32) -> u32 {
    handle(now, Event::Subscribe { key: SubKey::new(key) })
}

#[unsafe(no_mangle)]
extern "C" fn unsubscribe(now: f64, key: u32) -> u32 {
    handle(now, Event::Unsubscribe { key: SubKey::new(key) })
}

#[unsafe(no_mangle)]
extern "C" fn opened(now: f64, conn: f64) -> u32 {
    handle(now, Event::Opened { conn: ConnId::new(conn as u64) })
}

#[unsafe(no_mangle)]
extern "C" fn received(now: f64, conn: f64) -> u32 {
    handle(now, Event::Received { conn: ConnId::new(conn as u64) })
}

/// `code` is that of the browser's close event.
#[unsafe(no_mangle)]
extern "C" fn closed(now: f64, conn: f64, code: u32) -> u32 {
    // 1005 and 1006 are the browser's own words for: none came.
    let closure = match u16::try_from(code) {
        Ok(code) if code != 1005 && code != 1006 => Closure::peer().code(code),
        Ok(_) | Err(_) => Closure::unknown(),
    };
    handle(now, Event::Closed { conn: ConnId::new(conn as u64), closure })
}

#[unsafe(no_mangle)]
extern "C" fn acked(now: f64, conn: f64, key: u32, number: f64) -> u32 {
    let request = Request { key: SubKey::new(key), number: number as u64 };
    handle(now, Event::Acked { conn: ConnId::new(conn as u64), request })
}

#[unsafe(no_mangle)]
extern "C" fn credentials_ready(now: f64, ticket: f64) -> u32 {
    handle(now, Event::CredentialsReady { ticket: Ticket::new(ticket as u64), lasts: None })
}

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
