//! What all threads of a watcher share: the configuration of this moment, the status of the targets, counters.

use crate::WatchFile;
use crate::alert::{Alert, AlertKey, Alerts};
use crate::rules::UserRule;
use crate::series::Record;
use model::{TargetStatus, UnixMillis};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Instant;

/// Samples kept in memory for each target.
pub(crate) const RECENT: usize = 180;

/// Locks, whatever happened to the thread that held it last.
pub(crate) fn lock<T>(m: &Mutex<T>) -> MutexGuard<'_, T> {
    m.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A configuration that is in use.
#[derive(Debug)]
pub(crate) struct Settings {
    pub file: WatchFile,
    pub rules: Arc<Vec<UserRule>>,
    /// Grows with each configuration.
    pub generation: u64,
}

impl Settings {
    pub(crate) fn new(file: WatchFile, generation: u64) -> Result<Self, String> {
        let rules = file.watch.rule.iter().map(UserRule::compile).collect::<Result<Vec<_>, _>>()?;
        Ok(Self { file, rules: Arc::new(rules), generation })
    }
}

/// Counts of the watcher's own work.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub samples: AtomicU64,
    pub late: AtomicU64,
    pub captures: AtomicU64,
    pub failed_captures: AtomicU64,
    pub skipped_captures: AtomicU64,
    pub stored: AtomicU64,
    pub unwritten: AtomicU64,
    pub reloads: AtomicU64,
    pub refused: AtomicU64,
}

pub(crate) fn count(c: &AtomicU64) {
    c.fetch_add(1, Ordering::Relaxed);
}

/// A target as the views see it.
#[derive(Debug, Default)]
pub(crate) struct View {
    pub status: TargetStatus,
    pub recent: VecDeque<Record>,
    /// When it ended.
    pub ended: Option<Instant>,
}

/// Shared by all threads.
pub(crate) struct Shared {
    pub settings: RwLock<Arc<Settings>>,
    pub views: Mutex<BTreeMap<String, View>>,
    pub counts: Counts,
    /// Why samples do not reach the disk at this moment.
    pub unwritten_why: Mutex<Option<String>>,
    pub stop: Arc<AtomicBool>,
    pub state_dir: PathBuf,
    pub started: UnixMillis,
    pub alerts: Option<Alerts>,
    /// The program itself, run for captures and diagnoses.
    pub oomph: PathBuf,
    /// When a sample was last taken, milliseconds of the monotonic clock.
    pub last_tick: AtomicU64,
    pub oom: crate::worker::oom::HostKills,
}

impl Shared {
    pub(crate) fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.settings.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    pub(crate) fn raise(&self, alert: Alert) {
        if let Some(alerts) = &self.alerts {
            alerts.raise(alert);
        }
    }

    pub(crate) fn resolve(&self, key: &AlertKey) {
        if let Some(alerts) = &self.alerts {
            alerts.resolve(key, bundle::now());
        }
    }

    /// Changes what is shown of a target.
    pub(crate) fn view(&self, name: &str, change: impl FnOnce(&mut View)) {
        let mut views = lock(&self.views);
        let view = views.entry(name.to_owned()).or_default();
        if view.status.name.is_empty() {
            name.clone_into(&mut view.status.name);
        }
        change(view);
    }
}

/// Something a person should see on standard error, once.
pub(crate) fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr().lock(), "oomph watch: {text}");
}
