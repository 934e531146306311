//! The health of each server.

use core::time::Duration;

use redial::{Closure, Endpoint, IoKind};

use super::Dial;
use crate::dice::Dice;
use crate::faults::Faults;

/// How each of several endpoints is; a single one is as the faults of dials say.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    health: Vec<Health>,
}

#[derive(Clone, Copy, Debug)]
enum Health {
    Accepts,
    Refuses,
    Drops,
    AsksForPatience,
}

impl Endpoints {
    pub(super) fn new(count: u8) -> Self {
        Self { health: vec![Health::Accepts; usize::from(count)] }
    }

    /// What the health of `endpoint` makes of a dial; `None` if it accepts.
    pub(super) fn answer(
        &mut self,
        dice: &mut Dice,
        faults: &Faults,
        endpoint: Endpoint,
    ) -> Option<Dial> {
        let several = self.health.len() > 1;
        let health = self.health.get_mut(usize::from(endpoint.get())).filter(|_| several)?;
        if faults.endpoint_turns == 0 {
            *health = Health::Accepts;
        } else if dice.chance(faults.endpoint_turns) {
            *health = dice.pick(HEALTHS).copied().unwrap_or(Health::Accepts);
        }
        match *health {
            Health::Accepts => None,
            Health::Refuses => Some(Dial::Fails(Closure::unknown().io(IoKind::Refused))),
            Health::Drops => Some(Dial::OpensAndFalls(Closure::peer().code(1011))),
            Health::AsksForPatience if dice.chance(50) => {
                Some(Dial::Fails(Closure::peer().code(1013)))
            }
            Health::AsksForPatience => {
                let wait = dice.span(Duration::from_secs(120));
                Some(Dial::Fails(Closure::peer().http(503).retry_after(wait)))
            }
        }
    }
}

/// Twice as often well as each of the other ways.
const HEALTHS: &[Health] =
    &[Health::Accepts, Health::Accepts, Health::Refuses, Health::Drops, Health::AsksForPatience];
