//! What comes out: each action as it is handed out.

use redial::{Action, ConnId, Endpoint, How, Phase, Session, Ticket, Why};

use super::connection::{Connection, Role};
use super::{Check, Judge, Promise, View, broken, ensure};

impl Judge {
    pub(super) fn judge_action(&mut self, action: &Action, view: View) -> Check {
        let before = core::mem::replace(&mut self.view, view);
        self.check_quiet(action)?;
        match *action {
            Action::Open { conn, endpoint, session } => {
                self.account(&before);
                self.open(conn, endpoint, session)
            }
            Action::Close { conn, how, why } => self.close(conn, how, why),
            Action::RefreshCredentials { ticket } => self.refresh(ticket),
            Action::Ping { conn } => self.ping(conn),
            Action::Subscribe { conn, request } | Action::Unsubscribe { conn, request } => {
                let spoken_on = self.spoken_on();
                ensure(spoken_on == Some(conn), Promise::Subscriptions, || {
                    format!("a request on connection {conn}, spoken on is {spoken_on:?}")
                })?;
                let subscribe = matches!(action, Action::Subscribe { .. });
                self.keys.request(&self.terms, self.now, conn, request, subscribe)
            }
            Action::Report(status) => {
                let new = core::mem::replace(&mut self.reported, status) != status;
                ensure(new, Promise::Reports, || "the same report again".into())?;
                ensure(status == view.status, Promise::Reports, || {
                    format!("{status:?} is reported, {:?} is the case", view.status)
                })
            }
            Action::ArmTimer { at } => {
                self.armed = Some(at);
                Ok(())
            }
            Action::DisarmTimer => {
                self.armed = None;
                Ok(())
            }
        }
    }

    /// A stale event is answered with nothing but the `Close` that it is owed (P6).
    fn check_quiet(&self, action: &Action) -> Check {
        let late = self.quiet_until.is_none_or(|until| self.now >= until);
        let harmless = match action {
            Action::Close { why, .. } => *why == Why::Stale,
            // A timer that should have fired by now may be armed anew.
            Action::ArmTimer { .. } => self.armed.is_some_and(|armed| armed <= self.now),
            Action::Open { .. }
            | Action::RefreshCredentials { .. }
            | Action::Ping { .. }
            | Action::Subscribe { .. }
            | Action::Unsubscribe { .. }
            | Action::Report(_)
            | Action::DisarmTimer => false,
        };
        ensure(late || harmless, Promise::StaleIsHarmless, || {
            format!("a stale event was answered with {action:?}")
        })
    }

    fn open(&mut self, conn: ConnId, endpoint: Endpoint, session: Session) -> Check {
        let wish = self.wish;
        ensure(wish.wanted && !wish.is_blocked(), Promise::Wishes, || {
            format!("an Open while {wish:?}")
        })?;
        ensure(conn.get() > self.newest, Promise::OneSocket, || {
            format!("connection {conn} after {}", self.newest)
        })?;
        ensure(self.owed.is_empty(), Promise::OneSocket, || {
            format!("an Open while a Close is owed to {:?}", self.owed)
        })?;
        self.connections.retain(|it| it.is_held() || !it.gone);
        let role = if self.role(Role::Current).is_some() {
            self.open_successor(endpoint, session)?;
            Role::Successor
        } else {
            self.open_attempt(conn, endpoint, session)?;
            Role::Current
        };
        self.attempts.charge(&self.terms, self.now);
        self.newest = conn.get();
        let it = Connection::new(conn, endpoint, session, role, self.now, &self.terms);
        self.connections.push(it);
        Ok(())
    }

    fn open_attempt(&mut self, conn: ConnId, endpoint: Endpoint, session: Session) -> Check {
        if let Some(old) = self.connections.iter().find(|old| !old.gone) {
            let what = format!("an Open of {conn} while {} is open", old.id);
            return broken(Promise::OneSocket, what);
        }
        self.attempts.admits(&self.terms, self.now, "an Open")?;
        let Some(wait) = self.attempts.wait.take() else { return Ok(()) };
        self.endpoints.dialled(self.now, endpoint, Some(wait.endpoint))?;
        self.sessions.open(&self.terms, self.now, session, wait.session)?;
        self.credentials.open(&self.terms, wait.due_at.unwrap_or(self.handled_at))
    }

    /// Make before break: beside a current connection that stays, and nothing else (P4).
    fn open_successor(&mut self, endpoint: Endpoint, session: Session) -> Check {
        let others = self.connections.iter().filter(|it| !it.gone).count();
        ensure(others == 1 && self.terms.rotate.is_some(), Promise::OneSocket, || {
            format!("one connection too many beside {:?}", self.connections)
        })?;
        self.check_may_rotate("a rotation begins")?;
        self.endpoints.dialled(self.now, endpoint, None)?;
        self.sessions.open(&self.terms, self.now, session, Session::Fresh)?;
        // When it fell due cannot be seen; not before the last drain, or it had been made then.
        self.credentials.open_successor(&self.terms, self.drained_at)
    }

    fn refresh(&mut self, ticket: Ticket) -> Check {
        let (wish, phase) = (self.wish, self.view.status.phase);
        ensure(wish.wanted && !wish.is_blocked(), Promise::Wishes, || {
            format!("credentials are asked for while {wish:?}")
        })?;
        let for_attempt = phase == Phase::Refreshing;
        if for_attempt {
            self.attempts.admits(&self.terms, self.now, "a refresh")?;
        } else {
            let ready = self.role(Role::Current).is_some_and(Connection::is_ready);
            ensure(ready, Promise::NoCredentialLoop, || format!("a refresh in {phase:?}"))?;
        }
        let rotates = self.check_may_rotate("a refresh").is_ok();
        self.credentials.ask(&self.terms, self.now, ticket, for_attempt, rotates)
    }

    fn close(&mut self, conn: ConnId, how: How, why: Why) -> Check {
        ensure(conn.get() <= self.newest, Promise::OneSocket, || {
            format!("a Close of {conn}, which was never opened")
        })?;
        self.owed.remove(&conn);
        let now = self.now;
        let Some(it) = self.connections.iter_mut().find(|it| it.id == conn) else {
            return ensure(why == Why::Stale, Promise::OneSocket, || {
                format!("a Close of the old connection {conn} for {why:?}")
            });
        };
        match how {
            How::Abort => {
                let held = !it.let_go;
                it.gone = true;
                ensure(!held, Promise::OneSocket, || {
                    format!("connection {conn} is aborted for {why:?} and still held")
                })
            }
            How::Graceful => match &mut it.closing {
                // What an action starts counts from its hand-out.
                Some(closing) => {
                    closing.since = now;
                    closing.told = true;
                    let due = closing.why;
                    ensure(why == due, Promise::Wishes, || {
                        format!("connection {conn} is closed for {why:?}, it is for {due:?}")
                    })
                }
                None => broken(
                    Promise::OneSocket,
                    format!("connection {conn} is closed for {why:?} and not closing"),
                ),
            },
        }
    }

    fn ping(&mut self, conn: ConnId) -> Check {
        let now = self.now;
        let held = self.by_id_mut(conn).filter(|it| it.role != Role::Leaving);
        let Some(it) = held.filter(|it| it.opened_at.is_some()) else {
            return broken(Promise::OneSocket, format!("a Ping on {conn}, which is not open"));
        };
        let asked = it.pings(now);
        let last_byte = it.last_byte;
        ensure(asked, Promise::SilenceIsNoticed, || {
            format!("a Ping on {conn} that nothing asks for, last byte at {last_byte}")
        })
    }
}
