//! One link's state, and every transition of it.
//!
//! # Theory of operation
//!
//! ```text
//!                 Start                       due                 Opened            (Ready)
//!        Idle ───────────▶ Waiting ───────────────────▶ Opening ─────────▶ Greeting ────────▶ ready
//!                           ▲   │      (Refreshing)        │                  │                 │
//!                           │   └──────▶ Halted            └──────────────────┴─────────────────┘
//!                           │  gives up    ▲    Halt, too many rejections     │ failure or loss
//!                           │              └──────────────────────────────────┤
//!                           └─────────────────────────────────────────────────┘
//!        Stop: an attempt is aborted, what is open passes through Closing, then Idle.
//! ```
//!
//! A ready connection is `Restoring`, `Live` or `Degraded`; the subscriptions say which. Beside it
//! there may be another one: a rotation's successor, or the one that it took over from
//! ([`rotation`]). An attempt may need credentials first ([`refresh`]).
//!
//! **Input.** [`Lifecycle::apply`] applies one event, then [`Lifecycle::fire_due`] applies the
//! deadlines that are due, in this order: a success that arrives late still counts.
//!
//! **Output.** Nothing is queued. What the driver has been told (`owed`, `armed`, `told`, and marks
//! in the states) is compared with what is; the first difference is the next action. An attempt is
//! charged, named and given its deadline when its `Open` is handed out, at that instant (P1).
//!
//! **Deadlines** lie in the variant of [`State`], or in the stage of a connection, that they
//! belong to, so that leaving it drops them. `wake_at` is a lower bound of the earliest: it is
//! worked out anew when a state is entered or when it is reached; traffic that merely postpones a
//! deadline leaves it alone.
//!
//! **Memory.** A connection's own facts are in [`Connection`]; what outlives it (failures, limits,
//! endpoints, session, credentials, give-up clock) is in the lifecycle. Failures are forgotten in
//! one place, [`Lifecycle::learn`], and only by a settled connection (P8).

mod output;
mod refresh;
mod rotation;
#[cfg(feature = "serde")]
mod snapshot;
mod view;

use crate::action::{Action, Session, Why};
use crate::backoff::{Cadence, Failures, draw};
use crate::connection::{Connection, Stage};
use crate::credentials::Credentials;
use crate::endpoint::Endpoints;
use crate::event::{By, Closure, Established, Event, Fact, Misuse};
use crate::id::{ConnId, Endpoint, SubKey};
use crate::limit::{Bucket, Limit};
use crate::liveness::Due;
use crate::policy::{NetworkDown, Policy};
use crate::seed::{Jitter, Seed};
use crate::session::Sessions;
use crate::stats::{Stats, count};
use crate::status::{Cause, Continuity, Halted, Status};
use crate::subscriptions::Counts;
use crate::time::{Instant, MaybeMillis, Millis, Nanos};
use crate::verdict::{Verdict, classify};
use crate::wait::{Target, Terms, Turn, Wait};
use rotation::Rotation;

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
    /// What the end of a call has to settle.
    unsettled: Unsettled,
    /// The newest connection handed out.
    newest: ConnId,
    state: State,
    paused: bool,
    offline: bool,
    /// The outage has lasted so long that attempts come slower.
    suspended: bool,
    /// Ready at least once since the link was made.
    ever_ready: bool,
    /// Ready at least once since `Start`.
    ready_since_start: bool,
    /// The policy's one reconnect for a given-up key is spent until the next `Live`.
    degraded_spent: bool,
    failures: Failures,
    /// The attempt limit and the longer one.
    buckets: [Bucket; 2],
    endpoints: Endpoints,
    sessions: Sessions,
    credentials: Credentials,
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
    Up { current: Connection, rotation: Rotation },
    Closing(Closing),
    Halted(Halted),
}

/// A connection that is being closed gracefully.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Closing {
    id: ConnId,
    endpoint: Endpoint,
    /// It had resumed its session.
    resumed: bool,
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
    /// The loss is counted then, for this reason.
    Lose {
        settled: bool,
        cause: Cause,
    },
}

/// Closes that the driver has not been told of yet. No `Open` is handed out before them (P4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Owed {
    /// Two at most are held.
    aborts: [Option<(ConnId, Why)>; 2],
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
    const CLOSE: u8 = 1;
    /// Open, RefreshCredentials.
    const ATTEMPT: u8 = 2;
    const PING: u8 = 4;
    /// All of these.
    const HEAD: u8 = Self::CLOSE | Self::ATTEMPT | Self::PING;
    /// Unsubscribe, Subscribe.
    const SPEECH: u8 = 8;
    const REPORT: u8 = 16;
    const TIMER: u8 = 32;

    const fn has(self, any_of: u8) -> bool {
        self.0 & any_of != 0
    }

    const fn set(&mut self, kinds: u8) {
        self.0 |= kinds;
    }

    const fn clear(&mut self, kinds: u8) {
        self.0 &= !kinds;
    }
}

/// What may follow from the transitions of a call, and is worked out once at its end.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Unsettled(u8);

impl Unsettled {
    /// A state was entered: who may be spoken to may have changed.
    const MOVED: u8 = 1;
    /// The earliest deadline may be another one.
    const DEADLINE: u8 = 2;
    /// A connection with a fresh session became the current one, and may be gone again.
    const BEGUN: u8 = 4;
}

/// How a connection or an attempt ended.
struct Ended {
    settled: bool,
    was_open: bool,
    was_ready: bool,
    /// It asked to resume, or had resumed.
    resumed: bool,
    /// Which one was dialled, if one was.
    endpoint: Option<Endpoint>,
    cause: Cause,
    verdict: Verdict,
}

impl Ended {
    fn of(connection: &Connection, cx: &Context<'_>, cause: Cause, verdict: Verdict) -> Self {
        let by_peer = matches!(cause, Cause::Closed { by: By::Peer, .. });
        Self {
            settled: connection.is_settled(cx.policy, cx.now, by_peer),
            was_open: connection.is_open(),
            was_ready: connection.is_ready(),
            resumed: connection.session == Session::Resume,
            endpoint: Some(connection.endpoint),
            cause,
            verdict,
        }
    }
}

/// What each transition needs besides the state.
pub(crate) struct Context<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) stats: &'a mut Stats,
    pub(crate) now: Instant,
}

/// The connections on which subscriptions may be spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Speakers {
    pub(crate) current: Option<ConnId>,
    /// A rotation's successor, once it is ready.
    pub(crate) successor: Option<ConnId>,
    /// The current connection holds what the one before held, or the next one will.
    pub(crate) keeps: bool,
    /// The session is another one than when this was told last.
    pub(crate) begun: bool,
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
            unsettled: Unsettled(0),
            newest: ConnId(0),
            state: State::Idle,
            paused: false,
            offline: false,
            suspended: false,
            ever_ready: false,
            ready_since_start: false,
            degraded_spent: false,
            failures: Failures::new(),
            buckets: [Bucket::FULL; 2],
            endpoints: Endpoints::new(),
            sessions: Sessions::new(),
            credentials: Credentials::new(),
            outage: Outage { spent: Nanos::ZERO, counted_to: Instant::ZERO },
            continuity: Continuity::First,
            losses: 0,
            cause: None,
            jitter: Jitter::new(seed),
            owed: Owed { aborts: [None; 2], stale: None },
            armed: Instant::MAX,
            told: Status::IDLE,
        }
    }

    /// As [`Link::reseed`](crate::Link::reseed).
    pub const fn reseed(&mut self, seed: Seed) {
        self.jitter = Jitter::new(seed);
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
        while self.is_unsettled() {
            self.fire_due(&mut cx);
            self.steered();
            self.serve(&mut cx, Counts::default());
            if self.has_ready_successor() {
                self.switch(&mut cx);
            }
            self.set_deadline(cx.policy);
        }
        Ok(())
    }

    /// The message path: bytes on the ready connection while nothing is due and no ping is out.
    #[inline]
    pub(crate) fn received(&mut self, now: Instant, conn: ConnId) -> bool {
        let State::Up { current, .. } = &mut self.state else { return false };
        // An answer to a ping may make the next one due earlier than the link would wake.
        let plain = current.id == conn && self.now <= now && now < self.wake_at;
        if !plain || !current.heard_unprobed(now) {
            return false;
        }
        self.now = now;
        true
    }

    /// Refuses, without a trace, what a correct driver cannot do.
    pub(crate) fn check(&self, event: &Event) -> Result<(), Misuse> {
        if let Some(conn) = event.conn() {
            if conn.0 == 0 || conn > self.newest {
                return Err(Misuse::UnknownConnection { conn, newest: self.newest });
            }
        }
        if let Event::CredentialsReady { ticket, .. } | Event::CredentialsFailed { ticket, .. } =
            *event
        {
            let newest = self.credentials.newest();
            if ticket.0 == 0 || ticket > newest {
                return Err(Misuse::UnknownTicket { ticket, newest });
            }
        }
        Ok(())
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
        Context { policy, stats, now: self.advance(now) }
    }

    /// Applies one event, without the deadlines.
    #[inline]
    pub(crate) fn apply(&mut self, cx: &mut Context<'_>, event: Event) {
        self.account(cx);
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
                self.pending.set(Pending::TIMER);
            }
            Event::Opened { conn } => self.opened(cx, conn),
            Event::Ready { conn, session, resumable } => self.ready(cx, conn, session, resumable),
            Event::Received { conn } => {
                self.heard(cx, conn);
            }
            Event::Closed { conn, closure } => self.closed(cx, conn, closure),
            Event::Negotiated { conn, heartbeat, spread } => {
                self.agree(cx, conn, heartbeat, spread);
            }
            Event::GoAway { conn, within } => self.go_away(cx, conn, within),
            Event::SessionLost { conn } => self.session_lost(cx, conn),
            Event::CredentialsReady { ticket, lasts } => self.fetched(cx, ticket, lasts),
            Event::CredentialsFailed { ticket, fatal } => self.not_fetched(cx, ticket, fatal),
            Event::Rotate => self.rotate(cx),
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
            self.account(cx);
            if !self.fire_one(cx) {
                self.unsettled.0 |= Unsettled::DEADLINE;
                self.pending.set(Pending::TIMER);
                return;
            }
            self.set_deadline(cx.policy);
        }
    }

    /// Whether a deadline may be reached: only then is anything due.
    #[inline]
    pub(crate) fn is_due(&self) -> bool {
        self.now >= self.wake_at
    }

    /// Whether a deadline is due, or transitions have left something to settle.
    #[inline]
    pub(crate) fn is_unsettled(&self) -> bool {
        self.is_due() || self.unsettled.0 != 0
    }

    /// Who may be spoken to is known to the subscriptions.
    #[inline]
    pub(crate) fn steered(&mut self) {
        self.unsettled.0 &= !(Unsettled::MOVED | Unsettled::BEGUN);
    }

    /// Works out the earliest deadline, if it may be another one.
    #[inline]
    pub(crate) fn set_deadline(&mut self, policy: &Policy) {
        if self.unsettled.0 & Unsettled::DEADLINE != 0 {
            self.unsettled.0 &= !Unsettled::DEADLINE;
            self.wake_at = self.own_deadline(policy);
        }
    }

    /// What waits for something else has no deadline of its own (P2); what is wanted and waits for
    /// nothing else has one (P3).
    #[inline]
    fn own_deadline(&self, policy: &Policy) -> Instant {
        match &self.state {
            State::Idle | State::Halted(_) => Instant::MAX,
            State::Waiting(wait) => match wait.turn {
                Turn::Refreshing { asked: true } => self.credentials.answer_by(),
                Turn::Waiting if !self.is_blocked() => wait.due(),
                Turn::Waiting | Turn::Refreshing { asked: false } | Turn::Open => Instant::MAX,
            },
            State::Up { current, rotation } => {
                let deadline = current.deadline(policy);
                if !current.is_ready() || self.is_without_side(current, rotation) {
                    deadline
                } else {
                    deadline.min(self.side_deadline(policy, current, rotation))
                }
            }
            State::Closing(closing) => closing.deadline.unwrap_or(Instant::MAX),
        }
    }
}

/// The application's wishes and the platform's hints.
impl Lifecycle {
    fn start(&mut self, cx: &Context<'_>) {
        match &mut self.state {
            State::Idle | State::Halted(_) => self.begin_afresh(cx),
            State::Closing(closing) if closing.then == Then::Idle => {
                closing.then = Then::Begin;
                self.pending.set(Pending::REPORT);
            }
            State::Closing(_) | State::Waiting(_) | State::Up { .. } => {}
        }
    }

    /// Limits and floors stay: a restart is no way around them (P1, P9).
    fn begin_afresh(&mut self, cx: &Context<'_>) {
        self.failures.forget();
        self.outage = Outage { spent: Nanos::ZERO, counted_to: cx.now };
        self.ready_since_start = false;
        self.degraded_spent = false;
        self.suspended = false;
        self.cause = None;
        let within = draw(&mut self.jitter, Nanos::ZERO, cx.policy.start_within);
        self.wait(cx, within, false);
    }

    fn stop(&mut self, cx: &mut Context<'_>) {
        cx.stats.unwanted();
        self.cause = None;
        self.sessions.forget();
        self.drop_side(Why::Stop);
        match &mut self.state {
            State::Idle | State::Waiting(_) | State::Halted(_) => self.enter(State::Idle),
            State::Closing(closing) => {
                closing.then = Then::Idle;
                // A close that the driver was told of keeps its reason.
                if closing.deadline.is_none() {
                    closing.why = Why::Stop;
                }
                self.pending.set(Pending::REPORT);
            }
            State::Up { current, .. } if !current.is_open() => {
                let id = current.id;
                self.abort(id, Why::Stop);
                self.enter(State::Idle);
            }
            State::Up { current, .. } => {
                if current.is_settled(cx.policy, cx.now, false) {
                    count(&mut cx.stats.settled);
                }
                self.close(Why::Stop, Then::Idle);
            }
        }
    }

    fn retry_now(&mut self, cx: &Context<'_>) {
        let (state, mut terms) = self.terms(cx);
        if let State::Waiting(wait) = state {
            wait.drop_backoff(&mut terms);
            self.changed();
        }
    }

    fn network_down(&mut self, cx: &mut Context<'_>) {
        self.condition(cx, |link| link.offline = true);
        if cx.policy.network_down == NetworkDown::Probe {
            return self.probe(cx);
        }
        self.drop_side(Why::Network);
        match &self.state {
            State::Up { current, .. } => {
                let ended = Ended::of(current, cx, Cause::Network, Verdict::Retry);
                self.abort(current.id, Why::Network);
                self.end(cx, ended);
            }
            State::Closing(closing) => {
                let closing = *closing;
                self.abort(closing.id, Why::Network);
                self.closed_gracefully(cx, closing);
            }
            State::Idle | State::Waiting(_) | State::Halted(_) => {}
        }
    }

    fn probe(&mut self, cx: &Context<'_>) {
        let heartbeat = cx.policy.heartbeat.as_ref();
        let State::Up { current, rotation } = &mut self.state else { return };
        let ready = [Some(current), rotation.successor_mut()];
        for connection in ready.into_iter().flatten().filter(|it| it.is_ready()) {
            if let Some(liveness) = connection.liveness() {
                liveness.ask(heartbeat);
            }
        }
        self.pending.set(Pending::PING);
    }

    /// Changes whether the link is paused or offline, and takes the hint if the way is free.
    fn condition(&mut self, cx: &Context<'_>, change: impl FnOnce(&mut Self)) {
        let was_blocked = self.is_blocked();
        change(self);
        let blocked = self.is_blocked();
        let (state, mut terms) = self.terms(cx);
        if let (State::Waiting(wait), false) = (state, blocked) {
            wait.hint(was_blocked, &mut terms);
        }
        // A rotation that waited for the way to be free.
        self.pending.set(Pending::ATTEMPT);
        self.changed();
    }
}

/// What the driver reports of sockets.
impl Lifecycle {
    fn opened(&mut self, cx: &mut Context<'_>, conn: ConnId) {
        let jitter = &mut self.jitter;
        let Some(connection) = connection(&mut self.state, conn).filter(|it| !it.is_open()) else {
            self.heard(cx, conn);
            cx.stats.stale();
            return self.owe_stale_close(conn);
        };
        count(&mut cx.stats.opens);
        let heartbeat = cx.policy.heartbeat.as_ref();
        match cx.policy.ready_within {
            None => {
                connection.opened(heartbeat, cx.now, Instant::MAX, jitter);
                self.become_ready(cx, conn, Established::Fresh, false);
            }
            Some(within) => {
                connection.opened(heartbeat, cx.now, cx.now.after(within), jitter);
                self.progressed(cx, conn);
                self.changed();
            }
        }
    }

    /// A socket that opened after it was given up must not leak (P4, P6).
    fn owe_stale_close(&mut self, conn: ConnId) {
        let aborting = self.owed.aborts.iter().flatten().any(|(abort, _)| *abort == conn);
        if self.is_held(conn) || aborting {
            return;
        }
        let (first, last) = self.owed.stale.unwrap_or((conn.0, conn.0));
        self.owed.stale = Some((first.min(conn.0), last.max(conn.0)));
        self.pending.set(Pending::CLOSE);
    }

    fn ready(
        &mut self,
        cx: &mut Context<'_>,
        conn: ConnId,
        established: Established,
        resumable: bool,
    ) {
        let expected = cx.policy.ready_within.is_some();
        if expected && connection(&mut self.state, conn).is_some_and(|it| !it.is_open()) {
            self.opened(cx, conn);
        }
        match connection(&mut self.state, conn) {
            Some(connection) if connection.stage == Stage::Greeting => {
                connection.heard(cx.now);
                self.become_ready(cx, conn, established, resumable);
            }
            Some(_) | None => {
                if self.heard(cx, conn) {
                    cx.stats.stale();
                }
            }
        }
    }

    fn become_ready(
        &mut self,
        cx: &mut Context<'_>,
        conn: ConnId,
        established: Established,
        resumable: bool,
    ) {
        count(&mut cx.stats.readies);
        self.ever_ready = true;
        let rotate_at = rotation::draw_rotate_at(cx, &mut self.jitter);
        let Some(connection) = connection(&mut self.state, conn) else { return };
        let asked = connection.session;
        connection.session = match established {
            Established::Resumed => asked,
            Established::Fresh => Session::Fresh,
        };
        connection.resumable = resumable;
        connection.ready(cx.now, rotate_at);
        let (session, spread) = (connection.session, connection.spread);
        if asked == Session::Resume && session == Session::Fresh {
            self.sessions.charge(&cx.policy.sessions, cx.now);
        }
        if self.is_current(conn) {
            self.continue_with(resumable, session, spread);
        } else {
            self.progressed(cx, conn);
        }
        self.unsettled.0 |= Unsettled::MOVED;
        self.changed();
    }

    /// The current connection is ready: says how it continues the one before (P14).
    fn continue_with(&mut self, resumable: bool, session: Session, spread: MaybeMillis) {
        self.cause = None;
        self.failures.negotiated(spread);
        self.sessions.established(resumable, session);
        if session == Session::Fresh {
            self.unsettled.0 |= Unsettled::BEGUN;
        }
        self.continuity = match session {
            Session::Resume if self.ready_since_start => Continuity::Resumed,
            Session::Fresh if self.ready_since_start => {
                self.losses = self.losses.saturating_add(1);
                Continuity::Lost
            }
            Session::Resume | Session::Fresh => Continuity::First,
        };
        self.ready_since_start = true;
    }

    /// Bytes arrived on `conn`. False, and counted, if it is not held (P6).
    pub(crate) fn heard(&mut self, cx: &mut Context<'_>, conn: ConnId) -> bool {
        if !self.is_held(conn) {
            cx.stats.stale();
            return false;
        }
        if let Some(connection) = connection(&mut self.state, conn) {
            connection.heard(cx.now);
            let deadline = connection.deadline(cx.policy);
            self.wake_by(deadline);
        }
        true
    }

    /// What the server told while all was well. The last one told wins.
    fn agree(
        &mut self,
        cx: &mut Context<'_>,
        conn: ConnId,
        heartbeat: Option<Millis>,
        spread: Option<Millis>,
    ) {
        if !self.heard(cx, conn) {
            return;
        }
        let jitter = &mut self.jitter;
        let Some(connection) = connection(&mut self.state, conn) else { return };
        connection.spread = spread.map_or(connection.spread, MaybeMillis::some);
        let (ready, spread) = (connection.is_ready(), connection.spread);
        let terms = cx.policy.heartbeat.as_ref();
        if let (Some(every), Some(terms)) = (heartbeat, terms) {
            if let Some(liveness) = connection.liveness() {
                liveness.agree(terms, every, cx.policy.server_delay_max, jitter);
            }
        }
        if ready && self.is_current(conn) {
            self.failures.negotiated(spread);
        }
        self.changed();
    }

    /// The server cannot resume: before ready the attempt has failed, and the next one is fresh.
    fn session_lost(&mut self, cx: &mut Context<'_>, conn: ConnId) {
        if !self.heard(cx, conn) {
            return;
        }
        let beside = matches!(self.state, State::Up { .. }) && !self.is_current(conn);
        if !beside {
            self.sessions.forget();
        }
        let Some(connection) = connection(&mut self.state, conn) else { return };
        connection.resumable = false;
        if connection.is_ready() {
            return;
        }
        if beside {
            self.fail_successor(cx, conn, Verdict::FreshSession, Some(Why::SessionLost));
        } else {
            let ended = Ended::of(connection, cx, Cause::SessionLost, Verdict::FreshSession);
            self.abort(conn, Why::SessionLost);
            self.end(cx, ended);
        }
    }

    /// The first report of an end decides; afterwards the connection is not held (P12).
    #[inline]
    fn closed(&mut self, cx: &mut Context<'_>, conn: ConnId, closure: Closure) {
        match &self.state {
            State::Up { current, .. } if current.id == conn => {
                let endpoint = current.endpoint;
                let verdict = self.read(cx, endpoint, &closure);
                let cause = Cause::Closed { by: closure.by, fact: closure.fact };
                let State::Up { current, .. } = &self.state else { return };
                let ended = Ended::of(current, cx, cause, verdict);
                self.end(cx, ended);
            }
            State::Idle
            | State::Waiting(_)
            | State::Up { .. }
            | State::Closing(_)
            | State::Halted(_) => self.other_closed(cx, conn, &closure),
        }
    }

    /// What lies beside the current connection, or is closing, is gone; or nothing that is held.
    #[cold]
    fn other_closed(&mut self, cx: &mut Context<'_>, conn: ConnId, closure: &Closure) {
        let Some(endpoint) = self.endpoint_of(conn) else {
            return cx.stats.stale();
        };
        let verdict = self.read(cx, endpoint, closure);
        match &self.state {
            State::Up { rotation, .. } => {
                let beside = rotation.successor().is_some();
                if let (Verdict::RetryWithin { from, .. }, true) = (verdict, beside) {
                    self.raise_floor(cx, endpoint, from.nanos());
                }
                self.side_closed(cx, conn, verdict);
            }
            State::Closing(closing) => {
                let closing = *closing;
                self.closed_gracefully(cx, closing);
            }
            State::Idle | State::Waiting(_) | State::Halted(_) => {}
        }
    }

    /// What a closure means, the wait that it asks for taken to heart.
    #[inline]
    fn read(&mut self, cx: &Context<'_>, endpoint: Endpoint, closure: &Closure) -> Verdict {
        if let (Some(wait), false) = (closure.retry_after, closure.by == By::Local) {
            self.raise_floor(cx, endpoint, wait.nanos());
        }
        classify(cx.policy.rules.as_slice(), *closure)
    }

    fn closed_gracefully(&mut self, cx: &mut Context<'_>, closing: Closing) {
        match closing.then {
            Then::Idle => self.enter(State::Idle),
            Then::Begin => self.begin_afresh(cx),
            Then::Lose { settled, cause } => {
                let ended = Ended {
                    settled,
                    was_open: true,
                    was_ready: true,
                    resumed: closing.resumed,
                    endpoint: Some(closing.endpoint),
                    cause,
                    verdict: Verdict::Retry,
                };
                self.end(cx, ended);
            }
        }
    }
}

/// Attempts, ends and waits.
impl Lifecycle {
    /// The next `Open`, if one is to be handed out. No close is owed, and none but a rotation's is
    /// made while another connection is held (P4).
    #[inline]
    fn open(&mut self, cx: &mut Context<'_>) -> Option<Action> {
        if self.is_blocked() {
            return None;
        }
        match &self.state {
            State::Waiting(wait) if wait.turn == Turn::Open => {
                let session = wait.session;
                let (endpoint, deadline) = self.charge(cx, wait.endpoint, session);
                let conn = self.newest;
                let current = Connection::opening(conn, endpoint, session, deadline);
                self.state = State::Up { current, rotation: Rotation::none() };
                // Nothing else comes before the report.
                self.pending.0 = Pending::REPORT | Pending::TIMER;
                Some(Action::Open { conn, endpoint, session })
            }
            State::Up { rotation, .. } if rotation.turn == Turn::Open => {
                Some(self.open_successor(cx))
            }
            State::Waiting(_)
            | State::Idle
            | State::Up { .. }
            | State::Closing(_)
            | State::Halted(_) => None,
        }
    }

    /// The one gate for attempts, a rotation's included: charged here and nowhere else, refunded
    /// nowhere (P1). The turn has come, so limits and floor admit. Names the newest connection, and
    /// says what it dials and until when it may take.
    #[inline]
    fn charge(
        &mut self,
        cx: &mut Context<'_>,
        preferred: Endpoint,
        session: Session,
    ) -> (Endpoint, Instant) {
        self.account(cx);
        let endpoint = self.endpoints.dialled(&cx.policy.endpoints, cx.now, preferred);
        debug_assert!(cx.now >= self.endpoints.floor(endpoint), "P9: the floor admits");
        for (bucket, limit) in self.buckets.iter_mut().zip(limits(cx.policy)) {
            if let Some(limit) = limit {
                debug_assert!(cx.now >= bucket.release(limit), "P1: the limit admits");
                bucket.charge(limit, cx.now);
            }
        }
        if session == Session::Fresh {
            self.sessions.charge(&cx.policy.sessions, cx.now);
        }
        self.newest = ConnId(self.newest.0.saturating_add(1));
        let deadline = cx.now.after(cx.policy.open_within);
        self.wake_at = self.wake_at.min(deadline);
        count(&mut cx.stats.attempts);
        (endpoint, deadline)
    }

    /// A connection or an attempt has ended while the link is wanted: one loss, whatever else is
    /// reported of it later (P12). A successor takes the place of a wait.
    #[inline]
    fn end(&mut self, cx: &mut Context<'_>, ended: Ended) {
        self.cause = Some(ended.cause);
        let successor = self.take_successor();
        let (halted, cadence) = self.learn(cx, &ended);
        if let Some(halted) = halted {
            if let Some(successor) = successor {
                self.abort(successor.id, Why::Moved);
            }
            return self.enter(State::Halted(halted));
        }
        if let Some(successor) = successor {
            return self.promote(successor);
        }
        if ended.settled && ended.cause == Cause::Moved {
            return self.wait(cx, Nanos::ZERO, false);
        }
        let delay = self.failures.delay(cx.policy, ended.verdict, cadence, &mut self.jitter);
        self.wait(cx, delay.length, delay.spread);
    }

    /// What an end teaches the link: failures, endpoint, session, credentials. Says whether it halts,
    /// and what kind of delay follows otherwise.
    #[inline]
    fn learn(&mut self, cx: &mut Context<'_>, ended: &Ended) -> (Option<Halted>, Cadence) {
        cx.stats.ended(ended.cause, ended.settled, ended.was_ready.then_some(cx.now));
        let failed = !ended.settled && ended.cause != Cause::Network;
        let rejected = ended.verdict == Verdict::Reauthenticate;
        if ended.settled {
            // The only place, besides `Start`, where failures are forgotten (P8).
            self.failures.forget();
            self.outage.spent = Nanos::ZERO;
            self.suspended = false;
        }
        self.learn_session(cx, ended, failed && !rejected);
        let cadence = self.learn_endpoint(cx, ended, failed && !rejected);
        if failed && cadence == Cadence::Round {
            self.failures.raise_within_round();
        } else if failed {
            self.failures.raise(&cx.policy.retry);
        }
        let halted = match ended.verdict {
            Verdict::Halt => Some(Halted::Fatal),
            Verdict::Reauthenticate => {
                self.credentials.reject();
                self.failures.reject();
                let rejections = self.failures.rejections();
                (rejections >= cx.policy.credentials.rejections).then_some(Halted::Unauthorized)
            }
            Verdict::RetryWithin { .. }
            | Verdict::Retry
            | Verdict::RetrySoon
            | Verdict::NextEndpoint
            | Verdict::FreshSession => None,
        };
        let gives_up = failed && self.gives_up(cx.policy);
        (halted.or(gives_up.then_some(Halted::Exhausted)), cadence)
    }

    /// Failed resumes poison a session; some ends say that the server keeps it no more. A rejection of
    /// our credentials says nothing of sessions.
    fn learn_session(&mut self, cx: &Context<'_>, ended: &Ended, failed: bool) {
        let rejected = ended.verdict == Verdict::Reauthenticate;
        let ends = !rejected && ended.ends_session(cx.policy);
        if ended.verdict == Verdict::FreshSession || ends {
            self.sessions.forget();
        } else if ended.resumed && ended.settled {
            self.sessions.proven();
        } else if ended.resumed && ended.was_open && failed {
            self.sessions.resume_failed(&cx.policy.sessions);
        }
    }

    /// A failure quarantines the endpoint, a settled connection forgives it, and `NextEndpoint`
    /// leaves it whatever it was. While another one is open, a round over them goes on.
    fn learn_endpoint(&mut self, cx: &Context<'_>, ended: &Ended, failed: bool) -> Cadence {
        let terms = &cx.policy.endpoints;
        if let Some(endpoint) = ended.endpoint {
            if let Verdict::RetryWithin { from, .. } = ended.verdict {
                self.raise_floor(cx, endpoint, from.nanos());
            }
            if ended.settled {
                self.endpoints.forgive(endpoint);
            }
            if terms.count > 1 && (failed || ended.verdict == Verdict::NextEndpoint) {
                self.endpoints.quarantine(endpoint, terms, cx.now);
                if self.endpoints.lowest_open(terms, cx.now).is_some() {
                    return Cadence::Round;
                }
            }
        }
        let suspension = cx.policy.suspend;
        self.suspended = suspension.is_some_and(|it| self.outage.spent >= it.after);
        if self.suspended { Cadence::Suspended } else { Cadence::Ladder }
    }

    /// The server asked for patience: never shortened, not even by `Stop` and `Start` (P9).
    fn raise_floor(&mut self, cx: &Context<'_>, endpoint: Endpoint, wait: Nanos) {
        let wait = wait.min(cx.policy.server_delay_max);
        if wait != Nanos::ZERO {
            self.endpoints.raise_floor(endpoint, cx.now.after(wait));
        }
    }

    #[inline]
    fn wait(&mut self, cx: &Context<'_>, backoff: Nanos, spread: bool) {
        let endpoint = self.endpoints.pick(&cx.policy.endpoints, cx.now);
        let floor = self.floor_ahead(cx, endpoint);
        let target = Target { endpoint, floor, session: self.sessions.next() };
        self.enter(State::Waiting(Wait::new(cx.now.after(backoff), spread, target)));
        let (state, mut terms) = self.terms(cx);
        if let State::Waiting(wait) = state {
            wait.decide(&mut terms);
        }
    }

    /// The floor of `endpoint`, zero if it has passed. One that lies ahead gets a draw in
    /// `[0, max(bound, floor / 10)]` on top: clients that were told the same floor would otherwise
    /// return together.
    #[inline]
    fn floor_ahead(&mut self, cx: &Context<'_>, endpoint: Endpoint) -> Instant {
        let floor = self.endpoints.floor(endpoint);
        let ahead = floor.since(cx.now);
        if ahead == Nanos::ZERO {
            return Instant::ZERO;
        }
        let bound = self.failures.bound(&cx.policy.retry).max(Nanos(ahead.0 / 10));
        floor.after(draw(&mut self.jitter, Nanos::ZERO, bound))
    }

    #[inline]
    fn enter(&mut self, state: State) {
        self.state = state;
        self.unsettled.0 |= Unsettled::MOVED;
        self.changed();
    }

    /// Deadline, report and timer may differ from what they were.
    #[inline]
    fn changed(&mut self) {
        self.unsettled.0 |= Unsettled::DEADLINE;
        self.pending.set(Pending::REPORT | Pending::TIMER);
    }

    /// The connection is to be dropped; from now on it is not held.
    fn abort(&mut self, conn: ConnId, why: Why) {
        if let Some(place) = self.owed.aborts.iter_mut().find(|place| place.is_none()) {
            *place = Some((conn, why));
        }
        self.pending.set(Pending::CLOSE);
    }

    /// The current connection is to be closed with a handshake.
    fn close(&mut self, why: Why, then: Then) {
        self.drop_side(why);
        let State::Up { current, .. } = &self.state else { return };
        let (id, endpoint) = (current.id, current.endpoint);
        let resumed = current.session == Session::Resume;
        let closing = Closing { id, endpoint, resumed, why, deadline: None, then };
        self.enter(State::Closing(closing));
        self.pending.set(Pending::CLOSE);
    }

    fn terms<'a>(&'a mut self, cx: &'a Context<'_>) -> (&'a mut State, Terms<'a>) {
        let terms = Terms {
            policy: cx.policy,
            buckets: &self.buckets,
            fresh: &self.sessions.fresh,
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
        attempts.is_some_and(|attempts| self.failures.count() >= attempts)
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
                let (turn, due) = (wait.turn, wait.due());
                match turn {
                    Turn::Waiting if !blocked && cx.now >= due => self.fall_due(cx),
                    Turn::Refreshing { asked: true } if cx.now >= self.credentials.answer_by() => {
                        self.refresh_failed(cx, false);
                    }
                    Turn::Waiting | Turn::Refreshing { .. } | Turn::Open => return false,
                }
                true
            }
            State::Up { current, .. } => match due_cause(current, cx) {
                None => {
                    // A ping may be owed, or a renewal.
                    self.pending.set(Pending::HEAD);
                    self.fire_side(cx)
                }
                Some((cause, why)) => {
                    let ended = Ended::of(current, cx, cause, Verdict::Retry);
                    // A connection presumed dead is aborted at once; the wait begins now.
                    let id = current.id;
                    self.abort(id, why);
                    self.end(cx, ended);
                    true
                }
            },
            State::Closing(closing) => {
                if closing.deadline.is_none_or(|deadline| cx.now < deadline) {
                    return false;
                }
                let closing = *closing;
                self.abort(closing.id, closing.why);
                self.closed_gracefully(cx, closing);
                true
            }
        }
    }

    /// An attempt's time has come: it asks for credentials first, or is made.
    fn fall_due(&mut self, cx: &Context<'_>) {
        if self.is_outage_over(cx.policy) {
            return self.enter(State::Halted(Halted::Exhausted));
        }
        let needed = self.credentials.are_needed(&cx.policy.credentials, cx.now);
        let State::Waiting(wait) = &mut self.state else { return };
        if needed && !wait.refreshed {
            wait.turn = Turn::Refreshing { asked: false };
            self.pending.set(Pending::REPORT);
        } else {
            wait.turn = Turn::Open;
        }
        self.wake_at = Instant::MAX;
        self.pending.set(Pending::ATTEMPT | Pending::TIMER);
    }

    /// Whether these counts change how far the current connection is.
    #[inline]
    pub(crate) fn serves_otherwise(&self, counts: Counts) -> bool {
        matches!(&self.state, State::Up { current, .. } if current.stage.with(counts) != current.stage)
    }

    /// Tells how far the subscriptions of the current connection are.
    #[inline]
    pub(crate) fn serve(&mut self, cx: &mut Context<'_>, counts: Counts) {
        let State::Up { current, .. } = &self.state else { return };
        let stage = current.stage.with(counts);
        if stage != current.stage {
            self.serve_otherwise(cx, stage);
        }
    }

    fn serve_otherwise(&mut self, cx: &mut Context<'_>, stage: Stage) {
        self.account(cx);
        let State::Up { current, .. } = &mut self.state else { return };
        current.stage = stage;
        match stage {
            Stage::Opening | Stage::Greeting | Stage::Restoring => {}
            Stage::Live => {
                self.degraded_spent = false;
                cx.stats.recovered(cx.now);
            }
            Stage::Degraded => {
                if cx.policy.reconnects_when_degraded() && !self.degraded_spent {
                    self.degraded_spent = true;
                    let settled = current.is_settled(cx.policy, cx.now, false);
                    self.cause = Some(Cause::Degraded);
                    let then = Then::Lose { settled, cause: Cause::Degraded };
                    return self.close(Why::Degraded, then);
                }
            }
        }
        // A move that was asked for while the keys were restored may begin.
        self.changed();
    }

    /// Adds the time since the last accounting to the sums of the phase that it was spent in. Called
    /// before anything changes: an event is applied, a deadline fires, an `Open` is handed out.
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
            State::Up { current, .. } => {
                cx.stats.connected(spent, current.stage);
                if current.is_ready() {
                    return;
                }
            }
            State::Waiting(wait) => match wait.turn {
                Turn::Waiting | Turn::Open => cx.stats.waited(spent, self.waits_for(wait)),
                Turn::Refreshing { .. } => cx.stats.wanted(spent),
            },
            State::Closing(_) => cx.stats.wanted(spent),
        }
        if !self.is_blocked() {
            self.outage.spent = self.outage.spent.saturating_add(spent);
        }
    }
}

impl Ended {
    /// A peer that closes with 1000 or 1001 keeps the session no more, unless the policy reads these
    /// codes otherwise.
    fn ends_session(&self, policy: &Policy) -> bool {
        let Cause::Closed { by: By::Peer, fact: Fact::Code(code @ (1000 | 1001)) } = self.cause
        else {
            return false;
        };
        !policy.rules().iter().any(|rule| rule.matches(Fact::Code(code)))
    }
}

/// The attempt limits, in the order of their buckets.
const fn limits(policy: &Policy) -> [Option<Limit>; 2] {
    [policy.attempts, policy.attempts_long]
}

/// The current connection or the successor, if it is `conn`.
fn connection(state: &mut State, conn: ConnId) -> Option<&mut Connection> {
    let State::Up { current, rotation } = state else { return None };
    if current.id == conn {
        return Some(current);
    }
    rotation.successor_mut().filter(|successor| successor.id == conn)
}

/// Whether a deadline of the connection is due, and what that means.
fn due_cause(connection: &mut Connection, cx: &mut Context<'_>) -> Option<(Cause, Why)> {
    if cx.now >= connection.stage_deadline() {
        return Some(if connection.is_open() {
            (Cause::ReadyTimeout, Why::ReadyTimeout)
        } else {
            (Cause::OpenTimeout, Why::OpenTimeout)
        });
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
