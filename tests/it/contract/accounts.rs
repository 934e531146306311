//! Where a link's time went, and how long an outage was noticed and missed.

use core::time::Duration;

use redial::{
    Closure, Event, Heartbeat, Instant, Limit, NetworkDown, Phase, PolicyBuilder, Stats, WaitsFor,
};

use super::{Hand, NANO, exact, refused, secs};

impl Hand {
    fn stats(&self) -> Stats {
        self.link.stats()
    }

    /// On the next connection, with nothing to say or restore.
    fn live(&mut self) -> &mut Self {
        self.connects();
        assert_eq!(self.phase(), Phase::Live);
        self
    }
}

/// Only what a story does ends a connection.
const fn deaf() -> PolicyBuilder {
    exact().heartbeat(None).network_down(NetworkDown::Drop)
}

fn nanos(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).expect("a short span")
}

#[test]
fn time_counts_as_wanted_from_start_to_stop() {
    let mut hand = Hand::new(deaf());
    hand.after(secs(5)).tell(Event::Start).after(secs(7)).tell(Event::Stop).after(secs(100));
    assert_eq!(hand.stats().wanted_ns, nanos(secs(7)));
}

#[test]
fn a_clock_that_runs_backwards_is_counted_and_no_other() {
    let mut hand = Hand::started(deaf());
    hand.live().after(secs(40)).tell(Event::Rotate).tell(Event::Rotate);
    assert_eq!(hand.stats().clock_anomalies, 0);
    let earlier = hand.clock.ago(NANO);
    hand.link.handle(earlier, Event::Rotate).expect("no misuse");
    assert_eq!(hand.stats().clock_anomalies, 1);
}

#[test]
fn time_on_a_live_connection_counts_as_live() {
    let mut hand = Hand::started(deaf());
    let begun_at = hand.now();
    hand.live().after(secs(40)).closed(refused());
    assert_eq!(hand.stats().live_ns, nanos(secs(40)));
    hand.live().after(secs(2)).tell(Event::Stop);
    assert_eq!(hand.stats().live_ns, nanos(secs(42)));
    let wanted = hand.now().saturating_since(begun_at);
    assert_eq!(hand.stats().wanted_ns, nanos(wanted));
}

#[test]
fn a_wait_counts_for_what_the_attempt_waited_for() {
    let mut hand = Hand::started(deaf().attempts(Limit::new(1, secs(60))));
    hand.dials();
    hand.tell(Event::NetworkDown).after(secs(3)).tell(Event::NetworkUp);
    hand.tell(Event::Pause).after(secs(4)).tell(Event::Resume);
    let stats = hand.stats();
    assert_eq!(stats.waited_network_ns, nanos(secs(3)), "{stats:?}");
    assert_eq!(stats.waited_pause_ns, nanos(secs(4)), "{stats:?}");
    let waited = hand.dials().delay;
    assert_eq!(hand.stats().waited_limit_ns, nanos(waited), "{:?}", hand.stats());

    let mut hand = Hand::started(deaf());
    hand.dials();
    hand.closed(refused());
    let waited = hand.dials().delay;
    assert_eq!(hand.stats().waited_backoff_ns, nanos(waited));
}

#[test]
fn a_recovery_takes_from_the_loss_to_live_and_the_worst_is_kept() {
    let mut hand = Hand::started(deaf());
    hand.live();
    for away in [secs(9), secs(5)] {
        hand.after(secs(60)).closed(refused());
        let lost_at = hand.now();
        hand.dials();
        hand.after(away).opened();
        let took = nanos(hand.now().saturating_since(lost_at));
        let stats = hand.stats();
        assert!(took >= nanos(away), "{stats:?}");
        assert_eq!(stats.recovery_last_ns, took);
        assert_eq!(stats.recovery_worst_ns > took, away == secs(5), "{stats:?}");
    }
}

#[test]
fn what_was_lost_before_a_stop_is_not_missed() {
    let mut hand = Hand::started(deaf());
    hand.live().after(secs(60)).closed(refused());
    hand.tell(Event::Stop).after(secs(3_600)).tell(Event::Start);
    hand.live();
    assert_eq!(hand.stats().recovery_last_ns, 0);
}

#[test]
fn a_silent_peer_is_detected_so_long_after_its_last_byte() {
    let mut hand = Hand::started(exact().heartbeat(Some(Heartbeat::new(secs(15), secs(10)))));
    hand.live().received();
    let heard_at = hand.now();
    while hand.stats().silences == 0 {
        let at = hand.link.deadline().expect("a silence ends a connection");
        hand.after(at.saturating_since(hand.now()));
        assert!(hand.now().saturating_since(heard_at) <= secs(25));
    }
    let after = nanos(hand.now().saturating_since(heard_at));
    assert_eq!((hand.stats().detection_last_ns, hand.stats().detection_worst_ns), (after, after));
}

#[test]
fn a_settled_connection_that_is_stopped_while_it_makes_room_counts_as_settled() {
    let mut hand = Hand::started(exact().heartbeat(None));
    hand.opened().after(secs(60)).received();
    hand.tell(Event::Rotate).tell(Event::Stop).closed(Closure::local());
    assert_eq!((hand.phase(), hand.link.stats().settled), (Phase::Idle, 1));
}

#[test]
fn an_attempt_without_any_wait_hangs_on_no_limit_at_the_origin_of_the_clock_either() {
    let mut hand = Hand::new(exact());
    hand.link.handle(Instant::ZERO, Event::Start).expect("no misuse");
    assert_eq!(hand.status().waits_for, Some(WaitsFor::Backoff));
}
