//! What the small types say: names, instants, spans and seeds.

use core::time::Duration;

use rand_core::Rng;
use redial::{
    Action, Closure, ConnId, Endpoint, Event, Instant, Link, Millis, Outbox, OutboxSlot, Overflow,
    Phase, Policy, Pushed, Seed, Slot, SubKey, Ticket,
};
use wyrand::WyRand;

#[test]
fn a_name_prints_as_its_number() {
    assert_eq!(ConnId::new(7).to_string(), "7");
    assert_eq!(Ticket::new(7).to_string(), "7");
    assert_eq!(SubKey::new(7).to_string(), "7");
    assert_eq!(format!("{:>3}", Endpoint::new(7)), "  7");
}

#[test]
fn items_are_numbered_from_1_in_the_order_in_which_they_were_queued() {
    let slots: [OutboxSlot<&str>; 2] = Default::default();
    let mut outbox = Outbox::with_storage(Duration::from_secs(1), Overflow::Reject, slots);
    for item in ["first", "second"] {
        assert!(matches!(outbox.push(Instant::ZERO, item), Pushed::Queued), "{item}");
    }
    for (number, item) in [(1, "first"), (2, "second")] {
        let (id, next) = outbox.peek(Instant::ZERO, Phase::Live).unwrap();
        assert_eq!((id.get(), *next), (number, item));
        assert_eq!(id.to_string(), number.to_string());
        assert_eq!(outbox.sent(id), Some(item));
    }
}

#[test]
fn an_instant_prints_in_seconds_and_never_as_a_word() {
    assert_eq!(Instant::from_nanos(12_043_000_000).to_string(), "12.043000000s");
    assert_eq!(Instant::MAX.to_string(), "never");
    assert_eq!(format!("{:?}", Instant::MAX), "never");
    assert_eq!(
        Instant::from_nanos(u64::MAX - 1).to_string(),
        "18446744073.709551614s",
        "the latest that ever comes"
    );
}

#[test]
fn a_span_in_milliseconds_is_rounded_up_and_saturates() {
    let nanos = Duration::from_nanos;
    for (span, millis) in [
        (nanos(0), 0),
        (nanos(1), 1),
        (nanos(1_000_000), 1),
        (nanos(1_000_001), 2),
        (Duration::from_millis(u32::MAX.into()), u32::MAX),
        (Duration::from_millis(u64::from(u32::MAX) + 1), u32::MAX),
        (Duration::MAX, u32::MAX),
    ] {
        assert_eq!(Millis::from_duration(span).get(), millis, "{span:?}");
    }
}

#[test]
fn an_instant_that_overflows_is_never() {
    let last = Instant::from_nanos(u64::MAX - 1);
    assert_eq!(last.saturating_add(Duration::from_nanos(1)), Instant::MAX);
    assert_eq!(Instant::from_duration(Duration::MAX), Instant::MAX);
    assert_eq!(Instant::ZERO.saturating_since(last), Duration::ZERO);
}

#[test]
fn a_new_slot_is_empty() {
    assert_eq!(Slot::default(), Slot::EMPTY);
}

#[test]
fn a_seed_from_a_generator_is_its_next_number() {
    let (mut generator, mut twin) = (WyRand::new(5), WyRand::new(5));
    let seeds = [Seed::from_rng(&mut generator), Seed::from_rng(&mut generator)];
    assert_eq!(seeds, [Seed::from_u64(twin.next_u64()), Seed::from_u64(twin.next_u64())]);
    assert_ne!(seeds[0], seeds[1]);
}

/// When the next attempts are due of a link whose every dial fails.
fn delays(link: &mut Link<[Slot; 0]>, mut now: Instant) -> Vec<Option<Instant>> {
    let mut delays = vec![];
    for _ in 0..100 {
        let failed = core::iter::from_fn(|| link.poll_action(now))
            .find_map(|action| match action {
                Action::Open { conn, .. } => Some(conn),
                _ => None,
            })
            .map(|conn| Event::Closed { conn, closure: Closure::unknown() });
        link.handle(now, failed.unwrap_or(Event::TimerFired)).unwrap();
        if failed.is_some() {
            delays.push(link.deadline());
        }
        if delays.len() == 8 {
            return delays;
        }
        now = link.deadline().unwrap_or(now);
    }
    panic!("no attempt follows")
}

/// P11: a clone repeats its jitter until it is parted by another seed.
#[test]
fn p11_a_clone_draws_the_same_until_it_is_reseeded() {
    let mut link = Link::new(Policy::new(), Seed::from_u64(1));
    link.handle(Instant::ZERO, Event::Start).unwrap();
    let (mut twin, mut parted, mut parted_too) = (link.clone(), link.clone(), link.clone());
    parted.reseed(Seed::from_u64(2));
    parted_too.reseed(Seed::from_u64(2));
    let drawn = delays(&mut link, Instant::ZERO);
    assert_eq!(delays(&mut twin, Instant::ZERO), drawn);
    let other = delays(&mut parted, Instant::ZERO);
    assert_eq!(delays(&mut parted_too, Instant::ZERO), other);
    let shared = drawn.iter().zip(&other).filter(|(one, two)| one == two).count();
    assert_eq!(shared, 0, "{drawn:?} {other:?}");
}
