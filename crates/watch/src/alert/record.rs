//! What alerting keeps on disk: each alert as it was last, and what each sink was told of it. Records follow each other;
//! read in their order they give the alerts that a process left behind.

use super::types::{Alert, AlertKey};
use model::{UnixMillis, WatchLevel};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What was told to a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Told {
    pub version: u64,
    pub at: UnixMillis,
}

/// An alert as it is kept on disk.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Kept {
    pub alert: Alert,
    pub peak: WatchLevel,
    pub version: u64,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub resolved_at: Option<UnixMillis>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty", default)]
    pub told: BTreeMap<String, Told>,
}

/// A change, as a record of the outbox.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Record {
    /// An alert is as follows.
    Alert(Box<Kept>),
    /// A sink was told.
    Told { sink: String, key: AlertKey, told: Told },
    /// Nobody has to be told of it any more.
    Forget { key: AlertKey },
}

/// What records amount to, in the order of the keys.
pub(crate) fn replay(records: impl Iterator<Item = Record>) -> Vec<Kept> {
    let mut out: BTreeMap<AlertKey, Kept> = BTreeMap::new();
    for record in records {
        match record {
            Record::Alert(kept) => {
                out.insert(kept.alert.key.clone(), *kept);
            }
            Record::Told { sink, key, told } => {
                if let Some(kept) = out.get_mut(&key) {
                    kept.told.insert(sink, told);
                }
            }
            Record::Forget { key } => {
                out.remove(&key);
            }
        }
    }
    out.into_values().collect()
}
