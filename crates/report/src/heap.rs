//! Owns the text form of a heap overview: what holds the memory first, then types, maps, goroutines, and
//! how much of the heap was understood. Refuses to choose what is shown: rows come as they are.

use crate::{clean, fmt};
use model::{Bytes, HeapOverview, HeapStep};
use std::fmt::Write as _;

/// The overview for a terminal of `width` columns. Ends with a newline.
#[must_use]
pub fn heap_overview(o: &HeapOverview, width: usize) -> String {
    let mut out = String::new();
    let width = width.clamp(60, 200);
    head(&mut out, o);
    holders(&mut out, o, width);
    maps(&mut out, o, width);
    types(&mut out, o, width);
    goroutines(&mut out, o, width);
    if !o.limits.is_empty() {
        out.push_str("\nNot seen\n");
        for limit in &o.limits {
            let _ = writeln!(out, "  {}", clean::line(limit));
        }
    }
    out
}

fn head(out: &mut String, o: &HeapOverview) {
    let c = &o.coverage;
    let pause = o.pause_ms.map_or_else(String::new, |ms| format!(", it stood still for {ms:.1} ms"));
    let _ = writeln!(out, "{}, {}, read from {}{pause}", clean::line(&o.target), clean::line(&o.go_version), o.source);
    let share = |part: u64, of: u64| if of == 0 { 0.0 } else { part as f64 / of as f64 };
    let _ = writeln!(
        out,
        "{} in {} objects, {} of the bytes typed; unreachable {}, unswept {}, stacks {}",
        Bytes(c.bytes),
        fmt::count(c.objects),
        fmt::percent(share(c.typed_bytes, c.bytes)),
        Bytes(c.unreachable_bytes),
        Bytes(c.unswept_bytes),
        Bytes(c.stack_bytes),
    );
    if c.layout_assumed {
        out.push_str("this Go release is newer than the layouts known: the nearest one was used and checked\n");
    }
}

fn holders(out: &mut String, o: &HeapOverview, width: usize) {
    if o.holders.is_empty() {
        return;
    }
    out.push_str("\nWhat holds the memory\n");
    for h in &o.holders {
        let share = h.retained_bytes as f64 / o.coverage.bytes.max(1) as f64;
        let _ = writeln!(
            out,
            "{:>11} {:>6}  {}",
            Bytes(h.retained_bytes).to_string(),
            fmt::percent(share),
            cut(&h.name, width - 21)
        );
        let way = way(&h.path);
        if !way.is_empty() {
            let _ = writeln!(out, "{:20}{}", "", cut(&way, width - 21));
        }
    }
}

/// `*main.App .cache -> map[string]*main.User [value] -> ...`.
fn way(path: &[HeapStep]) -> String {
    let mut text = String::new();
    for (i, step) in path.iter().enumerate() {
        if i > 0 {
            let _ = write!(text, " {}-> ", if step.via.is_empty() { String::new() } else { format!("{} ", step.via) });
        }
        text.push_str(&step.type_name);
    }
    text
}

fn maps(out: &mut String, o: &HeapOverview, width: usize) {
    if o.maps.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{:>11} {:>11} {:>11} {:>11}  Maps", "retained", "entries", "slots", "ghost");
    for m in &o.maps {
        let _ = writeln!(
            out,
            "{:>11} {:>11} {:>11} {:>11}  {}",
            Bytes(m.retained_bytes).to_string(),
            fmt::count(m.entries),
            fmt::count(m.slots),
            Bytes(m.ghost_bytes).to_string(),
            cut(&m.type_name, width.saturating_sub(50).max(20))
        );
        let way = way(&m.holder);
        let _ = writeln!(out, "{:15}{}", "", cut(&way, width - 16));
    }
}

fn types(out: &mut String, o: &HeapOverview, width: usize) {
    if o.types.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{:>11} {:>11} {:>11}  Types", "bytes", "objects", "retained");
    for t in &o.types {
        let retained = if t.retained_bytes == 0 { "-".to_owned() } else { Bytes(t.retained_bytes).to_string() };
        let _ = writeln!(
            out,
            "{:>11} {:>11} {:>11}  {}",
            Bytes(t.bytes).to_string(),
            fmt::count(t.objects),
            retained,
            cut(&t.name, width - 38)
        );
    }
}

fn goroutines(out: &mut String, o: &HeapOverview, width: usize) {
    if o.goroutines.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{:>11} {:>11} {:>11}  Goroutines", "count", "stacks", "retained");
    for g in &o.goroutines {
        let _ = writeln!(
            out,
            "{:>11} {:>11} {:>11}  {}",
            fmt::count(g.count),
            Bytes(g.stack_bytes).to_string(),
            Bytes(g.retained_bytes).to_string(),
            cut(&format!("{}, {}", g.function, g.state), width - 38)
        );
    }
}

/// One line of at most `width` characters, the middle left out.
fn cut(text: &str, width: usize) -> String {
    let text = clean::line(text);
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= width || width < 8 {
        return text.into_owned();
    }
    let tail = width * 2 / 3;
    let head = width - tail - 1;
    chars[..head].iter().chain(['…'].iter()).chain(chars[chars.len() - tail..].iter()).collect()
}
