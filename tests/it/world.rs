//! Random worlds: every promise, under everything that may go wrong.
//!
//! `REDIAL_SEEDS=10000 cargo test --release --test it world` runs more of them; `REDIAL_SEED=42`
//! runs one. A failure prints its seed, its step and what led to it.

use core::time::Duration;

use redial::{
    FirstPing, Heartbeat, JitterKind, Limit, NetworkDown, OnResume, Pings, Policy, PolicyBuilder,
    Refresh, Rotation, Rule, Suspension, Verdict, WhenDegraded,
};
use redial_sim::{Faults, Looping, Prompt, Summary, World};

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

pub(crate) fn seeds(default: u64) -> core::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    match number("REDIAL_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("REDIAL_SEEDS").unwrap_or(default),
    }
}

const STEPS: u64 = 1_500;

/// Worlds of one policy under all faults, each calmed at its end. What they went through is
/// printed, and must be enough to mean something.
#[track_caller]
fn worlds(policy: PolicyBuilder, faults: Faults) -> Summary {
    let policy = policy.build().expect("the policy is valid");
    let mut sum = Summary::default();
    for seed in seeds(20) {
        let mut world = World::builder(policy).seed(seed).faults(faults).build();
        world.run(STEPS).unwrap_or_else(|failure| panic!("{failure}"));
        let one = world.calm().unwrap_or_else(|failure| panic!("{failure}"));
        sum += one;
    }
    println!("{sum}");
    assert!(sum.lives > 0, "no world ever got live: {sum}");
    sum
}

#[test]
fn the_defaults() {
    let sum = worlds(Policy::builder(), Faults::all());
    assert!(sum.stats.settled > 0 && sum.stats.silences > 0, "{sum}");
    assert!(sum.stats.stale_events > 0 && sum.stats.late_wakeups > 0, "{sum}");
}

#[test]
fn the_defaults_in_a_calm_world_with_restless_subscribers() {
    worlds(Policy::builder(), Faults { meddles: 60, ..Faults::none() });
}

#[test]
fn a_server_that_drops_everyone() {
    worlds(Policy::builder(), Faults { falls: 95, dial_fails: 50, ..Faults::all() });
}

#[test]
fn a_server_that_answers_badly() {
    let faults = Faults {
        refuses_for_now: 25,
        refuses_for_good: 5,
        forgets: 15,
        forgets_answer: 15,
        answers_late: 15,
        answers_twice: 30,
        falls: 5,
        ..Faults::all()
    };
    let sum = worlds(Policy::builder(), faults);
    assert!(sum.degraded > 0, "{sum}");
}

#[test]
fn tiny_limits() {
    let policy = Policy::builder()
        .attempts(Limit::new(1, secs(20)))
        .attempts_long(Some(Limit::new(3, secs(300))));
    worlds(policy, Faults::all());
}

#[test]
fn each_kind_of_jitter() {
    let kinds = [
        JitterKind::Equal,
        JitterKind::Decorrelated,
        JitterKind::Phase,
        JitterKind::Proportional { percent: 20 },
    ];
    for kind in kinds {
        worlds(Policy::builder().jitter(kind).retry(millis(200), secs(8)), Faults::all());
    }
}

#[test]
fn a_table_of_delays() {
    let policy = Policy::builder().growth_table(&[secs(1), secs(2), secs(10)]);
    worlds(policy, Faults::all());
}

#[test]
fn a_spread() {
    worlds(Policy::builder().spread(Some(secs(60))), Faults::all());
}

#[test]
fn an_application_handshake() {
    worlds(Policy::builder().ready_within(Some(secs(5))), Faults::all());
}

#[test]
fn one_request_at_a_time() {
    worlds(Policy::builder().window(1).ack_within(secs(3)), Faults::all());
}

#[test]
fn a_pace() {
    worlds(Policy::builder().pace(Some(Limit::new(2, millis(700)))), Faults::all());
}

#[test]
fn giving_up() {
    let policy = Policy::builder().give_up_attempts(Some(4)).give_up_outage(Some(secs(120)));
    let sum = worlds(policy, Faults::all());
    assert!(sum.halts > 0, "{sum}");
}

#[test]
fn giving_up_the_first_connection_sooner() {
    let policy = Policy::builder().give_up_first_attempts(Some(2));
    worlds(policy, Faults { dial_fails: 50, ..Faults::all() });
}

#[test]
fn no_heartbeat() {
    worlds(Policy::builder().heartbeat(None), Faults { goes_silent: 0, ..Faults::all() });
}

#[test]
fn pings_whatever_arrives() {
    let heartbeat = Heartbeat::new(secs(7), secs(4)).pings(Pings::Always);
    worlds(Policy::builder().heartbeat(Some(heartbeat.first(FirstPing::Jittered))), Faults::all());
}

#[test]
fn a_reconnect_for_a_key_that_was_given_up() {
    let policy = Policy::builder().when_degraded(WhenDegraded::Reconnect).timeouts(2);
    let faults = Faults { refuses_for_now: 25, forgets: 20, ..Faults::all() };
    worlds(policy, faults);
}

#[test]
fn a_probe_in_place_of_a_drop() {
    worlds(Policy::builder().network_down(NetworkDown::Probe), Faults::all());
}

#[test]
fn rules() {
    let policy = Policy::builder()
        .rule(Rule::code(1006, 1008, Verdict::RetrySoon))
        .rule(Rule::http(500, 599, Verdict::Reauthenticate))
        .rejections(2);
    worlds(policy, Faults::all());
}

/// Credentials are fetched before every attempt.
const fn with_credentials(policy: PolicyBuilder) -> PolicyBuilder {
    policy.refresh(Refresh::EveryAttempt).refresh_within(secs(3)).rejections(4)
}

/// The server keeps sessions, and bounds fresh ones twice.
const fn with_sessions(policy: PolicyBuilder) -> PolicyBuilder {
    policy
        .ready_within(Some(secs(5)))
        .resume_failures(2)
        .fresh_sessions(&[Limit::new(1, secs(5)), Limit::new(20, secs(300))])
}

const fn with_endpoints(policy: PolicyBuilder) -> PolicyBuilder {
    policy.endpoints(3).quarantine(secs(2), secs(60)).prefer_first_after(secs(20))
}

const fn with_suspend(policy: PolicyBuilder) -> PolicyBuilder {
    policy.suspend(Some(Suspension::new(secs(40), secs(30), secs(90))))
}

const fn with_rotation(policy: PolicyBuilder) -> PolicyBuilder {
    policy.rotate(Some(Rotation::new(secs(40), secs(20), secs(8)))).attempts(Limit::new(5, secs(6)))
}

/// The whole contract at once.
const fn with_all(policy: PolicyBuilder) -> PolicyBuilder {
    with_rotation(with_suspend(with_endpoints(with_sessions(with_credentials(policy)))))
}

/// Everything goes wrong, and connections live long enough to be replaced.
const LASTING: Faults =
    Faults { falls: 12, goes_silent: 5, clock_jumps: 0, dial_fails: 10, ..Faults::all() };

#[test]
fn credentials_before_every_attempt() {
    let sum = worlds(with_credentials(Policy::builder()), Faults::all());
    assert!(sum.refreshes > 0, "{sum}");
}

#[test]
fn credentials_after_a_rejection() {
    let policy = with_credentials(Policy::builder()).refresh(Refresh::OnRejection);
    let sum = worlds(policy, Faults { rejects: 15, ..LASTING });
    assert!(sum.refreshes > 0, "{sum}");
}

#[test]
fn credentials_that_are_never_fetched() {
    let sum = worlds(Policy::builder().rejections(2), Faults { rejects: 30, ..Faults::all() });
    assert!(sum.refreshes == 0 && sum.halts > 0, "{sum}");
}

#[test]
fn sessions() {
    let sum = worlds(with_sessions(Policy::builder()), Faults::all());
    assert!(sum.resumed > 0 && sum.lost > 0, "{sum}");
}

#[test]
fn sessions_that_keep_the_subscriptions() {
    let policy = with_sessions(Policy::builder()).on_resume(OnResume::Kept);
    let sum = worlds(policy, Faults { meddles: 40, ..Faults::all() });
    assert!(sum.resumed > 0 && sum.lost > 0, "{sum}");
}

#[test]
fn three_endpoints() {
    let sum = worlds(with_endpoints(Policy::builder()), Faults::all());
    assert!(sum.failovers > 0, "{sum}");
}

#[test]
fn a_suspend_phase() {
    let sum = worlds(with_suspend(Policy::builder()), Faults { dial_fails: 70, ..Faults::all() });
    assert!(sum.suspended > 0, "{sum}");
}

#[test]
fn rotation() {
    let sum = worlds(with_rotation(Policy::builder()), LASTING);
    assert!(sum.stats.rotations > 0 && sum.stats.rotations_failed > 0, "{sum}");
    assert!(sum.promoted > 0, "{sum}");
}

#[test]
fn rotation_with_slow_subscriptions() {
    let policy = with_rotation(Policy::builder()).window(2).pace(Some(Limit::new(2, millis(600))));
    let faults = Faults { refuses_for_now: 15, forgets: 10, meddles: 40, ..LASTING };
    let sum = worlds(policy, faults);
    assert!(sum.stats.rotations > 0 && sum.stats.rotations_failed > 0, "{sum}");
}

#[test]
fn everything_at_once() {
    let sum = worlds(with_all(Policy::builder()), LASTING);
    assert!(sum.stats.rotations > 0 && sum.resumed > 0 && sum.failovers > 0, "{sum}");
    worlds(with_all(Policy::builder()).on_resume(OnResume::Kept), Faults::all());
}

#[test]
fn other_drivers() {
    for seed in seeds(10) {
        let world = || World::builder(Policy::new()).seed(seed).faults(Faults::all());
        let fails = |failure| panic!("{failure}");
        world().driver(Prompt::default()).build().run(STEPS).unwrap_or_else(fails);
        world().driver(Looping).build().run(STEPS).unwrap_or_else(fails);
    }
}

#[test]
fn the_same_seed_makes_the_same_world() {
    let run = |seed| {
        let mut world = World::builder(Policy::new()).seed(seed).faults(Faults::all()).build();
        let summary = world.run(STEPS).unwrap_or_else(|failure| panic!("{failure}"));
        let log: Vec<String> = world.link().judge().log().collect();
        (summary, log)
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7), run(8));
}
