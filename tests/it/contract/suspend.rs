//! Long outages: after so much of it attempts come slower, and the link says so.

use core::time::Duration;

use redial::{
    Closure, Event, Limit, NetworkDown, Phase, PolicyBuilder, Refresh, Suspension, WaitsFor,
};

use super::{Hand, NANO, QUICK, exact, refused, secs};

/// After 100 s of outage delays come from [200 s, 300 s].
const fn policy() -> PolicyBuilder {
    suspending_after(secs(100))
}

const fn suspending_after(outage: Duration) -> PolicyBuilder {
    exact().suspend(Some(Suspension::new(outage, secs(200), secs(300))))
}

fn is_slow(delay: Duration) -> bool {
    (secs(200)..=secs(300)).contains(&delay)
}

/// A link that has failed until it was suspended.
fn suspended(policy: PolicyBuilder) -> Hand {
    let mut hand = Hand::started(policy);
    for _ in 0..32 {
        hand.dials();
        hand.closed(refused());
        if hand.status().suspended {
            return hand;
        }
    }
    panic!("it is never suspended");
}

#[test]
fn after_so_much_outage_attempts_come_slower_and_the_link_says_so() {
    // The ladder fails at 0 s, 1 s, 3 s, 7 s, 15 s, 31 s, 61 s, 91 s and 121 s.
    let mut hand = Hand::started(policy());
    for wait in [1, 2, 4, 8, 16, 30, 30, 30] {
        hand.dials();
        hand.closed(refused());
        assert!(!hand.status().suspended, "at {}", hand.now());
        let dial = hand.clone().dials();
        assert_eq!(dial.delay, secs(wait));
    }
    hand.dials();
    for _ in 0..16 {
        hand.closed(refused());
        assert_eq!((hand.phase(), hand.status().suspended), (Phase::Waiting, true));
        assert!(is_slow(hand.dials().delay), "at {}", hand.now());
        assert_eq!((hand.phase(), hand.status().suspended), (Phase::Opening, true));
    }
}

#[test]
fn the_outage_is_counted_to_the_instant() {
    for (after, is_over) in [(secs(31), true), (secs(31) + NANO, false)] {
        let mut hand = Hand::started(suspending_after(after));
        for _ in 0..6 {
            hand.dials();
            hand.closed(refused());
        }
        assert_eq!(hand.status().suspended, is_over, "at {}", hand.now());
    }
}

#[test]
fn a_suspended_fleet_does_not_dial_in_phase() {
    let delay = |seed| {
        let mut hand = Hand::with_seed(policy(), seed);
        hand.tell(Event::Start);
        for _ in 0..100 {
            hand.dials();
            hand.closed(refused());
            if hand.status().suspended {
                break;
            }
        }
        hand.dials().delay
    };
    let delays: Vec<Duration> = (0..64).map(delay).collect();
    assert!(delays.iter().all(|delay| is_slow(*delay)), "{delays:?}");
    assert!(delays.iter().filter(|delay| **delay < secs(225)).count() > 5, "{delays:?}");
    assert!(delays.iter().filter(|delay| **delay > secs(275)).count() > 5, "{delays:?}");
}

#[test]
fn time_that_was_paused_offline_or_ready_is_no_outage() {
    let paused = |hand: &mut Hand| {
        hand.tell(Event::Pause).after(secs(3_600)).tell(Event::Resume);
    };
    let offline = |hand: &mut Hand| {
        hand.tell(Event::NetworkDown).after(secs(3_600)).tell(Event::NetworkUp);
    };
    let ready = |hand: &mut Hand| {
        // It was ready for long and has proven nothing.
        hand.connects();
        hand.after(secs(3_600)).closed(refused());
    };
    for passes in [paused as fn(&mut Hand), offline, ready] {
        let mut hand = Hand::started(policy().heartbeat(None).network_down(NetworkDown::Probe));
        hand.dials();
        hand.closed(refused());
        passes(&mut hand);
        hand.dials();
        hand.closed(refused());
        assert!(!hand.status().suspended);
        hand.after(secs(100));
        hand.closed(refused());
        assert!(hand.status().suspended, "wanted time is");
    }
}

#[test]
fn a_settled_connection_ends_it_and_one_that_is_only_ready_does_not() {
    let mut hand = suspended(policy());
    hand.connects();
    assert!(!hand.status().suspended, "connected");
    hand.alive_for(secs(30) - NANO).closed(refused());
    assert!(hand.status().suspended);
    assert!(is_slow(hand.connects().delay));
    hand.alive_for(secs(30)).closed(refused());
    assert_eq!((hand.attempt(), hand.status().suspended), (1, false));
    assert!(hand.dials().delay <= QUICK);
    hand.closed(refused());
    assert_eq!(hand.dials().delay, secs(1), "the ladder begins anew");
}

#[test]
fn a_start_ends_it() {
    let mut hand = suspended(policy());
    hand.tell(Event::Stop).tell(Event::Start);
    assert!(!hand.status().suspended);
    hand.dials();
    hand.closed(refused());
    assert_eq!(hand.dials().delay, secs(1));
}

#[test]
fn hints_and_wishes_shorten_a_slow_wait_as_they_do_any_other() {
    for event in [Event::RetryNow, Event::Resume, Event::NetworkUp] {
        let mut hand = suspended(policy());
        hand.after(secs(50)).tell(event);
        assert!(hand.dials().delay <= QUICK, "{event:?}");
        assert!(hand.status().suspended);
        hand.closed(refused());
        assert!(is_slow(hand.dials().delay));
    }
}

#[test]
fn floors_and_limits_lengthen_it() {
    let mut hand = suspended(policy());
    hand.dials();
    hand.closed(Closure::peer().http(503).retry_after(secs(600)));
    assert_eq!(hand.status().waits_for, Some(WaitsFor::Floor));
    assert!((secs(600)..=secs(660)).contains(&hand.dials().delay));
    let mut hand = suspended(policy().attempts(Limit::new(9, secs(3_600))));
    hand.dials();
    hand.closed(refused());
    assert_eq!(hand.status().waits_for, Some(WaitsFor::Limit));
}

#[test]
fn a_round_over_the_endpoints_stays_quick_and_says_that_the_link_is_suspended() {
    let mut hand = suspended(policy().endpoints(2));
    while hand.phase() == Phase::Waiting {
        let dial = hand.dials();
        hand.closed(refused());
        assert!(hand.status().suspended);
        if dial.endpoint == 0 {
            break;
        }
    }
    let dial = hand.dials();
    assert_eq!((dial.endpoint, dial.delay <= QUICK), (1, true), "{dial:?}");
    hand.opened().alive_for(secs(60)).closed(Closure::peer().code(1013));
    assert!(!hand.status().suspended, "a settled connection ended it");
}

#[test]
fn a_refresh_that_fails_for_so_long_is_an_outage_too() {
    let mut hand = Hand::started(policy().refresh(Refresh::EveryAttempt));
    for _ in 0..9 {
        let ticket = hand.asks();
        hand.tell(Event::CredentialsFailed { ticket, fatal: false });
    }
    assert!(hand.status().suspended, "at {}", hand.now());
    let failed_at = hand.now();
    hand.asks();
    assert!(is_slow(hand.now().saturating_since(failed_at)));
    assert_eq!((hand.phase(), hand.status().suspended), (Phase::Refreshing, true));
}
