//! The kinds of sinks: each makes of a notification what its receiver reads. Owns the formats; queues and
//! retries are the mailbox's.

mod alertmanager;
mod exec;
mod slack;
mod stderr;
mod webhook;

pub use exec::run_hook;

use super::book::SinkRule;
use super::config::{AlertConfig, AlertmanagerConfig, ExecConfig, SlackConfig, WebhookConfig};
use super::http::{Poster, SendError};
use super::mailbox::Sender;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How often Alertmanager's alerts are sent together at most.
const BATCH: usize = 100;

/// One sink with its settings.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SinkSpec {
    pub rule: SinkRule,
    pub kind: Kind,
}

/// What a sink is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Stderr,
    Alertmanager(Box<AlertmanagerConfig>),
    Webhook(Box<WebhookConfig>),
    Slack(Box<SlackConfig>),
    Exec(Box<ExecConfig>),
}

impl SinkSpec {
    /// The sinks of a configuration.
    pub(crate) fn all(config: &AlertConfig) -> Vec<Self> {
        let kinds = std::iter::once((Kind::Stderr, config.stderr.min_level))
            .chain(config.alertmanager.iter().map(|c| (Kind::Alertmanager(Box::new(c.clone())), c.min_level)))
            .chain(config.webhook.iter().map(|c| (Kind::Webhook(Box::new(c.clone())), c.min_level)))
            .chain(config.slack.iter().map(|c| (Kind::Slack(Box::new(c.clone())), c.min_level)))
            .chain(config.exec.iter().map(|c| (Kind::Exec(Box::new(c.clone())), c.min_level)));
        let named = config.names().into_iter().zip(kinds);
        named
            .filter(|(_, (kind, _))| *kind != Kind::Stderr || config.stderr.enabled)
            .map(|(name, (kind, min_level))| {
                let grouped = matches!(kind, Kind::Webhook(_) | Kind::Slack(_));
                let repeat = match &kind {
                    Kind::Alertmanager(c) => c.resend_interval.0,
                    _ => config.repeat_interval.0,
                };
                Self { rule: SinkRule { name, min_level, grouped, repeat }, kind }
            })
            .collect()
    }

    /// How many threads send at the same time.
    pub(crate) fn threads(&self) -> usize {
        match &self.kind {
            Kind::Exec(c) => c.max_parallel,
            _ => 1,
        }
    }

    /// How many notifications one call takes.
    pub(crate) fn batch(&self) -> usize {
        if matches!(self.kind, Kind::Alertmanager(_)) { BATCH } else { 1 }
    }

    /// What sends. `launcher` is put before a hook's program.
    pub(crate) fn sender(&self, launcher: &Arc<[OsString]>) -> Box<dyn Sender> {
        match &self.kind {
            Kind::Stderr => Box::new(stderr::Stderr),
            Kind::Alertmanager(c) => Box::new(alertmanager::Alertmanager::new((**c).clone())),
            Kind::Webhook(c) => Box::new(webhook::Webhook::new((**c).clone())),
            Kind::Slack(c) => Box::new(slack::Slack::new((**c).clone())),
            Kind::Exec(c) => Box::new(exec::Exec::new((**c).clone(), Arc::clone(launcher))),
        }
    }
}

/// A client that is made when it is first needed, and again while that fails: the file with its certificates
/// may come later.
#[derive(Default)]
struct Lazy(Option<Poster>);

impl Lazy {
    fn get(&mut self, timeout: Duration, authorities: Option<&Path>) -> Result<&mut Poster, SendError> {
        if self.0.is_none() {
            self.0 = Some(Poster::new(timeout, authorities).map_err(SendError::Again)?);
        }
        self.0.as_mut().ok_or_else(|| SendError::Again(String::new()))
    }
}

fn json_header() -> (String, String) {
    ("Content-Type".to_owned(), "application/json".to_owned())
}
