//! Reading traces line by line.

use redial::Slot;
use redial::trace::{Header, Line};
use serde::de::DeserializeOwned;

/// A line that cannot be used: its number, and what is wrong with it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {number}: {what}")]
pub(crate) struct Damage {
    pub(crate) number: usize,
    pub(crate) what: String,
}

impl Damage {
    pub(crate) fn new(number: usize, what: impl ToString) -> Self {
        Self { number, what: what.to_string() }
    }
}

/// The header on line `number`.
pub(crate) fn header(number: usize, text: &[u8]) -> Result<Header, Damage> {
    let header: Header = read(number, text)?;
    affordable(number, header.subscriptions)?;
    Ok(header)
}

/// The line after the header on line `number`.
pub(crate) fn line(number: usize, text: &[u8]) -> Result<Line, Damage> {
    let line: Line = read(number, text)?;
    if let Line::Subscriptions(slots) = line {
        affordable(number, slots)?;
    }
    Ok(line)
}

fn read<T: DeserializeOwned>(number: usize, text: &[u8]) -> Result<T, Damage> {
    serde_json::from_slice(text).map_err(|error| {
        // The parser counts lines within this one.
        let told = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        let what = told.strip_suffix(&place).unwrap_or(&told);
        Damage::new(number, format!("column {}: {what}", error.column()))
    })
}

/// Whoever wrote the trace shall not choose how much memory reading it takes.
fn affordable(number: usize, slots: u32) -> Result<(), Damage> {
    if slots <= SLOTS_MAX {
        return Ok(());
    }
    Err(Damage::new(number, format!("{slots} subscriptions are more than {SLOTS_MAX}")))
}

const SLOTS_MAX: u32 = 1 << 20;

pub(crate) fn storage(slots: u32) -> Vec<Slot> {
    vec![Slot::EMPTY; slots as usize]
}
