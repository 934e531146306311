//! Snapshots that contradict themselves under a checksum that is right. Nobody writes one by accident;
//! P10 and P5 must not hang on that.

use redial::{Instant, Policy};
use serde_json::{Value, json};

use super::load;
use super::stories::waiting;

/// The lists that the checksum is taken of after the link's own memory, in its order.
const LISTS: [&str; 5] = ["wanted", "refused", "retries", "held", "maybe"];

/// FNV-1a with 64 bits, forwards and backwards.
#[derive(Clone, Copy)]
struct Fnv(u64);

impl Fnv {
    const NEW: Self = Self(0xCBF2_9CE4_8422_2325);
    const PRIME: u64 = 0x0000_0100_0000_01B3;

    fn add(self, number: u64) -> Self {
        let step = |sum: u64, octet: u8| (sum ^ u64::from(octet)).wrapping_mul(Self::PRIME);
        Self(number.to_le_bytes().into_iter().fold(self.0, step))
    }

    fn take_back(self, number: u64) -> Self {
        // An odd number has an inverse; each turn of Newton's method doubles its right bits.
        let inverse = (0..6).fold(1_u64, |inverse, _| {
            let product = Self::PRIME.wrapping_mul(inverse);
            inverse.wrapping_mul(2_u64.wrapping_sub(product))
        });
        let step = |sum: u64, octet: u8| sum.wrapping_mul(inverse) ^ u64::from(octet);
        Self(number.to_le_bytes().into_iter().rev().fold(self.0, step))
    }
}

fn sum_of(list: &Value) -> u64 {
    let add = |sum: Fnv, element: &Value| match element {
        Value::Object(retry) => ["key", "step", "at_ns", "rest_ns"]
            .into_iter()
            .fold(sum, |sum, field| sum.add(retry[field].as_u64().unwrap())),
        key => sum.add(key.as_u64().unwrap()),
    };
    list.as_array().unwrap().iter().fold(Fnv::NEW, add).0
}

/// A link that waits and wants key 1, its lists replaced and its checksum made to fit.
fn forged(edit: impl FnOnce(&mut Value)) -> String {
    let mut snapshot: Value = serde_json::from_str(&waiting()).unwrap();
    let sums = |snapshot: &Value| LISTS.map(|name| sum_of(&snapshot[name]));
    let total = Fnv(snapshot["checksum"].as_u64().unwrap());
    let memory = sums(&snapshot).into_iter().rev().fold(total, Fnv::take_back);
    edit(&mut snapshot);
    snapshot["checksum"] = sums(&snapshot).into_iter().fold(memory, Fnv::add).0.into();
    snapshot.to_string()
}

fn told(text: &str) -> Option<String> {
    let link = load(Policy::new(), 3, Instant::ZERO, None, text);
    link.err().map(|error| error.to_string())
}

fn retry(key: u32, step: u8) -> Value {
    json!({"key": key, "step": step, "at_ns": 5_000_000_000_u64, "rest_ns": 0})
}

/// What makes the other tests here mean something.
#[test]
fn a_snapshot_whose_checksum_was_made_to_fit_is_restored() {
    assert_eq!(told(&forged(|_| {})), None);
    assert_eq!(told(&forged(|snapshot| snapshot["wanted"] = json!([1, 0, 2]))), None);
    assert_eq!(told(&forged(|snapshot| snapshot["refused"] = json!([1]))), None);
    assert_eq!(told(&forged(|snapshot| snapshot["retries"] = json!([retry(1, 8)]))), None);
    assert_eq!(told(&forged(|snapshot| snapshot["held"] = json!([1]))), None);
}

#[test]
fn a_snapshot_that_contradicts_itself_is_damaged() {
    for (name, list) in [
        ("a key is wanted twice", json!({"wanted": [1, 1]})),
        ("a key is refused that nobody wants", json!({"refused": [0]})),
        ("a key waits that nobody wants", json!({"retries": [retry(0, 0)]})),
        ("a key waits twice", json!({"retries": [retry(1, 0), retry(1, 1)]})),
        ("a key waits at a step that no ladder has", json!({"retries": [retry(1, 9)]})),
        ("a key waits and is refused", json!({"retries": [retry(1, 0)], "refused": [1]})),
        ("a key is held twice", json!({"held": [2, 2]})),
        ("a key is held, and may be", json!({"held": [2], "maybe": [2]})),
    ] {
        let text = forged(|snapshot| {
            for (field, value) in list.as_object().unwrap() {
                snapshot[field] = value.clone();
            }
        });
        let told = told(&text).unwrap_or_else(|| panic!("{name}: {text} was restored"));
        assert!(told.contains("damaged"), "{name}: {told}");
    }
}
