//! Owns the tables of a trace that are told only when asked for: growth, CPU samples, tasks.

use super::{function, line, paragraph, stack, time, times};
use crate::heap_queries::share;
use crate::{clean, fmt};
use model::{Bytes, TraceDocument, TraceGrowth, TraceSpans};
use std::cmp::Reverse;
use std::fmt::Write as _;

/// Stretches of growth that are shown: those with most bytes.
const STRETCHES: usize = 15;

pub(super) fn growth(out: &mut String, t: &TraceDocument, width: usize) {
    out.push_str(
        "\n        at        for  allocated  in use at its ends   Growth from collection to collection, most first\n",
    );
    let mut list: Vec<&TraceGrowth> = t.growth.iter().collect();
    list.sort_by_key(|g| (Reverse(g.allocated_bytes), g.start_ns));
    for g in list.iter().take(STRETCHES) {
        let ends = format!("{} {}", size(g.heap_at_start), size(g.heap_at_end));
        let columns = format!(
            "{:>10} {:>10} {:>10} {ends:>20}",
            time(g.start_ns),
            time(g.end_ns.saturating_sub(g.start_ns)),
            Bytes(g.allocated_bytes).to_string()
        );
        let by = |b: &model::TraceGrower| {
            // The end of an import path is what people know a function by.
            let name = b.function.rsplit('/').next().unwrap_or_default();
            format!("{} {}", fmt::percent(share(b.bytes, g.allocated_bytes)), function(name))
        };
        let who: Vec<String> = g.by.iter().take(2).map(by).collect();
        line(out, &columns, &who.join(", "), width);
    }
    if list.len() > STRETCHES {
        let _ = writeln!(out, "  and {} more", list.len() - STRETCHES);
    }
    allocated(out, t, width);
}

/// Lines that allocated in the same window.
fn allocated(out: &mut String, t: &TraceDocument, width: usize) {
    let Some(first) = t.allocated.first() else {
        let text =
            "Which lines allocated is not seen: name heap profiles of the same window beside the trace, or a URL";
        out.push('\n');
        paragraph(out, text, 0, width);
        return;
    };
    let _ = writeln!(
        out,
        "\n   bytes/s  objects/s      share   Lines that allocated meanwhile; the share is {}",
        clean::line(&first.of)
    );
    for a in &t.allocated {
        let known = |value: f64, text: String| if value > 0.0 { text } else { "?".to_owned() };
        let columns = format!(
            "{:>10} {:>10} {:>10}",
            known(a.bytes_per_s, Bytes(a.bytes_per_s as u64).to_string()),
            known(a.objects_per_s, fmt::count(a.objects_per_s as u64)),
            fmt::percent(a.share)
        );
        let how = a.mechanism.map_or_else(String::new, |m| format!(", {m}"));
        let place =
            format!("{} {}{how}", clean::line(a.frame.short_function()), clean::line(&a.frame.short_location()));
        line(out, &columns, &place, width);
    }
}

fn size(bytes: u64) -> String {
    if bytes == 0 { "?".to_owned() } else { Bytes(bytes).to_string() }
}

pub(super) fn cpu(out: &mut String, t: &TraceDocument, width: usize) {
    let c = &t.cpu;
    out.push_str("\nCPU samples\n");
    if c.samples == 0 {
        let text = "none: a trace has them when a CPU profile runs at the same time, as oomph trace URL has it";
        paragraph(out, text, 2, width);
        return;
    }
    let text = format!(
        "{}: {} while no collection marked, {} while one did, {} in mark assists, {} with the world stopped",
        fmt::count(c.samples),
        fmt::percent(share(c.outside_gc, c.samples)),
        fmt::percent(share(c.mark, c.samples)),
        fmt::percent(share(c.assist, c.samples)),
        fmt::percent(share(c.stopped, c.samples)),
    );
    paragraph(out, &text, 2, width);
    out.push_str("\n   samples      of all      in GC   Goroutines, and where they ran\n");
    for s in &c.stacks {
        let columns = format!(
            "{:>10} {:>10} {:>10}",
            fmt::count(s.samples),
            fmt::percent(share(s.samples, c.samples)),
            fmt::percent(share(s.in_gc, s.samples))
        );
        line(out, &columns, &function(&s.function), width);
        stack(out, &s.stack, width);
    }
}

pub(super) fn tasks(out: &mut String, t: &TraceDocument, width: usize) {
    let u = &t.user;
    if u.tasks.is_empty() && u.regions.is_empty() && u.logs.is_empty() {
        out.push_str("\nThe program tells no tasks, regions or logs (runtime/trace: NewTask, WithRegion, Log)\n");
        return;
    }
    for (what, list) in [("Tasks", &u.tasks), ("Regions", &u.regions)] {
        if list.is_empty() {
            continue;
        }
        let _ = writeln!(out, "\n     count      total        p50        p99    longest   {what}");
        for s in list {
            line(out, &times(&s.times), &clean::line(&name(s)), width);
        }
    }
    if !u.logs.is_empty() {
        out.push_str("\n     count    last at   Logs, and the last of each category\n");
        for l in &u.logs {
            let columns = format!("{:>10} {:>10}", fmt::count(l.count), time(l.last_ns));
            line(out, &columns, &clean::line(&format!("{}: {}", l.category, l.last)), width);
        }
    }
}

fn name(s: &TraceSpans) -> String {
    if s.open == 0 { s.name.clone() } else { format!("{} ({} not ended)", s.name, fmt::count(s.open)) }
}
