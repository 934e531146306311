//! The delays' distribution: uniform on the interval that each kind of jitter promises, at every level
//! up to the cap and beyond, and independent from link to link and from failure to failure (P8).

#![allow(clippy::float_arithmetic, reason = "statistics are about fractions")]

use core::time::Duration;

use redial::{Closure, ConnId, Event, Instant, IoKind, JitterKind, Link, Policy, Seed, Suspension};

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
        assert!((from..=to).contains(&delay), "{jitter:?}, level {}: {delay}", index + 1);
        (delay - from) as f64 / (to - from + 1) as f64
    })
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
fn check_uniform(text: &str, places: impl Fn(u64) -> [f64; LEVELS]) {
    let mut counts = [[0; BINS]; LEVELS];
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
    let secs = |secs: u64| secs * 1_000_000_000;
    let spread = policy(JitterKind::Full).to_builder().spread(Some(Duration::from_secs(60)));
    let spread = spread.build().expect("a right policy");
    let place = |delay: u64, (from, to): (u64, u64)| {
        assert!((from..=to).contains(&delay), "{delay} is not in {from} to {to}");
        (delay - from) as f64 / (to - from + 1) as f64
    };
    check_uniform("spread", |seed| {
        let delays = delays(spread, seed);
        let within = |index| if index == 0 { (0, secs(60)) } else { (secs(54), secs(66)) };
        core::array::from_fn(|index| place(delays[index], within(index)))
    });
    let [shortest, longest] = [40, 90].map(Duration::from_secs);
    let suspension = Some(Suspension::new(Duration::from_millis(1), shortest, longest));
    let outage = policy(JitterKind::Full).to_builder().suspend(suspension);
    let outage = outage.build().expect("a right policy");
    check_uniform("outage", |seed| {
        // The first delay is the ladder's: nothing lasted yet.
        let delays = delays(outage, seed);
        core::array::from_fn(|index| place(delays[index.max(1)], (secs(40), secs(90))))
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

#[test]
fn a_first_retry_is_uniform_within_its_window() {
    let mut counts = [0; BINS];
    let within = Duration::from_secs(1).as_nanos() as f64;
    for seed in 0..SEEDS {
        let mut link = Link::new(Policy::new(), Seed::from_u64(seed));
        let mut now = Instant::ZERO;
        link.handle(now, Event::Start).expect("no misuse");
        while link.poll_action(now).is_some() {}
        let conn = ConnId::new(1);
        link.handle(now, Event::Opened { conn }).expect("no misuse");
        now = now.saturating_add(Duration::from_secs(14));
        link.handle(now, Event::Received { conn }).expect("no misuse");
        now = now.saturating_add(Duration::from_secs(17));
        link.handle(now, Event::Received { conn }).expect("no misuse");
        let closure = Closure::unknown().io(IoKind::Reset);
        link.handle(now, Event::Closed { conn, closure }).expect("no misuse");
        let until = link.status().until.expect("it waits");
        counts[bin(until.saturating_since(now).as_nanos() as f64 / within, BINS)] += 1;
    }
    let statistic = chi_squared(&counts);
    assert!(statistic < critical(BINS), "{statistic:.1}, {counts:?}");
}
