//! What a policy may say.

#[cfg(all(feature = "arbitrary", feature = "serde"))]
mod any;
mod edges;
#[cfg(feature = "serde")]
mod words;

use core::time::Duration;

use redial::{
    FirstPing, Heartbeat, JitterKind, Limit, Pings, Policy, Rotation, Rule, Suspension, Verdict,
};
#[cfg(feature = "serde")]
use redial::{OnResume, Refresh};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Each single validation, by a policy that is wrong in one field only.
#[test]
fn each_wrong_field_is_named() {
    let table = [ms(600); 17];
    let limit = Limit::new(1, ms(5_000));
    let rotation = Some(Rotation::new(ms(9), ms(3), ms(5)));
    let years = |years: u64| Duration::from_secs(years * 365 * 24 * 3_600);
    let cases = [
        ("retry.shortest", Policy::builder().retry(ms(0), ms(30_000))),
        ("retry.longest", Policy::builder().retry(ms(500), ms(500))),
        ("retry.growth must", Policy::builder().growth(1, 1)),
        ("retry.growth must", Policy::builder().growth(2, 0)),
        ("retry.growth.table", Policy::builder().growth_table(&[])),
        ("retry.growth.table", Policy::builder().growth_table(&[ms(900), ms(800)])),
        ("retry.growth.table", Policy::builder().growth_table(&table)),
        ("retry.jitter", Policy::builder().jitter(JitterKind::Proportional { percent: 0 })),
        ("retry.first_within", Policy::builder().first_within(ms(0))),
        ("attempts.burst", Policy::builder().attempts(Limit::new(0, ms(1_000)))),
        ("attempts_long.interval", Policy::builder().attempts_long(Some(Limit::new(9, ms(5_000))))),
        ("attempts.burst", Policy::builder().attempts(Limit::new(101, years(1)))),
        ("attempts_long.burst", Policy::builder().attempts_long(Some(Limit::new(11, years(10))))),
        ("subscriptions.pace.burst", Policy::builder().pace(Some(Limit::new(0, ms(9))))),
        ("subscriptions.pace.interval", Policy::builder().pace(Some(Limit::new(1, ms(0))))),
        ("retry.growth must", Policy::builder().growth(4_000_000_000, 3_000_000_000)),
        ("retry.spread", Policy::builder().spread(Some(ms(0)))),
        ("attempts.interval", Policy::builder().attempts(Limit::new(1, ms(0)))),
        ("give_up.attempts", Policy::builder().give_up_attempts(Some(0))),
        ("give_up.first_attempts", Policy::builder().give_up_first_attempts(Some(0))),
        ("give_up.outage", Policy::builder().give_up_outage(Some(ms(0)))),
        ("settle_after", Policy::builder().settle_after(ms(0))),
        ("start_within", Policy::builder().start_within(years(11))),
        ("open_within", Policy::builder().open_within(ms(0))),
        ("ready_within", Policy::builder().ready_within(Some(ms(0)))),
        ("close_within", Policy::builder().close_within(ms(0))),
        ("heartbeat.dead_after", Policy::builder().heartbeat(Some(Heartbeat::new(ms(5), ms(0))))),
        ("late_by", Policy::builder().late_by(years(11))),
        ("server_delay_max", Policy::builder().server_delay_max(ms(999))),
        ("suspend.after", Policy::builder().suspend(Some(Suspension::new(ms(0), ms(1), ms(2))))),
        ("suspend.longest", Policy::builder().suspend(Some(Suspension::new(ms(1), ms(2), ms(2))))),
        ("credentials.within", Policy::builder().refresh_within(ms(0))),
        ("credentials.rejections", Policy::builder().rejections(0)),
        ("sessions.resume_failures", Policy::builder().resume_failures(0)),
        (
            "sessions.fresh must be limits",
            Policy::builder().fresh_sessions(&[Limit::new(0, ms(9))]),
        ),
        (
            "sessions.fresh must be limits",
            Policy::builder().fresh_sessions(&[limit, Limit::new(1, ms(0))]),
        ),
        ("sessions.fresh must be at most 2", Policy::builder().fresh_sessions(&[limit; 3])),
        ("endpoints.count", Policy::builder().endpoints(0)),
        ("endpoints.count", Policy::builder().endpoints(9)),
        ("endpoints.quarantine", Policy::builder().quarantine(ms(0), ms(2))),
        ("endpoints.quarantine", Policy::builder().quarantine(ms(2), ms(2))),
        ("endpoints.prefer_first_after", Policy::builder().prefer_first_after(ms(0))),
        ("rotate.after", Policy::builder().rotate(Some(Rotation::new(years(11), ms(1), ms(1))))),
        ("rotate.jitter", Policy::builder().rotate(Some(Rotation::new(ms(1), ms(0), ms(1))))),
        ("rotate.jitter", Policy::builder().rotate(Some(Rotation::new(ms(1), ms(2), ms(1))))),
        ("rotate.overlap", Policy::builder().rotate(Some(Rotation::new(ms(1), ms(1), ms(0))))),
        ("rotate needs", Policy::builder().rotate(rotation).attempts(Limit::new(1, ms(10_000)))),
        (
            "rotate needs",
            Policy::builder().rotate(rotation).attempts_long(Some(Limit::new(1, years(1)))),
        ),
        ("subscriptions.ack_within", Policy::builder().ack_within(ms(0))),
        ("heartbeat.ping_after", Policy::builder().heartbeat(Some(Heartbeat::new(ms(0), ms(5))))),
        ("subscriptions.window", Policy::builder().window(0)),
        ("subscriptions.retry", Policy::builder().subscription_retry(ms(1), ms(257))),
        ("subscriptions.timeouts", Policy::builder().timeouts(256)),
        ("rules[0]", Policy::builder().rule(Rule::code(999, 1000, Verdict::Halt))),
    ];
    for (field, builder) in cases {
        let error = builder.build().expect_err(field).to_string();
        assert!(error.starts_with(field) && !error.contains(';'), "{field}: {error}");
    }
}

#[test]
fn all_wrong_fields_are_named_at_once() {
    let mut builder = Policy::builder().retry(ms(9), ms(8)).window(0).rejections(0);
    for _ in 0..17 {
        builder = builder.rule(Rule::http(600, 500, Verdict::Halt));
    }
    let error = builder.build().unwrap_err().to_string();
    for field in ["retry.longest", "subscriptions.window", "credentials.rejections", "rules[15]"] {
        assert!(error.contains(field), "{field} is missing in: {error}");
    }
    assert!(error.contains("rules must be at most 16"), "{error}");
}

#[test]
fn the_defaults_keep_their_promises() {
    let policy = Policy::new();
    assert_eq!(Policy::builder().build(), Ok(policy));
    assert_eq!(policy.attempts_within(ms(60_000)), Some(11));
    assert_eq!(policy.detection_max(), Some(ms(25_000)));
    assert_eq!(policy.delay_range(0), ms(0)..=ms(1_000));
    assert_eq!(policy.delay_range(1), ms(500)..=ms(1_000));
    assert_eq!(policy.delay_range(9), ms(500)..=ms(30_000));
    assert_eq!(policy.delay_range(u32::MAX), ms(500)..=ms(30_000));
}

#[test]
fn a_heartbeat_reads_back() {
    let said = Heartbeat::new(ms(7), ms(4)).pings(Pings::Always).first(FirstPing::Jittered);
    let read = Policy::builder().heartbeat(Some(said)).build().unwrap().heartbeat().unwrap();
    assert_eq!((read.ping_after(), read.dead_after()), (ms(7), ms(4)));
    assert_eq!((read.sends(), read.first_ping()), (Pings::Always, FirstPing::Jittered));
}

#[test]
fn danger_has_a_name() {
    let still = Policy::builder().dangerously_no_jitter().build().unwrap();
    assert_eq!(still.delay_range(1), ms(1_000)..=ms(1_000));
    let endless = Policy::builder().dangerously_no_attempt_limit().build().unwrap();
    assert_eq!(endless.attempts_within(ms(1)), None);
    let zero = Policy::builder().dangerously_zero_delay().retry(ms(0), ms(1)).first_within(ms(0));
    zero.build().unwrap();
}

#[cfg(feature = "serde")]
mod file {
    use super::*;

    const DEFAULTS: &str = r#"{
      "retry": { "shortest": "500ms", "longest": "30s", "growth": [2, 1], "jitter": "full",
                 "first_within": "1s", "spread": null },
      "attempts": { "burst": 5, "interval": "10s" }, "attempts_long": null,
      "give_up": { "attempts": null, "outage": null, "first_attempts": null },
      "settle_after": "30s", "start_within": "0s",
      "open_within": "10s", "ready_within": null, "close_within": "3s",
      "heartbeat": { "ping_after": "15s", "dead_after": "10s", "pings": "when_silent",
                     "first": "fixed" },
      "late_by": "5s", "server_delay_max": "1h", "network_down": "drop", "suspend": null,
      "credentials": { "when": "never", "within": "10s", "rejections": 3 },
      "sessions": { "resume_failures": 3, "fresh": [], "subscriptions": "replay" },
      "endpoints": { "count": 1, "quarantine": ["5s", "5m"], "prefer_first_after": "1m" },
      "subscriptions": { "window": 100, "pace": null, "ack_within": "10s", "retry": ["1s", "30s"],
                         "timeouts": 3, "when_degraded": "keep" },
      "rotate": null, "rules": [] }"#;

    #[test]
    fn p8_a_share_of_ten_years_is_no_less_than_said() {
        let years = Duration::from_secs(10 * 365 * 24 * 3_600);
        let policy = Policy::builder()
            .retry(ms(1), years)
            .growth_table(&[years])
            .jitter(JitterKind::Proportional { percent: 1 });
        let range = policy.build().unwrap().delay_range(1);
        assert_eq!(range, years * 99 / 101..=years);
    }

    #[test]
    fn the_defaults_as_a_file() {
        assert_eq!(serde_json::from_str::<Policy>("{}").unwrap(), Policy::new());
        assert_eq!(serde_json::from_str::<Policy>(DEFAULTS).unwrap(), Policy::new());
    }

    /// What the defaults leave out, as a file and as the builder says it.
    #[test]
    fn what_is_null_by_default_as_a_file() {
        let text = r#"{
          "suspend": { "after": "5m", "shortest": "30s", "longest": "2m" },
          "rotate": { "after": "23h", "jitter": "30m", "overlap": "30s" },
          "subscriptions": { "pace": { "burst": 5, "interval": "200ms" } },
          "rules": [{ "code": [4000, 4099], "verdict": "halt" },
                    { "http": [500, 599], "verdict": { "retry_within": ["5s", "30s"] } }],
          "credentials": { "when": "every_attempt" },
          "sessions": { "fresh": [{ "burst": 1, "interval": "5s" },
                                  { "burst": 1000, "interval": "86.4s" }],
                        "subscriptions": "kept" },
          "endpoints": { "count": 3, "quarantine": ["1s", "1m"], "prefer_first_after": "2m" } }"#;
        let minutes = |minutes: u64| ms(minutes * 60_000);
        let within = Verdict::RetryWithin { from: ms(5_000).into(), to: ms(30_000).into() };
        let policy = Policy::builder()
            .suspend(Some(Suspension::new(minutes(5), ms(30_000), minutes(2))))
            .rotate(Some(Rotation::new(minutes(23 * 60), minutes(30), ms(30_000))))
            .pace(Some(Limit::new(5, ms(200))))
            .rule(Rule::code(4000, 4099, Verdict::Halt))
            .rule(Rule::http(500, 599, within))
            .refresh(Refresh::EveryAttempt)
            .fresh_sessions(&[Limit::new(1, ms(5_000)), Limit::new(1_000, ms(86_400))])
            .on_resume(OnResume::Kept)
            .endpoints(3)
            .quarantine(ms(1_000), minutes(1))
            .prefer_first_after(minutes(2))
            .build()
            .unwrap();
        assert_eq!(serde_json::from_str::<Policy>(text).unwrap(), policy);
        let written = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&written).unwrap(), policy, "{written}");
    }

    #[test]
    fn a_file_reads_back_as_it_was_written() {
        let policy = Policy::builder()
            .growth_table(&[ms(1_000), ms(5_000)])
            .jitter(JitterKind::Proportional { percent: 20 })
            .dangerously_no_attempt_limit()
            .heartbeat(None)
            .pace(Some(Limit::new(5, ms(200))))
            .rule(Rule::code(4000, 4099, Verdict::Halt))
            .rule(Rule::http(
                500,
                599,
                Verdict::RetryWithin { from: ms(5_000).into(), to: ms(30_000).into() },
            ))
            .build()
            .unwrap();
        let text = serde_json::to_string(&policy).unwrap();
        assert_eq!(serde_json::from_str::<Policy>(&text).unwrap(), policy, "{text}");
        assert!(text.contains(r#""attempts":"dangerously_none""#), "{text}");
    }

    #[test]
    fn wrong_files_say_where() {
        for (text, words) in [
            (r#"{"retries": {}}"#, "unknown field `retries`"),
            (r#"{"retry": {"shortest": "5 apples"}}"#, "a duration such as"),
            (
                r#"{"settle_after": "0s", "open_within": "0s"}"#,
                "settle_after must be at least 1 ms and at most 10 years; open_within",
            ),
            (r#"{"rules": [{"verdict": "halt"}]}"#, "either `code` or `http`"),
            (r#"{"attempts": "none"}"#, "dangerously_none"),
            (r#"{"suspend": {"after": "5m"}}"#, "missing field `shortest`"),
            (r#"{"rotate": {"every": "5m"}}"#, "unknown field `every`"),
            (r#"{"endpoints": {"count": 9}}"#, "endpoints.count must be 1 to 8"),
            (
                r#"{"sessions": {"fresh": [{"burst": 1, "interval": "1s"},
                    {"burst": 1, "interval": "2s"}, {"burst": 1, "interval": "3s"}]}}"#,
                "a list of at most 2 entries",
            ),
        ] {
            let error = serde_json::from_str::<Policy>(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
