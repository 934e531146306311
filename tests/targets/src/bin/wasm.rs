//! Replays the golden traces in whatever runs WebAssembly.
#![no_std]
#![no_main]

use core::panic::PanicInfo;

use targets::{GOLDEN, replay};

/// Replays the golden trace of that index: the number of its lines, or the number of the line that
/// differs with a minus sign; 0 past the last trace.
#[unsafe(no_mangle)]
extern "C" fn replay_golden(index: usize) -> i32 {
    let Some((_, trace)) = GOLDEN.get(index) else { return 0 };
    match replay(trace) {
        Ok(lines) => lines as i32,
        Err(failure) => -(failure.line as i32),
    }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}
