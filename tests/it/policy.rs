//! What a policy may say.

use core::time::Duration;

use redial::{Heartbeat, JitterKind, Limit, Policy, Rule, Verdict};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Each single validation, by a policy that is wrong in one field only.
#[test]
fn each_wrong_field_is_named() {
    let table = [ms(600); 17];
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
        ("credentials.rejections", Policy::builder().rejections(0)),
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
      "late_by": "5s", "server_delay_max": "1h", "network_down": "drop",
      "credentials": { "rejections": 3 },
      "subscriptions": { "window": 100, "pace": null, "ack_within": "10s", "retry": ["1s", "30s"],
                         "timeouts": 3, "when_degraded": "keep" },
      "rules": [] }"#;

    #[test]
    fn the_defaults_as_a_file() {
        assert_eq!(serde_json::from_str::<Policy>("{}").unwrap(), Policy::new());
        assert_eq!(serde_json::from_str::<Policy>(DEFAULTS).unwrap(), Policy::new());
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
        ] {
            let error = serde_json::from_str::<Policy>(text).unwrap_err().to_string();
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
