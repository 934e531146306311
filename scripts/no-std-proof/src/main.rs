//! A whole reconnect in a program that has no standard library, no allocator and no C runtime: it
//! links only if the core needs none of them, and without a panic handler's text only if the core
//! cannot panic.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::time::Duration;

use redial::{
    Action, Closure, Cursor, Event, Instant, Link, Outbox, OutboxSlot, Overflow, Policy, Seed,
    Slot, SubKey,
};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        /// Defined nowhere: a panic that can be reached does not link.
        fn the_core_can_panic() -> !;
    }
    unsafe { the_core_can_panic() }
}

#[unsafe(no_mangle)]
extern "C" fn _start() -> ! {
    let mut link =
        Link::with_storage(black_box(Policy::new()), Seed::from_u64(1), [Slot::EMPTY; 4]);
    let events: [Event; 3] =
        [Event::Subscribe { key: SubKey::new(black_box(2)) }, Event::Start, Event::TimerFired];
    let mut outbox = Outbox::with_storage(
        black_box(Duration::from_secs(1)),
        black_box(Overflow::DropOldest),
        [const { OutboxSlot::EMPTY }; 4],
    );
    let mut cursor = Cursor::new();
    let mut now = Instant::ZERO;
    loop {
        for event in events {
            let _ = black_box(link.handle(black_box(now), black_box(event)));
            while let Some(action) = link.poll_action(now) {
                if let Action::Open { conn, .. } = black_box(action) {
                    let closure = Closure::peer().code(1012);
                    let _ = link.handle(now, black_box(Event::Opened { conn }));
                    let _ = link.handle(now, black_box(Event::Closed { conn, closure }));
                }
            }
            now = link.deadline().unwrap_or(now);
            exchange(&mut outbox, &mut cursor, now, &link);
        }
    }
}

/// Every call of the two helpers beside the link.
fn exchange(
    outbox: &mut Outbox<u64, [OutboxSlot<u64>; 4]>,
    cursor: &mut Cursor,
    now: Instant,
    link: &Link<[Slot; 4]>,
) {
    let _ = black_box(outbox.push(now, black_box(1)));
    let _ = black_box(outbox.push_replacing(now, 2, |queued| *queued == black_box(2)));
    black_box(outbox.poll_expired(now));
    if let Some((id, item)) = outbox.peek(now, black_box(link.phase())) {
        black_box(item);
        black_box(outbox.sent(id));
    }
    black_box(outbox.next_expiry());
    let _ = black_box(outbox.replace_storage([const { OutboxSlot::EMPTY }; 4]));
    black_box(outbox.take_back());
    let seq = cursor.widen(black_box(3), black_box(16));
    let _ = black_box(cursor.observe(black_box(0), seq));
    cursor.caught_up(black_box(0), black_box(4));
    black_box(cursor.is_complete());
    for missing in cursor.missing() {
        black_box(missing.count());
    }
}
