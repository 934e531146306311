//! The faults and their instants, as data.

use std::fmt;
use std::time::Duration;

use super::clock::Speed;
use super::market::{SYMBOLS, Symbol};
use crate::output::short;

/// What is done to the dashboard, in order, first to its link to the public feed and then to the one
/// to an account. The same seed and speed give the same script.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Script {
    pub(crate) feed: Vec<Step>,
    pub(crate) account: Vec<Step>,
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
    /// The connection is cut, and the token with which it was made is refused with 401.
    ExpiredToken,
    /// The connection is cut, and so is each one that resumes the session, until a fresh one is asked
    /// for.
    PoisonedResume,
    /// The preferred server closes with 1013, and for a while refuses upgrades with 503. The other
    /// one serves.
    FailOver { lasts: Duration, retry_after_s: u32 },
    /// The server asks the client to leave its connection for another, while more prices flow than
    /// at any other time.
    GoAway,
    /// For a while connections are refused; in the middle of it the client itself dies, and another
    /// one goes on from its snapshot.
    ClientRestart { dies_after: Duration, lasts: Duration },
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
        let drop_lasts = millis(2_800, 3_200);
        let unavailable_lasts = millis(900, 1_100);
        let down = millis(900, 1_300);
        let afters: [Duration; 10] = std::array::from_fn(|_| millis(400, 800));
        // Longer than it takes to settle, so that a fault finds the link in good standing.
        let account_afters: [Duration; 5] = std::array::from_fn(|_| millis(1_100, 1_300));
        let failed_over = millis(1_500, 1_700);
        let dies_after = millis(900, 1_100);
        let outage = millis(2_000, 2_300);
        let delisted = dice.usize(..usize::from(SYMBOLS));
        let feed = [
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
        let account = [
            Fault::ExpiredToken,
            Fault::PoisonedResume,
            Fault::FailOver { lasts: failed_over, retry_after_s: 1 },
            Fault::GoAway,
            Fault::ClientRestart { dies_after, lasts: outage },
        ];
        let step = |(fault, after)| Step { after, fault };
        Self {
            feed: feed.into_iter().zip(afters).map(step).collect(),
            account: account.into_iter().zip(account_afters).map(step).collect(),
        }
    }

    /// How many faults there are.
    pub(crate) fn len(&self) -> usize {
        self.feed.len() + self.account.len()
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
            Self::ExpiredToken => "expired_token",
            Self::PoisonedResume => "poisoned_resume",
            Self::FailOver { .. } => "fail_over",
            Self::GoAway => "go_away",
            Self::ClientRestart { .. } => "client_restart",
        }
    }

    /// Whether the link cannot stay live through it.
    pub(crate) fn is_outage(self) -> bool {
        self != Self::GoAway
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
            Self::ExpiredToken => f.write_str("cut, and the token has expired"),
            Self::PoisonedResume => f.write_str("cut, and again at each resume"),
            Self::FailOver { lasts, .. } => {
                write!(f, "1013, then 503 by the first server for {}", short(*lasts))
            }
            Self::GoAway => f.write_str("the server asks to move, under load"),
            Self::ClientRestart { lasts, .. } => {
                write!(f, "client restarted in an outage of {}", short(*lasts))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

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
        assert_eq!(slow.len(), fast.len());
        let steps = |script: Script| script.feed.into_iter().chain(script.account);
        for (slow, fast) in steps(slow).zip(steps(fast)) {
            assert_eq!(slow.after / 4, fast.after);
            assert_eq!(slow.fault.name(), fast.fault.name());
        }
    }

    #[test]
    fn each_kind_of_fault_occurs_once() {
        let script = script(1, "1");
        let steps = script.feed.iter().chain(&script.account);
        let names: BTreeSet<_> = steps.map(|step| step.fault.name()).collect();
        assert_eq!((names.len(), script.len()), (15, 15));
    }
}
