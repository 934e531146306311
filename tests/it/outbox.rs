//! The outbox: each rule by name, then random walks beside a model made of a `Vec`.

mod storage;

use core::time::Duration;
use std::collections::BTreeMap;

use redial::{Fate, Fates, Instant, ItemId, Outbox, OutboxSlot, Overflow, Phase, Pushed};
use redial_sim::Dice;

use crate::world::seeds;

type Small<const N: usize> = Outbox<u32, [OutboxSlot<u32>; N]>;

const TEN_SECONDS: Duration = Duration::from_secs(10);

const PHASES: [Phase; 9] = [
    Phase::Idle,
    Phase::Waiting,
    Phase::Opening,
    Phase::Greeting,
    Phase::Restoring,
    Phase::Live,
    Phase::Degraded,
    Phase::Closing,
    Phase::Halted,
];

fn at(secs: u64) -> Instant {
    Instant::from_duration(Duration::from_secs(secs))
}

/// An outbox with room for `N` items that live ten seconds.
fn outbox<const N: usize>(overflow: Overflow) -> Small<N> {
    Outbox::with_storage(TEN_SECONDS, overflow, [const { OutboxSlot::EMPTY }; N])
}

/// The same with items 1 to `count`, pushed one a second from 1 s on.
fn filled<const N: usize>(overflow: Overflow, count: u32) -> Small<N> {
    let mut outbox = outbox(overflow);
    for item in 1..=count {
        assert_eq!(outbox.push(at(item.into()), item), Pushed::Queued);
    }
    outbox
}

#[track_caller]
fn take_in_hand<const N: usize>(outbox: &mut Small<N>, now: Instant) -> ItemId {
    outbox.peek(now, Phase::Live).expect("something to send").0
}

fn rest<const N: usize>(outbox: &mut Small<N>) -> Vec<u32> {
    core::iter::from_fn(|| outbox.take_back()).collect()
}

const fn dropped(item: u32) -> Pushed<u32> {
    Pushed::FellOut { item, fate: Fate::Dropped }
}

const fn expired(item: u32) -> Pushed<u32> {
    Pushed::FellOut { item, fate: Fate::Expired }
}

#[track_caller]
fn assert_fates(actual: Fates, [sent, expired, dropped, returned]: [u64; 4]) {
    assert_eq!(
        [actual.sent, actual.expired, actual.dropped, actual.returned],
        [sent, expired, dropped, returned]
    );
}

#[test]
fn items_flow_while_the_link_is_live_or_degraded_and_in_no_other_phase() {
    for phase in PHASES {
        let mut outbox = filled::<2>(Overflow::Reject, 1);
        let flows = phase == Phase::Live || phase == Phase::Degraded;
        assert_eq!(outbox.peek(at(1), phase).is_some(), flows, "{phase:?}");
    }
}

#[test]
fn items_are_sent_in_the_order_in_which_they_were_pushed() {
    let mut outbox = filled::<3>(Overflow::Reject, 3);
    let mut sent = Vec::new();
    for item in 4..=9 {
        let id = take_in_hand(&mut outbox, at(3));
        sent.extend(outbox.sent(id));
        assert_eq!(outbox.push(at(3), item), Pushed::Queued);
    }
    assert_eq!(sent, [1, 2, 3, 4, 5, 6]);
    assert_eq!(rest(&mut outbox), [7, 8, 9]);
}

#[test]
fn p15_a_written_item_is_sent_once_however_often_that_is_said() {
    let mut outbox = filled::<2>(Overflow::Reject, 2);
    let id = take_in_hand(&mut outbox, at(2));
    assert_eq!(outbox.sent(id), Some(1));
    assert_eq!(outbox.sent(id), None);
    assert_eq!(outbox.len(), 1);
    assert_fates(outbox.fates(), [1, 0, 0, 0]);
}

#[test]
fn p15_an_item_is_at_the_front_again_when_the_connection_was_lost_before_it_was_written() {
    let mut outbox = filled::<2>(Overflow::Reject, 2);
    let id = take_in_hand(&mut outbox, at(2));
    assert_eq!(outbox.peek(at(3), Phase::Waiting), None);
    assert_eq!(outbox.peek(at(4), Phase::Live), Some((id, &1)));
    assert_eq!(outbox.len(), 2);
}

#[test]
fn p15_an_item_expires_when_it_was_queued_for_its_time_and_not_before() {
    let mut outbox = filled::<3>(Overflow::Reject, 2);
    assert_eq!(outbox.next_expiry(), Some(at(11)));
    let just_before = Instant::from_nanos(at(11).as_nanos() - 1);
    assert_eq!(outbox.poll_expired(just_before), None);
    assert_eq!(outbox.poll_expired(at(11)), Some(1));
    assert_eq!(outbox.poll_expired(at(11)), None);
    assert_eq!(outbox.next_expiry(), Some(at(12)));
    assert_fates(outbox.fates(), [0, 1, 0, 0]);
}

#[test]
fn an_expired_item_is_never_sent_and_its_fate_is_told_before_a_younger_one_is_sent() {
    let mut outbox = filled::<3>(Overflow::Reject, 2);
    assert_eq!(outbox.peek(at(11), Phase::Live), None);
    assert_eq!(outbox.next_expiry(), Some(at(11)), "it calls the driver straight back");
    assert_eq!(outbox.poll_expired(at(11)), Some(1));
    assert_eq!(outbox.peek(at(11), Phase::Live).map(|(_, item)| *item), Some(2));
}

#[test]
fn p15_what_is_in_hand_does_not_expire_and_the_others_do() {
    let mut outbox = filled::<3>(Overflow::Reject, 2);
    let id = take_in_hand(&mut outbox, at(2));
    assert_eq!(outbox.next_expiry(), Some(at(12)));
    assert_eq!(outbox.poll_expired(at(60)), Some(2));
    assert_eq!(outbox.poll_expired(at(60)), None);
    assert_eq!(outbox.next_expiry(), None);
    assert_eq!(outbox.sent(id), Some(1));
}

#[test]
fn what_was_in_hand_at_a_loss_expires_once_it_is_laid_down() {
    let mut outbox = filled::<3>(Overflow::Reject, 1);
    let id = take_in_hand(&mut outbox, at(2));
    assert_eq!(outbox.peek(at(60), Phase::Waiting), None);
    assert_eq!(outbox.poll_expired(at(60)), Some(1));
    assert_eq!(outbox.sent(id), None, "its fate was told");
    assert_fates(outbox.fates(), [0, 1, 0, 0]);
}

#[test]
fn p15_that_an_item_was_written_counts_though_it_is_told_after_the_loss() {
    let mut outbox = filled::<2>(Overflow::Reject, 2);
    let id = take_in_hand(&mut outbox, at(2));
    assert_eq!(outbox.peek(at(3), Phase::Waiting), None);
    assert_eq!(outbox.sent(id), Some(1));
    assert_eq!(rest(&mut outbox), [2]);
}

#[test]
fn p15_a_late_sent_of_an_item_that_expired_settles_no_other_item() {
    let mut outbox = filled::<2>(Overflow::Reject, 2);
    let old = take_in_hand(&mut outbox, at(2));
    assert_eq!(outbox.peek(at(11), Phase::Waiting), None);
    assert_eq!(outbox.poll_expired(at(11)), Some(1));
    assert_ne!(take_in_hand(&mut outbox, at(11)), old);
    assert_eq!(outbox.sent(old), None);
    assert_eq!(rest(&mut outbox), [2]);
}

#[test]
fn p15_reject_gives_the_item_back_and_accepts_nothing() {
    let mut outbox = filled::<2>(Overflow::Reject, 2);
    assert_eq!(outbox.push(at(3), 3), Pushed::Rejected(3));
    assert_eq!((outbox.fates().accepted, outbox.fates().rejected), (2, 1));
    assert_eq!(rest(&mut outbox), [1, 2]);
}

#[test]
fn p15_drop_oldest_gives_the_oldest_back() {
    let mut outbox = filled::<2>(Overflow::DropOldest, 2);
    assert_eq!(outbox.push(at(3), 3), dropped(1));
    assert_fates(outbox.fates(), [0, 0, 1, 0]);
    assert_eq!(rest(&mut outbox), [2, 3]);
}

#[test]
fn p15_drop_newest_gives_the_new_one_back() {
    let mut outbox = filled::<2>(Overflow::DropNewest, 2);
    assert_eq!(outbox.push(at(3), 3), dropped(3));
    assert_eq!((outbox.fates().accepted, outbox.fates().dropped), (3, 1));
    assert_eq!(rest(&mut outbox), [1, 2]);
}

#[test]
fn expiry_comes_before_eviction_under_every_policy() {
    for overflow in [Overflow::Reject, Overflow::DropOldest, Overflow::DropNewest] {
        let mut outbox = filled::<2>(overflow, 2);
        assert_eq!(outbox.push(at(11), 3), expired(1), "{overflow:?}");
        assert_eq!(rest(&mut outbox), [2, 3], "{overflow:?}");
    }
}

#[test]
fn p15_what_is_in_hand_is_not_dropped() {
    let mut outbox = filled::<2>(Overflow::DropOldest, 2);
    let id = take_in_hand(&mut outbox, at(2));
    assert_eq!(outbox.push(at(3), 3), dropped(2));
    assert_eq!(outbox.sent(id), Some(1));

    let mut outbox = filled::<1>(Overflow::DropOldest, 1);
    let id = take_in_hand(&mut outbox, at(1));
    assert_eq!(outbox.push(at(3), 2), dropped(2), "only the one in hand could make room");
    assert_eq!(outbox.sent(id), Some(1));
}

#[test]
fn p15_a_replaced_item_is_dropped_and_the_new_one_goes_to_the_back() {
    let mut outbox = filled::<4>(Overflow::Reject, 3);
    let same_decade = |key: u32| move |queued: &u32| queued % 10 == key % 10;
    assert_eq!(outbox.push_replacing(at(4), 12, same_decade(12)), dropped(2));
    assert_eq!(outbox.push_replacing(at(4), 14, same_decade(14)), Pushed::Queued);
    assert_eq!(outbox.push_replacing(at(4), 15, same_decade(15)), Pushed::Rejected(15));
    assert_eq!(outbox.push_replacing(at(4), 11, same_decade(11)), dropped(1), "though it is full");
    assert_eq!(rest(&mut outbox), [3, 12, 14, 11]);
}

#[test]
fn a_replaced_item_whose_time_was_up_expired() {
    let mut outbox = filled::<4>(Overflow::Reject, 3);
    assert_eq!(outbox.push_replacing(at(12), 12, |queued| *queued == 2), expired(2));
    assert_eq!(outbox.next_expiry(), Some(at(11)));
    assert_eq!(outbox.poll_expired(at(12)), Some(1));
    assert_eq!(rest(&mut outbox), [3, 12]);
}

#[test]
fn p15_what_is_in_hand_is_not_replaced() {
    let mut outbox = filled::<4>(Overflow::Reject, 2);
    let id = take_in_hand(&mut outbox, at(2));
    assert_eq!(outbox.push_replacing(at(3), 11, |queued| *queued == 1), Pushed::Queued);
    assert_eq!(outbox.sent(id), Some(1));
    assert_eq!(rest(&mut outbox), [2, 11]);
}

#[test]
fn p15_what_is_taken_back_is_returned_the_one_in_hand_too() {
    let mut outbox = filled::<3>(Overflow::Reject, 3);
    let id = take_in_hand(&mut outbox, at(3));
    assert_eq!(outbox.take_back(), Some(1));
    assert_eq!(outbox.sent(id), None, "its fate was told");
    assert_eq!(outbox.next_expiry(), Some(at(12)), "the next one is not in hand");
    assert_eq!(rest(&mut outbox), [2, 3]);
    assert!(outbox.is_empty());
    assert_fates(outbox.fates(), [0, 0, 0, 3]);
}

#[test]
fn time_that_runs_backwards_counts_as_the_latest_seen() {
    let mut outbox = outbox::<2>(Overflow::Reject);
    assert_eq!(outbox.push(at(20), 1), Pushed::Queued);
    assert_eq!(outbox.push(at(5), 2), Pushed::Queued);
    assert_eq!(outbox.poll_expired(at(29)), None);
    assert_eq!(outbox.poll_expired(at(30)), Some(1));
    assert_eq!(outbox.poll_expired(at(0)), Some(2));
}

#[test]
fn the_longest_time_to_live_is_for_ever_and_none_is_at_once() {
    let slots = [const { OutboxSlot::EMPTY }; 1];
    let mut outbox = Outbox::with_storage(Duration::MAX, Overflow::Reject, slots.clone());
    assert_eq!(outbox.push(at(1), 1), Pushed::Queued);
    assert_eq!(outbox.next_expiry(), None);
    assert_eq!(outbox.poll_expired(Instant::MAX), None);

    let mut outbox = Outbox::with_storage(Duration::ZERO, Overflow::Reject, slots);
    assert_eq!(outbox.push(at(1), 1), Pushed::Queued);
    assert_eq!(outbox.peek(at(1), Phase::Live), None);
    assert_eq!(outbox.poll_expired(at(1)), Some(1));
}

#[test]
fn an_outbox_without_room_is_always_full() {
    assert_eq!(outbox::<0>(Overflow::Reject).push(at(0), 1), Pushed::Rejected(1));
    assert_eq!(outbox::<0>(Overflow::DropOldest).push(at(0), 1), dropped(1));
    assert_eq!(outbox::<0>(Overflow::DropNewest).push(at(0), 1), dropped(1));
    assert_eq!(outbox::<0>(Overflow::Reject).peek(at(0), Phase::Live), None);
}

#[test]
fn other_storage_takes_the_items_over_in_their_order() {
    let mut outbox =
        Outbox::with_storage(TEN_SECONDS, Overflow::DropOldest, vec![OutboxSlot::EMPTY; 3]);
    // Turned, so that the ring's front is not the storage's.
    for item in 1..=5 {
        let _ = outbox.push(at(0), item);
    }
    let (id, _) = outbox.peek(at(0), Phase::Live).unwrap();
    let old = outbox.replace_storage(vec![OutboxSlot::EMPTY; 4]).unwrap();
    assert_eq!((old.len(), outbox.capacity()), (3, 4));
    assert_eq!(outbox.push(at(0), 6), Pushed::Queued);
    assert_eq!(outbox.push(at(0), 7), dropped(4), "the one in hand is still in hand");
    assert_eq!(outbox.sent(id), Some(3));
    assert_eq!(outbox.take_back(), Some(5));

    let refused = outbox.replace_storage(vec![OutboxSlot::EMPTY; 1]).unwrap_err();
    assert_eq!((refused.len(), outbox.capacity()), (1, 4));
    outbox.replace_storage(vec![OutboxSlot::EMPTY; 2]).unwrap();
    assert_eq!((outbox.take_back(), outbox.take_back()), (Some(6), Some(7)));
    assert_eq!(outbox.take_back(), None);
}

#[test]
fn a_slice_lends_room_as_well() {
    let mut slots = [const { OutboxSlot::EMPTY }; 2];
    let mut outbox = Outbox::with_storage(TEN_SECONDS, Overflow::Reject, &mut slots[..]);
    assert_eq!(outbox.push(at(0), "one"), Pushed::Queued);
    assert_eq!(outbox.take_back(), Some("one"));
}

/// What is pushed in the random walks: it cannot be copied, so what comes back is what went in.
#[derive(PartialEq, Debug)]
struct Item {
    number: u64,
    key: u64,
}

/// What the outbox should hold: no ring, no numbers of places, no counters.
struct Model {
    capacity: usize,
    overflow: Overflow,
    latest: Instant,
    time_to_live: Duration,
    queue: Vec<Queued>,
    in_hand: bool,
}

struct Queued {
    number: u64,
    key: u64,
    until: Instant,
}

impl Model {
    /// The present time is told with some calls only.
    fn see(&mut self, now: Instant) {
        self.latest = self.latest.max(now);
    }

    fn append(&mut self, item: &Item) {
        let until = self.latest.saturating_add(self.time_to_live);
        self.queue.push(Queued { number: item.number, key: item.key, until });
    }

    fn is_due(&self, place: usize) -> bool {
        self.queue.get(place).is_some_and(|queued| queued.until <= self.latest)
    }

    /// The place that must make room for another item, and the fate of its item.
    fn evicted(&self) -> Option<(usize, Fate)> {
        let oldest = usize::from(self.in_hand);
        let fate = if self.is_due(oldest) { Fate::Expired } else { Fate::Dropped };
        let evicts = fate == Fate::Expired || self.overflow == Overflow::DropOldest;
        (evicts && oldest < self.queue.len()).then_some((oldest, fate))
    }

    /// Which number falls out of the push with which fate; `Err` where the push is rejected.
    fn push(&mut self, item: &Item) -> Result<Option<(u64, Fate)>, u64> {
        if self.queue.len() < self.capacity {
            self.append(item);
            return Ok(None);
        }
        if let Some((place, fate)) = self.evicted() {
            let fallen = self.queue.remove(place).number;
            self.append(item);
            return Ok(Some((fallen, fate)));
        }
        if self.overflow == Overflow::Reject {
            return Err(item.number);
        }
        Ok(Some((item.number, Fate::Dropped)))
    }

    fn push_replacing(&mut self, item: &Item) -> Result<Option<(u64, Fate)>, u64> {
        let free = usize::from(self.in_hand)..self.queue.len();
        let Some(place) = free.into_iter().find(|place| self.queue[*place].key == item.key) else {
            return self.push(item);
        };
        let fate = if self.is_due(place) { Fate::Expired } else { Fate::Dropped };
        let fallen = self.queue.remove(place).number;
        self.append(item);
        Ok(Some((fallen, fate)))
    }

    fn peek(&mut self, flows: bool) -> Option<u64> {
        self.in_hand = flows && !self.queue.is_empty() && !self.is_due(0);
        self.in_hand.then(|| self.queue[0].number)
    }

    fn sent(&mut self, number: Option<u64>) -> Option<u64> {
        (number? == self.queue.first()?.number).then(|| self.remove_front())
    }

    fn take_back(&mut self) -> Option<u64> {
        (!self.queue.is_empty()).then(|| self.remove_front())
    }

    fn remove_front(&mut self) -> u64 {
        self.in_hand = false;
        self.queue.remove(0).number
    }

    fn poll_expired(&mut self) -> Option<u64> {
        let oldest = usize::from(self.in_hand);
        self.is_due(oldest).then(|| self.queue.remove(oldest).number)
    }

    fn next_expiry(&self) -> Option<Instant> {
        let oldest = self.queue.get(usize::from(self.in_hand))?;
        (oldest.until < Instant::MAX).then_some(oldest.until)
    }
}

/// An outbox and its model under the same calls, and a ledger of every item.
struct Walk {
    dice: Dice,
    outbox: Outbox<Item, Vec<OutboxSlot<Item>>>,
    model: Model,
    now: Instant,
    pushed: u64,
    /// The names that were given out, and the number of the item that each names.
    ids: BTreeMap<ItemId, u64>,
    accepted: u64,
    fates: BTreeMap<u64, Fate>,
    /// How many were sent, expired, dropped, returned.
    tally: [u64; 4],
}

fn slots(count: usize) -> Vec<OutboxSlot<Item>> {
    core::iter::repeat_with(OutboxSlot::default).take(count).collect()
}

impl Walk {
    fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let capacity = dice.below(6) as usize;
        let policies = [Overflow::Reject, Overflow::DropOldest, Overflow::DropNewest];
        let overflow = *dice.pick(&policies).unwrap();
        let lives = [Duration::ZERO, Duration::from_nanos(40), Duration::MAX];
        let time_to_live = *dice.pick(&lives).unwrap();
        Self {
            dice,
            outbox: Outbox::with_storage(time_to_live, overflow, slots(capacity)),
            model: Model {
                capacity,
                overflow,
                latest: Instant::ZERO,
                time_to_live,
                queue: Vec::new(),
                in_hand: false,
            },
            now: Instant::ZERO,
            pushed: 0,
            ids: BTreeMap::new(),
            accepted: 0,
            fates: BTreeMap::new(),
            tally: [0; 4],
        }
    }

    /// Writes an item's fate down: the first and the last that it has (P15).
    fn settle(&mut self, number: u64, fate: Fate) {
        let before = self.fates.insert(number, fate);
        assert_eq!(before, None, "item {number} is {fate:?} and has another fate");
        self.tally[fate as usize] += 1;
    }

    fn turn_clock(&mut self) {
        let step = self.dice.below(8);
        let nanos = self.now.as_nanos();
        let back = self.dice.chance(10);
        self.now =
            Instant::from_nanos(if back { nanos.saturating_sub(step) } else { nanos + step });
    }

    fn step(&mut self) {
        self.turn_clock();
        match self.dice.below(100) {
            0..35 => self.push(),
            35..60 => self.peek(),
            60..80 => self.sent(),
            80..96 => self.poll_expired(),
            96..98 => self.take_back(),
            _ => self.replace_storage(),
        }
        self.check();
    }

    fn push(&mut self) {
        self.pushed += 1;
        let item = Item { number: self.pushed, key: self.dice.below(4) };
        let key = item.key;
        self.model.see(self.now);
        let (expected, pushed) = if self.dice.chance(50) {
            let expected = self.model.push_replacing(&item);
            (expected, self.outbox.push_replacing(self.now, item, |queued| queued.key == key))
        } else {
            (self.model.push(&item), self.outbox.push(self.now, item))
        };
        let actual = match pushed {
            Pushed::Queued => Ok(None),
            Pushed::FellOut { item, fate } => Ok(Some((item.number, fate))),
            Pushed::Rejected(item) => Err(item.number),
        };
        assert_eq!(actual, expected);
        self.accepted += u64::from(actual.is_ok());
        if let Ok(Some((number, fate))) = actual {
            self.settle(number, fate);
        }
    }

    fn peek(&mut self) {
        let phase = *self.dice.pick(&PHASES).unwrap();
        // Half of the time the link is up, or little would ever be sent.
        let phase = if self.dice.chance(50) { Phase::Live } else { phase };
        let flows = phase == Phase::Live || phase == Phase::Degraded;
        self.model.see(self.now);
        let peeked = self.outbox.peek(self.now, phase).map(|(id, item)| (id, item.number));
        assert_eq!(peeked.map(|(_, number)| number), self.model.peek(flows));
        if let Some((id, number)) = peeked {
            assert_eq!(*self.ids.entry(id).or_insert(number), number, "{id} names one item only");
        }
    }

    /// Mostly of the last item that was peeked, sometimes of an earlier one.
    fn sent(&mut self) {
        let back = if self.dice.chance(80) { 0 } else { self.dice.below(self.ids.len() as u64) };
        let Some((id, number)) = self.ids.iter().rev().nth(back as usize) else { return };
        let (id, number) = (*id, *number);
        let sent = self.outbox.sent(id).map(|item| item.number);
        assert_eq!(sent, self.model.sent(Some(number)));
        sent.into_iter().for_each(|number| self.settle(number, Fate::Sent));
    }

    fn poll_expired(&mut self) {
        self.model.see(self.now);
        let expired = self.outbox.poll_expired(self.now).map(|item| item.number);
        assert_eq!(expired, self.model.poll_expired());
        expired.into_iter().for_each(|number| self.settle(number, Fate::Expired));
    }

    fn take_back(&mut self) {
        let returned = self.outbox.take_back().map(|item| item.number);
        assert_eq!(returned, self.model.take_back());
        returned.into_iter().for_each(|number| self.settle(number, Fate::Returned));
    }

    fn replace_storage(&mut self) {
        let capacity = self.dice.below(7) as usize;
        let fits = capacity >= self.model.queue.len();
        match self.outbox.replace_storage(slots(capacity)) {
            Ok(old) => {
                assert!(fits && old.len() == self.model.capacity);
                self.model.capacity = capacity;
            }
            Err(refused) => assert!(!fits && refused.len() == capacity),
        }
    }

    /// What holds after every call, whatever it was.
    fn check(&self) {
        assert_eq!(self.outbox.len(), self.model.queue.len());
        assert_eq!(self.outbox.is_empty(), self.model.queue.is_empty());
        assert_eq!(self.outbox.capacity(), self.model.capacity);
        assert_eq!(self.outbox.next_expiry(), self.model.next_expiry());
        let counted = self.outbox.fates();
        assert_eq!(counted.accepted, self.accepted);
        assert_eq!(counted.accepted + counted.rejected, self.pushed);
        assert_fates(counted, self.tally);
    }

    /// Empties the outbox; each accepted item must then have had its fate.
    fn finish(mut self) -> [u64; 4] {
        while !self.outbox.is_empty() {
            self.take_back();
        }
        self.check();
        assert_eq!(self.fates.len() as u64, self.accepted, "an item was lost");
        self.tally
    }
}

/// Says which walk failed at which step.
struct Where {
    seed: u64,
    step: u64,
}

impl Drop for Where {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failed: REDIAL_SEED={}, step {}", self.seed, self.step);
        }
    }
}

#[test]
fn p15_every_accepted_item_has_one_fate_and_the_outbox_does_what_its_model_does() {
    let mut sum = [0; 4];
    let mut place = Where { seed: 0, step: 0 };
    for seed in seeds(300) {
        let mut walk = Walk::new(seed);
        (place.seed, place.step) = (seed, 0);
        while place.step < 400 {
            walk.step();
            place.step += 1;
        }
        for (sum, walked) in sum.iter_mut().zip(walk.finish()) {
            *sum += walked;
        }
    }
    println!("sent, expired, dropped, returned: {sum:?}");
    assert!(sum.iter().all(|count| *count > 0), "the walks saw every fate: {sum:?}");
}
