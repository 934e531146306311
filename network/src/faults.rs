//! The faults: what is done, and what must be seen of it, how soon.

use std::time::Duration;

use redial::{By, Cause, Fact, Heartbeat, IoKind, Limit, Policy};
use rustix::process::Signal;

use crate::cases;
use crate::lines::Manner;
use crate::strike::Strike;
use crate::world::{Program, Setup, World};

/// One fault.
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) setup: Setup,
    pub(crate) run: Run,
}

#[derive(Clone, Copy)]
pub(crate) enum Run {
    Struck(Strike),
    /// What does not fit: gives what was expected and seen, or why it failed.
    Own(fn(&mut World) -> Result<String, String>),
}

/// By when a fault must be noticed, of what the policy says and [`SLACK`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Soon {
    /// The operating system tells.
    AtOnce,
    /// When something is sent.
    AtNextPing,
    /// P7.
    Silence,
    /// P7, probed once more after a jump of the clock.
    SilenceProbedAgain,
}

impl Soon {
    pub(crate) fn bound(self, policy: &Policy) -> Duration {
        let heartbeat = policy.heartbeat().expect("the policies here have one");
        SLACK
            + match self {
                Self::AtOnce => Duration::ZERO,
                Self::AtNextPing => heartbeat.ping_after(),
                Self::Silence => heartbeat.ping_after() + heartbeat.dead_after(),
                Self::SilenceProbedAgain => heartbeat.ping_after() + heartbeat.dead_after() * 2,
            }
    }
}

/// How long the way back may take once a fault is over: an attempt under way fails by its deadline,
/// the longest wait follows, and the next attempt succeeds.
pub(crate) fn recovery(policy: &Policy) -> Duration {
    let limit = policy.attempts().expect("the policies here have one");
    policy.open_within() + policy.retry().1.max(limit.interval() * 2) + SLACK
}

pub(crate) fn all() -> Vec<Fault> {
    let ours = Setup {
        policy: QUICK,
        links: 1,
        topics: 20,
        program: Program::Ours,
        tls: false,
        stores: false,
        tick_ms: None,
    };
    let tls = Setup { tls: true, ..ours.clone() };
    let stores = Setup { stores: true, ..ours.clone() };
    let crowd = Setup { policy: CROWD, links: 2000, topics: 4, ..ours.clone() };
    let sleepy = Setup { policy: SLEEPY, ..ours.clone() };
    let mut faults = Vec::new();
    let mut add = |name, setup: &Setup, run| {
        faults.push(Fault { name, setup: setup.clone(), run });
    };
    for &(name, strike) in STRIKES {
        add(name, &ours, Run::Struck(strike));
    }
    for &(name, strike) in TLS_STRIKES {
        add(name, &tls, Run::Struck(strike));
    }
    for (program, names) in [
        (
            Program::Websockets,
            ["websockets-steady", "websockets-closes", "websockets-killed", "websockets-stopped"],
        ),
        (Program::Ws, ["ws-steady", "ws-closes", "ws-killed", "ws-stopped"]),
    ] {
        let theirs = Setup { program, ..ours.clone() };
        for (name, strike) in names.into_iter().zip([STEADY, CLOSES, KILLED, STOPPED]) {
            add(name, &theirs, Run::Struck(strike));
        }
    }
    add("suspended-while-asked", &sleepy, Run::Own(cases::suspended_while_asked));
    add("client-killed", &stores, Run::Own(cases::client_killed));
    add("client-crash-loop", &stores, Run::Own(cases::client_crash_loop));
    add("crowd", &crowd, Run::Own(cases::crowd));
    faults
}

const STRIKES: &[(&str, Strike)] = &[
    ("steady", STEADY),
    (
        "drop-both-ways",
        Strike {
            strike: |world| {
                world.rule("-A INPUT -j DROP");
                world.rule("-A OUTPUT -j DROP");
            },
            heal: |world| world.no_rules(),
            ..DROPPED
        },
    ),
    ("drop-to-server", Strike { strike: |world| world.rule("-A INPUT -j DROP"), ..DROPPED }),
    ("drop-to-client", Strike { strike: |world| world.rule("-A OUTPUT -j DROP"), ..DROPPED }),
    (
        "reject-with-reset",
        Strike {
            strike: |world| world.rule("-A INPUT -p tcp -j REJECT --reject-with tcp-reset"),
            first: &[io(IoKind::Reset)],
            then: &[io(IoKind::Refused)],
            soon: Soon::AtNextPing,
            ..DROPPED
        },
    ),
    (
        "reject-unreachable",
        Strike {
            strike: |world| {
                world.rule("-A INPUT -p tcp -j REJECT --reject-with icmp-host-prohibited")
            },
            then: &[io(IoKind::Other), io(IoKind::Refused), Cause::OpenTimeout],
            ..DROPPED
        },
    ),
    ("reset", RESET),
    (
        "link-down",
        Strike {
            strike: |world| world.link_down(),
            heal: |world| world.link_up(),
            then: &[io(IoKind::Other)],
            ..DROPPED
        },
    ),
    (
        "link-blinks",
        Strike {
            strike: |world| world.link_down(),
            heal: |world| world.link_up(),
            first: &[],
            then: &[],
            soon: Soon::Silence,
            lasts: Duration::from_millis(150),
            holds_up: false,
        },
    ),
    (
        "link-down-and-told",
        Strike {
            strike: |world| {
                world.link_down();
                world.client.order("down");
            },
            heal: |world| {
                world.link_up();
                world.client.order("up");
            },
            first: &[Cause::Network],
            then: &[],
            soon: Soon::AtOnce,
            lasts: LASTS,
            holds_up: false,
        },
    ),
    ("server-closes", CLOSES),
    ("server-killed", KILLED),
    ("server-stopped", STOPPED),
    (
        "accepts-and-is-mute",
        Strike { strike: |world| world.replace_server(Manner::Mute), ..REPLACED },
    ),
    ("slow-loris", Strike { strike: |world| world.replace_server(Manner::Drips), ..REPLACED }),
    (
        "cut-in-upgrade",
        Strike {
            strike: |world| world.replace_server(Manner::Cuts),
            then: &[io(IoKind::Protocol), GONE, io(IoKind::Reset), io(IoKind::Refused)],
            ..REPLACED
        },
    ),
    (
        "busy",
        Strike {
            strike: |world| world.replace_server(Manner::Busy),
            then: &[Cause::Closed { by: By::Peer, fact: Fact::Http(503) }, io(IoKind::Refused)],
            ..REPLACED
        },
    ),
    (
        "suspended",
        Strike { strike: |world| world.jump(NIGHT), heal: |_| {}, lasts: LASTS, ..STEADY },
    ),
    (
        "suspended-and-server-gone",
        Strike {
            strike: |world| {
                world.rule("-A INPUT -j DROP");
                world.jump(NIGHT);
            },
            soon: Soon::SilenceProbedAgain,
            ..DROPPED
        },
    ),
    (
        "client-stopped",
        Strike {
            strike: |world| {
                world.client.signal(Signal::STOP);
                world.pass(FROZEN);
                world.client.signal(Signal::CONT);
            },
            heal: |_| {},
            lasts: LASTS,
            ..STEADY
        },
    ),
];

/// All connections are reset at once.
const RESET: Strike = Strike {
    strike: |world| world.reset_connections(),
    heal: |_| {},
    first: &[io(IoKind::Reset)],
    then: &[],
    soon: Soon::AtOnce,
    lasts: Duration::ZERO,
    holds_up: false,
};

const TLS_STRIKES: &[(&str, Strike)] = &[
    ("tls-reset", RESET),
    (
        "tls-expired",
        Strike {
            strike: |world| world.replace_certificate("expired"),
            then: &[io(IoKind::Tls), io(IoKind::Refused)],
            ..REPLACED
        },
    ),
    (
        "tls-wrong-name",
        Strike {
            strike: |world| world.replace_certificate("elsewhere"),
            then: &[io(IoKind::Tls), io(IoKind::Refused)],
            ..REPLACED
        },
    ),
    (
        "tls-cut",
        Strike {
            strike: |world| world.replace_server(Manner::Cuts),
            then: &[GONE, io(IoKind::Reset), io(IoKind::Refused)],
            ..REPLACED
        },
    ),
    ("tls-mute", Strike { strike: |world| world.replace_server(Manner::Mute), ..REPLACED }),
];

/// Nothing happens, and nothing is seen.
const STEADY: Strike = Strike {
    strike: |_| {},
    heal: |_| {},
    first: &[],
    then: &[],
    soon: Soon::Silence,
    lasts: LASTS,
    holds_up: false,
};

/// To be completed by what is dropped.
const DROPPED: Strike = Strike {
    strike: |_| {},
    heal: |world| world.no_rules(),
    first: &[Cause::Silent],
    then: &[Cause::OpenTimeout],
    soon: Soon::Silence,
    lasts: LASTS,
    holds_up: false,
};

const CLOSES: Strike = Strike {
    strike: |world| world.order_server("close 4321"),
    heal: |_| {},
    first: &[Cause::Closed { by: By::Peer, fact: Fact::Code(4321) }],
    then: &[],
    soon: Soon::AtOnce,
    lasts: Duration::ZERO,
    holds_up: false,
};

const KILLED: Strike = Strike {
    strike: |world| world.kill_server(),
    heal: |world| world.start_server(),
    first: &[GONE, io(IoKind::Reset)],
    then: &[io(IoKind::Refused)],
    soon: Soon::AtOnce,
    lasts: LASTS,
    holds_up: false,
};

const STOPPED: Strike = Strike {
    strike: |world| world.stop_server(),
    heal: |world| world.continue_server(),
    first: &[Cause::Silent],
    then: &[Cause::OpenTimeout],
    soon: Soon::Silence,
    lasts: LASTS,
    holds_up: true,
};

/// To be completed by a server that takes the place of the first.
const REPLACED: Strike = Strike {
    strike: |_| {},
    heal: |world| {
        world.kill_server();
        world.start_server();
    },
    first: &[GONE, io(IoKind::Reset)],
    then: &[Cause::OpenTimeout, io(IoKind::Refused)],
    soon: Soon::AtOnce,
    lasts: LASTS,
    holds_up: false,
};

/// The end of a process, which says no more than that.
const GONE: Cause = Cause::Closed { by: By::Peer, fact: Fact::None };

const fn io(kind: IoKind) -> Cause {
    Cause::Closed { by: By::Unknown, fact: Fact::Io(kind) }
}

/// Everything soon. The backoff alone would dial far more often than the limit allows. `open_within` is
/// under the second after which a lost SYN is sent again: each that reaches the server is an attempt.
pub(crate) const QUICK: Policy = Policy::builder()
    .retry(Duration::from_millis(50), Duration::from_millis(300))
    .first_within(Duration::from_millis(100))
    .attempts(Limit::new(4, Duration::from_millis(800)))
    .open_within(Duration::from_millis(800))
    .close_within(Duration::from_millis(500))
    .settle_after(Duration::from_millis(500))
    .heartbeat(Some(Heartbeat::new(Duration::from_millis(500), Duration::from_millis(500))))
    .late_by(Duration::from_millis(700))
    .build_const();

/// Waits longer for an answer, so that a machine can fall asleep meanwhile.
const SLEEPY: Policy = QUICK
    .to_builder()
    .heartbeat(Some(Heartbeat::new(Duration::from_millis(500), Duration::from_secs(2))))
    .build_const();

/// For many at once on a small machine.
const CROWD: Policy = Policy::builder()
    .retry(Duration::from_millis(500), Duration::from_secs(4))
    .first_within(Duration::from_secs(1))
    .attempts(Limit::new(3, Duration::from_secs(2)))
    .open_within(Duration::from_secs(4))
    .settle_after(Duration::from_secs(1))
    .heartbeat(Some(Heartbeat::new(Duration::from_secs(2), Duration::from_secs(4))))
    .build_const();

/// What a busy machine of two cores adds.
pub(crate) const SLACK: Duration = Duration::from_millis(500);
/// How long most faults last: time enough for several attempts.
const LASTS: Duration = Duration::from_secs(2);
pub(crate) const NIGHT: Duration = Duration::from_secs(8 * 3600);
/// Longer than `late_by` beyond each deadline of the heartbeat, shorter than the server's patience.
const FROZEN: Duration = Duration::from_secs(2);
