//! `drive`: the core on a pipe, for drivers in any language.

use std::io::{self, BufRead, Write};

use redial::Link;
use redial::trace::Line;
use serde::Serialize;

use crate::Failure;
use crate::lines::{self, Damage, storage};

/// Answers each event on standard input with the actions of its drain and a deadline line.
///
/// # Errors
///
/// [`Failure::Input`] for a header that is none, after an error line; [`Failure::Run`] if standard
/// input or output fails.
pub(crate) fn drive() -> Result<(), Failure> {
    serve(&mut io::stdin().lock(), &mut io::stdout().lock())
}

fn serve(from: &mut impl BufRead, to: &mut impl Write) -> Result<(), Failure> {
    let mut pipe = Pipe { from, to, number: 0, text: Vec::new(), answer: Vec::new() };
    pipe.next()?;
    let header = match lines::header(pipe.number, &pipe.text) {
        Ok(header) => header,
        Err(damage) => {
            pipe.fail(&damage)?;
            return Err(Failure::Input(damage.to_string()));
        }
    };
    let slots = storage(header.subscriptions);
    let mut link = Link::with_storage(header.policy, header.seed, slots);
    while pipe.next()? {
        match pipe.event(&mut link) {
            Ok(()) => pipe.send()?,
            Err(damage) => pipe.fail(&damage)?,
        }
    }
    Ok(())
}

struct Pipe<'a, R, W> {
    from: &'a mut R,
    to: &'a mut W,
    /// The number of the line last read, and its text.
    number: usize,
    text: Vec<u8>,
    /// Sent at once, so that a reader of lines never waits for the rest of an answer.
    answer: Vec<u8>,
}

#[derive(Serialize)]
struct ErrorLine {
    error: String,
}

impl<R: BufRead, W: Write> Pipe<'_, R, W> {
    /// Reads a line; false at the end.
    fn next(&mut self) -> Result<bool, Failure> {
        self.text.clear();
        self.number += 1;
        let read = self.from.read_until(b'\n', &mut self.text);
        Ok(read.map_err(|error| Failure::Run(format!("cannot read: {error}")))? > 0)
    }

    fn event(&mut self, link: &mut Link<Vec<redial::Slot>>) -> Result<(), Damage> {
        let wrong = |what: &dyn ToString| Damage::new(self.number, what.to_string());
        let (at, event) = match lines::line(self.number, &self.text)? {
            Line::Event { at, event } => (at, event),
            Line::Action { .. } | Line::Deadline { .. } | Line::Subscriptions(_) => {
                return Err(wrong(&"not an event"));
            }
        };
        link.handle(at, event).map_err(|misuse| wrong(&misuse))?;
        while let Some(action) = link.poll_action(at) {
            self.say(&Line::Action { at: None, action });
        }
        self.say(&Line::Deadline { at: None, deadline: link.deadline() });
        Ok(())
    }

    fn fail(&mut self, damage: &Damage) -> Result<(), Failure> {
        self.say(&ErrorLine { error: damage.to_string() });
        self.send()
    }

    fn say(&mut self, line: &impl Serialize) {
        serde_json::to_writer(&mut self.answer, line).expect("plain data has a JSON form");
        self.answer.push(b'\n');
    }

    fn send(&mut self) -> Result<(), Failure> {
        let sent = self.to.write_all(&self.answer).and_then(|()| self.to.flush());
        self.answer.clear();
        sent.map_err(|error| Failure::Run(format!("cannot print: {error}")))
    }
}
