//! What the dashboard received, by the feed's sequence numbers.

use super::market::{Price, SYMBOLS, Symbol};

/// The last price of each symbol, and what was missed or came twice on the way to it.
#[derive(Clone, Debug)]
pub(crate) struct Ledger {
    rows: [Row; SYMBOLS as usize],
    pub(crate) received: u64,
    pub(crate) missed: u64,
    pub(crate) duplicates: u64,
}

/// One symbol's line.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Row {
    pub(crate) last: Option<Price>,
    /// The number that the next one follows; `None` while whoever reads has just begun.
    seen: Option<u64>,
    /// The price before, for the direction.
    pub(crate) cents_before: u64,
    pub(crate) refused: bool,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self { rows: [Row::default(); SYMBOLS as usize], received: 0, missed: 0, duplicates: 0 }
    }

    pub(crate) fn note(&mut self, price: Price) {
        self.received += 1;
        let row = &mut self.rows[price.symbol.index()];
        if let Some(seen) = row.seen {
            if price.seq <= seen {
                self.duplicates += 1;
                return;
            }
            self.missed += price.seq - seen - 1;
        }
        row.seen = Some(price.seq);
        row.cents_before = row.last.map_or(price.cents, |last| last.cents);
        row.last = Some(price);
    }

    /// Another link begins: what nobody was there to receive is not missed.
    pub(crate) fn begin_anew(&mut self) {
        for row in &mut self.rows {
            row.seen = None;
        }
    }

    pub(crate) fn refuse(&mut self, symbol: Symbol) {
        self.rows[symbol.index()].refused = true;
    }

    pub(crate) fn row(&self, symbol: Symbol) -> Row {
        self.rows[symbol.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_missed_and_an_old_number_is_a_duplicate() {
        let symbol = Symbol::all().next().unwrap();
        let mut ledger = Ledger::new();
        for seq in [5, 6, 9, 9, 8, 10] {
            ledger.note(Price { symbol, seq, cents: 100 });
        }
        assert_eq!((ledger.received, ledger.missed, ledger.duplicates), (6, 2, 2));
    }

    #[test]
    fn nothing_is_missed_between_two_links() {
        let symbol = Symbol::all().next().unwrap();
        let mut ledger = Ledger::new();
        ledger.note(Price { symbol, seq: 5, cents: 100 });
        ledger.begin_anew();
        ledger.note(Price { symbol, seq: 9, cents: 100 });
        assert_eq!(ledger.missed, 0);
    }

    #[test]
    fn the_first_price_of_a_symbol_misses_nothing() {
        let mut ledger = Ledger::new();
        for symbol in Symbol::all() {
            ledger.note(Price { symbol, seq: 40, cents: 100 });
        }
        assert_eq!(ledger.missed, 0);
    }
}
