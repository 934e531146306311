//! Sessions: when one is resumed, when it is not, what a fresh one costs (P14).

use redial::{
    Action, Cause, Closure, Continuity, Established, Event, How, Instant, IoKind, Limit, OnResume,
    Phase, PolicyBuilder, Rule, Session, Status, SubKey, Verdict, WaitsFor, Why,
};

#[cfg(feature = "serde")]
use redial::{Link, Slot};

use super::{Hand, NANO, assert_admitted, exact, refused, secs};

/// The application handshake may take 5 s.
const fn policy() -> PolicyBuilder {
    exact().ready_within(Some(secs(5)))
}

/// A live link whose server keeps its session.
fn resumable(policy: PolicyBuilder) -> Hand {
    let mut hand = Hand::started(policy);
    hand.connects();
    hand.ready(Established::Fresh, true);
    hand
}

/// The network goes: nobody says anything.
const fn reset() -> Closure {
    Closure::unknown().io(IoKind::Reset)
}

impl Hand {
    fn continuity(&self) -> Option<Continuity> {
        self.status().continuity
    }

    /// What the next connection asks for, which is then open.
    fn asks_for(&mut self) -> Session {
        self.connects().session
    }
}

#[test]
fn what_the_server_keeps_is_resumed_and_nothing_else() {
    let mut hand = Hand::started(policy());
    assert_eq!(hand.asks_for(), Session::Fresh);
    hand.ready(Established::Fresh, false).closed(reset());
    assert_eq!(hand.asks_for(), Session::Fresh);
    hand.ready(Established::Fresh, true).closed(reset());
    assert_eq!(hand.asks_for(), Session::Resume);
    hand.ready(Established::Resumed, true).closed(reset());
    assert_eq!(hand.asks_for(), Session::Resume);
    hand.ready(Established::Resumed, false).closed(reset());
    assert_eq!(hand.asks_for(), Session::Fresh);
}

#[test]
fn without_ready_within_there_are_no_sessions() {
    let mut hand = Hand::started(exact());
    assert_eq!(hand.asks_for(), Session::Fresh);
    hand.ready(Established::Resumed, true);
    assert_eq!(hand.link.stats().stale_events, 1);
    hand.closed(reset());
    assert_eq!(hand.asks_for(), Session::Fresh);
}

#[test]
fn a_fresh_session_in_answer_to_a_resume_counts_as_lost_and_is_charged_afterwards() {
    let limit = Limit::new(1, secs(1_000));
    let mut hand = resumable(policy().fresh_sessions(&[limit]));
    hand.closed(reset());
    assert_eq!(hand.asks_for(), Session::Resume);
    hand.ready(Established::Fresh, true);
    assert_eq!((hand.continuity(), hand.status().losses), (Some(Continuity::Lost), 1));
    // Two tokens are spent: the first one's interval is not enough for a third session.
    hand.tell(Event::SessionLost { conn: hand.conn }).closed(reset());
    assert_eq!(hand.status().waits_for, Some(WaitsFor::SessionLimit));
    assert_eq!(hand.dials().session, Session::Fresh);
    assert!(hand.now() >= Instant::ZERO.saturating_add(secs(2_000)), "at {}", hand.now());
}

/// What is owed to the limit is owed after a restart, too (P11).
#[cfg(feature = "serde")]
#[test]
fn a_fresh_session_that_was_charged_afterwards_stays_charged_over_a_snapshot() {
    let limit = Limit::new(1, secs(60));
    let mut hand = resumable(policy().fresh_sessions(&[limit]));
    hand.closed(reset());
    assert_eq!(hand.asks_for(), Session::Resume);
    hand.ready(Established::Fresh, false).closed(reset());
    let text = serde_json::to_string(&hand.link.snapshot()).expect("plain data");
    let mut reader = serde_json::Deserializer::from_str(&text);
    let storage = [const { Slot::EMPTY }; 4];
    let restored =
        Link::restore(*hand.link.policy(), storage, hand.now(), None, &mut reader).expect("whole");
    assert_eq!(restored.status(), hand.status());
    assert_eq!(restored.deadline(), hand.link.deadline());
    assert_eq!(serde_json::to_string(&restored.snapshot()).expect("plain data"), text);
}

#[test]
fn a_resumed_session_in_answer_to_a_fresh_open_counts_as_fresh() {
    let mut hand = Hand::started(policy());
    hand.connects();
    hand.ready(Established::Resumed, true);
    assert_eq!(hand.continuity(), Some(Continuity::First));
    hand.tell(Event::SessionLost { conn: hand.conn }).closed(reset());
    assert_eq!(hand.asks_for(), Session::Fresh);
    hand.ready(Established::Resumed, true);
    assert_eq!((hand.continuity(), hand.status().losses), (Some(Continuity::Lost), 1));
}

#[test]
fn so_many_failed_resumes_in_a_row_make_the_next_session_fresh() {
    let mut hand = resumable(policy().resume_failures(3));
    hand.closed(reset());
    assert_eq!(hand.asks_for(), Session::Resume);
    hand.closed(Closure::peer().code(4000));
    assert_eq!(hand.asks_for(), Session::Resume);
    hand.ready(Established::Resumed, true).alive_for(secs(30) - NANO).closed(reset());
    // A dial that never opened says nothing of the session.
    assert_eq!(hand.dials().session, Session::Resume);
    hand.closed(refused());
    assert_eq!(hand.dials().session, Session::Resume);
    hand.after(secs(10));
    assert_eq!(hand.status().cause, Some(Cause::OpenTimeout));
    assert_eq!(hand.asks_for(), Session::Resume);
    hand.after(secs(5));
    assert_eq!(hand.status().cause, Some(Cause::ReadyTimeout), "the third that opened");
    assert_eq!(hand.asks_for(), Session::Fresh);
    hand.ready(Established::Fresh, true).closed(reset());
    for _ in 0..3 {
        assert_eq!(hand.asks_for(), Session::Resume, "what was said of the old one is forgotten");
        hand.closed(reset());
    }
    assert_eq!(hand.asks_for(), Session::Fresh);
}

#[test]
fn a_settled_resume_begins_a_new_row() {
    let lost = |hand: &mut Hand| {
        hand.closed(reset());
    };
    let moved = |hand: &mut Hand| {
        hand.tell(Event::Rotate).closed(Closure::local());
    };
    for ends in [lost, moved] {
        let mut hand = resumable(policy().resume_failures(2));
        hand.closed(reset());
        for _ in 0..3 {
            assert_eq!(hand.asks_for(), Session::Resume);
            hand.closed(reset());
            assert_eq!(hand.asks_for(), Session::Resume);
            hand.ready(Established::Resumed, true).alive_for(secs(30));
            ends(&mut hand);
        }
    }
}

#[test]
fn a_move_before_a_resume_settled_is_a_failed_resume() {
    let mut hand = resumable(policy().resume_failures(1));
    hand.closed(reset());
    assert_eq!(hand.asks_for(), Session::Resume);
    hand.ready(Established::Resumed, true).tell(Event::Rotate).closed(Closure::local());
    assert_eq!(hand.asks_for(), Session::Fresh);
}

#[test]
fn a_lost_session_before_ready_is_one_failure_and_the_next_is_fresh_through_its_limit() {
    let mut hand = resumable(policy().fresh_sessions(&[Limit::new(1, secs(60))]));
    hand.closed(reset());
    assert_eq!((hand.attempt(), hand.asks_for()), (2, Session::Resume));
    let conn = hand.conn;
    hand.actions();
    hand.tell(Event::SessionLost { conn });
    let abort = Action::Close { conn, how: How::Abort, why: Why::SessionLost };
    assert!(hand.actions().contains(&abort));
    assert_eq!((hand.attempt(), hand.status().cause), (3, Some(Cause::SessionLost)));
    assert_eq!(hand.status().waits_for, Some(WaitsFor::SessionLimit));
    assert_eq!(hand.dials().session, Session::Fresh);
    let range = secs(60)..=secs(120);
    assert!(range.contains(&hand.now().saturating_since(Instant::ZERO)), "at {}", hand.now());
    hand.tell(Event::SessionLost { conn });
    assert_eq!(hand.link.stats().stale_events, 1, "it is gone");
}

#[test]
fn a_lost_session_on_a_ready_connection_changes_nothing_else() {
    let mut hand = resumable(policy());
    hand.subscribe(0).actions();
    let before = hand.status();
    hand.tell(Event::SessionLost { conn: hand.conn });
    assert_eq!((hand.status(), hand.actions()), (before, vec![]));
    hand.alive_for(secs(60)).closed(reset());
    assert_eq!(hand.asks_for(), Session::Fresh);
}

#[test]
fn a_session_lost_on_a_connection_that_is_closing_is_forgotten() {
    let mut hand = resumable(policy());
    hand.tell(Event::Rotate);
    assert_eq!(hand.phase(), Phase::Closing);
    hand.tell(Event::SessionLost { conn: hand.conn }).closed(Closure::local());
    assert_eq!(hand.asks_for(), Session::Fresh);
}

#[test]
fn both_limits_of_fresh_sessions_bind_at_once() {
    let limits = [Limit::new(1, secs(5)), Limit::new(4, secs(1_000))];
    let mut hand = Hand::started(policy().fresh_sessions(&limits));
    let mut opened_at = vec![];
    for attempt in 0..12 {
        let dial = hand.dials();
        assert_eq!(dial.session, Session::Fresh);
        let shorter = (1..4).contains(&attempt);
        assert!(!shorter || (secs(5)..=secs(10)).contains(&dial.delay), "{attempt}: {dial:?}");
        opened_at.push(hand.now());
        hand.closed(refused());
        for impatience in [Event::RetryNow, Event::NetworkUp, Event::Resume, Event::RetryNow] {
            hand.tell(impatience);
        }
        assert_eq!(hand.status().waits_for, Some(WaitsFor::SessionLimit));
        if attempt == 6 {
            hand.tell(Event::Stop).tell(Event::Start);
        }
    }
    for limit in limits {
        assert_admitted(limit, &opened_at);
    }
}

#[test]
fn resumes_spend_no_fresh_session() {
    let limited = policy().resume_failures(9).fresh_sessions(&[Limit::new(1, secs(1_000))]);
    let mut hand = resumable(limited);
    for wait in [1, 2, 4, 8, 16] {
        hand.closed(refused());
        let dial = hand.connects();
        assert_eq!((dial.session, dial.delay), (Session::Resume, secs(wait)));
        hand.ready(Established::Resumed, true);
    }
    hand.tell(Event::SessionLost { conn: hand.conn }).closed(refused());
    assert_eq!(hand.dials().session, Session::Fresh);
    let range = secs(1_000)..=secs(2_000);
    assert!(range.contains(&hand.now().saturating_since(Instant::ZERO)), "at {}", hand.now());
}

#[test]
fn a_peer_that_closes_with_1000_or_1001_ends_the_session_unless_a_rule_reads_it_otherwise() {
    let retry = Rule::code(1000, 1001, Verdict::Retry);
    let closures = [
        (policy(), Closure::peer().code(1000), Session::Fresh),
        (policy(), Closure::peer().code(1001), Session::Fresh),
        (policy(), Closure::peer().code(1002), Session::Resume),
        (policy(), Closure::peer().code(4000), Session::Resume),
        (policy(), Closure::peer(), Session::Resume),
        (policy(), Closure::local().code(1000), Session::Resume),
        (policy(), Closure::unknown().code(1001), Session::Resume),
        (policy().rule(retry), Closure::peer().code(1000), Session::Resume),
        (policy().rule(retry), Closure::peer().code(1001), Session::Resume),
    ];
    for (policy, closure, session) in closures {
        let mut hand = resumable(policy);
        hand.alive_for(secs(60)).closed(closure);
        assert_eq!(hand.asks_for(), session, "{closure:?}");
    }
}

#[test]
fn a_fresh_session_verdict_forgets_the_session() {
    let rule = Rule::code(4007, 4007, Verdict::FreshSession);
    let stated = Closure::peer().code(4000).verdict(Verdict::FreshSession);
    for closure in [Closure::peer().code(4007), stated] {
        let mut hand = resumable(policy().rule(rule));
        hand.alive_for(secs(60)).closed(reset());
        assert_eq!(hand.asks_for(), Session::Resume);
        hand.closed(closure);
        assert_eq!((hand.attempt(), hand.asks_for()), (2, Session::Fresh));
    }
}

#[test]
fn stop_forgets_the_session() {
    let live = |_: &mut Hand| {};
    let waiting = |hand: &mut Hand| {
        hand.closed(reset());
    };
    let greeting = |hand: &mut Hand| {
        hand.closed(reset()).connects();
    };
    let moving = |hand: &mut Hand| {
        hand.tell(Event::Rotate);
    };
    for reach in [live as fn(&mut Hand), waiting, greeting, moving] {
        let mut hand = resumable(policy());
        reach(&mut hand);
        let phase = hand.phase();
        hand.tell(Event::Stop).after(secs(3)).tell(Event::Start);
        assert_eq!(hand.asks_for(), Session::Fresh, "stopped in {phase:?}");
        hand.ready(Established::Fresh, false);
        assert_eq!(hand.continuity(), Some(Continuity::First), "since the start");
    }
}

#[test]
fn a_lost_network_ends_no_session() {
    let mut hand = resumable(policy().resume_failures(1));
    for _ in 0..3 {
        hand.tell(Event::NetworkDown).after(secs(60)).tell(Event::NetworkUp);
        assert_eq!(hand.asks_for(), Session::Resume);
    }
}

#[test]
fn p14_continuity_and_losses_are_in_every_report_from_ready_on() {
    let mut hand = Hand::started(policy());
    hand.subscribe(0);
    let mut losses = 0;
    let steps = [
        (Established::Fresh, Continuity::First),
        (Established::Resumed, Continuity::Resumed),
        (Established::Fresh, Continuity::Lost),
        (Established::Resumed, Continuity::Resumed),
        (Established::Fresh, Continuity::Lost),
    ];
    for (established, continuity) in steps {
        hand.connects();
        losses += u32::from(continuity == Continuity::Lost);
        hand.actions();
        hand.ready(established, true).acks();
        let told = reports(&mut hand);
        assert_eq!(told.last().map(|status| status.phase), Some(Phase::Live));
        for status in told {
            assert_eq!((status.continuity, status.losses), (Some(continuity), losses));
        }
        hand.closed(reset());
        for status in reports(&mut hand) {
            assert_eq!((status.continuity, status.losses), (None, losses), "not known yet");
        }
    }
}

fn reports(hand: &mut Hand) -> Vec<Status> {
    let status = |action: &Action| match action {
        Action::Report(status) => Some(*status),
        _ => None,
    };
    hand.actions().iter().filter_map(status).collect()
}

#[test]
fn p14_skipping_reports_hides_no_loss() {
    let mut hand = resumable(policy());
    hand.actions();
    // A driver that takes no more than it must between two connections.
    for _ in 0..3 {
        let conn = hand.conn;
        hand.link.handle(hand.now(), Event::Closed { conn, closure: reset() }).unwrap();
        hand.clock.advance_to(hand.link.deadline().expect("a retry is due"));
        hand.link.handle(hand.now(), Event::TimerFired).unwrap();
        let Some(Action::Open { conn, .. }) = hand.link.poll_action(hand.now()) else {
            panic!("it dials")
        };
        hand.conn = conn;
        let session = Established::Fresh;
        hand.link.handle(hand.now(), Event::Ready { conn, session, resumable: true }).unwrap();
    }
    hand.drain();
    let [status] = reports(&mut hand)[..] else { panic!("one report") };
    assert_eq!((status.phase, status.losses), (Phase::Live, 3));
    assert_eq!(status.continuity, Some(Continuity::Lost));
}

#[test]
fn replayed_subscriptions_are_said_again_after_a_resume_and_kept_ones_are_not() {
    let spoken = |policy: PolicyBuilder, established| {
        let mut hand = resumable(policy);
        hand.subscribe(0).subscribe(1).closed(reset());
        hand.subscribe(2).tell(Event::Unsubscribe { key: SubKey::new(1) }).connects();
        hand.actions();
        hand.ready(established, true).acks();
        let said = |action: &Action| match action {
            Action::Subscribe { request, .. } => Some(('+', request.key.get())),
            Action::Unsubscribe { request, .. } => Some(('-', request.key.get())),
            _ => None,
        };
        hand.actions().iter().filter_map(said).collect::<Vec<_>>()
    };
    let kept = policy().on_resume(OnResume::Kept);
    assert_eq!(spoken(policy(), Established::Resumed), [('+', 0), ('+', 2)]);
    assert_eq!(spoken(kept, Established::Resumed), [('-', 1), ('+', 2)]);
    assert_eq!(spoken(kept, Established::Fresh), [('+', 0), ('+', 2)]);
}
