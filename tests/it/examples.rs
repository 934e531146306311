//! The examples check themselves.

#[path = "../../examples/blocking/main.rs"]
mod blocking;

#[test]
fn the_blocking_driver_restores_its_subscriptions() {
    blocking::main().unwrap();
}
