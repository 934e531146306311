//! Snapshots: the forms that a text may have, and what is said of one that has none of them.

use redial::{Action, Event, Instant, Lifecycle, Link, Policy, Seed, Stats};
use serde_json::Value;

use super::stories::waiting;
use super::{load, text};

fn whole() -> Value {
    serde_json::from_str(&waiting()).unwrap()
}

fn restored(text: &str) -> Link<Vec<redial::Slot>> {
    load(Policy::new(), 2, Instant::ZERO, None, text).unwrap_or_else(|error| panic!("{error}"))
}

fn error(text: &str) -> String {
    load(Policy::new(), 2, Instant::ZERO, None, text).unwrap_err().to_string()
}

const FIELDS: [&str; 8] =
    ["version", "link", "wanted", "refused", "retries", "held", "maybe", "checksum"];

#[test]
fn fields_may_come_in_any_order() {
    let of = |name: &str| format!("\"{name}\":{}", whole()[name]);
    let mut fields = FIELDS.map(of);
    for _ in 0..FIELDS.len() {
        fields.rotate_left(1);
        let turned = format!("{{{}}}", fields.join(","));
        assert_eq!(text(&restored(&turned).snapshot()), waiting(), "{turned}");
    }
}

#[test]
fn a_format_without_names_has_the_fields_in_their_order() {
    let list = FIELDS.map(|name| whole()[name].to_string()).join(",");
    assert_eq!(text(&restored(&format!("[{list}]")).snapshot()), waiting());
}

#[test]
fn a_field_that_is_missing_is_named() {
    for (index, name) in FIELDS.into_iter().enumerate() {
        let mut snapshot = whole();
        snapshot.as_object_mut().unwrap().remove(name);
        let words = format!("missing field `{name}`");
        let told = error(&snapshot.to_string());
        assert!(told.contains(&words), "{told}");

        let first = FIELDS.iter().take(index).map(|name| whole()[*name].to_string());
        let cut = format!("[{}]", first.collect::<Vec<_>>().join(","));
        let told = error(&cut);
        assert!(told.contains(&words), "{told}");
    }
}

#[test]
fn a_field_that_is_there_twice_is_damage() {
    let doubled = waiting().replacen('{', "{\"version\":1,", 1);
    let told = error(&doubled);
    assert!(told.contains("damaged"), "{told}");
}

#[test]
fn what_is_no_snapshot_is_said_to_be_none() {
    for (text, words) in [
        ("7".to_owned(), "expected a snapshot"),
        (waiting().replacen("\"wanted\":[1]", "\"wanted\":1", 1), "expected a list"),
        (waiting().replacen("\"wanted\"", "\"wants\"", 1), "unknown field `wants`"),
    ] {
        let told = error(&text);
        assert!(told.contains(words), "{text}: {told}");
    }
}

/// A lifecycle and a link without keys, to which the same was done.
fn alike() -> (Lifecycle, Link) {
    let (policy, seed) = (Policy::new(), Seed::from_u64(3));
    let (mut lifecycle, mut link) = (Lifecycle::new(seed), Link::new(policy, seed));
    let mut stats = Stats::default();
    let mut now = Instant::ZERO;
    let mut opens = 0;
    for event in [Event::Start, Event::TimerFired, Event::TimerFired, Event::TimerFired] {
        link.handle(now, event).unwrap();
        lifecycle.handle(&policy, &mut stats, now, event).unwrap();
        while let Some(action) = link.poll_action(now) {
            assert_eq!(lifecycle.poll_action(&policy, &mut stats, now), Some(action));
            opens += u32::from(matches!(action, Action::Open { .. }));
        }
        now = link.deadline().unwrap();
    }
    assert_eq!(opens, 2, "dialled twice, and twice nobody answered");
    (lifecycle, link)
}

#[test]
fn p11_the_snapshot_of_a_lifecycle_is_that_of_a_link_without_keys() {
    let (lifecycle, link) = alike();
    let policy = Policy::new();
    let stored = text(&lifecycle.snapshot(&policy));
    assert_eq!(stored, text(&link.snapshot()));

    let now = Instant::from_nanos(link.deadline().unwrap().as_nanos() - 1);
    let mut deserializer = serde_json::Deserializer::from_str(&stored);
    let again = Lifecycle::restore(&policy, now, None, &mut deserializer).unwrap();
    let mut deserializer = serde_json::Deserializer::from_str(&stored);
    let link = Link::restore(policy, [], now, None, &mut deserializer).unwrap();
    assert_eq!((again.deadline(), again.status()), (link.deadline(), link.status()));
    assert_eq!(text(&again.snapshot(&policy)), stored);
}

#[test]
fn a_lifecycle_has_no_room_for_a_key() {
    let stored = waiting();
    let mut deserializer = serde_json::Deserializer::from_str(&stored);
    let error = Lifecycle::restore(&Policy::new(), Instant::ZERO, None, &mut deserializer);
    let told = error.unwrap_err().to_string();
    assert!(told.contains("0 slots has no room for key 1"), "{told}");
}
