//! Owns the HTML form (first version).

use crate::Flame;
use model::Report;

/// stub
#[must_use]
pub fn html(report: &Report, flames: &[Flame]) -> String {
    let _ = flames;
    let text = crate::terminal(report, &crate::TerminalOptions::default());
    let lines: Vec<String> = text.lines().map(crate::clean::html).collect();
    format!("<!doctype html><meta charset=utf-8><title>oomph</title><pre>{}</pre>", lines.join("\n"))
}
