//! The model network: sockets that open late, fail, fall and go silent, and at the far end of each
//! a peer that remembers exactly what was subscribed on it, and which sessions it keeps; beside them
//! the provider of credentials.

mod endpoints;
mod peer;
mod sessions;
mod tokens;

use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

use redial::{
    Action, Closure, ConnId, Endpoint, Event, Fact, How, Instant, IoKind, Millis, Refusal, Session,
    SubKey, Ticket, Verdict, Why,
};

pub use tokens::Refreshed;

use crate::dice::Dice;
use crate::faults::Faults;
use endpoints::Endpoints;
use sessions::Sessions;
use tokens::Tokens;

/// All sockets that a driver opened, and what is on its way from them.
#[derive(Clone, Debug)]
pub struct Net {
    dice: Dice,
    pub(crate) faults: Faults,
    timing: Timing,
    sockets: BTreeMap<ConnId, Socket>,
    endpoints: Endpoints,
    sessions: Sessions,
    tokens: Tokens,
    queue: BTreeMap<(Instant, u64), Item>,
    next_place: u64,
    script: Script,
}

/// What of a policy the far end goes by, and the spans that faults are measured by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    pub(crate) open_within: Duration,
    pub(crate) ack_within: Duration,
    pub(crate) refresh_within: Duration,
    /// The application handshake is reported by its own event.
    pub(crate) has_ready: bool,
    /// A session that goes on keeps the subscriptions.
    pub(crate) keeps_subscriptions: bool,
    pub(crate) endpoints: u8,
}

/// What a test has decided about dials, requests and credentials to come.
#[derive(Clone, Debug, Default)]
struct Script {
    dials: Option<Dial>,
    dials_at: BTreeMap<Endpoint, Dial>,
    refusals: BTreeMap<SubKey, Refusal>,
    forgets: bool,
    keeps_sessions: bool,
    refreshes: Option<Refreshed>,
}

/// What becomes of a dial.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Dial {
    /// It opens, and stays open.
    Opens,
    /// It opens and is closed again right away, with this closure.
    OpensAndFalls(Closure),
    /// It fails with this closure.
    Fails(Closure),
    /// It is never answered.
    Hangs,
}

#[derive(Clone, Debug)]
struct Socket {
    /// The session that it asked to resume; `None` inside if the driver remembers none.
    resumes: Option<Option<u64>>,
    /// The session that runs on it, if it can be resumed.
    session: Option<u64>,
    open: bool,
    /// Neither direction carries anything, and nobody is told.
    silent: bool,
    /// The peer's side of it has ended.
    ended: bool,
    /// The driver dropped it.
    aborted: bool,
    held: BTreeSet<SubKey>,
}

#[derive(Clone, Copy, Debug)]
enum Item {
    Report(ConnId, Event),
    Token(Event),
    Opens(ConnId, Option<Closure>),
    Silence(ConnId),
    GivenUp(ConnId),
    Fall(ConnId, Closure),
    Chatter(ConnId),
    LosesSession(ConnId),
}

impl Net {
    pub(crate) fn new(seed: u64, faults: Faults, timing: Timing) -> Self {
        Self {
            dice: Dice::new(seed),
            faults,
            timing,
            sockets: BTreeMap::new(),
            endpoints: Endpoints::new(timing.endpoints),
            sessions: Sessions::default(),
            tokens: Tokens::new(),
            queue: BTreeMap::new(),
            next_place: 0,
            script: Script::default(),
        }
    }

    /// Carries out what an action means for sockets and credentials; reports and the timer mean
    /// nothing to them.
    pub fn perform(&mut self, now: Instant, action: &Action) {
        if !matches!(action, Action::Close { .. }) {
            self.sessions.no_more_closes();
        }
        match *action {
            Action::Open { conn, endpoint, session } => self.dial(now, conn, endpoint, session),
            Action::Close { conn, how, why } => self.close(now, conn, how, why),
            Action::Ping { conn } => self.ping(now, conn),
            Action::Subscribe { conn, request } => self.request(now, conn, request, true),
            Action::Unsubscribe { conn, request } => self.request(now, conn, request, false),
            Action::RefreshCredentials { ticket } => self.refresh(now, ticket),
            Action::Report(_) | Action::ArmTimer { .. } | Action::DisarmTimer => {}
        }
    }

    /// When the next report is due.
    #[must_use]
    pub fn next_at(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|((at, _), _)| *at)
    }

    /// The next report that is due at `now`.
    pub fn pop(&mut self, now: Instant) -> Option<Event> {
        while let Some(entry) = self.queue.first_entry().filter(|entry| entry.key().0 <= now) {
            let item = entry.remove();
            if let Some(event) = self.happen(now, item) {
                self.notice(now, &event);
                return Some(event);
            }
        }
        None
    }

    /// What the peer of `conn` holds; `None` once its side has ended, and before it opened.
    #[must_use]
    pub fn held(&self, conn: ConnId) -> Option<&BTreeSet<SubKey>> {
        self.sockets.get(&conn).filter(|socket| socket.open && !socket.ended).map(|it| &it.held)
    }

    /// From now on every dial goes as `dial` says; `None` leaves it to the faults again.
    pub fn script_dials(&mut self, dial: Option<Dial>) {
        self.script.dials = dial;
    }

    /// From now on each request to subscribe `key` is refused so; `None` ends that.
    pub fn script_refusal(&mut self, key: SubKey, refusal: Option<Refusal>) {
        match refusal {
            Some(refusal) => self.script.refusals.insert(key, refusal),
            None => self.script.refusals.remove(&key),
        };
    }

    /// From now on the peer forgets every request, or no more.
    pub fn script_forgetting(&mut self, forgets: bool) {
        self.script.forgets = forgets;
    }

    /// From now on every dial of `endpoint` goes as `dial` says; `None` ends that.
    pub fn script_dials_at(&mut self, endpoint: Endpoint, dial: Option<Dial>) {
        match dial {
            Some(dial) => self.script.dials_at.insert(endpoint, dial),
            None => self.script.dials_at.remove(&endpoint),
        };
    }

    /// From now on the peer of a story keeps sessions and lets them be resumed, or does not.
    pub fn script_sessions(&mut self, keeps: bool) {
        self.script.keeps_sessions = keeps;
    }

    /// From now on every request for credentials goes so; `None` leaves it to the faults again.
    pub fn script_refreshes(&mut self, refreshed: Option<Refreshed>) {
        self.script.refreshes = refreshed;
    }

    /// All faults end.
    pub(crate) fn calm(&mut self) {
        self.faults = Faults::none();
        self.sessions.heal();
    }

    /// `conn` goes silent: half-open, and nobody is told.
    pub fn go_silent(&mut self, conn: ConnId) {
        if let Some(socket) = self.sockets.get_mut(&conn) {
            socket.silent = true;
        }
    }

    /// The peer ends `conn`, with this closure.
    pub fn fall(&mut self, now: Instant, conn: ConnId, closure: Closure) {
        self.push(now, Item::Fall(conn, closure));
    }

    fn dial(&mut self, now: Instant, conn: ConnId, endpoint: Endpoint, session: Session) {
        self.sessions.dialled(conn);
        let resumes = (session == Session::Resume).then(|| self.sessions.remembered());
        self.sockets.insert(conn, Socket::new(resumes));
        let latency = self.latency();
        match self.answer(now, endpoint) {
            Some(Dial::Hangs) => {}
            Some(Dial::Opens) => self.push(now, Item::Opens(conn, None)),
            Some(Dial::OpensAndFalls(closure)) => self.push(now, Item::Opens(conn, Some(closure))),
            Some(Dial::Fails(closure)) if self.script.dials.is_some() => {
                self.push(now, Item::Report(conn, Event::Closed { conn, closure }));
            }
            Some(Dial::Fails(closure)) => {
                self.report(now, conn, Event::Closed { conn, closure });
            }
            None if self.dice.chance(self.faults.dial_late) => {
                let late = self.timing.open_within + self.dice.span(self.timing.open_within);
                self.push(now.saturating_add(late), Item::Opens(conn, None));
            }
            None => self.push(now.saturating_add(latency), Item::Opens(conn, None)),
        }
    }

    /// What becomes of a dial: as a test said, as the faults have it, or `None` where all is well.
    fn answer(&mut self, now: Instant, endpoint: Endpoint) -> Option<Dial> {
        let faults = self.faults;
        let scripted = self.script.dials_at.get(&endpoint).or(self.script.dials.as_ref());
        if let Some(dial) = scripted {
            return Some(*dial);
        }
        if !self.tokens.are_good(now) || self.dice.chance(faults.rejects) {
            return Some(Dial::Fails(Closure::peer().http(401)));
        }
        if let Some(dial) = self.endpoints.answer(&mut self.dice, &faults, endpoint) {
            return Some(dial);
        }
        if self.dice.chance(faults.dial_hangs) {
            Some(Dial::Hangs)
        } else if self.dice.chance(faults.dial_fails) {
            Some(Dial::Fails(self.closure(true)))
        } else {
            None
        }
    }

    fn close(&mut self, now: Instant, conn: ConnId, how: How, why: Why) {
        let faults = self.faults;
        let Some(socket) = self.sockets.get_mut(&conn).filter(|socket| !socket.aborted) else {
            return;
        };
        let closure = Closure::local();
        if why == Why::Moved && how == How::Graceful {
            self.sessions.moved_from(conn);
        }
        match how {
            How::Abort => {
                self.sessions.over(conn);
                socket.aborted = true;
                socket.ended = true;
                if self.dice.chance(faults.report_after_abort) {
                    self.report(now, conn, Event::Closed { conn, closure });
                }
            }
            How::Graceful if socket.silent => {}
            How::Graceful => {
                let at = now.saturating_add(self.latency());
                self.push(at, Item::Fall(conn, closure));
            }
        }
    }

    fn ping(&mut self, now: Instant, conn: ConnId) {
        self.sessions.spoken(conn);
        if self.reaches(conn) {
            self.report(now, conn, Event::Received { conn });
        }
    }

    fn refresh(&mut self, now: Instant, ticket: Ticket) {
        let faults = self.faults;
        let scripted = self.script.refreshes.or(self.script.dials.map(|_| Refreshed::Comes(None)));
        let refreshed = scripted.unwrap_or_else(|| Refreshed::draw(&mut self.dice, &faults));
        let Some(event) = refreshed.event(ticket) else { return };
        let late = if self.dice.chance(faults.token_late) {
            self.timing.refresh_within + self.dice.span(self.timing.refresh_within)
        } else {
            Duration::ZERO
        };
        let at = now.saturating_add(self.latency() + late);
        self.push(at, Item::Token(event));
        if self.dice.chance(faults.token_twice) {
            let again = at.saturating_add(self.dice.span(Duration::from_secs(20)));
            self.push(again, Item::Token(event));
            let older = Ticket::new(1 + self.dice.below(ticket.get()));
            let older = Event::CredentialsFailed { ticket: older, fatal: true };
            if older != (Event::CredentialsFailed { ticket, fatal: true }) {
                self.push(at, Item::Token(older));
            }
        }
    }

    fn happen(&mut self, now: Instant, item: Item) -> Option<Event> {
        match item {
            Item::Opens(conn, falls) => self.opens(now, conn, falls),
            Item::Report(conn, event) => self.arrives(conn).then_some(event),
            Item::Token(event) => Some(event),
            Item::LosesSession(conn) => self.loses_session(conn),
            Item::Silence(conn) => {
                self.go_silent(conn);
                self.push(now.saturating_add(KEEPALIVE), Item::GivenUp(conn));
                None
            }
            Item::GivenUp(conn) => {
                let socket = self.sockets.get_mut(&conn).filter(|it| !it.aborted)?;
                socket.ended = true;
                Some(Event::Closed { conn, closure: Closure::unknown().io(IoKind::Timeout) })
            }
            Item::Fall(conn, closure) => {
                let arrives = self.arrives(conn);
                let socket = self.sockets.get_mut(&conn)?;
                socket.ended = true;
                if let (Fact::Code(1000 | 1001), Some(session)) = (closure.fact, socket.session) {
                    self.sessions.lose(session);
                }
                if arrives {
                    self.report(now, conn, Event::Closed { conn, closure });
                }
                None
            }
            Item::Chatter(conn) => {
                let reaches = self.reaches(conn);
                if reaches {
                    let pause = self.dice.span(Duration::from_secs(20));
                    self.push(now.saturating_add(pause), Item::Chatter(conn));
                }
                reaches.then_some(Event::Received { conn })
            }
        }
    }

    fn opens(&mut self, now: Instant, conn: ConnId, falls: Option<Closure>) -> Option<Event> {
        let faults = self.faults;
        let socket = self.sockets.get_mut(&conn)?;
        if socket.aborted {
            return self.dice.chance(faults.report_after_abort).then_some(Event::Opened { conn });
        }
        socket.open = true;
        let scripted = self.script.dials.is_some();
        if self.timing.has_ready && (scripted || !self.dice.chance(faults.never_ready)) {
            self.greet(now, conn);
        }
        if let Some(closure) = falls {
            self.push(now, Item::Fall(conn, closure));
        } else if !scripted {
            self.fate(now, conn);
        }
        if self.dice.chance(faults.report_twice) {
            self.report(now, conn, Event::Opened { conn });
        }
        Some(Event::Opened { conn })
    }

    /// How long an open connection lives, and how it ends.
    fn fate(&mut self, now: Instant, conn: ConnId) {
        self.push(now, Item::Chatter(conn));
        if self.dice.chance(self.faults.falls) {
            let closure = self.closure(false);
            let life = self.dice.span(Duration::from_secs(90));
            self.push(now.saturating_add(life), Item::Fall(conn, closure));
        }
        if self.dice.chance(self.faults.goes_silent) {
            let life = self.dice.span(Duration::from_secs(60));
            self.push(now.saturating_add(life), Item::Silence(conn));
        }
        self.tell(now, conn);
    }

    /// What the driver learns with an event, besides the link.
    fn notice(&mut self, now: Instant, event: &Event) {
        self.tokens.notice(now, event);
        match *event {
            Event::Ready { conn, resumable, .. } => {
                let session = self.sockets.get(&conn).and_then(|socket| socket.session);
                self.sessions.ready(conn, session.filter(|_| resumable));
            }
            Event::Closed { conn, .. } => self.sessions.over(conn),
            _ => {}
        }
    }

    /// A report is sent on its way: one latency, or reordered, or twice.
    fn report(&mut self, now: Instant, conn: ConnId, event: Event) {
        let mut at = now.saturating_add(self.latency());
        if self.dice.chance(self.faults.report_reordered) {
            at = at.saturating_add(self.dice.span(Duration::from_secs(1)));
        }
        self.push(at, Item::Report(conn, event));
        if self.dice.chance(self.faults.report_twice) {
            let later = self.dice.span(Duration::from_secs(30));
            self.push(at.saturating_add(later), Item::Report(conn, event));
        }
    }

    fn push(&mut self, at: Instant, item: Item) {
        self.queue.insert((at, self.next_place), item);
        self.next_place += 1;
    }

    /// What the driver sends on `conn` reaches the peer, and the other way round.
    fn reaches(&self, conn: ConnId) -> bool {
        let carries = |it: &Socket| it.open && !it.silent && !it.ended && !it.aborted;
        self.sockets.get(&conn).is_some_and(carries)
    }

    /// A report that is under way reaches the driver.
    fn arrives(&mut self, conn: ConnId) -> bool {
        let late = self.dice.chance(self.faults.report_after_abort);
        let passes = |it: &Socket| if it.aborted { late } else { !it.silent };
        self.sockets.get(&conn).is_some_and(passes)
    }

    fn latency(&mut self) -> Duration {
        if self.script.dials.is_some() {
            return Duration::from_millis(10);
        }
        Duration::from_millis(5 + self.dice.below(100))
    }

    fn closure(&mut self, refused: bool) -> Closure {
        let facts = if refused { REFUSALS } else { FALLS };
        let closure = self.dice.pick(facts).copied().unwrap_or(Closure::unknown());
        if self.dice.chance(20) {
            return closure.retry_after(Duration::from_millis(self.dice.below(60_000)));
        }
        match self.dice.below(20) {
            0 => closure.verdict(Verdict::RetrySoon),
            1 => closure.verdict(Verdict::Reauthenticate),
            2 => closure.verdict(Verdict::RetryWithin {
                from: Millis::new(2_000),
                to: Millis::new(40_000),
            }),
            _ => closure,
        }
    }
}

impl Socket {
    const fn new(resumes: Option<Option<u64>>) -> Self {
        Self {
            resumes,
            session: None,
            open: false,
            silent: false,
            ended: false,
            aborted: false,
            held: BTreeSet::new(),
        }
    }
}

/// The system gives up a half-open connection in the end (RFC 9293, 3.8.4), where no heartbeat did.
const KEEPALIVE: Duration = Duration::from_secs(2 * 3600);
const REFUSALS: &[Closure] = &[
    Closure::unknown().io(IoKind::Refused),
    Closure::unknown().io(IoKind::Dns),
    Closure::unknown().io(IoKind::Timeout),
    Closure::peer().http(503),
    Closure::peer().http(429),
    Closure::peer().http(401),
    Closure::local(),
];

const FALLS: &[Closure] = &[
    Closure::unknown().io(IoKind::Reset),
    Closure::peer().code(1000),
    Closure::peer().code(1001),
    Closure::peer().code(1006),
    Closure::peer().code(1008),
    Closure::peer().code(1012),
    Closure::peer().code(1013),
    Closure::peer(),
    Closure::local(),
];
