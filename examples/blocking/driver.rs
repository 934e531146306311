//! A driver of one link over TCP: `std`, one thread, no runtime. It sleeps in `read`, or where it has
//! no socket in `sleep`, until the link's deadline, and so it needs no timer.

use std::io::ErrorKind::{ConnectionRefused, ConnectionReset, TimedOut, WouldBlock};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;
use std::{thread, time};

use redial::{Action, Closure, ConnId, Event, How, Instant, IoKind, Link, Misuse, Slot};

use super::protocol::{next_line, read, subscribe, unsubscribe};

type Told = Result<(), Misuse>;

pub(crate) struct Driver {
    pub(crate) link: Link<Vec<Slot>>,
    pub(crate) server: SocketAddr,
    /// Where the link's clock begins.
    pub(crate) origin: time::Instant,
    /// One at a time: the policy has no rotation.
    pub(crate) socket: Option<(ConnId, TcpStream)>,
    /// What has arrived of a line.
    pub(crate) partial: Vec<u8>,
}

impl Driver {
    /// Carries out what there is to do, then waits for the socket or the deadline, once.
    pub(crate) fn turn(&mut self) -> Told {
        while let Some(action) = self.link.poll_action(self.now()) {
            self.perform(action)?;
        }
        let deadline = self.link.deadline();
        // To a socket, a timeout of zero is an error, and none waits for ever.
        let wait = deadline.map(|at| at.saturating_since(self.now()).max(Duration::from_millis(1)));
        let Some((conn, socket)) = &mut self.socket else {
            thread::sleep(wait.unwrap_or_default());
            return self.tell(Event::TimerFired);
        };
        let (conn, mut buffer) = (*conn, [0; 4096]);
        match socket.set_read_timeout(wait).and_then(|()| socket.read(&mut buffer)) {
            Ok(0) => self.gone(conn, Closure::peer()),
            Ok(length) => self.arrived(conn, buffer.get(..length).unwrap_or_default()),
            Err(why) if matches!(why.kind(), WouldBlock | TimedOut) => self.tell(Event::TimerFired),
            Err(error) => self.failed(conn, &error),
        }
    }

    pub(crate) fn tell(&mut self, event: Event) -> Told {
        self.link.handle(self.now(), event)
    }

    fn now(&self) -> Instant {
        Instant::from_duration(self.origin.elapsed())
    }

    fn perform(&mut self, action: Action) -> Told {
        match action {
            Action::Open { conn, .. } => self.open(conn)?,
            // Of either, the next read tells: with `Graceful` once the peer has closed, too.
            Action::Close { conn, how, .. } => self.on(conn, |socket| {
                socket.shutdown(if how == How::Abort { Shutdown::Both } else { Shutdown::Write })
            })?,
            Action::Ping { conn } => self.send(conn, "ping\n")?,
            Action::Subscribe { conn, request } => self.send(conn, &subscribe(request))?,
            Action::Unsubscribe { conn, request } => self.send(conn, &unsubscribe(request))?,
            // This server wants no credentials.
            Action::RefreshCredentials { ticket } => {
                self.tell(Event::CredentialsReady { ticket, lasts: None })?;
            }
            Action::Report(now) => println!("{:8.3?}  {:?}", self.origin.elapsed(), now.phase),
            Action::ArmTimer { .. } | Action::DisarmTimer => {}
        }
        Ok(())
    }

    fn open(&mut self, conn: ConnId) -> Told {
        let within = self.link.policy().open_within();
        // What is sent is short: what does not go out soon never will.
        let opened = TcpStream::connect_timeout(&self.server, within)
            .and_then(|socket| socket.set_write_timeout(Some(within)).map(|()| socket));
        match opened {
            Ok(socket) => self.socket = Some((conn, socket)),
            Err(error) => return self.failed(conn, &error),
        }
        self.tell(Event::Opened { conn })
    }

    fn send(&mut self, conn: ConnId, line: &str) -> Told {
        self.on(conn, |socket| socket.write_all(line.as_bytes()))
    }

    fn on<F: FnOnce(&mut TcpStream) -> io::Result<()>>(&mut self, conn: ConnId, work: F) -> Told {
        let held = self.socket.as_mut().filter(|(held, _)| *held == conn);
        let done = held.map_or(Ok(()), |(_, socket)| work(socket));
        done.or_else(|error| self.failed(conn, &error))
    }

    fn arrived(&mut self, conn: ConnId, bytes: &[u8]) -> Told {
        self.partial.extend_from_slice(bytes);
        while let Some(line) = next_line(&mut self.partial) {
            // What the server says of requests that were never made is the server's fault.
            if !matches!(read(conn, &line).map(|event| self.tell(event)), Some(Ok(()))) {
                return self.gone(conn, Closure::local().io(IoKind::Protocol));
            }
        }
        self.tell(Event::Received { conn })
    }

    fn failed(&mut self, conn: ConnId, error: &io::Error) -> Told {
        let kind = match error.kind() {
            WouldBlock | TimedOut => IoKind::Timeout,
            ConnectionRefused => IoKind::Refused,
            ConnectionReset => IoKind::Reset,
            _ => IoKind::Other,
        };
        self.gone(conn, Closure::unknown().io(kind))
    }

    fn gone(&mut self, conn: ConnId, closure: Closure) -> Told {
        self.socket = None;
        self.partial.clear();
        self.tell(Event::Closed { conn, closure })
    }
}
