//! Owns the HTML form: one self-contained file that works offline, asks for nothing, and stays below
//! 2 MB whatever it is given (the timeline of a trace: as much as its slices take). Refuses external resources and markup from outside: every string is
//! escaped, recipes pass through a Markdown renderer that knows no raw HTML and no links.
//!
//! Sections have byte budgets; what does not fit is left out and the cut is stated. Flame graphs get
//! what is left and raise their fold threshold until they fit.

mod chart;
mod finding;
mod flames;
mod heap;
mod ledger;
mod recipe;
mod tail;
mod trace;
mod watched;

use crate::{Flame, clean, fmt};
pub use heap::heap_html;
use model::{HeapOverview, Report, Verdict};
use std::fmt::Write as _;
pub use trace::timeline_html;

/// No file is larger, in bytes.
const MAX_FILE: usize = 1_950_000;
/// Longest name (function, file, type, artifact) shown, in characters.
const NAME: usize = 400;
/// Longest sentence shown, in characters.
const SENTENCE: usize = 800;

const STYLE: &str = include_str!("style.css");
/// What all scripts use.
const COMMON: &str = include_str!("common.js");
const FLAME: &str = include_str!("flame.js");
const CSP: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; \
                   base-uri 'none'; form-action 'none'";

/// The report as one HTML file below 2 MB. `flames` become tabs of one interactive flame graph, in
/// the order given; without JavaScript they remain as tables of functions. `heap` is the object graph
/// of the same program, where it was read: its views follow the findings.
#[must_use]
pub fn html(report: &Report, flames: &[Flame], heap: Option<&HeapOverview>) -> String {
    let mut main = String::new();
    finding::section(&mut main, report);
    if let Some(w) = &report.watched {
        watched::section(&mut main, w);
    }
    if let Some(l) = &report.ledger {
        ledger::section(&mut main, l);
    }
    chart::section(&mut main, report);
    let mut scripts = Scripts::default();
    if let Some(heap) = heap {
        scripts.heap = heap::embedded(&mut main, heap);
    }
    let mut end = String::new();
    tail::sections(&mut end, report);
    let head = head(report, heap.is_some());
    let fixed = head.len() + main.len() + end.len() + scripts.len() + FLAME.len() + 2_000;
    let flames = flames::section(flames, MAX_FILE.saturating_sub(fixed));
    scripts.flames = flames.data;
    let mut out = head;
    out.push_str("<main id=\"main\">\n");
    out.push_str(&main);
    out.push_str(&flames.markup);
    out.push_str(&end);
    out.push_str("</main>\n");
    finish(&mut out, &report.oomph, &report.schema, &scripts);
    out
}

/// Data of the scripts of a page, as JSON; a script without data is left out.
#[derive(Default)]
struct Scripts {
    flames: Option<String>,
    heap: Option<String>,
    timeline: Option<String>,
}

impl Scripts {
    /// Bytes that the data takes, and the script of a heap.
    fn len(&self) -> usize {
        let of = |data: &Option<String>| data.as_ref().map_or(0, String::len);
        COMMON.len() + heap::SCRIPT.len() + of(&self.flames) + of(&self.heap)
    }
}

/// All up to the body's first element.
fn start(title: &str, style: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"{CSP}\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n"
    )
}

/// The footer, the scripts, and the end of the page.
fn finish(out: &mut String, oomph: &str, schema: &str, scripts: &Scripts) {
    let _ = writeln!(
        out,
        "<footer><p>Made by oomph {}, schema <code>{}</code>. This file is complete: it loads nothing.</p></footer>",
        name(oomph),
        name(schema)
    );
    let all = [
        ("flame-data", &scripts.flames, FLAME),
        ("heap-data", &scripts.heap, heap::SCRIPT),
        ("timeline-data", &scripts.timeline, trace::SCRIPT),
    ];
    let mut code = String::new();
    for (id, data, script) in all {
        if let Some(data) = data {
            let _ = writeln!(out, "<script type=\"application/json\" id=\"{id}\">{data}</script>");
            code.push_str(script);
        }
    }
    if !code.is_empty() {
        let _ = writeln!(out, "<script>{COMMON}{code}</script>");
    }
    out.push_str("</body>\n</html>\n");
}

/// A name, escaped and capped.
fn name(s: &str) -> String {
    clean::html_capped(&clean::line(s), NAME)
}

/// A sentence, escaped and capped.
fn sentence(s: &str) -> String {
    clean::html(&clean::head(&clean::line(s.trim()), SENTENCE))
}

/// A sentence with names that may break anywhere and quantities that do not.
fn heading(out: &mut String, id: &str, text: &str) {
    let _ = writeln!(out, "<section aria-labelledby=\"h-{id}\" id=\"{id}\"><h2 id=\"h-{id}\">{text}</h2>");
}

/// Appends items while they fit in `budget` bytes; returns how many were left out.
fn fill<T>(out: &mut String, items: &[T], budget: usize, mut render: impl FnMut(usize, &T) -> String) -> usize {
    let limit = out.len() + budget;
    let mut left = 0;
    for (i, item) in items.iter().enumerate() {
        let text = if left == 0 { render(i, item) } else { String::new() };
        if left > 0 || out.len() + text.len() > limit {
            left += 1;
        } else {
            out.push_str(&text);
        }
    }
    left
}

/// A line that states a cut; empty when nothing was cut.
fn cut(left: usize, what: &str) -> String {
    if left == 0 {
        return String::new();
    }
    format!("<p class=\"cut\">{} more {what} would not fit; the JSON form has them all.</p>\n", fmt::count(left as u64))
}

const fn verdict_class(v: Verdict) -> &'static str {
    match v {
        Verdict::Leak => "bad",
        Verdict::Risk | Verdict::Churn => "warn",
        Verdict::Healthy => "good",
        Verdict::InsufficientEvidence => "none",
    }
}

fn head(r: &Report, heap: bool) -> String {
    let word = fmt::verdict(r.verdict);
    let title = format!("{word}: {} (oomph)", name(&r.target.name));
    let mut out = start(&title, if heap { heap::STYLE } else { "" });
    out.push_str("<a class=\"skip\" href=\"#main\">Skip to the findings</a>\n");
    let _ = writeln!(out, "<header class=\"verdict {}\">", verdict_class(r.verdict));
    let lead = r.findings.first().filter(|_| !matches!(r.verdict, Verdict::Healthy | Verdict::InsufficientEvidence));
    let sure = lead.map(|f| format!(" <span class=\"sure\">{}</span>", fmt::confidence(f.confidence)));
    let _ = writeln!(out, "<p class=\"word\">{word}{}</p>", sure.unwrap_or_default());
    let _ = writeln!(out, "<h1>{}</h1>", sentence(&r.summary));
    facts(&mut out, r);
    out.push_str("</header>\n");
    out
}

fn facts(out: &mut String, r: &Report) {
    let t = &r.target;
    let mut rows: Vec<(&str, String)> = vec![("Target", format!("<code>{}</code>", name(&t.name)))];
    rows.extend(
        t.program.as_deref().filter(|p| *p != t.name).map(|p| ("Program", format!("<code>{}</code>", name(p)))),
    );
    rows.extend(t.pid.map(|p| ("Process", p.to_string())));
    rows.extend(t.go_version.as_deref().map(|v| ("Go", name(v))));
    let samples = match (t.first_sample, t.last_sample) {
        (Some(a), Some(b)) if b > a => {
            format!(
                "{} over {}, {} to {}",
                t.samples,
                fmt::duration(b.seconds_since(a)),
                fmt::instant(a),
                fmt::instant(b)
            )
        }
        (Some(a), _) => format!("{}, {}", t.samples, fmt::instant(a)),
        _ => t.samples.to_string(),
    };
    rows.push(("Samples", samples));
    definitions(out, &rows);
}

/// Names with what they stand for, side by side; the latter is markup.
fn definitions(out: &mut String, rows: &[(&str, String)]) {
    out.push_str("<dl class=\"facts\">");
    for (k, v) in rows {
        let _ = write!(out, "<div><dt>{k}</dt><dd>{v}</dd></div>");
    }
    out.push_str("</dl>\n");
}
