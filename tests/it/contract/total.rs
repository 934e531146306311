//! No sequence of events and times is too much for the whole contract (P10).

use core::time::Duration;

use redial::{
    Closure, ConnId, Established, Event, Instant, Lifecycle, Limit, Link, Millis, Misuse, OnResume,
    Policy, Refresh, Refusal, Request, Rotation, Seed, Slot, Stats, SubKey, Suspension, Ticket,
    Verdict,
};
use redial_sim::Dice;

use super::{millis, secs};

/// Everything that a policy can switch on.
fn policy(refresh: Refresh) -> Policy {
    let policy = Policy::builder()
        .spread(Some(secs(90)))
        .attempts_long(Some(Limit::new(60, secs(60))))
        .give_up_outage(Some(secs(86_400)))
        .ready_within(Some(secs(5)))
        .suspend(Some(Suspension::new(secs(300), secs(30), secs(120))))
        .refresh(refresh)
        .rejections(9)
        .fresh_sessions(&[Limit::new(1, secs(5)), Limit::new(1_000, secs(86))])
        .on_resume(OnResume::Kept)
        .endpoints(3)
        .window(2)
        .pace(Some(Limit::new(1, millis(200))))
        .rotate(Some(Rotation::new(secs(3_600), secs(600), secs(30))));
    policy.build().unwrap()
}

#[test]
fn p10_no_sequence_of_events_and_times_is_too_much_for_the_whole_contract() {
    let mut dice = Dice::new(10);
    for seed in 0..600 {
        let refresh = [Refresh::Never, Refresh::OnRejection, Refresh::EveryAttempt];
        let policy = policy(refresh[usize::try_from(seed % 3).unwrap()]);
        let mut link = Link::with_storage(policy, Seed::from_u64(seed), [Slot::EMPTY; 4]);
        let mut now = Instant::ZERO;
        for _ in 0..200 {
            now = match dice.below(40) {
                0 => Instant::MAX,
                1 => Instant::ZERO,
                2 => Instant::from_nanos(dice.below(u64::MAX)),
                _ => now.saturating_add(Duration::from_nanos(1 << dice.below(38))),
            };
            let now = if dice.chance(50) { link.deadline().unwrap_or(now) } else { now };
            let _ = link.handle(now, any_event(&mut dice, &link));
            for _ in 0..dice.below(12) {
                let _ = link.poll_action(now);
            }
        }
    }
}

#[test]
fn a_lifecycle_alone_does_what_a_link_without_subscriptions_does() {
    let mut dice = Dice::new(11);
    for seed in 0..300 {
        let policy = policy(Refresh::OnRejection);
        let mut link = Link::with_storage(policy, Seed::from_u64(seed), [Slot::EMPTY; 4]);
        let (mut lifecycle, mut stats) = (Lifecycle::new(Seed::from_u64(seed)), Stats::default());
        let mut now = Instant::ZERO;
        for _ in 0..200 {
            let later = now.saturating_add(Duration::from_nanos(1 << dice.below(38)));
            now = if dice.chance(50) { link.deadline().unwrap_or(later) } else { later };
            let event = any_event(&mut dice, &link);
            let told = lifecycle.handle(&policy, &mut stats, now, event);
            if matches!(told, Err(Misuse::KeyOutsideStorage { .. })) {
                continue;
            }
            assert_eq!(link.handle(now, event), told);
            for _ in 0..dice.below(12) {
                let action = link.poll_action(now);
                assert_eq!(lifecycle.poll_action(&policy, &mut stats, now), action, "{event:?}");
            }
            assert_eq!(lifecycle.deadline(), link.deadline(), "{event:?}");
            assert_eq!(lifecycle.status(), link.status(), "{event:?}");
        }
    }
}

fn any_event(dice: &mut Dice, link: &Link<[Slot; 4]>) -> Event {
    let newest = link.stats().attempts;
    let conn = ConnId::new(newest.saturating_sub(dice.below(3)));
    let ticket = Ticket::new(dice.below(newest + 3));
    let key = SubKey::new(u32::try_from(dice.below(4)).unwrap());
    let request = Request { key, number: dice.below(9) };
    let magnitude = dice.below(33);
    let span = Millis::new(u32::try_from(dice.below(1 << magnitude)).unwrap_or(u32::MAX));
    let optional = dice.chance(50).then_some(span);
    match dice.below(30) {
        0 | 1 => Event::Start,
        2 => Event::Stop,
        3 => Event::RetryNow,
        4 => Event::Pause,
        5 | 6 => Event::Resume,
        7 => Event::NetworkDown,
        8 | 9 => Event::NetworkUp,
        10 | 11 => Event::TimerFired,
        12 | 13 => Event::Opened { conn },
        14 => Event::Ready { conn, session: Established::Fresh, resumable: dice.chance(50) },
        15 => Event::Ready { conn, session: Established::Resumed, resumable: dice.chance(50) },
        16 => Event::Received { conn },
        17 => Event::Closed { conn, closure: any_closure(dice, span) },
        18 => Event::Negotiated { conn, heartbeat: optional, spread: Some(span) },
        19 => Event::GoAway { conn, within: span },
        20 => Event::SessionLost { conn },
        21 | 22 => Event::CredentialsReady { ticket, lasts: optional },
        23 => Event::CredentialsFailed { ticket, fatal: dice.chance(10) },
        24 => Event::Subscribe { key },
        25 => Event::Unsubscribe { key },
        26 => Event::Resync { key },
        27 => Event::Acked { conn, request },
        28 => Event::Refused { conn, request, refusal: Refusal::Retry(optional) },
        _ => Event::Rotate,
    }
}

fn any_closure(dice: &mut Dice, span: Millis) -> Closure {
    let closure = Closure::peer().retry_after(span.as_duration());
    match dice.below(8) {
        0 => closure.verdict(Verdict::RetryWithin { from: span, to: span }),
        1 => closure.verdict(Verdict::RetrySoon),
        2 => closure.code(1000),
        3 => closure.code(1012),
        4 => closure.code(1013),
        5 => closure.code(3000),
        6 => closure.http(503),
        _ => Closure::unknown(),
    }
}
