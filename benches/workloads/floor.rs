//! The floor: what a person writes by hand for a connection that is dialled, watched and dialled
//! again. Five states, doubling backoff with jitter, one timer; no limit, no settling, no server's
//! wishes, no subscriptions, no status.

use redial::{Action, ConnId, Endpoint, Event, How, Instant, Phase, Session, Why};

use super::Machine;

#[derive(Debug)]
pub(crate) struct Floor {
    state: State,
    newest: u64,
    failures: u32,
    random: u64,
    abort: Option<ConnId>,
    /// When the driver's timer fires.
    armed: Option<Instant>,
    /// Something may be left to do.
    pending: bool,
}

#[derive(Debug)]
enum State {
    Idle,
    Waiting { until: Instant },
    Due,
    Opening { conn: ConnId, deadline: Instant },
    Live { conn: ConnId, deadline: Instant },
}

impl Floor {
    pub(crate) const fn new() -> Self {
        Self {
            state: State::Idle,
            newest: 0,
            failures: 0,
            random: 0x9e37_79b9_7f4a_7c15,
            abort: None,
            armed: None,
            pending: false,
        }
    }

    fn lost(&mut self, now: Instant) {
        let bound = (SHORTEST_NS << self.failures.min(6)).min(LONGEST_NS);
        self.failures = self.failures.saturating_add(1);
        let delay = self.random() % bound;
        self.state = State::Waiting { until: after(now, delay) };
    }

    fn random(&mut self) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random
    }
}

impl Machine for Floor {
    fn handle(&mut self, now: Instant, event: Event) {
        // The message path. A timer that fires too early is harmless: it costs no timer call.
        if let (State::Live { conn, deadline }, Event::Received { conn: heard }) =
            (&mut self.state, event)
        {
            if *conn == heard {
                self.failures = 0;
                *deadline = after(now, DEAD_AFTER_NS);
            }
            return;
        }
        self.pending = true;
        match (&mut self.state, event) {
            (State::Idle, Event::Start) => self.state = State::Due,
            (State::Waiting { until }, Event::TimerFired) if now >= *until => {
                self.state = State::Due;
            }
            (State::Opening { conn, .. }, Event::Opened { conn: opened }) if *conn == opened => {
                self.state = State::Live { conn: opened, deadline: after(now, DEAD_AFTER_NS) };
            }
            (
                State::Opening { conn, .. } | State::Live { conn, .. },
                Event::Closed { conn: closed, .. },
            ) if *conn == closed => self.lost(now),
            (
                State::Opening { conn, deadline } | State::Live { conn, deadline },
                Event::TimerFired,
            ) if now >= *deadline => {
                self.abort = Some(*conn);
                self.lost(now);
            }
            (_, Event::Stop) => self.state = State::Idle,
            _ => {}
        }
        if matches!(event, Event::TimerFired) {
            self.armed = None;
        }
    }

    fn poll_action(&mut self, now: Instant) -> Option<Action> {
        if !self.pending {
            return None;
        }
        if let Some(conn) = self.abort.take() {
            return Some(Action::Close { conn, how: How::Abort, why: Why::Silent });
        }
        if let State::Due = self.state {
            self.newest = self.newest.saturating_add(1);
            let conn = ConnId::new(self.newest);
            self.state = State::Opening { conn, deadline: after(now, OPEN_WITHIN_NS) };
            let (endpoint, session) = (Endpoint::new(0), Session::Fresh);
            return Some(Action::Open { conn, endpoint, session });
        }
        self.pending = false;
        let deadline = self.deadline();
        match (deadline, self.armed) {
            (Some(at), Some(armed)) if armed <= at => None,
            (Some(at), _) => {
                self.armed = deadline;
                Some(Action::ArmTimer { at })
            }
            (None, Some(_)) => {
                self.armed = None;
                Some(Action::DisarmTimer)
            }
            (None, None) => None,
        }
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } => Some(until),
            State::Opening { deadline, .. } | State::Live { deadline, .. } => Some(deadline),
            State::Idle | State::Due => None,
        }
    }

    fn phase(&self) -> Phase {
        match self.state {
            State::Idle => Phase::Idle,
            State::Waiting { .. } | State::Due => Phase::Waiting,
            State::Opening { .. } => Phase::Opening,
            State::Live { .. } => Phase::Live,
        }
    }
}

const fn after(now: Instant, delay_ns: u64) -> Instant {
    Instant::from_nanos(now.as_nanos().saturating_add(delay_ns))
}

const SHORTEST_NS: u64 = 500_000_000;
const LONGEST_NS: u64 = 30_000_000_000;
const OPEN_WITHIN_NS: u64 = 10_000_000_000;
const DEAD_AFTER_NS: u64 = 25_000_000_000;
