//! Rotation: what the rules of make before break say, one story each.

mod beside;

use core::time::Duration;

use redial::{
    Action, Closure, ConnId, Continuity, Established, Event, Heartbeat, How, Instant, Limit, Link,
    Millis, OnResume, Phase, Policy, Request, Rotation, Seed, Session, Slot, SubKey, Verdict, Why,
};
use redial_sim::Dice;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const AFTER: Duration = secs(3_600);
const JITTER: Duration = secs(600);
const OVERLAP: Duration = secs(30);

fn policy() -> Policy {
    Policy::builder()
        .heartbeat(None)
        .rotate(Some(Rotation::new(AFTER, JITTER, OVERLAP)))
        .build()
        .expect("a right policy")
}

/// A link driven by hand, and what the peer holds on each connection if the test has it answer.
struct Hand {
    link: Link<[Slot; 8]>,
    now: Instant,
}

impl Hand {
    fn new(policy: Policy) -> Self {
        Self::seeded(policy, 3)
    }

    fn seeded(policy: Policy, seed: u64) -> Self {
        let link = Link::with_storage(policy, Seed::from_u64(seed), [Slot::EMPTY; 8]);
        Self { link, now: Instant::ZERO }
    }

    /// Live on connection 1, with these keys held.
    fn live(policy: Policy, keys: u32) -> Self {
        let mut hand = Self::new(policy);
        for key in (0..keys).map(SubKey::new) {
            hand.tell(Event::Subscribe { key });
        }
        hand.tell(Event::Start);
        let spoken = hand.tell(Event::Opened { conn: conn(1) });
        hand.ack_all(conn(1), &spoken);
        assert_eq!(hand.link.phase(), Phase::Live);
        hand
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        self.link.handle(self.now, event).expect("no misuse");
        self.drain()
    }

    fn drain(&mut self) -> Vec<Action> {
        let actions = core::iter::from_fn(|| self.link.poll_action(self.now));
        let actions: Vec<_> = actions.take(1_000).collect();
        assert!(actions.len() < 1_000, "a drain without end");
        let deadline = self.link.deadline();
        assert!(deadline.is_none_or(|at| at > self.now), "P2: due at {deadline:?} already");
        actions
    }

    /// The deadline comes, and the timer fires.
    fn wait(&mut self) -> Vec<Action> {
        self.now = self.link.deadline().expect("something is due");
        self.tell(Event::TimerFired)
    }

    /// Waits until an `Open` is handed out.
    fn wait_for_open(&mut self) -> ConnId {
        for _ in 0..16 {
            if let Some(conn) = opened(&self.wait()) {
                return conn;
            }
        }
        panic!("no Open is handed out");
    }

    fn ack_all(&mut self, conn: ConnId, actions: &[Action]) -> Vec<Action> {
        let mut rest = Vec::new();
        for request in requests(conn, actions) {
            rest.extend(self.tell(Event::Acked { conn, request }));
        }
        rest
    }

    fn closed(&mut self, conn: ConnId, closure: Closure) -> Vec<Action> {
        self.tell(Event::Closed { conn, closure })
    }
}

const fn conn(number: u64) -> ConnId {
    ConnId::new(number)
}

fn opened(actions: &[Action]) -> Option<ConnId> {
    actions.iter().find_map(|action| match action {
        Action::Open { conn, .. } => Some(*conn),
        _ => None,
    })
}

fn requests(on: ConnId, actions: &[Action]) -> Vec<Request> {
    let request = |action: &Action| match action {
        Action::Subscribe { conn, request } | Action::Unsubscribe { conn, request } => {
            (*conn == on).then_some(*request)
        }
        _ => None,
    };
    actions.iter().filter_map(request).collect()
}

fn closes(actions: &[Action]) -> Vec<(ConnId, How, Why)> {
    let close = |action: &Action| match action {
        Action::Close { conn, how, why } => Some((*conn, *how, *why)),
        _ => None,
    };
    actions.iter().filter_map(close).collect()
}

#[test]
fn a_successor_takes_over_once_every_key_is_confirmed_on_it() {
    let mut hand = Hand::live(policy(), 3);
    let ready_at = hand.now;
    let successor = hand.wait_for_open();
    let due = hand.now.saturating_since(ready_at);
    assert!(AFTER - JITTER <= due && due <= AFTER, "rotated after {due:?}");
    assert_eq!(hand.link.phase(), Phase::Live, "the current one stays in use");
    assert!(hand.link.status().rotating);

    let spoken = hand.tell(Event::Opened { conn: successor });
    let asked = requests(successor, &spoken);
    assert_eq!(asked.len(), 3, "the successor alone is spoken to");
    assert!(requests(conn(1), &spoken).is_empty());
    for request in asked.iter().take(2) {
        let actions = hand.tell(Event::Acked { conn: successor, request: *request });
        assert!(closes(&actions).is_empty(), "a key is still missing");
    }
    let actions = hand.tell(Event::Acked { conn: successor, request: asked[2] });
    assert_eq!(closes(&actions), [(conn(1), How::Graceful, Why::Moved)]);
    let status = hand.link.status();
    assert_eq!((status.phase, status.continuity), (Phase::Live, Some(Continuity::Overlapped)));
    assert_eq!((status.losses, status.rotating), (0, false));
    assert_eq!(hand.link.stats().rotations, 1);
}

#[test]
fn an_old_connection_that_does_not_close_is_aborted_and_the_next_rotation_comes() {
    let mut hand = Hand::live(policy(), 0);
    let successor = hand.wait_for_open();
    let actions = hand.tell(Event::Opened { conn: successor });
    assert_eq!(closes(&actions), [(conn(1), How::Graceful, Why::Moved)]);
    let actions = hand.wait();
    assert_eq!(closes(&actions), [(conn(1), How::Abort, Why::Moved)]);
    assert_eq!(hand.wait_for_open(), conn(3));
}

#[test]
fn a_fleet_that_is_ready_at_once_does_not_rotate_at_once() {
    let rotates_after = |seed| {
        let link = Link::with_storage(policy(), Seed::from_u64(seed), [Slot::EMPTY; 8]);
        let mut hand = Hand { link, now: Instant::ZERO };
        hand.tell(Event::Start);
        hand.tell(Event::Opened { conn: conn(1) });
        hand.wait_for_open();
        hand.now.saturating_since(Instant::ZERO)
    };
    let draws: Vec<_> = (0..64).map(rotates_after).collect();
    let quarter = JITTER / 4;
    assert!(draws.iter().all(|draw| (AFTER - JITTER..=AFTER).contains(draw)), "{draws:?}");
    assert!(draws.iter().any(|draw| *draw > AFTER - quarter), "{draws:?}");
    assert!(draws.iter().any(|draw| *draw < AFTER - JITTER + quarter), "{draws:?}");
}

#[test]
fn p4_a_rotation_asked_for_beside_a_connection_that_leaves_begins_once_that_is_gone() {
    let mut hand = Hand::live(policy(), 0);
    let successor = hand.wait_for_open();
    hand.tell(Event::Opened { conn: successor });
    assert_eq!(opened(&hand.tell(Event::Rotate)), None, "two are held");
    // It does not close, and is aborted before the third is opened.
    let actions = hand.wait();
    assert_eq!(closes(&actions), [(conn(1), How::Abort, Why::Moved)]);
    assert_eq!(opened(&actions), Some(conn(3)));
}

#[test]
fn a_successor_that_fails_leaves_the_current_one_untouched() {
    let fatal = Closure::peer().code(4001).verdict(Verdict::Halt);
    for closure in [Closure::peer().code(1011), Closure::peer().http(401), fatal] {
        let mut hand = Hand::live(policy(), 2);
        let before = hand.link.status();
        let successor = hand.wait_for_open();
        hand.tell(Event::Opened { conn: successor });
        let actions = hand.closed(successor, closure);
        assert!(requests(conn(1), &actions).is_empty(), "it holds both keys already");
        assert_eq!(hand.link.status(), before);
        assert_eq!(hand.link.counts().pending, 0);
        let again = hand.link.deadline();
        assert_eq!(again.is_none(), closure == fatal, "Halt ends rotating until the next one");
    }
}

#[test]
fn the_difference_is_spoken_on_the_current_one_after_a_failed_rotation() {
    let mut hand = Hand::live(policy(), 3);
    let successor = hand.wait_for_open();
    let spoken = hand.tell(Event::Opened { conn: successor });
    hand.ack_all(successor, &spoken[..1]);
    // One key more, one less, while the successor is spoken to.
    hand.tell(Event::Subscribe { key: SubKey::new(5) });
    hand.tell(Event::Unsubscribe { key: SubKey::new(0) });
    assert!(!hand.link.is_free(SubKey::new(0)), "the current one still delivers it");
    let actions = hand.closed(successor, Closure::peer().code(1006));
    let said = requests(conn(1), &actions);
    assert_eq!(said.iter().map(|it| it.key.get()).collect::<Vec<_>>(), [0, 5]);
    assert_eq!(said.iter().map(|it| it.number).collect::<Vec<_>>(), [4, 5], "numbers go on");
    hand.ack_all(conn(1), &actions);
    assert!(hand.link.is_free(SubKey::new(0)));
    assert_eq!(hand.link.counts().pending, 0);
    assert_eq!(hand.link.phase(), Phase::Live);
}

#[test]
fn nothing_is_in_flight_on_the_current_one_when_the_successor_is_spoken_to() {
    let mut hand = Hand::live(policy(), 1);
    let successor = hand.wait_for_open();
    let asked = hand.tell(Event::Subscribe { key: SubKey::new(4) });
    let spoken = hand.tell(Event::Opened { conn: successor });
    assert!(requests(successor, &spoken).is_empty(), "one answer is awaited on the current one");
    let more = hand.tell(Event::Subscribe { key: SubKey::new(5) });
    assert!(requests(conn(1), &more).is_empty(), "and nothing new is begun there");
    let actions = hand.ack_all(conn(1), &asked);
    assert_eq!(requests(successor, &actions).len(), 3);
}

#[test]
fn a_successor_without_progress_is_given_up_and_a_slow_one_is_not() {
    let slow = policy().to_builder().pace(Some(Limit::new(1, secs(5)))).build().expect("right");
    let mut hand = Hand::new(slow);
    for key in (0..8).map(SubKey::new) {
        hand.tell(Event::Subscribe { key });
    }
    hand.tell(Event::Start);
    let mut spoken = hand.tell(Event::Opened { conn: conn(1) });
    while hand.link.phase() != Phase::Live {
        hand.ack_all(conn(1), &spoken);
        if hand.link.phase() != Phase::Live {
            spoken = hand.wait();
        }
    }
    let successor = hand.wait_for_open();
    let begun_at = hand.now;
    let mut spoken = hand.tell(Event::Opened { conn: successor });
    while hand.link.status().rotating {
        hand.ack_all(successor, &spoken);
        if hand.link.status().rotating {
            spoken = hand.wait();
        }
    }
    assert!(hand.now.saturating_since(begun_at) > OVERLAP, "eight keys at one per 5 s");
    assert_eq!(hand.link.stats().rotations, 1);

    let mut hand = Hand::live(policy(), 1);
    let successor = hand.wait_for_open();
    hand.tell(Event::Opened { conn: successor });
    let opened_at = hand.now;
    let mut closed = Vec::new();
    while closed.is_empty() {
        closed = closes(&hand.wait());
    }
    assert_eq!(closed, [(successor, How::Abort, Why::Moved)]);
    assert_eq!(hand.now.saturating_since(opened_at), OVERLAP);
}

#[test]
fn p4_a_loss_during_a_rotation_waits_for_the_successor_without_a_third_open() {
    let mut hand = Hand::live(policy(), 2);
    let successor = hand.wait_for_open();
    let actions = hand.closed(conn(1), Closure::peer().code(1006));
    assert_eq!(opened(&actions), None);
    assert_eq!(hand.link.phase(), Phase::Opening, "the successor is the link's attempt");
    let spoken = hand.tell(Event::Opened { conn: successor });
    hand.ack_all(successor, &spoken);
    let status = hand.link.status();
    assert_eq!((status.phase, status.continuity), (Phase::Live, Some(Continuity::Lost)));
    assert_eq!(status.losses, 1);
}

#[test]
fn p14_a_ready_successor_of_a_lost_connection_is_told_as_a_loss() {
    let mut hand = Hand::live(policy(), 2);
    let successor = hand.wait_for_open();
    let spoken = hand.tell(Event::Opened { conn: successor });
    let half = requests(successor, &spoken);
    hand.tell(Event::Acked { conn: successor, request: half[0] });
    let actions = hand.closed(conn(1), Closure::peer().code(1006));
    assert_eq!(opened(&actions), None);
    let status = hand.link.status();
    assert_eq!((status.phase, status.continuity), (Phase::Restoring, Some(Continuity::Lost)));
    hand.tell(Event::Acked { conn: successor, request: half[1] });
    assert_eq!(hand.link.phase(), Phase::Live);
    assert_eq!(hand.link.stats().requests, 4, "no key was asked for twice on a connection");
}

#[test]
fn p4_a_failed_successor_after_the_loss_counts_as_a_failure() {
    let mut hand = Hand::live(policy(), 0);
    let successor = hand.wait_for_open();
    hand.closed(conn(1), Closure::peer().code(1006));
    hand.closed(successor, Closure::unknown());
    let status = hand.link.status();
    assert_eq!(status.phase, Phase::Waiting);
    assert_eq!(status.attempt.map(core::num::NonZeroU32::get), Some(2));
}

#[test]
fn p1_a_rotation_leaves_a_token_for_a_loss() {
    let limit = Limit::new(2, secs(1_000));
    let policy = policy().to_builder().attempts(limit).build().expect("right");
    let mut hand = Hand::live(policy, 0);
    // Its first token comes back after 1 000 s; asked at once, the rotation waits for it.
    hand.tell(Event::Rotate);
    let successor = hand.wait_for_open();
    assert!(hand.now >= Instant::from_duration(secs(1_000)), "rotated at {:?}", hand.now);
    hand.closed(successor, Closure::unknown());
    let actions = hand.closed(conn(1), Closure::peer().code(1006));
    assert!(opened(&actions).is_none());
    let status = hand.link.status();
    let within = status.until.expect("a wait for the backoff").saturating_since(hand.now);
    assert!(within <= secs(1), "a token was left: {status:?}");
}

#[test]
fn the_server_asks_and_the_link_moves_at_an_instant_of_its_own() {
    let mut instants = Vec::new();
    for seed in 0..32 {
        let mut hand = Hand::live(policy(), 0);
        hand.link.clone_from(&Link::with_storage(policy(), Seed::from_u64(seed), [Slot::EMPTY; 8]));
        hand.tell(Event::Start);
        hand.tell(Event::Opened { conn: conn(1) });
        hand.tell(Event::GoAway { conn: conn(1), within: Millis::new(60_000) });
        hand.wait_for_open();
        instants.push(hand.now.saturating_since(Instant::ZERO));
    }
    assert!(instants.iter().all(|at| *at <= secs(30)), "within half of it: {instants:?}");
    let early = instants.iter().filter(|at| **at < secs(15)).count();
    assert!((6..=26).contains(&early), "spread over the half minute: {instants:?}");
}

#[test]
fn a_rotation_asked_for_while_restoring_begins_once_that_is_over() {
    let mut hand = Hand::new(policy());
    hand.tell(Event::Subscribe { key: SubKey::new(0) });
    hand.tell(Event::Start);
    let spoken = hand.tell(Event::Opened { conn: conn(1) });
    let actions = hand.tell(Event::Rotate);
    assert_eq!(opened(&actions), None);
    let actions = hand.ack_all(conn(1), &spoken);
    assert!(opened(&actions).is_some(), "{actions:?}");
}

#[test]
fn nothing_is_dialled_for_a_rotation_while_paused() {
    let mut hand = Hand::live(policy(), 0);
    hand.tell(Event::Pause);
    assert_eq!(opened(&hand.tell(Event::Rotate)), None);
    assert_eq!(hand.link.deadline(), None, "it waits for the end of the pause");
    let resumed_at = hand.now;
    assert_eq!(opened(&hand.tell(Event::Resume)), None, "a fleet would dial in one tick");
    assert!(opened(&hand.wait()).is_some());
    assert!(hand.now <= resumed_at.saturating_add(secs(1)), "after a quick draw");
}

#[test]
fn stop_closes_what_is_held_and_drops_the_successor() {
    let mut hand = Hand::live(policy(), 1);
    let successor = hand.wait_for_open();
    hand.tell(Event::Opened { conn: successor });
    let closed = closes(&hand.tell(Event::Stop));
    let expected = [(successor, How::Abort, Why::Stop), (conn(1), How::Graceful, Why::Stop)];
    assert_eq!(closed, expected);
}

/// What a peer holds of one connection.
#[derive(Default)]
struct Peer {
    held: Vec<u32>,
    in_flight: Vec<Request>,
    asked: Vec<(u32, bool)>,
}

/// Random wishes, answers, losses and rotations; after each the promises about keys.
#[test]
fn p5_holds_over_both_connections_of_a_rotation() {
    for seed in crate::world::seeds(200) {
        walk(seed);
    }
}

fn walk(seed: u64) {
    let policy = policy().to_builder().window(3).attempts(Limit::new(50, secs(1))).build();
    let mut hand = Hand::new(policy.expect("right"));
    let mut dice = Dice::new(seed);
    let mut wanted = [false; 8];
    let mut peers: Vec<(ConnId, Peer)> = Vec::new();
    let mut actions = hand.tell(Event::Start);
    for step in 0..400 {
        take_in(&mut peers, &actions, seed, step);
        actions = act(&mut hand, &mut dice, &mut wanted, &mut peers);
    }
    // The world is kind from now on: it ends live, with exactly the wanted set.
    for _ in 0..500 {
        take_in(&mut peers, &actions, seed, 400);
        actions = calm(&mut hand, &mut peers);
        let status = hand.link.status();
        let answered = actions.is_empty() && hand.link.counts().pending == 0;
        if answered && status.phase == Phase::Live && !status.rotating {
            break;
        }
    }
    let current = peers.iter().map(|(id, _)| *id).max().expect("one is held");
    let (_, peer) = peers.iter().find(|(id, _)| *id == current).expect("it is there");
    let mut held = peer.held.clone();
    held.sort_unstable();
    let expected: Vec<u32> = (0..8).filter(|key| wanted[*key as usize]).collect();
    assert_eq!(held, expected, "seed {seed}: {:?} {:?}", hand.link.status(), hand.link.counts());
}

fn take_in(peers: &mut Vec<(ConnId, Peer)>, actions: &[Action], seed: u64, step: u32) {
    for action in actions {
        match *action {
            Action::Open { conn, .. } => {
                peers.push((conn, Peer::default()));
                assert!(peers.len() <= 2, "P4, seed {seed}, step {step}: three held");
            }
            Action::Close { conn, how: How::Abort, .. } => peers.retain(|(id, _)| *id != conn),
            Action::Subscribe { conn, request } | Action::Unsubscribe { conn, request } => {
                let subscribes = matches!(action, Action::Subscribe { .. });
                let twice = peers
                    .iter()
                    .any(|(_, peer)| peer.in_flight.iter().any(|it| it.key == request.key));
                assert!(!twice, "P5, seed {seed}, step {step}: {action:?} is in flight twice");
                let (_, peer) =
                    peers.iter_mut().find(|(id, _)| *id == conn).expect("on what is held");
                let confirmed = peer.held.contains(&request.key.get());
                assert!(
                    confirmed != subscribes,
                    "P5, seed {seed}, step {step}: {action:?}, confirmed: {confirmed}"
                );
                peer.in_flight.push(request);
                peer.asked.push((request.key.get(), subscribes));
            }
            _ => {}
        }
    }
}

fn answer(hand: &mut Hand, conn: ConnId, peer: &mut Peer) -> Vec<Action> {
    let request = peer.in_flight.remove(0);
    let position = peer.asked.iter().position(|(key, _)| *key == request.key.get());
    let (key, subscribes) = peer.asked.remove(position.expect("it was asked"));
    peer.held.retain(|it| *it != key);
    if subscribes {
        peer.held.push(key);
    }
    hand.tell(Event::Acked { conn, request })
}

fn act(
    hand: &mut Hand,
    dice: &mut Dice,
    wanted: &mut [bool; 8],
    peers: &mut Vec<(ConnId, Peer)>,
) -> Vec<Action> {
    hand.now = hand.now.saturating_add(Duration::from_millis(1));
    let key = u32::try_from(dice.below(8)).expect("small");
    match dice.below(16) {
        0..=3 => {
            let wants = &mut wanted[key as usize];
            *wants = !*wants;
            let key = SubKey::new(key);
            hand.tell(if *wants { Event::Subscribe { key } } else { Event::Unsubscribe { key } })
        }
        4..=9 => {
            let Some((conn, peer)) = peers.iter_mut().find(|(_, peer)| !peer.in_flight.is_empty())
            else {
                return hand.drain();
            };
            let conn = *conn;
            answer(hand, conn, peer)
        }
        10 => hand.tell(Event::Rotate),
        11..=13 => match peers.last() {
            Some((conn, _)) => {
                let conn = *conn;
                hand.tell(Event::Opened { conn })
            }
            None => hand.wait(),
        },
        14 if !peers.is_empty() => {
            let index = usize::try_from(dice.below(peers.len() as u64)).expect("small");
            let (conn, _) = peers.remove(index);
            hand.closed(conn, Closure::peer().code(1006))
        }
        _ if hand.link.deadline().is_some() && peers.is_empty() => hand.wait(),
        _ => hand.drain(),
    }
}

fn calm(hand: &mut Hand, peers: &mut [(ConnId, Peer)]) -> Vec<Action> {
    hand.now = hand.now.saturating_add(Duration::from_millis(1));
    if let Some((conn, peer)) = peers.iter_mut().find(|(_, peer)| !peer.in_flight.is_empty()) {
        let conn = *conn;
        return answer(hand, conn, peer);
    }
    let mut actions = Vec::new();
    for (conn, _) in peers.iter() {
        actions.extend(hand.tell(Event::Opened { conn: *conn }));
    }
    if peers.is_empty() {
        actions.extend(hand.wait());
    }
    actions
}

/// A link whose sessions are kept, live on connection 1, whose successor 2 has just become ready and
/// was asked for the one key.
fn speaking_to_a_successor() -> (Hand, Vec<Action>) {
    let heartbeat = Heartbeat::new(secs(20), secs(10));
    let policy = policy().to_builder().ready_within(Some(secs(5))).on_resume(OnResume::Kept);
    let mut hand = Hand::new(policy.heartbeat(Some(heartbeat)).build().expect("a right policy"));
    hand.tell(Event::Subscribe { key: SubKey::new(0) });
    hand.tell(Event::Start);
    let spoken = hand.tell(ready(conn(1), Established::Fresh));
    hand.ack_all(conn(1), &spoken);
    assert_eq!(opened(&hand.tell(Event::Rotate)), Some(conn(2)));
    let spoken = hand.tell(ready(conn(2), Established::Fresh));
    assert_eq!(requests(conn(2), &spoken).len(), 1);
    (hand, spoken)
}

const fn ready(conn: ConnId, session: Established) -> Event {
    Event::Ready { conn, session, resumable: true }
}

#[test]
fn p5_what_a_lost_successor_was_asked_for_is_said_again_where_its_session_goes_on() {
    for acked in [false, true] {
        let (mut hand, spoken) = speaking_to_a_successor();
        if acked {
            hand.tell(Event::Subscribe { key: SubKey::new(1) });
            hand.ack_all(conn(2), &spoken);
        }
        // Both connections are found dead at once, and the successor was the current one in between.
        hand.wait();
        hand.now = hand.now.saturating_add(secs(10));
        let mut actions = hand.tell(Event::TimerFired);
        let next = loop {
            if let Some(next) = opened(&actions) {
                break next;
            }
            actions = hand.wait();
        };
        let spoken = hand.tell(ready(next, Established::Resumed));
        let keys: Vec<_> = requests(next, &spoken).iter().map(|it| it.key.get()).collect();
        assert_eq!(keys, if acked { [1] } else { [0] });
    }
}

#[test]
fn p5_a_key_that_only_the_successor_holds_is_not_free() {
    let (mut hand, spoken) = speaking_to_a_successor();
    let key = SubKey::new(1);
    let asked = hand.tell(Event::Subscribe { key });
    assert_eq!(requests(conn(2), &asked).len(), 1);
    hand.ack_all(conn(2), &asked);
    hand.link.handle(hand.now, Event::Unsubscribe { key }).expect("no misuse");
    assert!(!hand.link.is_free(key), "it holds it, and is yet to be asked not to");
    let parted = hand.drain();
    hand.ack_all(conn(2), &parted);
    assert!(hand.link.is_free(key), "neither of them holds it");
    hand.ack_all(conn(2), &spoken);
    assert_eq!(hand.link.current(), Some(conn(2)));
}

#[test]
fn without_rotation_a_move_is_break_before_make() {
    let policy = Policy::builder().heartbeat(None).build().expect("right");
    let mut hand = Hand::live(policy, 1);
    hand.now = hand.now.saturating_add(secs(60));
    hand.tell(Event::Received { conn: conn(1) });
    let actions = hand.tell(Event::Rotate);
    assert_eq!(closes(&actions), [(conn(1), How::Graceful, Why::Moved)]);
    let actions = hand.closed(conn(1), Closure::peer().code(1000));
    let open = |action: &Action| matches!(action, Action::Open { session: Session::Fresh, .. });
    assert!(actions.iter().any(open), "it had settled: no further wait");
}
