//! The helpers beside a link: outbox and cursor.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::time::Duration;

use no_std_proof as _;
use redial::{Cursor, Instant, Outbox, OutboxSlot, Overflow, Phase};

type LentSlots = &'static mut [OutboxSlot<u64>];

#[unsafe(no_mangle)]
fn _start(
    settings: (Duration, Overflow),
    storage: LentSlots,
    larger: LentSlots,
    inputs: &[(Instant, Phase, u64)],
) -> ! {
    let mut outbox = Outbox::with_storage(settings.0, settings.1, storage);
    let mut cursor = Cursor::new();
    let _ = black_box(outbox.replace_storage(larger));
    loop {
        for (now, phase, number) in inputs {
            queue(&mut outbox, *now, *phase, *number);
            number_messages(&mut cursor, *number);
        }
    }
}

fn queue(outbox: &mut Outbox<u64, LentSlots>, now: Instant, phase: Phase, item: u64) {
    let _ = black_box(outbox.push(now, item));
    let _ = black_box(outbox.push_replacing(now, item, |queued| *queued == black_box(2)));
    black_box(outbox.poll_expired(now));
    if let Some((id, item)) = outbox.peek(now, phase) {
        black_box(item);
        black_box(outbox.sent(id));
    }
    black_box(outbox.take_back());
    black_box((outbox.next_expiry(), outbox.len(), outbox.is_empty()));
    black_box((outbox.capacity(), outbox.fates()));
}

fn number_messages(cursor: &mut Cursor, number: u64) {
    let wide = cursor.widen(number, black_box(16));
    let _ = black_box(cursor.observe(black_box(0), wide));
    cursor.caught_up(black_box(0), black_box(4));
    black_box((cursor.is_complete(), cursor.latest()));
    for missing in cursor.missing() {
        black_box(missing.count());
    }
}
