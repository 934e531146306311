//! A whole reconnect in a program that has no standard library, no allocator and no C runtime: it
//! links only if the core needs none of them, and without a panic handler's text only if the core
//! cannot panic.
#![no_std]
#![no_main]

use core::hint::black_box;

use redial::{Action, Closure, Event, Instant, Link, Policy, Seed, Slot, SubKey};

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
        }
    }
}
