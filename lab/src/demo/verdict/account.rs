//! What an account adds: credentials (P13) and sessions (P14).

use std::time::Duration;

use redial::Continuity;

use super::{Breach, Terms, Verdict};
use crate::demo::board::{Live, Record, Strike};
use crate::demo::server::{Log, Welcome};

/// At most one token is fetched for an attempt, and none is tried again that was refused.
pub(super) fn credentials(record: &Record, log: &Log) -> Verdict {
    let mut breaches = Vec::new();
    for pair in record.refreshes.windows(2) {
        let between = |at: Duration| pair[0].at < at && at <= pair[1].at;
        if !record.opens.iter().any(|open| between(open.at)) {
            let what = "a second token was asked for by one attempt".to_owned();
            breaches.push(Breach::new(pair[1].at, what));
        }
    }
    for (index, &(at, token)) in log.rejected.iter().enumerate() {
        if log.rejected[..index].iter().any(|&(_, before)| before == token) {
            breaches.push(Breach::new(at, "a token that was refused came again".to_owned()));
        }
    }
    // The first token was there before the first attempt.
    let (fetched, rejected) = (log.tokens_issued.saturating_sub(1), log.rejected.len());
    if let (true, Some(last)) = (fetched > rejected, record.refreshes.last()) {
        let what = format!("{fetched} tokens were fetched, {rejected} refused");
        breaches.push(Breach::new(last.at, what));
    }
    let evidence = format!("dials refused for their token: {rejected}, tokens fetched: {fetched}");
    let tested = !log.rejected.is_empty();
    Verdict::new(("P13", "no credential loop"), tested, evidence, breaches)
}

/// What the server knows of a session is what the core says; what was missed, it owns up to; and a
/// session that cannot be resumed is given up.
pub(super) fn continuity(record: &Record, log: &Log, terms: Terms) -> Verdict {
    let mut breaches: Vec<_> = record.lives.iter().filter_map(misreported).collect();
    breaches.extend(hidden_losses(record));
    let allowed = usize::try_from(terms.resume_failures).unwrap_or(usize::MAX);
    if let Some(&at) = log.poisoned.get(allowed) {
        let what = format!("a session was resumed {} times in vain", log.poisoned.len());
        breaches.push(Breach::new(at, what));
    }
    let count =
        |continuity| record.lives.iter().filter(|live| live.continuity == Some(continuity)).count();
    let evidence = format!(
        "{} resumed, {} overlapped, {} told as lost; given up after {} resumes in vain",
        count(Continuity::Resumed),
        count(Continuity::Overlapped),
        count(Continuity::Lost),
        log.poisoned.len(),
    );
    let tested = count(Continuity::Resumed) > 0 && count(Continuity::Overlapped) > 0;
    Verdict::new(("P14", "continuity is told"), tested, evidence, breaches)
}

/// The core says that the session was resumed if and only if it was.
fn misreported(live: &Live) -> Option<Breach> {
    let said = live.continuity == Some(Continuity::Resumed);
    let is = live.welcome == Some(Welcome::Resumed);
    (said != is).then(|| {
        let what = if said { "said to be resumed" } else { "resumed, and not said to be" };
        Breach::new(live.at, format!("a session was {what}"))
    })
}

/// Prices missed without a loss of continuity that was told.
fn hidden_losses(record: &Record) -> impl Iterator<Item = Breach> + '_ {
    record.strikes.iter().enumerate().filter_map(|(index, strike)| {
        let missed = record.missed_by(index);
        let hidden = missed > 0 && !loss_told(record, strike, record.strikes.get(index + 1));
        let what = format!("{missed} prices were missed, and nobody was told");
        hidden.then(|| Breach::new(strike.at, what))
    })
}

fn loss_told(record: &Record, strike: &Strike, next: Option<&Strike>) -> bool {
    let until = next.map_or(Duration::MAX, |next| next.at);
    let mut reports = record.reports.iter().filter(|report| {
        (strike.at..until).contains(&report.at) && report.client.link() == strike.link
    });
    reports.any(|report| report.status.losses > strike.losses_before)
}

#[cfg(test)]
mod tests {
    use super::super::Outcome;
    use super::super::tests::{TERMS, at};
    use super::*;
    use crate::demo::board::Refresh;

    #[test]
    fn a_refused_token_must_not_come_again() {
        let outcome = |rejected: &[(Duration, u64)]| {
            let log = Log { rejected: rejected.to_vec(), ..Log::default() };
            credentials(&Record::new(), &log).outcome
        };
        assert_eq!(outcome(&[]), Outcome::Untested);
        assert_eq!(outcome(&[(at(1), 0), (at(2), 1)]), Outcome::Kept);
        assert_eq!(outcome(&[(at(1), 0), (at(2), 0)]), Outcome::Broken);
    }

    #[test]
    fn two_tokens_for_one_attempt_are_one_too_many() {
        let mut record = Record::new();
        record.refreshes = vec![Refresh { at: at(1) }, Refresh { at: at(2) }];
        assert_eq!(credentials(&record, &Log::default()).outcome, Outcome::Broken);
    }

    #[test]
    fn a_session_is_what_the_server_made_of_it() {
        let live = |continuity, welcome| Live {
            at: at(1),
            continuity: Some(continuity),
            welcome: Some(welcome),
            missing: [].into(),
            surplus: [].into(),
        };
        assert_eq!(misreported(&live(Continuity::Resumed, Welcome::Resumed)), None);
        assert_eq!(misreported(&live(Continuity::Overlapped, Welcome::Fresh)), None);
        assert!(misreported(&live(Continuity::Resumed, Welcome::Fresh)).is_some());
        assert!(misreported(&live(Continuity::Lost, Welcome::Resumed)).is_some());
    }

    #[test]
    fn a_poisoned_session_is_given_up() {
        let log = |times| Log { poisoned: vec![at(1); times], ..Log::default() };
        let outcome = |times| continuity(&Record::new(), &log(times), TERMS).outcome;
        assert_eq!(outcome(2), Outcome::Untested);
        assert_eq!(outcome(3), Outcome::Broken);
    }
}
