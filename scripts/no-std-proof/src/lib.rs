//! Programs that have no standard library, no allocator and no C runtime: they link only if the core
//! needs none of them, and only if no panic of the core can be reached.
//!
//! They are linked and measured, never run. The optimiser knows nothing of what an entry is given, so
//! it leaves nothing out for a particular policy, event or instant.
#![no_std]

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        /// Defined nowhere: a panic that can be reached does not link.
        fn the_core_can_panic() -> !;
    }
    unsafe { the_core_can_panic() }
}
