//! Snapshots that are restored under another policy: what it does not allow is cut to what it does.

use core::time::Duration;

use redial::{
    Action, Closure, ConnId, Established, Event, Instant, Limit, Link, Policy, PolicyBuilder,
    Refresh, Refusal, Request, Seed, Session, Slot, SubKey, Verdict,
};

use super::{load, millis, secs, text};

/// A link and its driver's clock.
struct Run {
    link: Link<Vec<Slot>>,
    now: Instant,
    conn: ConnId,
}

impl Run {
    fn new(policy: PolicyBuilder) -> Self {
        let policy = policy.build().unwrap();
        let link = Link::with_storage(policy, Seed::from_u64(1), vec![Slot::EMPTY; 4]);
        Self { link, now: Instant::ZERO, conn: ConnId::new(0) }
    }

    /// What a process makes of it that takes over at once, under another policy.
    fn taken_over(&self, policy: PolicyBuilder) -> Self {
        let policy = policy.build().unwrap();
        let link = load(policy, 4, self.now, None, &text(&self.link.snapshot())).unwrap();
        Self { link, now: self.now, conn: self.conn }
    }

    fn drain(&mut self) -> Vec<Action> {
        let actions: Vec<_> = core::iter::from_fn(|| self.link.poll_action(self.now)).collect();
        for action in &actions {
            if let Action::Open { conn, .. } = action {
                self.conn = *conn;
            }
        }
        actions
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        self.link.handle(self.now, event).unwrap();
        self.drain()
    }

    fn opened(&mut self) -> Vec<Action> {
        self.tell(Event::Opened { conn: self.conn })
    }

    fn fails(&mut self) -> &mut Self {
        let closure = Closure::unknown();
        self.tell(Event::Closed { conn: self.conn, closure });
        self
    }

    /// What the timer brings next, and how long it takes.
    fn waits_for<T>(&mut self, wanted: impl Fn(&Action) -> Option<T>) -> (T, Duration) {
        let begun_at = self.now;
        for _ in 0..16 {
            if let Some(found) = self.tell(Event::TimerFired).iter().find_map(&wanted) {
                return (found, self.now.saturating_since(begun_at));
            }
            self.now = self.link.deadline().expect("something is due");
        }
        panic!("it never comes");
    }

    fn dials(&mut self) -> ((u8, Session), Duration) {
        self.waits_for(|action| match action {
            Action::Open { endpoint, session, .. } => Some((endpoint.get(), *session)),
            Action::RefreshCredentials { .. } => panic!("it asks for credentials"),
            _ => None,
        })
    }
}

/// The ladder is 1 s, 2 s, 4 s and so on, and a quick draw is next to nothing.
const fn exact() -> PolicyBuilder {
    Policy::builder().dangerously_no_jitter().first_within(millis(1))
}

/// As many dials in vain as the limit admits, and then a wait for it.
fn spent(limit: Limit) -> Run {
    let mut run = Run::new(exact().attempts(limit));
    run.tell(Event::Start);
    for _ in 1..limit.burst() {
        run.fails().dials();
    }
    run.fails();
    run
}

#[test]
fn a_limit_that_is_gone_binds_nothing() {
    let run = spent(Limit::new(1, secs(100)));
    assert!(run.taken_over(exact().attempts(Limit::new(1, secs(100)))).dials().1 >= secs(100));
    let (_, delay) = run.taken_over(exact().dangerously_no_attempt_limit()).dials();
    assert_eq!(delay, secs(1), "the ladder alone");
}

#[test]
fn p1_a_tighter_limit_binds_at_once() {
    // Under the first, a token is there after 100 s, and two draws of up to 100 s lie on top.
    let run = spent(Limit::new(3, secs(100)));
    let dialled_for = run.now.saturating_since(Instant::ZERO);
    assert!(run.taken_over(exact().attempts(Limit::new(3, secs(100)))).dials().1 <= secs(200));
    let (_, delay) = run.taken_over(exact().attempts(Limit::new(1, secs(290)))).dials();
    let due = dialled_for + delay;
    assert!(secs(290) <= due && due <= secs(580) + dialled_for, "{due:?}");
}

#[test]
fn credentials_that_the_policy_does_not_ask_for_are_not_waited_for() {
    let mut owed = Run::new(exact().refresh(Refresh::EveryAttempt));
    owed.link.handle(owed.now, Event::Start).unwrap();
    let mut asked = Run::new(exact().refresh(Refresh::EveryAttempt));
    let actions = asked.tell(Event::Start);
    assert!(actions.iter().any(|it| matches!(it, Action::RefreshCredentials { .. })));
    for run in [owed, asked] {
        let ((_, session), delay) = run.taken_over(exact()).dials();
        assert_eq!((session, delay), (Session::Fresh, Duration::ZERO));
        let mut again = run.taken_over(exact().refresh(Refresh::EveryAttempt));
        let asks = |action: &Action| matches!(action, Action::RefreshCredentials { .. });
        let (_, delay) = again.waits_for(|action| asks(action).then_some(()));
        assert!(delay <= secs(12), "at once, or when the answer did not come: {delay:?}");
    }
}

#[test]
fn credentials_that_the_policy_does_not_ask_for_are_not_renewed() {
    let every = || exact().refresh(Refresh::EveryAttempt);
    let ticket = |action: &Action| match action {
        Action::RefreshCredentials { ticket } => Some(*ticket),
        _ => None,
    };
    let mut due = Run::new(every());
    let ticket = due.tell(Event::Start).iter().find_map(ticket).unwrap();
    due.tell(Event::CredentialsReady { ticket, lasts: Some(secs(5).into()) });
    due.opened();
    let held = due.taken_over(every());
    due.now = Instant::from_duration(secs(5));
    // It fell due, and the process ended before the driver was told.
    due.link.handle(due.now, Event::TimerFired).unwrap();
    for run in [held, due] {
        let mut heir = run.taken_over(exact());
        heir.dials();
        let mut actions = heir.opened();
        heir.now = heir.now.saturating_add(secs(6));
        actions.extend(heir.tell(Event::TimerFired));
        let asks = |action: &Action| matches!(action, Action::RefreshCredentials { .. });
        assert!(!actions.iter().any(asks), "{actions:?}");
    }
}

#[test]
fn p1_what_the_end_of_the_clock_cuts_short_is_not_given_back_by_a_restart() {
    let mut run = Run::new(exact());
    run.now = Instant::from_nanos(u64::MAX - 2);
    let mut opens = 0;
    run.link.handle(run.now, Event::Start).unwrap();
    for _ in 0..50 {
        let actions = run.tell(Event::RetryNow);
        opens += actions.iter().filter(|it| matches!(it, Action::Open { .. })).count();
        run = run.taken_over(exact());
    }
    assert!(opens <= 5, "{opens} at one instant");
}

#[test]
fn a_session_that_failed_too_often_for_the_policy_is_forgotten() {
    let greets = || exact().ready_within(Some(secs(5)));
    let mut run = Run::new(greets().resume_failures(3));
    run.tell(Event::Start);
    let conn = run.conn;
    run.tell(Event::Ready { conn, session: Established::Fresh, resumable: true });
    for _ in 0..2 {
        let ((_, session), _) = run.fails().dials();
        assert_eq!(session, Session::Resume);
        run.opened();
    }
    run.fails();
    for (failures, session) in
        [(2, Session::Fresh), (3, Session::Resume), (4, Session::Resume), (1, Session::Fresh)]
    {
        let ((_, asked), _) = run.taken_over(greets().resume_failures(failures)).dials();
        assert_eq!(asked, session, "of a policy that gives up after {failures}");
    }
    let ((_, asked), _) = run.taken_over(exact()).dials();
    assert_eq!(asked, Session::Fresh, "there is no handshake to resume one in");
}

#[test]
fn an_attempt_at_an_endpoint_that_is_gone_is_for_one_that_is_there() {
    let mut run = Run::new(exact().endpoints(3));
    run.tell(Event::Start);
    run.fails().dials();
    run.fails();
    assert_eq!(run.taken_over(exact().endpoints(3)).dials().0.0, 2);
    assert_eq!(run.taken_over(exact().endpoints(2)).dials().0.0, 0, "which is due first");
    assert_eq!(run.taken_over(exact()).dials().0.0, 0);
}

/// A key that the server asked to wait for 20 s, on a link that is waiting, too.
fn put_off(policy: PolicyBuilder) -> Run {
    let mut run = Run::new(policy);
    run.tell(Event::Subscribe { key: SubKey::new(1) });
    run.tell(Event::Start);
    let asked = run.opened();
    let request = asked.iter().find_map(request_of).expect("it is asked for");
    let refusal = Refusal::Retry(Some(secs(20).into()));
    run.tell(Event::Refused { conn: run.conn, request, refusal });
    run.fails();
    run
}

fn request_of(action: &Action) -> Option<Request> {
    match action {
        Action::Subscribe { request, .. } => Some(*request),
        _ => None,
    }
}

#[test]
fn a_delay_that_the_server_asked_for_holds_under_another_ladder() {
    let calm = || exact().heartbeat(None);
    let run = put_off(calm().subscription_retry(secs(20), secs(30)));
    for (shortest, longest, said_after) in [
        (secs(20), secs(30), secs(20)),
        (secs(1), secs(30), secs(20)),
        (millis(100), millis(25_600), secs(20)),
        // No step of these is so long: it is served in turns.
        (secs(1), secs(8), secs(24)),
        (secs(1), secs(10), secs(20)),
        (millis(10), millis(2_000), secs(20)),
    ] {
        let mut next = run.taken_over(calm().subscription_retry(shortest, longest));
        let begun_at = next.now;
        next.dials();
        assert!(next.opened().iter().find_map(request_of).is_none(), "{longest:?}: too early");
        next.waits_for(request_of);
        let waited = next.now.saturating_since(begun_at);
        assert_eq!(waited, said_after, "a ladder of {shortest:?} to {longest:?}");
    }
}

#[test]
fn p5_a_delay_that_is_served_in_turns_holds_up_no_other_key_of_a_longer_ladder() {
    let calm = || exact().heartbeat(None).timeouts(9);
    let run = put_off(calm().subscription_retry(secs(1), secs(4)));
    let mut next = run.taken_over(calm().subscription_retry(secs(1), secs(30)));
    let begun_at = next.now;
    next.dials();
    next.opened();
    for key in [2, 3].map(SubKey::new) {
        let asked = next.tell(Event::Subscribe { key });
        let mut request = asked.iter().find_map(request_of).expect("it is asked for");
        for delay in [1, 2, 4].map(secs) {
            let refusal = Refusal::Retry(None);
            next.tell(Event::Refused { conn: next.conn, request, refusal });
            let waited;
            (request, waited) = next.waits_for(request_of);
            assert_eq!((request.key, waited), (key, delay));
        }
        next.tell(Event::Acked { conn: next.conn, request });
    }
    next.waits_for(request_of);
    assert_eq!(next.now.saturating_since(begun_at), secs(34), "a turn of 4 s and one of 30 s");
}

#[test]
fn a_halt_is_a_halt_under_any_policy() {
    let mut run = Run::new(exact());
    run.tell(Event::Start);
    let closure = Closure::peer().verdict(Verdict::Halt);
    run.tell(Event::Closed { conn: run.conn, closure });
    let mut next = run.taken_over(exact().endpoints(3));
    assert_eq!(next.link.phase(), redial::Phase::Halted);
    assert_eq!(next.link.status().halted, run.link.status().halted);
    next.tell(Event::TimerFired);
    assert_eq!(next.link.deadline(), None);
}

#[test]
fn a_delay_longer_than_the_policy_draws_is_cut_to_the_longest_that_it_does() {
    let short = || exact().retry(millis(100), millis(500)).server_delay_max(secs(1));
    let mut slow = Run::new(exact().retry(secs(20), secs(30)));
    slow.tell(Event::Start);
    slow.fails();
    assert_eq!(slow.taken_over(short()).dials().1, millis(500));
    let (_, delay) = slow.taken_over(short().spread(Some(secs(90)))).dials();
    assert_eq!(delay, millis(500), "it was drawn from no spread");

    let mut told = Run::new(exact());
    told.tell(Event::Start);
    let (from, to) = (secs(0).into(), secs(1_000).into());
    let closure = Closure::peer().verdict(Verdict::RetryWithin { from, to });
    told.tell(Event::Closed { conn: told.conn, closure });
    let (_, delay) = told.taken_over(short()).dials();
    assert_eq!(delay, (secs(1) + millis(1)) * 11 / 10, "a server's longest spread, and a tenth");
    let (_, delay) = told.taken_over(short().spread(Some(secs(50)))).dials();
    assert_eq!(delay, secs(55), "the policy's own spread, and a tenth");
}

#[test]
fn a_floor_later_than_a_server_may_ask_for_is_cut_to_one_that_it_may() {
    let mut run = Run::new(exact().retry(secs(20), secs(30)));
    run.tell(Event::Start);
    let closure = Closure::peer().http(503).retry_after(secs(3_600));
    run.tell(Event::Closed { conn: run.conn, closure });
    assert!(run.taken_over(exact()).dials().1 >= secs(3_600));
    let least = || exact().server_delay_max(secs(100));
    let (_, delay) = run.taken_over(least()).dials();
    assert_eq!(delay, secs(110), "and a tenth, over which clients return");
    let (_, delay) = run.taken_over(least().retry(secs(20), secs(30))).dials();
    assert_eq!(delay, secs(130), "and what the ladder would take");
}

#[test]
fn p9_an_endpoint_that_takes_the_place_of_one_that_is_gone_is_left_alone_as_it_asked() {
    let mut run = Run::new(exact().endpoints(2));
    run.tell(Event::Start);
    let closure = Closure::peer().http(503).retry_after(secs(50));
    run.tell(Event::Closed { conn: run.conn, closure });
    assert_eq!(run.dials().0.0, 1);
    run.fails();
    assert_eq!(run.taken_over(exact().endpoints(2)).dials().0.0, 1);
    let mut next = run.taken_over(exact());
    assert_eq!(next.dials().0.0, 0);
    assert!(next.now >= Instant::ZERO.saturating_add(secs(50)), "{:?}", next.now);
}

fn opens(actions: &[Action]) -> bool {
    actions.iter().any(|action| matches!(action, Action::Open { .. }))
}

#[test]
fn p1_an_attempt_that_was_due_waits_for_a_tighter_limit_first() {
    let loose = || exact().attempts(Limit::new(5, secs(10)));
    let mut run = Run::new(loose());
    run.tell(Event::Start);
    run.fails();
    run.now = run.link.deadline().unwrap();
    run.link.handle(run.now, Event::TimerFired).unwrap();
    assert!(opens(&run.taken_over(loose()).drain()), "it is handed out without further ado");
    let mut next = run.taken_over(exact().attempts(Limit::new(1, secs(100))));
    assert!(!opens(&next.drain()));
    next.dials();
    assert!(next.now >= Instant::ZERO.saturating_add(secs(10)), "the first dial's token is back");
}

/// As any other limit: a policy that was put right is to help at once.
#[test]
fn a_limit_of_fresh_sessions_that_has_changed_is_no_emptier_than_empty() {
    const DAY: Duration = secs(86_400);
    let sessions = |limits: &[Limit]| exact().ready_within(Some(secs(10))).fresh_sessions(limits);
    let (daily, often) = (Limit::new(1, DAY), Limit::new(1, secs(5)));
    let mut run = Run::new(sessions(&[daily]));
    run.tell(Event::Start);
    run.fails();
    // On top of a limit lies a draw as long as its interval.
    let same = run.taken_over(sessions(&[daily])).dials().1;
    assert!(same >= DAY, "{same:?}");
    let changed = run.taken_over(sessions(&[often])).dials().1;
    assert!(changed <= secs(10), "{changed:?}");
    let moved = run.taken_over(sessions(&[often, Limit::new(1_000, DAY)])).dials().1;
    assert!(moved <= secs(10), "{moved:?}");
}

#[test]
fn p13_credentials_that_were_asked_for_are_not_asked_for_again() {
    let refreshes = || exact().refresh(Refresh::EveryAttempt);
    let mut run = Run::new(refreshes());
    run.link.handle(run.now, Event::Start).unwrap();
    let ticket_of = |action: &Action| match action {
        Action::RefreshCredentials { ticket } => Some(*ticket),
        _ => None,
    };
    let asked = run.taken_over(refreshes()).drain();
    assert!(asked.iter().any(|it| ticket_of(it).is_some()), "what was owed is asked for at once");
    let ticket = run.drain().iter().find_map(ticket_of).unwrap();
    let mut next = run.taken_over(refreshes());
    assert!(!next.tell(Event::TimerFired).iter().any(|it| ticket_of(it).is_some()));
    assert!(opens(&next.tell(Event::CredentialsReady { ticket, lasts: None })));
}
