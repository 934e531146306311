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
    /// At a dial of one of several endpoints: its health changes, to accepting, refusing, dropping or
    /// asking for patience.
    pub endpoint_turns: u8,
    /// The credentials at hand are rejected, though they have not run out.
    pub rejects: u8,
    /// Credentials cannot be had.
    pub token_fails: u8,
    /// Credentials are refused for good.
    pub token_forbidden: u8,
    /// A request for credentials is never answered.
    pub token_hangs: u8,
    /// Credentials come after the link's patience with them has ended.
    pub token_late: u8,
    /// An answer about credentials comes twice, and one about older ones with it.
    pub token_twice: u8,
    /// Credentials are good for no longer than minutes; the server rejects them afterwards.
    pub token_runs_out: u8,
    /// A session cannot be resumed.
    pub keeps_no_session: u8,
    /// A resume is answered with a fresh session, or refused.
    pub refuses_resume: u8,
    /// Every resume of a session is accepted, and its connection then dropped.
    pub poisons_session: u8,
    /// The server says on a ready connection that it has lost the session.
    pub loses_session: u8,
    /// The server negotiates a heartbeat, a spread or both.
    pub negotiates: u8,
    /// The server asks an open connection to move.
    pub sends_away: u8,
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
            endpoint_turns: 0,
            rejects: 0,
            token_fails: 0,
            token_forbidden: 0,
            token_hangs: 0,
            token_late: 0,
            token_twice: 0,
            token_runs_out: 0,
            keeps_no_session: 0,
            refuses_resume: 0,
            poisons_session: 0,
            loses_session: 0,
            negotiates: 0,
            sends_away: 0,
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
            endpoint_turns: 20,
            rejects: 3,
            token_fails: 10,
            token_forbidden: 1,
            token_hangs: 3,
            token_late: 5,
            token_twice: 10,
            token_runs_out: 40,
            keeps_no_session: 20,
            refuses_resume: 15,
            poisons_session: 10,
            loses_session: 5,
            negotiates: 20,
            sends_away: 10,
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
