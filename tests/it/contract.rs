//! The rules of credentials, sessions, endpoints, of what a server may ask for, and of long
//! outages: one story each.

mod accounts;
mod credentials;
mod endpoints;
mod failures;
mod keys;
mod server;
mod sessions;
mod suspend;
mod total;

use core::num::NonZeroU32;
use core::time::Duration;

use redial::{
    Action, Closure, ConnId, Established, Event, Instant, IoKind, Limit, Link, Phase, Policy,
    PolicyBuilder, Seed, Session, Slot, Status, SubKey, Ticket,
};
use redial_sim::FakeClock;

const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The smallest step of the clock.
const NANO: Duration = Duration::from_nanos(1);

/// The longest quick draw of [`exact`].
const QUICK: Duration = millis(1);

/// A policy under which all is exact that is not under test: the ladder is 1 s, 2 s, 4 s and so on
/// up to 30 s, a quick draw is next to nothing, and no limit holds an attempt up.
const fn exact() -> PolicyBuilder {
    Policy::builder().dangerously_no_attempt_limit().dangerously_no_jitter().first_within(QUICK)
}

/// A link driven by hand, with a clock that the test sets. It is told of the newest connection and
/// asked for the next action of a kind.
#[derive(Clone)]
struct Hand {
    link: Link<[Slot; 4]>,
    clock: FakeClock,
    /// The newest connection handed out.
    conn: ConnId,
    /// What was handed out and not looked at.
    unread: Vec<Action>,
}

/// An attempt as it was handed out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Dial {
    endpoint: u8,
    session: Session,
    /// How long it was waited for.
    delay: Duration,
}

impl Hand {
    fn new(policy: PolicyBuilder) -> Self {
        Self::with_seed(policy, 1)
    }

    fn with_seed(policy: PolicyBuilder, seed: u64) -> Self {
        let policy = policy.build().expect("a policy for a story");
        let link = Link::with_storage(policy, Seed::from_u64(seed), [Slot::EMPTY; 4]);
        let clock = FakeClock::default();
        Self { link, clock, conn: ConnId::new(0), unread: vec![] }
    }

    /// Wanted from the first instant on.
    fn started(policy: PolicyBuilder) -> Self {
        let mut hand = Self::new(policy);
        hand.tell(Event::Start);
        hand
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    /// `event` happens, and the driver does at once what it is told to.
    fn tell(&mut self, event: Event) -> &mut Self {
        self.link.handle(self.now(), event).expect("no misuse");
        self.drain();
        let deadline = self.link.deadline();
        assert!(deadline.is_none_or(|at| at > self.now()), "P2: due at {deadline:?} already");
        self
    }

    fn drain(&mut self) {
        for _ in 0..1_000 {
            let Some(action) = self.link.poll_action(self.clock.now()) else { return };
            if let Action::Open { conn, .. } = action {
                self.conn = conn;
            }
            self.unread.push(action);
        }
        panic!("a drain without end");
    }

    /// Time passes without a word from anybody, and the timer fires when it should.
    fn after(&mut self, span: Duration) -> &mut Self {
        self.passes(span, |_| ())
    }

    /// Time passes on a connection whose peer answers every ping, and is heard at the end.
    fn alive_for(&mut self, span: Duration) -> &mut Self {
        self.received().passes(span, |hand| {
            hand.received();
        });
        self.received()
    }

    /// Time passes, and something happens whenever the timer has fired.
    fn passes(&mut self, span: Duration, each: impl Fn(&mut Self)) -> &mut Self {
        let until = self.now().saturating_add(span);
        for _ in 0..10_000 {
            let Some(at) = self.link.deadline().filter(|at| *at <= until) else {
                self.clock.advance_to(until);
                return self;
            };
            self.clock.advance_to(at);
            each(self.tell(Event::TimerFired));
        }
        panic!("the timer fires without end");
    }

    fn opened(&mut self) -> &mut Self {
        self.tell(Event::Opened { conn: self.conn })
    }

    fn ready(&mut self, session: Established, resumable: bool) -> &mut Self {
        self.tell(Event::Ready { conn: self.conn, session, resumable })
    }

    fn received(&mut self) -> &mut Self {
        self.tell(Event::Received { conn: self.conn })
    }

    fn closed(&mut self, closure: Closure) -> &mut Self {
        self.tell(Event::Closed { conn: self.conn, closure })
    }

    /// The application wants `key`, and the server accepts every request for a key.
    fn subscribe(&mut self, key: u32) -> &mut Self {
        self.tell(Event::Subscribe { key: SubKey::new(key) }).acks()
    }

    /// The server accepts the requests that were handed out.
    fn acks(&mut self) -> &mut Self {
        let unread = self.unread.clone();
        for action in unread {
            if let Action::Subscribe { conn, request } = action {
                self.tell(Event::Acked { conn, request });
            }
        }
        self
    }

    /// What was handed out since the last look.
    fn actions(&mut self) -> Vec<Action> {
        core::mem::take(&mut self.unread)
    }

    /// The next attempt, waited for.
    fn dials(&mut self) -> Dial {
        let begun_at = self.now();
        let (endpoint, session) = self.next(|action| match action {
            Action::Open { endpoint, session, .. } => Some((endpoint.get(), *session)),
            Action::RefreshCredentials { .. } => panic!("it asks for credentials"),
            _ => None,
        });
        Dial { endpoint, session, delay: self.now().saturating_since(begun_at) }
    }

    /// The next request for credentials, waited for.
    fn asks(&mut self) -> Ticket {
        self.next(|action| match action {
            Action::RefreshCredentials { ticket } => Some(*ticket),
            Action::Open { .. } => panic!("it dials"),
            _ => None,
        })
    }

    /// The next connection, dialled and open.
    fn connects(&mut self) -> Dial {
        let dial = self.dials();
        self.opened();
        dial
    }

    /// Waits until something is handed out that is `wanted`; passes over what is not.
    fn next<T>(&mut self, wanted: impl Fn(&Action) -> Option<T>) -> T {
        for _ in 0..64 {
            let found = self.unread.iter().enumerate().find_map(|(at, it)| Some((at, wanted(it)?)));
            if let Some((at, found)) = found {
                self.unread.drain(..=at);
                return found;
            }
            self.unread.clear();
            let deadline = self.link.deadline().expect("something is due");
            self.clock.advance_to(deadline);
            self.tell(Event::TimerFired);
        }
        panic!("it never comes");
    }

    fn status(&self) -> Status {
        self.link.status()
    }

    fn phase(&self) -> Phase {
        self.link.phase()
    }

    /// Which attempt in a row this is, or will be.
    fn attempt(&self) -> u32 {
        self.status().attempt.map_or(0, NonZeroU32::get)
    }
}

/// The server does not take our credentials.
const fn rejected() -> Closure {
    Closure::peer().code(3000)
}

/// Nobody answers.
const fn refused() -> Closure {
    Closure::unknown().io(IoKind::Refused)
}

fn is_open(action: &Action) -> bool {
    matches!(action, Action::Open { .. })
}

fn is_refresh(action: &Action) -> bool {
    matches!(action, Action::RefreshCredentials { .. })
}

/// In any window W there are at most `burst + ⌊W / interval⌋` of these instants (P1).
fn assert_admitted(limit: Limit, instants: &[Instant]) {
    for (first, from) in instants.iter().enumerate() {
        for (last, until) in instants.iter().enumerate().skip(first) {
            let window = until.saturating_since(*from).as_nanos();
            let most = u128::from(limit.burst()) + window / limit.interval().as_nanos();
            let count = (last - first + 1) as u128;
            assert!(count <= most, "{count} from {from} to {until}: {limit:?}");
        }
    }
}
