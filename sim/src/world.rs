//! The world: a clock, a network, a driver, an application that changes its mind, and a link in the
//! middle, one step at a time.

use core::time::Duration;

use redial::{
    Closure, ConnId, Endpoint, Event, Instant, OnResume, Phase, Policy, Refusal, Seed, Status,
    SubKey,
};

use crate::clock::FakeClock;
use crate::dice::Dice;
use crate::driver::{Desk, Driver, Prompt, Sloppy};
use crate::failure::Failure;
use crate::faults::Faults;
use crate::judge::{Broken, Promise};
use crate::net::{Dial, Net, Refreshed, Timing};
use crate::summary::Summary;
use crate::terms::Terms;
use crate::watched::Watched;

/// A model world around one link. Everything in it follows from the seed.
///
/// Random worlds: [`World::run`]. Stories: [`World::start`], [`World::subscribe`],
/// [`World::advance`] and [`World::peer`].
#[derive(Clone, Debug)]
pub struct World<D = Sloppy> {
    clock: FakeClock,
    link: Watched,
    net: Net,
    driver: D,
    dice: Dice,
    faults: Faults,
    steps: u64,
    keys: u32,
    next_wish_at: Instant,
}

/// Makes a [`World`].
#[derive(Clone, Debug)]
pub struct Builder<D = ()> {
    policy: Policy,
    terms: Terms,
    seed: u64,
    keys: u32,
    faults: Faults,
    driver: D,
}

impl World {
    /// Begins a world around a link with this policy. Without further words: seed 0, 8 keys, no
    /// faults.
    #[must_use]
    pub fn builder(policy: Policy) -> Builder {
        let terms = Terms::from(&policy);
        Builder { policy, terms, seed: 0, keys: 8, faults: Faults::none(), driver: () }
    }
}

impl<D> Builder<D> {
    /// The seed of everything: the link's jitter, the network, the driver, the application.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many keys the link has room for.
    #[must_use]
    pub fn keys(mut self, keys: u32) -> Self {
        self.keys = keys;
        self
    }

    /// What goes wrong.
    #[must_use]
    pub fn faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }

    /// Another driver in place of [`Sloppy`].
    #[must_use]
    pub fn driver<E: Driver>(self, driver: E) -> Builder<E> {
        let Self { policy, terms, seed, keys, faults, .. } = self;
        Builder { policy, terms, seed, keys, faults, driver }
    }

    fn world<E: Driver>(self, driver: impl FnOnce(D) -> E) -> World<E> {
        let Self { policy, terms, seed, keys, faults, driver: own } = self;
        let timing = Timing {
            open_within: terms.open_within,
            ack_within: terms.ack_within,
            refresh_within: terms.refresh_within,
            has_ready: terms.ready_within.is_some(),
            keeps_subscriptions: terms.on_resume == OnResume::Kept,
            endpoints: terms.endpoints,
        };
        let mut dice = Dice::new(seed);
        let net = Net::new(dice.below(u64::MAX), faults, timing);
        let clock = FakeClock::at(Instant::from_nanos(1_000_000_000));
        World {
            clock,
            link: Watched::new(policy, terms, Seed::from_u64(seed), keys),
            net,
            driver: driver(own),
            dice,
            faults,
            steps: 0,
            keys,
            next_wish_at: clock.now(),
        }
    }
}

impl Builder {
    /// The world, with a driver that fails as the faults say.
    #[must_use]
    pub fn build(self) -> World {
        let (seed, faults) = (self.seed, self.faults);
        self.world(|()| Sloppy::new(seed ^ 0x5eed, faults))
    }

    /// The world with a correct driver, for stories in which only the peer misbehaves.
    #[must_use]
    pub fn story(self) -> World<Prompt> {
        let mut world = self.world(|()| Prompt::default());
        world.net.script_dials(Some(Dial::Opens));
        world
    }
}

impl<D: Driver> Builder<D> {
    /// The world, with the driver given.
    #[must_use]
    pub fn build(self) -> World<D> {
        self.world(|driver| driver)
    }
}

impl<D: Driver> World<D> {
    /// Takes `steps` steps: in each, the next thing happens.
    ///
    /// # Errors
    ///
    /// The first promise that was broken.
    pub fn run(&mut self, steps: u64) -> Result<Summary, Failure> {
        for _ in 0..steps {
            self.step()?;
        }
        Ok(self.summary())
    }

    /// The next thing happens: a report comes in, the driver wakes, the application changes its
    /// mind, or the machine sleeps.
    ///
    /// # Errors
    ///
    /// The promise that was broken.
    pub fn step(&mut self) -> Result<(), Failure> {
        if self.dice.chance(self.faults.clock_jumps) {
            let longest = if self.dice.chance(50) { 120 } else { 8 * 3600 };
            self.clock.advance(self.dice.span(Duration::from_secs(longest)));
        }
        match self.next_at() {
            Some(at) => self.clock.advance_to(at),
            None => self.clock.advance(Duration::from_secs(1)),
        }
        self.happen()
    }

    /// All faults end, and the application wants the link up: within a bounded time the link must
    /// be live, with the peer holding exactly what is wanted.
    ///
    /// # Errors
    ///
    /// The promise that was broken, P5 where the link never gets there.
    pub fn calm(&mut self) -> Result<Summary, Failure> {
        self.faults = Faults::none();
        self.net.calm();
        self.driver.calm();
        for event in [Event::Resume, Event::NetworkUp, Event::Start] {
            self.tell(event)?;
        }
        let patience = self.clock.now().saturating_add(Duration::from_secs(24 * 3600));
        for _ in 0..CALM_STEPS {
            let phase = self.status().phase;
            if phase == Phase::Live {
                return Ok(self.summary());
            }
            if matches!(phase, Phase::Halted | Phase::Idle) {
                self.tell(Event::Start)?;
            }
            if self.clock.now() > patience {
                break;
            }
            self.step()?;
        }
        self.fail(Promise::Subscriptions, format!("a calm day, and still {:?}", self.status()))
    }

    /// The application wishes `event`, or a test plays it.
    ///
    /// # Errors
    ///
    /// The promise that was broken.
    pub fn tell(&mut self, event: Event) -> Result<(), Failure> {
        let Self { clock, link, net, driver, .. } = self;
        driver.on_event(&mut Desk { link, net, clock: *clock }, event);
        self.verdict()
    }

    /// Lets `span` pass, with everything that is due in it.
    ///
    /// # Errors
    ///
    /// The promise that was broken.
    pub fn advance(&mut self, span: Duration) -> Result<(), Failure> {
        let end = self.clock.now().saturating_add(span);
        for _ in 0..ADVANCE_STEPS {
            let Some(at) = self.next_at().filter(|at| *at <= end) else {
                self.clock.advance_to(end);
                return Ok(());
            };
            self.clock.advance_to(at);
            self.happen()?;
        }
        self.fail(Promise::NeverHot, format!("{ADVANCE_STEPS} things happened before {end}"))
    }

    /// Lets `span` pass while the machine sleeps: nothing happens until it is over.
    pub fn sleep(&mut self, span: Duration) {
        self.clock.advance(span);
    }

    /// The application wants the link up.
    ///
    /// # Errors
    ///
    /// The promise that was broken.
    pub fn start(&mut self) -> Result<(), Failure> {
        self.tell(Event::Start)
    }

    /// The application wants `key`.
    ///
    /// # Errors
    ///
    /// The promise that was broken.
    pub fn subscribe(&mut self, key: u32) -> Result<(), Failure> {
        self.tell(Event::Subscribe { key: SubKey::new(key) })
    }

    /// The far end, to be told what to do next.
    pub const fn peer(&mut self) -> Peer<'_, D> {
        Peer { world: self }
    }

    /// The connection that the link is on.
    #[must_use]
    pub fn connection(&self) -> Option<ConnId> {
        self.link.judge().held()
    }

    /// What the link says of itself.
    #[must_use]
    pub fn status(&self) -> Status {
        self.link.status()
    }

    /// The link.
    #[must_use]
    pub const fn link(&self) -> &Watched {
        &self.link
    }

    /// The driver.
    #[must_use]
    pub const fn driver(&self) -> &D {
        &self.driver
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.clock.now()
    }

    /// What the world went through so far.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary { steps: self.steps, ..self.link.summary() }
    }

    fn next_at(&mut self) -> Option<Instant> {
        let Self { clock, link, net, driver, .. } = self;
        let wake = driver.wake_at(&Desk { link, net, clock: *clock });
        let wish = (self.faults.meddles > 0).then_some(self.next_wish_at);
        [self.net.next_at(), wake, wish].into_iter().flatten().min()
    }

    fn happen(&mut self) -> Result<(), Failure> {
        self.steps += 1;
        if self.faults.meddles > 0 && self.next_wish_at <= self.clock.now() {
            self.next_wish_at = self.clock.now().saturating_add(self.dice.span(WISH_EVERY));
            let wish = self.wish();
            return self.tell(wish);
        }
        if let Some(event) = self.net.pop(self.clock.now()) {
            return self.tell(event);
        }
        let Self { clock, link, net, driver, .. } = self;
        let mut desk = Desk { link, net, clock: *clock };
        if driver.wake_at(&desk).is_some_and(|at| at <= clock.now()) {
            driver.on_wake(&mut desk);
        }
        self.verdict()
    }

    /// What the application or the platform comes up with next.
    fn wish(&mut self) -> Event {
        let key = SubKey::new(self.dice.below(u64::from(self.keys)) as u32);
        if !self.dice.chance(self.faults.meddles) {
            return if self.dice.chance(70) { Event::Start } else { Event::Subscribe { key } };
        }
        match self.dice.below(18) {
            0 => Event::Stop,
            1 => Event::Pause,
            2..=4 => Event::Resume,
            5 => Event::NetworkDown,
            6..=8 => Event::NetworkUp,
            9 => Event::RetryNow,
            10..=12 => Event::Unsubscribe { key },
            13 => Event::Resync { key },
            14 => Event::TimerFired,
            15 | 16 => Event::Rotate,
            _ => Event::Subscribe { key },
        }
    }

    /// After a step: what the peer says, and what the judge found.
    fn verdict(&mut self) -> Result<(), Failure> {
        let judge = self.link.judge();
        for conn in [judge.held(), judge.successor()].into_iter().flatten() {
            if let Some(held) = self.net.held(conn) {
                self.link.peer_holds(conn, held);
            }
        }
        match self.link.broken() {
            None => Ok(()),
            Some(broken) => Err(self.failure(broken.clone())),
        }
    }

    fn fail<T>(&self, promise: Promise, what: String) -> Result<T, Failure> {
        let log = self.link.judge().log().collect();
        Err(self.failure(Broken { promise, at: self.clock.now(), what, log }))
    }

    fn failure(&self, broken: Broken) -> Failure {
        Failure::new(&self.link, broken, Some(self.steps))
    }
}

/// The far end of the link in a story.
#[derive(Debug)]
pub struct Peer<'a, D> {
    world: &'a mut World<D>,
}

impl<D: Driver> Peer<'_, D> {
    /// From now on every dial goes so.
    pub fn answers_dials(&mut self, dial: Dial) {
        self.world.net.script_dials(Some(dial));
    }

    /// From now on every dial of `endpoint` goes so, whatever the others do; `None` ends that.
    pub fn answers_dials_at(&mut self, endpoint: u8, dial: Option<Dial>) {
        self.world.net.script_dials_at(Endpoint::new(endpoint), dial);
    }

    /// From now on it keeps sessions and lets them be resumed, or does not; at first it does not.
    pub fn keeps_sessions(&mut self, keeps: bool) {
        self.world.net.script_sessions(keeps);
    }

    /// From now on every request for credentials goes so; at first they come, and do not run out.
    pub fn answers_refreshes(&mut self, refreshed: Refreshed) {
        self.world.net.script_refreshes(Some(refreshed));
    }

    /// From now on it forgets every request, or no more.
    pub fn forgets_requests(&mut self, forgets: bool) {
        self.world.net.script_forgetting(forgets);
    }

    /// From now on it refuses each request to subscribe `key` so; `None` ends that.
    pub fn refuses(&mut self, key: u32, refusal: Option<Refusal>) {
        self.world.net.script_refusal(SubKey::new(key), refusal);
    }

    /// The present connection goes silent: half-open, and nobody is told.
    pub fn goes_silent(&mut self) {
        if let Some(conn) = self.world.connection() {
            self.world.net.go_silent(conn);
        }
    }

    /// It ends the present connection, with this closure.
    pub fn closes(&mut self, closure: Closure) {
        if let Some(conn) = self.world.connection() {
            self.world.net.fall(self.world.clock.now(), conn, closure);
        }
    }

    /// The keys that it holds on the present connection, in their order.
    #[must_use]
    pub fn holds(&self) -> Vec<u32> {
        let held = self.world.connection().and_then(|conn| self.world.net.held(conn));
        held.into_iter().flatten().map(|key| key.get()).collect()
    }
}

/// The application changes its mind this often at the least.
const WISH_EVERY: Duration = Duration::from_secs(10);
/// More steps than a calm day takes with the longest floor and the widest limit.
const CALM_STEPS: u64 = 20_000;
/// More things than can happen in one story's span unless something runs hot.
const ADVANCE_STEPS: u64 = 100_000;
