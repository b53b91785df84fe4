//! Owns the RSS ledger of the page: a stacked bar and the table it stands for.

use super::{fill, heading, sentence};
use crate::fmt;
use crate::terminal::{equation, term};
use model::{Ledger, LedgerTerm};
use std::fmt::Write as _;

/// Bytes the rows may take.
const BUDGET: usize = 60_000;

/// Class of a term's colour.
const fn class(t: LedgerTerm) -> &'static str {
    match t {
        LedgerTerm::LiveHeap => "t-live",
        LedgerTerm::Garbage => "t-garbage",
        LedgerTerm::Fragmentation => "t-frag",
        LedgerTerm::IdleHeap => "t-idle",
        LedgerTerm::GoroutineStacks => "t-stacks",
        LedgerTerm::UndividedHeap => "t-heap",
        LedgerTerm::RuntimeMetadata => "t-runtime",
        LedgerTerm::Binary => "t-binary",
        LedgerTerm::Libraries => "t-libs",
        LedgerTerm::MappedFiles => "t-files",
        LedgerTerm::NonGo => "t-nongo",
        LedgerTerm::Unexplained => "t-unexplained",
    }
}

pub(super) fn section(out: &mut String, l: &Ledger) {
    heading(out, "ledger", &format!("Where the resident memory is: {}", l.rss));
    out.push_str("<div class=\"stack\" aria-hidden=\"true\">");
    for r in l.rows.iter().filter(|r| r.bytes.0 > 0).take(32) {
        let share = (r.bytes.share_of(l.rss) * 100.0).clamp(0.0, 100.0);
        let label = if share >= 9.0 { term(r.term) } else { "" };
        let _ = write!(
            out,
            "<div class=\"{}\" style=\"flex:{share:.3} 1 0\" title=\"{} {}\"><span>{label}</span></div>",
            class(r.term),
            term(r.term),
            r.bytes
        );
    }
    out.push_str("</div>\n<div class=\"scroll\"><table class=\"ledger\"><thead><tr><th scope=\"col\">Part</th><th scope=\"col\" class=\"n\">Size</th><th scope=\"col\" class=\"n\">Share</th><th scope=\"col\">How it was found</th></tr></thead><tbody>");
    let left = fill(out, &l.rows, BUDGET, |_, r| {
        format!(
            "<tr><th scope=\"row\"><i class=\"swatch {}\"></i>{}</th><td class=\"n\">{}</td><td class=\"n\">{}</td><td>{}</td></tr>",
            class(r.term),
            term(r.term),
            r.bytes,
            super::clean::html(&fmt::percent(r.bytes.share_of(l.rss))),
            sentence(&r.note)
        )
    });
    let _ = writeln!(
        out,
        "</tbody><tfoot><tr><th scope=\"row\">RSS</th><td class=\"n\">{}</td><td></td><td>{}</td></tr></tfoot></table></div>",
        l.rss,
        if l.rss_source.is_empty() {
            String::new()
        } else {
            format!("read from <code>{}</code>", super::name(&l.rss_source))
        }
    );
    out.push_str(&super::cut(left, "rows"));
    let (sum, parts) = equation(l);
    let parts: Vec<String> = parts.iter().take(32).map(|(t, s)| format!("<span>{} {s}</span>", term(*t))).collect();
    let _ = writeln!(out, "<p class=\"equation\">RSS {sum} = {}</p></section>", parts.join(" + "));
}
