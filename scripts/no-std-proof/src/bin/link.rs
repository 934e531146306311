//! The whole of a link. What is linked but the entry is the core's.
#![no_std]
#![no_main]

use core::hint::black_box;

use no_std_proof as _;
use redial::{Action, Event, Instant, Link, Misuse, Policy, Seed, Slot, Status, SubKey};

type LentLink = Link<&'static mut [Slot]>;

#[unsafe(no_mangle)]
fn _start(
    policy: &Policy,
    seed: Seed,
    storage: &'static mut [Slot],
    larger: &'static mut [Slot],
    inputs: &[(Instant, Event)],
) -> ! {
    let mut link = create(policy, seed, storage);
    let _ = black_box(replace_storage(&mut link, larger));
    loop {
        for (now, event) in inputs {
            let _ = black_box(handle(&mut link, *now, *event));
            while let Some(action) = poll_action(&mut link, *now) {
                let _ = black_box(action);
            }
            let _ = black_box((
                deadline(&link),
                status(&link),
                is_free(&link, SubKey::new(black_box(0))),
            ));
            let _ = black_box((
                link.phase(),
                link.stats(),
                link.counts(),
                link.capacity(),
                link.policy(),
            ));
        }
    }
}

// Each call of the core is a function of its own, or its text would count as the entry's. What only
// reads a field has no text but the caller's.

#[inline(never)]
fn create(policy: &Policy, seed: Seed, storage: &'static mut [Slot]) -> LentLink {
    Link::with_storage(*policy, seed, storage)
}

#[inline(never)]
fn replace_storage(
    link: &mut LentLink,
    larger: &'static mut [Slot],
) -> Result<&'static mut [Slot], &'static mut [Slot]> {
    link.replace_storage(larger)
}

#[inline(never)]
fn handle(link: &mut LentLink, now: Instant, event: Event) -> Result<(), Misuse> {
    link.handle(now, event)
}

#[inline(never)]
fn poll_action(link: &mut LentLink, now: Instant) -> Option<Action> {
    link.poll_action(now)
}

#[inline(never)]
fn deadline(link: &LentLink) -> Option<Instant> {
    link.deadline()
}

#[inline(never)]
fn status(link: &LentLink) -> Status {
    link.status()
}

#[inline(never)]
fn is_free(link: &LentLink, key: SubKey) -> bool {
    link.is_free(key)
}
