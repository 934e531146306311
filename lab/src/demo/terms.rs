//! The demo's policy: the shape of the defaults, and everything so short that ten outages fit into
//! less than a minute.

use std::time::Duration;

use redial::{Heartbeat, Limit, Millis, Policy, PolicyError, Rule, Verdict};

use super::clock::Speed;
use super::verdict::Terms;

/// The policy, and the figures that it promises.
///
/// The ladder alone would dial about seven times a second at a server that accepts and drops: it is
/// the attempt limit that has to hold it.
pub(crate) fn agreed(speed: Speed) -> Result<(Policy, Terms), PolicyError> {
    let terms = Terms {
        burst: 4,
        interval: speed.of_millis(1_000),
        detection: speed.of_millis(700) + speed.of_millis(500),
        recovery: speed.of(Duration::from_secs(12)) + Duration::from_secs(3),
    };
    let whole_millis = |at_speed_one| Millis::from_duration(speed.of_millis(at_speed_one));
    let restart = Verdict::RetryWithin { from: whole_millis(500), to: whole_millis(1_500) };
    let policy = Policy::builder()
        .retry(speed.of_millis(40), speed.of_millis(250))
        .first_within(speed.of_millis(150))
        .attempts(Limit::new(terms.burst, terms.interval))
        .settle_after(speed.of_millis(1_000))
        .open_within(speed.of_millis(2_000))
        .close_within(speed.of_millis(500))
        .heartbeat(Some(Heartbeat::new(speed.of_millis(700), speed.of_millis(500))))
        .pace(Some(Limit::new(15, speed.of_millis(55))))
        .ack_within(speed.of_millis(3_000))
        .subscription_retry(speed.of_millis(200), speed.of_millis(2_000))
        .rule(Rule::code(1012, 1012, restart))
        .build()?;
    Ok((policy, terms))
}
