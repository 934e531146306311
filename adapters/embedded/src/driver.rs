//! The driver: one link over one serial line. Copy it, and put your own frames in.

use redial::{
    Action, Closure, ConnId, Event, Instant, IoKind, Link, Misuse, Policy, Request, Seed, Slot,
    SubKey,
};

/// What the driver needs of a serial line with a modem at its end. Nothing of it waits.
pub trait Line {
    /// Asks for a new connection (DTR on), or ends the present one (DTR off). What arrived on an
    /// earlier one is forgotten.
    fn connect(&mut self, wanted: bool);
    /// Whether there is the connection that was asked for last (DCD).
    fn is_connected(&self) -> bool;
    /// The next byte that arrived.
    fn receive(&mut self) -> Option<u8>;
    /// Queues a frame. If there is no room for it, it is lost: the link's deadlines find out.
    fn send(&mut self, frame: [u8; FRAME]);
}

/// Bytes of a frame: its kind, the key, the request's number in little endian.
pub const FRAME: usize = 6;

/// Kinds of frames.
pub mod kind {
    /// To the peer: subscribe a key.
    pub const SUBSCRIBE: u8 = b'S';
    /// To the peer: unsubscribe a key.
    pub const UNSUBSCRIBE: u8 = b'U';
    /// To the peer: answer with `PONG`.
    pub const PING: u8 = b'P';
    /// From the peer: a request is granted.
    pub const OK: u8 = b'K';
    /// From the peer, in answer to `PING`.
    pub const PONG: u8 = b'Q';
}

/// Drives a link over a [`Line`].
pub struct Driver<L> {
    link: Link<&'static mut [Slot]>,
    line: L,
    conn: Option<ConnId>,
    /// Whether `conn` was reported open.
    opened: bool,
    frame: [u8; FRAME],
    filled: usize,
}

impl<L: Line> Driver<L> {
    /// A driver of a link that is not wanted yet, with one subscription per slot, 256 at most. Each device needs a seed of its own: from a true
    /// random number generator or from its serial number, or a fleet dials in step.
    pub fn new(policy: Policy, seed: Seed, slots: &'static mut [Slot], line: L) -> Self {
        let link = Link::with_storage(policy, seed, slots);
        Self { link, line, conn: None, opened: false, frame: [0; FRAME], filled: 0 }
    }

    /// Tells the link what the application wishes.
    ///
    /// # Errors
    ///
    /// [`Misuse`] for a key that there is not.
    pub fn tell(&mut self, now: Instant, wish: Event) -> Result<(), Misuse> {
        self.link.handle(now, wish)
    }

    /// Does all that there is to do. Call it after each interrupt; more often is harmless.
    ///
    /// # Errors
    ///
    /// [`Misuse`] is a fault of this driver.
    pub fn poll(&mut self, now: Instant) -> Result<(), Misuse> {
        self.look_at_line(now)?;
        self.read_frames(now)?;
        if self.link.deadline().is_some_and(|at| at <= now) {
            self.link.handle(now, Event::TimerFired)?;
        }
        while let Some(action) = self.link.poll_action(now) {
            self.perform(now, action)?;
        }
        Ok(())
    }

    /// The link, for its getters.
    pub fn link(&self) -> &Link<&'static mut [Slot]> {
        &self.link
    }

    /// The line.
    pub fn line(&mut self) -> &mut L {
        &mut self.line
    }

    fn look_at_line(&mut self, now: Instant) -> Result<(), Misuse> {
        let Some(conn) = self.conn else { return Ok(()) };
        match (self.opened, self.line.is_connected()) {
            (false, true) => {
                self.opened = true;
                self.link.handle(now, Event::Opened { conn })
            }
            (true, false) => self.hang_up(now, Closure::unknown().io(IoKind::Reset)),
            (false, false) | (true, true) => Ok(()),
        }
    }

    fn read_frames(&mut self, now: Instant) -> Result<(), Misuse> {
        while let (Some(conn), Some(byte)) = (self.conn, self.line.receive()) {
            self.frame[self.filled] = byte;
            self.filled = (self.filled + 1) % FRAME;
            let event = match (self.filled, self.frame) {
                (0, [kind::OK, key, number @ ..]) => {
                    let key = SubKey::new(key.into());
                    let number = u32::from_le_bytes(number).into();
                    Event::Acked { conn, request: Request { key, number } }
                }
                (0, [kind::PONG, ..]) => Event::Received { conn },
                (0, _) => return self.hang_up(now, Closure::local().io(IoKind::Protocol)),
                (_, _) => continue,
            };
            // What the peer says of requests that were never made is the peer's fault, not ours.
            if self.link.handle(now, event).is_err() {
                return self.hang_up(now, Closure::local().io(IoKind::Protocol));
            }
        }
        Ok(())
    }

    fn hang_up(&mut self, now: Instant, closure: Closure) -> Result<(), Misuse> {
        self.line.connect(false);
        match self.conn.take() {
            Some(conn) => self.link.handle(now, Event::Closed { conn, closure }),
            None => Ok(()),
        }
    }

    fn perform(&mut self, now: Instant, action: Action) -> Result<(), Misuse> {
        match action {
            Action::Open { conn, .. } => {
                (self.conn, self.opened, self.filled) = (Some(conn), false, 0);
                self.line.connect(true);
            }
            // A serial line knows no close handshake.
            Action::Close { conn, .. } if self.conn == Some(conn) => {
                return self.hang_up(now, Closure::local());
            }
            Action::Close { .. } => {}
            Action::Ping { .. } => self.line.send([kind::PING, 0, 0, 0, 0, 0]),
            Action::Subscribe { request, .. } => self.line.send(frame(kind::SUBSCRIBE, request)),
            Action::Unsubscribe { request, .. } => {
                self.line.send(frame(kind::UNSUBSCRIBE, request));
            }
            // This peer wants no credentials.
            Action::RefreshCredentials { ticket } => {
                return self.link.handle(now, Event::CredentialsReady { ticket, lasts: None });
            }
            // The application asks for the status when it likes, and `poll` for the deadline.
            Action::Report(_) | Action::ArmTimer { .. } | Action::DisarmTimer => {}
        }
        Ok(())
    }
}

fn frame(kind: u8, request: Request) -> [u8; FRAME] {
    // Both are small: keys are below 256, and numbers count the requests of one connection.
    let [a, b, c, d] = (request.number as u32).to_le_bytes();
    [kind, request.key.get() as u8, a, b, c, d]
}
