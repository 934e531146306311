//! What servers and clients said, and whether it is as promised.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use redial::{Cause, Limit, Phase, Policy};

use crate::lines::{Figures, Noted, Told};

/// All that was seen since the client process began.
#[derive(Default)]
pub(crate) struct Watch {
    links: Vec<Link>,
    /// What each server that runs or ran holds, as it says, by server and connection.
    held: BTreeMap<(u32, u64), Held>,
    pub(crate) listening: BTreeSet<u32>,
    /// When servers accepted.
    dialled: Vec<u64>,
    /// What no correct client makes a server see.
    pub(crate) wrong: Vec<String>,
}

#[derive(Default)]
pub(crate) struct Link {
    pub(crate) phase: Option<Phase>,
    /// The causes of failures, each with the time when it was first told.
    pub(crate) causes: Vec<(u64, Cause)>,
    /// When an `Open` was handed out, on the link's own clock.
    opens: Vec<u64>,
    /// When a server was asked for an upgrade.
    asked: Vec<u64>,
    pub(crate) figures: Option<Figures>,
}

struct Held {
    link: usize,
    topics: BTreeSet<u32>,
}

impl Watch {
    pub(crate) fn link(&mut self, link: usize) -> &mut Link {
        while self.links.len() <= link {
            self.links.push(Link::default());
        }
        &mut self.links[link]
    }

    pub(crate) fn first(&self) -> Option<&Link> {
        self.links.first()
    }

    pub(crate) fn told(&mut self, told: Told) {
        match told {
            Told::Status { link, at, phase, cause } => {
                let link = self.link(link);
                // A cause stands in every report until the link is ready again.
                let is_new = phase == Phase::Waiting && link.phase != Some(Phase::Waiting);
                if let Some(cause) = cause
                    && (is_new || link.causes.last().is_none_or(|&(_, last)| last != cause))
                {
                    link.causes.push((at, cause));
                }
                link.phase = Some(phase);
            }
            Told::Dialled { link, at } => self.link(link).opens.push(at),
            Told::Figures { link, figures } => self.link(link).figures = Some(figures),
        }
    }

    pub(crate) fn noted(&mut self, server: u32, at: u64, noted: Noted) {
        match noted {
            Noted::Listening => {
                self.listening.insert(server);
            }
            Noted::Dialled => self.dialled.push(at),
            Noted::Asked { link } => self.link(link).asked.push(at),
            Noted::Opened { conn, link } => {
                self.held.insert((server, conn), Held { link, topics: BTreeSet::new() });
            }
            Noted::Holds { conn, topic } => {
                let held = self.held.get_mut(&(server, conn));
                if !held.is_some_and(|held| held.topics.insert(topic)) {
                    self.wrong.push(format!("topic {topic} was asked for twice on {conn} (P5)"));
                }
            }
            Noted::Frees { conn, topic } => {
                let held = self.held.get_mut(&(server, conn));
                if !held.is_some_and(|held| held.topics.remove(&topic)) {
                    self.wrong.push(format!("topic {topic} was not held on {conn} (P5)"));
                }
            }
            Noted::Gone { conn } => {
                self.held.remove(&(server, conn));
            }
        }
    }

    /// With the process its connections went.
    pub(crate) fn server_died(&mut self, server: u32) {
        self.held.retain(|&(of, _), _| of != server);
    }

    /// The client process is another one: what it did not say is not known.
    pub(crate) fn client_began(&mut self) {
        for link in &mut self.links {
            (link.phase, link.figures) = (None, None);
            link.opens.clear();
        }
    }

    /// Whether each link is up, and its newest connection holds exactly these topics.
    pub(crate) fn is_restored(&self, links: usize, wanted: &BTreeSet<u32>) -> bool {
        let mut newest = vec![None; links];
        for held in self.held.values() {
            if let Some(newest) = newest.get_mut(held.link) {
                *newest = Some(&held.topics);
            }
        }
        self.links.len() >= links
            && self.links.iter().all(|link| link.phase == Some(Phase::Live))
            && newest.into_iter().all(|topics| topics == Some(wanted))
    }

    /// Whether the servers hold one connection for each link and no other: the peers' view of P4.
    pub(crate) fn is_tidy(&self, links: usize) -> bool {
        let of: BTreeSet<usize> = self.held.values().map(|held| held.link).collect();
        self.held.len() == links && of.len() == links
    }

    /// How many connections servers hold.
    pub(crate) fn connections(&self) -> usize {
        self.held.len()
    }

    /// How many upgrades servers were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.links.iter().map(|link| link.asked.len()).sum()
    }

    pub(crate) fn opens(&self) -> usize {
        self.links.iter().map(|link| link.opens.len()).sum()
    }

    pub(crate) fn dialled(&self) -> usize {
        self.dialled.len()
    }

    /// Where P1 does not hold: by the client's clock exactly; as the servers see it with what is
    /// between the two, a stopped server's wait included.
    pub(crate) fn attempts_over(&self, policy: &Policy, late: Duration) -> Option<String> {
        for (number, link) in self.links.iter().enumerate() {
            if let Some(over) = over(policy, &link.opens, Duration::ZERO) {
                return Some(format!("link {number} by its own clock: {over} (P1)"));
            }
            if let Some(over) = over(policy, &link.asked, late) {
                return Some(format!("link {number} as the servers saw it: {over} (P1)"));
            }
        }
        // Several links share the port: the sum says more only for one.
        let over = over(policy, &self.dialled, late).filter(|_| self.links.len() == 1)?;
        Some(format!("connections as the servers saw them: {over} (P1)"))
    }
}

/// The first window in which there are more times than the policy allows, if each came up to `late`
/// after the attempt that it tells of.
fn over(policy: &Policy, times: &[u64], late: Duration) -> Option<String> {
    let late = u64::try_from(late.as_nanos()).unwrap_or(u64::MAX);
    for (first, &from) in times.iter().enumerate() {
        for (count, &to) in (1..).zip(&times[first..]) {
            let window = Duration::from_nanos(to.saturating_sub(from).saturating_add(late));
            let allowed = allowed(policy, window)?;
            if count > allowed {
                return Some(format!("{count} attempts in {window:?}, {allowed} allowed"));
            }
        }
    }
    None
}

/// How many attempts the limits allow in any `window`: `burst + ⌊window / interval⌋` of the tighter one,
/// worked out here, for the core's own figure is not to judge the core (P1).
pub(crate) fn allowed(policy: &Policy, window: Duration) -> Option<u64> {
    let limits = [policy.attempts(), policy.attempts_long()];
    let of = |limit: Limit| {
        let refilled = window.as_nanos().checked_div(limit.interval().as_nanos());
        let refilled = refilled.and_then(|count| u64::try_from(count).ok()).unwrap_or(u64::MAX);
        refilled.saturating_add(limit.burst().into())
    };
    limits.into_iter().flatten().map(of).min()
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn attempts_are_counted_in_every_window() {
        let limit = Limit::new(2, Duration::from_millis(10));
        let policy = Policy::builder().attempts(limit).build().unwrap();
        let over = |millis: &[u64]| {
            let times: Vec<_> = millis.iter().map(|millis| millis * 1_000_000).collect();
            over(&policy, &times, Duration::from_millis(1)).is_some()
        };
        assert!(!over(&[0, 5, 9, 19]));
        assert!(over(&[0, 5, 8]));
        assert!(over(&[0, 100, 200, 200, 201]));
    }

    #[test]
    fn a_topic_is_held_by_the_newest_connection_and_once() {
        let mut watch = Watch::default();
        let wanted = BTreeSet::from([7]);
        let live = Told::Status { link: 0, at: 0, phase: Phase::Live, cause: None };
        watch.told(live);
        watch.noted(1, 0, Noted::Opened { conn: 1, link: 0 });
        assert!(!watch.is_restored(1, &wanted));
        watch.noted(1, 0, Noted::Holds { conn: 1, topic: 7 });
        assert!(watch.is_restored(1, &wanted) && watch.is_tidy(1));
        watch.noted(1, 0, Noted::Opened { conn: 2, link: 0 });
        assert!(!watch.is_restored(1, &wanted) && !watch.is_tidy(1));
        watch.noted(1, 0, Noted::Gone { conn: 1 });
        assert!(watch.is_tidy(1) && watch.wrong.is_empty());
        watch.noted(1, 0, Noted::Frees { conn: 2, topic: 7 });
        assert_eq!(watch.wrong.len(), 1);
    }
}
