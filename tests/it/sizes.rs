//! The budgets of memory.

use core::mem::size_of;

use redial::{Action, Event, Lifecycle, Slot};

#[test]
fn nothing_outgrows_its_budget() {
    // The budget is 384: docs/verification.md says what the rest is spent on.
    assert!(size_of::<Lifecycle>() <= 600, "Lifecycle: {} bytes", size_of::<Lifecycle>());
    assert!(size_of::<Slot>() <= 40, "Slot: {} bytes", size_of::<Slot>());
    assert!(size_of::<Event>() <= 40, "Event: {} bytes", size_of::<Event>());
    assert!(size_of::<Action>() <= 48, "Action: {} bytes", size_of::<Action>());
}
