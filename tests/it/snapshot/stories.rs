//! Snapshots: what cannot be restored, and what time that is not known does (P11).

use redial::{Event, Instant, Link, Policy, Seed, Slot, SubKey};
use serde_json::Value;

use super::{load, millis, text};

/// The text of a link that dialled in vain and waits, with one key wanted.
pub(super) fn waiting() -> String {
    let mut link = Link::with_storage(Policy::new(), Seed::from_u64(3), vec![Slot::EMPTY; 2]);
    let mut now = Instant::ZERO;
    link.handle(now, Event::Subscribe { key: SubKey::new(1) }).unwrap();
    link.handle(now, Event::Start).unwrap();
    while link.poll_action(now).is_some() {}
    now = link.deadline().unwrap();
    link.handle(now, Event::TimerFired).unwrap();
    text(&link.snapshot())
}

fn edited(edit: impl FnOnce(&mut Value)) -> String {
    let mut snapshot = serde_json::from_str(&waiting()).unwrap();
    edit(&mut snapshot);
    snapshot.to_string()
}

fn error(text: &str, slots: u32) -> String {
    load(Policy::new(), slots, Instant::ZERO, None, text).unwrap_err().to_string()
}

#[test]
fn another_version_is_an_error_that_names_it() {
    let error = error(&edited(|snapshot| snapshot["version"] = 2.into()), 2);
    assert!(error.contains("version") && error.contains('2'), "{error}");
}

#[test]
fn whatever_is_changed_is_found_to_be_damaged() {
    let whole: Value = serde_json::from_str(&waiting()).unwrap();
    for field in whole["link"].as_object().unwrap().keys() {
        let changed = edited(|snapshot| match &mut snapshot["link"][field] {
            Value::Number(number) => *number = (number.as_u64().unwrap() + 1).into(),
            Value::Bool(flag) => *flag = !*flag,
            _ => snapshot["checksum"] = 0.into(),
        });
        let error = error(&changed, 2);
        assert!(error.contains("damaged"), "{field}: {error}");
    }
    let error = error(&edited(|snapshot| snapshot["wanted"] = Value::Array(vec![])), 2);
    assert!(error.contains("damaged"), "{error}");
}

#[test]
fn a_text_that_is_cut_anywhere_is_an_error() {
    let text = waiting();
    for end in 0..text.len() {
        error(&text[..end], 2);
    }
}

#[test]
fn a_key_outside_the_storage_is_an_error_that_names_it() {
    let error = error(&waiting(), 1);
    assert!(error.contains('1'), "{error}");
}

#[test]
fn p1_time_that_is_not_known_counts_as_none() {
    let due = |elapsed| {
        let link = load(Policy::new(), 2, Instant::ZERO, elapsed, &waiting()).unwrap();
        link.deadline().unwrap()
    };
    assert_eq!(due(None), due(Some(millis(0))));
    assert!(due(None) > due(Some(millis(100))));
}
