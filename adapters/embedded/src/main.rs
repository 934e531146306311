//! Keeps 16 subscriptions while the line is cut and the peer dies, then says what that took of stack
//! and flash. Exits 1 if a step is not reached in time or a bound is exceeded.
#![no_std]
#![no_main]

use core::time::Duration;

use cortex_m::Peripherals;
use cortex_m::asm::wfi;
use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use firmware::driver::Driver;
use firmware::host::exit;
use firmware::peer::Peer;
use firmware::{clock, memory};
use redial::{Event, Instant, Phase, Policy, Seed, Slot, SubKey};

const SUBSCRIPTIONS: usize = 16;

/// What this program may take at most, in bytes. A change that needs more shall say why.
const STACK_MAX: usize = 6 * 1024 + 512;
const FLASH_MAX: usize = 42 * 1024;

/// The fastest core of the machines that it runs on, that of an MPS2. On a slower one its clock is
/// slow, which no promise of the link minds; a device gives its own.
const CORE_HZ: u32 = 25_000_000;

/// Heartbeats as the default has them: silence for 15 s, then a ping, then 10 s for the answer.
const POLICY: Policy = Policy::builder().open_within(Duration::from_secs(5)).build_const();

/// How long a step of the story may take: more than it takes to notice a dead peer and dial.
const STEP: Duration = Duration::from_secs(60);

#[entry]
fn main() -> ! {
    // The macro makes of it a reference that is handed out once.
    static mut SLOTS: [Slot; SUBSCRIPTIONS] = [const { Slot::EMPTY }; SUBSCRIPTIONS];

    let peripherals = Peripherals::take().expect("taken once");
    clock::start(peripherals.SYST, CORE_HZ);
    let mut driver = Driver::new(POLICY, Seed::from_u64(0x5eed), SLOTS, Peer::default());
    for key in 0..SUBSCRIPTIONS as u32 {
        tell(&mut driver, Event::Subscribe { key: SubKey::new(key) });
    }
    tell(&mut driver, Event::Start);
    restore(&mut driver, 1, "connected");
    driver.line().cut();
    restore(&mut driver, 2, "restored after a cut");
    driver.line().fall_silent();
    restore(&mut driver, 3, "restored after the peer had died");

    let (stack, flash) = (memory::stack_used(), memory::flash_used());
    hprintln!("stack {} of {}", stack, STACK_MAX);
    hprintln!("flash {} of {}", flash, FLASH_MAX);
    exit(stack <= STACK_MAX && flash <= FLASH_MAX)
}

fn tell(driver: &mut Driver<Peer>, wish: Event) {
    driver.tell(clock::now(), wish).expect("there is such a key");
}

/// The main loop, until the peer has confirmed all subscriptions on that connection.
fn restore(driver: &mut Driver<Peer>, connection: u32, what: &str) {
    let begun = clock::now();
    let mut last = Instant::ZERO;
    loop {
        let now = clock::now();
        if now > last {
            driver.line().tick();
            last = now;
        }
        driver.poll(now).expect("the driver keeps the rules");
        let (phase, held) = (driver.link().phase(), driver.line().held());
        let at = driver.line().connections();
        if phase == Phase::Live && at == connection {
            assert_eq!(held as usize, SUBSCRIPTIONS, "live without all subscriptions");
            hprintln!("{}: {} subscriptions on connection {}", what, held, at);
            return;
        }
        assert!(now.saturating_since(begun) < STEP, "{:?} with {} held: not {}", phase, held, what);
        wfi();
    }
}
