//! Prometheus Alertmanager, API v2 (`POST /api/v2/alerts`, `api/v2/openapi.yaml` of prometheus/alertmanager
//! 0.25). An alert that is not sent again before its `endsAt` counts as resolved there, so those that hold are
//! sent again and again with an `endsAt` four intervals ahead, as Prometheus does.

use super::super::config::AlertmanagerConfig;
use super::super::http::SendError;
use super::super::mailbox::Sender;
use super::super::types::{AlertDocument, AlertKey, AlertState, Notification};
use super::{Lazy, json_header};
use model::{Bytes, UnixMillis, WatchLevel};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

type Labels = BTreeMap<String, String>;

/// One element of the request's array.
#[derive(Clone, Debug, Serialize, PartialEq)]
#[serde(rename_all = "camelCase")]
struct Post {
    labels: Labels,
    annotations: Labels,
    starts_at: String,
    ends_at: String,
}

pub(super) struct Alertmanager {
    config: AlertmanagerConfig,
    client: Lazy,
    /// The labels each alert was sent with: Alertmanager knows alerts by their labels, so when one of them changes
    /// (the severity, the pid) the old ones have to be resolved.
    sent: BTreeMap<AlertKey, (Labels, UnixMillis)>,
}

impl Alertmanager {
    pub(super) fn new(config: AlertmanagerConfig) -> Self {
        Self { config, client: Lazy::default(), sent: BTreeMap::new() }
    }

    /// The array to send, and what it leaves known.
    fn posts(&self, notifications: &[Arc<Notification>], now: UnixMillis) -> Result<Vec<Post>, SendError> {
        let ahead = self.config.resend_interval.0.as_millis().saturating_mul(4);
        let ahead = i64::try_from(ahead).unwrap_or(i64::MAX);
        let mut out = Vec::new();
        for document in notifications.iter().flat_map(|n| &n.alerts) {
            let alert = &document.alert;
            let labels = labels(document);
            let starts_at = rfc3339(alert.started_at)?;
            if let Some((old, _)) = self.sent.get(&alert.key).filter(|(old, _)| *old != labels) {
                let ends_at = rfc3339(now)?;
                out.push(Post {
                    labels: old.clone(),
                    annotations: Labels::new(),
                    starts_at: starts_at.clone(),
                    ends_at,
                });
            }
            let ends_at = match (document.status, document.resolved_at) {
                (AlertState::Firing, _) => UnixMillis(now.0.saturating_add(ahead)),
                (AlertState::Resolved, at) => at.unwrap_or(now).max(alert.started_at),
            };
            out.push(Post { labels, annotations: annotations(document), starts_at, ends_at: rfc3339(ends_at)? });
        }
        Ok(out)
    }

    fn remember(&mut self, notifications: &[Arc<Notification>], now: UnixMillis) {
        for document in notifications.iter().flat_map(|n| &n.alerts) {
            match document.status {
                AlertState::Firing => self.sent.insert(document.alert.key.clone(), (labels(document), now)),
                AlertState::Resolved => self.sent.remove(&document.alert.key),
            };
        }
        // What was not sent for an hour is no longer known there either.
        self.sent.retain(|_, (_, at)| now.seconds_since(*at) < 4.0 * 3600.0);
    }
}

impl Sender for Alertmanager {
    fn send(&mut self, notifications: &[Arc<Notification>]) -> Result<(), SendError> {
        let now = bundle::now();
        let posts = self.posts(notifications, now)?;
        let body = serde_json::to_vec(&posts).map_err(|e| SendError::Refused(e.to_string()))?;
        let client = self.client.get(self.config.timeout.0, self.config.ca_file.as_deref())?;
        let (url, authorization) = (self.config.url(), self.config.authorization());
        client.post(url, authorization, "/api/v2/alerts", &[json_header()], &body)?;
        self.remember(notifications, now);
        Ok(())
    }
}

fn rfc3339(at: UnixMillis) -> Result<String, SendError> {
    let at = jiff::Timestamp::from_millisecond(at.0);
    at.map(|t| t.to_string()).map_err(|e| SendError::Refused(format!("an alert's time: {e}")))
}

/// `alertname`, `severity`, `target`, `culprit` and the alert's own; empty values are no labels there.
fn labels(document: &AlertDocument) -> Labels {
    let alert = &document.alert;
    let mut out: Labels =
        alert.labels.iter().filter(|(_, v)| !v.is_empty()).map(|(k, v)| (label_name(k), v.clone())).collect();
    let severity = match alert.level {
        WatchLevel::Critical => "critical",
        WatchLevel::Warning => "warning",
        WatchLevel::Notice | WatchLevel::Quiet => "info",
    };
    out.insert("alertname".into(), alert.key.rule.clone());
    out.insert("severity".into(), severity.into());
    out.insert("target".into(), alert.key.target.clone());
    if let Some(culprit) = &alert.culprit {
        out.insert("culprit".into(), culprit.clone());
    }
    out.retain(|_, v| !v.is_empty());
    out
}

fn annotations(document: &AlertDocument) -> Labels {
    let alert = &document.alert;
    let mut out = Labels::new();
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            out.insert(name.to_owned(), value);
        }
    };
    add("summary", Some(alert.title.clone()));
    add("description", Some(alert.advice.clone()));
    add("finding", alert.finding.clone());
    add("site", alert.site.clone());
    add("container", alert.container.clone());
    add("bundle", alert.bundle.clone());
    add("seconds_left", alert.seconds_left.map(|s| format!("{:.0} ({:.0} to {:.0})", s.p50, s.p10, s.p90)));
    add("limit", alert.limit.map(|b: Bytes| b.to_string()));
    add("usage", alert.usage.map(|b: Bytes| b.to_string()));
    out
}

/// A name that Prometheus takes: letters, digits and `_`, no digit in front.
fn label_name(name: &str) -> String {
    let clean = name.chars().map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '_' });
    let first = if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() { "_" } else { "" };
    first.chars().chain(clean).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::types::{ALERT_SCHEMA, tests::alert};
    use super::*;

    fn notification(level: WatchLevel, status: AlertState) -> Arc<Notification> {
        let mut a = alert("web", "time-to-limit", Some("main.put"), level);
        a.labels.insert("k8s/pod".into(), "p".into());
        a.labels.insert("empty".into(), String::new());
        let resolved_at = (status == AlertState::Resolved).then_some(UnixMillis(1_790_000_060_000));
        let doc = AlertDocument { schema: ALERT_SCHEMA.into(), status, peak: level, resolved_at, alert: a };
        Arc::new(Notification::of(vec![doc], false).unwrap())
    }

    #[test]
    fn resolves_the_old_labels_when_the_severity_changes() {
        let config = AlertmanagerConfig::default();
        let mut am = Alertmanager::new(config);
        let now = UnixMillis(1_790_000_030_500);
        let warning = [notification(WatchLevel::Warning, AlertState::Firing)];
        let posts = am.posts(&warning, now).unwrap();
        assert_eq!(posts.len(), 1);
        assert_eq!(posts[0].starts_at, "2026-09-21T14:13:20Z");
        assert_eq!(posts[0].ends_at, "2026-09-21T14:17:50.5Z");
        assert_eq!(posts[0].labels["k8s_pod"], "p");
        assert!(!posts[0].labels.contains_key("empty"));
        am.remember(&warning, now);
        let critical = [notification(WatchLevel::Critical, AlertState::Firing)];
        let posts = am.posts(&critical, now).unwrap();
        let severities: Vec<&str> = posts.iter().map(|p| p.labels["severity"].as_str()).collect();
        assert_eq!(severities, ["warning", "critical"]);
        assert_eq!(posts[0].ends_at, "2026-09-21T14:13:50.5Z");
        am.remember(&critical, now);
        let over = [notification(WatchLevel::Critical, AlertState::Resolved)];
        let posts = am.posts(&over, now).unwrap();
        assert_eq!((posts.len(), posts[0].ends_at.as_str()), (1, "2026-09-21T14:14:20Z"));
        am.remember(&over, now);
        assert!(am.sent.is_empty());
    }

    #[test]
    fn names_are_prometheus_names() {
        for (name, want) in [("a-b", "a_b"), ("9x", "_9x"), ("", "_"), ("é", "_")] {
            assert_eq!(label_name(name), want);
        }
    }
}
