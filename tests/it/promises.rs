//! One directed story per promise: it fails when the line that enforces the promise is removed.

use core::num::NonZeroU32;
use core::time::Duration;
use std::collections::BTreeSet;

use redial::{
    Action, Cause, Closure, ConnId, Endpoint, Established, Event, Fact, Heartbeat, How, Instant,
    IoKind, Limit, Link, Millis, Misuse, Phase, Pings, Policy, Refusal, Request, Seed, Session,
    Slot, SubKey, WaitsFor, Why,
};
use redial_sim::{Dial, Failure, Prompt, View, World};

type Outcome = Result<(), Failure>;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn world() -> World<Prompt> {
    World::builder(Policy::new()).story()
}

/// What a link without other endpoints and sessions asks for.
fn open(number: u64) -> Action {
    let (endpoint, session) = (Endpoint::new(0), Session::Fresh);
    Action::Open { conn: ConnId::new(number), endpoint, session }
}

/// A link driven by hand, with a clock that the test sets.
struct Hand {
    link: Link<[Slot; 4]>,
    now: Instant,
}

impl Hand {
    fn new(policy: Policy) -> Self {
        let link = Link::with_storage(policy, Seed::from_u64(1), [Slot::EMPTY; 4]);
        Self { link, now: Instant::ZERO }
    }

    fn after(&mut self, span: Duration) -> &mut Self {
        self.now = self.now.saturating_add(span);
        self
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        self.link.handle(self.now, event).expect("no misuse");
        self.drain()
    }

    fn drain(&mut self) -> Vec<Action> {
        let actions = core::iter::from_fn(|| self.link.poll_action(self.now));
        let actions: Vec<_> = actions.take(1_000).collect();
        assert!(actions.len() < 1_000, "a drain without end");
        let deadline = self.link.deadline();
        assert!(deadline.is_none_or(|at| at > self.now), "P2: due at {deadline:?} already");
        actions
    }

    /// The deadline comes, and the timer fires.
    fn wait(&mut self) -> Vec<Action> {
        self.now = self.link.deadline().expect("something is due");
        self.tell(Event::TimerFired)
    }

    /// Started, and waited for until this connection is handed out.
    fn dialled(&mut self, number: u64) -> ConnId {
        self.link.handle(self.now, Event::Start).expect("no misuse");
        let conn = ConnId::new(number);
        let mut actions = self.drain();
        for _ in 0..16 {
            if actions.contains(&open(number)) {
                return conn;
            }
            actions = self.wait();
        }
        panic!("connection {number} is never dialled");
    }

    fn attempt(&self) -> Option<u32> {
        self.link.status().attempt.map(NonZeroU32::get)
    }
}

fn opens(actions: &[Action]) -> usize {
    actions.iter().filter(|action| matches!(action, Action::Open { .. })).count()
}

fn subscribes(actions: &[Action]) -> Vec<Request> {
    let request = |action: &Action| match action {
        Action::Subscribe { request, .. } => Some(*request),
        _ => None,
    };
    actions.iter().filter_map(request).collect()
}

#[test]
fn p1_bounded_attempts_whatever_is_wished_and_hinted() -> Outcome {
    let mut world = world();
    world.peer().answers_dials(Dial::OpensAndFalls(Closure::peer().code(1006)));
    world.start()?;
    let impatience = [
        Event::RetryNow,
        Event::NetworkDown,
        Event::NetworkUp,
        Event::Pause,
        Event::Resume,
        Event::Stop,
        Event::Start,
    ];
    for round in 0..6_000 {
        world.tell(impatience[round % impatience.len()])?;
        world.advance(millis(100))?;
    }
    let attempts = world.summary().stats.attempts;
    assert!((30..=5 + 60).contains(&attempts), "{attempts} attempts in ten minutes");
    Ok(())
}

#[test]
fn p1_a_late_drain_is_charged_when_the_open_is_handed_out() {
    let policy = Policy::builder().attempts(Limit::new(1, secs(10))).build().unwrap();
    let mut hand = Hand::new(policy);
    hand.link.handle(hand.now, Event::Start).unwrap();
    hand.after(secs(9));
    assert_eq!(opens(&hand.drain()), 1);
    let handed_out = hand.now;
    hand.tell(Event::Closed { conn: ConnId::new(1), closure: Closure::unknown() });
    hand.tell(Event::RetryNow);
    while opens(&hand.wait()) == 0 {}
    assert!(hand.now >= handed_out.saturating_add(secs(10)), "again at {}", hand.now);
}

#[test]
fn p1_bounded_attempts_at_the_end_of_the_clock() {
    for nanos in [u64::MAX, u64::MAX - 1, u64::MAX - 2, u64::MAX - 3_000_000_000] {
        let mut hand = Hand::new(Policy::new());
        hand.now = Instant::from_nanos(nanos);
        let mut actions = hand.tell(Event::Start);
        let mut handed_out = 0;
        for _ in 0..50 {
            handed_out += opens(&actions);
            // P2: what no instant is left for is not due.
            let deadline = hand.link.deadline();
            assert!(deadline.is_none_or(|deadline| deadline > hand.now), "{deadline:?}");
            let conn = ConnId::new(handed_out as u64);
            hand.tell(Event::Closed { conn, closure: Closure::unknown() });
            actions = hand.tell(Event::RetryNow);
        }
        assert!((1..=5).contains(&handed_out), "{handed_out} at {nanos}");
    }
}

#[test]
fn p2_what_waits_for_something_else_is_not_due() {
    let policy = Policy::builder().pace(Some(Limit::new(1, secs(1)))).window(1).build().unwrap();
    let mut hand = Hand::new(policy);
    let conn = hand.dialled(1);
    for key in 0..3 {
        hand.tell(Event::Subscribe { key: SubKey::new(key) });
    }
    hand.tell(Event::Opened { conn });
    let at = |hand: &Hand| hand.link.deadline().unwrap_or(Instant::MAX);
    // The pace has a token again, but the window is full.
    hand.after(secs(2)).tell(Event::TimerFired);
    assert!(at(&hand) > hand.now);
    hand.tell(Event::Closed { conn, closure: Closure::unknown() });
    hand.tell(Event::Pause);
    hand.after(secs(60)).tell(Event::TimerFired);
    assert_eq!(hand.link.status().waits_for, Some(WaitsFor::Pause));
    assert_eq!(hand.link.deadline(), None, "paused, it waits for the application alone");
}

#[test]
fn p3_every_phase_with_an_end_of_its_own_is_woken_for_it() -> Outcome {
    let policy = Policy::builder().ready_within(Some(secs(5))).build().unwrap();
    let mut hand = Hand::new(policy);
    let conn = hand.dialled(1);
    hand.wait();
    assert_eq!(hand.link.status().cause, Some(Cause::OpenTimeout));
    let second = hand.dialled(2);
    assert!(second > conn);
    hand.tell(Event::Opened { conn: second });
    while hand.link.phase() == Phase::Greeting {
        hand.wait();
    }
    assert_eq!(hand.link.status().cause, Some(Cause::ReadyTimeout));
    let third = hand.dialled(3);
    hand.tell(Event::Opened { conn: third });
    let actions = hand.tell(Event::Stop);
    let close = |how| Action::Close { conn: third, how, why: Why::Stop };
    assert!(actions.contains(&close(How::Graceful)), "{actions:?}");
    assert!(hand.wait().contains(&close(How::Abort)));
    assert_eq!((hand.link.phase(), hand.link.deadline()), (Phase::Idle, None));
    Ok(())
}

#[test]
fn p3_a_timer_that_fires_early_is_armed_again() -> Outcome {
    let mut world = world();
    world.peer().answers_dials(Dial::Fails(Closure::unknown().io(IoKind::Refused)));
    world.start()?;
    world.advance(millis(1))?;
    for _ in 0..5 {
        assert_eq!(world.status().phase, Phase::Waiting);
        world.tell(Event::TimerFired)?;
    }
    world.peer().answers_dials(Dial::Opens);
    world.advance(secs(5))?;
    assert_eq!(world.status().phase, Phase::Live);
    Ok(())
}

#[test]
fn p4_a_socket_that_opens_after_it_was_given_up_is_closed_before_the_next_open() {
    let mut hand = Hand::new(Policy::new());
    let conn = hand.dialled(1);
    let aborts = hand.wait();
    let abort = |why| Action::Close { conn, how: How::Abort, why };
    assert!(aborts.contains(&abort(Why::OpenTimeout)), "{aborts:?}");
    hand.now = hand.link.deadline().expect("a retry is due");
    hand.link.handle(hand.now, Event::Opened { conn }).unwrap();
    let actions = hand.drain();
    let place = |wanted| actions.iter().position(|action| *action == wanted);
    let (close, open) = (place(abort(Why::Stale)), place(open(2)));
    assert!(close.is_some() && open.is_some() && close < open, "{actions:?}");
}

#[test]
fn p4_a_socket_that_opens_while_its_abort_is_not_yet_handed_out_is_closed_once() {
    let mut hand = Hand::new(Policy::new());
    let conn = hand.dialled(1);
    hand.now = hand.link.deadline().expect("it is dialled no longer than open_within");
    hand.link.handle(hand.now, Event::TimerFired).expect("no misuse");
    hand.link.handle(hand.now, Event::Opened { conn }).expect("no misuse");
    let actions = hand.drain();
    let closes: Vec<_> = actions.iter().filter(|it| matches!(it, Action::Close { .. })).collect();
    assert_eq!(closes, [&Action::Close { conn, how: How::Abort, why: Why::OpenTimeout }]);
}

#[test]
fn p4_a_connection_that_is_still_closing_is_gone_before_the_next_open() {
    let mut hand = Hand::new(Policy::new());
    let conn = hand.dialled(1);
    hand.tell(Event::Opened { conn });
    hand.tell(Event::Stop);
    assert_eq!(opens(&hand.tell(Event::Start)), 0, "the old one is still held");
    let actions = hand.wait();
    let abort = Action::Close { conn, how: How::Abort, why: Why::Stop };
    assert_eq!(actions.first(), Some(&abort));
    assert_eq!(opens(&actions), 1);
}

#[test]
fn p5_live_means_that_the_peer_holds_exactly_what_is_wanted() -> Outcome {
    let mut world = world();
    for key in [3, 1, 2] {
        world.subscribe(key)?;
    }
    world.start()?;
    for _ in 0..3 {
        world.advance(secs(60))?;
        assert_eq!(world.status().phase, Phase::Live);
        assert_eq!(world.peer().holds(), [1, 2, 3]);
        world.peer().closes(Closure::unknown().io(IoKind::Reset));
        world.advance(millis(10))?;
        assert_eq!(world.status().phase, Phase::Waiting);
    }
    Ok(())
}

#[test]
fn p5_a_cut_in_the_middle_of_the_replay_leaves_no_key_out() -> Outcome {
    let policy = Policy::builder().pace(Some(Limit::new(1, secs(1)))).build().unwrap();
    let mut world = World::builder(policy).story();
    for key in 0..8 {
        world.subscribe(key)?;
    }
    world.start()?;
    world.advance(millis(3_500))?;
    assert_eq!(world.peer().holds(), [0, 1, 2, 3]);
    world.peer().closes(Closure::peer().code(1006));
    world.tell(Event::Unsubscribe { key: SubKey::new(5) })?;
    world.advance(secs(30))?;
    assert_eq!(world.status().phase, Phase::Live);
    assert_eq!(world.peer().holds(), [0, 1, 2, 3, 4, 6, 7]);
    Ok(())
}

#[test]
fn p5_a_gap_found_while_a_key_is_in_flight_is_asked_for_after_its_ack() {
    let mut hand = Hand::new(Policy::new());
    for key in [0, 1, 2].map(SubKey::new) {
        hand.tell(Event::Subscribe { key });
    }
    let conn = hand.dialled(1);
    let requests = subscribes(&hand.tell(Event::Opened { conn }));
    assert_eq!(hand.tell(Event::Resync { key: requests[0].key }), []);
    let again = subscribes(&hand.tell(Event::Acked { conn, request: requests[0] }));
    assert_eq!(again.iter().map(|request| request.key).collect::<Vec<_>>(), [requests[0].key]);
}

#[test]
fn p5_a_replay_is_answered_in_any_order_and_waited_for_in_its_own() {
    let mut hand = Hand::new(Policy::builder().ack_within(secs(3)).build().unwrap());
    for key in [2, 0, 3, 1].map(SubKey::new) {
        hand.tell(Event::Subscribe { key });
    }
    let (first, closure) = (hand.dialled(1), Closure::peer().code(1006));
    hand.tell(Event::Opened { conn: first });
    hand.tell(Event::Closed { conn: first, closure });
    let conn = hand.dialled(2);
    hand.link.handle(hand.now, Event::Opened { conn }).expect("no misuse");
    let opened = hand.now;
    let mut requests = vec![];
    while let Some(action) = hand.link.poll_action(hand.now) {
        requests.extend(subscribes(&[action]));
        hand.now = hand.now.saturating_add(millis(10));
    }
    assert_eq!(requests.iter().map(|request| request.key.get()).collect::<Vec<_>>(), [2, 0, 3, 1]);
    for (answered, waits_for) in [(2, 0), (0, 1), (3, 1)] {
        let request = requests[answered];
        assert_eq!(hand.tell(Event::Acked { conn, request }), []);
        assert_eq!(hand.link.phase(), Phase::Restoring);
        let answer_by = opened.saturating_add(secs(3) + millis(10) * waits_for);
        assert!(hand.link.deadline().is_some_and(|at| at <= answer_by));
    }
    hand.tell(Event::Acked { conn, request: requests[1] });
    assert_eq!(hand.link.phase(), Phase::Live);
    assert_eq!(hand.link.counts().in_flight, 0);
}

#[test]
fn p5_a_final_refusal_is_not_asked_again_and_harms_nobody() -> Outcome {
    let mut world = world();
    world.peer().refuses(1, Some(Refusal::Final));
    for key in 0..3 {
        world.subscribe(key)?;
    }
    world.start()?;
    world.advance(secs(60))?;
    world.peer().closes(Closure::peer());
    world.advance(secs(60))?;
    assert_eq!(world.status().phase, Phase::Live);
    assert_eq!(world.summary().stats.requests, 3 + 2, "key 1 was asked for once");
    world.peer().refuses(1, None);
    world.subscribe(1)?;
    world.advance(secs(1))?;
    assert_eq!(world.peer().holds(), [0, 1, 2]);
    Ok(())
}

#[test]
fn p5_an_answer_speaks_for_the_wish_that_its_request_was_sent_for() {
    let mut hand = Hand::new(Policy::new());
    let (conn, key) = (hand.dialled(1), SubKey::new(0));
    hand.tell(Event::Opened { conn });
    let asked = subscribes(&hand.tell(Event::Subscribe { key }));
    assert_eq!(asked, [Request { key, number: 1 }]);
    hand.tell(Event::Unsubscribe { key });
    assert_eq!(subscribes(&hand.tell(Event::Subscribe { key })), [], "one in flight per key");
    let refusal = Refusal::Final;
    let again = hand.tell(Event::Refused { conn, request: asked[0], refusal });
    assert_eq!(subscribes(&again), [Request { key, number: 2 }], "it was wanted anew since");
}

#[test]
fn p5_a_key_given_up_for_now_degrades_the_link_and_is_tried_on() -> Outcome {
    let mut world = world();
    world.peer().refuses(0, Some(Refusal::Retry(None)));
    world.subscribe(0)?;
    world.subscribe(1)?;
    world.start()?;
    world.advance(secs(1))?;
    assert_eq!(world.status().phase, Phase::Restoring);
    world.advance(secs(60))?;
    assert_eq!(world.status().phase, Phase::Degraded);
    assert_eq!(world.peer().holds(), [1]);
    world.peer().refuses(0, None);
    world.advance(secs(31))?;
    assert_eq!(world.status().phase, Phase::Live);
    assert_eq!(world.peer().holds(), [0, 1]);
    Ok(())
}

#[test]
fn p5_a_delay_that_the_server_asked_for_runs_while_the_link_is_down() -> Outcome {
    let mut world = world();
    world.peer().refuses(0, Some(Refusal::Retry(Some(Millis::from(secs(3_600))))));
    world.subscribe(0)?;
    world.start()?;
    world.advance(secs(5))?;
    world.peer().refuses(0, None);
    world.peer().answers_dials(Dial::Fails(Closure::unknown().io(IoKind::Refused)));
    world.peer().closes(Closure::peer());
    world.advance(secs(2 * 3_600))?;
    world.peer().answers_dials(Dial::Opens);
    world.advance(secs(60))?;
    assert_eq!((world.status().phase, world.peer().holds()), (Phase::Live, vec![0]));
    Ok(())
}

#[test]
fn p6_nothing_of_a_connection_that_is_gone_changes_anything() {
    let mut hand = Hand::new(Policy::new());
    let key = SubKey::new(0);
    hand.tell(Event::Subscribe { key });
    let old = hand.dialled(1);
    hand.tell(Event::Opened { conn: old });
    hand.tell(Event::Closed { conn: old, closure: Closure::peer() });
    let conn = hand.dialled(2);
    let asked = subscribes(&hand.tell(Event::Opened { conn }));
    let (request, refusal) = (Request { key, number: 1 }, Refusal::Final);
    assert_eq!(asked, [request]);
    let before = View::of(&hand.link);
    let closure = Closure::peer().http(403).retry_after(secs(600));
    let stale = [
        Event::Received { conn: old },
        Event::Acked { conn: old, request },
        Event::Refused { conn: old, request, refusal },
        Event::Ready { conn: old, session: Established::Fresh, resumable: false },
        Event::Closed { conn: old, closure },
    ];
    for event in stale {
        assert_eq!(hand.tell(event), [], "{event:?}");
        assert_eq!(View::of(&hand.link), before, "{event:?}");
    }
    assert_eq!(hand.link.stats().stale_events, 5);
    let close = Action::Close { conn: old, how: How::Abort, why: Why::Stale };
    assert_eq!(hand.tell(Event::Opened { conn: old }), [close]);
    assert_eq!(View::of(&hand.link), before);
}

#[test]
fn p6_an_older_answer_is_not_taken_for_the_newer_one() {
    let mut hand = Hand::new(Policy::new());
    let (conn, key) = (hand.dialled(1), SubKey::new(0));
    hand.tell(Event::Opened { conn });
    let first = subscribes(&hand.tell(Event::Subscribe { key }))[0];
    let mut again = vec![];
    while again.is_empty() {
        let beat = Event::Received { conn };
        hand.tell(beat);
        again = subscribes(&hand.wait());
    }
    assert_eq!(hand.link.counts().in_flight, 1);
    let refusal = Refusal::Final;
    assert_eq!(hand.tell(Event::Refused { conn, request: first, refusal }), []);
    assert_eq!(hand.link.stats().stale_events, 1);
    assert_eq!((hand.link.counts().in_flight, hand.link.counts().refused), (1, 0));
    hand.tell(Event::Acked { conn, request: again[0] });
    assert_eq!(hand.link.phase(), Phase::Live);
    assert_eq!(hand.link.stats().stale_events, 1, "this one answers the last request");
}

#[test]
fn p7_a_half_open_connection_is_found_out_within_ping_after_and_dead_after() -> Outcome {
    let mut world = world();
    world.start()?;
    world.advance(secs(100))?;
    assert_eq!(world.status().phase, Phase::Live);
    world.peer().goes_silent();
    world.peer().answers_dials(Dial::Hangs);
    world.advance(secs(25))?;
    assert_eq!(world.status().cause, Some(Cause::Silent));
    assert_eq!(world.summary().stats.silences, 1);
    Ok(())
}

#[test]
fn p7_a_machine_that_slept_asks_once_more_before_it_kills() {
    let mut hand = Hand::new(Policy::new());
    let conn = hand.dialled(1);
    hand.tell(Event::Opened { conn });
    let ping = Action::Ping { conn };
    assert!(hand.wait().contains(&ping));
    assert!(hand.after(secs(8 * 3600)).tell(Event::TimerFired).contains(&ping));
    assert_eq!(hand.link.phase(), Phase::Live);
    hand.after(secs(8 * 3600)).tell(Event::TimerFired);
    assert_eq!(hand.link.status().cause, Some(Cause::Silent), "once per silence");
}

#[test]
fn p8_the_ladder_rises_and_only_a_settled_connection_resets_it() -> Outcome {
    let mut world = world();
    world.peer().answers_dials(Dial::OpensAndFalls(Closure::peer()));
    world.start()?;
    world.advance(secs(300))?;
    let attempt = world.status().attempt.map_or(0, NonZeroU32::get);
    assert!(attempt > 7, "a connection that only opens is a failure: attempt {attempt}");
    world.peer().answers_dials(Dial::Opens);
    world.advance(secs(60))?;
    assert_eq!(world.status().phase, Phase::Live);
    // The last proof of life is one nanosecond short of 30 s after ready, then exactly there.
    let mut hand = Hand::new(Policy::new());
    for (uptime, attempt) in [(secs(30) - Duration::from_nanos(1), 3), (secs(30), 1)] {
        let first = hand.link.stats().attempts + 1;
        let conn = hand.dialled(first);
        hand.tell(Event::Closed { conn, closure: Closure::unknown() });
        let conn = hand.dialled(first + 1);
        hand.tell(Event::Opened { conn });
        hand.after(secs(10)).tell(Event::Received { conn });
        hand.after(secs(10)).tell(Event::Received { conn });
        hand.after(uptime - secs(20)).tell(Event::Received { conn });
        hand.after(secs(5)).tell(Event::Closed { conn, closure: Closure::unknown() });
        assert_eq!(hand.attempt(), Some(attempt), "after {uptime:?}");
        hand.tell(Event::Stop);
    }
    Ok(())
}

#[test]
fn p8_every_interval_has_a_width_at_the_cap_too() {
    let policy = Policy::builder().dangerously_no_attempt_limit().build().unwrap();
    let delay_at_the_cap = |seed| {
        let mut link = Link::new(policy, Seed::from_u64(seed));
        let mut now = Instant::ZERO;
        link.handle(now, Event::Start).unwrap();
        let (mut failed_at, mut failures) = (now, 0);
        for _ in 0..200 {
            match link.poll_action(now) {
                Some(Action::Open { .. }) if failures == 11 => {
                    return now.saturating_since(failed_at);
                }
                Some(Action::Open { conn, .. }) => {
                    (failed_at, failures) = (now, failures + 1);
                    let closure = Closure::unknown();
                    link.handle(now, Event::Closed { conn, closure }).unwrap();
                }
                Some(_) => {}
                None => {
                    now = link.deadline().expect("it goes on");
                    link.handle(now, Event::TimerFired).unwrap();
                }
            }
        }
        panic!("{failures} attempts, and no twelfth: {:?}", link.status())
    };
    let delays: Vec<Duration> = (0..64).map(delay_at_the_cap).collect();
    assert!(delays.iter().all(|delay| (millis(500)..=secs(30)).contains(delay)), "{delays:?}");
    let low = delays.iter().filter(|delay| **delay < secs(10)).count();
    let high = delays.iter().filter(|delay| **delay > secs(20)).count();
    assert!(low > 5 && high > 5, "{delays:?}");
}

#[test]
fn p8_a_connection_settles_from_ready_and_not_from_open() {
    let policy = Policy::builder().settle_after(secs(10)).ready_within(Some(secs(9))).build();
    let mut hand = Hand::new(policy.unwrap());
    for (lived, settled) in [(millis(9_999), 0), (secs(10), 1)] {
        let conn = hand.dialled(1 + settled);
        hand.tell(Event::Opened { conn });
        hand.after(secs(8));
        hand.tell(Event::Ready { conn, session: Established::Fresh, resumable: false });
        hand.after(lived);
        hand.tell(Event::Received { conn });
        hand.tell(Event::Closed { conn, closure: Closure::peer() });
        assert_eq!(hand.link.stats().settled, settled);
    }
}

/// Eight hours of suspend are no uptime, also where the driver was about to fetch the ping.
#[test]
fn p8_a_sleep_before_a_ping_is_fetched_proves_nothing() {
    let mut hand = Hand::new(Policy::new());
    let conn = hand.dialled(1);
    hand.tell(Event::Opened { conn });
    hand.after(secs(15));
    hand.link.handle(hand.now, Event::TimerFired).expect("no misuse");
    hand.after(secs(8 * 3_600));
    hand.tell(Event::Closed { conn, closure: Closure::peer() });
    assert_eq!(hand.link.stats().settled, 0);
    assert_eq!(hand.link.status().attempt, NonZeroU32::new(2));
}

/// Nor where pings come whatever arrives, and the next is years away: the answer was due.
#[test]
fn p8_a_sleep_before_an_answer_proves_nothing() {
    let year = secs(365 * 86_400);
    let heartbeat = Heartbeat::new(year, secs(10)).pings(Pings::Always);
    let mut hand = Hand::new(Policy::builder().heartbeat(Some(heartbeat)).build().unwrap());
    let conn = hand.dialled(1);
    hand.tell(Event::Opened { conn });
    hand.after(year);
    hand.tell(Event::TimerFired);
    hand.after(secs(8 * 3_600));
    hand.link.handle(hand.now, Event::TimerFired).expect("no misuse");
    hand.tell(Event::Closed { conn, closure: Closure::peer() });
    assert_eq!(hand.link.stats().settled, 0);
}

#[test]
fn p9_a_retry_after_is_served_whoever_asks() -> Outcome {
    let mut world = world();
    let refused = Closure::peer().http(503).retry_after(secs(120));
    world.peer().answers_dials(Dial::Fails(refused));
    world.start()?;
    world.advance(millis(1))?;
    world.peer().answers_dials(Dial::Opens);
    for _ in 0..119 {
        for event in [Event::RetryNow, Event::NetworkUp, Event::Resume, Event::Stop, Event::Start] {
            world.tell(event)?;
        }
        world.advance(secs(1))?;
    }
    assert_eq!(world.summary().stats.attempts, 1);
    assert_eq!(world.status().waits_for, Some(WaitsFor::Floor));
    world.advance(secs(60))?;
    assert_eq!(world.status().phase, Phase::Live);
    Ok(())
}

/// P8, P9: a fleet that a limit, or a server's floor, holds up at one instant rises one by one.
#[test]
fn p8_what_was_held_up_together_goes_on_one_by_one() {
    let limited = Policy::builder().attempts(Limit::new(1, secs(100))).build().expect("right");
    let refused = Closure::unknown().io(IoKind::Refused);
    let asked_to_wait = Closure::peer().http(503).retry_after(secs(100));
    let cases = [
        (limited, refused, WaitsFor::Limit, secs(200)),
        (Policy::new(), asked_to_wait, WaitsFor::Floor, secs(110)),
    ];
    for (policy, closure, waits_for, latest) in cases {
        let rises = (0..20).map(|seed| {
            let mut link = Link::new(policy, Seed::from_u64(seed));
            for event in [Event::Start, Event::Closed { conn: ConnId::new(1), closure }] {
                link.handle(Instant::ZERO, event).expect("no misuse");
                while link.poll_action(Instant::ZERO).is_some() {}
            }
            assert_eq!(link.status().waits_for, Some(waits_for));
            link.status().until.expect("it ends")
        });
        let rises: BTreeSet<Instant> = rises.collect();
        assert_eq!(rises.len(), 20, "{waits_for:?}: no two at once");
        let within =
            |at: &Instant| (secs(100)..=latest).contains(&at.saturating_since(Instant::ZERO));
        assert!(rises.iter().all(within), "{waits_for:?}: {rises:?}");
    }
}

#[test]
fn p10_no_sequence_of_events_and_times_is_too_much() {
    let mut dice = redial_sim::Dice::new(10);
    for seed in 0..200 {
        let mut link = Link::with_storage(Policy::new(), Seed::from_u64(seed), [Slot::EMPTY; 4]);
        for _ in 0..200 {
            let now = match dice.below(6) {
                0 => Instant::MAX,
                1 => Instant::ZERO,
                magnitude => Instant::from_nanos(dice.below(1 << (10 * magnitude))),
            };
            let _ = link.handle(now, any_event(&mut dice));
            for _ in 0..dice.below(8) {
                let _ = link.poll_action(now);
            }
        }
    }
}

pub(crate) fn any_event(dice: &mut redial_sim::Dice) -> Event {
    let conn = ConnId::new(dice.below(6));
    let key = SubKey::new(dice.below(5) as u32);
    let request = Request { key, number: dice.below(5) };
    let wait = Duration::from_millis(dice.below(u64::from(u32::MAX)));
    match dice.below(17) {
        0 | 1 => Event::Start,
        2 => Event::Stop,
        3 => Event::RetryNow,
        4 => Event::Pause,
        5 => Event::Resume,
        6 => Event::NetworkDown,
        7 => Event::NetworkUp,
        8 => Event::TimerFired,
        9 => Event::Opened { conn },
        10 => Event::Ready {
            conn,
            session: if dice.chance(50) { Established::Fresh } else { Established::Resumed },
            resumable: dice.chance(50),
        },
        11 => Event::Received { conn },
        12 => Event::Closed { conn, closure: Closure::peer().retry_after(wait) },
        13 => Event::Subscribe { key },
        14 => Event::Unsubscribe { key },
        15 => Event::Resync { key },
        _ if dice.chance(50) => Event::Acked { conn, request },
        _ => Event::Refused { conn, request, refusal: Refusal::Retry(Some(wait.into())) },
    }
}

#[test]
fn p10_misuse_is_refused_without_a_trace() {
    let mut hand = Hand::new(Policy::new());
    let conn = hand.dialled(1);
    hand.tell(Event::Opened { conn });
    let before = View::of(&hand.link);
    let later = hand.now.saturating_add(secs(3600));
    let (unknown, key) = (ConnId::new(2), SubKey::new(4));
    let request = Request { key: SubKey::new(0), number: 1 };
    let misuse = [
        (
            Event::Opened { conn: unknown },
            Misuse::UnknownConnection { conn: unknown, newest: conn },
        ),
        (Event::Subscribe { key }, Misuse::KeyOutsideStorage { key, capacity: 4 }),
        (Event::Acked { conn, request }, Misuse::UnknownRequest { conn, number: 1, newest: 0 }),
    ];
    for (event, error) in misuse {
        assert_eq!(hand.link.handle(later, event), Err(error));
        assert_eq!(hand.link.poll_action(later), None);
        assert_eq!(View::of(&hand.link), before);
    }
    assert_eq!(hand.link.stats().clock_anomalies, 0);
    hand.tell(Event::TimerFired);
    assert_eq!(hand.link.stats().clock_anomalies, 0, "not even the clock has moved");
}

#[test]
fn p10_a_request_number_is_compared_whole() {
    let mut hand = Hand::new(Policy::new());
    let conn = hand.dialled(1);
    hand.tell(Event::Subscribe { key: SubKey::new(0) });
    hand.tell(Event::Subscribe { key: SubKey::new(1) });
    let mut request = subscribes(&hand.tell(Event::Opened { conn }))[0];
    request.number += 1 << 32;
    let misuse = Misuse::UnknownRequest { conn, number: request.number, newest: 2 };
    assert_eq!(hand.link.handle(hand.now, Event::Acked { conn, request }), Err(misuse));
    assert_eq!(hand.link.counts().in_flight, 2);
}

#[test]
fn p12_error_close_and_timeout_of_one_connection_are_one_failure() {
    let mut hand = Hand::new(Policy::new());
    let conn = hand.dialled(1);
    let first = Closure::unknown().io(IoKind::Reset);
    hand.tell(Event::Closed { conn, closure: first });
    let (status, deadline) = (hand.link.status(), hand.link.deadline());
    assert_eq!(hand.attempt(), Some(2));
    let cause = Cause::Closed { by: first.by, fact: Fact::Io(IoKind::Reset) };
    assert_eq!(status.cause, Some(cause), "the first report decides");
    let second = Closure::peer().code(1012).retry_after(secs(300));
    assert_eq!(hand.tell(Event::Closed { conn, closure: second }), []);
    assert_eq!((hand.link.status(), hand.link.deadline()), (status, deadline));
    assert_eq!(opens(&hand.wait()), 1, "one retry");
    assert_eq!(hand.link.stats().failures, 1);
}

#[test]
fn p5_a_retry_that_silence_caused_ends_with_its_connection() {
    let mut hand = Hand::new(Policy::new());
    let (conn, key) = (hand.dialled(1), SubKey::new(0));
    hand.tell(Event::Subscribe { key });
    let asked = subscribes(&hand.tell(Event::Opened { conn }));
    hand.tell(Event::Acked { conn, request: asked[0] });
    hand.tell(Event::Unsubscribe { key });
    // The server does not answer within 10 s: it is asked again after a second.
    hand.after(secs(10)).tell(Event::Received { conn });
    hand.tell(Event::TimerFired);
    hand.tell(Event::Closed { conn, closure: Closure::unknown() });
    hand.tell(Event::RetryNow);
    hand.tell(Event::Opened { conn: ConnId::new(2) });
    assert_eq!(hand.link.phase(), Phase::Live);
    assert_eq!(hand.link.deadline(), Some(hand.now.saturating_add(secs(15))), "but for a ping");
}
