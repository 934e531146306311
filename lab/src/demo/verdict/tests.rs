//! Each promise, by a log made up for it.

use super::attempts::{Window, fullest_window, one_socket};
use super::*;
use crate::demo::market::Symbol;
use crate::demo::server::{Link, Unavailable, Welcome};

pub(super) const TERMS: Terms = Terms {
    burst: 2,
    interval: Duration::from_secs(1),
    detection: Duration::from_secs(1),
    recovery: Duration::from_secs(9),
    resume_failures: 2,
};

pub(super) fn at(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn fullest(millis: &[u64]) -> Window {
    let instants: Vec<_> = millis.iter().copied().map(at).collect();
    fullest_window(&instants, TERMS, Duration::ZERO).unwrap()
}

#[test]
fn a_window_is_closed_at_both_ends() {
    assert!(!fullest(&[0, 0, 1_000, 2_000]).is_over());
    assert!(fullest(&[0, 0, 999]).is_over());
}

#[test]
fn a_breach_far_from_the_first_attempt_is_found() {
    let window = fullest(&[0, 50_000, 50_100, 50_200, 90_000]);
    assert_eq!((window.count, window.bound, window.last), (3, 2, 3));
}

pub(super) fn visit(accepted: u64, over: Option<u64>) -> Visit {
    Visit {
        accepted: at(accepted),
        port: 0,
        link: Link::Feed,
        welcome: Some(Welcome::Fresh),
        over: over.map(at),
        held: [].into(),
        requests: 0,
        repeated: Vec::new(),
        silent_since: None,
        leaked: false,
    }
}

#[test]
fn two_connections_at_once_are_told_from_a_closing_one() {
    let outcome = |visits: &[Visit]| one_socket(visits).outcome;
    assert_eq!(outcome(&[visit(0, Some(500)), visit(480, None)]), Outcome::Kept);
    assert_eq!(outcome(&[visit(0, Some(900)), visit(480, None)]), Outcome::Broken);
    assert_eq!(outcome(&[visit(0, None), visit(480, None)]), Outcome::Broken);
    assert_eq!(outcome(&[visit(0, None)]), Outcome::Untested);
    let leaked = Visit { leaked: true, silent_since: Some(at(3)), ..visit(0, Some(3)) };
    assert_eq!(outcome(&[leaked, visit(480, None)]), Outcome::Broken);
}

#[test]
fn an_account_may_hold_two_connections_and_no_third() {
    let account = |accepted, over| Visit { link: Link::Account, ..visit(accepted, over) };
    let outcome = |visits: &[Visit]| one_socket(visits).outcome;
    assert_eq!(outcome(&[account(0, Some(900)), account(480, None)]), Outcome::Kept);
    let three = [account(0, Some(900)), account(480, None), account(500, None)];
    assert_eq!(outcome(&three), Outcome::Broken);
}

#[test]
fn a_dial_before_the_floor_is_a_breach() {
    let unavailable = Unavailable { port: 0, at: at(100), retry_after: Duration::from_secs(1) };
    let outcome = |next: Visit| {
        let visits = vec![visit(90, Some(100)), next];
        floor(&Log { visits, unavailable: vec![unavailable], ..Log::default() }).outcome
    };
    assert_eq!(outcome(visit(1_100, None)), Outcome::Kept);
    assert_eq!(outcome(visit(1_099, None)), Outcome::Broken);
    let elsewhere = Visit { port: 1, ..visit(1_099, None) };
    assert_eq!(outcome(elsewhere), Outcome::Untested, "the floor is the other server's");
}

#[test]
fn a_finally_refused_symbol_is_asked_for_once_by_each_link() {
    let symbol = Symbol::all().next().unwrap();
    let mut log = Log {
        visits: vec![visit(0, None), visit(9, None)],
        refused: vec![(0, symbol), (1, symbol)],
        ..Log::default()
    };
    assert_eq!(asked_again(&log).count(), 1);
    log.visits[1].link = Link::Account;
    assert_eq!(asked_again(&log).count(), 0);
}
