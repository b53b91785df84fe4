//! What alerting counts of itself, for `/metrics` and `/healthz`.

use serde::{Deserialize, Serialize};

/// What one sink has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SinkCounters {
    /// Name of the sink.
    pub sink: String,
    /// Notifications that it accepted.
    pub sent: u64,
    /// Notifications that were given up.
    pub failed: u64,
    /// Attempts that failed and are made again.
    pub retried: u64,
    /// Notifications that were dropped because too many waited.
    pub dropped: u64,
    /// Notifications that wait now, those on their way included.
    pub pending: u64,
    /// Why the latest attempt failed; empty when it did not. No secrets in it.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub last_error: String,
}

/// What alerting has done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertCounters {
    /// Each sink.
    pub sinks: Vec<SinkCounters>,
    /// Alerts that hold: of level notice, warning, critical.
    pub active: [u64; 3],
    /// Alerts that were dropped because too many came at once or held at once.
    pub dropped: u64,
    /// Why the outbox is not written, if it is not: undelivered alerts would then not survive a restart.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub outbox_error: Option<String>,
    /// Bytes of the outbox on disk.
    pub outbox_bytes: u64,
    /// Damaged lines that were passed over when the outbox was read.
    pub outbox_damaged: u64,
}
