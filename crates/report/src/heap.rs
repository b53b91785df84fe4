//! Owns the text form of a heap overview: what holds the memory first, then types, maps, goroutines, and
//! how much of the heap was understood. Refuses to choose what is shown: rows come as they are.

use crate::heap_notes::phrases;
use crate::heap_queries::{self, WIDTHS, share};
use crate::terminal::findings;
use crate::wrap::wrap;
use crate::{clean, fmt};
use model::{Bytes, HeapContainers, HeapCoverage, HeapDepth, HeapNote, HeapOverview, HeapStep};
use std::fmt::Write as _;

/// Fewest steps of a way to a holder that is shown.
const LEAST_WAY: usize = 2;

/// The overview for a terminal of `width` columns. Ends with a newline.
#[must_use]
pub fn heap_overview(o: &HeapOverview, width: usize) -> String {
    let mut out = String::new();
    let width = width.clamp(WIDTHS.0, WIDTHS.1);
    head(&mut out, o, width);
    if !o.suspects.is_empty() {
        let _ = write!(out, "\nSuspects, from this one instant\n\n{}", findings(&o.suspects, false, width));
    }
    holders(&mut out, o, width);
    heap_queries::roots(&mut out, &o.roots, o.coverage.bytes, width);
    maps(&mut out, o, width);
    if let Some(c) = &o.containers {
        containers(&mut out, c, width);
    }
    types(&mut out, o, width);
    if let Some(d) = &o.depth {
        depth(&mut out, d, o.coverage.bytes, width);
    }
    goroutines(&mut out, o, width);
    heap_queries::limits(&mut out, &o.limits, width);
    out
}

fn head(out: &mut String, o: &HeapOverview, width: usize) {
    let c = &o.coverage;
    heap_queries::head(out, &o.into());
    let found = format!(
        "{} in {} objects, {}; unreachable {}, unswept {}, stacks {}",
        Bytes(c.bytes),
        fmt::count(c.objects),
        typed(c),
        Bytes(c.unreachable_bytes),
        Bytes(c.unswept_bytes),
        Bytes(c.stack_bytes),
    );
    wrap(&found, width, width).iter().for_each(|l| out.extend([l, "\n"]));
    if let Some(r) = &c.runtime {
        let _ = writeln!(
            out,
            "the runtime counts {} of objects in {} of spans; {} and {} were found",
            Bytes(r.bytes),
            Bytes(r.span_bytes),
            Bytes(c.bytes.saturating_add(c.unswept_bytes)),
            Bytes(c.span_bytes),
        );
    }
    if c.layout_assumed {
        out.push_str("this Go release is newer than the layouts known: the nearest one was used and checked\n");
    }
}

/// How much has a type: of garbage, to which nothing leads, little can be said.
fn typed(c: &HeapCoverage) -> String {
    let all = fmt::percent(share(c.typed_bytes, c.bytes));
    let reachable = fmt::percent(share(c.typed_reachable_bytes, c.bytes.saturating_sub(c.unreachable_bytes)));
    if all == reachable || c.unreachable_bytes == 0 {
        return format!("{all} of the bytes typed");
    }
    format!("{reachable} of what is reachable typed ({all} of all)")
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
        let _ = write!(
            out,
            "{:>11} {:>11} {:>11} {:>11}  ",
            Bytes(m.retained_bytes).to_string(),
            fmt::count(m.entries),
            fmt::count(m.slots),
            Bytes(m.ghost_bytes).to_string(),
        );
        name(out, &m.type_name, 49, width);
        let way = way(&m.holder);
        let _ = writeln!(out, "{:15}{}", "", cut(&way, width - 16));
    }
}

fn containers(out: &mut String, c: &HeapContainers, width: usize) {
    let mut kind = "";
    for row in &c.list {
        if row.kind != kind {
            let _ = writeln!(
                out,
                "\n{:>11} {:>11} {:>11} {:>11} {:>11}  {}",
                "retained", "entries", "capacity", "own bytes", "waste", row.kind
            );
            kind = &row.kind;
        }
        let capacity = if row.capacity == 0 { "-".to_owned() } else { fmt::count(row.capacity) };
        let _ = write!(
            out,
            "{:>11} {:>11} {:>11} {:>11} {:>11}  ",
            Bytes(row.retained_bytes).to_string(),
            fmt::count(row.entries),
            capacity,
            Bytes(row.own_bytes).to_string(),
            Bytes(row.waste_bytes).to_string(),
        );
        name(out, &row.type_name, 61, width);
        let notes = phrases(&row.notes);
        if !notes.is_empty() {
            let _ = writeln!(out, "{:15}{}", "", cut(&notes, width - 16));
        }
        if row.holder.len() >= LEAST_WAY {
            let _ = writeln!(out, "{:15}{}", "", cut(&way(&row.holder), width - 16));
        }
    }
    if !c.groups.is_empty() {
        let head = ["bytes", "waste", "count", "entries", "capacity"];
        let _ = writeln!(
            out,
            "\n{:>11} {:>11} {:>11} {:>11} {:>11}  All of a kind",
            head[0], head[1], head[2], head[3], head[4]
        );
    }
    for g in &c.groups {
        let _ = write!(
            out,
            "{:>11} {:>11} {:>11} {:>11} {:>11}  ",
            Bytes(g.bytes).to_string(),
            Bytes(g.waste_bytes).to_string(),
            fmt::count(g.count),
            fmt::count(g.entries),
            fmt::count(g.capacity),
        );
        name(out, &format!("{} {}", g.kind, g.type_name), 61, width);
    }
    duplicates(out, c, width);
}

fn duplicates(out: &mut String, c: &HeapContainers, width: usize) {
    let d = &c.duplicates;
    if d.copies == 0 {
        return;
    }
    let _ = writeln!(
        out,
        "\n{} of {} strings are copies of others: {} would be saved",
        fmt::count(d.copies),
        fmt::count(d.objects),
        Bytes(d.waste_bytes)
    );
    for row in &d.largest {
        let _ = writeln!(
            out,
            "{:>11} {:>11} times {:>9}  {}",
            Bytes(row.waste_bytes).to_string(),
            fmt::count(row.count),
            Bytes(row.len).to_string(),
            cut(&row.text, width - 42)
        );
    }
}

/// One character for each cell, darker for more bytes (by factors of four below the largest).
fn depth(out: &mut String, d: &HeapDepth, total: u64, width: usize) {
    let _ = writeln!(
        out,
        "\nDepth: the deepest object is {} pointers from a root\n{} levels have few objects each: {:.1} ms to follow one after the other",
        fmt::count(d.deepest),
        fmt::count(d.chained_levels),
        d.serial_ms
    );
    let cells = |bytes: &[u64]| -> String {
        let shade = |b: u64| match b {
            0 => ' ',
            b if b >= total / 4 => '█',
            b if b >= total / 16 => '▓',
            b if b >= total / 64 => '▒',
            b if b >= total / 1024 => '░',
            _ => '·',
        };
        bytes.iter().map(|&b| shade(b)).collect()
    };
    let columns = d.bytes.len();
    let _ = writeln!(out, "{:>11}  {}  depth 1, 2-3, 4-7, ... to the right", "deepest", cells(&d.bytes));
    for row in &d.types {
        let name = cut(&row.type_name, width.saturating_sub(15 + columns));
        let _ = writeln!(out, "{:>11}  {}  {name}", fmt::count(u64::from(row.deepest)), cells(&row.bytes));
    }
    chains(out, d, width);
}

/// The longest lists and trees.
fn chains(out: &mut String, d: &HeapDepth, width: usize) {
    if d.mark_cpu_ms > 0.0 {
        let _ = writeln!(out, "\nMarking all objects takes about {:.0} ms of CPU in each collection", d.mark_cpu_ms);
    }
    if d.chains.is_empty() {
        return;
    }
    let _ = writeln!(out, "\n{:>11} {:>11} {:>11} {:>11}  Longest chains", "retained", "nodes", "depth", "own bytes");
    for c in &d.chains {
        let depth = c.notes.iter().find_map(|n| if let HeapNote::Depth(d) = n { Some(*d) } else { None });
        let _ = write!(
            out,
            "{:>11} {:>11} {:>11} {:>11}  ",
            Bytes(c.retained_bytes).to_string(),
            fmt::count(c.entries),
            fmt::count(depth.unwrap_or(0)),
            Bytes(c.own_bytes).to_string(),
        );
        name(out, &format!("{} {}", c.kind, c.type_name), 49, width);
        if c.holder.len() >= LEAST_WAY {
            let _ = writeln!(out, "{:15}{}", "", cut(&way(&c.holder), width - 16));
        }
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

/// Ends a row of a table with a name: behind the numbers, which take `used` columns, or on a line of its own.
pub(crate) fn name(out: &mut String, text: &str, used: usize, width: usize) {
    let room = width.saturating_sub(used);
    if clean::line(text).chars().count() <= room {
        let _ = writeln!(out, "{}", clean::line(text));
    } else {
        let _ = writeln!(out, "\n{:15}{}", "", cut(text, width - 16));
    }
}

/// One line of at most `width` characters, the middle left out.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let text = clean::line(text);
    let chars: Vec<char> = text.chars().collect();
    if chars.len() <= width || width < 8 {
        return text.into_owned();
    }
    let tail = width * 2 / 3;
    let head = width - tail - 1;
    chars[..head].iter().chain(['…'].iter()).chain(chars[chars.len() - tail..].iter()).collect()
}
