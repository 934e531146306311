//! What a snapshot keeps of the credentials.

use super::Credentials;
use crate::id::Ticket;
use crate::policy::{Credentials as Terms, Refresh};
use crate::snapshot::{Clock, record, unless_never};
use crate::time::Instant;

impl Credentials {
    pub(crate) fn record(&self, now: Instant) -> record::Credentials {
        record::Credentials {
            answer_by_ns: unless_never(self.answer_by, now),
            run_out_ns: unless_never(self.run_out, now),
            renew_at_ns: unless_never(self.renew_at, now),
            renewal_owed: self.renewal_owed,
            renewal_failures: self.renewal_failures,
            rejected: self.rejected,
        }
    }

    /// An answer is waited for no longer than `terms` say; if an attempt is `waiting` for one, it is
    /// not waited for without end. Where they say never, nothing is asked for nor waited for.
    pub(crate) fn restored(
        record: &record::Credentials,
        newest: u64,
        terms: &Terms,
        waiting: bool,
        clock: &Clock,
    ) -> Self {
        let latest = clock.now.after(terms.within);
        let asks = terms.when != Refresh::Never;
        let answer_by = clock.or_never(record.answer_by_ns);
        let awaited = asks && (waiting || answer_by != Instant::MAX);
        let renew_at = if asks { clock.or_never(record.renew_at_ns) } else { Instant::MAX };
        Self {
            newest: Ticket(newest),
            answer_by: if awaited { answer_by.min(latest) } else { Instant::MAX },
            run_out: clock.or_never(record.run_out_ns),
            renew_at,
            renewal_owed: asks && record.renewal_owed,
            renewal_failures: record.renewal_failures,
            rejected: record.rejected,
        }
    }
}
