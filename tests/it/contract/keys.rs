//! Keys and their storage: when a key may mean something else, and what is lent for them.

use core::time::Duration;

use redial::{
    Action, Closure, Established, Event, Link, NetworkDown, OnResume, Phase, PolicyBuilder,
    Refusal, Request, Rotation, Seed, Slot, SubKey, WhenDegraded,
};

use super::{Hand, NANO, exact, millis, refused, secs};

const KEY: SubKey = SubKey::new(1);

/// Keys alone are under test.
const fn policy() -> PolicyBuilder {
    exact().heartbeat(None)
}

impl Hand {
    /// The newest request that was handed out.
    fn request(&mut self) -> Request {
        self.next(|action| match action {
            Action::Subscribe { request, .. } | Action::Unsubscribe { request, .. } => {
                Some(*request)
            }
            _ => None,
        })
    }

    fn acked(&mut self, request: Request) -> &mut Self {
        self.tell(Event::Acked { conn: self.conn, request })
    }

    fn is_free(&self) -> bool {
        self.link.is_free(KEY)
    }
}

#[test]
fn p5_a_key_is_free_once_it_is_neither_wanted_nor_in_flight_nor_held() {
    let mut hand = Hand::started(policy());
    assert!(hand.is_free(), "nobody ever wanted it");
    hand.tell(Event::Subscribe { key: KEY });
    assert!(!hand.is_free(), "it is wanted");
    hand.tell(Event::Unsubscribe { key: KEY });
    assert!(hand.is_free(), "nobody was told of it");

    hand.opened().tell(Event::Subscribe { key: KEY });
    let asked = hand.request();
    hand.tell(Event::Unsubscribe { key: KEY });
    assert!(!hand.is_free(), "a request for it is in flight");
    hand.acked(asked);
    let parted = hand.request();
    assert!(!hand.is_free(), "the peer holds it, and is asked not to");
    hand.acked(parted);
    assert!(hand.is_free(), "the peer let it go");

    hand.subscribe(KEY.get());
    hand.link.handle(hand.now(), Event::Unsubscribe { key: KEY }).expect("no misuse");
    assert!(!hand.is_free(), "the peer holds it, and is yet to be asked not to");
    assert!(!hand.link.is_free(SubKey::new(4)), "outside the storage");
}

#[test]
fn p5_a_key_that_a_lost_connection_held_is_free_unless_it_is_wanted() {
    let mut hand = Hand::started(policy());
    hand.opened().subscribe(1);
    hand.closed(refused());
    assert!(!hand.is_free(), "it will be said again");
    hand.tell(Event::Unsubscribe { key: KEY });
    assert!(hand.is_free(), "the peer that held it is gone");
    hand.actions();
    hand.connects();
    assert_eq!((hand.is_free(), hand.phase()), (true, Phase::Live), "there is nothing to say");
    assert!(!hand.actions().iter().any(|it| matches!(it, Action::Unsubscribe { .. })));
}

#[test]
fn p5_a_key_that_a_lost_connection_held_is_free_unless_its_session_keeps_it() {
    for (on_resume, resumable, is_free) in [
        (OnResume::Kept, true, false),
        (OnResume::Kept, false, true),
        (OnResume::Replay, true, true),
    ] {
        let greets = policy().ready_within(Some(secs(5))).on_resume(on_resume);
        let mut hand = Hand::started(greets);
        hand.ready(Established::Fresh, resumable).subscribe(1).closed(refused());
        hand.tell(Event::Unsubscribe { key: KEY });
        assert_eq!(hand.is_free(), is_free, "{on_resume:?}, resumable: {resumable}");
    }
}

#[test]
fn p5_a_request_that_was_in_flight_on_a_lost_connection_keeps_no_key() {
    let mut hand = Hand::started(policy());
    hand.opened().subscribe(1).tell(Event::Unsubscribe { key: KEY });
    assert!(!hand.is_free(), "it is not said yet whether the peer let it go");
    hand.closed(refused());
    assert!(hand.is_free(), "nobody will say so any more");
}

#[test]
fn storage_that_is_too_small_is_given_back_and_nothing_changes() {
    let slots = |count| vec![Slot::EMPTY; count];
    let mut link = Link::with_storage(policy().build().unwrap(), Seed::from_u64(1), slots(3));
    let now = redial::Instant::ZERO;
    link.handle(now, Event::Subscribe { key: SubKey::new(2) }).unwrap();
    let smaller = link.replace_storage(slots(2)).expect_err("a key would have no place");
    assert_eq!((smaller.len(), link.capacity(), link.counts().wanted), (2, 3, 1));
    let equal = link.replace_storage(slots(3)).expect("it has room for all");
    assert_eq!((equal.len(), link.capacity(), link.counts().wanted), (3, 3, 1));
}

/// The ladder of a key whose requests are refused for now: eight doublings, and no more.
#[test]
fn the_delays_of_a_key_double_eight_times() {
    let policy = policy().subscription_retry(millis(100), millis(25_600)).timeouts(255);
    let mut hand = Hand::started(policy);
    hand.opened().tell(Event::Subscribe { key: KEY });
    let mut delays = vec![];
    for _ in 0..10 {
        let request = hand.request();
        let refused_at = hand.now();
        hand.tell(Event::Refused { conn: hand.conn, request, refusal: Refusal::Retry(None) });
        let again = hand.request();
        delays.push(hand.now().saturating_since(refused_at));
        hand.unread.push(Action::Subscribe { conn: hand.conn, request: again });
    }
    let expected = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 25_600];
    assert_eq!(delays, expected.map(millis));
}

#[test]
fn the_delays_of_a_key_that_nobody_answers_double_eight_times_too() {
    const PATIENCE: Duration = secs(1);
    let policy = policy().subscription_retry(millis(100), millis(25_600)).timeouts(255);
    let mut hand = Hand::started(policy.ack_within(PATIENCE));
    hand.opened().tell(Event::Subscribe { key: KEY });
    let asked_at = [(); 11].map(|()| {
        hand.request();
        hand.now()
    });
    let expected = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 25_600];
    for (pair, delay) in asked_at.windows(2).zip(expected.map(millis)) {
        assert_eq!(pair[1].saturating_since(pair[0]), PATIENCE + delay);
    }
}

#[test]
fn what_is_withdrawn_is_said_before_what_is_said_again() {
    let mut hand = Hand::started(policy().window(1));
    hand.opened().subscribe(1).subscribe(2).actions();
    hand.tell(Event::Subscribe { key: SubKey::new(3) });
    let opens_the_window = hand.request();
    hand.tell(Event::Resync { key: KEY }).tell(Event::Unsubscribe { key: SubKey::new(2) });
    hand.acked(opens_the_window);
    let said = [(); 2].map(|()| {
        let request = hand.request();
        hand.acked(request);
        request.key
    });
    assert_eq!(said, [SubKey::new(2), KEY]);
}

#[test]
fn a_key_that_is_given_up_reconnects_once_where_the_policy_says_so() {
    let policy = policy().timeouts(1).when_degraded(WhenDegraded::Reconnect);
    let mut hand = Hand::started(policy);
    hand.opened().tell(Event::Subscribe { key: KEY });
    let request = hand.request();
    hand.tell(Event::Refused { conn: hand.conn, request, refusal: Refusal::Retry(None) });
    assert_eq!(hand.phase(), Phase::Closing);
    hand.closed(Closure::peer().code(1000));
    assert_eq!(hand.status().cause, Some(redial::Cause::Degraded));
    hand.connects();
    let request = hand.request();
    hand.tell(Event::Refused { conn: hand.conn, request, refusal: Refusal::Retry(None) });
    assert_eq!(hand.phase(), Phase::Degraded, "not again before it was live");
    hand.after(secs(60));
    assert_eq!(hand.link.stats().attempts, 2);
}

/// A working connection is not given away while no other one may be opened.
#[test]
fn a_key_that_is_given_up_while_paused_reconnects_after_the_pause() {
    for (stops, goes_on) in [(Event::Pause, Event::Resume), (Event::NetworkDown, Event::NetworkUp)]
    {
        let policy = policy()
            .timeouts(1)
            .when_degraded(WhenDegraded::Reconnect)
            .network_down(NetworkDown::Probe);
        let mut hand = Hand::started(policy);
        hand.opened().tell(Event::Subscribe { key: KEY });
        let request = hand.request();
        hand.tell(stops);
        hand.tell(Event::Refused { conn: hand.conn, request, refusal: Refusal::Retry(None) });
        assert_eq!(hand.phase(), Phase::Degraded);
        hand.tell(goes_on);
        assert_eq!(hand.phase(), Phase::Closing);
        hand.closed(Closure::peer().code(1000));
        assert_eq!(hand.status().cause, Some(redial::Cause::Degraded));
    }
}

/// A reconnection that a rotation did not make good is spent after a restart, too (P11).
#[cfg(feature = "serde")]
#[test]
fn a_key_that_is_given_up_reconnects_no_second_time_over_a_snapshot() {
    let policy = policy()
        .timeouts(1)
        .when_degraded(WhenDegraded::Reconnect)
        .rotate(Some(Rotation::new(secs(3_600), secs(600), secs(30))));
    let refuses = |hand: &mut Hand| {
        let (conn, request) = (hand.conn, hand.request());
        hand.tell(Event::Refused { conn, request, refusal: Refusal::Retry(None) });
    };
    let mut hand = Hand::started(policy);
    hand.opened().tell(Event::Subscribe { key: KEY });
    refuses(&mut hand);
    hand.closed(Closure::peer().code(1000)).connects();
    refuses(&mut hand);
    hand.tell(Event::Rotate).connects();
    assert_eq!((hand.phase(), hand.status().rotating), (Phase::Degraded, true));

    let text = serde_json::to_string(&hand.link.snapshot()).expect("plain data");
    let mut reader = serde_json::Deserializer::from_str(&text);
    let storage = [const { Slot::EMPTY }; 4];
    let link = Link::restore(*hand.link.policy(), storage, hand.now(), None, &mut reader);
    hand.link = link.expect("whole");
    hand.connects();
    refuses(&mut hand);
    assert_eq!(hand.phase(), Phase::Degraded);
}

#[test]
fn p5_a_delay_that_the_server_asked_for_is_kept_however_short_the_ladder_is() {
    const ASKED: Duration = secs(3_600);
    let policy = policy().subscription_retry(millis(1), millis(2)).server_delay_max(ASKED);
    let mut hand = Hand::started(policy);
    hand.opened().tell(Event::Subscribe { key: KEY });
    let (request, asked_at) = (hand.request(), hand.now());
    let refusal = Refusal::Retry(Some(ASKED.into()));
    hand.tell(Event::Refused { conn: hand.conn, request, refusal });
    // No timer fires for an hour: two million turns of the ladder.
    hand.clock.advance_to(asked_at.saturating_add(ASKED - NANO));
    hand.tell(Event::TimerFired);
    assert!(!hand.actions().iter().any(|it| matches!(it, Action::Subscribe { .. })));
    hand.request();
    let kept = hand.now().saturating_since(asked_at);
    assert!(ASKED <= kept && kept < ASKED + millis(2), "rounded up to a turn: {kept:?}");
}

#[test]
fn p5_a_gap_is_repaired_on_the_connection_that_a_failed_rotation_falls_back_to() {
    let rotation = Rotation::new(secs(80_000), secs(1), secs(30));
    let mut hand = Hand::started(policy().rotate(Some(rotation)));
    hand.opened().subscribe(1);
    let current = hand.conn;
    hand.tell(Event::Rotate).opened();
    assert_ne!(hand.conn, current, "the successor is spoken to");
    hand.actions();
    hand.tell(Event::Resync { key: KEY }).closed(refused());
    let said = |action: &Action| match action {
        Action::Subscribe { conn, .. } => *conn == current,
        _ => false,
    };
    assert!(hand.actions().iter().any(said));
}

#[test]
fn p5_a_gap_that_is_found_while_a_request_is_in_flight_is_repaired_though_that_is_refused() {
    let mut hand = Hand::started(policy());
    hand.opened().tell(Event::Subscribe { key: KEY });
    let request = hand.request();
    hand.tell(Event::Resync { key: KEY });
    hand.tell(Event::Refused { conn: hand.conn, request, refusal: Refusal::Final });
    assert_eq!(hand.link.counts().refused, 0);
    let again = hand.request();
    hand.acked(again);
    assert_eq!(hand.phase(), Phase::Live);
}

#[test]
fn p5_a_gap_that_is_found_while_the_link_is_down_is_repaired_in_a_session_that_kept_the_key() {
    let greets = policy().ready_within(Some(secs(5))).on_resume(OnResume::Kept);
    let mut hand = Hand::started(greets);
    hand.ready(Established::Fresh, true).subscribe(1).closed(refused());
    hand.tell(Event::Resync { key: KEY }).dials();
    hand.ready(Established::Resumed, true);
    assert!(hand.actions().iter().any(|it| matches!(it, Action::Subscribe { .. })));
}
