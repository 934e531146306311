//! Drivers: the code between a link and its sockets.

use core::time::Duration;

use redial::{Action, Event, Instant};

use crate::clock::FakeClock;
use crate::dice::Dice;
use crate::faults::Faults;
use crate::net::Net;
use crate::watched::Watched;

/// What a driver works with: the link, the sockets, and the time.
#[derive(Debug)]
#[allow(clippy::exhaustive_structs, reason = "a test of a driver may set its own desk")]
pub struct Desk<'a> {
    /// The link, with the judge looking on.
    pub link: &'a mut Watched,
    /// The sockets. [`Net::perform`] carries out an action; [`Net::pop`] has the reports.
    pub net: &'a mut Net,
    /// The time.
    pub clock: FakeClock,
}

/// Code that owns sockets and the timer and drives a link. Implement it with your own loop to let
/// the world and the judge try it.
pub trait Driver {
    /// `event` happened: tell the link, and carry out what it asks for.
    fn on_event(&mut self, desk: &mut Desk<'_>, event: Event);

    /// The instant of [`Driver::wake_at`] has come.
    fn on_wake(&mut self, desk: &mut Desk<'_>);

    /// When to be woken if nothing happens before.
    fn wake_at(&self, desk: &Desk<'_>) -> Option<Instant>;

    /// All faults end: from now on it is a correct driver. Most have nothing to do.
    fn calm(&mut self) {}
}

/// A correct driver with one timer: it tells the link at once, and carries out everything at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Prompt {
    armed: Option<Instant>,
}

impl Driver for Prompt {
    fn on_event(&mut self, desk: &mut Desk<'_>, event: Event) {
        let now = desk.clock.now();
        // What the model network reports was handed out, so it cannot be misuse; a test's own
        // event may be, and then nothing is to be done about it.
        let _ = desk.link.handle(now, event);
        while let Some(action) = desk.link.poll_action(now) {
            desk.net.perform(now, &action);
            match action {
                Action::ArmTimer { at } => self.armed = Some(at),
                Action::DisarmTimer => self.armed = None,
                Action::Open { .. }
                | Action::Close { .. }
                | Action::RefreshCredentials { .. }
                | Action::Ping { .. }
                | Action::Unsubscribe { .. }
                | Action::Subscribe { .. }
                | Action::Report(_) => {}
            }
        }
    }

    fn on_wake(&mut self, desk: &mut Desk<'_>) {
        self.armed = None;
        self.on_event(desk, Event::TimerFired);
    }

    fn wake_at(&self, _: &Desk<'_>) -> Option<Instant> {
        self.armed
    }
}

/// A correct driver without a timer: it waits for [`Watched::deadline`], as the loop in the crate's
/// documentation does.
#[derive(Clone, Copy, Debug, Default)]
pub struct Looping;

impl Driver for Looping {
    fn on_event(&mut self, desk: &mut Desk<'_>, event: Event) {
        let now = desk.clock.now();
        let _ = desk.link.handle(now, event);
        while let Some(action) = desk.link.poll_action(now) {
            desk.net.perform(now, &action);
        }
    }

    fn on_wake(&mut self, desk: &mut Desk<'_>) {
        self.on_event(desk, Event::TimerFired);
    }

    fn wake_at(&self, desk: &Desk<'_>) -> Option<Instant> {
        desk.link.deadline()
    }
}

/// A driver with everything that a driver may do badly and still be within its rights: it drains
/// late and partly, feeds reports while it drains, and its timer fires late, early, twice, or only
/// with the next event.
#[derive(Clone, Debug)]
pub struct Sloppy {
    dice: Dice,
    faults: Faults,
    armed: Option<Instant>,
    /// Actions were left; when to go on with them.
    resume_at: Option<Instant>,
    /// The timer was lost: it fires with the next event.
    lost: bool,
    /// A poll saw a later time than the last event: whether the link saw it too is its own
    /// business, so the clock had better not run back now.
    polled_later: bool,
    handled_at: Option<Instant>,
}

impl Sloppy {
    /// A driver that fails as `faults` and `seed` say.
    #[must_use]
    pub const fn new(seed: u64, faults: Faults) -> Self {
        Self {
            dice: Dice::new(seed),
            faults,
            armed: None,
            resume_at: None,
            lost: false,
            polled_later: false,
            handled_at: None,
        }
    }

    fn handle(&mut self, desk: &mut Desk<'_>, event: Event) {
        let later = core::mem::take(&mut self.polled_later);
        let now = if !later && self.dice.chance(self.faults.clock_runs_back) {
            desk.clock.ago(self.dice.span(Duration::from_secs(30)))
        } else {
            desk.clock.now()
        };
        self.handled_at = Some(now);
        let _ = desk.link.handle(now, event);
    }

    fn fire(&mut self, desk: &mut Desk<'_>) {
        self.armed = None;
        self.handle(desk, Event::TimerFired);
    }

    fn drain(&mut self, desk: &mut Desk<'_>) {
        self.polled_later |= self.handled_at != Some(desk.clock.now());
        self.resume_at = None;
        let faults = self.faults;
        let mut left = if self.dice.chance(faults.drains_late) {
            0
        } else if self.dice.chance(faults.drains_partly) {
            1 + self.dice.below(3)
        } else {
            u64::MAX
        };
        loop {
            if left == 0 {
                let pause = self.dice.span(Duration::from_secs(3));
                self.resume_at = Some(desk.clock.now().saturating_add(pause));
                return;
            }
            let Some(action) = desk.link.poll_action(desk.clock.now()) else { return };
            self.perform(desk, action);
            left -= 1;
        }
    }

    fn perform(&mut self, desk: &mut Desk<'_>, action: Action) {
        let now = desk.clock.now();
        desk.net.perform(now, &action);
        match action {
            Action::ArmTimer { at } => {
                let late = self.dice.chance(self.faults.timer_late);
                let late =
                    if late { self.dice.span(Duration::from_secs(8)) } else { Duration::ZERO };
                self.armed = Some(at.saturating_add(late));
            }
            Action::DisarmTimer => self.armed = None,
            Action::Open { .. }
            | Action::Close { .. }
            | Action::RefreshCredentials { .. }
            | Action::Ping { .. }
            | Action::Unsubscribe { .. }
            | Action::Subscribe { .. }
            | Action::Report(_) => {}
        }
        if self.dice.chance(self.faults.feeds_while_draining)
            && let Some(event) = desk.net.pop(now)
        {
            self.handle(desk, event);
        }
    }
}

impl Driver for Sloppy {
    fn on_event(&mut self, desk: &mut Desk<'_>, event: Event) {
        self.handle(desk, event);
        if core::mem::take(&mut self.lost) || self.dice.chance(self.faults.timer_early) {
            self.fire(desk);
        }
        self.drain(desk);
    }

    fn on_wake(&mut self, desk: &mut Desk<'_>) {
        if self.armed.is_some_and(|at| at <= desk.clock.now()) {
            if self.dice.chance(self.faults.timer_lost) {
                self.armed = None;
                self.lost = true;
            } else {
                self.fire(desk);
                if self.dice.chance(self.faults.timer_twice) {
                    self.fire(desk);
                }
            }
        }
        self.drain(desk);
    }

    fn wake_at(&self, _: &Desk<'_>) -> Option<Instant> {
        [self.armed, self.resume_at].into_iter().flatten().min()
    }

    fn calm(&mut self) {
        self.faults = Faults::none();
        if core::mem::take(&mut self.lost) {
            self.armed = Some(Instant::ZERO);
        }
    }
}
