//! Owns one finding on a terminal: title, subject, evidence for and against, lines of code, fix.

use super::page::{Page, Style};
use crate::{clean, fmt, wrap};
use model::{Evidence, Finding, Frame, RootKind, Severity, SiteRef, SiteRole};
use std::borrow::Cow;

/// Statements shown for and against unless verbose.
const SHOWN: usize = 4;
/// Sites shown unless verbose.
const SITES: usize = 3;

/// How a finding is printed.
pub(super) struct How {
    /// Its place in the report, from 1.
    pub(super) number: usize,
    /// Whether the headline above already names its confidence and rule.
    pub(super) lead: bool,
    /// Whether the title is printed: not when the summary above said the same.
    pub(super) title: bool,
    /// Whether everything is printed.
    pub(super) verbose: bool,
}

/// A finding in full.
pub(super) fn full(p: &mut Page, f: &Finding, how: &How) {
    p.blank();
    if !how.lead {
        let word = f.severity.as_str().to_uppercase();
        let left = format!("{}. {word}, {}", how.number, fmt::confidence(f.confidence));
        p.two_sided(
            &left,
            how.number.to_string().len() + 2 + word.len(),
            severity_style(f.severity),
            &clean::line(&f.rule),
        );
    }
    if how.title {
        p.paragraph(2, &f.title);
    }
    subject(p, f);
    evidence(p, "why", &positive(f), how.verbose);
    for (i, step) in f.chain.iter().enumerate() {
        p.field(if i == 0 { "chain" } else { "" }, &format!("{}: {}", fmt::moment(step), clean::line(&step.event)));
    }
    if !f.subject.holder.is_empty() {
        p.field("held", &holder(f));
    }
    sites(p, &f.sites, how.verbose);
    if !f.fix.summary.is_empty() {
        p.field("fix", &fix(f));
    }
    if how.verbose && !f.fix.recipe.trim().is_empty() {
        p.preformatted(11, &f.fix.recipe);
    }
    evidence(p, "against", &negative(f), how.verbose);
    if how.verbose {
        evidence(p, "note", &f.evidence.iter().filter(|e| e.weight == 0.0).collect::<Vec<_>>(), true);
    }
    if let Some(fc) = &f.forecast {
        p.field(
            "limit",
            &format!("{} reached in {}", wrap::glued(&model::format_iec(fc.limit_bytes as f64)), fmt::forecast(fc)),
        );
    }
}

/// A finding on one line: `low       title`.
pub(super) fn one_line(p: &mut Page, f: &Finding) {
    let title = clean::line(&f.title);
    p.items(f.severity.as_str(), [title]);
}

const fn severity_style(s: Severity) -> Style {
    match s {
        Severity::Critical | Severity::High => Style::Bad,
        Severity::Medium => Style::Warn,
        Severity::Low | Severity::Info => Style::Strong,
    }
}

fn subject(p: &mut Page, f: &Finding) {
    let mut parts = Vec::new();
    let s = &f.subject;
    match (&s.type_, s.mechanism) {
        (Some(t), Some(m)) => parts.push(format!("{} ({m})", clean::line(t))),
        (Some(t), None) => parts.push(clean::line(t).into_owned()),
        (None, Some(m)) => parts.push(m.to_string()),
        (None, None) => {}
    }
    parts.extend(fmt::size_phrases(f));
    parts.extend(s.address.as_ref().map(|a| format!("at {}", clean::line(a))));
    if !parts.is_empty() {
        p.field("what", &parts.join("; "));
    }
}

/// `session.store (global) -> byID -> *Session`.
pub(super) fn holder(f: &Finding) -> String {
    let root = f.subject.root.map(|r| match r {
        RootKind::Global => "global",
        RootKind::Goroutine => "goroutine stack",
        RootKind::Finalizer => "finalizer",
        _ => "root",
    });
    let mut out = String::new();
    for (i, h) in f.subject.holder.iter().enumerate() {
        if i > 0 {
            out.push_str(" ->\u{a0}");
        }
        out.push_str(&clean::line(h));
        if let (0, Some(r)) = (i, root) {
            out.push_str(&format!(" ({r})"));
        }
    }
    out
}

fn positive(f: &Finding) -> Vec<&Evidence> {
    let mut out: Vec<&Evidence> = f.evidence.iter().filter(|e| e.weight > 0.0).collect();
    out.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    out
}

fn negative(f: &Finding) -> Vec<&Evidence> {
    let mut out: Vec<&Evidence> = f.evidence.iter().filter(|e| e.weight < 0.0).collect();
    out.sort_by(|a, b| a.weight.total_cmp(&b.weight));
    out
}

fn evidence(p: &mut Page, label: &str, list: &[&Evidence], verbose: bool) {
    let show = if verbose { list.len() } else { SHOWN };
    let more = list.len().saturating_sub(show);
    let line = |e: &Evidence| -> String {
        if verbose {
            format!("{:+.1}\u{a0} {} [{}]", e.weight, e.statement.trim(), wrap::glued(&e.artifact))
        } else {
            e.statement.trim().to_owned()
        }
    };
    let tail = (more > 0).then(|| format!("and {more} more (--verbose)"));
    p.items(label, list.iter().take(show).map(|e| line(e)).chain(tail).map(Cow::Owned));
}

fn fix(f: &Finding) -> String {
    let mut out = f.fix.summary.trim().trim_end_matches('.').to_owned();
    if let Some(b) = f.fix.expected_saving_bytes {
        out.push_str(&format!("; would save {}", wrap::glued(&model::format_iec(b as f64))));
    }
    out
}

/// What a site does, as a verb.
pub(crate) const fn role(r: SiteRole) -> &'static str {
    match r {
        SiteRole::Allocates => "allocates",
        SiteRole::Inserts => "inserts",
        SiteRole::Blocks => "blocks",
        SiteRole::Declares => "declares",
        SiteRole::Creates => "starts",
        SiteRole::Runs => "runs",
        SiteRole::Pays => "pays",
        SiteRole::Calls => "calls",
    }
}

/// `store.go:88`, or the whole path; `(file not recorded)` without a file.
pub(crate) fn location(s: &SiteRef) -> String {
    match (s.file.is_empty(), s.line) {
        (true, _) => "(file not recorded)".to_owned(),
        (false, 0) => s.file.clone(),
        (false, line) => format!("{}:{line}", s.file),
    }
}

/// A function without the directories of its import path.
pub(crate) fn short_function(name: &str) -> String {
    Frame { function: name.to_owned(), ..Frame::default() }.short_function().to_owned()
}

fn sites(p: &mut Page, sites: &[SiteRef], verbose: bool) {
    let show = if verbose { sites.len() } else { SITES };
    let mut label = "where";
    for s in sites.iter().take(show) {
        let line = site_line(s, p.field_width());
        p.labelled(std::mem::take(&mut label), &line);
    }
    if sites.len() > show {
        p.labelled(label, &format!("and {} more (--verbose)", sites.len() - show));
    }
}

/// `inserts    session.(*Store).Put  …/session/store.go:88` in at most `room` columns. The location
/// gives way first, then the function, both on the left.
fn site_line(s: &SiteRef, room: usize) -> String {
    let function = clean::line(&short_function(&s.function)).into_owned();
    let place = clean::line(&location(s)).into_owned();
    let rest = room.saturating_sub(11 + 2);
    let (fw, pw) = (wrap::width(&function), wrap::width(&place));
    let place_room = rest.saturating_sub(fw).max(pw.min(rest * 9 / 20));
    let place = wrap::elide_left(&place, place_room);
    let function = wrap::elide_left(&function, rest.saturating_sub(wrap::width(&place)));
    format!("{}{function}  {place}", wrap::pad(role(s.role), 11))
}
