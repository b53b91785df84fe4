//! A generic web service: POSTs `oomph.notification/1`, or what the user's template makes of it, signed where a
//! key is set. A template that fails costs nobody the alert: the plain document is sent, and the error told.

use super::super::config::WebhookConfig;
use super::super::http::SendError;
use super::super::mailbox::Sender;
use super::super::signature::{SIGNATURE_HEADER, sign};
use super::super::template;
use super::super::types::Notification;
use super::{Lazy, json_header};
use std::io::Read;
use std::sync::Arc;

/// Most bytes of a file with a template.
const MOST_TEMPLATE: u64 = 256 << 10;

pub(super) struct Webhook {
    config: WebhookConfig,
    client: Lazy,
}

impl Webhook {
    pub(super) fn new(config: WebhookConfig) -> Self {
        Self { config, client: Lazy::default() }
    }

    /// The template, if there is one; files are read anew each time.
    fn template(&self) -> Result<Option<String>, String> {
        let Some(path) = &self.config.template_file else { return Ok(self.config.template.clone()) };
        let mut text = String::new();
        std::fs::File::open(path)
            .and_then(|f| f.take(MOST_TEMPLATE).read_to_string(&mut text))
            .map_err(|e| format!("template-file: cannot read {}: {e}", path.display()))?;
        Ok(Some(text))
    }

    /// What the user's template makes of it; `None` without one.
    fn rendered(&self, notification: &Notification) -> Result<Option<String>, String> {
        let Some(template) = self.template()? else { return Ok(None) };
        let body = template::render(&template, notification)?;
        if self.config.content_type.contains("json")
            && let Err(e) = serde_json::from_str::<serde::de::IgnoredAny>(&body)
        {
            return Err(format!("template: what it makes is no JSON: {e}"));
        }
        Ok(Some(body))
    }

    fn deliver(&mut self, notification: &Notification) -> Result<(), SendError> {
        let (body, problem) = match self.rendered(notification) {
            Ok(body) => (body, None),
            Err(e) => (None, Some(e)),
        };
        let mut headers: Vec<(String, String)> =
            self.config.headers.iter().map(|(n, v)| (n.clone(), v.clone())).collect();
        let body = match body {
            Some(body) => {
                headers.push(("Content-Type".to_owned(), self.config.content_type.clone()));
                body.into_bytes()
            }
            None => {
                headers.push(json_header());
                if let Some(problem) = &problem {
                    let line: String = problem.chars().map(|c| if c.is_ascii_graphic() { c } else { ' ' }).collect();
                    headers.push(("X-Oomph-Template-Error".to_owned(), line.chars().take(500).collect()));
                }
                serde_json::to_vec(notification).map_err(|e| SendError::Refused(e.to_string()))?
            }
        };
        if let Some(key) = self.config.secret().read().map_err(SendError::Again)? {
            let seconds = bundle::now().0.div_euclid(1000);
            headers.push((SIGNATURE_HEADER.to_owned(), sign(key.reveal().as_bytes(), seconds, &body)));
        }
        let client = self.client.get(self.config.timeout.0, self.config.ca_file.as_deref())?;
        client.post(self.config.url(), self.config.authorization(), "", &headers, &body)
    }
}

impl Sender for Webhook {
    fn send(&mut self, notifications: &[Arc<Notification>]) -> Result<(), SendError> {
        notifications.iter().try_for_each(|n| self.deliver(n))
    }
}
