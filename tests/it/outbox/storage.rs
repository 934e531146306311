//! What an outbox makes of the slots that it is lent, and of what is not there.

use std::rc::Rc;

use redial::{Outbox, OutboxSlot, Overflow, Phase, Pushed};

use super::{TEN_SECONDS, at, dropped, outbox};

#[test]
fn an_outbox_is_empty_until_something_is_queued_and_once_it_is_sent() {
    let mut outbox = outbox::<2>(Overflow::Reject);
    assert!(outbox.is_empty());
    assert_eq!(outbox.push(at(1), 1), Pushed::Queued);
    assert!(!outbox.is_empty());
    let (id, _) = outbox.peek(at(1), Phase::Live).expect("it is queued");
    assert_eq!(outbox.sent(id), Some(1));
    assert!(outbox.is_empty());
}

#[test]
fn items_of_an_earlier_outbox_are_dropped_with_its_slots() {
    let item = Rc::new(());
    let mut slots = [OutboxSlot::EMPTY, OutboxSlot::EMPTY];
    let mut earlier = Outbox::with_storage(TEN_SECONDS, Overflow::Reject, &mut slots[..]);
    assert_eq!(earlier.push(at(1), item.clone()), Pushed::Queued);
    assert_eq!(Rc::strong_count(&item), 2);
    let later = Outbox::with_storage(TEN_SECONDS, Overflow::Reject, &mut slots[..]);
    assert_eq!((later.len(), Rc::strong_count(&item)), (0, 1));
}

#[test]
fn a_look_at_an_empty_outbox_takes_nothing_in_hand() {
    let mut outbox = outbox::<1>(Overflow::DropOldest);
    assert_eq!(outbox.peek(at(1), Phase::Live), None);
    assert_eq!(outbox.push(at(1), 1), Pushed::Queued);
    assert_eq!(outbox.push(at(1), 2), dropped(1), "nobody has seen the oldest");
}
