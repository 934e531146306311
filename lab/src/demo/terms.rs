//! The demo's policies: the shape of the defaults, and everything so short that fifteen outages fit
//! into a minute.

use std::time::Duration;

use redial::{
    Heartbeat, Limit, Millis, OnResume, Policy, PolicyError, Refresh, Rotation, Rule, Verdict,
};

use super::clock::Speed;
use super::verdict::Terms;

/// What was agreed for the run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Agreed {
    /// For the link to the public feed: one server, no login.
    pub(crate) feed: Policy,
    /// For the link to an account: two servers, a token, a session, rotation.
    pub(crate) account: Policy,
    /// The figures that both promise.
    pub(crate) terms: Terms,
}

/// The policies, and the figures that they promise.
///
/// The ladder alone would dial about seven times a second at a server that accepts and drops: it is
/// the attempt limit that has to hold it.
pub(crate) fn agreed(speed: Speed) -> Result<Agreed, PolicyError> {
    let terms = Terms {
        burst: 4,
        interval: speed.of_millis(1_000),
        detection: speed.of_millis(700) + speed.of_millis(500),
        recovery: speed.of(Duration::from_secs(12)) + Duration::from_secs(3),
        resume_failures: 2,
    };
    let whole_millis = |at_speed_one| Millis::from_duration(speed.of_millis(at_speed_one));
    let restart = Verdict::RetryWithin { from: whole_millis(500), to: whole_millis(1_500) };
    let feed = Policy::builder()
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
        .rule(Rule::code(1012, 1012, restart));
    // No connection of the demo lives long enough to be replaced for its age: rotations are asked
    // for by the server, or lead back to the preferred one.
    let age = Duration::from_secs(3_600);
    let account = feed
        .ready_within(Some(speed.of_millis(2_000)))
        .refresh(Refresh::OnRejection)
        .refresh_within(speed.of_millis(2_000))
        .resume_failures(terms.resume_failures)
        // A session that the market keeps has its subscriptions: nothing is asked for again.
        .on_resume(OnResume::Kept)
        .endpoints(2)
        .quarantine(speed.of_millis(500), speed.of_millis(2_000))
        .prefer_first_after(speed.of_millis(500))
        .rotate(Some(Rotation::new(age, Duration::from_secs(60), speed.of_millis(2_000))));
    Ok(Agreed { feed: feed.build()?, account: account.build()?, terms })
}
