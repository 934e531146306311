//! One clock for server, client and script, so that their logs can be compared.

use std::time::{Duration, Instant};

/// Time since the demo began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { origin: Instant::now() }
    }

    pub(crate) fn now(self) -> Duration {
        self.origin.elapsed()
    }
}

/// How much faster than written the demo runs.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Speed(f64);

impl Speed {
    pub(crate) const SLOWEST: f64 = 0.25;
    pub(crate) const FASTEST: f64 = 10.0;

    pub(crate) fn of(self, at_speed_one: Duration) -> Duration {
        at_speed_one.div_f64(self.0)
    }

    pub(crate) fn of_millis(self, at_speed_one: u64) -> Duration {
        self.of(Duration::from_millis(at_speed_one))
    }

    pub(crate) fn factor(self) -> f64 {
        self.0
    }
}

impl std::str::FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<f64>() {
            Ok(factor) if (Self::SLOWEST..=Self::FASTEST).contains(&factor) => Ok(Self(factor)),
            Ok(_) | Err(_) => Err(format!("a number from {} to {}", Self::SLOWEST, Self::FASTEST)),
        }
    }
}
