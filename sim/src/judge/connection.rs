//! One connection, as its driver can know it.

use redial::{ConnId, Endpoint, FirstPing, Instant, Millis, Pings, Session, Why};

use crate::terms::{Beat, Terms};

/// What a connection is to the link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// The one that the link is on, be it an attempt.
    Current,
    /// The one that a rotation shall move to.
    Successor,
    /// The one that a rotation moved away from.
    Leaving,
}

/// A connection from its `Open` until neither the link holds it nor the driver has it.
#[derive(Clone, Debug)]
pub(super) struct Connection {
    pub(super) id: ConnId,
    pub(super) endpoint: Endpoint,
    pub(super) role: Role,
    /// It asked to resume, and the server has not said otherwise.
    pub(super) resumes: bool,
    /// The server keeps its session.
    pub(super) resumable: bool,
    pub(super) dialled_at: Instant,
    pub(super) opened_at: Option<Instant>,
    pub(super) ready_at: Option<Instant>,
    /// Of the peer, `Opened` included.
    pub(super) last_byte: Instant,
    /// When it last opened, became ready or was answered on: a successor must get on.
    pub(super) progress_at: Instant,
    /// When the first ping since the last byte was handed out.
    pub(super) ping_at: Option<Instant>,
    /// When the last ping was handed out.
    pinged_at: Option<Instant>,
    /// A ping is due or was asked for, and is not handed out yet.
    pub(super) ping_owed: bool,
    /// A late wake-up of this silence was met with one more ping.
    pub(super) probed: bool,
    /// How its silence is noticed: the policy's heartbeat, or what was negotiated.
    pub(super) beat: Option<Beat>,
    /// The spread that was negotiated on it.
    pub(super) spread: Option<Millis>,
    /// From when on it may, and until when it must, make room for another one.
    pub(super) moves: Option<(Instant, Instant)>,
    pub(super) closing: Option<Closing>,
    /// The link holds it no more.
    pub(super) let_go: bool,
    /// The driver knows: it reported the end, or was told to abort.
    pub(super) gone: bool,
}

/// A close with a handshake.
#[derive(Clone, Copy, Debug)]
pub(super) struct Closing {
    /// When it was begun; once its `Close` is handed out, when that was.
    pub(super) since: Instant,
    pub(super) told: bool,
    pub(super) why: Why,
}

impl Connection {
    pub(super) fn new(
        id: ConnId,
        endpoint: Endpoint,
        session: Session,
        role: Role,
        now: Instant,
        terms: &Terms,
    ) -> Self {
        Self {
            id,
            endpoint,
            role,
            resumes: session == Session::Resume,
            resumable: false,
            dialled_at: now,
            opened_at: None,
            ready_at: None,
            last_byte: now,
            progress_at: now,
            ping_at: None,
            pinged_at: None,
            ping_owed: false,
            probed: false,
            beat: terms.heartbeat,
            spread: None,
            moves: None,
            closing: None,
            let_go: false,
            gone: false,
        }
    }

    pub(super) const fn is_held(&self) -> bool {
        !self.let_go
    }

    /// Ready, and neither given up nor being closed.
    pub(super) const fn is_ready(&self) -> bool {
        self.ready_at.is_some() && !self.let_go && self.closing.is_none()
    }

    /// It opened now; true if that is news. A report that is none tells of bytes like any other.
    pub(super) const fn opens(&mut self, now: Instant) -> bool {
        if self.opened_at.is_some() {
            self.hears(now);
            return false;
        }
        self.opened_at = Some(now);
        self.last_byte = now;
        self.progress_at = now;
        true
    }

    /// It is ready now.
    pub(super) fn is_ready_now(&mut self, now: Instant, terms: &Terms) {
        self.ready_at = Some(now);
        self.progress_at = now;
        if let Some(rotate) = terms.rotate {
            let earliest = now.saturating_add(rotate.after.saturating_sub(rotate.jitter));
            self.moves = Some((earliest, now.saturating_add(rotate.after)));
        }
    }

    /// It was asked to make room: not before `from`, and no later than `to`.
    pub(super) fn asked_to_move(&mut self, from: Instant, to: Instant) {
        let (earliest, latest) = self.moves.unwrap_or((Instant::MAX, Instant::MAX));
        self.moves = Some((earliest.min(from), latest.min(to)));
    }

    pub(super) const fn hears(&mut self, now: Instant) {
        if self.opened_at.is_some() {
            self.last_byte = now;
            self.ping_at = None;
            self.probed = false;
        }
    }

    /// A ping is handed out. False if nothing asks for it, and it is none that may be drawn to come early.
    pub(super) fn pings(&mut self, now: Instant) -> bool {
        // One that fell due before the server agreed to none is handed out.
        let early = |beat: Beat| beat.first == FirstPing::Jittered;
        let drawn = self.pinged_at.is_none() && self.beat.is_some_and(early);
        let asked = core::mem::take(&mut self.ping_owed) || drawn;
        self.pinged_at = Some(now);
        self.ping_at.get_or_insert(now);
        asked
    }

    /// When the next ping is due at the latest, unless one is asked for.
    pub(super) fn ping_due(&self, beat: Beat) -> Instant {
        let since = if beat.pings == Pings::Always {
            self.pinged_at.or(self.opened_at)
        } else {
            self.opened_at.filter(|_| self.ping_at.is_none()).and(Some(self.last_byte))
        };
        since.map_or(Instant::MAX, |since| since.saturating_add(beat.ping_after))
    }

    /// When it must have been pinged or presumed dead at the latest.
    pub(super) fn alarm(&self, beat: Beat) -> Instant {
        match self.ping_at {
            Some(pinged) => pinged.saturating_add(beat.dead_after),
            None => self.last_byte.saturating_add(beat.ping_after),
        }
    }

    /// Whether its silence is watched.
    pub(super) const fn is_listening(&self) -> bool {
        let watched = matches!(self.role, Role::Current | Role::Successor);
        let open = self.opened_at.is_some() && !self.let_go && self.closing.is_none();
        watched && open
    }

    pub(super) fn is_settled(&self, until: Instant, terms: &Terms) -> bool {
        self.ready_at.is_some_and(|ready| until.saturating_since(ready) >= terms.settle_after)
    }
}
