//! Owns the RSS ledger on a terminal: one equation whose printed terms add up to the printed sum,
//! and, when verbose, a table with shares and notes.

use super::page::{Page, Style};
use crate::{fmt, wrap};
use model::{Bytes, Ledger, LedgerTerm};

/// Short name of a term.
pub(crate) const fn term(t: LedgerTerm) -> &'static str {
    match t {
        LedgerTerm::LiveHeap => "live heap",
        LedgerTerm::Garbage => "garbage",
        LedgerTerm::Fragmentation => "fragmentation",
        LedgerTerm::IdleHeap => "idle heap",
        LedgerTerm::GoroutineStacks => "stacks",
        LedgerTerm::UndividedHeap => "Go heap, undivided",
        LedgerTerm::RuntimeMetadata => "runtime",
        LedgerTerm::Binary => "binary",
        LedgerTerm::Libraries => "libraries",
        LedgerTerm::MappedFiles => "mapped files",
        LedgerTerm::NonGo => "non-Go",
        LedgerTerm::Unexplained => "unexplained",
    }
}

/// The unit of the equation: its size, name and decimals.
const fn unit(rss: Bytes) -> (f64, &'static str, usize) {
    match rss.0 {
        n if n >= 1 << 30 => ((1u64 << 30) as f64, "GiB", 2),
        n if n >= 1 << 20 => ((1u64 << 20) as f64, "MiB", 1),
        _ => ((1u64 << 10) as f64, "KiB", 1),
    }
}

/// The sum and each row as printed text in one unit, rounded by the largest remainder so that what
/// is printed adds up wherever the rows do.
pub(crate) fn equation(l: &Ledger) -> (String, Vec<(LedgerTerm, String)>) {
    let (size, name, decimals) = unit(l.rss);
    let steps = 10f64.powi(decimals as i32);
    let exact = |b: Bytes| b.0 as f64 / size * steps;
    let whole = exact(l.rss).round();
    let mut parts: Vec<f64> = l.rows.iter().map(|r| exact(r.bytes).floor()).collect();
    let sum: Bytes = l.rows.iter().map(|r| r.bytes).sum();
    if sum == l.rss {
        let missing = (whole - parts.iter().sum::<f64>()).max(0.0) as usize;
        let mut order: Vec<usize> = (0..parts.len()).collect();
        let rest = |i: usize| exact(l.rows[i].bytes).fract();
        order.sort_by(|a, b| rest(*b).total_cmp(&rest(*a)));
        for i in order.into_iter().take(missing) {
            parts[i] += 1.0;
        }
    } else {
        parts = l.rows.iter().map(|r| exact(r.bytes).round()).collect();
    }
    let text = |steps_of: f64| format!("{:.*}", decimals, steps_of / steps);
    let rows = l.rows.iter().zip(&parts).map(|(r, p)| (r.term, text(*p))).collect();
    (format!("{} {name}", text(whole)), rows)
}

/// Prints the equation and, when verbose, the table.
pub(super) fn print(p: &mut Page, l: &Ledger, verbose: bool) {
    p.blank();
    let (sum, rows) = equation(l);
    let mut text = format!("RSS\u{a0}{}", wrap::glued(&sum));
    let zero = |s: &str| s.chars().all(|c| c == '0' || c == '.');
    let shown = rows.iter().filter(|(t, s)| *t == LedgerTerm::Unexplained || !zero(s));
    for (i, (t, s)) in shown.enumerate() {
        text.push_str(if i == 0 { " =\u{a0}" } else { " +\u{a0}" });
        text.push_str(&wrap::glued(&format!("{} {s}", term(*t))));
    }
    let room = p.width();
    for (i, line) in wrap::wrap(&text, room, room - 4).iter().enumerate() {
        p.line(if i == 0 { 0 } else { 4 }, line, Style::Plain);
    }
    if verbose {
        table(p, l);
    }
}

fn table(p: &mut Page, l: &Ledger) {
    for r in &l.rows {
        let share = if r.bytes.0 == 0 { "0 %".to_owned() } else { fmt::percent(r.bytes.share_of(l.rss)) };
        let size = r.bytes.to_string();
        let head = format!("{} {size:>11} {share:>8}", wrap::pad(term(r.term), 13));
        p.line(2, &head, Style::Strong);
        if !r.note.is_empty() {
            p.dim_paragraph(6, &r.note);
        }
    }
    if !l.rss_source.is_empty() {
        p.dim_paragraph(2, &format!("RSS read from {}", l.rss_source));
    }
}
