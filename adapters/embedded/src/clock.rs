//! SysTick as the link's clock.

use core::cell::Cell;

use cortex_m::interrupt::{self, Mutex};
use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::exception;
use redial::Instant;

const TICK_NANOS: u64 = 1_000_000;

/// Ticks since the start. 64 bits, for 32 are over after 49 days; and a `Cell` under a short lock,
/// for a Cortex-M0 has no atomics that count.
static TICKS: Mutex<Cell<u64>> = Mutex::new(Cell::new(0));

/// Starts the tick: one per millisecond on a core clock of `core_hz`. If in doubt give more than it
/// is: the clock must not run ahead of real time, or limits per second are exceeded.
pub fn start(mut systick: SYST, core_hz: u32) {
    systick.set_clock_source(SystClkSource::Core);
    systick.set_reload(core_hz / 1_000 - 1);
    systick.clear_current();
    systick.enable_counter();
    systick.enable_interrupt();
}

/// The instant of the last tick; [`Instant::ZERO`] before the first. A millisecond is fine enough
/// for delays of seconds, and costs no arithmetic on counter values.
pub fn now() -> Instant {
    let ticks = interrupt::free(|lock| TICKS.borrow(lock).get());
    Instant::from_nanos(ticks.saturating_mul(TICK_NANOS))
}

/// Each tick also ends the `wfi` of the main loop, so nothing else needs to wake it for a deadline.
#[exception]
fn SysTick() {
    interrupt::free(|lock| {
        let ticks = TICKS.borrow(lock);
        ticks.set(ticks.get().saturating_add(1));
    });
}
