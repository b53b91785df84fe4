//! One alert in the book: who knows which version of it, and who has still to be told.

use super::record::Kept;
use super::types::{ALERT_SCHEMA, AlertDocument, AlertState};
use model::UnixMillis;
use std::collections::BTreeMap;
use std::time::Duration;

/// An alert and where it stands: what may be told when, what is on its way.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kept: Kept,
    /// When the latest version may be told.
    pub(super) due: Duration,
    /// When it is over for good, unless it is raised again.
    pub(super) over: Option<(Duration, UnixMillis)>,
    /// Versions on their way to sinks, and since when.
    pub(super) sent: BTreeMap<String, (u64, Duration)>,
    /// When it was last told, by the clock that never jumps.
    pub(super) told_at: BTreeMap<String, Duration>,
    pub(super) saved: Duration,
    pub(super) unsaved: bool,
}

impl Entry {
    pub(super) fn told_version(&self, sink: &str) -> u64 {
        self.kept.told.get(sink).map_or(0, |t| t.version)
    }

    pub(super) fn waits_for(&self, sink: &str) -> bool {
        let sent = self.sent.get(sink).map_or(0, |(version, _)| *version);
        self.kept.version > self.told_version(sink).max(sent)
    }

    pub(super) fn firing(&self) -> bool {
        self.kept.resolved_at.is_none()
    }

    /// When it was last on its way to the sink.
    pub(super) fn last(&self, sink: &str) -> Duration {
        let sent = self.sent.get(sink).map(|(_, at)| *at);
        sent.max(self.told_at.get(sink).copied()).unwrap_or_default()
    }

    /// Takes over what an earlier run knew of an alert that was raised anew before that was read.
    pub(super) fn continue_from(&mut self, old: Kept, told_at: BTreeMap<String, Duration>) {
        let grown = old.resolved_at.is_some() || self.kept.alert.level > old.alert.level;
        self.kept.version = old.version + u64::from(grown);
        if old.resolved_at.is_none() {
            self.kept.peak = self.kept.peak.max(old.peak);
            self.kept.alert.started_at = old.alert.started_at;
        }
        self.kept.told = old.told;
        self.told_at = told_at;
        self.sent.clear();
    }

    pub(super) fn document(&self) -> AlertDocument {
        let status = if self.firing() { AlertState::Firing } else { AlertState::Resolved };
        let (peak, resolved_at) = (self.kept.peak, self.kept.resolved_at);
        AlertDocument { schema: ALERT_SCHEMA.to_owned(), status, peak, resolved_at, alert: self.kept.alert.clone() }
    }
}
