//! The core's clock.

use std::time::Duration;

use redial::Instant;

#[cfg(any(target_os = "android", target_os = "linux"))]
use self::boottime::Reading;
#[cfg(not(any(target_os = "android", target_os = "linux")))]
use std::time::Instant as Reading;

/// Time since the client was made. It goes on while the machine is suspended, where the platform
/// has such a clock: a peer that was last heard before a night's sleep is not believed to be there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Reading,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: Reading::now() }
    }

    pub(crate) fn now(self) -> Instant {
        Instant::from_duration(self.origin.elapsed())
    }
}

/// How long tokio's timer shall sleep before the clock is looked at again, for tokio's own clock
/// stops while the machine is suspended.
pub(crate) fn sleep(now: Instant, until: Instant) -> Duration {
    until.saturating_since(now).min(SLEEP_MAX)
}

const SLEEP_MAX: Duration = Duration::from_secs(30);

#[cfg(any(target_os = "android", target_os = "linux"))]
mod boottime {
    use std::time::Duration;

    use rustix::time::{ClockId, clock_gettime};

    /// What `CLOCK_BOOTTIME` said.
    #[derive(Clone, Copy, Debug)]
    pub(super) struct Reading(Duration);

    impl Reading {
        pub(super) fn now() -> Self {
            // Neither is negative, but for a clock that was set back before the machine started.
            Self(Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default())
        }

        pub(super) fn elapsed(self) -> Duration {
            Self::now().0.saturating_sub(self.0)
        }
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        /// `/proc/uptime` counts suspended time, in hundredths of a second.
        #[test]
        fn suspended_time_counts() {
            let uptime = || {
                let line = std::fs::read_to_string("/proc/uptime").unwrap();
                let seconds = line.split(' ').next().unwrap().parse().unwrap();
                Duration::from_secs_f64(seconds)
            };
            let grain = Duration::from_millis(20);
            let (before, Reading(now), after) = (uptime(), Reading::now(), uptime());
            assert!(before <= now + grain && now <= after + grain, "{before:?} {now:?} {after:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_bounded() {
        let at = |seconds| Instant::from_duration(Duration::from_secs(seconds));
        assert_eq!(sleep(at(5), at(7)), Duration::from_secs(2));
        assert_eq!(sleep(at(7), at(5)), Duration::ZERO);
        assert_eq!(sleep(at(5), Instant::MAX), SLEEP_MAX);
    }
}
