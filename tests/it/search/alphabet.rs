//! A link in the midst of a search, and everything that can happen to it there.

use core::time::Duration;

use redial::{
    Action, Cause, Closure, ConnId, Continuity, Counts, Established, Event, Halted, How, Instant,
    IoKind, Millis, Phase, Refusal, Request, Session, SubKey, Ticket, WaitsFor,
};
use redial_sim::Watched;

/// A kind of thing that happens.
pub(super) type Letter = &'static str;

/// What a link tells of itself, without instants and numbers: an abstract state.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Told {
    phase: Phase,
    attempt: u32,
    cause: Option<&'static str>,
    waits_for: Option<WaitsFor>,
    continuity: Option<Continuity>,
    halted: Option<Halted>,
    rotating: bool,
    suspended: bool,
    counts: Counts,
    /// How many connections ago the current one was opened, as far as that matters.
    current: Option<u64>,
    sleeps: bool,
    asked: Asked,
}

/// What the driver was asked for and has not answered, and how the world is.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
struct Asked {
    paused: bool,
    offline: bool,
    resumes: bool,
    opened: bool,
    refresh: bool,
    request: bool,
    closing: bool,
}

#[derive(Clone)]
pub(super) struct Place {
    link: Watched,
    now: Instant,
    conn: u64,
    ticket: u64,
    request: Option<(ConnId, Request)>,
    closing: Option<ConnId>,
    asked: Asked,
}

const KEY: SubKey = SubKey::new(0);

impl Place {
    pub(super) fn new(link: Watched) -> Self {
        let now = Instant::from_nanos(1_000_000_000);
        let asked = Asked::default();
        Self { link, now, conn: 0, ticket: 0, request: None, closing: None, asked }
    }

    pub(super) fn phase(&self) -> Phase {
        self.link.status().phase
    }

    pub(super) fn told(&self) -> Told {
        let status = self.link.status();
        Told {
            phase: status.phase,
            attempt: status.attempt.map_or(0, |attempt| attempt.get().min(4)),
            cause: status.cause.map(name),
            waits_for: status.waits_for,
            continuity: status.continuity,
            halted: status.halted,
            rotating: status.rotating,
            suspended: status.suspended,
            counts: self.link.link().counts(),
            current: self.link.link().current().map(|conn| (self.conn - conn.get()).min(2)),
            sleeps: self.link.deadline().is_none(),
            asked: self.asked,
        }
    }

    /// Everything that can happen here, late and wrong reports included.
    pub(super) fn alphabet(&self) -> Vec<(Letter, Event)> {
        let mut all = vec![
            ("Start", Event::Start),
            ("Stop", Event::Stop),
            ("RetryNow", Event::RetryNow),
            ("Pause", Event::Pause),
            ("Resume", Event::Resume),
            ("NetworkDown", Event::NetworkDown),
            ("NetworkUp", Event::NetworkUp),
            ("Rotate", Event::Rotate),
            ("Subscribe", Event::Subscribe { key: KEY }),
            ("Unsubscribe", Event::Unsubscribe { key: KEY }),
            ("Resync", Event::Resync { key: KEY }),
            ("TimerFired early", Event::TimerFired),
            ("TimerFired", Event::TimerFired),
            ("TimerFired late", Event::TimerFired),
        ];
        for back in 0..3 {
            if let Some(conn) = self.conn.checked_sub(back).filter(|conn| *conn > 0) {
                all.extend(about(ConnId::new(conn)));
            }
        }
        for ticket in [self.ticket, self.ticket.saturating_sub(1)] {
            if ticket > 0 {
                all.extend(answers(Ticket::new(ticket)));
            }
        }
        if let Some((conn, request)) = self.request {
            let retry = Refusal::Retry(None);
            all.extend([
                ("Acked", Event::Acked { conn, request }),
                ("Refused for good", Event::Refused { conn, request, refusal: Refusal::Final }),
                ("Refused for now", Event::Refused { conn, request, refusal: retry }),
            ]);
        }
        all
    }

    pub(super) fn hear(&mut self, letter: Letter, event: Event) {
        let deadline = self.link.deadline();
        match (letter, deadline) {
            ("TimerFired early", Some(at)) => {
                self.now = self.now.max(Instant::from_nanos(at.as_nanos() - 1));
            }
            ("TimerFired", Some(at)) => self.now = self.now.max(at),
            ("TimerFired late", Some(at)) => {
                self.now = self.now.max(at).saturating_add(Duration::from_secs(3_600));
            }
            _ => {}
        }
        self.tell(event);
    }

    fn tell(&mut self, event: Event) {
        let asked = &mut self.asked;
        match event {
            Event::Pause => asked.paused = true,
            Event::Resume => asked.paused = false,
            Event::NetworkDown => asked.offline = true,
            Event::NetworkUp => asked.offline = false,
            Event::Opened { conn } | Event::Ready { conn, .. } if conn.get() == self.conn => {
                asked.opened = true;
            }
            Event::CredentialsReady { ticket, .. } | Event::CredentialsFailed { ticket, .. } => {
                asked.refresh &= ticket.get() != self.ticket;
            }
            Event::Acked { .. } | Event::Refused { .. } => asked.request = false,
            _ => {}
        }
        self.link.handle(self.now, event).expect("what was handed out is no misuse");
        self.check();
    }

    /// One action is fetched. False if there is none.
    pub(super) fn poll(&mut self) -> bool {
        let Some(action) = self.link.poll_action(self.now) else {
            self.check();
            return false;
        };
        match action {
            Action::Open { conn, session, .. } => {
                self.conn = conn.get();
                self.asked.resumes = session == Session::Resume;
                self.asked.opened = false;
            }
            Action::RefreshCredentials { ticket } => {
                self.ticket = ticket.get();
                self.asked.refresh = true;
            }
            Action::Subscribe { conn, request } | Action::Unsubscribe { conn, request } => {
                self.request = Some((conn, request));
                self.asked.request = true;
            }
            Action::Close { conn, how: How::Graceful, .. } => self.closing = Some(conn),
            Action::Close { .. }
            | Action::Ping { .. }
            | Action::Report(_)
            | Action::ArmTimer { .. }
            | Action::DisarmTimer => {}
        }
        self.asked.closing = self.closing.is_some();
        self.check();
        true
    }

    pub(super) fn drain(&mut self) {
        while self.poll() {}
    }

    fn check(&self) {
        if let Some(failure) = self.link.failure() {
            panic!("{failure}");
        }
    }

    /// A helpful world: all that is asked for is answered at once. It must lead to `Live`.
    pub(super) fn goes_live(mut self) {
        for event in [Event::Resume, Event::NetworkUp, Event::Resync { key: KEY }, Event::Start] {
            self.tell(event);
        }
        for _ in 0..HELPS_MAX {
            self.drain();
            match self.phase() {
                Phase::Live => return,
                Phase::Idle | Phase::Halted => self.tell(Event::Start),
                _ => self.help(),
            }
        }
        panic!("no way back to Live: {:?}", self.link.status());
    }

    fn help(&mut self) {
        let conn = ConnId::new(self.conn);
        if let Some(conn) = self.closing.take() {
            self.asked.closing = false;
            self.tell(Event::Closed { conn, closure: Closure::local() });
        } else if self.asked.refresh {
            self.tell(Event::CredentialsReady { ticket: Ticket::new(self.ticket), lasts: None });
        } else if self.conn > 0 && !self.asked.opened {
            self.tell(Event::Opened { conn });
            let session =
                if self.asked.resumes { Established::Resumed } else { Established::Fresh };
            self.tell(Event::Ready { conn, session, resumable: true });
        } else if let Some((conn, request)) = self.request.filter(|_| self.asked.request) {
            self.tell(Event::Acked { conn, request });
        } else {
            self.now = self.now.max(self.link.deadline().expect("it waits for something"));
            self.tell(Event::TimerFired);
        }
    }
}

/// More answers and deadlines than any way back to `Live` has.
const HELPS_MAX: u32 = 100;

fn about(conn: ConnId) -> [(Letter, Event); 12] {
    let ready = |session, resumable| Event::Ready { conn, session, resumable };
    let closed = |closure| Event::Closed { conn, closure };
    let asked = Closure::peer().http(503).retry_after(Duration::from_secs(10));
    [
        ("Opened", Event::Opened { conn }),
        ("Ready, fresh", ready(Established::Fresh, true)),
        ("Ready, resumed", ready(Established::Resumed, true)),
        ("Received", Event::Received { conn }),
        ("Closed", closed(Closure::unknown().io(IoKind::Reset))),
        ("Closed: wait", closed(asked)),
        ("Closed: unauthorized", closed(Closure::peer().http(401))),
        ("Closed: forbidden", closed(Closure::peer().http(403))),
        ("Closed: try another", closed(Closure::peer().code(1013))),
        ("GoAway", Event::GoAway { conn, within: Millis::ZERO }),
        ("SessionLost", Event::SessionLost { conn }),
        ("Negotiated", {
            Event::Negotiated { conn, heartbeat: Some(Millis::new(20_000)), spread: None }
        }),
    ]
}

fn answers(ticket: Ticket) -> [(Letter, Event); 3] {
    [
        ("CredentialsReady", Event::CredentialsReady { ticket, lasts: None }),
        ("CredentialsFailed", Event::CredentialsFailed { ticket, fatal: false }),
        ("CredentialsFailed, fatal", Event::CredentialsFailed { ticket, fatal: true }),
    ]
}

/// The kind of a cause: what the peer said makes no other state.
fn name(cause: Cause) -> &'static str {
    match cause {
        Cause::Closed { .. } => "closed",
        Cause::OpenTimeout => "open",
        Cause::ReadyTimeout => "ready",
        Cause::Silent => "silent",
        Cause::Network => "network",
        _ => "other",
    }
}
