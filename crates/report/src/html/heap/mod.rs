//! Owns the HTML form of a heap: a treemap and a tree of what retains the memory, tables of holders, containers,
//! types, goroutines and equal strings, and how deep the objects lie. The same views are a page of their own or
//! part of a report's page. Refuses to judge; everything that the scripts show stands in the page without them too,
//! but for the parts of the treemap that are too small at first.

mod allocated;
mod containers;
mod depth;
mod tables;
mod tree;
mod treemap;

use super::{Scripts, definitions, fill, finding, finish, heading, name, sentence, start};
use crate::{clean, fmt};
use allocated::Stacks;
use model::{Bytes, HeapOverview, HeapStep};
use std::fmt::Write as _;

pub(super) const STYLE: &str = include_str!("heap.css");
pub(super) const SCRIPT: &str = concat!(include_str!("treemap.js"), include_str!("heap.js"));
/// Bytes that the rows of one table may take.
const BUDGET: usize = 45_000;
/// Steps of a way to a holder that are shown.
const STEPS: usize = 12;

/// The heap as one HTML file that loads nothing, below 1 MiB.
#[must_use]
pub fn heap_html(o: &HeapOverview) -> String {
    let mut out = start(&format!("Heap: {} (oomph)", name(&o.target)), STYLE);
    out.push_str("<a class=\"skip\" href=\"#main\">Skip to the views</a>\n<header class=\"verdict\">\n");
    let _ = writeln!(out, "<p class=\"word\">HEAP</p>\n<h1>{}</h1>", headline(o));
    facts(&mut out, o);
    out.push_str("</header>\n<main id=\"main\">\n");
    memory(&mut out, o);
    limits(&mut out, o);
    let mut views = String::new();
    finding::suspects(&mut views, &o.suspects, 3 * BUDGET);
    let data = sections(&mut views, o);
    contents(&mut out, &views);
    out.push_str(&views);
    out.push_str("</main>\n");
    finish(&mut out, &o.oomph, &o.schema, &Scripts { heap: Some(data), ..Scripts::default() });
    out
}

/// The same views as part of a page; returns the data of their script.
pub(super) fn embedded(out: &mut String, o: &HeapOverview) -> Option<String> {
    heading(out, "heap", &format!("The heap, object by object: {}", headline(o)));
    facts(out, o);
    memory(out, o);
    out.push_str("</section>\n");
    limits(out, o);
    Some(sections(out, o))
}

/// What retains most, of how much.
fn headline(o: &HeapOverview) -> String {
    let c = &o.coverage;
    let reached = Bytes(c.bytes.saturating_sub(c.unreachable_bytes));
    let all = format!("{} in {} objects, {reached} of it reachable", Bytes(c.bytes), fmt::count(c.objects));
    match o.holders.first() {
        Some(h) => {
            format!("{all}; <code>{}</code> retains {}", name(&h.name), amount(h.retained_bytes, c.bytes))
        }
        None => all,
    }
}

/// `1.2 GiB (71 %)`.
fn amount(bytes: u64, of: u64) -> String {
    format!("{} ({})", Bytes(bytes), share(bytes, of))
}

/// A part as per cent, for the page.
fn share(part: u64, of: u64) -> String {
    clean::html(&fmt::percent(if of == 0 { 0.0 } else { part as f64 / of as f64 }))
}

fn facts(out: &mut String, o: &HeapOverview) {
    let c = &o.coverage;
    let pause = o.pause_ms.filter(|p| p.is_finite());
    let mut rows = vec![
        ("Target", format!("<code>{}</code>", name(&o.target))),
        ("Go", name(&o.go_version)),
        ("Read from", name(&o.source)),
    ];
    rows.extend(o.taken_at.map(|at| ("Taken", fmt::instant(at))));
    rows.extend(pause.map(|ms| ("It stood still for", format!("{ms:.1} ms"))));
    rows.push((
        "Typed",
        format!("{} of the bytes, {} of the objects", share(c.typed_bytes, c.bytes), share(c.typed_objects, c.objects)),
    ));
    if c.layout_assumed {
        rows.push(("Go release", "newer than the layouts known: the nearest one was used and checked".to_owned()));
    }
    definitions(out, &rows);
}

/// A bar of what the collector's heap and the stacks take.
fn memory(out: &mut String, o: &HeapOverview) {
    let c = &o.coverage;
    let parts = [
        ("t-live", "reachable", c.bytes.saturating_sub(c.unreachable_bytes)),
        ("t-garbage", "unreachable", c.unreachable_bytes),
        ("t-frag", "dead, not yet swept", c.unswept_bytes),
        ("t-stacks", "stacks", c.stack_bytes),
    ];
    let all = parts.iter().map(|p| p.2).fold(0, u64::saturating_add);
    if all == 0 {
        return;
    }
    out.push_str("<div class=\"stack heap-parts\" aria-hidden=\"true\">");
    for (class, label, bytes) in parts.iter().filter(|p| p.2 > 0) {
        let width = *bytes as f64 / all as f64 * 100.0;
        let text = if width >= 12.0 { *label } else { "" };
        let _ = write!(
            out,
            "<div class=\"{class}\" style=\"flex:{width:.3} 1 0\" title=\"{label} {}\"><span>{text}</span></div>",
            Bytes(*bytes)
        );
    }
    out.push_str("</div>\n<p class=\"parts\">");
    for (class, label, bytes) in parts {
        let _ = write!(out, "<span><i class=\"swatch {class}\"></i>{label} <b>{}</b></span>", Bytes(bytes));
    }
    out.push_str("</p>\n");
}

fn limits(out: &mut String, o: &HeapOverview) {
    if o.limits.is_empty() {
        return;
    }
    heading(out, "heap-limits", "What of the heap was not seen");
    out.push_str("<ul>");
    let left = fill(out, &o.limits, BUDGET / 4, |_, l| format!("<li>{}</li>", sentence(l)));
    out.push_str("</ul>\n");
    out.push_str(&cut(left, "limits"));
    out.push_str("</section>\n");
}

/// All views; returns the data of their script.
fn sections(out: &mut String, o: &HeapOverview) -> String {
    let mut stacks = Stacks::new(&o.stacks);
    let data = o.tree.as_ref().map(|t| {
        let nodes = tree::Nodes::of(t, o.coverage.bytes);
        treemap::section(out, &nodes);
        tree::section(out, &nodes);
        nodes.data()
    });
    tables::holders(out, o, &mut stacks);
    containers::section(out, o, &mut stacks);
    tables::duplicates(out, o);
    tables::types(out, o);
    tables::goroutines(out, o, &mut stacks);
    depth::section(out, o);
    stacks.section(out);
    data.unwrap_or_else(|| "{}".to_owned())
}

/// A line that states a cut; empty when nothing was cut.
fn cut(left: usize, what: &str) -> String {
    if left == 0 {
        return String::new();
    }
    format!("<p class=\"cut\">{} more {what} would not fit in the page.</p>\n", fmt::count(left as u64))
}

/// Links to the sections of a page.
fn contents(out: &mut String, views: &str) {
    const ALL: [(&str, &str); 10] = [
        ("heap-suspects", "Suspects"),
        ("heap-map", "Treemap"),
        ("heap-tree", "Tree"),
        ("heap-holders", "Holders"),
        ("heap-containers", "Containers"),
        ("heap-duplicates", "Equal strings"),
        ("heap-types", "Types"),
        ("heap-goroutines", "Goroutines"),
        ("heap-depth", "Depth"),
        ("heap-stacks", "Allocation stacks"),
    ];
    out.push_str("<nav class=\"contents\" aria-label=\"Views\">");
    for (id, label) in ALL {
        if views.contains(&format!(" id=\"{id}\">")) {
            let _ = write!(out, "<a href=\"#{id}\">{label}</a>");
        }
    }
    out.push_str("</nav>\n");
}

/// A type or variable without the directories of import paths: `map[string]*tsdb.memSeries`.
fn short(full: &str) -> String {
    let mut out = String::with_capacity(full.len());
    let mut word = 0;
    for c in full.chars() {
        match c {
            '/' => {
                out.truncate(word);
                continue;
            }
            '[' | ']' | '(' | ')' | '{' | '}' | '*' | ',' | ';' | ' ' | '<' | '>' => word = out.len() + c.len_utf8(),
            _ => {}
        }
        out.push(c);
    }
    out
}

/// A type as code, shortened; the full name shows on pointing at it where it differs.
fn code(full: &str) -> String {
    let short = short(full);
    if short == full {
        return format!("<code>{}</code>", name(full));
    }
    format!("<code title=\"{}\">{}</code>", name(full), name(&short))
}

/// The way from a root, `main.cache → .m map[string]*T → [value] T`; the middle of a long one is left out, and so are
/// the parts of a map between it and its entries.
fn way(path: &[HeapStep]) -> String {
    let mut out = String::new();
    let mut map = "";
    let mut steps: Vec<&HeapStep> = Vec::with_capacity(path.len());
    for step in path {
        if !map.is_empty() && map_of_part(&step.type_name) == Some(map) {
            continue;
        }
        map = &step.type_name;
        steps.push(step);
    }
    let skip = if steps.len() > STEPS { STEPS / 2..steps.len() - STEPS / 2 } else { 0..0 };
    for (i, step) in steps.iter().enumerate() {
        if i > 0 && i == skip.start && !skip.is_empty() {
            let _ = write!(out, " → … {} more", skip.len());
        }
        if skip.contains(&i) {
            continue;
        }
        if i > 0 {
            out.push_str(" → ");
        }
        if !step.via.is_empty() {
            let _ = write!(out, "<b>{}</b> ", name(&step.via));
        }
        out.push_str(&name(&short(&step.type_name)));
    }
    out
}

/// `map[K]V` of `map[K]V groups`.
fn map_of_part(type_name: &str) -> Option<&str> {
    const PARTS: [&str; 5] = ["directory", "table", "groups", "buckets", "extra"];
    let (map, part) = type_name.rsplit_once(' ')?;
    PARTS.contains(&part).then_some(map)
}

/// Cells that a script sorts by: the number, and how it reads.
fn cell(value: u64, text: &str) -> String {
    format!("<td class=\"n\" data-v=\"{value}\">{text}</td>")
}

/// As [`cell`], for bytes.
fn bytes(value: u64) -> String {
    cell(value, &Bytes(value).to_string())
}

/// As [`cell`], for a number of things.
fn count(value: u64) -> String {
    cell(value, &fmt::count(value))
}

/// The head of a table with columns `(label, is a number)`.
fn table(out: &mut String, class: &str, columns: &[(&str, bool)]) {
    let _ = write!(out, "<div class=\"scroll\"><table class=\"{class}\"><thead><tr>");
    for (label, number) in columns {
        let class = if *number { " class=\"n\"" } else { "" };
        let _ = write!(out, "<th scope=\"col\"{class}>{label}</th>");
    }
    out.push_str("</tr></thead><tbody>");
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn import_paths_lose_their_directories() {
        let want = [
            ("map[string]*github.com/prometheus/prometheus/tsdb.memSeries", "map[string]*tsdb.memSeries"),
            ("main.cache", "main.cache"),
            ("func(net/http.ResponseWriter, *net/http.Request)", "func(http.ResponseWriter, *http.Request)"),
            ("a/b.T[c/d.U,[]e/f.V]", "b.T[d.U,[]f.V]"),
            ("/", ""),
            ("ä/ö[/ü", "ö[ü"),
        ];
        for (full, expected) in want {
            assert_eq!(short(full), expected);
        }
    }
}
