//! What a server may ask for while all is well: a heartbeat, a spread, a move.

use core::time::Duration;

use redial::{
    Action, Cause, Closure, ConnId, Established, Event, FirstPing, Heartbeat, How, Limit, Millis,
    NetworkDown, Phase, Pings, PolicyBuilder, Rule, Session, SubKey, Verdict, WaitsFor, Why,
};

use super::{Hand, NANO, QUICK, assert_admitted, exact, is_open, millis, refused, secs};

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

/// A live link whose connection has settled; connections do not rotate.
fn settled(policy: PolicyBuilder) -> Hand {
    let mut hand = Hand::started(policy);
    hand.connects();
    hand.alive_for(secs(30)).actions();
    hand
}

impl Hand {
    fn goes_away(&mut self, within: Duration) -> &mut Self {
        self.tell(Event::GoAway { conn: self.conn, within: within.into() })
    }

    /// How long until the connection is closed for another one.
    fn moves(&mut self) -> Duration {
        let (begun_at, conn) = (self.now(), self.conn);
        let close = Action::Close { conn, how: How::Graceful, why: Why::Moved };
        self.next(|action| (*action == close).then_some(()));
        assert_eq!(self.phase(), Phase::Closing);
        self.now().saturating_since(begun_at)
    }
}

#[test]
fn go_away_before_ready_aborts_and_fails_the_attempt() {
    let dialling = |_: &mut Hand| {};
    let greeting = |hand: &mut Hand| {
        hand.opened();
    };
    for reach in [dialling as fn(&mut Hand), greeting] {
        let mut hand = Hand::started(exact().ready_within(Some(secs(5))));
        hand.dials();
        reach(&mut hand);
        hand.actions();
        hand.goes_away(secs(60));
        let abort = Action::Close { conn: hand.conn, how: How::Abort, why: Why::Moved };
        assert_eq!(hand.actions().first(), Some(&abort));
        assert_eq!((hand.attempt(), hand.status().cause), (2, Some(Cause::Moved)));
        assert_eq!(hand.dials().delay, secs(1), "the ladder");
    }
}

#[test]
fn a_settled_connection_moves_without_further_wait_and_without_failure() {
    let mut hand = settled(exact());
    hand.goes_away(secs(60));
    assert_eq!(hand.phase(), Phase::Live, "not at once");
    assert!(hand.moves() <= secs(30), "within half of what the server gives us");
    hand.after(secs(1)).closed(Closure::local());
    assert_eq!(hand.attempt(), 1);
    assert_eq!(hand.connects().delay, Duration::ZERO);
    assert_eq!((hand.link.stats().moves, hand.link.stats().failures), (1, 0));
}

#[test]
fn a_connection_that_had_not_settled_moves_as_a_failure() {
    let mut hand = Hand::started(exact());
    hand.connects();
    hand.alive_for(secs(29)).goes_away(Duration::ZERO).moves();
    hand.closed(Closure::local());
    assert_eq!((hand.attempt(), hand.status().cause), (2, Some(Cause::Moved)));
    assert_eq!(hand.dials().delay, secs(1));
    assert_eq!(hand.link.stats().failures, 1);
}

#[test]
fn a_herd_that_is_asked_to_go_away_does_not_move_at_once() {
    let moves = |within| {
        let draw = |seed| {
            let mut hand = Hand::with_seed(exact().first_within(secs(1)).heartbeat(None), seed);
            hand.tell(Event::Start).connects();
            hand.alive_for(secs(30)).goes_away(within).moves()
        };
        (0..64).map(draw).collect::<Vec<_>>()
    };
    let longest = |draws: &[Duration]| draws.iter().copied().max().unwrap_or_default();
    for (within, latest) in [
        (secs(60), secs(30)),
        // The server did not say, or gives us next to nothing: a quick draw.
        (Duration::ZERO, secs(1)),
        (millis(10), secs(1)),
        // A day is too long: as long as a server can ask for, at most.
        (secs(86_400), secs(1_800)),
    ] {
        let draws = moves(within);
        assert!(longest(&draws) <= latest, "{within:?}: {draws:?}");
        assert!(longest(&draws) > latest * 3 / 4, "{within:?}: {draws:?}");
        assert!(draws.iter().any(|draw| *draw < latest / 4), "{within:?}: {draws:?}");
    }
}

#[test]
fn rotate_moves_at_once_where_connections_do_not_rotate() {
    let mut hand = settled(exact());
    assert_eq!(hand.tell(Event::Rotate).moves(), Duration::ZERO);
    hand.closed(Closure::local());
    assert_eq!(hand.connects().delay, Duration::ZERO);
    assert_eq!(hand.status().losses, 1, "break before make");
    hand.alive_for(secs(29)).tell(Event::Rotate).moves();
    hand.closed(Closure::local());
    assert_eq!(hand.dials().delay, secs(1), "a failure, for it had not settled");
    let before = hand.status();
    hand.actions();
    hand.tell(Event::Rotate);
    assert_eq!((hand.status(), hand.actions()), (before, vec![]), "there is nothing to replace");
}

#[test]
fn a_move_resumes_where_it_can() {
    for (resumable, session) in [(true, Session::Resume), (false, Session::Fresh)] {
        let mut hand = Hand::started(exact().ready_within(Some(secs(5))));
        hand.connects();
        hand.ready(Established::Fresh, resumable).alive_for(secs(30)).tell(Event::Rotate);
        hand.closed(Closure::local());
        assert_eq!(hand.dials().session, session);
    }
}

#[test]
fn a_move_asked_for_while_restoring_begins_once_that_is_over() {
    for asks in [Event::Rotate, Event::GoAway { conn: ConnId::new(1), within: Millis::ZERO }] {
        let mut hand = Hand::started(exact().heartbeat(None));
        hand.tell(Event::Subscribe { key: SubKey::new(0) }).connects();
        hand.tell(asks).after(secs(5));
        assert_eq!(hand.phase(), Phase::Restoring, "{asks:?}");
        let subscribe = hand.next(|action| match action {
            Action::Subscribe { conn, request } => Some((*conn, *request)),
            _ => None,
        });
        let (conn, request) = subscribe;
        hand.tell(Event::Acked { conn, request });
        assert_eq!(hand.moves(), Duration::ZERO, "{asks:?}");
    }
}

#[test]
fn a_peer_that_does_not_answer_a_move_is_dropped_at_close_within() {
    let mut hand = settled(exact());
    hand.tell(Event::Rotate).moves();
    hand.after(secs(3) - NANO);
    assert!(!hand.actions().iter().any(is_open), "the old one is still held");
    hand.after(NANO);
    let actions = hand.actions();
    let abort = Action::Close { conn: ConnId::new(1), how: How::Abort, why: Why::Moved };
    assert_eq!(actions.first(), Some(&abort));
    assert!(actions.iter().any(is_open));
}

#[test]
fn p1_a_move_is_charged_like_any_attempt() {
    let limit = Limit::new(2, secs(60));
    let mut hand = Hand::started(exact().attempts(limit).settle_after(millis(1)));
    let mut opened_at = vec![];
    for _ in 0..20 {
        hand.connects();
        opened_at.push(hand.now());
        hand.alive_for(millis(1)).tell(Event::Rotate).closed(Closure::local());
    }
    assert_eq!(hand.status().waits_for, Some(WaitsFor::Limit));
    assert_admitted(limit, &opened_at);
}

#[test]
fn p9_a_wait_that_the_server_asks_for_while_we_move_is_served() {
    let mut hand = settled(exact());
    hand.tell(Event::Rotate).closed(Closure::peer().code(1001).retry_after(secs(60)));
    assert_eq!(hand.status().waits_for, Some(WaitsFor::Floor));
    let delay = hand.dials().delay;
    assert!((secs(60)..=secs(66)).contains(&delay), "{delay:?}");
}

#[test]
fn no_move_begins_while_the_next_open_could_not_follow() {
    let mut hand = settled(exact().network_down(NetworkDown::Probe));
    for (off, on) in [(Event::Pause, Event::Resume), (Event::NetworkDown, Event::NetworkUp)] {
        hand.tell(off).tell(Event::Rotate).alive_for(secs(60));
        assert_eq!(hand.phase(), Phase::Live, "{off:?}");
        assert!(hand.tell(on).moves() <= QUICK, "after a quick draw");
        hand.closed(Closure::local()).connects();
        hand.alive_for(secs(30));
    }
}

#[test]
fn stop_ends_a_move() {
    let mut hand = settled(exact());
    hand.tell(Event::Rotate).tell(Event::Stop).closed(Closure::local());
    assert_eq!((hand.phase(), hand.link.deadline()), (Phase::Idle, None));
}

/// A server that wants a heartbeat wants it whatever else it hears; a peer that talks needs none.
#[test]
fn bytes_keep_a_ping_away_unless_pings_come_always() {
    for (pings, expected) in [(Pings::Always, 10), (Pings::WhenSilent, 0)] {
        let heartbeat = Heartbeat::new(secs(15), secs(10)).pings(pings);
        let mut hand = Hand::started(exact().heartbeat(Some(heartbeat)));
        hand.opened().actions();
        let count = |hand: &mut Hand| {
            let is_ping = |action: &&Action| matches!(action, Action::Ping { .. });
            hand.actions().iter().filter(is_ping).count()
        };
        let pinged: usize = (0..150).map(|_| count(hand.after(secs(1)).received())).sum();
        assert_eq!((pinged, hand.phase()), (expected, Phase::Live), "{pings:?}");
    }
}
