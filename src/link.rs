//! Everything that a driver of one link needs.

#[cfg(feature = "serde")]
mod snapshot;

use crate::action::Action;
use crate::event::{Event, Misuse};
use crate::id::{ConnId, Request, SubKey};
use crate::lifecycle::{Context, Lifecycle};
use crate::policy::Policy;
use crate::seed::Seed;
use crate::slot::Slot;
use crate::stats::{Stats, count};
use crate::status::{Phase, Status};
use crate::subscriptions::{Counts, Desk, Subscriptions};
use crate::time::Instant;

/// A link: the wish to stay connected, with all that it takes to keep it.
///
/// Its methods are of three kinds:
///
/// - **Input**: [`handle`](Self::handle) takes every event. [`replace_storage`](Self::replace_storage)
///   lends more room, [`reseed`](Self::reseed) takes jitter from elsewhere.
/// - **Output**: [`poll_action`](Self::poll_action) says what to do, until it says `None`. Then
///   [`deadline`](Self::deadline) says how long there is nothing to do.
/// - **Getters**: [`status`](Self::status), [`phase`](Self::phase), [`stats`](Self::stats),
///   [`current`](Self::current), [`counts`](Self::counts), [`policy`](Self::policy),
///   [`is_free`](Self::is_free), [`capacity`](Self::capacity).
///
/// A driver drains `poll_action` after each event, or after several: draining late is as right as
/// draining at once, and an event may be handled in the middle of a drain. A whole driver is on the
/// page about [writing one](crate::docs::driver).
///
/// ```
/// use redial::{Action, Closure, Event, IoKind, Instant, Link, Phase, Policy, Seed};
///
/// let mut link = Link::new(Policy::new(), Seed::from_u64(7));
/// let now = Instant::ZERO;
/// link.handle(now, Event::Start)?;
/// let Some(Action::Open { conn, .. }) = link.poll_action(now) else { panic!("it dials") };
///
/// // Nobody listens: the link waits before it dials again.
/// link.handle(now, Event::Closed { conn, closure: Closure::unknown().io(IoKind::Refused) })?;
/// while let Some(_report_or_timer) = link.poll_action(now) {}
/// assert_eq!(link.phase(), Phase::Waiting);
///
/// let at = link.deadline().expect("a wanted link never sleeps for ever");
/// link.handle(at, Event::TimerFired)?;
/// assert!(matches!(link.poll_action(at), Some(Action::Open { .. })));
/// # Ok::<(), redial::Misuse>(())
/// ```
#[derive(Clone, Debug)]
pub struct Link<S = [Slot; 0]> {
    policy: Policy,
    stats: Stats,
    lifecycle: Lifecycle,
    subscriptions: Subscriptions,
    storage: S,
}

impl Link {
    /// A link without subscriptions that is not wanted yet. Every event about a key is
    /// [`Misuse::KeyOutsideStorage`].
    #[must_use]
    pub const fn new(policy: Policy, seed: Seed) -> Self {
        Self {
            policy,
            stats: Stats::NONE,
            lifecycle: Lifecycle::new(seed),
            subscriptions: Subscriptions::new(),
            storage: [],
        }
    }
}

impl<S: AsRef<[Slot]> + AsMut<[Slot]>> Link<S> {
    /// Known when it is compiled: a link without storage bears no cost of subscriptions.
    const HAS_NO_KEYS: bool = size_of::<S>() == 0;

    /// A link that is not wanted yet, with one subscription per slot of `storage`: `[Slot; N]`,
    /// `Vec<Slot>` or `&mut [Slot]`. What the slots held before is overwritten.
    pub fn with_storage(policy: Policy, seed: Seed, mut storage: S) -> Self {
        storage.as_mut().fill(Slot::EMPTY);
        Self {
            policy,
            stats: Stats::NONE,
            lifecycle: Lifecycle::new(seed),
            subscriptions: Subscriptions::new(),
            storage,
        }
    }

    /// Tells the link what happened at `now`. The event is applied first, then the deadlines that
    /// are due by then: a success that arrives late counts.
    ///
    /// Late, repeated and reordered events are normal; what is out of date is counted in
    /// [`Stats::stale_events`] and changes nothing else, but that a socket which opened too late is
    /// told to close. A `now` before the latest seen counts as the latest.
    ///
    /// Bounded work, no allocation. Drain [`poll_action`](Self::poll_action) afterwards.
    ///
    /// # Errors
    ///
    /// [`Misuse`] for what a correct driver cannot do: a connection, request number or ticket that was
    /// not handed out, a key outside the storage. Nothing has changed then, not even the clock.
    #[inline]
    pub fn handle(&mut self, now: Instant, event: Event) -> Result<(), Misuse> {
        if let Event::Received { conn } = event {
            if self.lifecycle.received(now, conn) {
                return Ok(());
            }
        }
        if let Event::Acked { conn, request } = event {
            if self.acked(now, conn, request) {
                return Ok(());
            }
        }
        self.handle_slowly(now, event)
    }

    /// The answer path: the expected ack of one key among others, on the ready connection while
    /// nothing is due. What [`Self::handle_slowly`] does with it, less what is known not to be the
    /// case. False for anything else, and nothing has changed.
    #[inline(never)]
    fn acked(&mut self, now: Instant, conn: ConnId, request: Request) -> bool {
        let Self { lifecycle, subscriptions, storage, .. } = self;
        let slots = storage.as_mut();
        if !subscriptions.is_plain_ack(slots, request) || !lifecycle.received(now, conn) {
            return false;
        }
        debug_assert!(subscriptions.conn() == Some(conn), "what is ready is spoken on");
        subscriptions.grant_plain(slots, request.key);
        // The answer has opened the window.
        lifecycle.speech_may_follow(subscriptions.has_words());
        true
    }

    #[inline(never)]
    fn handle_slowly(&mut self, now: Instant, event: Event) -> Result<(), Misuse> {
        self.check(&event)?;
        let Self { policy, stats, lifecycle, subscriptions, storage } = self;
        let slots = storage.as_mut();
        let mut cx = lifecycle.begin(policy, stats, now);
        match event {
            Event::Subscribe { key } => {
                subscriptions.subscribe(slots, key, &cx.policy.subscriptions);
            }
            Event::Unsubscribe { key } => {
                subscriptions.unsubscribe(slots, key, &cx.policy.subscriptions);
            }
            Event::Resync { key } => subscriptions.resync(slots, key, &cx.policy.subscriptions),
            Event::Acked { conn, request } => {
                if lifecycle.heard(&mut cx, conn) {
                    lifecycle.progressed(&cx, conn);
                    subscriptions.acked(&mut desk(slots, &mut cx), conn, request);
                }
            }
            Event::Refused { conn, request, refusal } => {
                if lifecycle.heard(&mut cx, conn) {
                    lifecycle.progressed(&cx, conn);
                    subscriptions.refused(&mut desk(slots, &mut cx), conn, request, refusal);
                }
            }
            Event::Start
            | Event::Stop
            | Event::RetryNow
            | Event::Pause
            | Event::Resume
            | Event::NetworkDown
            | Event::NetworkUp
            | Event::TimerFired
            | Event::Opened { .. }
            | Event::Ready { .. }
            | Event::Received { .. }
            | Event::Closed { .. }
            | Event::Negotiated { .. }
            | Event::GoAway { .. }
            | Event::SessionLost { .. }
            | Event::CredentialsReady { .. }
            | Event::CredentialsFailed { .. }
            | Event::Rotate => lifecycle.apply(&mut cx, event),
        }
        if Self::HAS_NO_KEYS {
            lifecycle.settle(&mut cx);
            return Ok(());
        }
        // It wakes for the subscriptions, too: what is due to them is due to it.
        if lifecycle.is_unsettled()
            || subscriptions.is_rotating()
            || lifecycle.serves_otherwise(subscriptions.counts())
        {
            settle(lifecycle, subscriptions, slots, &mut cx);
        }
        lifecycle.wake_by(subscriptions.wake_at());
        lifecycle.speech_may_follow(subscriptions.may_speak(&policy.subscriptions));
        Ok(())
    }

    /// The next thing to do, or `None` when there is nothing until [`deadline`](Self::deadline) or
    /// the next event.
    ///
    /// Call it until it gives `None`, now or later: what it returns is the difference between what
    /// is and what the driver was told, in the order Close, Open, RefreshCredentials, Ping,
    /// Unsubscribe, Subscribe, Report, timer. An attempt is charged to the limits, a deadline for an
    /// answer begins, when the action is handed out, at this `now`. The action must be carried out: it
    /// is not told twice.
    #[inline]
    pub fn poll_action(&mut self, now: Instant) -> Option<Action> {
        if self.lifecycle.is_drained() {
            return None;
        }
        self.poll_pending(now)
    }

    /// The replay path: after a reconnect, one key after the other. Apart from the rest, and the
    /// rest at its end, so that the compiler keeps it short.
    #[inline(never)]
    fn poll_pending(&mut self, now: Instant) -> Option<Action> {
        let Self { policy, lifecycle, subscriptions, storage, .. } = self;
        let now = lifecycle.advance(now);
        if lifecycle.is_speech_next() {
            let action = subscriptions.replay(storage.as_mut(), &policy.subscriptions, now);
            if action.is_some() {
                self.spoken();
                return action;
            }
        } else if lifecycle.is_tail_next() {
            return lifecycle.poll_tail(now);
        }
        self.poll_slowly(now)
    }

    #[inline(never)]
    fn poll_slowly(&mut self, now: Instant) -> Option<Action> {
        let Self { policy, stats, lifecycle, subscriptions, storage } = self;
        let mut cx = lifecycle.poll_context(policy, stats, now);
        if let Some(action) = lifecycle.poll_head(&mut cx) {
            return Some(action);
        }
        if lifecycle.is_speech_next() {
            let action = subscriptions.poll(storage.as_mut(), &policy.subscriptions, cx.now);
            lifecycle.wake_by(subscriptions.wake_at());
            if action.is_some() {
                self.spoken();
                return action;
            }
            lifecycle.speech_may_follow(false);
        }
        lifecycle.poll_tail(now)
    }

    /// A request was handed out.
    #[inline]
    fn spoken(&mut self) {
        count(&mut self.stats.requests);
        let may_go_on = self.subscriptions.may_go_on(&self.policy.subscriptions);
        self.lifecycle.speech_may_follow(may_go_on);
    }

    /// When [`Event::TimerFired`] is due at the latest; `None` while nothing but an event can change
    /// the link. For drivers that compute their own wait; after a drain it is later than the `now`
    /// of the last event. Harmless to fire before it, for nothing happens; firing late costs what it
    /// is late.
    #[must_use]
    #[inline]
    pub fn deadline(&self) -> Option<Instant> {
        self.lifecycle.deadline()
    }

    /// The state as the application sees it.
    #[must_use]
    pub fn status(&self) -> Status {
        self.lifecycle.status()
    }

    /// Where the link is.
    #[must_use]
    pub const fn phase(&self) -> Phase {
        self.lifecycle.phase()
    }

    /// The connection in use, if it is ready: the one that application data go out on. During a
    /// rotation it is the one before until the successor takes over.
    #[must_use]
    pub fn current(&self) -> Option<ConnId> {
        self.lifecycle.in_use()
    }

    /// Counters and time sums, up to the last event.
    #[must_use]
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// How many subscriptions are in which state.
    #[must_use]
    pub const fn counts(&self) -> Counts {
        self.subscriptions.counts()
    }

    /// What was agreed. It cannot change while the link lives.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Whether `key` may be given another meaning: it is not wanted, nothing about it is in flight
    /// and the peer holds nothing of it. False for a key outside the storage.
    #[must_use]
    pub fn is_free(&self, key: SubKey) -> bool {
        slot_of(self.storage.as_ref(), key).is_some_and(|slot| self.subscriptions.is_free(slot))
    }

    /// How many subscriptions there is room for.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        capacity(self.storage.as_ref())
    }

    /// Moves the slots to `larger` and gives the old storage back. Keys keep their numbers; the
    /// slots beyond the old ones are fresh, whatever `larger` held. O(n).
    ///
    /// # Errors
    ///
    /// Gives `larger` back if it is smaller than the present storage; nothing has changed then.
    pub fn replace_storage(&mut self, mut larger: S) -> Result<S, S> {
        let slots = self.storage.as_ref();
        if larger.as_ref().len() < slots.len() {
            return Err(larger);
        }
        larger.as_mut().fill(Slot::EMPTY);
        for (new, old) in larger.as_mut().iter_mut().zip(slots) {
            *new = old.clone();
        }
        Ok(core::mem::replace(&mut self.storage, larger))
    }

    /// Takes jitter from another seed from now on; what was drawn stands. A clone, or one snapshot
    /// restored twice, repeats its jitter until this parts them.
    pub const fn reseed(&mut self, seed: Seed) {
        self.lifecycle.reseed(seed);
    }

    /// Refuses, without a trace, what a correct driver cannot do.
    fn check(&self, event: &Event) -> Result<(), Misuse> {
        self.lifecycle.check(event)?;
        let slots = self.storage.as_ref();
        if let Some(key) = event.key() {
            if slot_of(slots, key).is_none() {
                return Err(Misuse::KeyOutsideStorage { key, capacity: capacity(slots) });
            }
        }
        match event.answers() {
            Some((conn, request)) => self.check_number(conn, request.number),
            None => Ok(()),
        }
    }

    fn check_number(&self, conn: ConnId, number: u64) -> Result<(), Misuse> {
        match self.subscriptions.newest(conn) {
            Some(newest) if number == 0 || number > newest => {
                Err(Misuse::UnknownRequest { conn, number, newest })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Applies what is due and lets lifecycle and subscriptions agree: which connection is spoken on,
/// how far its subscriptions are, when to wake.
#[inline]
fn settle(
    lifecycle: &mut Lifecycle,
    subscriptions: &mut Subscriptions,
    slots: &mut [Slot],
    cx: &mut Context<'_>,
) {
    // Serving may close a degraded connection or let a move begin, a successor may take over.
    loop {
        lifecycle.fire_due(cx);
        if lifecycle.has_moved() || subscriptions.is_rotating() {
            subscriptions.steer(slots, lifecycle.speakers(cx.policy));
            lifecycle.steered();
        }
        if cx.now >= subscriptions.wake_at() {
            subscriptions.fire_due(&mut desk(slots, cx));
        }
        if !subscriptions.is_on_successor() {
            lifecycle.serve(cx, subscriptions.counts());
        } else if subscriptions.is_all_answered() {
            lifecycle.switch(cx);
        }
        lifecycle.set_deadline(cx.policy);
        if !lifecycle.is_unsettled() && !subscriptions.can_turn() {
            break;
        }
    }
}

fn desk<'a>(slots: &'a mut [Slot], cx: &'a mut Context<'_>) -> Desk<'a> {
    Desk { slots, policy: cx.policy, stats: cx.stats, now: cx.now }
}

fn slot_of(slots: &[Slot], key: SubKey) -> Option<&Slot> {
    (key.get() < capacity(slots)).then(|| slots.get(usize::try_from(key.get()).ok()?))?
}

/// The last index is kept for "no slot".
pub(crate) fn capacity(slots: &[Slot]) -> u32 {
    u32::try_from(slots.len()).unwrap_or(u32::MAX)
}
