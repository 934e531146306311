//! What a snapshot keeps of the generator.

use super::Jitter;
use crate::snapshot::record;

impl Jitter {
    pub(crate) const fn record(&self) -> record::Jitter {
        record::Jitter { key: self.key, draws: self.draws }
    }

    pub(crate) const fn restored(record: &record::Jitter) -> Self {
        Self { key: record.key, draws: record.draws }
    }
}
