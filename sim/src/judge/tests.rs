//! A judge that cannot fail is worthless: for each promise a log that breaks it, and beside them
//! the logs of a link that keeps them all.

use core::num::NonZeroU32;
use core::time::Duration;

use redial::{
    Action, Cause, Closure, ConnId, Continuity, Endpoint, Event, How, Instant, Link, Misuse, Phase,
    Policy, Refresh, Refusal, Request, Seed, Session, Status, SubKey, Ticket, WaitsFor, Why,
};

use super::{Broken, Judge, Promise, View};
use crate::terms::{Rate, Rotate, Terms};

type Outcome = Result<(), Broken>;

/// Writes the log of a link that is made up as it goes.
struct Court {
    judge: Judge,
    view: View,
    now: Instant,
    armed: Option<Instant>,
    reported: Status,
}

const fn at(millis: u64) -> Instant {
    Instant::from_nanos(millis * 1_000_000)
}

fn conn(number: u64) -> ConnId {
    ConnId::new(number)
}

/// What a link without other endpoints and sessions asks for.
fn open(number: u64) -> Action {
    let (endpoint, session) = (Endpoint::new(0), Session::Fresh);
    Action::Open { conn: ConnId::new(number), endpoint, session }
}

fn request(key: u32, number: u64) -> Request {
    Request { key: SubKey::new(key), number }
}

impl Court {
    fn new(change: impl FnOnce(&mut Terms)) -> Self {
        let mut terms = Terms::from(&Policy::new());
        change(&mut terms);
        let view = View::of(&Link::new(Policy::new(), Seed::from_u64(0)));
        let judge = Judge::new(terms, view, 8);
        Self { judge, view, now: at(0), armed: None, reported: view.status }
    }

    /// The link says that it is here; on a ready connection, the first one since `Start`.
    fn phase(&mut self, phase: Phase, attempt: u32) {
        let status = &mut self.view.status;
        let ready = matches!(phase, Phase::Restoring | Phase::Live | Phase::Degraded);
        status.phase = phase;
        status.attempt = NonZeroU32::new(attempt);
        status.until = None;
        status.continuity = ready.then_some(Continuity::First);
        status.waits_for = (phase == Phase::Waiting).then_some(WaitsFor::Backoff);
    }

    fn event(&mut self, millis: u64, event: Event) -> Outcome {
        self.now = at(millis);
        if event == Event::TimerFired {
            self.armed = None;
        }
        self.judge.event(self.now, &event, Ok(()), self.view)
    }

    fn act(&mut self, action: Action) -> Outcome {
        self.judge.action(self.now, &action, self.view)
    }

    /// Drained with this deadline; report and timer as a correct link would give them.
    fn drain(&mut self, deadline: Option<u64>) -> Outcome {
        self.view.deadline = deadline.map(at);
        if self.reported != self.view.status {
            self.reported = self.view.status;
            self.act(Action::Report(self.view.status))?;
        }
        if self.armed != self.view.deadline {
            self.armed = self.view.deadline;
            self.act(self.armed.map_or(Action::DisarmTimer, |at| Action::ArmTimer { at }))?;
        }
        self.judge.drained(self.now, self.view)
    }

    /// At `millis` an attempt that failed before is due, and dialled as connection `number`.
    fn open(&mut self, millis: u64, number: u64) -> Outcome {
        self.event(millis, Event::TimerFired)?;
        self.phase(Phase::Opening, number as u32);
        self.act(open(number))?;
        self.drain(Some(millis + 10_000))
    }

    /// The attempt under way fails at `millis`; the next is due at `until`.
    fn fail(&mut self, millis: u64, number: u64, until: u64) -> Outcome {
        self.phase(Phase::Waiting, number as u32 + 1);
        self.view.status.until = Some(at(until));
        let closure = Closure::unknown();
        self.event(millis, Event::Closed { conn: conn(number), closure })?;
        self.drain(Some(until))
    }

    /// Connection 1 is dialled at once.
    fn start(&mut self) -> Outcome {
        self.phase(Phase::Waiting, 1);
        self.event(0, Event::Start)?;
        self.phase(Phase::Opening, 1);
        self.act(open(1))?;
        self.drain(Some(10_000))
    }

    /// Connection 1 is open at 100 ms and, without keys, live.
    fn live(&mut self) -> Outcome {
        self.start()?;
        self.phase(Phase::Live, 0);
        self.event(100, Event::Opened { conn: conn(1) })?;
        self.drain(Some(15_100))
    }

    /// As `live`, then key 0 is wanted and asked for at 200 ms.
    fn asking(&mut self) -> Outcome {
        self.live()?;
        self.view.counts.wanted = 1;
        self.event(200, Event::Subscribe { key: SubKey::new(0) })?;
        self.act(Action::Subscribe { conn: conn(1), request: request(0, 1) })?;
        self.drain(Some(10_200))
    }

    /// As `asking`, and confirmed at 300 ms.
    fn holding(&mut self) -> Outcome {
        self.asking()?;
        self.event(300, Event::Acked { conn: conn(1), request: request(0, 1) })?;
        self.drain(Some(15_300))
    }
}

#[track_caller]
fn caught(promise: Promise, log: impl FnOnce(&mut Court) -> Outcome) {
    caught_under(|_| {}, promise, log);
}

#[track_caller]
fn caught_under(
    change: impl FnOnce(&mut Terms),
    promise: Promise,
    log: impl FnOnce(&mut Court) -> Outcome,
) {
    let broken = log(&mut Court::new(change)).expect_err("nothing was found");
    assert_eq!(broken.promise, promise, "{broken}");
}

#[test]
fn a_link_that_keeps_its_promises_is_let_be() -> Outcome {
    let mut court = Court::new(|_| {});
    court.holding()?;
    court.event(15_300, Event::TimerFired)?;
    court.act(Action::Ping { conn: conn(1) })?;
    court.drain(Some(25_300))?;
    court.event(15_400, Event::Received { conn: conn(1) })?;
    court.drain(Some(30_400))?;
    court.fail(20_000, 1, 20_700)?;
    court.open(20_700, 2)?;
    court.fail(20_800, 2, 22_800)
}

#[test]
fn p1_an_attempt_too_many() {
    let quick = |terms: &mut Terms| {
        terms.shortest = Duration::from_millis(1);
        terms.longest = Duration::from_millis(1);
    };
    let log = |attempts: u64| {
        move |court: &mut Court| {
            court.start()?;
            for number in 1..attempts {
                court.fail(number * 10, number, number * 10 + 1)?;
                court.open(number * 10 + 1, number + 1)?;
            }
            Ok(())
        }
    };
    caught_under(quick, Promise::BoundedAttempts, log(6));
    log(5)(&mut Court::new(quick)).expect("five are within the burst");
    let long = |terms: &mut Terms| {
        quick(terms);
        terms.attempts_long = Some(Rate { burst: 3, interval: Duration::from_secs(60) });
    };
    caught_under(long, Promise::BoundedAttempts, log(4));
}

#[test]
fn p2_a_deadline_that_has_passed() {
    caught(Promise::NeverHot, |court| {
        court.live()?;
        court.event(5_000, Event::Received { conn: conn(1) })?;
        court.drain(Some(5_000))
    });
}

#[test]
fn p3_no_deadline_while_waiting() {
    caught(Promise::NeverAsleep, |court| {
        court.start()?;
        court.phase(Phase::Waiting, 2);
        let closure = Closure::unknown();
        court.event(10, Event::Closed { conn: conn(1), closure })?;
        court.drain(None)
    });
}

#[test]
fn p3_a_timer_that_is_not_armed() {
    caught(Promise::NeverAsleep, |court| {
        court.live()?;
        court.event(200, Event::TimerFired)?;
        court.armed = court.view.deadline;
        court.drain(Some(15_100))
    });
}

#[test]
fn p3_an_attempt_without_an_end() {
    caught(Promise::NeverAsleep, |court| {
        court.start()?;
        court.event(5_000, Event::NetworkUp)?;
        court.drain(Some(11_000))
    });
}

#[test]
fn p3_a_halt_that_nothing_asked_for() {
    caught(Promise::NeverAsleep, |court| {
        court.start()?;
        court.phase(Phase::Halted, 0);
        court.view.status.halted = Some(redial::Halted::Fatal);
        let closure = Closure::peer().http(503);
        court.event(10, Event::Closed { conn: conn(1), closure })
    });
}

#[test]
fn p4_two_connections() {
    caught(Promise::OneSocket, |court| {
        court.live()?;
        court.act(open(2))
    });
}

#[test]
fn p4_an_open_before_the_close_that_is_owed() {
    let log = |closes: bool| {
        move |court: &mut Court| {
            court.start()?;
            court.fail(10, 1, 700)?;
            court.event(20, Event::Opened { conn: conn(1) })?;
            if closes {
                let (how, why) = (How::Abort, Why::Stale);
                court.act(Action::Close { conn: conn(1), how, why })?;
            }
            court.open(700, 2)
        }
    };
    caught(Promise::OneSocket, log(false));
    log(true)(&mut Court::new(|_| {})).expect("the close was handed out");
}

#[test]
fn p4_a_connection_that_nobody_closes() {
    caught(Promise::OneSocket, |court| {
        court.start()?;
        court.phase(Phase::Waiting, 2);
        court.view.status.until = Some(at(10_700));
        court.event(10_000, Event::TimerFired)?;
        court.drain(Some(10_700))
    });
}

#[test]
fn p5_a_key_that_is_never_said() {
    caught(Promise::Subscriptions, |court| {
        court.live()?;
        court.view.counts.wanted = 1;
        court.event(200, Event::Subscribe { key: SubKey::new(0) })?;
        court.drain(Some(15_100))
    });
}

#[test]
fn p5_live_while_the_peer_does_not_hold_it() {
    caught(Promise::Subscriptions, |court| {
        court.holding()?;
        court.judge.peer_holds(conn(1), &[].into())
    });
    let mut court = Court::new(|_| {});
    court.holding().expect("a good log");
    let held = [SubKey::new(0)].into();
    court.judge.peer_holds(conn(1), &held).expect("the peer holds it");
    let more = [SubKey::new(0), SubKey::new(1)].into();
    court.judge.peer_holds(conn(1), &more).expect_err("the peer holds more");
}

#[test]
fn p5_live_too_early_and_restoring_too_long() {
    let log = |before: Phase, after: Phase| {
        move |court: &mut Court| {
            court.view.counts.wanted = 1;
            court.event(0, Event::Subscribe { key: SubKey::new(0) })?;
            court.start()?;
            court.phase(before, 0);
            court.event(100, Event::Opened { conn: conn(1) })?;
            court.act(Action::Subscribe { conn: conn(1), request: request(0, 1) })?;
            court.drain(Some(10_100))?;
            court.phase(after, 0);
            court.event(200, Event::Acked { conn: conn(1), request: request(0, 1) })?;
            court.drain(Some(15_200))
        }
    };
    caught(Promise::Subscriptions, log(Phase::Live, Phase::Live));
    caught(Promise::Subscriptions, log(Phase::Restoring, Phase::Restoring));
    log(Phase::Restoring, Phase::Live)(&mut Court::new(|_| {})).expect("that is right");
}

#[test]
fn p5_requests_that_must_not_be() {
    let again = Action::Subscribe { conn: conn(1), request: request(0, 2) };
    caught(Promise::Subscriptions, |court| {
        court.asking()?;
        court.act(again)
    });
    caught(Promise::Subscriptions, |court| {
        court.holding()?;
        court.act(again)
    });
    caught(Promise::Subscriptions, |court| {
        court.holding()?;
        court.view.counts.wanted = 0;
        court.event(400, Event::Unsubscribe { key: SubKey::new(0) })?;
        court.act(again)
    });
    caught(Promise::Subscriptions, |court| {
        court.asking()?;
        let refusal = Refusal::Final;
        court.event(300, Event::Refused { conn: conn(1), request: request(0, 1), refusal })?;
        court.act(again)
    });
    caught(Promise::Subscriptions, |court| {
        court.holding()?;
        court.act(Action::Unsubscribe { conn: conn(1), request: request(0, 2) })
    });
}

/// Two keys are wanted, 1 before 0, and asked for in this order.
fn two_keys(order: [u32; 2]) -> impl FnOnce(&mut Court) -> Outcome {
    move |court| {
        court.view.counts.wanted = 1;
        court.event(0, Event::Subscribe { key: SubKey::new(1) })?;
        court.view.counts.wanted = 2;
        court.event(0, Event::Subscribe { key: SubKey::new(0) })?;
        court.start()?;
        court.phase(Phase::Restoring, 0);
        court.event(100, Event::Opened { conn: conn(1) })?;
        court.act(Action::Subscribe { conn: conn(1), request: request(order[0], 1) })?;
        court.act(Action::Subscribe { conn: conn(1), request: request(order[1], 2) })?;
        court.drain(Some(10_100))
    }
}

#[test]
fn p5_window_pace_and_order() {
    caught_under(|terms| terms.window = 1, Promise::Subscriptions, two_keys([1, 0]));
    let pace = Rate { burst: 1, interval: Duration::from_secs(1) };
    caught_under(|terms| terms.pace = Some(pace), Promise::Subscriptions, two_keys([1, 0]));
    caught(Promise::Subscriptions, two_keys([0, 1]));
    two_keys([1, 0])(&mut Court::new(|_| {})).expect("in the order of wanting");
}

#[test]
fn p5_an_answer_that_nobody_waits_for() {
    caught(Promise::Subscriptions, |court| {
        court.live()?;
        court.view.counts.wanted = 1;
        court.event(200, Event::Subscribe { key: SubKey::new(0) })?;
        court.act(Action::Subscribe { conn: conn(1), request: request(0, 1) })?;
        court.drain(Some(15_100))
    });
}

#[test]
fn p6_a_stale_event_that_acts() {
    let waiting = |court: &mut Court| {
        court.start()?;
        court.fail(10, 1, 700)
    };
    caught(Promise::StaleIsHarmless, |court| {
        waiting(court)?;
        court.phase(Phase::Waiting, 3);
        let closure = Closure::peer();
        court.event(20, Event::Closed { conn: conn(1), closure })
    });
    caught(Promise::StaleIsHarmless, |court| {
        waiting(court)?;
        court.event(20, Event::Received { conn: conn(1) })?;
        court.act(open(2))
    });
}

#[test]
fn p7_a_silence_that_is_not_noticed() {
    caught(Promise::SilenceIsNoticed, |court| {
        court.live()?;
        court.event(15_100, Event::TimerFired)?;
        court.drain(Some(25_100))
    });
    let pinged = |court: &mut Court| {
        court.live()?;
        court.event(15_100, Event::TimerFired)?;
        court.act(Action::Ping { conn: conn(1) })?;
        court.drain(Some(25_100))
    };
    caught(Promise::SilenceIsNoticed, |court| {
        pinged(court)?;
        court.event(25_100, Event::TimerFired)
    });
    caught(Promise::SilenceIsNoticed, |court| {
        court.live()?;
        court.event(200, Event::Received { conn: conn(1) })?;
        court.drain(Some(15_300))
    });
    // A late wake-up probes once more, and only once.
    caught(Promise::SilenceIsNoticed, |court| {
        pinged(court)?;
        court.event(100_000, Event::TimerFired)?;
        court.act(Action::Ping { conn: conn(1) })?;
        court.drain(Some(110_000))?;
        court.event(200_000, Event::TimerFired)
    });
}

#[test]
fn p7_a_first_ping_before_it_is_due() {
    caught(Promise::SilenceIsNoticed, |court| {
        court.live()?;
        court.event(200, Event::Received { conn: conn(1) })?;
        court.act(Action::Ping { conn: conn(1) })
    });
    caught_under(
        |terms| terms.heartbeat = None,
        Promise::SilenceIsNoticed,
        |court| {
            court.start()?;
            court.phase(Phase::Live, 0);
            court.event(100, Event::Opened { conn: conn(1) })?;
            court.act(Action::Ping { conn: conn(1) })
        },
    );
}

#[test]
fn p7_killed_too_early() {
    caught(Promise::SilenceIsNoticed, |court| {
        court.live()?;
        court.event(15_100, Event::TimerFired)?;
        court.act(Action::Ping { conn: conn(1) })?;
        court.drain(Some(25_100))?;
        court.phase(Phase::Waiting, 2);
        court.view.status.cause = Some(Cause::Silent);
        court.event(25_099, Event::TimerFired)
    });
}

#[test]
fn p8_delays_outside_the_ladder() {
    caught(Promise::Patience, |court| {
        court.start()?;
        court.fail(10, 1, 400)?;
        court.open(400, 2)
    });
    caught(Promise::Patience, |court| {
        court.start()?;
        court.fail(10, 1, 1_100)
    });
}

#[test]
fn p8_failures_forgotten_on_mere_open() {
    caught(Promise::OneLoss, |court| {
        court.start()?;
        court.fail(10, 1, 700)?;
        court.open(700, 2)?;
        court.phase(Phase::Live, 0);
        court.event(800, Event::Opened { conn: conn(2) })?;
        court.phase(Phase::Waiting, 1);
        let closure = Closure::peer();
        court.event(30_799, Event::Closed { conn: conn(2), closure })
    });
}

#[test]
fn p8_settling_is_inclusive() -> Outcome {
    let mut court = Court::new(|_| {});
    court.start()?;
    court.fail(10, 1, 700)?;
    court.open(700, 2)?;
    court.phase(Phase::Live, 0);
    court.event(800, Event::Opened { conn: conn(2) })?;
    court.event(10_000, Event::Received { conn: conn(2) })?;
    court.drain(Some(25_000))?;
    court.event(24_000, Event::Received { conn: conn(2) })?;
    court.drain(Some(39_000))?;
    court.phase(Phase::Waiting, 1);
    court.view.settled = 1;
    let closure = Closure::peer();
    court.event(30_800, Event::Closed { conn: conn(2), closure })
}

#[test]
fn p9_an_open_before_the_server_wants_it() {
    let log = |until: u64, waits_for| {
        move |court: &mut Court| {
            court.start()?;
            court.phase(Phase::Waiting, 2);
            court.view.status.until = Some(at(until));
            court.view.status.waits_for = Some(waits_for);
            let closure = Closure::peer().http(503).retry_after(Duration::from_secs(20));
            court.event(10, Event::Closed { conn: conn(1), closure })?;
            court.drain(Some(until))?;
            court.open(until, 2)
        }
    };
    caught(Promise::ServerIsHeard, log(1_000, WaitsFor::Backoff));
    caught(Promise::Reports, log(20_500, WaitsFor::Backoff));
    log(20_500, WaitsFor::Floor)(&mut Court::new(|_| {})).expect("the floor was served");
}

#[test]
fn p10_misuse_that_is_accepted_and_good_use_that_is_not() {
    caught(Promise::Total, |court| court.event(0, Event::Opened { conn: conn(1) }));
    let start = |judge: &mut Judge, view| {
        let misuse = Misuse::UnknownConnection { conn: conn(1), newest: conn(0) };
        judge.event(at(0), &Event::Start, Err(misuse), view)
    };
    caught(Promise::Total, |court| start(&mut court.judge, court.view));
    caught(Promise::Total, |court| {
        court.phase(Phase::Waiting, 1);
        let misuse = Misuse::UnknownConnection { conn: conn(1), newest: conn(0) };
        let event = Event::Opened { conn: conn(1) };
        court.judge.event(at(0), &event, Err(misuse), court.view)
    });
}

#[test]
fn p12_one_loss_that_counts_twice() {
    caught(Promise::OneLoss, |court| {
        court.start()?;
        court.phase(Phase::Waiting, 3);
        let closure = Closure::unknown();
        court.event(10, Event::Closed { conn: conn(1), closure })
    });
}

#[test]
fn p13_credentials_that_nobody_needs_and_an_open_without_those_it_needs() {
    let ask = Action::RefreshCredentials { ticket: Ticket::new(1) };
    let start = |court: &mut Court, phase| {
        court.phase(phase, 1);
        court.event(0, Event::Start)
    };
    caught(Promise::NoCredentialLoop, |court| {
        start(court, Phase::Refreshing)?;
        court.act(ask)
    });
    let each_time = |terms: &mut Terms| terms.refresh = Refresh::EveryAttempt;
    caught_under(each_time, Promise::NoCredentialLoop, |court| {
        start(court, Phase::Waiting)?;
        court.phase(Phase::Opening, 1);
        court.act(open(1))
    });
    caught_under(each_time, Promise::NoCredentialLoop, |court| {
        start(court, Phase::Refreshing)?;
        court.act(ask)?;
        court.act(Action::RefreshCredentials { ticket: Ticket::new(2) })
    });
}

#[test]
fn p14_continuity_that_is_not_so() {
    for told in [None, Some(Continuity::Resumed), Some(Continuity::Lost)] {
        caught(Promise::Continuity, |court| {
            court.start()?;
            court.phase(Phase::Live, 0);
            court.view.status.continuity = told;
            court.event(100, Event::Opened { conn: conn(1) })?;
            court.drain(Some(15_100))
        });
    }
    caught(Promise::Continuity, |court| {
        court.start()?;
        court.view.status.losses = 1;
        court.phase(Phase::Live, 0);
        court.event(100, Event::Opened { conn: conn(1) })?;
        court.drain(Some(15_100))
    });
}

#[test]
fn a_session_that_no_server_keeps_and_an_endpoint_whose_turn_it_is_not() {
    let log = |endpoint, session| {
        move |court: &mut Court| {
            court.phase(Phase::Waiting, 1);
            court.event(0, Event::Start)?;
            court.phase(Phase::Opening, 1);
            court.act(Action::Open { conn: conn(1), endpoint: Endpoint::new(endpoint), session })
        }
    };
    let two = |terms: &mut Terms| terms.endpoints = 2;
    caught_under(two, Promise::Sessions, log(0, Session::Resume));
    caught_under(two, Promise::Endpoints, log(1, Session::Fresh));
    caught_under(two, Promise::Endpoints, log(2, Session::Fresh));
}

#[test]
fn a_rotation_before_its_time() {
    let rotates = |terms: &mut Terms| {
        let (after, jitter) = (Duration::from_secs(100), Duration::from_secs(60));
        terms.rotate = Some(Rotate { after, jitter, overlap: Duration::from_secs(30) });
    };
    caught_under(rotates, Promise::Rotation, |court| {
        court.live()?;
        court.event(10_000, Event::Received { conn: conn(1) })?;
        court.act(open(2))
    });
}

#[test]
fn reports_that_lie_repeat_or_fail_to_come() {
    caught(Promise::Reports, |court| {
        court.phase(Phase::Waiting, 1);
        court.event(0, Event::Start)?;
        court.act(Action::Report(court.reported))
    });
    caught(Promise::Reports, |court| {
        court.live()?;
        court.act(Action::Report(court.view.status))
    });
    caught(Promise::Reports, |court| {
        court.start()?;
        court.phase(Phase::Live, 0);
        court.event(100, Event::Opened { conn: conn(1) })?;
        court.reported = court.view.status;
        court.drain(Some(15_100))
    });
}

#[test]
fn wishes_that_are_not_obeyed() {
    caught(Promise::Wishes, |court| {
        court.live()?;
        court.event(200, Event::Stop)
    });
    caught(Promise::Wishes, |court| {
        court.start()?;
        court.fail(10, 1, 700)?;
        court.event(20, Event::Pause)?;
        court.event(700, Event::TimerFired)?;
        court.act(open(2))
    });
    caught(Promise::Wishes, |court| {
        court.live()?;
        court.phase(Phase::Closing, 0);
        court.event(200, Event::Stop)?;
        court.act(Action::Close { conn: conn(1), how: How::Graceful, why: Why::Moved })
    });
    caught(Promise::Wishes, |court| {
        court.start()?;
        court.phase(Phase::Waiting, 2);
        let closure = Closure::peer().http(403);
        court.event(10, Event::Closed { conn: conn(1), closure })
    });
}
