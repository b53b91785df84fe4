//! Owns what follows the findings on a terminal: the checks a "healthy" rests on, what could not be
//! read, and the commands to run next.

use super::page::{Page, Style};
use crate::{clean, hints, wrap};
use model::{Outcome, Report, Verdict};
use std::borrow::Cow;

/// Limits shown unless verbose.
const LIMITS: usize = 3;

pub(super) fn print(p: &mut Page, r: &Report, verbose: bool) {
    let all = verbose || matches!(r.verdict, Verdict::Healthy | Verdict::InsufficientEvidence);
    checked(p, r, all);
    limits(p, r, verbose);
    next(p, r);
}

/// The word for an outcome.
pub(crate) const fn outcome(o: Outcome) -> &'static str {
    match o {
        Outcome::Found => "found",
        Outcome::Clear => "clear",
        Outcome::NoEvidence => "no evidence",
    }
}

fn checked(p: &mut Page, r: &Report, all: bool) {
    if r.checked.is_empty() {
        return;
    }
    p.blank();
    let n = |o: Outcome| r.checked.iter().filter(|c| c.outcome == o).count();
    let blind = n(Outcome::NoEvidence);
    let mut head =
        format!("Checked {} rules: {} found, {} clear", r.checked.len(), n(Outcome::Found), n(Outcome::Clear));
    if blind > 0 {
        head.push_str(&format!(", {blind} without evidence"));
    }
    if !all {
        head.push_str(" (--verbose lists them)");
    }
    p.paragraph(0, &head);
    if all {
        for c in &r.checked {
            check(p, c.outcome, &c.rule, &c.detail);
        }
    }
}

/// `  clear        goroutine-leak: 14 goroutines, steady`.
fn check(p: &mut Page, o: Outcome, rule: &str, detail: &str) {
    let word = wrap::pad(outcome(o), 13);
    let room = p.width() - 2 - 13;
    let text = format!("{}: {}", clean::line(rule), clean::line(detail));
    for (i, l) in wrap::wrap(&text, room, room - 2).iter().enumerate() {
        let lead = if i == 0 { word.clone() } else { " ".repeat(15) };
        p.line(2, &format!("{lead}{l}"), Style::Plain);
    }
}

fn limits(p: &mut Page, r: &Report, verbose: bool) {
    if r.limits.is_empty() {
        return;
    }
    p.blank();
    let show = if verbose { r.limits.len() } else { LIMITS };
    p.paragraph(0, "Not seen:");
    for l in r.limits.iter().take(show) {
        let room = p.width() - 4;
        for (i, line) in wrap::wrap(&clean::line(l), room, room).iter().enumerate() {
            p.line(2, &format!("{} {line}", if i == 0 { "-" } else { " " }), Style::Plain);
        }
    }
    if r.limits.len() > show {
        p.line(2, &format!("- and {} more (--verbose)", r.limits.len() - show), Style::Plain);
    }
}

fn next(p: &mut Page, r: &Report) {
    p.blank();
    let mut label = "next";
    for h in hints::next(r) {
        for line in command_lines(&h, p.field_width()) {
            p.labelled(std::mem::take(&mut label), &line);
        }
    }
}

/// A command with its reason as a shell comment where both fit; long commands continue with `\`.
fn command_lines(h: &hints::Hint, room: usize) -> Vec<String> {
    let command = h.command();
    let with_reason = format!("{command}  # {}", h.why);
    if wrap::width(&with_reason) <= room {
        return vec![with_reason];
    }
    if wrap::width(&command) <= room {
        return vec![command];
    }
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for w in &h.words {
        // A word that no line can hold stands as a placeholder: half a word would be a wrong command.
        let w: Cow<'_, str> = if wrap::width(w) + 4 > room { "TARGET".into() } else { w.as_str().into() };
        if !line.is_empty() && wrap::width(&line) + 1 + wrap::width(&w) + 2 > room {
            lines.push(format!("{line} \\"));
            line = "  ".to_owned();
        } else if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&w);
    }
    lines.push(line);
    lines
}
