//! What a server may ask for while all is well: a heartbeat, a spread, a move.

use core::time::Duration;

use redial::{
    Action, By, Cause, Closure, Established, Event, Fact, FirstPing, Heartbeat, How, Instant,
    Limit, Millis, Phase, Pings, PolicyBuilder, Rule, Session, Verdict, WaitsFor, Why,
};

use super::{Hand, NANO, QUICK, exact, is_open, millis, refused, secs};

/// A live link whose connection has negotiated this.
fn agreed(policy: PolicyBuilder, heartbeat: Option<Duration>, spread: Option<Duration>) -> Hand {
    let mut hand = Hand::started(policy);
    hand.connects();
    hand.negotiates(heartbeat, spread);
    hand
}

impl Hand {
    fn negotiates(&mut self, heartbeat: Option<Duration>, spread: Option<Duration>) -> &mut Self {
        let (heartbeat, spread) = (heartbeat.map(Millis::from), spread.map(Millis::from));
        self.tell(Event::Negotiated { conn: self.conn, heartbeat, spread })
    }

    /// How long until the next ping.
    fn pings(&mut self) -> Duration {
        let begun_at = self.now();
        self.next(|action| matches!(action, Action::Ping { .. }).then_some(()));
        self.now().saturating_since(begun_at)
    }

    /// The connection settles and is lost, and so long the next attempt is waited for.
    fn returns(&mut self, closure: Closure) -> Duration {
        self.alive_for(secs(30)).closed(closure);
        self.dials().delay
    }
}

#[test]
fn a_negotiated_heartbeat_takes_the_place_of_ping_after() {
    let mut hand = agreed(exact(), Some(millis(41_250)), None);
    assert_eq!(hand.pings(), millis(41_250));
    hand.after(millis(9_999)).received();
    assert_eq!(hand.pings(), millis(41_250));
    hand.after(secs(10));
    assert_eq!(hand.status().cause, Some(Cause::Silent), "dead_after is the policy's");
    hand.connects();
    assert_eq!(hand.pings(), secs(15), "the next connection has agreed to nothing");
}

#[test]
fn a_negotiated_heartbeat_is_clamped_and_zero_means_none() {
    for (asked, clamped) in [
        (millis(1), secs(1)),
        (millis(999), secs(1)),
        (secs(1), secs(1)),
        (secs(600), secs(600)),
        (secs(601), secs(600)),
        (Millis::new(u32::MAX).as_duration(), secs(600)),
    ] {
        let mut hand = agreed(exact().server_delay_max(secs(600)), Some(asked), None);
        assert_eq!(hand.pings(), clamped, "{asked:?}");
    }
    let mut hand = agreed(exact(), Some(Duration::ZERO), None);
    assert_eq!(hand.link.deadline(), None);
    hand.after(secs(86_400));
    assert_eq!(hand.phase(), Phase::Live);
}

#[test]
fn the_last_term_told_wins_and_one_left_out_stays() {
    let mut hand = agreed(exact(), Some(secs(60)), Some(secs(600)));
    hand.negotiates(Some(secs(20)), None).negotiates(None, Some(secs(300)));
    assert_eq!(hand.pings(), secs(20));
    hand.received().negotiates(Some(Duration::ZERO), None).negotiates(Some(secs(7)), None);
    assert_eq!(hand.pings(), secs(7));
    hand.returns(refused());
    hand.closed(refused());
    let delay = hand.dials().delay;
    assert!((secs(270)..=secs(330)).contains(&delay), "{delay:?}");
}

#[test]
fn the_first_ping_is_jittered_where_the_policy_says() {
    let always = Heartbeat::new(secs(15), secs(10)).pings(Pings::Always);
    let first = |first, seed| {
        let policy = exact().ready_within(Some(secs(5))).heartbeat(Some(always.first(first)));
        let mut hand = Hand::with_seed(policy, seed);
        hand.tell(Event::Start).connects();
        hand.negotiates(Some(secs(40)), None).ready(Established::Fresh, false);
        let first = hand.pings();
        hand.received();
        assert_eq!(hand.pings(), secs(40), "only the first");
        first
    };
    let draws: Vec<Duration> = (0..64).map(|seed| first(FirstPing::Jittered, seed)).collect();
    assert!(draws.iter().all(|draw| *draw <= secs(40)), "{draws:?}");
    assert!(draws.iter().filter(|draw| **draw < secs(10)).count() > 5, "{draws:?}");
    assert!(draws.iter().filter(|draw| **draw > secs(30)).count() > 5, "{draws:?}");
    assert_eq!(first(FirstPing::Fixed, 1), secs(40));
}

#[test]
fn what_was_agreed_before_ready_holds_and_what_a_stale_connection_says_does_not() {
    let mut hand = Hand::started(exact().ready_within(Some(secs(5))));
    hand.connects();
    hand.negotiates(Some(secs(90)), None).ready(Established::Fresh, false);
    assert_eq!(hand.pings(), secs(90));
    let old = hand.conn;
    hand.closed(refused()).connects();
    hand.ready(Established::Fresh, false);
    let heartbeat = Some(Millis::new(1));
    hand.tell(Event::Negotiated { conn: old, heartbeat, spread: heartbeat });
    assert_eq!((hand.link.stats().stale_events, hand.pings()), (1, secs(15)));
}

#[test]
fn a_spread_is_drawn_whole_at_first_and_a_tenth_around_it_afterwards() {
    let mut first = vec![];
    for seed in 0..64 {
        let mut hand = Hand::with_seed(exact().spread(Some(secs(100))), seed);
        hand.tell(Event::Start).connects();
        first.push(hand.returns(refused()));
        for _ in 0..3 {
            hand.closed(refused());
            let delay = hand.dials().delay;
            assert!((secs(90)..=secs(110)).contains(&delay), "{delay:?}");
        }
    }
    assert!(first.iter().all(|delay| *delay <= secs(100)), "{first:?}");
    assert!(first.iter().filter(|delay| **delay < secs(25)).count() > 5, "{first:?}");
    assert!(first.iter().filter(|delay| **delay > secs(75)).count() > 5, "{first:?}");
}

#[test]
fn a_spread_holds_as_long_as_it_is_wider_than_the_ladder() {
    let mut hand = Hand::started(exact().spread(Some(secs(3))));
    hand.dials();
    for (wider, bound) in [(true, 1), (true, 2), (false, 4), (false, 8)] {
        hand.closed(refused());
        let delay = hand.dials().delay;
        assert_eq!(delay != secs(bound), wider, "{delay:?} with the ladder at {bound} s");
        assert!(!wider || delay <= millis(3_300), "{delay:?}");
    }
}

/// The delays after the loss of a connection that negotiated this spread: the first, which can be
/// anything up to it, then one around it.
fn second_delay(policy: PolicyBuilder, spread: Option<Duration>, closure: Closure) -> Duration {
    let mut hand = agreed(policy, None, spread);
    hand.returns(closure);
    hand.closed(refused());
    hand.dials().delay
}

fn is_around(delay: Duration, spread: Duration) -> bool {
    (spread * 9 / 10..=spread * 11 / 10).contains(&delay)
}

#[test]
fn what_a_closure_tells_comes_before_what_was_negotiated_and_that_before_the_policy() {
    let policy = exact().spread(Some(secs(100)));
    let (from, to) = (Millis::new(0), Millis::new(900_000));
    let told = Closure::peer().verdict(Verdict::RetryWithin { from, to });
    let by_policy = second_delay(policy, None, refused());
    assert!(is_around(by_policy, secs(100)), "{by_policy:?}");
    let negotiated = second_delay(policy, Some(secs(300)), refused());
    assert!(is_around(negotiated, secs(300)), "{negotiated:?}");
    let told = second_delay(policy, Some(secs(300)), told);
    assert!(is_around(told, secs(900)), "{told:?}");
    let none = second_delay(policy, Some(Duration::ZERO), refused());
    assert_eq!(none, secs(1), "zero disables it: the ladder");
}

#[test]
fn a_negotiated_spread_is_clamped_at_both_ends() {
    let policy = exact().server_delay_max(secs(3_600));
    let longest = second_delay(policy, Some(secs(7_200)), refused());
    assert!(is_around(longest, secs(3_600)), "{longest:?}");
    // A window of a millisecond would have a fleet dial in one tick.
    let narrow = |seed| {
        let mut hand = Hand::with_seed(exact().first_within(secs(1)), seed);
        hand.tell(Event::Start).connects();
        hand.negotiates(None, Some(millis(1)));
        hand.returns(refused())
    };
    assert!((0..16).map(narrow).any(|delay| delay > millis(500)));
}

#[test]
fn only_what_the_last_ready_connection_negotiated_counts() {
    let policy = exact().ready_within(Some(secs(5))).spread(Some(secs(100)));
    let mut hand = Hand::started(policy);
    hand.connects();
    hand.negotiates(None, Some(secs(300))).ready(Established::Fresh, false);
    hand.returns(refused());
    // This one agrees to something and is never ready.
    hand.opened().negotiates(None, Some(secs(900))).closed(refused());
    let delay = hand.connects().delay;
    assert!(is_around(delay, secs(300)), "{delay:?}");
    // This one is ready and agrees to nothing.
    hand.ready(Established::Fresh, false).closed(refused());
    let delay = hand.dials().delay;
    assert!(is_around(delay, secs(100)), "{delay:?}");
}

#[test]
fn a_restarting_server_is_returned_to_within_its_window_until_a_connection_settles() {
    let mut first = vec![];
    for seed in 0..64 {
        let mut hand = Hand::with_seed(exact(), seed);
        hand.tell(Event::Start).connects();
        first.push(hand.returns(Closure::peer().code(1012)));
        hand.opened().closed(refused());
        let delay = hand.dials().delay;
        assert!(is_around(delay, secs(30)), "{delay:?}");
        hand.opened();
        assert!(hand.returns(refused()) <= QUICK, "it has settled");
    }
    assert!(first.iter().all(|delay| (secs(5)..=secs(30)).contains(delay)), "{first:?}");
    assert!(first.iter().filter(|delay| **delay > secs(20)).count() > 5, "{first:?}");
}

#[test]
fn the_beginning_of_a_window_is_a_floor_and_its_end_is_not_shortened_by_hints() {
    let rule = Rule::http(500, 599, within(20, 90));
    let mut hand = Hand::started(exact().rule(rule));
    hand.dials();
    hand.closed(Closure::peer().http(500));
    let status = hand.status();
    hand.tell(Event::NetworkUp).tell(Event::Resume);
    assert_eq!(hand.status(), status);
    hand.tell(Event::RetryNow);
    assert_eq!(hand.status().waits_for, Some(WaitsFor::Floor));
    let delay = hand.dials().delay;
    assert!((secs(20)..=secs(22)).contains(&delay), "{delay:?}");
}

const fn within(from: u32, to: u32) -> Verdict {
    Verdict::RetryWithin { from: Millis::new(from * 1_000), to: Millis::new(to * 1_000) }
}
