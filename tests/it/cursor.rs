//! The cursor: each rule by name, then random numbers beside a model, then two connections.

use core::mem::size_of;
use std::collections::BTreeSet;

use redial::{Cursor, Missing, Seen};
use redial_sim::Dice;

use crate::world::seeds;

/// A cursor of epoch 1 that saw these numbers.
fn after(seen: &[u64]) -> Cursor {
    let mut cursor = Cursor::new();
    for seq in seen {
        assert!(cursor.observe(1, *seq).is_new(), "{seq}");
    }
    cursor
}

const fn gap(first: u64, last: u64) -> Seen {
    Seen::Gap(Missing { first, last })
}

fn missing(cursor: &Cursor) -> Vec<(u64, u64)> {
    let mut ranges: Vec<_> = cursor.missing().map(|range| (range.first, range.last)).collect();
    ranges.sort_unstable();
    ranges
}

#[test]
fn a_cursor_keeps_within_its_budget() {
    assert!(size_of::<Cursor>() <= 128, "Cursor: {} bytes", size_of::<Cursor>());
}

#[test]
fn the_first_message_is_new_whatever_its_number() {
    for seq in [0, 1, 77, u64::MAX] {
        assert_eq!(Cursor::new().observe(0, seq), Seen::First);
    }
    assert_eq!(Cursor::new().latest(), None);
    assert!(Cursor::new().is_complete());
}

#[test]
fn what_came_before_the_first_message_is_outdated() {
    let mut cursor = after(&[5]);
    assert_eq!(cursor.observe(1, 4), Seen::Outdated);
    assert_eq!(cursor.observe(1, 5), Seen::Duplicate);
    assert_eq!(cursor.observe(1, 6), Seen::Next);
}

#[test]
fn a_gap_is_told_at_once_with_both_ends_included() {
    let mut cursor = after(&[10, 11]);
    assert_eq!(cursor.observe(1, 13), gap(12, 12));
    assert_eq!(cursor.observe(1, 20), gap(14, 19));
    assert_eq!(cursor.latest(), Some(20));
    assert_eq!(missing(&cursor), [(12, 12), (14, 19)]);
    assert!(!cursor.is_complete());
}

#[test]
fn a_gap_counts_its_numbers() {
    assert_eq!(Missing { first: 12, last: 12 }.count(), 1);
    assert_eq!(Missing { first: 14, last: 19 }.count(), 6);
    assert_eq!(Missing { first: 1, last: u64::MAX - 1 }.count(), u64::MAX - 1);
}

#[test]
fn a_missing_number_that_arrives_late_is_new_once() {
    let mut cursor = after(&[10, 15]);
    for late in [12, 11, 14, 13] {
        assert_eq!(cursor.observe(1, late), Seen::Late, "{late}");
        assert_eq!(cursor.observe(1, late), Seen::Duplicate, "{late}");
    }
    assert_eq!(missing(&cursor), []);
    assert!(cursor.is_complete());
    assert_eq!(cursor.observe(1, 16), Seen::Next);
}

#[test]
fn a_late_number_within_a_gap_splits_it() {
    let mut cursor = after(&[10, 20, 15]);
    assert_eq!(missing(&cursor), [(11, 14), (16, 19)]);
    assert_eq!(cursor.observe(1, 11), Seen::Late);
    assert_eq!(cursor.observe(1, 19), Seen::Late);
    assert_eq!(missing(&cursor), [(12, 14), (16, 18)]);
}

#[test]
fn a_fifth_gap_forgets_the_lowest_and_says_that_something_is_missing_until_caught_up() {
    let mut cursor = after(&[10, 12, 14, 16, 18, 20]);
    assert_eq!(missing(&cursor), [(13, 13), (15, 15), (17, 17), (19, 19)]);
    assert_eq!(cursor.observe(1, 11), Seen::Outdated);
    for late in [13, 15, 17, 19] {
        assert_eq!(cursor.observe(1, late), Seen::Late, "{late}");
    }
    assert_eq!(missing(&cursor), []);
    assert!(!cursor.is_complete(), "11 never came");
    cursor.caught_up(1, 10);
    assert!(!cursor.is_complete(), "11 is not covered");
    cursor.caught_up(1, 11);
    assert!(cursor.is_complete());
    assert_eq!(cursor.observe(1, 12), Seen::Duplicate);
}

#[test]
fn a_split_without_room_forgets_the_lowest() {
    let mut cursor = after(&[10, 14, 16, 18, 20]);
    assert_eq!(cursor.observe(1, 12), Seen::Late);
    assert_eq!(missing(&cursor), [(13, 13), (15, 15), (17, 17), (19, 19)]);
    assert_eq!(cursor.observe(1, 11), Seen::Outdated);
    assert_eq!(cursor.observe(1, 12), Seen::Duplicate);
    assert!(!cursor.is_complete());
}

#[test]
fn a_later_epoch_ends_the_earlier_one() {
    let mut cursor = after(&[10, 15]);
    assert_eq!(cursor.observe(2, 1), Seen::EpochChanged);
    assert!(cursor.is_complete(), "nothing of the new epoch is missing");
    assert_eq!(cursor.observe(1, 12), Seen::Outdated);
    assert_eq!(cursor.observe(1, 16), Seen::Outdated);
    assert_eq!(cursor.observe(2, 2), Seen::Next);
    assert_eq!(cursor.latest(), Some(2));
}

#[test]
fn two_connections_of_different_epochs_do_not_flap() {
    let mut cursor = after(&[10]);
    let seen: Vec<_> =
        (0..3).flat_map(|n| [cursor.observe(2, 1 + n), cursor.observe(1, 11 + n)]).collect();
    assert_eq!(
        seen,
        [
            Seen::EpochChanged,
            Seen::Outdated,
            Seen::Next,
            Seen::Outdated,
            Seen::Next,
            Seen::Outdated
        ]
    );
}

#[test]
fn what_the_application_caught_up_with_is_neither_missing_nor_new() {
    let mut cursor = after(&[10, 15, 20]);
    cursor.caught_up(1, 17);
    assert_eq!(missing(&cursor), [(18, 19)]);
    assert_eq!(cursor.observe(1, 12), Seen::Outdated);
    assert_eq!(cursor.observe(1, 17), Seen::Outdated);
    assert_eq!(cursor.observe(1, 18), Seen::Late);
    cursor.caught_up(1, 17);
    assert_eq!(missing(&cursor), [(19, 19)], "twice changes nothing");
    cursor.caught_up(1, 30);
    assert_eq!(cursor.observe(1, 30), Seen::Outdated);
    assert_eq!(cursor.observe(1, 31), Seen::Next);
}

#[test]
fn a_snapshot_may_come_before_the_first_message_or_begin_an_epoch() {
    let mut cursor = Cursor::new();
    cursor.caught_up(1, 10);
    assert_eq!(cursor.observe(1, 10), Seen::Outdated);
    assert_eq!(cursor.observe(1, 12), gap(11, 11));
    cursor.caught_up(2, 3);
    assert_eq!(cursor.observe(2, 4), Seen::Next);
    cursor.caught_up(1, 99);
    assert_eq!(cursor.latest(), Some(4), "an earlier epoch changes nothing");
}

#[test]
fn after_the_last_number_comes_only_a_later_epoch() {
    let mut cursor = after(&[u64::MAX - 1, u64::MAX]);
    assert_eq!(cursor.observe(1, u64::MAX), Seen::Duplicate);
    assert_eq!(cursor.observe(1, 0), Seen::Outdated);
    cursor.caught_up(1, u64::MAX);
    assert!(!cursor.observe(1, u64::MAX).is_new());
    assert_eq!(cursor.observe(2, 0), Seen::EpochChanged);
}

#[test]
fn the_widest_gap_is_one_gap() {
    let mut cursor = after(&[0]);
    assert_eq!(cursor.observe(1, u64::MAX), gap(1, u64::MAX - 1));
    assert_eq!(cursor.observe(1, 1), Seen::Late);
    assert_eq!(cursor.observe(1, u64::MAX - 1), Seen::Late);
    assert_eq!(missing(&cursor), [(2, u64::MAX - 2)]);
}

#[test]
fn a_narrow_number_caught_up_with_is_widened_too() {
    let mut cursor = Cursor::new();
    let widen = |cursor: &Cursor, narrow: u16| cursor.widen(narrow.into(), u16::BITS);
    cursor.caught_up(0, widen(&cursor, 5));
    assert_eq!(cursor.observe(0, widen(&cursor, u16::MAX)), Seen::Outdated, "it came late");
    assert_eq!(cursor.observe(0, widen(&cursor, 6)), Seen::Next);
}

#[test]
fn a_narrow_number_stands_for_none_below_zero() {
    let mut cursor = Cursor::new();
    cursor.caught_up(0, 5);
    let late = cursor.widen(u16::MAX.into(), u16::BITS);
    assert_eq!(late, u64::from(u16::MAX), "the lowest that ends so");
    let _ = cursor.observe(0, late);
    assert_eq!(cursor.observe(0, cursor.widen(0, u16::BITS)), Seen::Next);
}

#[test]
fn a_narrow_counter_wraps_without_a_gap_or_a_repetition() {
    for bits in [8, 16, 32] {
        let range = 1_u64 << bits;
        let mut cursor = Cursor::new();
        let mut observe = |narrow: u64| {
            let seq = cursor.widen(narrow % range, bits);
            cursor.observe(1, seq)
        };
        assert_eq!(observe(range - 2), Seen::First);
        assert_eq!(observe(range - 1), Seen::Next);
        assert!(matches!(observe(range + 1), Seen::Gap(gap) if gap.count() == 1));
        assert_eq!(observe(range), Seen::Late);
        assert_eq!(observe(range - 1), Seen::Duplicate);
        assert_eq!(observe(range - 5), Seen::Outdated);
        // Less than half a range ahead is ahead.
        assert!(matches!(observe(range + range / 2), Seen::Gap(_)));
    }
}

/// Each epoch may begin below the one before: there is room below all of them.
#[test]
fn a_late_number_has_a_place_however_the_epochs_began() {
    let mut cursor = Cursor::new();
    for (epoch, narrow) in [(0, 0), (1, 40_000), (2, 10_000), (3, 5)] {
        let seq = cursor.widen(narrow, u16::BITS);
        let _ = cursor.observe(epoch, seq);
    }
    let late = cursor.widen(u64::from(u16::MAX) - 2, u16::BITS);
    assert_eq!(cursor.observe(3, late), Seen::Outdated);
    assert_eq!(cursor.observe(3, cursor.widen(6, u16::BITS)), Seen::Next);
}

#[test]
fn widening_has_an_answer_for_every_width() {
    for bits in [0, 1, 63, 64, 65, u32::MAX] {
        for seen in [&[][..], &[0], &[u64::MAX]] {
            for narrow in [0, 1, u64::MAX] {
                let wide = after(seen).widen(narrow, bits);
                let ends_alike = bits == 0 || (wide ^ narrow) << 64_u32.saturating_sub(bits) == 0;
                assert!(ends_alike, "{wide:x} for {narrow:x} of {bits} bits");
            }
        }
    }
}

/// How often each answer was given: a walk that never sees one proves nothing of it.
#[derive(Default, Debug)]
struct Tally([u64; 7]);

impl Tally {
    fn count(&mut self, seen: Seen) {
        let kind = match seen {
            Seen::First => 0,
            Seen::Next => 1,
            Seen::Gap(_) => 2,
            Seen::Late => 3,
            Seen::Duplicate => 4,
            Seen::EpochChanged => 5,
            Seen::Outdated => 6,
        };
        self.0[kind] += 1;
    }
}

/// What the cursor should say: each number by itself, no ranges.
#[derive(Default)]
struct Model {
    epoch: Option<u64>,
    told_new: BTreeSet<u64>,
    missing: BTreeSet<u64>,
    /// Below it, nothing is known.
    begin: u64,
    latest: u64,
    forgot: bool,
}

impl Model {
    fn start(&mut self, epoch: u64, seq: u64) {
        *self = Self { epoch: Some(epoch), begin: seq, latest: seq, ..Self::default() };
    }

    fn observe(&mut self, epoch: u64, seq: u64) -> Seen {
        let seen = if self.epoch.is_none_or(|present| present < epoch) {
            let first = self.epoch.is_none();
            self.start(epoch, seq);
            if first { Seen::First } else { Seen::EpochChanged }
        } else if self.epoch > Some(epoch) || seq < self.begin {
            return Seen::Outdated;
        } else if self.missing.remove(&seq) {
            Seen::Late
        } else if seq <= self.latest {
            return Seen::Duplicate;
        } else {
            let skipped = self.latest + 1..seq;
            self.missing.extend(skipped.clone());
            if skipped.is_empty() { Seen::Next } else { gap(skipped.start, seq - 1) }
        };
        assert!(self.told_new.insert(seq), "{seq} is told new twice");
        self.latest = self.latest.max(seq);
        self.forget();
        seen
    }

    /// Leaves the four highest ranges.
    fn forget(&mut self) {
        while self.ranges().len() > 4 {
            let (_, last) = self.ranges()[0];
            self.begin = last + 1;
            self.forgot = true;
            self.missing = self.missing.split_off(&self.begin);
        }
    }

    fn ranges(&self) -> Vec<(u64, u64)> {
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for seq in &self.missing {
            match ranges.last_mut() {
                Some((_, last)) if *last + 1 == *seq => *last = *seq,
                Some(_) | None => ranges.push((*seq, *seq)),
            }
        }
        ranges
    }

    fn caught_up(&mut self, epoch: u64, seq: u64) {
        if self.epoch > Some(epoch) {
            return;
        }
        if self.epoch != Some(epoch) {
            self.start(epoch, seq);
        }
        if seq + 1 >= self.begin {
            self.begin = seq + 1;
            self.latest = self.latest.max(seq);
            self.forgot = false;
            self.missing = self.missing.split_off(&self.begin);
        }
    }
}

#[test]
fn the_cursor_does_what_its_model_does() {
    let mut tally = Tally::default();
    for seed in seeds(1_000) {
        let mut dice = Dice::new(seed);
        let (mut cursor, mut model) = (Cursor::new(), Model::default());
        let (mut epoch, mut middle) = (3, 100);
        for step in 0..400 {
            epoch += u64::from(dice.chance(1));
            middle += dice.below(3);
            let told_epoch = if dice.chance(3) { epoch - dice.below(3) } else { epoch };
            let seq = middle + dice.below(24) - 12;
            if dice.chance(2) {
                cursor.caught_up(told_epoch, seq);
                model.caught_up(told_epoch, seq);
            } else {
                let (seen, expected) =
                    (cursor.observe(told_epoch, seq), model.observe(told_epoch, seq));
                tally.count(seen);
                assert_eq!(seen, expected, "REDIAL_SEED={seed}, step {step}, {told_epoch}:{seq}");
            }
            assert_eq!(missing(&cursor), model.ranges(), "REDIAL_SEED={seed}, step {step}");
            let complete = model.missing.is_empty() && !model.forgot;
            assert_eq!(cursor.is_complete(), complete, "REDIAL_SEED={seed}, step {step}");
            assert_eq!(cursor.latest(), model.epoch.map(|_| model.latest), "REDIAL_SEED={seed}");
        }
    }
    println!("{tally:?}");
    assert!(tally.0.iter().all(|count| *count > 0), "the walks saw every answer: {tally:?}");
}

/// One connection of a rotation: it delivers the server's numbers in order, and loses some.
struct Connection {
    next: u64,
    end: u64,
    loses_percent: u8,
}

impl Connection {
    fn deliver(&mut self, dice: &mut Dice) -> Option<u64> {
        let seq = self.next;
        self.next += 1;
        (seq < self.end && !dice.chance(self.loses_percent)).then_some(seq)
    }
}

/// Connections that overlap deliver one stream; whatever is lost, the application gets every number
/// that arrived at most once, and knows of every other one.
#[test]
fn over_rotations_nothing_is_delivered_twice_and_no_gap_is_hidden() {
    let mut tally = Tally::default();
    for seed in seeds(2_000) {
        let mut dice = Dice::new(seed);
        let loses_percent = *dice.pick(&[0, 0, 2, 20]).unwrap();
        let mut cursor = Cursor::new();
        let (mut delivered, mut told_missing) = (BTreeSet::new(), BTreeSet::new());
        let mut arrived = BTreeSet::new();
        let mut old = Connection { next: 0, end: 60, loses_percent };
        for rotation in 1..5 {
            // The successor begins about where the old one is, and the old one ends some time later.
            let begin = (old.end - 30).saturating_sub(dice.below(10)) + dice.below(12);
            let mut new = Connection { next: begin, end: begin + 60, loses_percent };
            while old.next < old.end {
                let overlaps = old.next + 15 > begin;
                let speaks = if overlaps && dice.chance(50) { &mut new } else { &mut old };
                let Some(seq) = speaks.deliver(&mut dice) else { continue };
                arrived.insert(seq);
                let seen = cursor.observe(0, seq);
                tally.count(seen);
                if let Seen::Gap(range) = seen {
                    told_missing.extend(range.first..=range.last);
                }
                if seen.is_new() {
                    let first = delivered.insert(seq);
                    assert!(first, "REDIAL_SEED={seed}, rotation {rotation}: {seq} twice");
                }
            }
            old = new;
        }
        let (Some(first), Some(latest)) = (delivered.first().copied(), cursor.latest()) else {
            continue;
        };
        for seq in first..=latest {
            let known = delivered.contains(&seq) || told_missing.contains(&seq);
            assert!(known, "REDIAL_SEED={seed}: {seq} is hidden");
        }
        let undelivered = (first..=latest).any(|seq| !delivered.contains(&seq));
        assert_eq!(cursor.is_complete(), !undelivered, "REDIAL_SEED={seed}");
        if loses_percent == 0 {
            let all: BTreeSet<_> = arrived.range(first..).copied().collect();
            assert_eq!(delivered, all, "REDIAL_SEED={seed}: what arrives late is still delivered");
        }
    }
    println!("{tally:?}");
    let [first, next, gaps, late, duplicates, ..] = tally.0;
    assert!([first, next, gaps, late, duplicates].iter().all(|count| *count > 0), "{tally:?}");
}
