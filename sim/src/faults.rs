//! What goes wrong, and how often.

/// How often each thing goes wrong, in percent of the occasions for it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(clippy::exhaustive_structs, reason = "tests write down the faults that they want")]
pub struct Faults {
    /// A dial is refused, with a refusal of any kind.
    pub dial_fails: u8,
    /// A dial is never answered.
    pub dial_hangs: u8,
    /// A dial opens after the link's patience with it has ended.
    pub dial_late: u8,
    /// An open connection never becomes ready.
    pub never_ready: u8,
    /// A connection falls within seconds of opening.
    pub falls: u8,
    /// A connection goes silent without an end: half-open.
    pub goes_silent: u8,
    /// A report of a connection that was told to abort comes all the same.
    pub report_after_abort: u8,
    /// A report comes a second time.
    pub report_twice: u8,
    /// A report is overtaken by later ones.
    pub report_reordered: u8,
    /// A request is refused for now.
    pub refuses_for_now: u8,
    /// A request is refused for good.
    pub refuses_for_good: u8,
    /// A request is forgotten.
    pub forgets: u8,
    /// A request is served and its answer forgotten.
    pub forgets_answer: u8,
    /// A request is answered after its deadline.
    pub answers_late: u8,
    /// A request is answered twice.
    pub answers_twice: u8,
    /// The driver leaves all actions for later.
    pub drains_late: u8,
    /// The driver carries out some actions and leaves the others for later.
    pub drains_partly: u8,
    /// A report comes while the driver is draining.
    pub feeds_while_draining: u8,
    /// The timer fires late.
    pub timer_late: u8,
    /// The timer fires early.
    pub timer_early: u8,
    /// The timer fires twice.
    pub timer_twice: u8,
    /// The timer fires only with the next event.
    pub timer_lost: u8,
    /// The machine sleeps for minutes or hours.
    pub clock_jumps: u8,
    /// The clock shows an earlier time for one call.
    pub clock_runs_back: u8,
    /// The application or the platform wishes something else.
    pub meddles: u8,
}

impl Faults {
    /// All is well.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            dial_fails: 0,
            dial_hangs: 0,
            dial_late: 0,
            never_ready: 0,
            falls: 0,
            goes_silent: 0,
            report_after_abort: 0,
            report_twice: 0,
            report_reordered: 0,
            refuses_for_now: 0,
            refuses_for_good: 0,
            forgets: 0,
            forgets_answer: 0,
            answers_late: 0,
            answers_twice: 0,
            drains_late: 0,
            drains_partly: 0,
            feeds_while_draining: 0,
            timer_late: 0,
            timer_early: 0,
            timer_twice: 0,
            timer_lost: 0,
            clock_jumps: 0,
            clock_runs_back: 0,
            meddles: 0,
        }
    }

    /// Everything goes wrong, and rarely enough that a link gets through to `Live` in between.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            dial_fails: 15,
            dial_hangs: 5,
            dial_late: 5,
            never_ready: 5,
            falls: 25,
            goes_silent: 10,
            report_after_abort: 50,
            report_twice: 15,
            report_reordered: 15,
            refuses_for_now: 5,
            refuses_for_good: 1,
            forgets: 3,
            forgets_answer: 3,
            answers_late: 3,
            answers_twice: 10,
            drains_late: 10,
            drains_partly: 10,
            feeds_while_draining: 20,
            timer_late: 10,
            timer_early: 5,
            timer_twice: 5,
            timer_lost: 5,
            clock_jumps: 1,
            clock_runs_back: 2,
            meddles: 15,
        }
    }
}
