//! Slack's incoming webhooks (block kit: sections of mrkdwn text), which Mattermost, Discord (`/slack`) and others
//! read too. Texts are escaped and cut to Slack's bounds: 3000 characters a section, 50 blocks.

use super::super::config::SlackConfig;
use super::super::http::SendError;
use super::super::mailbox::Sender;
use super::super::types::{AlertDocument, AlertState, Notification};
use super::{Lazy, json_header};
use model::WatchLevel;
use serde_json::{Value, json};
use std::sync::Arc;

/// Characters of one section.
const MOST_TEXT: usize = 2900;
/// Alerts that are told one by one; the others are counted.
const MOST_ALERTS: usize = 10;

pub(super) struct Slack {
    config: SlackConfig,
    client: Lazy,
}

impl Slack {
    pub(super) fn new(config: SlackConfig) -> Self {
        Self { config, client: Lazy::default() }
    }
}

impl Sender for Slack {
    fn send(&mut self, notifications: &[Arc<Notification>]) -> Result<(), SendError> {
        for notification in notifications {
            let mut message = message(notification);
            if let (Some(channel), Some(fields)) = (&self.config.channel, message.as_object_mut()) {
                fields.insert("channel".to_owned(), json!(channel));
            }
            let client = self.client.get(self.config.timeout.0, self.config.ca_file.as_deref())?;
            let (url, authorization) = (self.config.url(), self.config.authorization());
            client.post(url, authorization, "", &[json_header()], message.to_string().as_bytes())?;
        }
        Ok(())
    }
}

/// The message: a line for notifications on a phone, and blocks.
fn message(notification: &Notification) -> Value {
    let word = match (notification.status, notification.level) {
        (AlertState::Resolved, _) => "Resolved",
        (_, WatchLevel::Critical) => "CRITICAL",
        (_, WatchLevel::Warning) => "Warning",
        (_, WatchLevel::Notice | WatchLevel::Quiet) => "Notice",
    };
    let repeated = if notification.repeated { " (still)" } else { "" };
    let head = format!("*{word}{repeated}:* {}", escaped(&notification.title));
    let mut blocks = vec![section(&head)];
    if notification.targets.len() > 1 {
        blocks.push(section(&format!("*Targets:* {}", escaped(&notification.targets.join(", ")))));
    }
    for document in notification.alerts.iter().take(MOST_ALERTS) {
        blocks.push(section(&details(document, notification.alerts.len() > 1)));
    }
    if let Some(more) = notification.alerts.len().checked_sub(MOST_ALERTS).filter(|n| *n > 0) {
        blocks.push(section(&format!("... and {more} more")));
    }
    json!({ "text": cut(&head), "blocks": blocks })
}

fn details(document: &AlertDocument, titled: bool) -> String {
    let alert = &document.alert;
    let mut lines = Vec::new();
    if titled {
        let over = if document.status == AlertState::Resolved { " (resolved)" } else { "" };
        lines.push(format!("*{}*{over}: {}", escaped(&alert.key.target), escaped(&alert.title)));
    }
    let mut add = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|v| !v.is_empty()) {
            lines.push(format!("*{name}:* {value}"));
        }
    };
    let code = |text: &String| format!("`{}`", escaped(text).replace('`', "'"));
    add("Target", (!titled).then(|| escaped(&alert.key.target)));
    add("Found", alert.finding.as_deref().map(escaped));
    add("Where", alert.site.as_ref().or(alert.culprit.as_ref()).map(code));
    add("Holder", alert.container.as_ref().map(code));
    if document.status == AlertState::Firing {
        add("Time left", alert.seconds_left.map(|s| format!("{:.0} s ({:.0} to {:.0} s)", s.p50, s.p10, s.p90)));
        add("Used", alert.usage.zip(alert.limit).map(|(usage, limit)| format!("{usage} of {limit}")));
        add("To do", Some(escaped(&alert.advice)));
    }
    add("Evidence", alert.bundle.as_ref().map(code));
    let labels: Vec<String> = alert.labels.iter().map(|(k, v)| format!("{}={}", escaped(k), escaped(v))).collect();
    add("Labels", (!labels.is_empty()).then(|| labels.join(" ")));
    lines.join("\n")
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": cut(text) } })
}

fn cut(text: &str) -> String {
    text.chars().take(MOST_TEXT).collect()
}

/// The three characters that mean something in mrkdwn's links and entities.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::super::types::{ALERT_SCHEMA, tests::alert};
    use super::*;

    #[test]
    fn says_what_where_how_long_and_what_to_do_within_bounds() {
        let docs = |n: usize| {
            (0..n)
                .map(|i| {
                    let mut a = alert(&format!("web-{i}"), "r", Some("main.put"), WatchLevel::Critical);
                    a.title = format!("<!channel> {}", "x".repeat(4000));
                    a.bundle = Some("/var/lib/oomph/b`1`.oomph".into());
                    let schema = ALERT_SCHEMA.into();
                    AlertDocument { schema, status: AlertState::Firing, peak: a.level, resolved_at: None, alert: a }
                })
                .collect::<Vec<_>>()
        };
        let one = message(&Notification::of(docs(1), false).unwrap());
        let text = one["blocks"][1]["text"]["text"].as_str().unwrap();
        for part in ["main.put cache.go:41", "40 s (30 to 62 s)", "400.0 MiB of 512.0 MiB", "Bound the map", "b'1'"] {
            assert!(text.contains(part), "{part} is not in {text}");
        }
        assert!(one["text"].as_str().unwrap().starts_with("*CRITICAL:* &lt;!channel&gt;"));
        let many = message(&Notification::of(docs(40), true).unwrap());
        let blocks = many["blocks"].as_array().unwrap();
        assert_eq!(blocks.len(), 13);
        assert!(blocks.iter().all(|b| b["text"]["text"].as_str().unwrap().chars().count() <= 3000));
        assert_eq!(blocks[12]["text"]["text"], "... and 30 more");
    }
}
