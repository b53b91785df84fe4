//! Owns the last sections of the page: checks, what was not seen, artifacts, next commands.

use super::{cut, fill, heading, name, sentence};
use crate::terminal::outcome;
use crate::{clean, fmt, hints};
use model::{Outcome, Report};
use std::fmt::Write as _;

/// Bytes each section may take.
const BUDGET: usize = 100_000;

pub(super) fn sections(out: &mut String, r: &Report) {
    checked(out, r);
    limits(out, r);
    artifacts(out, r);
    next(out, r);
}

const fn mark(o: Outcome) -> (&'static str, &'static str) {
    match o {
        Outcome::Found => ("bad", "!"),
        Outcome::Clear => ("good", "✓"),
        Outcome::NoEvidence => ("none", "?"),
    }
}

fn checked(out: &mut String, r: &Report) {
    if r.checked.is_empty() {
        return;
    }
    heading(out, "checked", "What was checked");
    out.push_str("<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Rule</th><th scope=\"col\">Outcome</th><th scope=\"col\">What was measured</th></tr></thead><tbody>");
    let left = fill(out, &r.checked, BUDGET, |_, c| {
        let (class, sign) = mark(c.outcome);
        format!(
            "<tr><th scope=\"row\"><code>{}</code></th><td class=\"outcome {class}\"><b aria-hidden=\"true\">{sign}</b> {}</td><td>{}</td></tr>",
            name(&c.rule),
            outcome(c.outcome),
            sentence(&c.detail)
        )
    });
    out.push_str("</tbody></table></div>\n");
    out.push_str(&cut(left, "checks"));
    out.push_str("</section>\n");
}

fn limits(out: &mut String, r: &Report) {
    if r.limits.is_empty() {
        return;
    }
    heading(out, "limits", "What was not seen");
    out.push_str("<ul>");
    let left = fill(out, &r.limits, BUDGET / 2, |_, l| format!("<li>{}</li>", sentence(l)));
    out.push_str("</ul>\n");
    out.push_str(&cut(left, "limits"));
    out.push_str("</section>\n");
}

fn artifacts(out: &mut String, r: &Report) {
    if r.evidence.is_empty() {
        return;
    }
    heading(out, "artifacts", "Artifacts this rests on");
    out.push_str("<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Artifact</th><th scope=\"col\">Kind</th><th scope=\"col\" class=\"n\">Size</th><th scope=\"col\">Taken</th></tr></thead><tbody>");
    let left = fill(out, &r.evidence, BUDGET, |_, a| {
        format!(
            "<tr><th scope=\"row\"><code>{}</code></th><td>{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            name(&a.path),
            name(&a.kind),
            a.bytes,
            fmt::instant(a.taken_at)
        )
    });
    out.push_str("</tbody></table></div>\n");
    out.push_str(&cut(left, "artifacts"));
    out.push_str("</section>\n");
}

fn next(out: &mut String, r: &Report) {
    heading(out, "next", "Next");
    out.push_str("<pre><code>");
    for h in hints::next(r) {
        let command = clean::head(&h.command(), 2_000).into_owned();
        let _ = writeln!(out, "{}  # {}", clean::html(&command), h.why);
    }
    out.push_str("</code></pre></section>\n");
}
