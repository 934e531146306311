//! One link's state, and every transition of it.
//!
//! # Theory of operation
//!
//! ```text
//!                 Start                       due                 Opened            (Ready)
//!        Idle ───────────▶ Waiting ───────────────────▶ Opening ─────────▶ Greeting ────────▶ ready
//!                           ▲   │                          │                  │                 │
//!                           │   └──────▶ Halted            └──────────────────┴─────────────────┘
//!                           │  gives up    ▲    Halt, too many rejections     │ failure or loss
//!                           │              └──────────────────────────────────┤
//!                           └─────────────────────────────────────────────────┘
//!        Stop: an attempt is aborted, what is open passes through Closing, then Idle.
//! ```
//!
//! A ready connection is `Restoring`, `Live` or `Degraded`; the subscriptions say which.
//!
//! **Input.** [`Lifecycle::apply`] applies one event, then [`Lifecycle::fire_due`] applies the
//! deadlines that are due, in this order: a success that arrives late still counts.
//!
//! **Output.** Nothing is queued. What the driver has been told (`owed`, `armed`, `told`, and marks
//! in the states) is compared with what is; the first difference is the next action. An attempt is
//! charged, named and given its deadline when its `Open` is handed out, at that instant (P1).
//!
//! **Deadlines** lie in the variant of [`State`] or [`Stage`] that they
//! belong to, so that leaving it drops them. `wake_at` is a lower bound of the earliest: it is
//! worked out anew when a state is entered or when it is reached; traffic that merely postpones a
//! deadline leaves it alone.
//!
//! **Memory.** A connection's own facts are in [`Connection`]; what outlives it (failures, limits,
//! floor, give-up clock) is in the lifecycle. Failures are forgotten in one place,
//! [`Lifecycle::end`], and only by a settled connection (P8).

mod output;
mod view;

use crate::action::Why;
use crate::backoff::{Failures, draw};
use crate::connection::{Connection, Service, Stage};
use crate::event::{By, Closure, Event, Misuse};
use crate::id::{ConnId, SubKey};
use crate::limit::Bucket;
use crate::liveness::{Due, Liveness};
use crate::policy::{NetworkDown, Policy};
use crate::seed::{Jitter, Seed};
use crate::stats::{Stats, count};
use crate::status::{Cause, Continuity, Halted, Status};
use crate::subscriptions::Counts;
use crate::time::{Instant, Nanos};
use crate::verdict::{Verdict, classify};
use crate::wait::{Terms, Wait};

/// A link without policy, counters and subscriptions: the part that is small enough to have by the
/// million. Most drivers want a [`Link`](crate::Link), which holds all of them.
///
/// Each call takes the policy, which must be the same one every time, and the counters. The inputs,
/// outputs and getters are those of `Link`, and so are their rules.
///
/// ```
/// use redial::{Action, Event, Instant, Lifecycle, Phase, Policy, Seed, Stats};
///
/// let policy = Policy::new();
/// let mut stats = Stats::default();
/// let mut lifecycle = Lifecycle::new(Seed::from_u64(7));
/// lifecycle.handle(&policy, &mut stats, Instant::ZERO, Event::Start)?;
/// let action = lifecycle.poll_action(&policy, &mut stats, Instant::ZERO);
/// assert!(matches!(action, Some(Action::Open { .. })));
/// # Ok::<(), redial::Misuse>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Lifecycle {
    now: Instant,
    wake_at: Instant,
    pending: Pending,
    /// A state was entered: who may be spoken to may have changed.
    moved: bool,
    /// The newest connection handed out.
    newest: ConnId,
    state: State,
    paused: bool,
    offline: bool,
    /// Ready at least once since the link was made.
    ever_ready: bool,
    /// Ready at least once since `Start`.
    ready_since_start: bool,
    /// The policy's one reconnect for a given-up key is spent until the next `Live`.
    degraded_spent: bool,
    failures: Failures,
    /// The attempt limit and the longer one.
    buckets: [Bucket; 2],
    /// No attempt before, for the server asked so.
    floor: Instant,
    outage: Outage,
    continuity: Continuity,
    losses: u32,
    cause: Option<Cause>,
    jitter: Jitter,
    owed: Owed,
    /// When the driver's timer fires; never if it is disarmed.
    armed: Instant,
    /// The last report.
    told: Status,
}

/// With a tag of its own: one hidden in a payload's niche costs each `match` four instructions.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
#[repr(u8)]
enum State {
    Idle,
    Waiting(Wait),
    Up(Connection),
    Closing(Closing),
    Halted(Halted),
}

/// A connection that is being closed gracefully.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
struct Closing {
    id: ConnId,
    why: Why,
    /// When it is aborted; unknown until its `Close` is handed out.
    deadline: Option<Instant>,
    then: Then,
}

/// What follows once a closing connection is gone.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Then {
    Idle,
    Begin,
    Retry { settled: bool },
}

/// Closes that the driver has not been told of yet. No `Open` is handed out before them (P4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Owed {
    abort: Option<(ConnId, Why)>,
    /// First and last of a range of ids that opened after they were given up. It may name ids that
    /// are gone already; closing those is harmless.
    stale: Option<(u64, u64)>,
}

/// Wanted time since the last settled connection or `Start`, less what was paused, offline or
/// spent on a ready connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Outage {
    spent: Nanos,
    counted_to: Instant,
}

/// Which kinds of output may differ from what the driver was told.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(crate) struct Pending(u8);

impl Pending {
    /// Close, Open, Ping.
    const HEAD: u8 = 1;
    /// Unsubscribe, Subscribe.
    const SPEECH: u8 = 2;
    /// Report.
    const REPORT: u8 = 4;
    /// The timer.
    const TIMER: u8 = 8;
}

/// How a connection or an attempt ended.
struct Ended {
    settled: bool,
    was_ready: bool,
    cause: Cause,
    verdict: Verdict,
}

/// What each transition needs besides the state.
pub(crate) struct Context<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) stats: &'a mut Stats,
    pub(crate) now: Instant,
}

/// Inputs.
impl Lifecycle {
    /// A link that is not wanted yet.
    #[must_use]
    pub const fn new(seed: Seed) -> Self {
        Self {
            now: Instant::ZERO,
            wake_at: Instant::MAX,
            pending: Pending(0),
            moved: false,
            newest: ConnId(0),
            state: State::Idle,
            paused: false,
            offline: false,
            ever_ready: false,
            ready_since_start: false,
            degraded_spent: false,
            failures: Failures::new(),
            buckets: [Bucket::FULL; 2],
            floor: Instant::ZERO,
            outage: Outage { spent: Nanos::ZERO, counted_to: Instant::ZERO },
            continuity: Continuity::First,
            losses: 0,
            cause: None,
            jitter: Jitter::new(seed),
            owed: Owed { abort: None, stale: None },
            armed: Instant::MAX,
            told: Status::IDLE,
        }
    }

    /// As [`Link::handle`](crate::Link::handle). There is no storage, hence every event about a key
    /// is [`Misuse::KeyOutsideStorage`].
    ///
    /// # Errors
    ///
    /// [`Misuse`], and then nothing has changed.
    pub fn handle(
        &mut self,
        policy: &Policy,
        stats: &mut Stats,
        now: Instant,
        event: Event,
    ) -> Result<(), Misuse> {
        if let Event::Received { conn } = event {
            if self.received(now, conn) {
                return Ok(());
            }
        }
        if event.is_about_key() {
            let key = event.key().unwrap_or(SubKey(0));
            return Err(Misuse::KeyOutsideStorage { key, capacity: 0 });
        }
        self.check(&event)?;
        let mut cx = self.begin(policy, stats, now);
        self.apply(&mut cx, event);
        if self.is_due() {
            self.fire_due(&mut cx);
        }
        if self.take_moved() {
            self.serve(&mut cx, Counts::default());
        }
        Ok(())
    }

    /// The message path: bytes on the ready connection while nothing is due.
    #[inline]
    pub(crate) fn received(&mut self, now: Instant, conn: ConnId) -> bool {
        match &mut self.state {
            State::Up(Connection { id, stage: Stage::Ready { liveness, .. } })
                if *id == conn && self.now <= now && now < self.wake_at =>
            {
                self.now = now;
                liveness.heard(now);
                true
            }
            State::Idle
            | State::Waiting(_)
            | State::Up(_)
            | State::Closing(_)
            | State::Halted(_) => false,
        }
    }

    /// Refuses, without a trace, what a correct driver cannot do.
    pub(crate) fn check(&self, event: &Event) -> Result<(), Misuse> {
        match event.conn() {
            Some(conn) if conn.0 == 0 || conn > self.newest => {
                Err(Misuse::UnknownConnection { conn, newest: self.newest })
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Moves the clock to `now`, or to the latest seen if that is later.
    pub(crate) fn begin<'a>(
        &mut self,
        policy: &'a Policy,
        stats: &'a mut Stats,
        now: Instant,
    ) -> Context<'a> {
        if now < self.now {
            count(&mut stats.clock_anomalies);
        }
        self.now = self.now.max(now);
        Context { policy, stats, now: self.now }
    }

    /// Applies one event, without the deadlines.
    #[inline]
    pub(crate) fn apply(&mut self, cx: &mut Context<'_>, event: Event) {
        match event {
            Event::Start => self.start(cx),
            Event::Stop => self.stop(cx),
            Event::RetryNow => self.retry_now(cx),
            Event::Pause => self.condition(cx, |link| link.paused = true),
            Event::Resume => self.condition(cx, |link| link.paused = false),
            Event::NetworkDown => self.network_down(cx),
            Event::NetworkUp => {
                self.probe(cx);
                self.condition(cx, |link| link.offline = false);
            }
            Event::TimerFired => {
                self.armed = Instant::MAX;
                self.pending.0 |= Pending::TIMER;
            }
            Event::Opened { conn } => self.opened(cx, conn),
            Event::Ready { conn } => self.ready(cx, conn),
            Event::Received { conn } => {
                self.heard(cx, conn);
            }
            Event::Closed { conn, closure } => self.closed(cx, conn, closure),
            // Answers and wishes about keys are the subscriptions' business.
            Event::Subscribe { .. }
            | Event::Unsubscribe { .. }
            | Event::Resync { .. }
            | Event::Acked { .. }
            | Event::Refused { .. } => {}
        }
    }

    /// Applies the deadlines that are due.
    pub(crate) fn fire_due(&mut self, cx: &mut Context<'_>) {
        while self.is_due() {
            if !self.fire_one(cx) {
                self.wake_at = self.own_deadline(cx.policy);
                self.pending.0 |= Pending::TIMER;
                return;
            }
        }
    }

    /// Whether a deadline may be reached: only then is anything due.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.now >= self.wake_at
    }

    /// Whether a state was entered since the last call.
    #[inline]
    pub(crate) fn take_moved(&mut self) -> bool {
        core::mem::take(&mut self.moved)
    }

    /// What waits for something else has no deadline of its own (P2); what is wanted and waits for
    /// nothing else has one (P3).
    #[inline]
    fn own_deadline(&self, policy: &Policy) -> Instant {
        match &self.state {
            State::Idle | State::Halted(_) => Instant::MAX,
            State::Waiting(wait) if wait.come || self.is_blocked() => Instant::MAX,
            State::Waiting(wait) => wait.due(),
            State::Up(connection) => connection.deadline(policy),
            State::Closing(closing) => closing.deadline.unwrap_or(Instant::MAX),
        }
    }
}

/// The application's wishes and the platform's hints.
impl Lifecycle {
    fn start(&mut self, cx: &mut Context<'_>) {
        match &mut self.state {
            State::Idle | State::Halted(_) => self.begin_afresh(cx),
            State::Closing(closing) if closing.then == Then::Idle => {
                closing.then = Then::Begin;
                self.pending.0 |= Pending::REPORT;
            }
            State::Closing(_) | State::Waiting(_) | State::Up(_) => {}
        }
    }

    /// Limits and floor stay: a restart is no way around them (P1, P9).
    fn begin_afresh(&mut self, cx: &mut Context<'_>) {
        self.failures = Failures::new();
        self.outage = Outage { spent: Nanos::ZERO, counted_to: cx.now };
        self.ready_since_start = false;
        self.degraded_spent = false;
        self.cause = None;
        let within = draw(&mut self.jitter, Nanos::ZERO, cx.policy.start_within);
        self.wait(cx, within, false);
    }

    fn stop(&mut self, cx: &mut Context<'_>) {
        self.account(cx);
        cx.stats.unwanted();
        self.cause = None;
        match &mut self.state {
            State::Idle | State::Waiting(_) | State::Halted(_) => self.enter(cx, State::Idle),
            State::Closing(closing) => {
                closing.then = Then::Idle;
                // A close that the driver was told of keeps its reason.
                if closing.deadline.is_none() {
                    closing.why = Why::Stop;
                }
                self.pending.0 |= Pending::REPORT;
            }
            State::Up(Connection { id, stage: Stage::Opening { .. } }) => {
                let id = *id;
                self.abort(id, Why::Stop);
                self.enter(cx, State::Idle);
            }
            State::Up(connection) => {
                if is_settled(connection, cx, false) {
                    count(&mut cx.stats.settled);
                }
                let id = connection.id;
                self.close(cx, id, Why::Stop, Then::Idle);
            }
        }
    }

    fn retry_now(&mut self, cx: &mut Context<'_>) {
        self.account(cx);
        let (state, mut terms) = self.terms(cx);
        if let State::Waiting(wait) = state {
            wait.drop_backoff(&mut terms);
            self.changed(cx.policy);
        }
    }

    fn network_down(&mut self, cx: &mut Context<'_>) {
        self.condition(cx, |link| link.offline = true);
        match cx.policy.network_down {
            NetworkDown::Probe => self.probe(cx),
            NetworkDown::Drop => match &self.state {
                State::Up(connection) => {
                    let ended = Ended {
                        settled: is_settled(connection, cx, false),
                        was_ready: connection.is_ready(),
                        cause: Cause::Network,
                        verdict: Verdict::Retry,
                    };
                    self.abort(connection.id, Why::Network);
                    self.end(cx, ended);
                }
                State::Closing(closing) => {
                    let (id, then) = (closing.id, closing.then);
                    self.abort(id, Why::Network);
                    self.closed_gracefully(cx, then);
                }
                State::Idle | State::Waiting(_) | State::Halted(_) => {}
            },
        }
    }

    fn probe(&mut self, cx: &Context<'_>) {
        if let State::Up(Connection { stage: Stage::Ready { liveness, .. }, .. }) = &mut self.state
        {
            liveness.ask(cx.policy.heartbeat.as_ref());
            self.pending.0 |= Pending::HEAD;
        }
    }

    /// Changes whether the link is paused or offline, and takes the hint if the way is free.
    fn condition(&mut self, cx: &mut Context<'_>, change: impl FnOnce(&mut Self)) {
        self.account(cx);
        let was_blocked = self.is_blocked();
        change(self);
        let blocked = self.is_blocked();
        let (state, mut terms) = self.terms(cx);
        if let (State::Waiting(wait), false) = (state, blocked) {
            wait.hint(was_blocked, &mut terms);
        }
        self.changed(cx.policy);
    }
}

/// What the driver reports of sockets.
impl Lifecycle {
    fn opened(&mut self, cx: &mut Context<'_>, conn: ConnId) {
        match &self.state {
            State::Up(Connection { id, stage: Stage::Opening { .. } }) if *id == conn => {
                count(&mut cx.stats.opens);
                let heartbeat = cx.policy.heartbeat.as_ref();
                let liveness = Liveness::new(heartbeat, cx.now, &mut self.jitter);
                match cx.policy.ready_within {
                    None => self.become_ready(cx, conn, liveness),
                    Some(within) => {
                        let stage = Stage::Greeting { deadline: cx.now.after(within), liveness };
                        self.enter(cx, State::Up(Connection { id: conn, stage }));
                    }
                }
            }
            State::Up(_)
            | State::Idle
            | State::Waiting(_)
            | State::Closing(_)
            | State::Halted(_) => {
                self.heard(cx, conn);
                cx.stats.stale();
                self.owe_stale_close(conn);
            }
        }
    }

    /// A socket that opened after it was given up must not leak (P4, P6).
    fn owe_stale_close(&mut self, conn: ConnId) {
        let aborting = self.owed.abort.is_some_and(|(abort, _)| abort == conn);
        if self.held() == Some(conn) || aborting {
            return;
        }
        let (first, last) = self.owed.stale.unwrap_or((conn.0, conn.0));
        self.owed.stale = Some((first.min(conn.0), last.max(conn.0)));
        self.pending.0 |= Pending::HEAD;
    }

    fn ready(&mut self, cx: &mut Context<'_>, conn: ConnId) {
        if cx.policy.ready_within.is_some() {
            if let State::Up(Connection { id, stage: Stage::Opening { .. } }) = &self.state {
                if *id == conn {
                    self.opened(cx, conn);
                }
            }
        }
        match &mut self.state {
            State::Up(Connection { id, stage: Stage::Greeting { liveness, .. } })
                if *id == conn =>
            {
                liveness.heard(cx.now);
                let liveness = liveness.clone();
                self.become_ready(cx, conn, liveness);
            }
            State::Up(_)
            | State::Idle
            | State::Waiting(_)
            | State::Closing(_)
            | State::Halted(_) => {
                if self.heard(cx, conn) {
                    cx.stats.stale();
                }
            }
        }
    }

    fn become_ready(&mut self, cx: &mut Context<'_>, id: ConnId, liveness: Liveness) {
        count(&mut cx.stats.readies);
        self.ever_ready = true;
        self.cause = None;
        self.continuity = if self.ready_since_start {
            self.losses = self.losses.saturating_add(1);
            Continuity::Lost
        } else {
            Continuity::First
        };
        self.ready_since_start = true;
        let stage = Stage::Ready { since: cx.now, service: Service::Restoring, liveness };
        self.enter(cx, State::Up(Connection { id, stage }));
    }

    /// Bytes arrived on `conn`. False, and counted, if it is not held (P6).
    pub(crate) fn heard(&mut self, cx: &mut Context<'_>, conn: ConnId) -> bool {
        if self.held() != Some(conn) {
            cx.stats.stale();
            return false;
        }
        if let State::Up(connection) = &mut self.state {
            if let Some(liveness) = connection.liveness() {
                liveness.heard(cx.now);
            }
        }
        true
    }

    /// The first report of an end decides; afterwards the connection is not held (P12).
    #[inline]
    fn closed(&mut self, cx: &mut Context<'_>, conn: ConnId, closure: Closure) {
        if self.held() != Some(conn) {
            cx.stats.stale();
            return;
        }
        if let (Some(wait), false) = (closure.retry_after, closure.by == By::Local) {
            self.raise_floor(cx, wait.nanos());
        }
        match &self.state {
            State::Up(connection) => {
                let ended = Ended {
                    settled: is_settled(connection, cx, closure.by == By::Peer),
                    was_ready: connection.is_ready(),
                    cause: Cause::Closed { by: closure.by, fact: closure.fact },
                    verdict: classify(cx.policy.rules.as_slice(), closure),
                };
                self.end(cx, ended);
            }
            State::Closing(closing) => self.closed_gracefully(cx, closing.then),
            State::Idle | State::Waiting(_) | State::Halted(_) => {}
        }
    }

    fn closed_gracefully(&mut self, cx: &mut Context<'_>, then: Then) {
        match then {
            Then::Idle => self.enter(cx, State::Idle),
            Then::Begin => self.begin_afresh(cx),
            Then::Retry { settled } => {
                let cause = Cause::Degraded;
                let verdict = Verdict::Retry;
                self.end(cx, Ended { settled, was_ready: true, cause, verdict });
            }
        }
    }
}

/// Attempts, ends and waits.
impl Lifecycle {
    /// The one gate for attempts: charged here and nowhere else, refunded nowhere (P1). The wait
    /// has come, so limits and floor admit; no close is owed, so nothing is held (P4).
    fn open(&mut self, cx: &mut Context<'_>) -> Option<ConnId> {
        match &self.state {
            State::Waiting(wait) if wait.come && !self.is_blocked() => {}
            State::Waiting(_)
            | State::Idle
            | State::Up(_)
            | State::Closing(_)
            | State::Halted(_) => return None,
        }
        self.account(cx);
        debug_assert!(cx.now >= self.floor, "P9: the floor admits");
        let limits = [cx.policy.attempts, cx.policy.attempts_long];
        for (bucket, limit) in self.buckets.iter_mut().zip(limits) {
            if let Some(limit) = limit {
                debug_assert!(cx.now >= bucket.release(limit), "P1: the limit admits");
                bucket.charge(limit, cx.now);
            }
        }
        self.newest = ConnId(self.newest.0.saturating_add(1));
        let deadline = cx.now.after(cx.policy.open_within);
        self.wake_at = self.wake_at.min(deadline);
        self.state = State::Up(Connection { id: self.newest, stage: Stage::Opening { deadline } });
        // Nothing else comes before the report.
        self.pending.0 = Pending::REPORT | Pending::TIMER;
        count(&mut cx.stats.attempts);
        Some(self.newest)
    }

    /// A connection or an attempt has ended while the link is wanted: one loss, whatever else is
    /// reported of it later (P12).
    #[inline]
    fn end(&mut self, cx: &mut Context<'_>, ended: Ended) {
        self.account(cx);
        self.cause = Some(ended.cause);
        cx.stats.ended(ended.cause, ended.settled, ended.was_ready.then_some(cx.now));
        let failed = !ended.settled && ended.cause != Cause::Network;
        if ended.settled {
            // The only place, besides `Start`, where failures are forgotten (P8).
            self.failures = Failures::new();
            self.outage.spent = Nanos::ZERO;
        } else if failed {
            self.failures.raise(&cx.policy.retry);
        }
        match ended.verdict {
            Verdict::Halt => return self.enter(cx, State::Halted(Halted::Fatal)),
            Verdict::RetryWithin { from, .. } => self.raise_floor(cx, from.nanos()),
            Verdict::Reauthenticate => {
                self.failures.reject();
                if self.failures.rejections() >= cx.policy.rejections {
                    return self.enter(cx, State::Halted(Halted::Unauthorized));
                }
            }
            Verdict::Retry | Verdict::RetrySoon | Verdict::NextEndpoint | Verdict::FreshSession => {
            }
        }
        if failed && self.gives_up(cx.policy) {
            return self.enter(cx, State::Halted(Halted::Exhausted));
        }
        let delay = self.failures.delay(cx.policy, ended.verdict, &mut self.jitter);
        self.wait(cx, delay.length, delay.spread);
    }

    /// The server asked for patience: never shortened, not even by `Stop` and `Start` (P9).
    fn raise_floor(&mut self, cx: &Context<'_>, wait: Nanos) {
        let wait = wait.min(cx.policy.server_delay_max);
        if wait != Nanos::ZERO {
            self.floor = self.floor.max(cx.now.after(wait));
        }
    }

    #[inline]
    fn wait(&mut self, cx: &mut Context<'_>, backoff: Nanos, spread: bool) {
        let bound = self.failures.bound(&cx.policy.retry);
        let (floor, backoff) = (self.floor, cx.now.after(backoff));
        let (_, mut terms) = self.terms(cx);
        let wait = Wait::new(backoff, spread, floor, bound, &mut terms);
        self.enter(cx, State::Waiting(wait));
    }

    #[inline]
    fn enter(&mut self, cx: &mut Context<'_>, state: State) {
        self.account(cx);
        self.state = state;
        self.moved = true;
        self.changed(cx.policy);
    }

    /// Deadline, report and timer may differ from what they were.
    #[inline]
    fn changed(&mut self, policy: &Policy) {
        self.wake_at = self.own_deadline(policy);
        self.pending.0 |= Pending::REPORT | Pending::TIMER;
    }

    /// The connection is to be dropped; from now on it is not held.
    const fn abort(&mut self, conn: ConnId, why: Why) {
        self.owed.abort = Some((conn, why));
        self.pending.0 |= Pending::HEAD;
    }

    fn close(&mut self, cx: &mut Context<'_>, id: ConnId, why: Why, then: Then) {
        self.enter(cx, State::Closing(Closing { id, why, deadline: None, then }));
        self.pending.0 |= Pending::HEAD;
    }

    fn terms<'a>(&'a mut self, cx: &'a Context<'_>) -> (&'a mut State, Terms<'a>) {
        let terms = Terms {
            policy: cx.policy,
            buckets: &self.buckets,
            jitter: &mut self.jitter,
            now: cx.now,
        };
        (&mut self.state, terms)
    }

    fn gives_up(&self, policy: &Policy) -> bool {
        let attempts = if self.ever_ready {
            policy.give_up.attempts
        } else {
            policy.give_up.first_attempts.or(policy.give_up.attempts)
        };
        attempts.is_some_and(|attempts| self.failures.level() >= attempts)
            || self.is_outage_over(policy)
    }

    fn is_outage_over(&self, policy: &Policy) -> bool {
        policy.give_up.outage.is_some_and(|outage| self.outage.spent >= outage)
    }

    /// Applies one due deadline. False if there was none.
    fn fire_one(&mut self, cx: &mut Context<'_>) -> bool {
        let blocked = self.is_blocked();
        match &mut self.state {
            State::Idle | State::Halted(_) => false,
            State::Waiting(wait) => {
                if wait.come || blocked || cx.now < wait.due() {
                    return false;
                }
                wait.come = true;
                self.wake_at = Instant::MAX;
                self.pending.0 |= Pending::HEAD | Pending::TIMER;
                self.account(cx);
                if self.is_outage_over(cx.policy) {
                    self.enter(cx, State::Halted(Halted::Exhausted));
                }
                true
            }
            State::Up(connection) => match due_cause(connection, cx) {
                None => {
                    // A ping may be owed.
                    self.pending.0 |= Pending::HEAD;
                    false
                }
                Some((cause, why)) => {
                    let ended = Ended {
                        settled: is_settled(connection, cx, false),
                        was_ready: connection.is_ready(),
                        cause,
                        verdict: Verdict::Retry,
                    };
                    // A connection presumed dead is aborted at once; the wait begins now.
                    let id = connection.id;
                    self.abort(id, why);
                    self.end(cx, ended);
                    true
                }
            },
            State::Closing(closing) => {
                if closing.deadline.is_none_or(|deadline| cx.now < deadline) {
                    return false;
                }
                let (id, why, then) = (closing.id, closing.why, closing.then);
                self.abort(id, why);
                self.closed_gracefully(cx, then);
                true
            }
        }
    }

    /// Whether these counts change how far the ready connection is.
    pub(crate) fn serves_otherwise(&self, counts: Counts) -> bool {
        match &self.state {
            State::Up(Connection { stage: Stage::Ready { service, .. }, .. }) => {
                service.next(counts) != *service
            }
            State::Up(_)
            | State::Idle
            | State::Waiting(_)
            | State::Closing(_)
            | State::Halted(_) => false,
        }
    }

    /// Tells how far the subscriptions of the ready connection are.
    pub(crate) fn serve(&mut self, cx: &mut Context<'_>, counts: Counts) {
        if !self.serves_otherwise(counts) {
            return;
        }
        self.account(cx);
        self.pending.0 |= Pending::REPORT;
        let State::Up(connection) = &mut self.state else { return };
        let Stage::Ready { service, .. } = &mut connection.stage else { return };
        *service = service.next(counts);
        match *service {
            Service::Restoring => {}
            Service::Live => {
                self.degraded_spent = false;
                cx.stats.recovered(cx.now);
            }
            Service::Degraded => {
                if cx.policy.reconnects_when_degraded() && !self.degraded_spent {
                    self.degraded_spent = true;
                    self.cause = Some(Cause::Degraded);
                    let (id, settled) = (connection.id, is_settled(connection, cx, false));
                    self.close(cx, id, Why::Degraded, Then::Retry { settled });
                }
            }
        }
    }

    /// Adds the time since the last accounting to the sums of the phase that it was spent in.
    #[inline]
    fn account(&mut self, cx: &mut Context<'_>) {
        if cx.now > self.outage.counted_to {
            self.account_slowly(cx);
        }
    }

    fn account_slowly(&mut self, cx: &mut Context<'_>) {
        let spent = cx.now.since(self.outage.counted_to);
        self.outage.counted_to = cx.now;
        match &self.state {
            State::Idle | State::Halted(_) | State::Closing(Closing { then: Then::Idle, .. }) => {
                return;
            }
            State::Up(Connection { stage: Stage::Ready { service, .. }, .. }) => {
                return cx.stats.served(spent, *service);
            }
            State::Waiting(wait) => cx.stats.waited(spent, self.waits_for(wait)),
            State::Up(_) | State::Closing(_) => cx.stats.wanted(spent),
        }
        if !self.is_blocked() {
            self.outage.spent = self.outage.spent.saturating_add(spent);
        }
    }
}

fn is_settled(connection: &Connection, cx: &Context<'_>, peer_closed: bool) -> bool {
    connection.is_ready()
        && connection.proven_uptime(cx.policy, cx.now, peer_closed) >= cx.policy.settle_after
}

/// Whether a deadline of the connection is due, and what that means.
fn due_cause(connection: &mut Connection, cx: &mut Context<'_>) -> Option<(Cause, Why)> {
    match &connection.stage {
        Stage::Opening { deadline } => {
            return (cx.now >= *deadline).then_some((Cause::OpenTimeout, Why::OpenTimeout));
        }
        Stage::Greeting { deadline, .. } if cx.now >= *deadline => {
            return Some((Cause::ReadyTimeout, Why::ReadyTimeout));
        }
        Stage::Greeting { .. } | Stage::Ready { .. } => {}
    }
    let heartbeat = cx.policy.heartbeat.as_ref();
    let liveness = connection.liveness()?;
    match liveness.due(heartbeat, cx.policy.late_by, cx.now) {
        Due::Alive => None,
        Due::Overslept => {
            count(&mut cx.stats.late_wakeups);
            None
        }
        Due::Dead => {
            cx.stats.detected(cx.now.since(liveness.last_byte()));
            Some((Cause::Silent, Why::Silent))
        }
    }
}
