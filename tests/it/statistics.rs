//! The draws' distribution. Delays are uniform on the interval that each kind of jitter promises, at
//! every level up to the cap and beyond, and independent from link to link and from failure to failure
//! (P8). So is what lies on top of a limit or a floor, and when a connection is moved or pinged: without
//! these draws a fleet that fell together would rise together.

#![allow(clippy::float_arithmetic, reason = "statistics are about fractions")]

use core::time::Duration;

use redial::{
    Action, Closure, ConnId, Event, FirstPing, Heartbeat, Instant, IoKind, JitterKind, Limit, Link,
    Millis, Policy, PolicyBuilder, Rotation, Seed, Suspension, WaitsFor,
};

const SEEDS: u64 = 10_000;
/// The ladder doubles from 0.5 s and ends at 30 s: level 7 is the first at the cap.
const LEVELS: usize = 9;
const SHORTEST: u64 = 500_000_000;
const LONGEST: u64 = 30_000_000_000;

fn policy(jitter: JitterKind) -> Policy {
    Policy::builder().jitter(jitter).dangerously_no_attempt_limit().build().expect("a right policy")
}

/// The delays after 1 to `LEVELS` failures in a row, in nanoseconds.
fn delays(policy: Policy, seed: u64) -> [u64; LEVELS] {
    let mut link = Link::new(policy, Seed::from_u64(seed));
    let mut now = Instant::ZERO;
    link.handle(now, Event::Start).expect("no misuse");
    let mut conn = 0;
    core::array::from_fn(|_| {
        while link.poll_action(now).is_some() {}
        conn += 1;
        let closure = Closure::unknown().io(IoKind::Refused);
        link.handle(now, Event::Closed { conn: ConnId::new(conn), closure }).expect("no misuse");
        let until = link.status().until.expect("it waits");
        let delay = until.saturating_since(now);
        now = until;
        link.handle(now, Event::TimerFired).expect("no misuse");
        u64::try_from(delay.as_nanos()).expect("it is below 584 years")
    })
}

/// The interval of the delay at `level`, from 1, as its source defines it; `previous` is the delay
/// before.
fn interval(jitter: JitterKind, level: usize, previous: u64) -> (u64, u64) {
    let bound = (SHORTEST << level).min(LONGEST);
    let (from, to) = match jitter {
        JitterKind::Full => (SHORTEST, bound),
        JitterKind::Equal => (bound / 2, bound),
        JitterKind::Decorrelated => (SHORTEST, (3 * previous).min(LONGEST)),
        // The first delay at the cap is as the ones before, the later ones keep their phase.
        JitterKind::Phase if level > 6 => (LONGEST / 5 * 4, LONGEST),
        JitterKind::Phase => (SHORTEST, bound),
        JitterKind::Proportional { percent } => {
            let percent = u64::from(percent);
            (bound * (100 - percent) / (100 + percent), bound)
        }
        _ => panic!("a kind of jitter without a source"),
    };
    (from.max(SHORTEST), to)
}

/// Where in their intervals the delays of one seed lie, as fractions.
fn places(jitter: JitterKind, seed: u64) -> [f64; LEVELS] {
    let delays = delays(policy(jitter), seed);
    core::array::from_fn(|index| {
        let previous = index.checked_sub(1).map_or(SHORTEST, |before| delays[before]);
        let (from, to) = interval(jitter, index + 1, previous);
        let delay = delays[index];
        place(delay, (from, to))
    })
}

/// Where in its interval a delay lies, as a fraction.
fn place(delay: u64, (from, to): (u64, u64)) -> f64 {
    assert!((from..=to).contains(&delay), "{delay} is not in {from} to {to}");
    (delay - from) as f64 / (to - from + 1) as f64
}

const fn secs(secs: u64) -> u64 {
    secs * 1_000_000_000
}

const KINDS: [JitterKind; 6] = [
    JitterKind::Full,
    JitterKind::Equal,
    JitterKind::Decorrelated,
    JitterKind::Phase,
    JitterKind::Proportional { percent: 20 },
    JitterKind::Proportional { percent: 100 },
];

/// Pearson's statistic of `counts` against equal shares.
fn chi_squared(counts: &[u32]) -> f64 {
    let total: u32 = counts.iter().sum();
    let expected = f64::from(total) / counts.len() as f64;
    counts.iter().map(|count| (f64::from(*count) - expected).powi(2) / expected).sum()
}

/// What the statistic of uniform counts in so many bins exceeds once in a million times.
///
/// It is distributed as chi-squared with one degree of freedom less than there are bins, k, and the
/// cube root of chi-squared / k is nearly normal, with mean 1 - 2/(9k) and variance 2/(9k) (Wilson and
/// Hilferty, PNAS 17, 1931). A normal draw lies above 4.75 standard deviations once in a million times.
/// For 20 bins that is 64, for 100 bins 181; jitter that is lost gives 190 000.
fn critical(bins: usize) -> f64 {
    let freedom = (bins - 1) as f64;
    let spread = 2.0 / (9.0 * freedom);
    freedom * (1.0 - spread + 4.75 * spread.sqrt()).powi(3)
}

const BINS: usize = 20;

fn bin(place: f64, bins: usize) -> usize {
    ((place * bins as f64) as usize).min(bins - 1)
}

/// Over all seeds, the delays of a level fall into each bin as often as into any other.
fn check_uniform<const N: usize>(text: &str, places: impl Fn(u64) -> [f64; N]) {
    let mut counts = [[0; BINS]; N];
    for seed in 0..SEEDS {
        for (level, place) in places(seed).into_iter().enumerate() {
            counts[level][bin(place, BINS)] += 1;
        }
    }
    for (level, counts) in counts.iter().enumerate() {
        let statistic = chi_squared(counts);
        let text = format!("{text}, level {}: {statistic:.1}, {counts:?}", level + 1);
        assert!(statistic < critical(BINS), "{text}");
    }
}

#[test]
fn p8_delays_are_uniform_on_their_interval_at_every_level_and_at_the_cap() {
    for jitter in KINDS {
        check_uniform(&format!("{jitter:?}"), |seed| places(jitter, seed));
    }
}

#[test]
fn p8_delays_of_a_spread_and_of_a_long_outage_are_uniform() {
    let spread = policy(JitterKind::Full).to_builder().spread(Some(Duration::from_secs(60)));
    let spread = spread.build().expect("a right policy");
    check_uniform("spread", |seed| {
        let delays = delays(spread, seed);
        let within = |index| if index == 0 { (0, secs(60)) } else { (secs(54), secs(66)) };
        core::array::from_fn::<_, LEVELS, _>(|index| place(delays[index], within(index)))
    });
    let [shortest, longest] = [40, 90].map(Duration::from_secs);
    let suspension = Some(Suspension::new(Duration::from_millis(1), shortest, longest));
    let outage = policy(JitterKind::Full).to_builder().suspend(suspension);
    let outage = outage.build().expect("a right policy");
    check_uniform("outage", |seed| {
        // The first delay is the ladder's: nothing lasted yet.
        let delays = delays(outage, seed);
        core::array::from_fn::<_, LEVELS, _>(|index| {
            place(delays[index.max(1)], (secs(40), secs(90)))
        })
    });
}

const SIDE: usize = 10;

/// Pairs of places fall into each square as often as into any other. No place is in two pairs, or
/// the statistic is not chi-squared.
fn check_independent(text: &str, pairs: impl Iterator<Item = (f64, f64)>) {
    let mut counts = [0; SIDE * SIDE];
    for (one, next) in pairs {
        counts[bin(one, SIDE) * SIDE + bin(next, SIDE)] += 1;
    }
    let statistic = chi_squared(&counts);
    assert!(statistic < critical(SIDE * SIDE), "{text}: {statistic:.1}, {counts:?}");
}

/// Links of one fleet may have seeds that follow each other.
#[test]
fn p8_delays_are_independent_between_links_and_between_failures() {
    for jitter in KINDS {
        let all: Vec<_> = (0..SEEDS).map(|seed| places(jitter, seed)).collect();
        for level in [0, LEVELS - 1] {
            let pairs = all.chunks_exact(2).map(|links| (links[0][level], links[1][level]));
            check_independent(&format!("{jitter:?}, links, level {}", level + 1), pairs);
        }
        // At the cap a phase is kept: that is what it is for.
        if jitter != JitterKind::Phase {
            let pairs =
                all.iter().flat_map(|places| places.chunks_exact(2).map(|it| (it[0], it[1])));
            check_independent(&format!("{jitter:?}, failures"), pairs);
        }
    }
}

/// A link that was started and has handed out its first `Open`.
struct Tale {
    link: Link,
    now: Instant,
    conn: ConnId,
}

impl Tale {
    fn new(policy: PolicyBuilder, seed: u64) -> Self {
        let link = Link::new(policy.build().expect("a right policy"), Seed::from_u64(seed));
        let mut tale = Self { link, now: Instant::ZERO, conn: ConnId::new(0) };
        tale.tell(Event::Start);
        tale.acts();
        tale
    }

    fn tell(&mut self, event: Event) {
        self.link.handle(self.now, event).expect("no misuse");
    }

    fn pass(&mut self, span: u64) {
        self.now = self.now.saturating_add(Duration::from_nanos(span));
    }

    fn open(&mut self) {
        self.tell(Event::Opened { conn: self.conn });
    }

    fn fail(&mut self, closure: Closure) {
        self.tell(Event::Closed { conn: self.conn, closure });
    }

    /// Ready, and alive for so long that it settled.
    fn settle(&mut self) {
        self.open();
        for span in [14, 17] {
            self.pass(secs(span));
            self.tell(Event::Received { conn: self.conn });
        }
    }

    /// How long it takes, with nothing but the timer, until it dials, closes or pings.
    fn acts(&mut self) -> u64 {
        let since = self.now;
        for _ in 0..8 {
            let (now, conn) = (self.now, &mut self.conn);
            let mut acted = false;
            for action in core::iter::from_fn(|| self.link.poll_action(now)) {
                if let Action::Open { conn: dialled, .. } = action {
                    *conn = dialled;
                }
                acted |= matches!(
                    action,
                    Action::Open { .. } | Action::Close { .. } | Action::Ping { .. }
                );
            }
            if acted {
                let delay = self.now.saturating_since(since);
                return u64::try_from(delay.as_nanos()).expect("it is below 584 years");
            }
            self.now = self.link.deadline().expect("something is due");
            self.tell(Event::TimerFired);
        }
        panic!("it never acts: {:?}", self.link.status());
    }
}

/// A policy under which nothing happens by itself but retries.
fn quiet() -> PolicyBuilder {
    policy(JitterKind::Full).to_builder().heartbeat(None)
}

/// What `tale` tells of a link with each seed is uniform within the interval.
fn check_tale(
    text: &str,
    policy: PolicyBuilder,
    within: (u64, u64),
    tale: impl Fn(&mut Tale) -> u64,
) {
    check_uniform(text, |seed| [place(tale(&mut Tale::new(policy, seed)), within)]);
}

#[test]
fn p8_a_first_retry_is_uniform_within_its_window() {
    check_tale("first retry", quiet(), (0, secs(1)), |tale| {
        tale.settle();
        tale.fail(Closure::unknown().io(IoKind::Reset));
        tale.acts()
    });
}

/// The first attempt takes a limit's only token: the next one comes within an interval of the release.
#[test]
fn p8_what_a_limit_releases_is_uniform_over_its_interval() {
    let (one, many) =
        (Limit::new(1, Duration::from_secs(100)), Limit::new(50, Duration::from_secs(1)));
    let sessions = |limits: &[Limit]| {
        quiet().ready_within(Some(Duration::from_secs(10))).fresh_sessions(limits)
    };
    let limits = [
        ("attempts", quiet().attempts(one), WaitsFor::Limit),
        ("attempts_long", quiet().attempts(many).attempts_long(Some(one)), WaitsFor::Limit),
        ("fresh sessions", sessions(&[one]), WaitsFor::SessionLimit),
        ("the second limit of fresh sessions", sessions(&[many, one]), WaitsFor::SessionLimit),
    ];
    for (text, policy, waits_for) in limits {
        check_tale(text, policy, (secs(100), secs(200)), |tale| {
            tale.fail(Closure::unknown().io(IoKind::Refused));
            assert_eq!(tale.link.status().waits_for, Some(waits_for), "{text}");
            tale.acts()
        });
    }
}

/// The draw on top of a floor is as wide as the ladder at that level, or a tenth of the floor.
#[test]
fn p9_what_a_floor_releases_is_uniform_over_the_ladder_or_a_tenth_of_the_floor() {
    let patience = |floor| Closure::peer().http(503).retry_after(Duration::from_nanos(floor));
    let cases = [
        ("level 0", false, (secs(5), secs(6))),
        ("level 0, a long floor", false, (secs(100), secs(110))),
        ("level 4", true, (secs(9), secs(17))),
        ("level 4, a long floor", true, (secs(100), secs(110))),
    ];
    for (text, failed, within) in cases {
        check_tale(text, quiet(), within, |tale| {
            if failed {
                for _ in 0..3 {
                    tale.fail(Closure::unknown().io(IoKind::Refused));
                    tale.acts();
                }
            } else {
                tale.settle();
            }
            tale.fail(patience(within.0));
            assert_eq!(tale.link.status().waits_for, Some(WaitsFor::Floor), "{text}");
            tale.acts()
        });
    }
}

const ROTATION: Rotation =
    Rotation::new(Duration::from_secs(1_000), Duration::from_secs(600), Duration::from_secs(30));

/// Half of what the server gives, or the window of a first retry if that is longer, with a successor
/// and without.
#[test]
fn a_move_is_uniform_over_half_of_what_the_server_gives() {
    for rotation in [None, Some(ROTATION)] {
        for (within, latest) in [(60_000, secs(30)), (1_000, secs(1)), (0, secs(1))] {
            let text = format!("{rotation:?}, within {within} ms");
            check_tale(&text, quiet().rotate(rotation), (0, latest), |tale| {
                tale.open();
                tale.tell(Event::GoAway { conn: tale.conn, within: Millis::new(within) });
                tale.acts()
            });
        }
    }
}

#[test]
fn a_rotation_is_uniform_over_its_jitter_each_time() {
    let within = (secs(400), secs(1_000));
    check_uniform("rotation", |seed| {
        let mut tale = Tale::new(quiet().rotate(Some(ROTATION)), seed);
        tale.open();
        let old = tale.conn;
        let first = tale.acts();
        tale.open();
        tale.tell(Event::Closed { conn: old, closure: Closure::local() });
        [first, tale.acts()].map(|delay| place(delay, within))
    });
}

/// A rotation leaves a token for a loss. It comes within an interval of when there are two.
#[test]
fn a_rotation_that_a_limit_releases_is_uniform_over_its_interval() {
    let limit = Limit::new(2, Duration::from_secs(100));
    let policy = quiet().attempts(limit).rotate(Some(ROTATION));
    check_tale("rotation at its limit", policy, (secs(100), secs(200)), |tale| {
        tale.open();
        tale.tell(Event::Rotate);
        tale.acts()
    });
}

#[test]
fn what_a_fleet_does_together_is_uniform_over_a_window() {
    let window = Duration::from_secs(10);
    let after_start = quiet().start_within(window);
    check_uniform("start", |seed| {
        [place(Tale::new(after_start, seed).now.as_nanos(), (0, secs(10)))]
    });
    check_tale("resume", quiet(), (0, secs(1)), |tale| {
        tale.fail(Closure::unknown().io(IoKind::Refused));
        tale.tell(Event::Pause);
        tale.pass(secs(100));
        tale.tell(Event::Resume);
        tale.acts()
    });
    let heartbeat = Heartbeat::new(Duration::from_secs(20), window).first(FirstPing::Jittered);
    check_tale("first ping", quiet().heartbeat(Some(heartbeat)), (0, secs(20)), |tale| {
        tale.open();
        tale.acts()
    });
}
