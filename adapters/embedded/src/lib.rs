//! A bare-metal driver of `redial`, to copy.
#![no_std]

pub mod stack;
