//! UART, modem and server, simulated: what a device has in their place ends here.

use crate::driver::{FRAME, Line, kind};

/// How long a modem takes to connect.
const DIAL_MILLIS: u32 = 200;

/// What 115200 baud bring in a millisecond, so that frames arrive in pieces.
const BYTES_PER_MILLI: u8 = 11;

/// Sixteen answers at once, and more.
const QUEUE: usize = 128;

/// The far end of the line, and the line.
#[derive(Default)]
pub struct Peer {
    line: State,
    /// The keys that are subscribed on this connection, a bit for each.
    held: u16,
    /// It hears nothing more on this connection and says nothing, and the line stays up.
    silent: bool,
    connections: u32,
    answers: Queue,
    /// How many bytes the line brings before the next millisecond.
    budget: u8,
}

#[derive(Default, PartialEq, Eq)]
enum State {
    #[default]
    Down,
    Dialing(u32),
    Up,
}

impl Peer {
    /// A millisecond passes.
    pub fn tick(&mut self) {
        self.budget = BYTES_PER_MILLI;
        match self.line {
            State::Dialing(0) => {
                self.line = State::Up;
                self.connections += 1;
            }
            State::Dialing(left) => self.line = State::Dialing(left - 1),
            State::Down | State::Up => {}
        }
    }

    /// Cuts the line.
    pub fn cut(&mut self) {
        self.connect(false);
    }

    /// Dies without a word, until the next connection.
    pub fn fall_silent(&mut self) {
        self.silent = true;
    }

    /// How many keys are subscribed on this connection.
    pub fn held(&self) -> u32 {
        self.held.count_ones()
    }

    /// How many connections there were.
    pub fn connections(&self) -> u32 {
        self.connections
    }

    fn answer(&mut self, mut frame: [u8; FRAME]) {
        let [asked, key, ..] = frame;
        let bit = 1 << (key % 16);
        let answer = match asked {
            kind::SUBSCRIBE => {
                self.held |= bit;
                kind::OK
            }
            kind::UNSUBSCRIBE => {
                self.held &= !bit;
                kind::OK
            }
            _ => kind::PONG,
        };
        frame[0] = answer;
        for byte in frame {
            self.answers.push(byte);
        }
    }
}

impl Line for Peer {
    fn connect(&mut self, wanted: bool) {
        self.line = if wanted { State::Dialing(DIAL_MILLIS) } else { State::Down };
        (self.held, self.silent, self.answers) = (0, false, Queue::default());
    }

    fn is_connected(&self) -> bool {
        self.line == State::Up
    }

    fn receive(&mut self) -> Option<u8> {
        let left = self.budget.checked_sub(1)?;
        let byte = self.answers.pop()?;
        self.budget = left;
        Some(byte)
    }

    fn send(&mut self, frame: [u8; FRAME]) {
        if self.is_connected() && !self.silent {
            self.answer(frame);
        }
    }
}

/// Bytes in order. One too many is lost, as a UART loses it.
struct Queue {
    bytes: [u8; QUEUE],
    first: usize,
    length: usize,
}

impl Default for Queue {
    fn default() -> Self {
        Self { bytes: [0; QUEUE], first: 0, length: 0 }
    }
}

impl Queue {
    fn push(&mut self, byte: u8) {
        if self.length < QUEUE {
            self.bytes[(self.first + self.length) % QUEUE] = byte;
            self.length += 1;
        }
    }

    fn pop(&mut self) -> Option<u8> {
        self.length = self.length.checked_sub(1)?;
        let byte = self.bytes[self.first];
        self.first = (self.first + 1) % QUEUE;
        Some(byte)
    }
}
