//! What is measured: the same rounds for instructions and for time, each asserting its result.

pub(crate) mod floor;

use core::hint::black_box;
use core::time::Duration;
use std::collections::VecDeque;

use redial::{
    Action, Closure, ConnId, Event, Instant, Lifecycle, Link, Phase, Policy, Request, Seed, Slot,
    Stats, SubKey,
};

/// What can be driven: a link, a bare lifecycle, or the hand-written floor.
pub(crate) trait Machine {
    fn handle(&mut self, now: Instant, event: Event);
    fn poll_action(&mut self, now: Instant) -> Option<Action>;
    fn deadline(&self) -> Option<Instant>;
    fn phase(&self) -> Phase;
}

/// A link without subscriptions.
pub(crate) fn link() -> Link {
    Link::new(Policy::new(), Seed::from_u64(1))
}

impl<S: AsRef<[Slot]> + AsMut<[Slot]>> Machine for Link<S> {
    fn handle(&mut self, now: Instant, event: Event) {
        self.handle(now, event).expect("a correct driver");
    }

    fn poll_action(&mut self, now: Instant) -> Option<Action> {
        self.poll_action(now)
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline()
    }

    fn phase(&self) -> Phase {
        self.phase()
    }
}

/// A lifecycle beside the policy and the counters that it is given at each call.
#[derive(Debug)]
pub(crate) struct Bare {
    policy: Policy,
    stats: Stats,
    lifecycle: Lifecycle,
}

impl Bare {
    pub(crate) fn new() -> Self {
        Self {
            policy: Policy::new(),
            stats: Stats::default(),
            lifecycle: Lifecycle::new(Seed::from_u64(1)),
        }
    }
}

impl Machine for Bare {
    fn handle(&mut self, now: Instant, event: Event) {
        self.lifecycle.handle(&self.policy, &mut self.stats, now, event).expect("a correct driver");
    }

    fn poll_action(&mut self, now: Instant) -> Option<Action> {
        self.lifecycle.poll_action(&self.policy, &mut self.stats, now)
    }

    fn deadline(&self) -> Option<Instant> {
        self.lifecycle.deadline()
    }

    fn phase(&self) -> Phase {
        self.lifecycle.phase()
    }
}

/// The message path: one message on a live connection, and a drain that finds nothing to do.
#[derive(Debug)]
pub(crate) struct Received<M> {
    machine: M,
    now: Instant,
    conn: ConnId,
}

impl<M: Machine> Received<M> {
    pub(crate) fn new(mut machine: M) -> Self {
        let mut now = Instant::ZERO;
        machine.handle(now, Event::Start);
        let conn = until_open(&mut machine, &mut now);
        machine.handle(now, Event::Opened { conn });
        while machine.poll_action(now).is_some() {}
        assert_eq!(machine.phase(), Phase::Live);
        Self { machine, now, conn }
    }

    /// `n` messages.
    pub(crate) fn run(&mut self, n: u64) {
        for _ in 0..n {
            self.now = self.now.saturating_add(Duration::from_nanos(1));
            self.machine.handle(self.now, black_box(Event::Received { conn: self.conn }));
            while let Some(action) = self.machine.poll_action(self.now) {
                black_box(&action);
            }
        }
        assert_eq!(self.machine.phase(), Phase::Live);
    }
}

/// Whole reconnects without subscriptions: opened, received, closed, timer; drained after each.
#[derive(Debug)]
pub(crate) struct Reconnect<M> {
    machine: M,
    now: Instant,
    conn: ConnId,
}

impl<M: Machine> Reconnect<M> {
    /// Events of one reconnect.
    pub(crate) const EVENTS: u64 = 4;

    pub(crate) fn new(mut machine: M) -> Self {
        let mut now = Instant::ZERO;
        machine.handle(now, Event::Start);
        let conn = until_open(&mut machine, &mut now);
        Self { machine, now, conn }
    }

    /// `n` reconnects.
    pub(crate) fn run(&mut self, n: u64) {
        let first = self.conn.get();
        for _ in 0..n {
            let conn = self.conn;
            self.after(Duration::from_millis(20), Event::Opened { conn });
            self.after(Duration::from_secs(11), Event::Received { conn });
            self.machine.handle(
                self.now,
                black_box(Event::Closed { conn, closure: Closure::peer().code(1006) }),
            );
            self.conn = until_open(&mut self.machine, &mut self.now);
        }
        assert_eq!(self.conn.get(), first + n, "one Open for each loss");
        assert_eq!(self.machine.phase(), Phase::Opening);
    }

    fn after(&mut self, delay: Duration, event: Event) {
        self.now = self.now.saturating_add(delay);
        self.machine.handle(self.now, black_box(event));
        while let Some(action) = self.machine.poll_action(self.now) {
            black_box(&action);
        }
    }
}

/// Reconnects of a link with subscriptions: each is said again on the new connection, and acked.
#[derive(Debug)]
pub(crate) struct Resubscribe {
    link: Link<Vec<Slot>>,
    now: Instant,
    conn: ConnId,
    keys: u64,
    in_flight: VecDeque<Request>,
}

impl Resubscribe {
    pub(crate) fn new(keys: u32) -> Self {
        let storage = vec![Slot::EMPTY; usize::try_from(keys).expect("at least 32 bits")];
        let mut link = Link::with_storage(Policy::new(), Seed::from_u64(1), storage);
        let now = Instant::ZERO;
        for key in (0..keys).map(SubKey::new) {
            link.handle(now, Event::Subscribe { key }).expect("a slot for each key");
        }
        link.handle(now, Event::Start).expect("a correct driver");
        let in_flight = VecDeque::with_capacity(128);
        let conn = ConnId::new(0);
        let mut this = Self { link, now, conn, keys: u64::from(keys), in_flight };
        this.connect();
        this
    }

    /// `n` reconnects, each with all its subscriptions.
    pub(crate) fn run(&mut self, n: u64) {
        for _ in 0..n {
            let conn = self.conn;
            let closed = Event::Closed { conn, closure: Closure::peer().code(1006) };
            self.link.handle(self.now, black_box(closed)).expect("a correct driver");
            self.connect();
        }
    }

    fn connect(&mut self) {
        let conn = until_open(&mut self.link, &mut self.now);
        self.conn = conn;
        self.link.handle(self.now, Event::Opened { conn }).expect("a correct driver");
        let mut answered = 0;
        loop {
            while let Some(action) = self.link.poll_action(self.now) {
                if let Action::Subscribe { request, .. } = action {
                    self.in_flight.push_back(request);
                }
            }
            let Some(request) = self.in_flight.pop_front() else { break };
            self.now = self.now.saturating_add(Duration::from_micros(1));
            let acked = Event::Acked { conn, request };
            self.link.handle(self.now, black_box(acked)).expect("a correct driver");
            answered += 1;
        }
        assert_eq!(answered, self.keys, "each key once");
        assert_eq!(self.link.phase(), Phase::Live);
    }
}

/// Drains, and waits for the timer, until an `Open` is handed out and the drain is over.
fn until_open(machine: &mut impl Machine, now: &mut Instant) -> ConnId {
    loop {
        let mut opened = None;
        while let Some(action) = machine.poll_action(*now) {
            if let Action::Open { conn, .. } = action {
                opened = Some(conn);
            }
            black_box(&action);
        }
        if let Some(conn) = opened {
            return conn;
        }
        *now = machine.deadline().expect("a wanted link never sleeps for ever");
        machine.handle(*now, black_box(Event::TimerFired));
    }
}
