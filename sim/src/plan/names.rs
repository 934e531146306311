//! What a plan calls by name.

use std::collections::VecDeque;

use redial::{Action, Closure, ConnId, Established, Event, Request, Session, SubKey, Ticket};

/// What a link handed out so far, so that a plan, which was made up before, can name it.
#[derive(Clone, Debug)]
pub struct Names {
    keys: u32,
    conn: u64,
    ticket: u64,
    request: Option<Request>,
    unanswered: VecDeque<Action>,
}

impl Names {
    /// Nothing was handed out by a link with room for so many `keys`.
    #[must_use]
    pub const fn new(keys: u32) -> Self {
        Self { keys, conn: 0, ticket: 0, request: None, unanswered: VecDeque::new() }
    }

    /// The link handed out `action`.
    pub fn notice(&mut self, action: &Action) {
        match *action {
            Action::Open { conn, .. } => self.conn = conn.get(),
            Action::RefreshCredentials { ticket } => self.ticket = ticket.get(),
            Action::Subscribe { request, .. } | Action::Unsubscribe { request, .. } => {
                self.request = Some(request);
            }
            Action::Ping { .. } | Action::Close { .. } => {}
            Action::Report(_) | Action::ArmTimer { .. } | Action::DisarmTimer => return,
        }
        if self.unanswered.len() == UNANSWERED {
            self.unanswered.pop_front();
        }
        self.unanswered.push_back(*action);
    }

    /// What a friendly world answers to the oldest action that it has not answered yet.
    pub fn answer(&mut self) -> Option<Event> {
        self.unanswered.pop_front().and_then(|action| answer(&action))
    }

    /// Whether a friendly world has something left to answer.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        !self.unanswered.is_empty()
    }

    /// The event with its numbers counted back from the newest: most of them then name something.
    #[must_use]
    pub fn resolve(&self, event: Event) -> Event {
        let conn = |conn: ConnId| ConnId::new(back(self.conn, conn.get()));
        let ticket = |ticket: Ticket| Ticket::new(back(self.ticket, ticket.get()));
        let key = |key: SubKey| SubKey::new(key.get() % self.keys.saturating_add(1));
        let request = |request: Request| self.request.unwrap_or(request);
        match event {
            Event::Opened { conn: it } => Event::Opened { conn: conn(it) },
            Event::Ready { conn: it, session, resumable } => {
                Event::Ready { conn: conn(it), session, resumable }
            }
            Event::Received { conn: it } => Event::Received { conn: conn(it) },
            Event::Closed { conn: it, closure } => Event::Closed { conn: conn(it), closure },
            Event::Negotiated { conn: it, heartbeat, spread } => {
                Event::Negotiated { conn: conn(it), heartbeat, spread }
            }
            Event::GoAway { conn: it, within } => Event::GoAway { conn: conn(it), within },
            Event::SessionLost { conn: it } => Event::SessionLost { conn: conn(it) },
            Event::CredentialsReady { ticket: it, lasts } => {
                Event::CredentialsReady { ticket: ticket(it), lasts }
            }
            Event::CredentialsFailed { ticket: it, fatal } => {
                Event::CredentialsFailed { ticket: ticket(it), fatal }
            }
            Event::Subscribe { key: it } => Event::Subscribe { key: key(it) },
            Event::Unsubscribe { key: it } => Event::Unsubscribe { key: key(it) },
            Event::Resync { key: it } => Event::Resync { key: key(it) },
            Event::Acked { conn: it, request: asked } => {
                Event::Acked { conn: conn(it), request: request(asked) }
            }
            Event::Refused { conn: it, request: asked, refusal } => {
                Event::Refused { conn: conn(it), request: request(asked), refusal }
            }
            _ => event,
        }
    }
}

/// More than a friendly world leaves unanswered; a mad one answers none.
const UNANSWERED: usize = 64;

/// Mostly the newest, at times one of the last, rarely one that never was.
const fn back(newest: u64, number: u64) -> u64 {
    match number % 16 {
        0..=11 => newest,
        12..=14 => newest.saturating_sub(number / 16 % 8),
        _ => number,
    }
}

const fn answer(action: &Action) -> Option<Event> {
    match *action {
        Action::Open { conn, session, .. } => {
            let session = match session {
                Session::Fresh => Established::Fresh,
                Session::Resume => Established::Resumed,
            };
            Some(Event::Ready { conn, session, resumable: true })
        }
        Action::RefreshCredentials { ticket } => {
            Some(Event::CredentialsReady { ticket, lasts: None })
        }
        Action::Subscribe { conn, request } | Action::Unsubscribe { conn, request } => {
            Some(Event::Acked { conn, request })
        }
        Action::Ping { conn } => Some(Event::Received { conn }),
        Action::Close { conn, .. } => Some(Event::Closed { conn, closure: Closure::local() }),
        Action::Report(_) | Action::ArmTimer { .. } | Action::DisarmTimer => None,
    }
}
