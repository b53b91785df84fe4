//! Alerts: from the watcher's rules to Alertmanager, webhooks, Slack, standard error and programs. Owns who is told
//! what and when (deduplicated, grouped by culprit, repeated, resolved, retried, kept across restarts); refuses to
//! hold up the watcher: [`Alerts::raise`] and [`Alerts::resolve`] wait for nothing.

mod book;
mod config;
mod counters;
mod entry;
mod http;
mod inbox;
mod journal;
mod mailbox;
mod manager;
mod outbox;
mod record;
mod secret;
mod signature;
mod sinks;
mod template;
mod types;

pub use config::{AlertConfig, AlertmanagerConfig, ExecConfig, SlackConfig, StderrConfig, WebhookConfig};
pub use counters::{AlertCounters, SinkCounters};
pub use secret::Secret;
pub use signature::SIGNATURE_HEADER;
pub use sinks::run_hook;
pub use types::{ALERT_SCHEMA, Alert, AlertDocument, AlertKey, AlertState, NOTIFICATION_SCHEMA, Notification};

use inbox::{Event, Inbox};
use journal::Journal;
use manager::{Manager, Shared};
use model::UnixMillis;
use std::ffi::OsString;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What alerting takes from its surroundings.
#[derive(Clone, Debug, Default)]
pub struct AlertOptions {
    /// Put before the program of an exec hook, with the pid of this process between them; calls
    /// [`run_hook`], so that hooks die with this process even when it is killed. Empty: hooks are run
    /// directly, and one that runs at the moment of a `kill -9` lives on until it ends by itself.
    pub launcher: Vec<OsString>,
    /// How often a broken outbox is tried again [default: 30 s].
    pub outbox_retry: Option<Duration>,
}

/// Alerting, on threads of its own.
pub struct Alerts {
    inbox: Arc<Inbox>,
    journal: Arc<Journal>,
    shared: Arc<Shared>,
    ended: Mutex<Receiver<()>>,
}

impl Alerts {
    /// Starts alerting. The outbox lies in `state_dir`, which is made when it is not there; where it cannot be
    /// used, undelivered alerts are kept in memory and [`AlertCounters::outbox_error`] says so.
    #[must_use]
    pub fn start(config: &AlertConfig, state_dir: &Path) -> Self {
        Self::start_with(config, state_dir, AlertOptions::default())
    }

    /// The same, with a launcher for hooks.
    #[must_use]
    pub fn start_with(config: &AlertConfig, state_dir: &Path, options: AlertOptions) -> Self {
        let inbox = Arc::new(Inbox::default());
        let journal = Arc::new(Journal::new(options.outbox_retry));
        let shared = Arc::new(Shared::default());
        let (dir, most) = (state_dir.to_owned(), config.outbox_max_bytes);
        {
            let (journal, inbox) = (Arc::clone(&journal), Arc::clone(&inbox));
            let work = move || journal.work(&dir, most, &inbox);
            // Without the thread nothing is kept across restarts; alerts are told all the same.
            let _ = std::thread::Builder::new().name("alert-outbox".into()).spawn(work);
        }
        let manager = Manager::new(
            Arc::clone(&inbox),
            Arc::clone(&journal),
            Arc::clone(&shared),
            options.launcher.into(),
            config.clone(),
        );
        let (end, ended) = channel();
        let work = move || {
            manager.run();
            // Nobody may be waiting.
            let _ = end.send(());
        };
        let _ = std::thread::Builder::new().name("alerts".into()).spawn(work);
        Self { inbox, journal, shared, ended: Mutex::new(ended) }
    }

    /// An alert holds. Once is enough; again with the same key brings it up to date (a higher level is told at
    /// once, a bundle or site that was missing soon, other changes with the next repetition). Never waits; when too
    /// much comes at once, the oldest notice is dropped first.
    pub fn raise(&self, alert: Alert) {
        self.inbox.event(Event::Raise(Box::new(alert.bounded())));
    }

    /// An alert is over since `at`. It is told to be over when it is not raised again within `resolve-after`.
    pub fn resolve(&self, key: &AlertKey, at: UnixMillis) {
        self.inbox.event(Event::Resolve(key.clone().bounded(), at));
    }

    /// New settings: sinks that did not change go on as they are.
    pub fn set_config(&self, config: AlertConfig) {
        self.inbox.with(|a| a.config = Some(Box::new(config)));
    }

    /// What was sent, failed, waits.
    #[must_use]
    pub fn counters(&self) -> AlertCounters {
        let mailboxes = self.shared.mailboxes.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let sinks = mailboxes.iter().map(|m| m.counters()).collect();
        let file = self.journal.file();
        let totals = self.shared.totals.lock().unwrap_or_else(PoisonError::into_inner);
        AlertCounters {
            sinks,
            active: totals.active,
            dropped: totals.dropped,
            outbox_error: file.error,
            outbox_bytes: file.bytes,
            outbox_damaged: file.damaged,
        }
    }

    /// Ends alerting: what waits is tried once more within `grace`, and kept on disk for the next start if it
    /// cannot be delivered.
    pub fn stop(self, grace: Duration) {
        self.inbox.with(|a| a.stop = Some(grace));
        let bound = grace.saturating_add(Duration::from_secs(3));
        // Threads that hang in a system call end with the process.
        let _ = self.ended.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(bound);
    }
}

impl Drop for Alerts {
    fn drop(&mut self) {
        self.inbox.with(|a| a.stop = a.stop.or(Some(Duration::ZERO)));
    }
}
