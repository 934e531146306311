//! What a failure counts as, and how soon the next attempt follows it (P8).

use redial::{
    Action, Cause, Closure, Established, Event, How, Millis, NetworkDown, Phase, Rotation, Verdict,
};

use super::{Hand, QUICK, exact, refused, secs};

#[test]
fn each_failure_in_a_round_over_the_endpoints_counts_towards_giving_up() {
    let mut hand = Hand::started(exact().endpoints(3).give_up_attempts(Some(2)));
    hand.dials();
    hand.closed(refused());
    hand.dials();
    hand.closed(refused());
    assert_eq!(hand.phase(), Phase::Halted, "the round is not over, and two have failed");
}

#[test]
fn p8_only_the_first_retry_soon_of_an_outage_is_answered_soon() {
    let soon = Closure::peer().code(4000).verdict(Verdict::RetrySoon);
    let mut hand = Hand::started(exact());
    hand.dials();
    hand.closed(refused());
    assert_eq!(hand.dials().delay, secs(1));
    hand.closed(soon);
    assert!(hand.dials().delay <= QUICK);
    for expected in [secs(4), secs(8)] {
        hand.closed(soon);
        assert_eq!(hand.dials().delay, expected, "once is enough");
    }
    hand.closed(refused());
    hand.connects();
    hand.ready(Established::Fresh, false).alive_for(secs(60)).closed(refused());
    assert!(hand.dials().delay <= QUICK, "the first after a settled connection");
    hand.closed(soon);
    assert!(hand.dials().delay <= QUICK, "and a new outage has one of its own");
}

#[test]
fn p8_what_was_heard_before_ready_proves_no_uptime() {
    let mut hand = Hand::started(exact().ready_within(Some(secs(5))));
    hand.connects();
    // The driver is late: the deadline of ready is so long past that it would do to settle.
    hand.clock.advance(secs(50));
    hand.received();
    assert_eq!(hand.status().cause, Some(Cause::ReadyTimeout));
    assert_eq!((hand.link.stats().settled, hand.attempt()), (0, 2));
}

#[test]
fn p8_a_network_that_comes_back_does_not_gather_a_fleet_that_starts() {
    let latest = (0..50).map(|seed| {
        let mut hand = Hand::with_seed(exact().start_within(secs(600)), seed);
        hand.tell(Event::NetworkDown).tell(Event::Start);
        hand.tell(Event::NetworkUp).dials().delay
    });
    assert!(latest.max() > Some(secs(300)));
}

/// A rotation where the policy has one, a move that the server asked for where it has none.
#[test]
fn p8_what_fell_due_beside_a_connection_while_offline_waits_a_quick_draw() {
    let rotation = Rotation::new(secs(100), secs(50), secs(30));
    for rotation in [Some(rotation), None] {
        let policy = exact().heartbeat(None).network_down(NetworkDown::Probe).rotate(rotation);
        let at_once = (0..50).filter(|seed| {
            let mut hand = Hand::with_seed(policy.first_within(secs(1)), *seed);
            hand.tell(Event::Start).opened().tell(Event::NetworkDown);
            hand.tell(Event::GoAway { conn: hand.conn, within: Millis::new(1_000) });
            hand.after(secs(200)).actions();
            hand.tell(Event::NetworkUp);
            let moves = |action: &Action| {
                matches!(action, Action::Open { .. } | Action::Close { how: How::Graceful, .. })
            };
            let at_once = hand.actions().iter().any(moves);
            hand.after(secs(1));
            assert!(at_once || hand.actions().iter().any(moves), "{rotation:?}");
            at_once
        });
        assert_eq!(at_once.count(), 0, "{rotation:?}");
    }
}
