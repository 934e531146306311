//! Replays the golden traces on a Cortex-M, tells its host about each, and exits 1 if one differs.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m_rt::{ExceptionFrame, entry, exception};
use cortex_m_semihosting::{debug, hprintln};
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

fn exit(success: bool) -> ! {
    debug::exit(if success { debug::EXIT_SUCCESS } else { debug::EXIT_FAILURE });
    loop {}
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    exit(false)
}

#[exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    hprintln!("{:?}", frame);
    exit(false)
}
