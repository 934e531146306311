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
//! one place, [`Lifecycle::settled`], and by `Start` (P8).

mod deadlines;
mod ends;
mod output;
mod owed;
mod refresh;
mod rotation;
#[cfg(feature = "serde")]
mod snapshot;
mod sockets;
mod view;
mod wishes;

use crate::action::{Action, Session, Why};
use crate::backoff::{Delay, Failures, draw};
use crate::connection::{Connection, Stage};
use crate::credentials::Credentials;
use crate::endpoint::Endpoints;
use crate::event::{Event, Misuse};
use crate::flags::Flags;
use crate::id::{ConnId, Endpoint, SubKey};
use crate::limit::{Bucket, Limit};
use crate::policy::Policy;
use crate::seed::{Jitter, Seed};
use crate::session::Sessions;
use crate::stats::{Stats, count};
use crate::status::{Cause, Continuity, Halted, Status};
use crate::subscriptions::Counts;
use crate::time::{Instant, Nanos};
use crate::wait::{Target, Terms, Turn, Wait};
use ends::Ended;
use owed::Owed;
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
    /// Of [`pending`].
    pending: Flags,
    /// What the end of a call has to settle.
    /// Of [`unsettled`].
    unsettled: Flags,
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

/// Wanted time since the last settled connection or `Start`, less what was paused, offline or
/// spent on a ready connection.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
struct Outage {
    spent: Nanos,
    counted_to: Instant,
}

/// Which kinds of output may differ from what the driver was told.
mod pending {
    pub(super) const CLOSE: u8 = 1;
    /// Open, RefreshCredentials.
    pub(super) const ATTEMPT: u8 = 2;
    pub(super) const PING: u8 = 4;
    /// All of these.
    pub(super) const HEAD: u8 = CLOSE | ATTEMPT | PING;
    /// Unsubscribe, Subscribe.
    pub(super) const SPEECH: u8 = 8;
    pub(super) const REPORT: u8 = 16;
    pub(super) const TIMER: u8 = 32;
}

/// What may follow from the transitions of a call, and is worked out once at its end.
mod unsettled {
    /// A state was entered: who may be spoken to may have changed.
    pub(super) const MOVED: u8 = 1;
    /// The earliest deadline may be another one.
    pub(super) const DEADLINE: u8 = 2;
    /// A connection with a fresh session became the current one, and may be gone again.
    pub(super) const BEGUN: u8 = 4;
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
            pending: Flags::NONE,
            unsettled: Flags::NONE,
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
            owed: Owed::new(),
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
    #[inline]
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
        self.handle_slowly(policy, stats, now, event)
    }

    #[inline(never)]
    fn handle_slowly(
        &mut self,
        policy: &Policy,
        stats: &mut Stats,
        now: Instant,
        event: Event,
    ) -> Result<(), Misuse> {
        if event.is_about_key() {
            let key = event.key().unwrap_or(SubKey(0));
            return Err(Misuse::KeyOutsideStorage { key, capacity: 0 });
        }
        self.check(&event)?;
        let mut cx = self.begin(policy, stats, now);
        self.apply(&mut cx, event);
        self.settle(&mut cx);
        Ok(())
    }

    /// Applies what is due, where there are no subscriptions to agree with.
    #[inline]
    pub(crate) fn settle(&mut self, cx: &mut Context<'_>) {
        while self.is_unsettled() {
            self.fire_due(cx);
            self.steered();
            self.serve(cx, Counts::default());
            if self.has_ready_successor() {
                self.switch(cx);
            }
            self.set_deadline(cx.policy);
        }
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
                self.pending.set(pending::TIMER);
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
            Event::Rotate => self.rotate_by(cx.now),
            // Answers and wishes about keys are the subscriptions' business.
            Event::Subscribe { .. }
            | Event::Unsubscribe { .. }
            | Event::Resync { .. }
            | Event::Acked { .. }
            | Event::Refused { .. } => {}
        }
    }
}

/// Attempts and waits.
impl Lifecycle {
    /// The next `Open`, if one is to be handed out. No close is owed, and none but a rotation's is
    /// made while another connection is held (P4).
    #[inline]
    fn open(&mut self, cx: &mut Context<'_>) -> Option<Action> {
        if self.is_blocked() {
            return None;
        }
        let (preferred, session) = match &self.state {
            State::Waiting(wait) if wait.turn == Turn::Open => (wait.endpoint, wait.session),
            State::Up { rotation, .. } if rotation.turn == Turn::Open => {
                (self.endpoints.pick(&cx.policy.endpoints, cx.now), Session::Fresh)
            }
            State::Waiting(_)
            | State::Idle
            | State::Up { .. }
            | State::Closing(_)
            | State::Halted(_) => return None,
        };
        let (endpoint, deadline) = self.charge(cx, preferred, session);
        let conn = self.newest;
        if let State::Up { .. } = &self.state {
            self.begin_successor(cx, Connection::opening(conn, endpoint, session, deadline));
        } else {
            let current = Connection::opening(conn, endpoint, session, deadline);
            self.state = State::Up { current, rotation: Rotation::none() };
            // Nothing else comes before the report.
            self.pending = Flags(pending::REPORT | pending::TIMER);
        }
        Some(Action::Open { conn, endpoint, session })
    }

    /// The one gate for attempts, a rotation's included: charged here and nowhere else, refunded
    /// nowhere (P1). The turn has come, so limits and floor admit. Names the newest connection, and
    /// says what it dials and until when it may take.
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

    #[cfg_attr(target_pointer_width = "64", inline(always))]
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn wait(&mut self, cx: &Context<'_>, delay: Delay) {
        let endpoint = self.endpoints.pick(&cx.policy.endpoints, cx.now);
        let floor = self.floor_ahead(cx, endpoint);
        let target = Target { endpoint, floor, session: self.sessions.next() };
        let backoff = cx.now.after(delay.length);
        self.enter(State::Waiting(Wait::new(backoff, delay.spread, target)));
        let (state, mut terms) = self.terms(cx);
        if let State::Waiting(wait) = state {
            wait.decide(&mut terms);
        }
    }

    /// The floor of `endpoint`, zero if it has passed. One that lies ahead gets a draw in
    /// `[0, max(bound, floor / 10)]` on top: clients that were told the same floor would otherwise
    /// return together.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn floor_ahead(&mut self, cx: &Context<'_>, endpoint: Endpoint) -> Instant {
        let floor = self.endpoints.floor(endpoint);
        let ahead = floor.since(cx.now);
        if ahead == Nanos::ZERO {
            return Instant::ZERO;
        }
        let bound = self.failures.bound(&cx.policy.retry).max(Nanos(ahead.0 / 10));
        floor.after(draw(&mut self.jitter, Nanos::ZERO, bound))
    }

    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn enter(&mut self, state: State) {
        self.state = state;
        self.unsettled.set(unsettled::MOVED);
        self.changed();
    }

    /// Deadline, report and timer may differ from what they were.
    #[cfg_attr(not(target_pointer_width = "64"), inline(never))]
    fn changed(&mut self) {
        self.unsettled.set(unsettled::DEADLINE);
        self.pending.set(pending::REPORT | pending::TIMER);
    }

    /// The connection is to be dropped; from now on it is not held.
    fn abort(&mut self, conn: ConnId, why: Why) {
        self.owed.abort(conn, why);
        self.pending.set(pending::CLOSE);
    }

    /// The current connection is to be closed with a handshake.
    fn close(&mut self, why: Why, then: Then) {
        self.drop_side(why);
        let State::Up { current, .. } = &self.state else { return };
        let (id, endpoint) = (current.id, current.endpoint);
        let resumed = current.session == Session::Resume;
        let closing = Closing { id, endpoint, resumed, why, deadline: None, then };
        self.enter(State::Closing(closing));
        self.pending.set(pending::CLOSE);
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

    /// An attempt's time has come: it asks for credentials first, or is made.
    fn fall_due(&mut self, cx: &Context<'_>) {
        if self.is_outage_over(cx.policy) {
            return self.enter(State::Halted(Halted::Exhausted));
        }
        let needed = self.credentials.are_needed(&cx.policy.credentials, cx.now);
        let State::Waiting(wait) = &mut self.state else { return };
        if needed && !wait.refreshed {
            wait.turn = Turn::RefreshOwed;
            self.pending.set(pending::REPORT);
        } else {
            wait.turn = Turn::Open;
        }
        self.wake_at = Instant::MAX;
        self.pending.set(pending::ATTEMPT | pending::TIMER);
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
                if self.leaves_degraded(cx) {
                    return;
                }
            }
        }
        // A move that was asked for while the keys were restored may begin.
        self.changed();
    }

    /// Reconnects where a key is given up and the policy says so: once before the next `Live`, and only
    /// where the next connection could follow. True if it does.
    fn leaves_degraded(&mut self, cx: &Context<'_>) -> bool {
        let State::Up { current, .. } = &self.state else { return false };
        let wanted = current.stage == Stage::Degraded && cx.policy.reconnects_when_degraded();
        if !wanted || self.degraded_spent || self.is_blocked() {
            return false;
        }
        self.degraded_spent = true;
        let settled = current.is_settled(cx.policy, cx.now, false);
        self.cause = Some(Cause::Degraded);
        self.close(Why::Degraded, Then::Lose { settled, cause: Cause::Degraded });
        true
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
                Turn::RefreshOwed | Turn::Refreshing => cx.stats.wanted(spent),
            },
            State::Closing(_) => cx.stats.wanted(spent),
        }
        if !self.is_blocked() {
            self.outage.spent = self.outage.spent.saturating_add(spent);
        }
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
