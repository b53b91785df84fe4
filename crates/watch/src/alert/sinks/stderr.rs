//! Alerts as JSON lines (`oomph.alert/1`) on standard error. A reader that does not read holds up only this
//! sink's thread.

use super::super::http::SendError;
use super::super::mailbox::Sender;
use super::super::types::Notification;
use std::io::Write;
use std::sync::Arc;

pub(super) struct Stderr;

impl Sender for Stderr {
    fn send(&mut self, notifications: &[Arc<Notification>]) -> Result<(), SendError> {
        let mut text = String::new();
        for document in notifications.iter().flat_map(|n| &n.alerts) {
            text += &serde_json::to_string(document).map_err(|e| SendError::Refused(e.to_string()))?;
            text.push('\n');
        }
        let written = std::io::stderr().lock().write_all(text.as_bytes());
        written.map_err(|e| SendError::Again(format!("standard error: {e}")))
    }
}
