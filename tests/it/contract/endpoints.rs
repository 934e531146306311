//! Endpoints: which server is dialled, how long a bad one is left alone, whose floor it is (P9).

use core::time::Duration;

use redial::{
    Action, Closure, Event, How, IoKind, Limit, Millis, Phase, Policy, PolicyBuilder, Refresh,
    Rotation, Verdict, WaitsFor, Why,
};

use super::{Dial, Hand, NANO, QUICK, assert_admitted, exact, is_open, millis, refused, secs};

const fn policy(endpoints: u8) -> PolicyBuilder {
    exact().endpoints(endpoints)
}

/// Which endpoint is dialled next, quickly.
fn quickly(dial: Dial) -> u8 {
    assert!(dial.delay <= QUICK, "{dial:?}");
    dial.endpoint
}

const fn try_again_later() -> Closure {
    Closure::peer().code(1013)
}

const fn unavailable(retry_after: Duration) -> Closure {
    Closure::peer().http(503).retry_after(retry_after)
}

#[test]
fn a_round_over_bad_endpoints_takes_quick_draws_and_leaves_the_level() {
    let mut hand = Hand::started(policy(3));
    for endpoint in 0..3 {
        assert_eq!((quickly(hand.dials()), hand.attempt()), (endpoint, 1));
        hand.closed(refused());
    }
    assert_eq!(hand.attempt(), 2, "one round is one failure to the ladder");
    assert_eq!(hand.link.stats().failures, 3);
}

#[test]
fn when_none_is_open_the_one_due_first_is_dialled_after_the_ladders_wait() {
    let mut hand = Hand::started(policy(2));
    assert_eq!(hand.dials().endpoint, 0);
    hand.closed(refused());
    assert_eq!(hand.dials().endpoint, 1);
    hand.closed(refused());
    // Both are quarantined for 5 s, which counts as served.
    assert_eq!(hand.status().waits_for, Some(WaitsFor::Backoff));
    let dial = hand.dials();
    assert_eq!((dial.endpoint, dial.delay), (0, secs(1)));
    hand.closed(refused());
    let dial = hand.dials();
    assert_eq!((dial.endpoint, dial.delay), (1, secs(2)), "0 is quarantined for 10 s");
}

#[test]
fn a_quarantine_counts_as_served_and_a_floor_does_not() {
    let mut hand = Hand::started(policy(2));
    hand.dials();
    hand.closed(unavailable(secs(60)));
    assert_eq!(quickly(hand.dials()), 1);
    hand.closed(refused());
    let dial = hand.dials();
    assert_eq!((dial.endpoint, dial.delay), (1, secs(1)), "its quarantine is served");
    hand.closed(unavailable(secs(20)));
    assert_eq!(hand.status().waits_for, Some(WaitsFor::Floor));
    let dial = hand.dials();
    assert_eq!(dial.endpoint, 1, "20 s end before 60 s do");
    assert!((secs(20)..=secs(22)).contains(&dial.delay), "{dial:?}");
}

#[test]
fn p9_a_floor_belongs_to_the_endpoint_that_asked_for_it() {
    let mut hand = Hand::started(policy(2));
    hand.dials();
    hand.closed(unavailable(secs(120)));
    let open_at = hand.now().saturating_add(secs(120));
    for _ in 0..3 {
        assert_eq!(quickly(hand.connects()), 1, "nobody else has to wait");
        hand.alive_for(secs(30)).closed(refused());
    }
    // Endpoint 1 is next to have a floor, which then ends last.
    assert_eq!(quickly(hand.dials()), 1);
    hand.closed(unavailable(secs(600)));
    let impatience = [Event::RetryNow, Event::NetworkUp, Event::Resume, Event::Stop, Event::Start];
    while hand.now() < open_at {
        hand.actions();
        for event in impatience {
            hand.tell(event);
        }
        assert!(!hand.actions().iter().any(is_open), "whoever asks, at {}", hand.now());
        hand.after(secs(1));
    }
    hand.tell(Event::RetryNow);
    assert_eq!(hand.dials().endpoint, 0);
}

#[test]
fn try_again_later_leaves_even_a_settled_endpoint() {
    let stated = Closure::peer().code(4000).verdict(Verdict::NextEndpoint);
    for closure in [try_again_later(), stated] {
        let mut hand = Hand::started(policy(2));
        assert_eq!(hand.connects().endpoint, 0);
        hand.alive_for(secs(60)).closed(closure);
        assert_eq!((hand.attempt(), quickly(hand.connects())), (1, 1));
        hand.alive_for(secs(60)).closed(closure);
        assert_eq!((hand.attempt(), quickly(hand.connects())), (1, 0), "and back");
    }
}

#[test]
fn any_other_loss_of_a_settled_connection_stays() {
    let mut hand = Hand::started(policy(2));
    for _ in 0..3 {
        assert_eq!(quickly(hand.connects()), 0);
        hand.alive_for(secs(30)).closed(Closure::peer().code(1001));
    }
    assert_eq!(quickly(hand.connects()), 0);
    hand.alive_for(secs(30) - NANO).closed(Closure::peer().code(1001));
    assert_eq!(quickly(hand.connects()), 1, "this one had not settled");
}

#[test]
fn with_one_endpoint_there_is_only_the_ladder() {
    let mut hand = Hand::started(policy(1));
    hand.connects();
    hand.alive_for(secs(60)).closed(try_again_later());
    assert_eq!((hand.attempt(), quickly(hand.dials())), (1, 0));
    for (attempt, wait) in [(2, 1), (3, 2), (4, 4), (5, 8)] {
        hand.closed(try_again_later());
        let dial = hand.dials();
        assert_eq!((hand.attempt(), dial.endpoint, dial.delay), (attempt, 0, secs(wait)));
    }
}

/// Fails on endpoint 0, and tells for how long endpoint 1 is dialled in its place.
fn quarantine(hand: &mut Hand) -> Duration {
    hand.closed(refused());
    let failed_at = hand.now();
    assert_eq!(hand.connects().endpoint, 1);
    for span in [5, 10, 20, 40, 80, 160, 300].map(secs) {
        let over_at = failed_at.saturating_add(span);
        let left = over_at.saturating_since(hand.now());
        // So long before that the quick draw ends before it, too.
        let mut sooner = hand.clone();
        sooner.alive_for(left - QUICK - NANO).closed(refused());
        assert_eq!(sooner.dials().endpoint, 1, "{span:?} are not over yet");
        hand.alive_for(left).closed(refused());
        if hand.connects().endpoint == 0 {
            return span;
        }
    }
    panic!("endpoint 0 is never dialled again");
}

#[test]
fn quarantine_doubles_up_to_its_longest() {
    // Everything settles at once but what is refused.
    let mut hand = Hand::started(policy(2).settle_after(millis(1)));
    assert_eq!(hand.connects().endpoint, 0);
    for span in [5, 10, 20, 40, 80, 160, 300, 300, 300] {
        assert_eq!(quarantine(&mut hand), secs(span));
    }
}

#[test]
fn a_settled_connection_forgets_the_quarantines_of_its_endpoint() {
    let mut hand = Hand::started(policy(2).settle_after(millis(1)));
    assert_eq!(hand.connects().endpoint, 0);
    for span in [5, 10, 20] {
        assert_eq!(quarantine(&mut hand), secs(span));
    }
    hand.alive_for(millis(1)).closed(refused());
    assert_eq!(hand.connects().endpoint, 0, "it had settled");
    assert_eq!(quarantine(&mut hand), secs(5));
}

#[test]
fn two_bad_endpoints_in_alternation_never_look_good() {
    // Each opens and falls, so that the other one's quarantine is over every now and then.
    let mut hand = Hand::started(Policy::builder().endpoints(2));
    let (mut level, mut dialled) = (0, [0_u32; 2]);
    for _ in 0..60 {
        let dial = hand.connects();
        dialled[usize::from(dial.endpoint)] += 1;
        hand.alive_for(secs(8)).closed(Closure::peer());
        assert!(hand.attempt() > level, "the level never falls");
        level = hand.attempt() - 1;
    }
    assert!(level >= 20, "level {level}");
    assert!(dialled.iter().all(|count| *count > 10), "{dialled:?}");
}

#[test]
fn the_next_loss_returns_to_endpoint_0() {
    let mut hand = Hand::started(policy(3));
    hand.dials();
    hand.closed(refused());
    assert_eq!(hand.connects().endpoint, 1);
    hand.alive_for(secs(3_600));
    assert_eq!((hand.phase(), hand.link.stats().attempts), (Phase::Live, 2), "no sooner");
    hand.closed(Closure::peer());
    assert_eq!(quickly(hand.dials()), 0);
}

#[test]
fn where_connections_rotate_one_moves_back_to_endpoint_0_once_it_was_open_for_long_enough() {
    let rotation = Rotation::new(secs(86_400), secs(60), secs(30));
    let mut hand = Hand::started(policy(2).rotate(Some(rotation)).heartbeat(None));
    hand.dials();
    hand.closed(unavailable(secs(100)));
    let open_at = hand.now().saturating_add(secs(100));
    assert_eq!(hand.connects().endpoint, 1);
    let old = hand.conn;
    assert_eq!(hand.dials().endpoint, 0);
    assert_eq!(hand.now(), open_at.saturating_add(secs(60)), "prefer_first_after");
    assert_eq!((hand.phase(), hand.status().rotating), (Phase::Live, true));
    hand.opened();
    let close = Action::Close { conn: old, how: How::Graceful, why: Why::Moved };
    assert!(hand.actions().contains(&close), "make before break");
}

#[test]
fn what_is_no_fault_of_an_endpoint_leaves_it_open() {
    let network = |hand: &mut Hand| {
        hand.dials();
        hand.tell(Event::NetworkDown).tell(Event::NetworkUp);
    };
    let network_when_open = |hand: &mut Hand| {
        hand.connects();
        hand.tell(Event::NetworkDown).tell(Event::NetworkUp);
    };
    for ends in [network as fn(&mut Hand), network_when_open] {
        let mut hand = Hand::started(policy(2));
        ends(&mut hand);
        assert_eq!(hand.dials().endpoint, 0);
    }
    let mut hand = Hand::started(policy(2).refresh(Refresh::EveryAttempt));
    let ticket = hand.asks();
    hand.tell(Event::CredentialsFailed { ticket, fatal: false });
    let ticket = hand.asks();
    hand.tell(Event::CredentialsReady { ticket, lasts: None });
    assert_eq!(hand.dials().endpoint, 0);
}

#[test]
fn start_keeps_what_is_known_of_the_endpoints() {
    let mut hand = Hand::started(policy(2));
    hand.dials();
    hand.closed(refused());
    hand.tell(Event::Stop).tell(Event::Start);
    assert_eq!((hand.dials().endpoint, hand.attempt()), (1, 1));
}

#[test]
fn p1_failovers_are_charged_like_any_attempt() {
    let (short, long) = (Limit::new(3, secs(10)), Limit::new(12, secs(100)));
    let mut hand = Hand::started(policy(8).attempts(short).attempts_long(Some(long)));
    let mut opened_at = vec![];
    for _ in 0..40 {
        hand.dials();
        opened_at.push(hand.now());
        hand.closed(Closure::unknown().io(IoKind::Dns)).tell(Event::RetryNow);
    }
    for limit in [short, long] {
        assert_admitted(limit, &opened_at);
    }
}

#[test]
fn a_move_that_is_asked_for_while_a_return_is_tried_is_made_once_that_fails() {
    let rotation = Rotation::new(secs(80_000), secs(1), secs(30));
    let policy = exact().heartbeat(None).endpoints(2).rotate(Some(rotation));
    let mut hand = Hand::started(policy.prefer_first_after(secs(60)));
    hand.dials();
    hand.closed(refused()).connects();
    let current = hand.conn;
    assert_eq!(hand.dials().endpoint, 0, "the first one is tried again, beside");
    hand.tell(Event::GoAway { conn: current, within: Millis::new(10_000) });
    let moved = hand.closed(refused()).dials();
    assert!(moved.delay < secs(10), "within what the server gave: {:?}", moved.delay);
}

#[test]
fn an_endpoint_is_forgiven_what_lay_before_a_settled_connection_that_was_stopped() {
    let mut hand = Hand::started(exact().heartbeat(None).endpoints(2).settle_after(secs(30)));
    for _ in 0..10 {
        hand.dials();
        hand.closed(refused());
    }
    hand.dials();
    while hand.closed(refused()).dials().endpoint != 0 {}
    hand.opened().after(secs(3_600)).received();
    hand.tell(Event::Stop).closed(Closure::local());
    assert_eq!(hand.tell(Event::Start).dials().endpoint, 0);
    assert_eq!(hand.closed(refused()).connects().endpoint, 1);
    hand.after(secs(60)).received();
    assert_eq!(hand.closed(refused()).dials().endpoint, 0, "it was shunned for the shortest time");
}
