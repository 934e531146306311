//! Rotation: what becomes of a successor that fails, or comes too late.

use redial::{
    Action, Closure, Established, Event, Heartbeat, How, IoKind, JitterKind, OnResume, Phase,
    Policy, Refresh, Refusal, Request, Rotation, SubKey, Ticket, Why,
};

use super::{AFTER, Hand, JITTER, closes, conn, opened, policy, ready, requests, secs};

/// A successor becomes the current connection because that is found dead, and is found dead itself in
/// the same instant, before a word was said on it.
#[test]
fn p5_all_is_said_again_where_the_session_of_a_successor_that_nobody_spoke_to_goes_on() {
    let policy = policy()
        .to_builder()
        .rotate(Some(Rotation::new(AFTER, JITTER, secs(90))))
        .ready_within(Some(secs(5)))
        .on_resume(OnResume::Kept)
        .ack_within(secs(60))
        .heartbeat(Some(Heartbeat::new(secs(20), secs(10))));
    let mut hand = Hand::new(policy.build().expect("a right policy"));
    hand.tell(Event::Subscribe { key: SubKey::new(0) });
    hand.tell(Event::Start);
    let spoken = hand.tell(ready(conn(1), Established::Fresh));
    hand.ack_all(conn(1), &spoken);
    hand.tell(Event::Subscribe { key: SubKey::new(1) });
    assert_eq!(opened(&hand.tell(Event::Rotate)), Some(conn(2)));
    let spoken = hand.tell(ready(conn(2), Established::Fresh));
    assert!(requests(conn(2), &spoken).is_empty(), "a request is in flight on the current one");

    hand.wait();
    hand.now = hand.now.saturating_add(secs(10));
    let mut actions = hand.tell(Event::TimerFired);
    assert_eq!(hand.link.phase(), Phase::Waiting, "both are dead");
    actions.extend(hand.tell(Event::Subscribe { key: SubKey::new(2) }));
    let next = loop {
        if let Some(next) = opened(&actions) {
            break next;
        }
        actions = hand.wait();
    };
    let spoken = hand.tell(ready(next, Established::Resumed));
    let asked = requests(next, &spoken);
    let keys: Vec<_> = asked.iter().map(|it| it.key.get()).collect();
    assert_eq!(keys, [0, 1, 2], "the session is the successor's, and it holds nothing");
    for (request, phase) in asked.into_iter().zip([Phase::Restoring, Phase::Restoring, Phase::Live])
    {
        hand.tell(Event::Acked { conn: next, request });
        assert_eq!(hand.link.phase(), phase);
    }
}

/// Decorrelated jitter follows the draw before, and beside the current connection there is none: it
/// is drawn below the ladder's bound, as full jitter is.
#[test]
fn a_failed_rotation_is_tried_again_on_a_ladder_of_its_own_whatever_the_jitter() {
    let policy = Policy::builder()
        .heartbeat(None)
        .dangerously_no_attempt_limit()
        .retry(secs(1), secs(30))
        .jitter(JitterKind::Decorrelated)
        .rotate(Some(Rotation::new(AFTER, JITTER, secs(30))));
    let mut hand = Hand::live(policy.build().expect("a right policy"), 1);
    let mut successor = opened(&hand.tell(Event::Rotate)).expect("a successor");
    let mut widest = secs(0);
    for bound in [2, 4, 8, 16, 30, 30, 30, 30, 30, 30, 30, 30].map(secs) {
        hand.closed(successor, Closure::unknown().io(IoKind::Refused));
        let failed_at = hand.now;
        successor = hand.wait_for_open();
        let delay = hand.now.saturating_since(failed_at);
        assert!(secs(1) <= delay && delay <= bound, "{delay:?} is beyond {bound:?}");
        widest = widest.max(delay);
    }
    assert!(widest > secs(15), "no draw reached far: {widest:?}");
    assert_eq!((hand.link.phase(), hand.link.current()), (Phase::Live, Some(conn(1))));
}

/// P6: the debts are one range of ids, and what is held in the middle of it is not closed.
#[test]
fn p6_sockets_that_open_too_late_are_closed_and_the_one_in_use_between_them_is_not() {
    let refused = || Closure::unknown().io(IoKind::Refused);
    let mut hand = Hand::new(policy());
    hand.tell(Event::Start);
    hand.closed(conn(1), refused());
    assert_eq!(hand.wait_for_open(), conn(2));
    hand.tell(Event::Opened { conn: conn(2) });
    assert_eq!(opened(&hand.tell(Event::Rotate)), Some(conn(3)));
    hand.closed(conn(3), refused());

    let stale_before = hand.link.stats().stale_events;
    for late in [3, 1] {
        hand.link.handle(hand.now, Event::Opened { conn: conn(late) }).expect("no misuse");
    }
    let stale = |number| (conn(number), How::Abort, Why::Stale);
    assert_eq!(closes(&hand.drain()), [stale(1), stale(3)]);
    assert_eq!((hand.link.phase(), hand.link.current()), (Phase::Live, Some(conn(2))));
    assert_eq!(hand.link.stats().stale_events - stale_before, 2);
}

/// P4: what is leaving is not held beside the next attempt.
#[test]
fn p4_what_is_leaving_is_dropped_once_the_one_that_took_over_is_lost() {
    let mut hand = Hand::live(policy(), 1);
    assert_eq!(opened(&hand.tell(Event::Rotate)), Some(conn(2)));
    let spoken = hand.tell(Event::Opened { conn: conn(2) });
    let parted = hand.ack_all(conn(2), &spoken);
    assert_eq!(closes(&parted), [(conn(1), How::Graceful, Why::Moved)]);
    let lost = hand.closed(conn(2), Closure::peer().code(1006));
    assert_eq!(closes(&lost), [(conn(1), How::Abort, Why::Moved)]);
}

/// P6: two connections are held, and one of them was asked.
#[test]
fn p6_an_answer_counts_on_the_connection_that_was_asked() {
    let mut hand = Hand::live(policy(), 1);
    hand.tell(Event::Rotate);
    let spoken = hand.tell(Event::Opened { conn: conn(2) });
    let request = requests(conn(2), &spoken)[0];
    hand.tell(Event::Acked { conn: conn(1), request });
    assert_eq!((hand.link.current(), hand.link.stats().stale_events), (Some(conn(1)), 1));
    hand.tell(Event::Acked { conn: conn(2), request });
    assert_eq!((hand.link.current(), hand.link.stats().stale_events), (Some(conn(2)), 1));
}

/// Live with two keys held, and one of them refused for good on a rotation's successor.
fn refused_on_the_successor() -> (Hand, Request) {
    let mut hand = Hand::live(policy(), 2);
    hand.tell(Event::Rotate);
    let spoken = hand.tell(Event::Opened { conn: conn(2) });
    let refused = requests(conn(2), &spoken)[0];
    hand.tell(Event::Refused { conn: conn(2), request: refused, refusal: Refusal::Final });
    (hand, refused)
}

/// P5: the server's word on one connection holds for the other one.
#[test]
fn p5_what_a_lost_successor_was_refused_for_good_is_not_held_any_longer() {
    let (mut hand, refused) = refused_on_the_successor();
    let spoken = hand.closed(conn(2), Closure::peer().code(1006));
    let unsubscribes = |action: &Action| match action {
        Action::Unsubscribe { conn, request } => Some((*conn, *request)),
        _ => None,
    };
    let said: Vec<_> = spoken.iter().filter_map(unsubscribes).collect();
    assert_eq!(said.len(), 1, "{spoken:?}");
    let (on, request) = said[0];
    assert_eq!((on, request.key), (conn(1), refused.key));
    assert_eq!((hand.link.phase(), hand.link.counts().pending), (Phase::Live, 1));
    hand.tell(Event::Acked { conn: conn(1), request });
    assert_eq!((hand.link.phase(), hand.link.counts().pending), (Phase::Live, 0));
    // Wanted anew, it is asked for anew.
    let spoken = hand.tell(Event::Subscribe { key: refused.key });
    let asked = requests(conn(1), &spoken);
    assert_eq!(asked.iter().map(|it| it.key).collect::<Vec<_>>(), [refused.key]);
}

/// The same, and it is wanted anew before that is said.
#[test]
fn p5_a_refusal_that_is_lifted_before_it_reaches_the_current_connection_changes_nothing_there() {
    let (mut hand, refused) = refused_on_the_successor();
    let lost = Event::Closed { conn: conn(2), closure: Closure::peer().code(1006) };
    hand.link.handle(hand.now, lost).expect("no misuse");
    let spoken = hand.tell(Event::Subscribe { key: refused.key });
    assert_eq!(requests(conn(1), &spoken), []);
    assert_eq!((hand.link.phase(), hand.link.counts().refused), (Phase::Live, 0));
}

/// The same, and it is wanted anew while that is in flight.
#[test]
fn p5_a_refusal_that_is_lifted_while_the_key_is_unsubscribed_has_it_asked_for_afterwards() {
    let (mut hand, refused) = refused_on_the_successor();
    let unsubscribes = requests(conn(1), &hand.closed(conn(2), Closure::peer().code(1006)));
    let spoken = hand.tell(Event::Subscribe { key: refused.key });
    assert_eq!(requests(conn(1), &spoken), [], "one request for a key at a time");
    let spoken = hand.tell(Event::Acked { conn: conn(1), request: unsubscribes[0] });
    let asked = requests(conn(1), &spoken);
    assert_eq!(asked.iter().map(|it| it.key).collect::<Vec<_>>(), [refused.key]);
    hand.tell(Event::Acked { conn: conn(1), request: asked[0] });
    assert_eq!((hand.link.counts().pending, hand.link.counts().refused), (0, 0));
}

/// P9: a fleet whose successors were all turned away comes back over a tenth of the floor, as one whose
/// attempts were does.
#[test]
fn p9_rotations_that_a_floor_holds_up_do_not_follow_it_all_at_once() {
    let floor = secs(3_600);
    let follows = (0..20).map(|seed| {
        let mut hand = Hand::seeded(policy(), seed);
        hand.tell(Event::Start);
        hand.tell(Event::Opened { conn: conn(1) });
        hand.tell(Event::Rotate);
        let refused_at = hand.now;
        hand.closed(conn(2), Closure::peer().http(503).retry_after(floor));
        hand.wait_for_open();
        hand.now.saturating_since(refused_at).saturating_sub(floor)
    });
    let follows: Vec<_> = follows.collect();
    assert!(follows.iter().all(|it| *it <= floor / 10), "{follows:?}");
    assert!(follows.iter().any(|it| *it > floor / 20), "{follows:?}");
}

#[test]
fn p13_credentials_that_are_forbidden_end_rotating_and_others_that_fail_put_it_off() {
    let policy = policy().to_builder().refresh(Refresh::EveryAttempt).build().expect("right");
    for fatal in [false, true] {
        let mut hand = Hand::new(policy);
        let answer =
            Event::CredentialsReady { ticket: asked(&hand.tell(Event::Start)), lasts: None };
        assert_eq!(opened(&hand.tell(answer)), Some(conn(1)));
        hand.tell(Event::Opened { conn: conn(1) });
        let ticket = asked(&hand.tell(Event::Rotate));
        hand.tell(Event::CredentialsFailed { ticket, fatal });
        let again = hand.link.deadline();
        assert_eq!(again.is_none(), fatal, "until the next connection");
        assert_eq!((hand.link.phase(), hand.link.current()), (Phase::Live, Some(conn(1))));
    }
}

fn asked(actions: &[Action]) -> Ticket {
    let ticket = |action: &Action| match action {
        Action::RefreshCredentials { ticket } => Some(*ticket),
        _ => None,
    };
    actions.iter().find_map(ticket).expect("it asks for credentials")
}
