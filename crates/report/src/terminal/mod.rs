//! Owns the terminal form: the verdict first, then what carries it, in the columns there are.
//! Refuses to measure the terminal or read the environment: width, colour and depth are arguments.

mod finding;
mod ledger;
mod page;
mod tail;
mod watched;

use crate::{clean, fmt};
use model::{Report, Severity, Verdict};
use page::{Page, Style};

pub(crate) use finding::{location, role, short_function};
pub(crate) use ledger::{equation, term};
pub(crate) use tail::outcome;

/// How [`terminal`] prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalOptions {
    /// Columns; no line is wider. Values below 40 count as 40, above 200 as 200.
    pub width: usize,
    /// Whether ANSI colours are used. Nothing is said by colour alone.
    pub colour: bool,
    /// Whether weights, artifacts, recipes, notes, checks and low findings are printed in full.
    pub verbose: bool,
}

impl Default for TerminalOptions {
    fn default() -> Self {
        Self { width: 80, colour: false, verbose: false }
    }
}

/// The report for a terminal. Ends with a newline; control characters from outside are shown, not sent.
#[must_use]
pub fn terminal(report: &Report, o: &TerminalOptions) -> String {
    let mut p = Page::new(o.width.clamp(40, 200), o.colour);
    headline(&mut p, report);
    let full = |f: &&model::Finding| o.verbose || f.severity <= Severity::Medium;
    let mut shown = 0;
    for (i, f) in report.findings.iter().enumerate().filter(|(_, f)| full(f)) {
        let repeats = i == 0 && same(&f.title, &report.summary);
        let lead = i == 0 && report.verdict != Verdict::Healthy;
        finding::full(&mut p, f, &finding::How { number: i + 1, lead, title: !repeats, verbose: o.verbose });
        shown += 1;
    }
    if shown < report.findings.len() {
        p.blank();
        for f in report.findings.iter().filter(|f| !full(f)) {
            finding::one_line(&mut p, f);
        }
    }
    if let Some(w) = &report.watched {
        watched::print(&mut p, w);
    }
    if let Some(l) = &report.ledger {
        ledger::print(&mut p, l, o.verbose);
    }
    tail::print(&mut p, report, o.verbose);
    p.finish()
}

/// Findings alone, without colour: those above low in full, the others in one line each; all in full with `verbose`.
pub(crate) fn findings(list: &[model::Finding], verbose: bool, width: usize) -> String {
    let mut p = Page::new(width.clamp(40, 200), false);
    let full = |f: &model::Finding| verbose || f.severity <= Severity::Medium;
    for (i, f) in list.iter().enumerate().filter(|(_, f)| full(f)) {
        finding::full(&mut p, f, &finding::How { number: i + 1, lead: false, title: true, verbose });
    }
    p.blank();
    list.iter().filter(|f| !full(f)).for_each(|f| finding::one_line(&mut p, f));
    p.finish()
}

/// Whether two sentences say the same, the full stop aside.
fn same(a: &str, b: &str) -> bool {
    let bare = |s: &str| s.trim().trim_end_matches('.').to_owned();
    bare(a) == bare(b)
}

fn headline(p: &mut Page, report: &Report) {
    let style = match report.verdict {
        Verdict::Leak => Style::Bad,
        Verdict::Risk | Verdict::Churn => Style::Warn,
        Verdict::Healthy => Style::Good,
        Verdict::InsufficientEvidence => Style::Strong,
    };
    let word = fmt::verdict(report.verdict);
    let lead =
        report.findings.first().filter(|_| !matches!(report.verdict, Verdict::Healthy | Verdict::InsufficientEvidence));
    match lead {
        Some(f) => {
            let left = format!("{word}, {}", fmt::confidence(f.confidence));
            p.two_sided(&left, word.len(), style, &clean::line(&f.rule));
        }
        None => p.two_sided(word, word.len(), style, ""),
    }
    p.paragraph(2, &report.summary);
    p.dim_paragraph(2, &target(report));
    if let Some(end) = report.watched.as_ref().and_then(crate::watched::sentence) {
        p.paragraph(2, &end);
    }
}

/// `http://localhost:6060, go1.26.6, pid 4242, 6 samples over 42 min`.
fn target(report: &Report) -> String {
    let t = &report.target;
    let mut parts = vec![t.name.clone()];
    parts.extend(t.program.clone().filter(|p| *p != t.name));
    parts.extend(t.go_version.clone());
    if t.kind != "pid" || t.name != t.pid.map(|p| p.to_string()).unwrap_or_default() {
        parts.extend(t.pid.map(|p| format!("pid\u{a0}{p}")));
    }
    let samples = format!("{}\u{a0}sample{}", t.samples, if t.samples == 1 { "" } else { "s" });
    parts.push(match (t.first_sample, t.last_sample) {
        (Some(a), Some(b)) if b > a => format!("{samples} over {}", fmt::duration(b.seconds_since(a))),
        _ => samples,
    });
    parts.retain(|p| !p.is_empty());
    parts.join(", ")
}
