//! Owns the tables of what holds the memory, of types, of goroutines, and of strings with the same content.

use super::allocated::{Stacks, place};
use super::{BUDGET, bytes, cell, code, count, cut, fill, fmt, heading, name, sentence, share, table, way};
use crate::flame::short_name;
use model::{Bytes, HeapGoroutines, HeapHolder, HeapOverview};
use std::fmt::Write as _;

pub(super) fn holders(out: &mut String, o: &HeapOverview, stacks: &mut Stacks<'_>) {
    if o.holders.is_empty() {
        return;
    }
    heading(out, "heap-holders", "What holds the memory");
    table(out, "wide sortable", &[("Holder", false), ("Kind", false), ("Retained", true), ("Share", true)]);
    let all = o.coverage.bytes;
    let left = fill(out, &o.holders, BUDGET, |_, h| {
        let part = if all == 0 { 0.0 } else { h.retained_bytes as f64 / all as f64 };
        format!(
            "<tr><th scope=\"row\">{}</th><td class=\"kind\">{}</td>{}{}</tr>\n",
            holder(h, stacks),
            name(&h.kind),
            bytes(h.retained_bytes),
            cell((part * 1e6) as u64, &share(h.retained_bytes, all)),
        )
    });
    out.push_str("</tbody></table></div>\n");
    out.push_str(&cut(left, "holders"));
    out.push_str("</section>\n");
}

/// Its name, the way to where its memory accumulates, what lies there, and who allocated it.
fn holder(h: &HeapHolder, stacks: &mut Stacks<'_>) -> String {
    let mut out = code(&h.name);
    if h.path.len() > 1 || h.path.first().is_some_and(|s| s.type_name != h.name) {
        let _ = write!(out, "<div class=\"way\">{}</div>", way(&h.path));
    }
    if !h.holds.is_empty() {
        let held: Vec<String> = h
            .holds
            .iter()
            .map(|held| {
                let many = if held.objects > 1 { format!("{} × ", fmt::count(held.objects)) } else { String::new() };
                format!("{many}{} ({})", code(&held.type_name), Bytes(held.retained_bytes))
            })
            .collect();
        let _ = write!(out, "<div class=\"sub\">holds {}</div>", held.join(", "));
    }
    out.push_str(&stacks.lines(&h.allocated));
    out
}

pub(super) fn types(out: &mut String, o: &HeapOverview) {
    if o.types.is_empty() {
        return;
    }
    heading(out, "heap-types", "Types");
    table(
        out,
        "wide sortable filtered",
        &[("Type", false), ("Bytes", true), ("Share", true), ("Objects", true), ("Average", true), ("Retained", true)],
    );
    let all = o.coverage.bytes;
    let left = fill(out, &o.types, BUDGET, |_, t| {
        let part = if all == 0 { 0.0 } else { t.bytes as f64 / all as f64 };
        format!(
            "<tr><th scope=\"row\">{}</th>{}{}{}{}{}</tr>\n",
            code(&t.name),
            bytes(t.bytes),
            cell((part * 1e6) as u64, &share(t.bytes, all)),
            count(t.objects),
            bytes(t.bytes.checked_div(t.objects).unwrap_or(0)),
            retained(t.retained_bytes)
        )
    });
    out.push_str("</tbody></table></div>\n");
    out.push_str(&cut(left, "types"));
    out.push_str("</section>\n");
}

/// What is not known of types without a name.
fn retained(value: u64) -> String {
    if value == 0 { cell(0, "-") } else { bytes(value) }
}

pub(super) fn goroutines(out: &mut String, o: &HeapOverview, stacks: &mut Stacks<'_>) {
    if o.goroutines.is_empty() {
        return;
    }
    heading(out, "heap-goroutines", "Goroutines");
    out.push_str("<p class=\"note\">Retained is the heap that only the stacks of a group hold, each by itself.</p>\n");
    table(
        out,
        "wide sortable",
        &[("Function", false), ("State", false), ("Count", true), ("Stacks", true), ("Retained", true)],
    );
    let left = fill(out, &o.goroutines, BUDGET, |_, g| {
        format!(
            "<tr><th scope=\"row\">{}</th><td>{}</td>{}{}{}</tr>\n",
            group(g, stacks),
            name(&g.state),
            count(g.count),
            bytes(g.stack_bytes),
            bytes(g.retained_bytes)
        )
    });
    out.push_str("</tbody></table></div>\n");
    out.push_str(&cut(left, "groups"));
    out.push_str("</section>\n");
}

fn group(g: &HeapGoroutines, stacks: &mut Stacks<'_>) -> String {
    let mut out = code(&g.function);
    if let Some(f) = &g.created_by {
        let _ = write!(
            out,
            "<div class=\"sub\">created by <code>{}</code> <span class=\"dir\">{}</span></div>",
            name(&short_name(&f.function)),
            place(f)
        );
    }
    out.push_str(&stacks.lines(&g.allocated));
    out
}

pub(super) fn duplicates(out: &mut String, o: &HeapOverview) {
    let Some(d) = o.containers.as_ref().map(|c| &c.duplicates).filter(|d| d.copies > 0) else { return };
    heading(out, "heap-duplicates", "Strings with the same content");
    let _ = writeln!(
        out,
        "<p>{} of {} strings are copies of others: {} would be saved. {} contents exist more than once.</p>",
        fmt::count(d.copies),
        fmt::count(d.objects),
        Bytes(d.waste_bytes),
        fmt::count(d.contents)
    );
    if !d.largest.is_empty() {
        table(
            out,
            "wide sortable filtered",
            &[("Content", false), ("Would be saved", true), ("Copies", true), ("Length", true)],
        );
        let left = fill(out, &d.largest, BUDGET, |_, row| {
            let redacted = if row.redacted { " <span class=\"dir\">(its shape)</span>" } else { "" };
            format!(
                "<tr><th scope=\"row\"><code>{}</code>{redacted}</th>{}{}{}</tr>\n",
                sentence(&row.text),
                bytes(row.waste_bytes),
                count(row.count),
                bytes(row.len)
            )
        });
        out.push_str("</tbody></table></div>\n");
        out.push_str(&cut(left, "contents"));
    }
    out.push_str("</section>\n");
}
