//! How often and how many at once: P1 and P4.

use std::time::Duration;

use super::{ACCEPT_LATENESS, Breach, Terms, Verdict};
use crate::demo::board::{Open, Record};
use crate::demo::server::{Link, Log, Visit};
use crate::output::short;

/// By the instants of the core for each client, whose clocks differ; by those of the server for each
/// link, over the restart of its client.
pub(super) fn bounded(record: &Record, log: &Log, terms: Terms) -> Verdict {
    let mut breaches = Vec::new();
    let mut fullest: Option<Window> = None;
    for opens in record.opens.chunk_by(|open, next| open.client == next.client) {
        let polled: Vec<_> = opens.iter().map(polled).collect();
        let window = fullest_window(&polled, terms, Duration::ZERO);
        if let Some(window) = window.filter(Window::is_over) {
            breaches
                .push(Breach::new(opens[window.last].at, format!("the core asked for {window}")));
        }
        fullest = fullest.into_iter().chain(window).min_by_key(Window::room);
    }
    for link in [Link::Feed, Link::Account] {
        let accepted: Vec<_> = log.visits_of(link).map(|visit| visit.accepted).collect();
        let window = fullest_window(&accepted, terms, ACCEPT_LATENESS);
        if let Some(window) = window.filter(Window::is_over) {
            let what = format!("the server accepted {window}");
            breaches.push(Breach::new(accepted[window.last], what));
        }
    }
    let (accepted, asked) = (log.visits.len(), record.opens.len());
    if accepted > asked {
        let what = format!("{accepted} connections accepted, {asked} asked for");
        breaches.push(Breach::new(log.visits[asked].accepted, what));
    }
    let evidence = fullest.map_or_else(
        || "no attempt".to_owned(),
        |window| format!("{asked} attempts; at the fullest {window}"),
    );
    // A bound that was never reached by half was not put to the test.
    let tested = fullest.is_some_and(|window| window.count >= usize_of(terms.burst));
    Verdict::new(("P1", "bounded attempts"), tested, evidence, breaches)
}

/// The instant that P1 speaks of.
fn polled(open: &Open) -> Duration {
    Duration::from_nanos(open.polled.as_nanos())
}

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) struct Window {
    pub(super) last: usize,
    pub(super) count: usize,
    pub(super) bound: usize,
    length: Duration,
}

impl Window {
    pub(super) fn is_over(&self) -> bool {
        self.count > self.bound
    }

    /// The room left; of two windows with the same, the one with more in it comes first.
    fn room(&self) -> (i128, std::cmp::Reverse<usize>) {
        (self.bound as i128 - self.count as i128, std::cmp::Reverse(self.count))
    }
}

impl std::fmt::Display for Window {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { count, bound, length, .. } = self;
        write!(f, "{count} in {} where {bound} are allowed", short(*length))
    }
}

/// The window with the least room left, the fullest of them. Each stretch from one attempt to another
/// is a window; no other can be fuller.
pub(super) fn fullest_window(
    instants: &[Duration],
    terms: Terms,
    slack: Duration,
) -> Option<Window> {
    let windows = (0..instants.len()).flat_map(|first| {
        (first..instants.len()).map(move |last| {
            let length = instants[last].saturating_sub(instants[first]);
            let refills = (length + slack).as_nanos() / terms.interval.as_nanos();
            let refills = usize::try_from(refills).unwrap_or(usize::MAX);
            let bound = usize_of(terms.burst).saturating_add(refills);
            Window { last, count: last - first + 1, bound, length }
        })
    });
    windows.min_by_key(Window::room)
}

fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

/// A connection beside another is a breach, unless the earlier one was being closed: the server learns
/// of the client's end of it a moment later. Only the account's link may rotate, and have two.
pub(super) fn one_socket(visits: &[Visit]) -> Verdict {
    let mut breaches = Vec::new();
    let mut overlaps = 0;
    for (index, visit) in visits.iter().enumerate() {
        let beside = visits[..index].iter().filter(|earlier| {
            earlier.over.is_none_or(|over| over > visit.accepted + ACCEPT_LATENESS)
        });
        let beside = beside.count();
        let allowed = match visit.link {
            Link::Feed => 0,
            Link::Account => 1,
        };
        if beside > allowed {
            let what = format!("a connection opened beside {beside} open ones");
            breaches.push(Breach::new(visit.accepted, what));
        }
        overlaps += usize::from(beside > 0);
        if let (true, Some(since)) = (visit.leaked, visit.silent_since) {
            let what = "a dead connection was never let go".to_owned();
            breaches.push(Breach::new(since, what));
        }
    }
    let evidence =
        format!("{} connections accepted, {overlaps} of them beside another", visits.len());
    Verdict::new(("P4", "one socket, two to move"), visits.len() > 1, evidence, breaches)
}
