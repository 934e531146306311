//! Snapshots: what cannot be restored, and what time that is not known does (P11).

use core::num::NonZeroU32;

use redial::{
    Action, Closure, ConnId, Event, Instant, Link, Millis, Policy, Refresh, Seed, Slot, SubKey,
};
use serde_json::{Value, json};

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

/// The text of a link that was told to stay away from two of its endpoints, and asks for credentials.
fn of_many_parts() -> String {
    let policy = rich();
    let mut link = Link::with_storage(policy, Seed::from_u64(5), vec![Slot::EMPTY; 2]);
    let mut now = Instant::ZERO;
    link.handle(now, Event::Subscribe { key: SubKey::new(1) }).unwrap();
    link.handle(now, Event::Start).unwrap();
    let mut failures = 0;
    for _ in 0..60 {
        match link.poll_action(now) {
            Some(Action::Open { conn, .. }) => {
                failures += 1;
                let closure = Closure::peer().http(503).retry_after(millis(9_000));
                link.handle(now, Event::Closed { conn, closure }).unwrap();
            }
            Some(Action::RefreshCredentials { ticket }) if failures < 2 => {
                let answer = Event::CredentialsReady { ticket, lasts: Some(Millis::new(60_000)) };
                link.handle(now, answer).unwrap();
            }
            Some(Action::RefreshCredentials { .. }) => return text(&link.snapshot()),
            Some(_) => {}
            None => {
                now = link.deadline().unwrap();
                link.handle(now, Event::TimerFired).unwrap();
            }
        }
    }
    panic!("{:?}", link.status());
}

fn rich() -> Policy {
    Policy::builder().endpoints(3).refresh(Refresh::EveryAttempt).build().unwrap()
}

/// Every text that differs from `whole` in one number, flag or name.
fn altered(whole: &Value) -> Vec<Value> {
    let with = |path: &str, value: Value| {
        let mut changed = whole.clone();
        *changed.pointer_mut(path).unwrap() = value;
        changed
    };
    let mut found = Vec::new();
    let mut paths = vec![String::new()];
    while let Some(path) = paths.pop() {
        match whole.pointer(&path).unwrap() {
            Value::Null => found.push(with(&path, 1.into())),
            Value::Bool(flag) => found.push(with(&path, (!flag).into())),
            Value::Number(number) => {
                found.push(with(&path, number.as_u64().unwrap().wrapping_add(1).into()));
            }
            Value::String(name) => {
                let names = ["waiting", "open", "local", "resumed"];
                let other = names.into_iter().filter(|other| other != name);
                found.extend(other.map(|other| with(&path, other.into())));
            }
            Value::Array(list) => {
                paths.extend((0..list.len()).map(|index| format!("{path}/{index}")));
                found.push(with(&path, list.get(1..).unwrap_or_default().into()));
            }
            Value::Object(fields) => {
                paths.extend(fields.keys().map(|name| format!("{path}/{name}")));
                if let Some(status) = fields.get("http") {
                    found.push(with(&path, json!({ "code": status })));
                }
            }
        }
    }
    found.retain(|changed| changed != whole);
    found
}

#[test]
fn no_part_however_deep_is_changed_unnoticed() {
    let whole = serde_json::from_str(&of_many_parts()).unwrap();
    let changed = altered(&whole);
    assert!(changed.len() > 60, "{}", changed.len());
    for text in changed.iter().map(Value::to_string) {
        let restored = load(rich(), 2, Instant::ZERO, None, &text);
        assert!(restored.is_err(), "{text}");
    }
    load(rich(), 2, Instant::ZERO, None, &whole.to_string()).unwrap();
}

/// A process that dies while a connection is open, before that settled, leaves a link that failed once
/// more: were the failures forgotten, a server that lets clients in and drops them met a hot loop.
#[test]
fn p8_a_snapshot_of_a_connection_that_did_not_settle_keeps_the_failures() {
    let mut link = Link::with_storage(Policy::new(), Seed::from_u64(3), vec![Slot::EMPTY; 2]);
    let mut now = Instant::ZERO;
    link.handle(now, Event::Start).unwrap();
    for number in 1..=3 {
        while link.poll_action(now).is_some() {}
        let (conn, closure) = (ConnId::new(number), Closure::unknown());
        link.handle(now, Event::Closed { conn, closure }).unwrap();
        now = link.deadline().unwrap();
        link.handle(now, Event::TimerFired).unwrap();
    }
    while link.poll_action(now).is_some() {}
    link.handle(now, Event::Opened { conn: ConnId::new(4) }).unwrap();
    let next = load(Policy::new(), 2, now, None, &text(&link.snapshot())).unwrap();
    let closed = Event::Closed { conn: ConnId::new(4), closure: Closure::local() };
    link.handle(now, closed).unwrap();
    let failures = link.status().attempt;
    assert_eq!(failures.map(NonZeroU32::get), Some(5));
    assert_eq!(next.status().attempt, failures);
    assert_eq!(next.deadline(), link.deadline());
}
