//! Owns the text form of what changed from one heap to another. Rows come as they are.

use crate::fmt;
use crate::heap::{cut, name};
use crate::heap_queries::{WIDTHS, head, limits};
use model::{Bytes, HeapDiff, HeapGrowth, format_iec_signed};
use std::fmt::Write as _;

/// What changed, for a terminal of `width` columns. Ends with a newline.
#[must_use]
pub fn heap_diff(d: &HeapDiff, width: usize) -> String {
    let width = width.clamp(WIDTHS.0, WIDTHS.1);
    let mut out = String::new();
    head(&mut out, &d.before);
    head(&mut out, &d.after);
    let apart = d.seconds.map_or_else(String::new, |s| format!(" in {}", fmt::duration(s)));
    let (a, b) = (d.before.heap_bytes, d.after.heap_bytes);
    let growth = format_iec_signed(b as f64 - a as f64);
    let _ = writeln!(out, "{} -> {}: {growth}{apart}", Bytes(a), Bytes(b));
    holders(&mut out, &d.holders, width);
    containers(&mut out, &d.containers, width);
    types(&mut out, &d.types, width);
    if d.holders.is_empty() && d.containers.is_empty() && d.types.is_empty() {
        out.push_str("\nNothing changed.\n");
    }
    limits(&mut out, &d.limits, width);
    out
}

fn signed(n: i64) -> String {
    let sign = match n {
        0 => "",
        n if n > 0 => "+",
        _ => "-",
    };
    format!("{sign}{}", fmt::count(n.unsigned_abs()))
}

fn holders(out: &mut String, rows: &[HeapGrowth], width: usize) {
    if rows.is_empty() {
        return;
    }
    let _ =
        writeln!(out, "\n{:>11} {:>11} {:>11} {:>11}  Where it accumulates", "growth", "before", "after", "objects");
    for r in rows {
        numbers(out, r);
        name(out, &r.of.holder, 49, width);
        if r.of.type_name != r.of.holder {
            let _ = writeln!(out, "{:15}{}", "", cut(&r.of.type_name, width - 16));
        }
    }
}

/// Bytes and objects of a row.
fn numbers(out: &mut String, r: &HeapGrowth) {
    let _ = write!(
        out,
        "{:>11} {:>11} {:>11} {:>11}  ",
        format_iec_signed(r.bytes() as f64),
        Bytes(r.before.bytes).to_string(),
        Bytes(r.after.bytes).to_string(),
        signed(r.count()),
    );
}

fn containers(out: &mut String, rows: &[HeapGrowth], width: usize) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{:>11} {:>11} {:>11} {:>11}  Containers", "retained", "entries", "before", "after");
    for r in rows {
        let one = if r.of.address.is_empty() { String::new() } else { format!(" at {}", r.of.address) };
        let count = match (r.before.count, r.after.count) {
            (1, 1) => String::new(),
            (a, b) => format!(" ({} -> {} of them)", fmt::count(a), fmt::count(b)),
        };
        let _ = write!(
            out,
            "{:>11} {:>11} {:>11} {:>11}  ",
            format_iec_signed(r.bytes() as f64),
            signed(r.entries()),
            fmt::count(r.before.entries),
            fmt::count(r.after.entries),
        );
        let what = format!("{} {}{one}{count}", r.of.kind, r.of.type_name);
        if r.of.holder.is_empty() {
            name(out, &what, 49, width);
        } else {
            name(out, &r.of.holder, 49, width);
            let _ = writeln!(out, "{:15}{}", "", cut(&what, width - 16));
        }
    }
}

fn types(out: &mut String, rows: &[HeapGrowth], width: usize) {
    if rows.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{:>11} {:>11} {:>11} {:>11}  Types", "growth", "before", "after", "objects");
    for r in rows {
        numbers(out, r);
        name(out, &r.of.type_name, 49, width);
    }
}
