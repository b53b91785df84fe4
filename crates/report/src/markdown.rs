//! Owns the GitHub-flavoured Markdown form, made to be pasted into an issue or pull request. Refuses
//! to let text from outside act as markup: names stand in code spans, prose is escaped.

use crate::terminal::{location, outcome, role, term};
use crate::{clean, fmt, hints};
use model::{Evidence, Finding, Ledger, Report, Watched, format_iec};
use std::fmt::Write as _;

/// GitHub takes 65,536 characters in a comment: bytes the findings may take, and each other section.
const FINDINGS: usize = 36_000;
const OTHER: usize = 5_000;
/// Longest name and sentence, in characters.
const NAME: usize = 300;
const SENTENCE: usize = 1_000;

/// Appends items while they fit in `budget` bytes; returns how many were left out.
fn fill<T>(out: &mut String, items: &[T], budget: usize, mut render: impl FnMut(&mut String, &T)) -> usize {
    let limit = out.len() + budget;
    for (i, item) in items.iter().enumerate() {
        let before = out.len();
        render(out, item);
        if out.len() > limit {
            out.truncate(before);
            return items.len() - i;
        }
    }
    0
}

fn cut(out: &mut String, left: usize, what: &str) {
    if left > 0 {
        let _ = writeln!(out, "\n*{left} more {what} would not fit; the JSON form has them all.*");
    }
}

/// The report as GitHub-flavoured Markdown, short enough for a comment. What does not fit is left
/// out and counted.
#[must_use]
pub fn markdown(report: &Report) -> String {
    let mut out = String::new();
    headline(&mut out, report);
    let mut i = 0;
    let left = fill(&mut out, &report.findings, FINDINGS, |out, f| {
        i += 1;
        finding(out, i, f);
    });
    cut(&mut out, left, "findings");
    if let Some(w) = &report.watched {
        watched(&mut out, w);
    }
    if let Some(l) = &report.ledger {
        ledger(&mut out, l);
    }
    checked(&mut out, report);
    if !report.limits.is_empty() {
        out.push_str("\n### Not seen\n\n");
        let left = fill(&mut out, &report.limits, OTHER, |out, l| {
            let _ = writeln!(out, "- {}", text(l));
        });
        cut(&mut out, left, "limits");
    }
    next(&mut out, report);
    let _ = writeln!(out, "\n<sub>oomph {}, {}</sub>", text(&report.oomph), text(&report.schema));
    out
}

/// Prose from outside, with everything that Markdown or GitHub would act on escaped.
pub(crate) fn text(s: &str) -> String {
    let s = clean::head(s.trim(), SENTENCE);
    let s = clean::line(&s);
    let mut out = String::with_capacity(s.len() + 8);
    let mut before = ' ';
    let mut chars = s.chars().peekable();
    while let Some(c) = chars.next() {
        let next = chars.peek().copied().unwrap_or(' ');
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => {
                out.push('\\');
                out.push(c);
            }
            // GitHub looks for mentions and references in the rendered text: an empty comment parts them.
            '@' | '#' if !before.is_alphanumeric() && next.is_alphanumeric() => {
                out.push(c);
                out.push_str("<!-- -->");
            }
            // Automatic links.
            ':' if next == '/' => out.push_str("\\:"),
            '.' if out.as_bytes().last_chunk().is_some_and(|w: &[u8; 3]| w.eq_ignore_ascii_case(b"www")) => {
                out.push_str("\\.");
            }
            // A list, heading or rule at the start of a line.
            '#' | '+' | '-' | '=' if out.is_empty() => {
                out.push('\\');
                out.push(c);
            }
            '.' | ')'
                if !out.is_empty() && out.len() < 10 && out.chars().all(|c| c.is_ascii_digit()) && next == ' ' =>
            {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
        before = c;
    }
    out
}

/// A name as a code span, with a fence longer than any run of backticks inside.
pub(crate) fn code(s: &str) -> String {
    let s = clean::tail(s, NAME);
    let s = clean::line(&s);
    if s.trim().is_empty() {
        return String::new();
    }
    let (mut run, mut longest) = (0, 0);
    for c in s.chars() {
        run = if c == '`' { run + 1 } else { 0 };
        longest = longest.max(run);
    }
    let fence = "`".repeat(longest + 1);
    let pad = if s.starts_with('`') || s.ends_with('`') { " " } else { "" };
    format!("{fence}{pad}{s}{pad}{fence}")
}

/// A code span inside a table cell, where GitHub splits at `|` even inside code.
fn cell_code(s: &str) -> String {
    code(s).replace('|', "\\|")
}

fn headline(out: &mut String, r: &Report) {
    let word = fmt::verdict(r.verdict);
    match r.findings.first().filter(|_| r.verdict != model::Verdict::Healthy) {
        Some(f) => {
            let _ = writeln!(out, "## {word}, {}: {}\n", fmt::confidence(f.confidence), code(&f.rule));
        }
        None => {
            let _ = writeln!(out, "## {word}\n");
        }
    }
    let _ = writeln!(out, "{}\n", text(&r.summary));
    let t = &r.target;
    let mut parts = vec![code(&t.name)];
    parts.extend(t.program.as_deref().filter(|p| *p != t.name).map(code));
    parts.extend(t.go_version.as_deref().map(text));
    parts.extend(t.pid.map(|p| format!("pid {p}")));
    parts.push(format!("{} samples", t.samples));
    if let (Some(a), Some(b)) = (t.first_sample, t.last_sample) {
        parts.push(format!("{} to {} ({})", fmt::instant(a), fmt::instant(b), fmt::duration(b.seconds_since(a))));
    }
    parts.retain(|p| !p.is_empty());
    let _ = writeln!(out, "{}", parts.join(", "));
}

fn finding(out: &mut String, number: usize, f: &Finding) {
    let _ = writeln!(out, "\n### {number}. {}\n", text(&f.title));
    let _ = writeln!(out, "**{}**, {}, {}\n", f.severity.as_str(), fmt::confidence(f.confidence), code(&f.rule));
    let mut what: Vec<String> = Vec::new();
    what.extend(f.subject.type_.as_deref().map(code));
    what.extend(f.subject.mechanism.map(|m| text(m.phrase())));
    what.extend(fmt::size_phrases(f).iter().map(|p| text(p)));
    if !what.is_empty() {
        let _ = writeln!(out, "- **What:** {}", what.join("; "));
    }
    if !f.subject.holder.is_empty() {
        let path: Vec<String> = f.subject.holder.iter().map(|h| code(h)).collect();
        let _ = writeln!(out, "- **Held by:** {}", path.join(" → "));
    }
    if let Some(fc) = &f.forecast {
        let _ =
            writeln!(out, "- **Limit:** {} reached in {}", format_iec(fc.limit_bytes as f64), text(&fmt::forecast(fc)));
    }
    if !f.sites.is_empty() {
        out.push_str("\n| | function | line |\n|---|---|---|\n");
        for s in &f.sites {
            let _ = writeln!(out, "| {} | {} | {} |", role(s.role), cell_code(&s.function), cell_code(&location(s)));
        }
    }
    if !f.chain.is_empty() {
        out.push_str("\nWhat led to what:\n\n");
        for (i, step) in f.chain.iter().enumerate() {
            let _ = writeln!(out, "{}. {}: {}", i + 1, fmt::moment(step), text(&step.event));
        }
    }
    evidence(out, &f.evidence);
    fix(out, f);
}

fn evidence(out: &mut String, list: &[Evidence]) {
    if list.is_empty() {
        return;
    }
    let mut list: Vec<&Evidence> = list.iter().collect();
    list.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    out.push_str("\n| weight | evidence | artifact |\n|---:|---|---|\n");
    for e in list {
        let _ = writeln!(out, "| {:+.1} | {} | {} |", e.weight, text(&e.statement), cell_code(&e.artifact));
    }
}

fn fix(out: &mut String, f: &Finding) {
    if f.fix.summary.is_empty() {
        return;
    }
    let saving =
        f.fix.expected_saving_bytes.map(|b| format!(" Would save {}.", format_iec(b as f64))).unwrap_or_default();
    let _ = writeln!(out, "\n**Fix:** {}{saving}", text(&f.fix.summary));
    if !f.fix.recipe.trim().is_empty() {
        let _ = writeln!(out, "\n<details><summary>How</summary>\n\n{}\n\n</details>", recipe(&f.fix.recipe));
    }
}

/// A recipe is Markdown of ours into which names may have been set: raw HTML outside code is made
/// inert and fences are closed.
fn recipe(s: &str) -> String {
    let mut out = String::new();
    let mut fence: Option<String> = None;
    for l in clean::block(s.trim()).lines() {
        let start = l.trim_start();
        let mark: String = start.chars().take_while(|c| *c == '`').collect();
        match &fence {
            Some(open) if mark.len() >= open.len() && start[mark.len()..].trim().is_empty() => fence = None,
            Some(_) => {}
            None if mark.len() >= 3 && !start[mark.len()..].contains('`') => fence = Some(mark),
            None => {
                out.push_str(&l.replace('<', "&lt;"));
                out.push('\n');
                continue;
            }
        }
        out.push_str(l);
        out.push('\n');
    }
    if let Some(open) = fence {
        out.push_str(&open);
    }
    out.trim_end().to_owned()
}

fn ledger(out: &mut String, l: &Ledger) {
    let _ = writeln!(out, "\n### RSS {}\n\n| part | bytes | share | how found |\n|---|---:|---:|---|", l.rss);
    let left = fill(out, &l.rows, OTHER, |out, r| {
        let share = fmt::percent(r.bytes.share_of(l.rss));
        let _ = writeln!(out, "| {} | {} | {} | {} |", term(r.term), r.bytes, text(&share), text(&r.note));
    });
    cut(out, left, "rows");
}

fn watched(out: &mut String, w: &Watched) {
    let _ = writeln!(out, "\n### As watched\n");
    if let Some(end) = crate::watched::sentence(w) {
        let _ = writeln!(out, "{}\n", text(&end));
    }
    let _ = writeln!(out, "| {} |\n|---:|---|---:|---:|---:|---:|---:|---:|", crate::watched::COLUMNS.join(" | "));
    let left = fill(out, &w.moments, OTHER, |out, m| {
        let _ = writeln!(out, "| {} |", crate::watched::cells(w, m).join(" | "));
    });
    cut(out, left, "moments");
}

fn checked(out: &mut String, r: &Report) {
    if r.checked.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n<details><summary>Checked: {} rules</summary>\n", r.checked.len());
    out.push_str("| rule | outcome | what was measured |\n|---|---|---|\n");
    let left = fill(out, &r.checked, OTHER, |out, c| {
        let _ = writeln!(out, "| {} | {} | {} |", cell_code(&c.rule), outcome(c.outcome), text(&c.detail));
    });
    cut(out, left, "checks");
    out.push_str("\n</details>\n");
}

fn next(out: &mut String, r: &Report) {
    out.push_str("\n### Next\n\n```sh\n");
    for h in hints::next(r) {
        let _ = writeln!(out, "{}  # {}", clean::head(&h.command().replace("```", "TARGET"), SENTENCE), h.why);
    }
    out.push_str("```\n");
}
