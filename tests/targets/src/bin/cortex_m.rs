//! Replays the golden traces on a Cortex-M, tells its host about each, and exits 1 if one differs.
#![no_std]
#![no_main]

use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use firmware::host::exit;
use targets::{GOLDEN, replay};

#[entry]
fn main() -> ! {
    let mut differ = false;
    for (name, trace) in GOLDEN {
        match replay(trace) {
            Ok(lines) => hprintln!("{}: {} lines", name, lines),
            Err(failure) => {
                hprintln!("{}: {}", name, failure);
                differ = true;
            }
        }
    }
    hprintln!("stack {}", firmware::memory::stack_used());
    exit(!differ)
}
