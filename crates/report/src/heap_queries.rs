//! Owns the text form of answers to questions about a heap: what holds an object or a type, what would be free
//! without some of it, the roots by kind. Rows come as they are.

use crate::heap::cut;
use crate::wrap::wrap;
use crate::{clean, fmt};
use model::{
    Bytes, HeapHead, HeapHolders, HeapObject, HeapPath, HeapPathStep, HeapRetained, HeapRoots, HeapType,
    HeapTypeHolders,
};
use std::fmt::Write as _;

/// Narrowest and widest that tables are laid out for.
pub(crate) const WIDTHS: (usize, usize) = (60, 200);

/// What holds an object or the objects of a type, for a terminal of `width` columns. Ends with a newline.
#[must_use]
pub fn heap_holders(h: &HeapHolders, width: usize) -> String {
    let width = width.clamp(WIDTHS.0, WIDTHS.1);
    let mut out = String::new();
    head(&mut out, &h.head);
    if let Some(object) = &h.object {
        of_object(&mut out, object, width);
    }
    if let Some(types) = &h.of_type {
        of_types(&mut out, types, width);
    }
    limits(&mut out, &h.head.limits, width);
    out
}

/// What would be free without what a pattern means, for a terminal of `width` columns. Ends with a newline.
#[must_use]
pub fn heap_retained(r: &HeapRetained, width: usize) -> String {
    let width = width.clamp(WIDTHS.0, WIDTHS.1);
    let mut out = String::new();
    head(&mut out, &r.head);
    let _ = writeln!(out, "\n{} means", cut(&r.pattern, width - 8));
    for m in &r.matched {
        let objects = if m.objects == 0 {
            String::new()
        } else {
            format!(" of {} objects, {}", fmt::count(m.objects), Bytes(m.bytes))
        };
        let more = if m.names.len() as u64 == m.distinct { "" } else { ", ..." };
        let what = match (m.what.as_str(), m.count) {
            ("types", 1) => "type",
            ("types", _) => "types",
            ("globals", 1) => "word of variables",
            ("globals", _) => "words of variables",
            ("goroutines", 1) => "goroutine",
            (what, _) => what,
        };
        let what = format!("{} {what}{objects}: {}{more}", fmt::count(m.count), m.names.join(", "));
        let _ = writeln!(out, "  {}", cut(&what, width - 2));
    }
    let _ = writeln!(
        out,
        "Without them {} ({}) in {} objects would be free",
        Bytes(r.retained_bytes),
        fmt::percent(share(r.retained_bytes, r.head.heap_bytes)),
        fmt::count(r.retained_objects)
    );
    freed(&mut out, &r.freed, width);
    limits(&mut out, &r.head.limits, width);
    out
}

/// What was read, and how.
pub(crate) fn head(out: &mut String, h: &HeapHead) {
    let pause = h.pause_ms.map_or_else(String::new, |ms| format!(", it stood still for {ms:.1} ms"));
    let _ = writeln!(out, "{}, {}, read from {}{pause}", clean::line(&h.target), clean::line(&h.go_version), h.source);
}

/// What could not be read.
pub(crate) fn limits(out: &mut String, limits: &[String], width: usize) {
    if !limits.is_empty() {
        out.push_str("\nNot seen\n");
    }
    for limit in limits {
        for (i, line) in wrap(&clean::line(limit), width - 2, width - 4).iter().enumerate() {
            let _ = writeln!(out, "{}{line}", if i == 0 { "  " } else { "    " });
        }
    }
}

pub(crate) fn share(part: u64, of: u64) -> f64 {
    if of == 0 { 0.0 } else { part as f64 / of as f64 }
}

fn of_object(out: &mut String, o: &HeapObject, width: usize) {
    let place = match (o.field.is_empty(), o.offset) {
        (false, _) => format!("{} of", o.field),
        (true, 0) => String::new(),
        (true, offset) => format!("byte {offset} of"),
    };
    let space = if place.is_empty() { "" } else { " " };
    let what = format!("{} is {place}{space}{} at {}", o.asked, o.type_name, o.address);
    let _ = writeln!(out, "\n{}", cut(&what, width));
    if !o.reachable {
        let _ = writeln!(out, "{}; no root reaches it: the next collection frees it", Bytes(o.bytes));
        return;
    }
    let _ = writeln!(out, "{}; it retains {}", Bytes(o.bytes), Bytes(o.retained_bytes));
    out.push_str("\n   retained       bytes  Shortest way from a root\n");
    path(out, &o.shortest, width);
    out.push_str("\n   retained       bytes  What every way passes; each retains what follows\n");
    path(out, &o.dominators, width);
}

fn path(out: &mut String, p: &HeapPath, width: usize) {
    for (i, s) in p.steps.iter().enumerate() {
        if p.omitted > 0 && i as u64 == p.resumes_at {
            let _ = writeln!(out, "{:25}... {} more ...", "", fmt::count(p.omitted));
        }
        let bytes = if s.bytes == 0 { "-".to_owned() } else { Bytes(s.bytes).to_string() };
        let via = if i == 0 { String::new() } else { format!("{}-> ", spaced(&s.via)) };
        let address = if s.address.is_empty() { String::new() } else { format!("  {}", s.address) };
        let room = width.saturating_sub(25 + address.len()).max(20);
        let _ = writeln!(
            out,
            "{:>11} {bytes:>11}  {}{address}",
            Bytes(s.retained_bytes).to_string(),
            cut(&format!("{via}{}", s.type_name), room)
        );
    }
}

fn spaced(via: &str) -> String {
    if via.is_empty() { String::new() } else { format!("{via} ") }
}

fn of_types(out: &mut String, t: &HeapTypeHolders, width: usize) {
    let names: Vec<&str> = t.types.iter().map(|t| t.name.as_str()).take(3).collect();
    let more = if t.types.len() > names.len() { ", ..." } else { "" };
    let _ = writeln!(out, "\n{}", cut(&format!("{}{more}", names.join(", ")), width));
    let _ = writeln!(
        out,
        "{} objects, {}; without them {} would be free",
        fmt::count(t.objects),
        Bytes(t.bytes),
        Bytes(t.retained_bytes)
    );
    if t.unreachable > 0 {
        let _ = writeln!(out, "{} of them are garbage: no root reaches them", fmt::count(t.unreachable));
    }
    let _ = writeln!(out, "\n{:>11} {:>11}  Held by (shortest way from a root)", "bytes", "objects");
    for h in &t.holders {
        let _ = writeln!(
            out,
            "{:>11} {:>11}  {}",
            Bytes(h.bytes).to_string(),
            fmt::count(h.objects),
            cut(&h.holder, width - 26)
        );
        let _ = writeln!(out, "{:25}{}", "", cut(&way(&h.path), width - 26));
    }
    if t.more_holders > 0 {
        let _ = writeln!(out, "{:25}and {} more ways (-n)", "", fmt::count(t.more_holders));
    }
}

/// `main.server -> main.Server .sessions.byKey -> map[string]*main.session`; the parts of a map as one.
fn way(path: &[HeapPathStep]) -> String {
    let mut text = String::new();
    let mut shown: Option<&str> = None;
    for step in path {
        let is_part = step.via.is_empty() && shown.is_some_and(|s| step.type_name.starts_with(s));
        if is_part {
            continue;
        }
        if shown.is_some() {
            let _ = write!(text, " {}-> ", spaced(&step.via));
        }
        text.push_str(&step.type_name);
        shown = Some(&step.type_name);
    }
    text
}

fn freed(out: &mut String, types: &[HeapType], width: usize) {
    if types.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{:>11} {:>11}  Of these", "bytes", "objects");
    for t in types {
        let row = (Bytes(t.bytes).to_string(), fmt::count(t.objects));
        let _ = writeln!(out, "{:>11} {:>11}  {}", row.0, row.1, cut(&t.name, width - 26));
    }
}

/// The roots by kind.
pub(crate) fn roots(out: &mut String, kinds: &[HeapRoots], total: u64, width: usize) {
    if kinds.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{:>11} {:>6} {:>11}  Roots", "retained", "", "count");
    for k in kinds.iter().filter(|k| k.count > 0) {
        let what = match k.kind.as_str() {
            "global" => "words of variables",
            "goroutine" => "goroutines",
            "finalizer" => "finalizers",
            "cleanup" => "cleanups",
            "weak" => "weak handles",
            "shared" => "objects held by several roots",
            other => other,
        };
        let part = fmt::percent(share(k.retained_bytes, total));
        let row = (Bytes(k.retained_bytes).to_string(), fmt::count(k.count));
        let _ = writeln!(out, "{:>11} {part:>6} {:>11}  {}", row.0, row.1, clean::line(what));
        for r in &k.largest {
            let row = (Bytes(r.retained_bytes).to_string(), fmt::count(r.count));
            let _ = writeln!(out, "{:>11} {:>6} {:>11}    {}", row.0, "", row.1, cut(&r.name, width - 35));
        }
    }
}
