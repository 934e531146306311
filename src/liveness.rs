//! Is the peer still there? Pings, silence, and a machine that slept.

use crate::policy::{FirstPing, Heartbeat, Pings};
use crate::seed::Jitter;
use crate::time::{Instant, Millis, Nanos};

/// One connection's proof of life. A byte costs two stores and no timer: what is due is worked out
/// from `last_byte` when the timer fires.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) struct Liveness {
    /// When the peer was last heard; at first when the connection opened.
    last_byte: Instant,
    /// When the last ping was handed out; at first when the connection opened.
    last_ping: Instant,
    /// How long until the next ping: the period, or the draw for the first.
    ping_after: Nanos,
    /// `ping_after` of the policy, or what was negotiated in its place.
    period: Nanos,
    /// A ping was handed out before.
    pinged: bool,
    /// A ping is to be handed out.
    owed: bool,
    /// A ping is out and no byte has come since.
    probe: Option<Probe>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct Probe {
    /// When the peer is presumed dead; never while a second chance waits for its ping.
    dead_at: Instant,
    /// This silence has had its second chance.
    second_chance: bool,
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
    /// The liveness of a connection that opened at `now`.
    pub(crate) fn new(heartbeat: Option<&Heartbeat>, now: Instant, jitter: &mut Jitter) -> Self {
        let period = heartbeat.map_or(Nanos(u64::MAX), |heartbeat| heartbeat.ping_after);
        let ping_after = heartbeat.map_or(period, |terms| first_ping(terms, period, jitter));
        Self {
            last_byte: now,
            last_ping: now,
            ping_after,
            period,
            pinged: false,
            owed: false,
            probe: None,
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
        let none = every == Millis::ZERO;
        let clamped = every.nanos().min(longest).max(Nanos::from_millis(1_000));
        self.period = if none { Nanos(u64::MAX) } else { clamped };
        let draws = !self.pinged && !none;
        self.ping_after = if draws { first_ping(terms, clamped, jitter) } else { self.period };
    }

    /// Bytes arrived. This is the message path.
    #[inline]
    pub(crate) fn heard(&mut self, now: Instant) {
        self.last_byte = now;
        self.probe = None;
    }

    /// Whether a ping is out and no byte has come since.
    #[inline]
    pub(crate) const fn is_probing(&self) -> bool {
        self.probe.is_some()
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
        self.ping_after = self.period;
        self.pinged = true;
        let dead_at = now.after(heartbeat.dead_after);
        match &mut self.probe {
            None => self.probe = Some(Probe { dead_at, second_chance: false }),
            Some(probe) if probe.dead_at == Instant::MAX => probe.dead_at = dead_at,
            // A further ping does not give a silent peer more time (P7).
            Some(_) => {}
        }
    }

    /// The earliest instant at which [`Liveness::due`] has something to say.
    pub(crate) fn deadline(&self, heartbeat: Option<&Heartbeat>) -> Instant {
        let Some(heartbeat) = heartbeat else { return Instant::MAX };
        let dead_at = self.probe.map_or(Instant::MAX, |probe| probe.dead_at);
        dead_at.min(self.ping_at(heartbeat))
    }

    fn ping_at(&self, heartbeat: &Heartbeat) -> Instant {
        if self.owed {
            return Instant::MAX;
        }
        match heartbeat.pings {
            Pings::Always => self.last_ping.after(self.ping_after),
            Pings::WhenSilent if self.probe.is_some() => Instant::MAX,
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
        if let Some(probe) = &mut self.probe {
            if now >= probe.dead_at {
                if probe.second_chance || now.since(probe.dead_at) <= late_by {
                    return Due::Dead;
                }
                *probe = Probe { dead_at: Instant::MAX, second_chance: true };
                self.owed = true;
                return Due::Overslept;
            }
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
