//! Sessions: what the peer keeps between connections, and what the driver remembers of it.

use std::collections::BTreeMap;

use redial::ConnId;

/// Both ends' memory of sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Sessions {
    /// The peer's.
    kept: BTreeMap<u64, Kept>,
    next: u64,
    memory: Memory,
}

/// A session that the peer keeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kept {
    /// The connection that it last ran on, which holds its subscriptions.
    pub(super) conn: ConnId,
    /// Every resume of it is accepted, and then dropped.
    pub(super) poisoned: bool,
}

/// What a driver must know to resume: which session the link means. It follows the link's moves by
/// what it is told, as any driver does.
#[derive(Clone, Debug, Default)]
struct Memory {
    current: Option<ConnId>,
    successor: Option<ConnId>,
    /// The sessions of these two, once they are ready and the peer keeps them.
    ready: BTreeMap<ConnId, Option<u64>>,
    /// The current connection, ready as the driver heard; whether it was held any more, the next
    /// drain tells.
    heard: Option<ConnId>,
    /// The session that an `Open` to resume is about.
    session: Option<u64>,
    /// A connection was lost before that drain; or a successor was lost, or took the place of a lost
    /// connection, and the driver was not told whether it was one any more.
    unsure: bool,
}

impl Sessions {
    /// The peer begins a session on `conn`.
    pub(super) fn begin(&mut self, conn: ConnId, poisoned: bool) -> u64 {
        self.next += 1;
        self.kept.insert(self.next, Kept { conn, poisoned });
        self.next
    }

    /// The session that a resume is about, if the peer keeps it; from now on it runs on `conn`.
    pub(super) fn resume(&mut self, session: u64, conn: ConnId) -> Option<Kept> {
        let kept = self.kept.get_mut(&session)?;
        Some(Kept { conn: core::mem::replace(&mut kept.conn, conn), ..*kept })
    }

    pub(super) fn lose(&mut self, session: u64) {
        self.kept.remove(&session);
    }

    /// No session drops whoever resumes it any more.
    pub(super) fn heal(&mut self) {
        for kept in self.kept.values_mut() {
            kept.poisoned = false;
        }
    }

    /// The driver dials `conn`.
    pub(super) fn dialled(&mut self, conn: ConnId) {
        let memory = &mut self.memory;
        if memory.current.is_some() {
            memory.successor = Some(conn);
        } else {
            memory.current = Some(conn);
        }
    }

    /// What the driver asks for when it is told to resume.
    pub(super) fn remembered(&self) -> Option<u64> {
        self.memory.session.filter(|_| !self.memory.unsure)
    }

    /// The driver hears that `conn` is ready, with this session if it can be resumed.
    pub(super) fn ready(&mut self, conn: ConnId, session: Option<u64>) {
        let memory = &mut self.memory;
        memory.ready.entry(conn).or_insert(session);
        if memory.current == Some(conn) {
            memory.heard = Some(conn);
        }
    }

    /// The driver is told something else than to close connections: that comes last.
    pub(super) fn no_more_closes(&mut self) {
        let memory = &mut self.memory;
        if let Some(conn) = memory.heard.take() {
            memory.adopt(conn);
        }
    }

    /// The driver is told to part from `conn` because another one took over.
    pub(super) fn moved_from(&mut self, conn: ConnId) {
        let memory = &mut self.memory;
        if memory.current == Some(conn) && memory.successor.is_some() {
            memory.over(conn);
            memory.unsure = false;
        }
    }

    /// The driver speaks on `conn`: so that one is current, or a successor.
    pub(super) fn spoken(&mut self, conn: ConnId) {
        let memory = &mut self.memory;
        memory.unsure &= memory.current != Some(conn);
    }

    /// The driver reported that `conn` is gone, or was told to drop it.
    pub(super) fn over(&mut self, conn: ConnId) {
        let memory = &mut self.memory;
        memory.unsure |= memory.heard.take_if(|heard| *heard == conn).is_some();
        memory.over(conn);
    }
}

impl Memory {
    fn over(&mut self, conn: ConnId) {
        if self.successor == Some(conn) {
            self.successor = None;
            self.unsure |= self.ready.contains_key(&conn);
        } else if self.current == Some(conn) {
            self.current = self.successor.take();
            if let Some(conn) = self.current {
                self.adopt(conn);
                self.unsure |= self.ready.contains_key(&conn);
            }
        }
        self.ready.remove(&conn);
    }

    fn adopt(&mut self, conn: ConnId) {
        if let Some(session) = self.ready.get(&conn) {
            self.session = *session;
            self.unsure = false;
        }
    }
}
