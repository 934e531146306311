//! Credentials: when they are asked for, what an answer does, what a rejection does (P13).

use core::time::Duration;

use redial::{
    Action, Cause, Closure, Established, Event, Halted, Limit, Misuse, NetworkDown, Phase,
    PolicyBuilder, Refresh, Rotation, Session, Ticket, WaitsFor,
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

/// An attempt that begins afresh finds an answer on its way, and has not asked itself yet.
#[test]
fn p13_what_is_owed_is_not_asked_for_where_an_answer_has_just_come() {
    for (when, asks) in [(Refresh::OnRejection, false), (Refresh::EveryAttempt, true)] {
        let mut hand = Hand::started(policy(when));
        if when == Refresh::OnRejection {
            hand.dials();
            hand.closed(rejected());
        }
        let ticket = hand.asks();
        let now = hand.now();
        for event in [Event::Stop, Event::Start, fetched(ticket)] {
            hand.link.handle(now, event).expect("no misuse");
        }
        hand.drain();
        let actions = hand.actions();
        assert_eq!(actions.iter().any(is_refresh), asks, "{when:?}: {actions:?}");
        assert_eq!(actions.iter().any(is_open), !asks, "{when:?}: {actions:?}");
    }
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
    // The answer comes while there is no network, and the attempt waits for what a returning network
    // waits for. Meanwhile endpoint 0 has served its quarantine of 5 s.
    hand.tell(Event::NetworkDown).tell(fetched(ticket)).after(secs(6)).tell(Event::NetworkUp);
    assert_eq!((hand.phase(), hand.status().waits_for), (Phase::Waiting, Some(WaitsFor::Backoff)));
    let dial = hand.dials();
    assert_eq!(dial.endpoint, 0);
    assert!(Duration::ZERO < dial.delay && dial.delay <= secs(1), "{:?}", dial.delay);
}

#[test]
fn no_answer_in_time_is_one_failure() {
    let mut hand = Hand::started(policy(Refresh::EveryAttempt).refresh_within(secs(4)));
    let ticket = hand.asks();
    // Whatever happens meanwhile does not make it forget that.
    hand.after(secs(1)).tell(Event::NetworkUp).tell(Event::Pause).tell(Event::Resume);
    hand.after(secs(3) - NANO);
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

#[test]
fn p13_the_first_rejection_waits_a_quick_draw_and_later_ones_the_ladder() {
    let mut hand = Hand::started(policy(Refresh::Never).rejections(9));
    hand.dials();
    hand.closed(rejected());
    assert_eq!(hand.attempt(), 2, "it raises the level all the same");
    assert!(hand.dials().delay <= QUICK);
    for (attempt, wait) in [(3, secs(2)), (4, secs(4)), (5, secs(8))] {
        hand.closed(rejected());
        assert_eq!((hand.attempt(), hand.dials().delay), (attempt, wait));
    }
    hand.opened().alive_for(secs(30)).closed(rejected());
    assert_eq!(hand.attempt(), 1);
    assert!(hand.dials().delay <= QUICK, "the first since a settled connection");
    hand.closed(rejected());
    assert_eq!((hand.attempt(), hand.dials().delay), (2, secs(1)));
}

#[test]
fn p13_rejections_in_a_row_halt() {
    let mut hand = Hand::started(policy(Refresh::OnRejection).rejections(3));
    hand.dials();
    hand.closed(rejected());
    let ticket = hand.asks();
    hand.tell(fetched(ticket));
    // A dial that fails otherwise does not make the credentials any better.
    hand.dials();
    hand.closed(refused());
    hand.dials();
    hand.closed(Closure::peer().http(401));
    let ticket = hand.asks();
    hand.tell(fetched(ticket));
    // Nor does a connection that opens.
    hand.connects();
    hand.alive_for(secs(30) - NANO).closed(rejected());
    assert_eq!(hand.status().halted, Some(Halted::Unauthorized));
    assert_eq!((hand.link.stats().attempts, hand.link.deadline()), (4, None));
}

#[test]
fn p13_a_settled_connection_begins_a_new_row() {
    let mut hand = Hand::started(policy(Refresh::Never).rejections(2));
    hand.dials();
    hand.closed(rejected());
    for _ in 0..3 {
        hand.connects();
        hand.alive_for(secs(30)).closed(rejected());
        assert_eq!(hand.phase(), Phase::Waiting);
    }
    hand.dials();
    hand.closed(rejected());
    assert_eq!(hand.status().halted, Some(Halted::Unauthorized));
}

#[test]
fn a_rejection_quarantines_no_endpoint() {
    let mut hand = Hand::started(policy(Refresh::Never).endpoints(2).rejections(9));
    for wait in [Duration::ZERO, QUICK, secs(2), secs(4)] {
        let dial = hand.dials();
        assert_eq!(dial.endpoint, 0);
        assert!(dial.delay <= wait, "{:?} after {wait:?}", dial.delay);
        hand.closed(rejected());
    }
    hand.dials();
    hand.closed(refused());
    assert_eq!(hand.dials().endpoint, 1, "another failure does");
}

#[test]
fn a_rejection_ends_no_session() {
    let sessions = policy(Refresh::Never).rejections(9).ready_within(Some(secs(5)));
    let mut hand = Hand::started(sessions.resume_failures(1));
    hand.connects();
    hand.ready(Established::Fresh, true).closed(rejected());
    for _ in 0..4 {
        assert_eq!(hand.connects().session, Session::Resume);
        hand.closed(rejected());
    }
}

#[test]
fn what_runs_out_while_ready_is_asked_for_again_and_drops_nothing() {
    let mut hand = live_for(exact(), secs(100));
    hand.subscribe(0);
    assert_eq!(hand.phase(), Phase::Live);
    hand.alive_for(secs(100) - NANO);
    assert!(!hand.actions().iter().any(is_refresh));
    hand.alive_for(NANO);
    let renewed = hand.actions();
    assert_eq!(renewed.iter().filter(|action| is_refresh(action)).count(), 1, "{renewed:?}");
    let before = (hand.status(), hand.link.counts());
    hand.tell(lasting(Ticket::new(2), secs(100))).alive_for(secs(99));
    assert_eq!((hand.status(), hand.link.counts()), before);
    let told = hand.actions();
    assert!(told.iter().all(|it| matches!(it, Action::ArmTimer { .. } | Action::Ping { .. })));
    hand.alive_for(secs(1));
    assert_eq!(hand.asks(), Ticket::new(3), "and again");
    assert_eq!(hand.link.stats().attempts, 1);
}

#[test]
fn a_renewal_is_tried_again_on_the_ladder() {
    let mut hand = live_for(exact().heartbeat(None), secs(50));
    let mut ticket = hand.asks();
    for wait in [secs(1), secs(2), secs(4), secs(8), secs(16), secs(30), secs(30)] {
        let failed_at = hand.now();
        hand.tell(failed(ticket));
        ticket = hand.asks();
        assert_eq!(hand.now(), failed_at.saturating_add(wait));
    }
    hand.tell(lasting(ticket, secs(50)));
    ticket = hand.asks();
    let asked_at = hand.now();
    assert_eq!(hand.asks(), Ticket::new(ticket.get() + 1), "no answer is a failure, too");
    assert_eq!(hand.now(), asked_at.saturating_add(secs(10 + 1)), "the ladder begins anew");
    assert_eq!((hand.phase(), hand.link.stats().attempts), (Phase::Live, 1));
}

#[test]
fn a_renewal_is_asked_for_once_while_its_answer_is_awaited() {
    // A ping falls due while the answer is awaited.
    let mut hand = live_for(exact(), secs(10));
    let ticket = hand.asks();
    hand.after(secs(5)).received();
    hand.tell(Event::NetworkUp).tell(Event::TimerFired);
    assert!(!hand.actions().iter().any(is_refresh));
    hand.tell(fetched(ticket));
    assert_eq!(hand.link.stats().stale_events, 0);
}

#[test]
fn a_forbidden_renewal_drops_nothing_and_the_next_attempt_halts() {
    let mut hand = live_for(exact().heartbeat(None), secs(50));
    let ticket = hand.asks();
    hand.tell(forbidden(ticket));
    assert_eq!((hand.phase(), hand.link.deadline()), (Phase::Live, None));
    hand.after(secs(3600)).received().closed(refused());
    let ticket = hand.asks();
    hand.tell(forbidden(ticket));
    assert_eq!(hand.status().halted, Some(Halted::Unauthorized));
}

#[test]
fn credentials_that_last_no_time_make_no_hot_loop() {
    let mut hand = live_for(exact().heartbeat(None), Duration::ZERO);
    for _ in 0..10 {
        let answered_at = hand.now();
        let ticket = hand.asks();
        assert!(hand.now() >= answered_at.saturating_add(millis(500)), "again at {}", hand.now());
        hand.tell(lasting(ticket, Duration::ZERO));
    }
}

#[test]
fn what_runs_out_while_waiting_is_refreshed_before_the_next_attempt() {
    for (lasts, runs_out) in [(secs(2), true), (millis(2_001), false)] {
        let mut hand = Hand::started(policy(Refresh::OnRejection));
        hand.dials();
        hand.closed(rejected());
        let ticket = hand.asks();
        hand.tell(lasting(ticket, lasts));
        hand.dials();
        hand.closed(refused());
        if runs_out {
            hand.asks();
            assert_eq!(hand.phase(), Phase::Refreshing);
        } else {
            assert_eq!(hand.dials().delay, secs(2), "the ladder's second step");
        }
    }
}

#[test]
fn an_answer_that_comes_while_paused_or_offline_is_kept_for_the_attempt() {
    for (off, on) in [(Event::Pause, Event::Resume), (Event::NetworkDown, Event::NetworkUp)] {
        let mut hand = Hand::started(policy(Refresh::EveryAttempt));
        let ticket = hand.asks();
        hand.tell(off).after(secs(1)).tell(fetched(ticket)).after(secs(3600));
        assert_eq!((hand.phase(), hand.link.deadline()), (Phase::Waiting, None), "{off:?}");
        hand.tell(on);
        assert!(hand.dials().delay <= QUICK, "{off:?}");
        assert_eq!(hand.link.stats().stale_events, 0);
    }
}

#[test]
fn no_refresh_begins_while_paused_or_offline() {
    for (off, on) in [(Event::Pause, Event::Resume), (Event::NetworkDown, Event::NetworkUp)] {
        let mut hand = Hand::new(policy(Refresh::EveryAttempt).start_within(secs(2)));
        hand.tell(Event::Start).tell(off).after(secs(3600));
        assert!(!hand.actions().iter().any(is_refresh), "{off:?}");
        assert_eq!(hand.link.deadline(), None);
        hand.tell(on);
        let ticket = hand.asks();
        hand.tell(fetched(ticket));
        hand.dials();
    }
}

#[test]
fn a_refresh_that_fell_due_and_was_not_handed_out_waits_for_the_end_of_a_pause() {
    let mut hand = Hand::new(policy(Refresh::EveryAttempt));
    hand.link.handle(hand.now(), Event::Start).unwrap();
    hand.tell(Event::Pause).after(secs(60));
    assert!(!hand.actions().iter().any(is_refresh));
    assert_eq!((hand.phase(), hand.link.deadline()), (Phase::Waiting, None));
    hand.tell(Event::Resume);
    hand.asks();
}

#[test]
fn the_time_for_an_answer_begins_when_the_refresh_is_handed_out() {
    let mut hand = Hand::new(policy(Refresh::EveryAttempt));
    hand.link.handle(hand.now(), Event::Start).unwrap();
    hand.clock.advance(secs(9));
    hand.drain();
    hand.after(secs(10) - NANO);
    assert_eq!(hand.phase(), Phase::Refreshing);
    hand.after(NANO);
    assert_eq!(hand.status().cause, Some(Cause::Credentials));
}

#[test]
fn no_renewal_begins_while_paused_or_offline() {
    let probing = exact().network_down(NetworkDown::Probe);
    for (off, on) in [(Event::Pause, Event::Resume), (Event::NetworkDown, Event::NetworkUp)] {
        let mut hand = live_for(probing, secs(50));
        hand.tell(off).alive_for(secs(100));
        assert!(!hand.actions().iter().any(is_refresh), "{off:?}");
        hand.tell(on);
        hand.asks();
        assert_eq!(hand.phase(), Phase::Live, "{off:?}");
    }
}

/// It fell due, was not fetched in time, and the connection that it was for is gone.
#[test]
fn a_renewal_that_is_owed_is_asked_for_on_the_connection_that_comes_next() {
    let rotates = exact().rotate(Some(Rotation::new(secs(3600), secs(60), secs(30))));
    let mut hand = live_for(rotates, secs(3600));
    let old = hand.conn;
    hand.tell(Event::Rotate);
    let ticket = hand.asks();
    hand.tell(lasting(ticket, millis(10)));
    hand.dials();
    hand.clock.advance(secs(2));
    hand.link.handle(hand.now(), Event::TimerFired).expect("no misuse");
    let closure = Closure::peer();
    hand.tell(Event::Closed { conn: old, closure }).opened();
    assert_eq!(hand.phase(), Phase::Live);
    assert!(hand.actions().iter().any(is_refresh));
}

#[test]
fn a_stop_while_refreshing_ends_in_idle_and_its_answer_dials_nothing() {
    let mut hand = Hand::started(policy(Refresh::EveryAttempt));
    let ticket = hand.asks();
    hand.tell(Event::Stop);
    assert_eq!((hand.phase(), hand.link.deadline()), (Phase::Idle, None));
    hand.actions();
    hand.tell(fetched(ticket));
    assert_eq!(hand.actions(), []);
}

#[test]
fn p13_an_answer_after_a_stop_counts_in_time_and_no_later() {
    for (wait, asks_again) in [(secs(4), true), (secs(4) - NANO, false)] {
        let mut hand = Hand::started(policy(Refresh::OnRejection).refresh_within(secs(4)));
        hand.dials();
        hand.closed(rejected());
        let ticket = hand.asks();
        hand.tell(Event::Stop);
        hand.after(wait).tell(fetched(ticket));
        assert_eq!(hand.link.stats().stale_events, u64::from(asks_again), "{wait:?}");
        hand.actions();
        hand.tell(Event::Start);
        assert_eq!(hand.actions().iter().any(is_refresh), asks_again, "{wait:?}");
    }
}

#[test]
fn subscriptions_are_only_spoken_on_a_ready_connection() {
    let policy = policy(Refresh::EveryAttempt).ready_within(Some(secs(5)));
    let mut hand = Hand::started(policy);
    let says = |hand: &mut Hand| {
        let actions = hand.actions();
        actions.iter().filter(|action| matches!(action, Action::Subscribe { .. })).count()
    };
    hand.subscribe(0).subscribe(1);
    let ticket = hand.asks();
    hand.tell(fetched(ticket)).after(secs(1));
    hand.opened().received().after(secs(1));
    assert_eq!((hand.phase(), says(&mut hand)), (Phase::Greeting, 0), "not logged in yet");
    hand.ready(Established::Fresh, false);
    assert_eq!((hand.phase(), says(&mut hand)), (Phase::Restoring, 2));
    hand.closed(rejected()).subscribe(2);
    let ticket = hand.asks();
    hand.tell(fetched(ticket));
    hand.connects();
    assert_eq!(says(&mut hand), 0);
}

#[test]
fn p3_a_renewal_that_a_pause_held_up_is_asked_for_once_that_is_over() {
    let mut hand = Hand::started(exact().heartbeat(None).refresh(Refresh::EveryAttempt));
    let ticket = hand.asks();
    hand.tell(lasting(ticket, secs(5))).opened();
    hand.clock.advance(secs(5));
    hand.link.handle(hand.now(), Event::TimerFired).expect("no misuse");
    hand.tell(Event::Pause).actions();
    hand.tell(Event::Resume);
    assert!(hand.actions().iter().any(is_refresh));
}
