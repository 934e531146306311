//! Where each field of a policy stops being right, from both sides.

use core::time::Duration;

use redial::{Closure, JitterKind, Limit, Policy, PolicyBuilder, Rule, Verdict};

use super::ms;

const YEARS_10: Duration = Duration::from_secs(10 * 365 * 24 * 3_600);
const NANO: Duration = Duration::from_nanos(1);

fn is_right(policy: PolicyBuilder) -> bool {
    policy.build().is_ok()
}

#[test]
fn a_rule_is_for_close_codes_of_the_application_and_the_registry() {
    for (first, last, right) in [
        (1_000, 4_999, true),
        (4_000, 4_000, true),
        (999, 4_999, false),
        (1_000, 5_000, false),
        (4_001, 4_000, false),
    ] {
        let policy = Policy::builder().rule(Rule::code(first, last, Verdict::Halt));
        assert_eq!(is_right(policy), right, "{first} to {last}");
    }
}

#[test]
fn a_rule_is_for_http_statuses() {
    for (first, last, right) in
        [(100, 599, true), (503, 503, true), (99, 599, false), (100, 600, false), (504, 503, false)]
    {
        let policy = Policy::builder().rule(Rule::http(first, last, Verdict::Halt));
        assert_eq!(is_right(policy), right, "{first} to {last}");
    }
}

#[test]
fn a_rule_that_retries_within_a_window_has_one_with_a_width() {
    for (from, to, right) in [(5, 6, true), (0, 1, true), (5, 5, false), (6, 5, false)] {
        let verdict = Verdict::RetryWithin { from: ms(from).into(), to: ms(to).into() };
        let policy = Policy::builder().rule(Rule::http(503, 503, verdict));
        assert_eq!(is_right(policy), right, "{from} to {to} ms");
    }
}

#[test]
fn the_delays_of_a_key_rise_at_most_256_fold_and_to_ten_years() {
    for (shortest, longest, right) in [
        (ms(1), ms(256), true),
        (ms(1), ms(256) + NANO, false),
        (ms(1) - NANO, ms(2), false),
        (ms(2), ms(2) + NANO, true),
        (ms(2), ms(2), false),
        (YEARS_10 / 2, YEARS_10, true),
        (YEARS_10 / 2, YEARS_10 + NANO, false),
    ] {
        let policy = Policy::builder().subscription_retry(shortest, longest);
        assert_eq!(is_right(policy), right, "{shortest:?} to {longest:?}");
    }
}

#[test]
fn a_key_may_go_unanswered_1_to_255_times() {
    for (timeouts, right) in [(0, false), (1, true), (255, true), (256, false)] {
        assert_eq!(is_right(Policy::builder().timeouts(timeouts)), right, "{timeouts}");
    }
}

#[test]
fn a_table_lies_above_the_shortest_and_within_the_longest_delay() {
    let (shortest, longest) = (ms(500), ms(30_000));
    for (step, right) in
        [(shortest, false), (shortest + NANO, true), (longest, true), (longest + NANO, false)]
    {
        let policy = Policy::builder().retry(shortest, longest).growth_table(&[step]);
        assert_eq!(is_right(policy), right, "{step:?}");
    }
}

#[test]
fn a_share_of_jitter_is_1_to_100_percent() {
    for (percent, right) in [(0, false), (1, true), (100, true), (101, false)] {
        let policy = Policy::builder().jitter(JitterKind::Proportional { percent });
        assert_eq!(is_right(policy), right, "{percent} %");
    }
}

#[test]
fn p1_a_bucket_fills_within_a_hundred_years() {
    for (burst, right) in [(10, true), (11, false)] {
        let policy = Policy::builder().attempts(Limit::new(burst, YEARS_10));
        assert_eq!(is_right(policy), right, "{burst} times ten years");
    }
}

#[test]
fn the_ladder_of_the_defaults_doubles_up_to_its_end() {
    let policy = Policy::new();
    let bounds = [0, 1, 2, 6, 7, u32::MAX].map(|level| policy.bound(level));
    assert_eq!(bounds, [500, 1_000, 2_000, 30_000, 30_000, 30_000].map(ms));
}

#[test]
fn the_last_step_of_a_table_repeats() {
    let steps = [ms(1_000), ms(1_000), ms(7_000)];
    let policy = Policy::builder().growth_table(&steps).build().unwrap();
    let bounds = [0, 1, 2, 3, 4, u32::MAX].map(|level| policy.bound(level));
    assert_eq!(bounds, [500, 1_000, 1_000, 7_000, 7_000, 7_000].map(ms));
}

#[test]
fn a_table_has_sixteen_steps_at_most() {
    let steps: Vec<_> = (1_000..1_017).map(ms).collect();
    let [most, more] = [16, 17].map(|len| Policy::builder().growth_table(&steps[..len]).build());
    assert_eq!(most.expect("sixteen").growth_table().count(), 16);
    assert!(more.is_err());
}

#[test]
fn growth_is_read_back_as_it_was_said() {
    let (ratio, steps) = (Policy::builder().growth(3, 2), [ms(600), ms(600), ms(7_000)]);
    let [ratio, table] =
        [ratio, Policy::builder().growth_table(&steps)].map(|it| it.build().unwrap());
    assert_eq!((ratio.growth(), ratio.growth_table().count()), (Some((3, 2)), 0));
    assert_eq!((table.growth(), table.growth_table().collect()), (None, steps.to_vec()));
}

#[test]
fn a_closure_means_what_it_states_or_else_the_first_rule_or_else_the_table() {
    let policy = Policy::builder()
        .rule(Rule::code(4_000, 4_000, Verdict::NextEndpoint))
        .rule(Rule::code(4_000, 4_001, Verdict::Reauthenticate))
        .build()
        .unwrap();
    let peer = |code| Closure::peer().code(code);
    for (closure, verdict) in [
        (peer(4_000).verdict(Verdict::FreshSession), Verdict::FreshSession),
        (peer(4_000), Verdict::NextEndpoint),
        (peer(4_001), Verdict::Reauthenticate),
        (peer(4_002), Verdict::Retry),
        (peer(3_003), Verdict::Halt),
        (Closure::local().code(4_000), Verdict::Retry),
    ] {
        assert_eq!(policy.classify(closure), verdict, "{closure:?}");
    }
}

/// Decorrelated jitter follows the draws, not the ladder: up to three times the one before.
#[test]
fn decorrelated_jitter_widens_while_the_ladder_stands_still() {
    let policy = Policy::builder().jitter(JitterKind::Decorrelated).growth_table(&[ms(600)]);
    let policy = policy.build().unwrap();
    let ends = [1, 2, 3, 4, 5, u32::MAX].map(|level| *policy.delay_range(level).end());
    assert_eq!(ends, [1_500, 4_500, 13_500, 30_000, 30_000, 30_000].map(ms));
    assert_eq!(policy.jitter(), Some(JitterKind::Decorrelated));
}

#[test]
fn no_jitter_is_not_a_kind_of_it() {
    let policy = Policy::builder().dangerously_no_jitter().build().unwrap();
    assert_eq!(policy.jitter(), None);
}

#[test]
fn a_right_policy_builds_as_a_const() {
    const POLICY: Policy = Policy::builder().window(7).build_const();
    assert_eq!(Ok(POLICY), Policy::builder().window(7).build());
    assert_eq!(Policy::builder().window(7).build_const(), POLICY);
}

#[test]
#[should_panic = "retry.longest must be longer than retry.shortest"]
fn a_wrong_policy_panics_with_the_first_wrong_field() {
    let _ = Policy::builder().window(0).retry(ms(9), ms(8)).build_const();
}

#[test]
#[should_panic = "a rule's range must rise"]
fn a_wrong_rule_panics_with_what_a_rule_must_be() {
    let _ = Policy::builder().rule(Rule::http(600, 500, Verdict::Halt)).build_const();
}

#[test]
fn an_error_shows_every_wrong_field_to_a_programmer_too() {
    let error = Policy::builder().window(0).rejections(0).build().unwrap_err();
    assert_eq!(
        format!("{error:?}"),
        "PolicyError(credentials.rejections must be at least 1; subscriptions.window must be at \
         least 1)"
    );
}

#[test]
fn phase_jitter_keeps_to_the_last_fifth_once_a_delay_was_drawn_at_the_end() {
    let policy = Policy::builder().jitter(JitterKind::Phase).growth_table(&[ms(9_000), ms(30_000)]);
    let policy = policy.build().unwrap();
    let starts = [1, 2, 3, u32::MAX].map(|level| *policy.delay_range(level).start());
    assert_eq!(starts, [500, 500, 24_000, 24_000].map(ms));
}

#[test]
fn a_ladder_that_rises_slowly_rises_to_its_end_too() {
    let policy = Policy::builder().growth(11, 10).build().unwrap();
    assert!(policy.bound(20) < policy.bound(21));
    assert_eq!(policy.bound(u32::MAX), ms(30_000));
    assert_eq!(*policy.delay_range(u32::MAX).end(), ms(30_000));
}
