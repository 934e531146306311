//! Replays the golden traces on a RISC-V, says so on its UART, and exits 1 if one differs.
#![no_std]
#![no_main]

use core::arch::global_asm;
use core::fmt::{self, Write};
use core::hint;
use core::panic::PanicInfo;
use core::ptr;

use targets::{GOLDEN, replay};

// The memory of QEMU's machine `virt` is zero at the start, so there is nothing to set up but a stack.
global_asm!(
    ".section .text._start, \"ax\"",
    ".globl _start",
    "_start: la sp, _stack_start",
    "call {main}",
    main = sym main,
);

extern "C" fn main() -> ! {
    let mut differ = false;
    for (name, trace) in GOLDEN {
        let _ = match replay(trace) {
            Ok(lines) => writeln!(Uart, "{name}: {lines} lines"),
            Err(failure) => {
                differ = true;
                writeln!(Uart, "{name}: {failure}")
            }
        };
    }
    exit(!differ)
}

struct Uart;

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            // SAFETY: the 16550 of the machine `virt`, whose data register takes a byte at any time.
            unsafe { ptr::write_volatile(0x1000_0000 as *mut u8, byte) };
        }
        Ok(())
    }
}

fn exit(success: bool) -> ! {
    let word = if success { 0x5555 } else { 1 << 16 | 0x3333 };
    // SAFETY: the device by which the machine `virt` ends with an exit status.
    unsafe { ptr::write_volatile(0x10_0000 as *mut u32, word) };
    loop {
        hint::spin_loop();
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    let _ = writeln!(Uart, "{info}");
    exit(false)
}
