//! Is the peer still there? Pings, silence, and a machine that slept.

use crate::policy::{FirstPing, Heartbeat, Pings};
use crate::seed::Jitter;
use crate::time::{Instant, MaybeMillis, Millis, Nanos};

/// One connection's proof of life. A byte costs a store and no timer: what is due is worked out from
/// `last_byte` when the timer fires.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Liveness {
    /// When the peer was last heard; at first when the connection opened.
    last_byte: Instant,
    /// When the last ping was handed out; at first when the connection opened.
    last_ping: Instant,
    /// When the peer is presumed dead; never while no ping is out that a byte must answer.
    dead_at: Instant,
    /// How long until the next ping: the period, or the draw for the first.
    ping_after: Nanos,
    /// What was negotiated in place of the policy's `ping_after`.
    agreed: MaybeMillis,
    /// A ping was handed out before.
    pinged: bool,
    /// A ping is to be handed out.
    owed: bool,
    silence: Silence,
}

/// What became of the present silence.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Silence {
    /// No ping was handed out since the last byte.
    Unprobed,
    /// A ping was.
    Probed,
    /// It has its second chance, its ping handed out or not.
    SecondChance,
}

/// What is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Due {
    /// Nothing, or a ping that is now owed.
    Alive,
    /// The machine slept: the peer is probed once more.
    Overslept,
    /// The peer is presumed dead.
    Dead,
}

impl Liveness {
    /// Of a connection that has not opened.
    pub(crate) const NONE: Self = Self {
        last_byte: Instant::ZERO,
        last_ping: Instant::ZERO,
        dead_at: Instant::MAX,
        ping_after: Nanos::ZERO,
        agreed: MaybeMillis::NONE,
        pinged: false,
        owed: false,
        silence: Silence::Unprobed,
    };

    /// The connection opened at `now`.
    #[inline]
    pub(crate) fn begin(
        &mut self,
        heartbeat: Option<&Heartbeat>,
        now: Instant,
        jitter: &mut Jitter,
    ) {
        (self.last_byte, self.last_ping) = (now, now);
        if let Some(terms) = heartbeat {
            self.ping_after = first_ping(terms, terms.ping_after, jitter);
        }
    }

    /// The server wants to hear a heartbeat so often: takes the place of `ping_after`, clamped to
    /// [1 s, `longest`]; zero means none.
    pub(crate) fn agree(
        &mut self,
        terms: &Heartbeat,
        every: Millis,
        longest: Nanos,
        jitter: &mut Jitter,
    ) {
        let clamped = every.min(longest.whole_millis()).max(Millis::new(1_000));
        let none = every == Millis::ZERO;
        self.agreed = MaybeMillis::some(if none { Millis::ZERO } else { clamped });
        let period = self.period(terms);
        let draws = !self.pinged && !none;
        self.ping_after = if draws { first_ping(terms, period, jitter) } else { period };
    }

    /// `ping_after` of the policy, or what was negotiated in its place: forever if that is none.
    fn period(&self, terms: &Heartbeat) -> Nanos {
        match self.agreed.get() {
            None => terms.ping_after,
            Some(Millis::ZERO) => Nanos(u64::MAX),
            Some(agreed) => agreed.nanos(),
        }
    }

    /// Bytes arrived.
    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_byte = now;
        self.dead_at = Instant::MAX;
        self.silence = Silence::Unprobed;
    }

    /// As [`Self::heard`] while no ping waits for an answer; false, and nothing done, while one does.
    /// This is the message path.
    #[inline]
    pub(crate) const fn heard_unprobed(&mut self, now: Instant) -> bool {
        if !matches!(self.silence, Silence::Unprobed) {
            return false;
        }
        self.last_byte = now;
        true
    }

    pub(crate) const fn last_byte(&self) -> Instant {
        self.last_byte
    }

    /// Asks for a ping whatever the schedule says.
    pub(crate) fn ask(&mut self, heartbeat: Option<&Heartbeat>) {
        self.owed |= heartbeat.is_some();
    }

    pub(crate) const fn is_ping_owed(&self) -> bool {
        self.owed
    }

    /// A ping is handed out at `now`, and the peer's time to answer begins.
    pub(crate) fn pinged(&mut self, heartbeat: &Heartbeat, now: Instant) {
        self.owed = false;
        self.last_ping = now;
        self.ping_after = self.period(heartbeat);
        self.pinged = true;
        if self.silence == Silence::Unprobed {
            self.silence = Silence::Probed;
        }
        // A further ping does not give a silent peer more time (P7).
        if self.dead_at == Instant::MAX {
            self.dead_at = now.after(heartbeat.dead_after);
        }
    }

    /// The earliest instant at which [`Liveness::due`] has something to say.
    pub(crate) fn deadline(&self, heartbeat: Option<&Heartbeat>) -> Instant {
        let Some(heartbeat) = heartbeat else { return Instant::MAX };
        self.dead_at.min(self.ping_at(heartbeat))
    }

    /// As [`Liveness::deadline`], also while the driver has not fetched the ping that is due.
    pub(crate) fn alarm(&self, heartbeat: Option<&Heartbeat>) -> Instant {
        let Some(heartbeat) = heartbeat else { return Instant::MAX };
        if self.silence == Silence::SecondChance && self.dead_at == Instant::MAX {
            // The machine slept over the answer, and nobody was asked since.
            return Instant::ZERO;
        }
        self.dead_at.min(self.scheduled(heartbeat))
    }

    fn ping_at(&self, heartbeat: &Heartbeat) -> Instant {
        if self.owed { Instant::MAX } else { self.scheduled(heartbeat) }
    }

    fn scheduled(&self, heartbeat: &Heartbeat) -> Instant {
        match heartbeat.pings {
            Pings::Always => self.last_ping.after(self.ping_after),
            Pings::WhenSilent if self.dead_at != Instant::MAX => Instant::MAX,
            Pings::WhenSilent => self.last_byte.after(self.ping_after),
        }
    }

    /// Applies what is due at `now` (P7).
    pub(crate) fn due(
        &mut self,
        heartbeat: Option<&Heartbeat>,
        late_by: Nanos,
        now: Instant,
    ) -> Due {
        let Some(heartbeat) = heartbeat else { return Due::Alive };
        if now >= self.dead_at {
            if self.silence == Silence::SecondChance || now.since(self.dead_at) <= late_by {
                return Due::Dead;
            }
            self.dead_at = Instant::MAX;
            (self.silence, self.owed) = (Silence::SecondChance, true);
            return Due::Overslept;
        }
        if now >= self.ping_at(heartbeat) {
            self.owed = true;
        }
        Due::Alive
    }
}

fn first_ping(terms: &Heartbeat, period: Nanos, jitter: &mut Jitter) -> Nanos {
    match terms.first {
        FirstPing::Fixed => period,
        FirstPing::Jittered => Nanos(jitter.uniform(0, period.0)),
    }
}
