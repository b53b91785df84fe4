//! Owns the tables of containers: single ones with what they waste, their keys, holder and allocation, and the sums
//! by kind and type.

use super::allocated::Stacks;
use super::{BUDGET, bytes, cell, clean, code, count, cut, fill, fmt, heading, name, sentence, table, way};
use crate::heap_notes::phrases;
use model::{HeapContainer, HeapContainerGroup, HeapMap, HeapOverview};
use std::fmt::Write as _;

/// Bytes that the table of single containers may take.
const LIST: usize = 160_000;
/// Fewest steps of a way to a holder that says anything.
const LEAST_WAY: usize = 2;

/// `(label, is a number)`.
const COLUMNS: [(&str, bool); 9] = [
    ("Container", false),
    ("Kind", false),
    ("Retained", true),
    ("Entries", true),
    ("Capacity", true),
    ("Fill", true),
    ("Waste", true),
    ("Own", true),
    ("Content", true),
];

pub(super) fn section(out: &mut String, o: &HeapOverview, stacks: &mut Stacks<'_>) {
    let mut list: Vec<HeapContainer> = match &o.containers {
        Some(c) => c.list.clone(),
        None => o.maps.iter().map(as_container).collect(),
    };
    // By size, whatever their kind: the script shows one kind alone.
    list.sort_by_key(|c| std::cmp::Reverse(c.retained_bytes.max(c.waste_bytes)));
    let groups = o.containers.as_ref().map(|c| c.groups.as_slice()).unwrap_or_default();
    if list.is_empty() && groups.is_empty() {
        return;
    }
    heading(out, "heap-containers", "Containers");
    out.push_str(
        "<p class=\"note\">Waste is room for entries that are gone or never came, and what no one can reach any more. \
         Keys are shown by what they look like: letters as <code>a</code>, digits as <code>9</code>.</p>\n",
    );
    if !list.is_empty() {
        table(out, "wide sortable filtered", &COLUMNS);
        let left = fill(out, &list, LIST, |_, c| row(c, stacks));
        out.push_str("</tbody></table></div>\n");
        out.push_str(&cut(left, "containers"));
    }
    sums(out, groups);
    out.push_str("</section>\n");
}

/// A map of an overview without containers of other kinds.
fn as_container(m: &HeapMap) -> HeapContainer {
    HeapContainer {
        kind: "map".to_owned(),
        type_name: m.type_name.clone(),
        address: m.address.clone(),
        entries: m.entries,
        capacity: m.slots,
        own_bytes: m.bytes,
        content_bytes: 0,
        retained_bytes: m.retained_bytes,
        waste_bytes: m.ghost_bytes,
        notes: Vec::new(),
        holder: m.holder.clone(),
        allocated: Vec::new(),
    }
}

fn row(c: &HeapContainer, stacks: &mut Stacks<'_>) -> String {
    let mut out = format!("<tr><th scope=\"row\">{}", code(&c.type_name));
    let notes = phrases(&c.notes);
    if !notes.is_empty() {
        let _ = write!(out, "<div class=\"sub\">{}</div>", sentence(&notes));
    }
    if c.holder.len() >= LEAST_WAY {
        let _ = write!(out, "<div class=\"way\">{}</div>", way(&c.holder));
    }
    out.push_str(&stacks.lines(&c.allocated));
    let _ = write!(out, "</th><td class=\"kind\">{}</td>", name(&c.kind));
    out.push_str(&bytes(c.retained_bytes));
    out.push_str(&count(c.entries));
    out.push_str(&capacity(c.entries, c.capacity));
    for b in [c.waste_bytes, c.own_bytes, c.content_bytes] {
        out.push_str(&bytes(b));
    }
    out.push_str("</tr>\n");
    out
}

/// Cells of the capacity and of how much of it is used.
fn capacity(entries: u64, capacity: u64) -> String {
    if capacity == 0 {
        return format!("{0}{0}", "<td class=\"n\" data-v=\"-1\">-</td>");
    }
    let part = entries as f64 / capacity as f64;
    format!("{}{}", count(capacity), cell((part * 1e4) as u64, &clean::html(&fmt::percent(part))))
}

fn sums(out: &mut String, groups: &[HeapContainerGroup]) {
    if groups.is_empty() {
        return;
    }
    out.push_str("<h3 class=\"sums\">All containers of a kind and type</h3>\n");
    table(
        out,
        "wide sortable filtered",
        &[
            ("Type", false),
            ("Kind", false),
            ("Count", true),
            ("Entries", true),
            ("Capacity", true),
            ("Fill", true),
            ("Waste", true),
            ("Own", true),
        ],
    );
    let left = fill(out, groups, BUDGET, |_, g| {
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"kind\">{}</td>{}{}{}{}{}</tr>\n",
            code(&g.type_name),
            name(&g.kind),
            count(g.count),
            count(g.entries),
            capacity(g.entries, g.capacity),
            bytes(g.waste_bytes),
            bytes(g.bytes)
        )
    });
    out.push_str("</tbody></table></div>\n");
    out.push_str(&cut(left, "types"));
}
