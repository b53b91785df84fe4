//! Owns the findings of the page: title, numbers, evidence with weight bars, lines of code, recipe.

use super::{cut, fill, heading, name, recipe, sentence};
use crate::fmt;
use crate::terminal::{location, role};
use model::{Evidence, Finding, Report, RootKind, Severity, SiteRef, format_iec};
use std::fmt::Write as _;

/// Bytes the findings may take.
const BUDGET: usize = 700_000;
/// Evidence, sites and holders shown of one finding.
const LIST: usize = 40;

pub(super) fn section(out: &mut String, r: &Report) {
    heading(out, "findings", "Findings");
    if r.findings.is_empty() {
        out.push_str("<p>None.</p>\n");
    }
    let left = fill(out, &r.findings, BUDGET, finding);
    out.push_str(&cut(left, "findings"));
    out.push_str("</section>\n");
}

/// What the rules make of one instant of a heap.
pub(super) fn suspects(out: &mut String, list: &[Finding], budget: usize) {
    if list.is_empty() {
        return;
    }
    heading(out, "heap-suspects", "Suspects");
    let left = fill(out, list, budget, finding);
    out.push_str(&cut(left, "suspects"));
    out.push_str("</section>\n");
}

const fn class(s: Severity) -> &'static str {
    match s {
        Severity::Critical | Severity::High => "bad",
        Severity::Medium => "warn",
        Severity::Low | Severity::Info => "none",
    }
}

fn finding(i: usize, f: &Finding) -> String {
    let mut out = String::new();
    let open = f.severity <= Severity::Medium;
    let _ = writeln!(
        out,
        "<article class=\"finding {}\"><details{}><summary><span class=\"sev\">{}</span> <span class=\"sure\">{}</span> \
         <code class=\"rule\">{}</code><h3><span class=\"num\">{}.</span> {}</h3></summary>",
        class(f.severity),
        if open { " open" } else { "" },
        f.severity.as_str(),
        fmt::confidence(f.confidence),
        name(&f.rule),
        i + 1,
        sentence(&f.title)
    );
    numbers(&mut out, f);
    sites(&mut out, &f.sites);
    fix(&mut out, f);
    chain(&mut out, f);
    evidence(&mut out, f);
    out.push_str("</details></article>\n");
    out
}

fn numbers(out: &mut String, f: &Finding) {
    let mut rows: Vec<(&str, String)> = Vec::new();
    let s = &f.subject;
    rows.extend(s.type_.as_deref().map(|t| ("Type", format!("<code>{}</code>", name(t)))));
    rows.extend(s.mechanism.map(|m| ("Mechanism", name(m.phrase()))));
    let phrases = fmt::size_phrases(f);
    if !phrases.is_empty() {
        rows.push(("Size", sentence(&phrases.join("; "))));
    }
    if !s.holder.is_empty() {
        rows.push(("Held by", holder(f)));
    }
    rows.extend(s.address.as_deref().map(|a| ("Address", format!("<code>{}</code>", name(a)))));
    if let Some(fc) = &f.forecast {
        rows.push(("Limit", format!("{} reached in {}", format_iec(fc.limit_bytes as f64), fmt::forecast(fc))));
    }
    if rows.is_empty() {
        return;
    }
    out.push_str("<dl class=\"rows\">");
    for (k, v) in rows {
        let _ = write!(out, "<dt>{k}</dt><dd>{v}</dd>");
    }
    out.push_str("</dl>\n");
}

fn holder(f: &Finding) -> String {
    let mut parts: Vec<String> =
        f.subject.holder.iter().take(LIST).map(|h| format!("<code>{}</code>", name(h))).collect();
    if let (Some(first), Some(root)) = (parts.first_mut(), f.subject.root) {
        first.push_str(match root {
            RootKind::Global => " (global)",
            RootKind::Goroutine => " (goroutine stack)",
            RootKind::Finalizer => " (finalizer)",
            _ => " (root)",
        });
    }
    parts.join(" &rarr; ")
}

fn sites(out: &mut String, list: &[SiteRef]) {
    if list.is_empty() {
        return;
    }
    out.push_str("<h4>Where</h4><div class=\"scroll\"><table class=\"sites\"><thead><tr><th scope=\"col\">Role</th><th scope=\"col\">Line</th><th scope=\"col\">Function</th></tr></thead><tbody>");
    for s in list.iter().take(LIST) {
        let place = location(s);
        let (dir, file) = place.rsplit_once('/').map_or(("", place.as_str()), |(d, f)| (d, f));
        let dir = if dir.is_empty() { String::new() } else { format!("<span class=\"dir\">{}/</span>", name(dir)) };
        let _ = write!(
            out,
            "<tr><td>{}</td><td><code>{dir}<b>{}</b></code></td><td><code>{}</code></td></tr>",
            role(s.role),
            name(file),
            name(&s.function)
        );
    }
    out.push_str("</tbody></table></div>\n");
    out.push_str(&cut(list.len().saturating_sub(LIST), "lines"));
}

/// What led to what, in time order.
fn chain(out: &mut String, f: &Finding) {
    if f.chain.is_empty() {
        return;
    }
    out.push_str("<h4>What led to what</h4><ol class=\"chain\">");
    for step in f.chain.iter().take(LIST) {
        let _ = write!(out, "<li><b>{}</b>: {}</li>", fmt::moment(step), sentence(&step.event));
    }
    out.push_str("</ol>\n");
    out.push_str(&cut(f.chain.len().saturating_sub(LIST), "steps"));
}

fn fix(out: &mut String, f: &Finding) {
    if f.fix.summary.is_empty() && f.fix.recipe.trim().is_empty() {
        return;
    }
    let saving = f
        .fix
        .expected_saving_bytes
        .map(|b| format!(" <span class=\"save\">would save {}</span>", format_iec(b as f64)));
    let _ = writeln!(out, "<h4>Fix</h4><p>{}{}</p>", sentence(&f.fix.summary), saving.unwrap_or_default());
    if !f.fix.recipe.trim().is_empty() {
        let _ = writeln!(out, "<div class=\"recipe\">{}</div>", recipe::render(&f.fix.recipe));
    }
}

fn evidence(out: &mut String, f: &Finding) {
    if f.evidence.is_empty() {
        return;
    }
    let mut list: Vec<&Evidence> = f.evidence.iter().collect();
    list.sort_by(|a, b| b.weight.total_cmp(&a.weight));
    let most = list.iter().map(|e| e.weight.abs()).filter(|w| w.is_finite()).fold(1.0, f64::max);
    out.push_str("<h4>Evidence</h4><div class=\"scroll\"><table class=\"evidence\"><thead><tr><th scope=\"col\">Weight</th><th scope=\"col\"><span class=\"hide\">Bar</span></th><th scope=\"col\">Statement</th><th scope=\"col\">Artifact</th></tr></thead><tbody>");
    for e in list.iter().take(LIST) {
        let share = if e.weight.is_finite() { (e.weight.abs() / most * 50.0).clamp(0.0, 50.0) } else { 0.0 };
        let (side, left) = if e.weight < 0.0 { ("against", 50.0 - share) } else { ("for", 50.0) };
        let _ = write!(
            out,
            "<tr><td class=\"n\">{:+.1}</td><td class=\"bar\" aria-hidden=\"true\"><i class=\"{side}\" style=\"left:{left:.1}%;width:{share:.1}%\"></i></td><td>{}</td><td><code>{}</code></td></tr>",
            e.weight,
            sentence(&e.statement),
            name(&e.artifact)
        );
    }
    let sum: f64 = list.iter().map(|e| e.weight).sum();
    let _ = writeln!(
        out,
        "</tbody><tfoot><tr><td class=\"n\">{sum:+.1}</td><td></td><td colspan=\"2\">sum of the weights (log-odds): confidence {}</td></tr></tfoot></table></div>",
        fmt::confidence_number(f.confidence)
    );
    out.push_str(&cut(list.len().saturating_sub(LIST), "pieces of evidence"));
}
