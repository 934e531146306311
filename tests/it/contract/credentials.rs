//! Credentials: when they are asked for, what an answer does, what a rejection does (P13).

use core::time::Duration;

use redial::{
    Action, Cause, Closure, ConnId, Established, Event, Halted, Limit, Misuse, NetworkDown, Phase,
    PolicyBuilder, Refresh, Session, Ticket, WaitsFor,
};
use redial_sim::View;

use super::{Hand, NANO, QUICK, exact, is_open, is_refresh, millis, refused, rejected, secs};

const fn policy(when: Refresh) -> PolicyBuilder {
    exact().refresh(when)
}

fn fetched(ticket: Ticket) -> Event {
    Event::CredentialsReady { ticket, lasts: None }
}

fn lasting(ticket: Ticket, lasts: Duration) -> Event {
    Event::CredentialsReady { ticket, lasts: Some(lasts.into()) }
}

fn failed(ticket: Ticket) -> Event {
    Event::CredentialsFailed { ticket, fatal: false }
}

fn forbidden(ticket: Ticket) -> Event {
    Event::CredentialsFailed { ticket, fatal: true }
}

/// A live link whose credentials were fetched at its start and last so long.
fn live_for(policy: PolicyBuilder, lasts: Duration) -> Hand {
    let mut hand = Hand::started(policy.refresh(Refresh::EveryAttempt));
    let ticket = hand.asks();
    hand.tell(lasting(ticket, lasts));
    hand.connects();
    hand
}

#[test]
fn never_asks_for_nothing_and_rejections_only_count() {
    let mut hand = Hand::started(policy(Refresh::Never));
    for _ in 0..3 {
        assert_ne!(hand.phase(), Phase::Halted);
        hand.dials();
        hand.closed(rejected());
    }
    assert_eq!(hand.status().halted, Some(Halted::Unauthorized));
}

#[test]
fn on_rejection_asks_before_the_attempt_that_follows_one_and_before_no_other() {
    let mut hand = Hand::started(policy(Refresh::OnRejection));
    hand.dials();
    hand.closed(refused());
    hand.dials();
    hand.closed(rejected());
    let ticket = hand.asks();
    hand.tell(fetched(ticket));
    hand.dials();
    hand.closed(refused());
    hand.dials();
}

#[test]
fn every_attempt_asks_before_each() {
    let mut hand = Hand::started(policy(Refresh::EveryAttempt));
    for number in 1..5 {
        let ticket = hand.asks();
        assert_eq!(ticket, Ticket::new(number));
        hand.tell(fetched(ticket));
        hand.dials();
        hand.closed(refused());
    }
}

#[test]
fn the_refresh_is_asked_for_when_the_wait_ends_and_the_open_follows_the_answer() {
    let mut hand = Hand::started(policy(Refresh::OnRejection).rejections(9));
    hand.dials();
    hand.closed(rejected());
    let ticket = hand.asks();
    hand.tell(fetched(ticket));
    hand.dials();
    let failed_at = hand.now();
    hand.closed(rejected());
    let ticket = hand.asks();
    assert_eq!(hand.now(), failed_at.saturating_add(secs(2)), "the ladder's second step");
    assert_eq!((hand.phase(), hand.attempt()), (Phase::Refreshing, 3));
    hand.after(secs(7));
    assert_eq!(hand.phase(), Phase::Refreshing);
    assert!(!hand.actions().iter().any(is_open), "no attempt before the answer");
    hand.tell(fetched(ticket));
    assert_eq!(hand.dials().delay, Duration::ZERO);
}

#[test]
fn the_wait_for_a_limit_ends_before_credentials_are_asked_for() {
    let limit = Limit::new(1, secs(60));
    let mut hand = Hand::started(policy(Refresh::EveryAttempt).attempts(limit));
    let ticket = hand.asks();
    hand.tell(fetched(ticket));
    hand.dials();
    let opened_at = hand.now();
    hand.closed(refused());
    assert_eq!(hand.status().waits_for, Some(WaitsFor::Limit));
    let ticket = hand.asks();
    assert!(hand.now() >= opened_at.saturating_add(secs(60)), "asked at {}", hand.now());
    hand.tell(fetched(ticket));
    assert_eq!(hand.dials().delay, Duration::ZERO, "so that they are fresh");
}

#[test]
fn gate_and_endpoint_are_tested_again_after_the_answer() {
    let mut hand = Hand::started(policy(Refresh::EveryAttempt).endpoints(2).first_within(secs(1)));
    let ticket = hand.asks();
    hand.tell(fetched(ticket));
    assert_eq!(hand.dials().endpoint, 0);
    hand.closed(refused());
    let ticket = hand.asks();
    // Endpoint 0 has served its quarantine of 5 s when the answer comes, and a flap of the network
    // has begun a wait of its own.
    hand.after(secs(6)).tell(Event::NetworkDown).tell(Event::NetworkUp);
    hand.tell(fetched(ticket));
    assert_eq!((hand.phase(), hand.status().waits_for), (Phase::Waiting, Some(WaitsFor::Backoff)));
    let dial = hand.dials();
    assert_eq!(dial.endpoint, 0);
    assert!(Duration::ZERO < dial.delay && dial.delay <= secs(1), "{:?}", dial.delay);
}

#[test]
fn no_answer_in_time_is_one_failure() {
    let mut hand = Hand::started(policy(Refresh::EveryAttempt).refresh_within(secs(4)));
    let ticket = hand.asks();
    hand.after(secs(4) - NANO);
    assert_eq!(hand.phase(), Phase::Refreshing);
    hand.after(NANO);
    let status = hand.status();
    assert_eq!((status.phase, status.cause), (Phase::Waiting, Some(Cause::Credentials)));
    assert_eq!(hand.attempt(), 2);
    assert_eq!(hand.link.stats().credentials_failures, 1);
    assert_eq!(hand.link.stats().attempts, 0, "no attempt was spent");
    hand.tell(fetched(ticket));
    assert_eq!((hand.attempt(), hand.link.stats().stale_events), (2, 1), "it comes too late");
}

#[test]
fn a_refresh_that_fails_is_one_failure_and_the_ladder_follows() {
    let mut hand = Hand::started(policy(Refresh::EveryAttempt));
    let mut ticket = hand.asks();
    for (attempt, wait) in [(2, secs(1)), (3, secs(2)), (4, secs(4))] {
        let failed_at = hand.now();
        hand.tell(failed(ticket));
        assert_eq!((hand.phase(), hand.attempt()), (Phase::Waiting, attempt));
        ticket = hand.asks();
        assert_eq!(hand.now(), failed_at.saturating_add(wait));
    }
}

#[test]
fn a_forbidden_refresh_halts() {
    let mut hand = Hand::started(policy(Refresh::EveryAttempt));
    let ticket = hand.asks();
    hand.tell(forbidden(ticket));
    assert_eq!(hand.status().halted, Some(Halted::Unauthorized));
    assert_eq!(hand.status().cause, Some(Cause::Credentials));
    assert_eq!(hand.link.deadline(), None);
    hand.tell(Event::Start);
    hand.asks();
}

#[test]
fn p13_at_most_one_refresh_per_attempt_whatever_happens_meanwhile() {
    for meanwhile in [
        &[Event::Pause, Event::Resume][..],
        &[Event::NetworkDown, Event::NetworkUp],
        &[Event::NetworkUp],
        &[Event::RetryNow],
        &[Event::Start],
        &[Event::TimerFired],
    ] {
        let mut hand = Hand::started(policy(Refresh::EveryAttempt));
        let ticket = hand.asks();
        for event in meanwhile {
            hand.tell(*event).after(millis(100));
        }
        hand.after(secs(5)).tell(fetched(ticket));
        hand.dials();
        assert_eq!(hand.link.stats().stale_events, 0, "{meanwhile:?}");
    }
}

#[test]
fn p13_an_answer_to_an_older_ticket_is_stale() {
    let mut hand = Hand::started(policy(Refresh::EveryAttempt));
    let older = hand.asks();
    hand.tell(failed(older));
    let ticket = hand.asks();
    let before = View::of(&hand.link);
    hand.actions();
    for stale in [fetched(older), lasting(older, secs(1)), failed(older), forbidden(older)] {
        hand.tell(stale);
        assert_eq!(View::of(&hand.link), before, "{stale:?}");
        assert_eq!(hand.actions(), [], "{stale:?}");
    }
    assert_eq!(hand.link.stats().stale_events, 4);
    hand.tell(fetched(ticket));
    hand.dials();
    hand.tell(forbidden(ticket));
    assert_eq!(hand.link.stats().stale_events, 5, "one answer per ticket");
    assert_eq!(hand.phase(), Phase::Opening);
}

#[test]
fn an_unknown_ticket_is_misuse() {
    let mut hand = Hand::started(policy(Refresh::EveryAttempt));
    let newest = hand.asks();
    let before = View::of(&hand.link);
    for number in [0, 2, u64::MAX] {
        let ticket = Ticket::new(number);
        for event in [fetched(ticket), forbidden(ticket)] {
            let misuse = Misuse::UnknownTicket { ticket, newest };
            assert_eq!(hand.link.handle(hand.now(), event), Err(misuse));
            assert_eq!(View::of(&hand.link), before);
        }
    }
}
