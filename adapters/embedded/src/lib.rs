//! A bare-metal driver of `redial`, to copy: no allocator, no operating system, one loop.
//!
//! ```text
//!  SysTick ──▶ clock::now() ──┐
//!                             ▼
//!  UART ◀──▶ Line ◀──▶ Driver::poll ◀──▶ Link<&mut [Slot]>
//! ```
//!
//! - [`driver`] is the driver proper: one link with 16 subscriptions over one serial line. All that
//!   it needs of the hardware is the trait [`Line`](driver::Line).
//! - [`clock`] makes a clock of SysTick, on cores without 64-bit atomics too.
//! - [`memory`] measures stack and flash.
//! - [`host`] ends the program in an emulator; a device resets itself instead.
//! - [`peer`] stands in for UART, modem and server, and fails when told to.
//! - The program in `main.rs` puts them together, tells a story of failures and bounds what it took.
//!
//! What to change for a device of your own: the frames in `driver.rs`; [`Line`](driver::Line) over
//! your UART, whose interrupt puts bytes into a queue and so ends the `wfi` of the main loop; the
//! policy in `main.rs`; the seed, which must differ from device to device; `memory.x`.
//!
//! `scripts/check-machines` runs the program in an emulator of a Cortex-M0, an M3 and an M4.
#![no_std]

pub mod clock;
pub mod driver;
pub mod host;
pub mod memory;
pub mod peer;
