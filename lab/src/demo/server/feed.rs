//! Prices that move.

use std::sync::Arc;

use tokio::time::{MissedTickBehavior, interval};

use super::Shared;
use crate::demo::clock::Speed;
use crate::demo::market::{Price, SYMBOLS, Symbol};

/// Each symbol gets a price every fifth tick: 200 prices a second, and no symbol is silent for long,
/// so that what was missed in an outage shows soon after it.
const TICK_MS: u64 = 50;
const PER_TICK: usize = 10;
/// How many times as many in a rush.
const RUSH: usize = 3;

pub(super) async fn run(shared: Arc<Shared>, speed: Speed, seed: u64) {
    let mut dice = fastrand::Rng::with_seed(seed);
    let mut prices: Vec<Price> = Symbol::all()
        .map(|symbol| Price { symbol, seq: 0, cents: dice.u64(2_000..60_000) })
        .collect();
    let mut tick = interval(speed.of_millis(TICK_MS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut next = 0;
    loop {
        tick.tick().await;
        let rush = shared.controls().rush;
        for _ in 0..if rush { RUSH * PER_TICK } else { PER_TICK } {
            let price = &mut prices[next];
            price.seq += 1;
            price.cents = (price.cents + dice.u64(0..=40)).saturating_sub(20).max(100);
            next = (next + 1) % usize::from(SYMBOLS);
            shared.log().generated += 1;
            shared.remember(*price);
            // Nobody may be listening; prices are made all the same.
            let _receivers = shared.prices.send(*price);
        }
    }
}
