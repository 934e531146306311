//! How much memory a run has used. All symbols are those of the linker script of `cortex-m-rt`.

use core::ptr;

use cortex_m_rt::STACK_PAINT_VALUE;

unsafe extern "C" {
    /// Where the stack begins. It grows downwards.
    static _stack_start: u32;
    /// The end of what is neither stack nor heap.
    static __sheap: u32;
    static __stext: u32;
    static __etext: u32;
    static __srodata: u32;
    static __erodata: u32;
}

/// The most of the stack that was in use since the reset, in bytes: `cortex-m-rt` painted it before
/// `main`, and what was used has another colour. May be called at any time, any number of times;
/// reads all that is unused.
pub fn stack_used() -> usize {
    let (top, bottom) = (&raw const _stack_start, &raw const __sheap);
    let mut word = bottom;
    // SAFETY: the words between the two symbols are memory. An interrupt that writes there at the
    // same time uses no more than it uses at any time.
    while word < top && unsafe { ptr::read_volatile(word) } == STACK_PAINT_VALUE {
        word = word.wrapping_add(1);
    }
    between(word, top)
}

/// Code and constants, in bytes.
pub fn flash_used() -> usize {
    between(&raw const __stext, &raw const __etext)
        + between(&raw const __srodata, &raw const __erodata)
}

fn between(begin: *const u32, end: *const u32) -> usize {
    (end as usize).saturating_sub(begin as usize)
}
