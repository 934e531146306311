//! How much of the stack a run has used.

use core::ptr;

use cortex_m_rt::STACK_PAINT_VALUE;

unsafe extern "C" {
    /// Defined by the linker script of cortex-m-rt: where the stack begins. It grows downwards.
    static _stack_start: u32;
    /// Defined by the linker script of cortex-m-rt: the end of what is not stack.
    static __sheap: u32;
}

/// The most of the stack that was in use since the reset, in bytes: `cortex-m-rt` painted it before
/// `main`, and what was used has another colour. May be called at any time and any number of times;
/// reads all that is unused.
pub fn high_water() -> usize {
    let (top, bottom) = (&raw const _stack_start, &raw const __sheap);
    let mut word = bottom;
    // SAFETY: the words between the two symbols are memory, and nothing else runs that could write.
    while word < top && unsafe { ptr::read_volatile(word) } == STACK_PAINT_VALUE {
        word = word.wrapping_add(1);
    }
    (top as usize).saturating_sub(word as usize)
}
