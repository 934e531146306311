//! The faults and their instants, as data.

use std::fmt;
use std::time::Duration;

use super::clock::Speed;
use super::market::{SYMBOLS, Symbol};
use crate::output::short;

/// What is done to the dashboard, in order. The same seed and speed give the same script.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Script {
    pub(crate) steps: Vec<Step>,
}

/// One fault, a while after the dashboard is live again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) after: Duration,
    pub(crate) fault: Fault,
}

/// What goes wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// The TCP connection is cut.
    Cut(Cut),
    /// The connection is cut, and for a while each new one is accepted, upgraded and dropped.
    AcceptThenDrop { lasts: Duration },
    /// The server stops reading and writing, and tells nobody.
    HalfOpen,
    /// The connection is cut, and for a while upgrades are refused with 503. `Retry-After` comes in
    /// whole seconds, so it does not shrink below one with the speed.
    Unavailable { lasts: Duration, retry_after_s: u32 },
    /// The server closes with code 1012, service restart.
    CloseRestart,
    /// The server closes with code 1013, try again later.
    CloseTryLater,
    /// The connection is cut, and from now on one symbol is refused for good.
    Delist { symbol: Symbol },
    /// The connection is cut, and the next one once more after this many answers.
    CutWhileRestoring { answers: u32 },
    /// The server goes away, and comes back on the same port.
    Restart { down: Duration },
}

/// How a TCP connection is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Cut {
    /// With a reset.
    Reset,
    /// With a clean end of stream, and no close frame before it.
    Fin,
}

impl Script {
    pub(crate) fn new(seed: u64, speed: Speed) -> Self {
        let mut dice = fastrand::Rng::with_seed(seed);
        let retry_after_s = (2.0 / speed.factor()).round().max(1.0) as u32;
        let mut millis = |low: u64, high: u64| speed.of_millis(dice.u64(low..=high));
        let drop_lasts = millis(3_800, 4_200);
        let unavailable_lasts = millis(900, 1_100);
        let down = millis(900, 1_300);
        let afters: [Duration; 10] = std::array::from_fn(|_| millis(400, 800));
        let delisted = dice.usize(..usize::from(SYMBOLS));
        let faults = [
            Fault::Cut(Cut::Reset),
            Fault::Cut(Cut::Fin),
            Fault::AcceptThenDrop { lasts: drop_lasts },
            Fault::HalfOpen,
            Fault::Unavailable { lasts: unavailable_lasts, retry_after_s },
            Fault::CloseRestart,
            Fault::CloseTryLater,
            Fault::Delist { symbol: Symbol::all().nth(delisted).expect("an index below SYMBOLS") },
            Fault::CutWhileRestoring { answers: dice.u32(10..=40) },
            Fault::Restart { down },
        ];
        let steps =
            faults.into_iter().zip(afters).map(|(fault, after)| Step { after, fault }).collect();
        Self { steps }
    }
}

impl Fault {
    /// A stable name for machines.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cut(Cut::Reset) => "tcp_reset",
            Self::Cut(Cut::Fin) => "tcp_fin",
            Self::AcceptThenDrop { .. } => "accept_then_drop",
            Self::HalfOpen => "half_open",
            Self::Unavailable { .. } => "upgrade_503",
            Self::CloseRestart => "close_1012",
            Self::CloseTryLater => "close_1013",
            Self::Delist { .. } => "symbol_refused",
            Self::CutWhileRestoring { .. } => "cut_while_restoring",
            Self::Restart { .. } => "server_restart",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut(Cut::Reset) => f.write_str("TCP cut with a reset"),
            Self::Cut(Cut::Fin) => f.write_str("TCP cut with a FIN"),
            Self::AcceptThenDrop { lasts } => write!(f, "accept, then drop, for {}", short(*lasts)),
            Self::HalfOpen => f.write_str("half-open: silence, no FIN"),
            Self::Unavailable { retry_after_s, .. } => {
                write!(f, "upgrade refused: 503, Retry-After {retry_after_s}s")
            }
            Self::CloseRestart => f.write_str("close 1012 (service restart)"),
            Self::CloseTryLater => f.write_str("close 1013 (try again later)"),
            Self::Delist { symbol } => write!(f, "{symbol} refused for good, after a cut"),
            Self::CutWhileRestoring { answers } => {
                write!(f, "cut, and again after {answers} answers")
            }
            Self::Restart { down } => write!(f, "server restart, down for {}", short(*down)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(seed: u64, speed: &str) -> Script {
        Script::new(seed, speed.parse().unwrap())
    }

    #[test]
    fn a_seed_repeats_its_script_and_another_gives_another() {
        assert_eq!(script(7, "1"), script(7, "1"));
        assert_ne!(script(7, "1"), script(8, "1"));
    }

    #[test]
    fn speed_shortens_every_wait_alike() {
        let (slow, fast) = (script(7, "1"), script(7, "4"));
        assert_eq!(slow.steps.len(), fast.steps.len());
        for (slow, fast) in slow.steps.iter().zip(&fast.steps) {
            assert_eq!(slow.after / 4, fast.after);
            assert_eq!(slow.fault.name(), fast.fault.name());
        }
    }

    #[test]
    fn each_kind_of_fault_occurs_once() {
        let mut names: Vec<_> = script(1, "1").steps.iter().map(|step| step.fault.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), 10);
    }
}
