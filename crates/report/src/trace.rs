//! Owns the text form of what an execution trace tells. Refuses to judge and to choose: rows come as they are.

mod more;

use crate::heap_queries::{WIDTHS, limits, share};
use crate::wrap::{elide_left, wrap};
use crate::{clean, fmt};
use model::{Bytes, Frame, Outcome, TraceBlocking, TraceDocument, TraceTimes};
use std::cmp::Reverse;
use std::fmt::Write as _;

/// Frames of a stack that are shown: as many of the program's own as there is room for.
const FRAMES: usize = 3;
/// Least columns for a name.
const LEAST_ROOM: usize = 20;
/// Columns in front of frames.
const INDENT: usize = 24;
/// Cycles that are shown one by one: the longest.
const CYCLES: usize = 5;

/// Which parts are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TracePart {
    /// Collections.
    Gc,
    /// Mark assists.
    Assists,
    /// Stopped worlds.
    Stw,
    /// Goroutines, and how long they waited for a processor.
    Goroutines,
    /// Where goroutines waited.
    Blocking,
    /// Minimum mutator utilisation.
    Mmu,
    /// Heap growth from collection to collection.
    Growth,
    /// CPU samples by goroutine and phase.
    Cpu,
    /// Tasks, regions, logs.
    Tasks,
    /// What the rules found.
    Findings,
}

impl TracePart {
    /// What is told when nothing else is asked for, in the order in which it is told.
    pub const SUMMARY: [Self; 7] =
        [Self::Findings, Self::Gc, Self::Mmu, Self::Assists, Self::Stw, Self::Goroutines, Self::Blocking];
}

/// Some parts of what a trace tells, for a terminal of `width` columns; findings in full with `verbose`. Ends with a
/// newline.
#[must_use]
pub fn trace(t: &TraceDocument, parts: &[TracePart], verbose: bool, width: usize) -> String {
    let width = width.clamp(WIDTHS.0, WIDTHS.1);
    let mut out = String::new();
    let head = format!(
        "{}: {} events in {}, {} procs, format of Go {}",
        clean::line(&t.source),
        fmt::count(t.events),
        time(t.duration_ns),
        fmt::count(t.procs),
        clean::line(&t.format),
    );
    paragraph(&mut out, &head, 0, width);
    for part in parts {
        match part {
            TracePart::Findings => findings(&mut out, t, verbose, width),
            TracePart::Growth => more::growth(&mut out, t, width),
            TracePart::Cpu => more::cpu(&mut out, t, width),
            TracePart::Tasks => more::tasks(&mut out, t, width),
            TracePart::Gc => gc(&mut out, t, width),
            TracePart::Mmu => mmu(&mut out, t, width),
            TracePart::Assists => assists(&mut out, t, width),
            TracePart::Stw => stw(&mut out, t, width),
            TracePart::Goroutines => goroutines(&mut out, t, width),
            TracePart::Blocking => blocking(&mut out, t, width),
        }
    }
    limits(&mut out, &t.limits, width);
    out
}

fn findings(out: &mut String, t: &TraceDocument, verbose: bool, width: usize) {
    if !t.findings.is_empty() {
        out.push_str(&crate::terminal::findings(&t.findings, verbose, width));
    }
    let looked: Vec<_> = t.checked.iter().filter(|c| c.outcome == Outcome::Clear).collect();
    if t.findings.is_empty() && !looked.is_empty() {
        let _ = writeln!(out, "\nNothing found by {} checks", looked.len());
        for c in &looked {
            paragraph(out, &format!("{}: {}", c.rule, clean::line(&c.detail)), 2, width);
        }
    }
    let missed: Vec<_> = t.checked.iter().filter(|c| c.outcome == Outcome::NoEvidence).collect();
    if !missed.is_empty() {
        let _ = writeln!(out, "\nNot checked");
        for c in missed {
            paragraph(out, &format!("{}: {}", c.rule, clean::line(&c.detail)), 2, width);
        }
    }
}

fn time(ns: u64) -> String {
    if ns == 0 { "0".to_owned() } else { fmt::short_duration(ns as f64 / 1e9) }
}

fn paragraph(out: &mut String, text: &str, indent: usize, width: usize) {
    let room = width.saturating_sub(indent);
    wrap(text, room, room).iter().for_each(|line| {
        let _ = writeln!(out, "{:indent$}{line}", "");
    });
}

/// Columns of a table, and what they are of in the room that is left: its end where there is not enough.
fn line(out: &mut String, columns: &str, what: &str, width: usize) {
    let room = width.saturating_sub(columns.chars().count() + 3);
    let row = format!("{columns}   {}", elide_left(what, room.max(LEAST_ROOM)));
    let _ = writeln!(out, "{}", row.trim_end());
}

fn gc(out: &mut String, t: &TraceDocument, width: usize) {
    let gc = &t.gc;
    out.push_str("\nCollections\n");
    let cycles = gc.cycles.len() as u64 + gc.more_cycles;
    if cycles == 0 {
        out.push_str("  none in this trace\n");
        return;
    }
    let sums = format!(
        "{} marked for {} ({} of the time); background workers ran {}, {} mark assists {}, sweeps within allocations \
         {}; with stopped worlds {} of the processors' time",
        fmt::count(cycles),
        time(gc.mark_ns),
        fmt::percent(share(gc.mark_ns, t.duration_ns)),
        time(gc.background_ns),
        fmt::count(gc.assists),
        time(gc.assist_ns),
        time(gc.sweep_ns),
        fmt::percent(gc.cpu_share),
    );
    paragraph(out, &sums, 2, width);
    let (heaps, last) = (gc.heap.iter().map(|p| p.heap).filter(|h| *h > 0), gc.heap.last());
    if let (Some(least), Some(most), Some(last)) = (heaps.clone().min(), heaps.max(), last) {
        let text = format!("heap from {} to {}, goal {} at the end", Bytes(least), Bytes(most), Bytes(last.goal));
        paragraph(out, &text, 2, width);
    }
    let mut longest: Vec<_> = gc.cycles.iter().collect();
    longest.sort_by_key(|c| (Reverse(c.duration_ns), c.start_ns));
    out.push_str("\n        at    marking    assists       heap     at end       goal   Longest collections\n");
    for c in longest.into_iter().take(CYCLES) {
        let size = |bytes: u64| if bytes == 0 { "?".to_owned() } else { Bytes(bytes).to_string() };
        let columns = format!(
            "{:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
            time(c.start_ns),
            time(c.duration_ns),
            time(c.assist_ns),
            size(c.heap_at_start),
            size(c.heap_at_end),
            size(c.goal),
        );
        line(out, &columns, if c.whole { "" } else { "in part" }, width);
    }
}

fn mmu(out: &mut String, t: &TraceDocument, width: usize) {
    out.push_str("\nLeft to the program by collections, at the least\n");
    if t.mmu.is_empty() {
        out.push_str("  the trace is too short to tell\n");
        return;
    }
    let of = |m: &model::TraceMmu| format!("{} in any {}", fmt::percent(m.utilisation), time(m.window_ns));
    let text: Vec<String> = t.mmu.iter().map(of).collect();
    paragraph(out, &text.join(", "), 2, width);
}

fn assists(out: &mut String, t: &TraceDocument, width: usize) {
    let mut list: Vec<_> = t.goroutines.iter().filter(|g| g.assists > 0).collect();
    list.sort_by_key(|g| (Reverse(g.assist_ns), g.function.clone()));
    if list.is_empty() {
        out.push_str("\nNo goroutine assisted in marking\n");
        return;
    }
    out.push_str("\n   assists       time    of runs   Goroutines that assisted in marking, and where\n");
    for g in list {
        let columns = format!(
            "{:>10} {:>10} {:>10}",
            fmt::count(g.assists),
            time(g.assist_ns),
            fmt::percent(share(g.assist_ns, g.running_ns)),
        );
        line(out, &columns, &function(&g.function), width);
        stack(out, &g.assist_stack, width);
    }
}

fn stw(out: &mut String, t: &TraceDocument, width: usize) {
    if t.stw.reasons.is_empty() {
        out.push_str("\nThe world was not stopped\n");
        return;
    }
    out.push_str("\n     count      total        p50        p99    longest   Stopped worlds\n");
    for r in &t.stw.reasons {
        line(out, &times(&r.times), &clean::line(&r.reason), width);
    }
    out.push_str("\n        at       took   The longest\n");
    for w in t.stw.longest.iter().take(CYCLES) {
        let running = match w.running.as_slice() {
            [] => None,
            names => {
                let mut names: Vec<String> = names.iter().map(|n| function(n)).collect();
                names.sort();
                names.dedup();
                Some(format!("meanwhile ran {}", names.join(", ")))
            }
        };
        let writing = match w.in_map_write {
            0 => None,
            n => Some(format!("{} of them in a write to a map", fmt::count(n))),
        };
        let waiting = match w.runnable {
            0 => None,
            n => Some(format!("{} waited for a processor", fmt::count(n))),
        };
        let columns = format!("{:>10} {:>10}", time(w.start_ns), time(w.duration_ns));
        line(out, &columns, &clean::line(&w.reason), width);
        stack(out, &w.stack, width);
        let last = w
            .last
            .as_ref()
            .filter(|l| l.after_ns > 0)
            .map(|l| format!("the last to stop was {} after {}", function(&l.function), time(l.after_ns)));
        let also: Vec<String> = last.into_iter().chain(running).chain(writing).chain(waiting).collect();
        if !also.is_empty() {
            paragraph(out, &also.join("; "), INDENT, width);
        }
    }
}

fn goroutines(out: &mut String, t: &TraceDocument, width: usize) {
    let l = &t.latency;
    out.push_str("\n     count      total        p50        p99    longest   Goroutines waiting for a processor\n");
    for (times_of, name) in [(&l.in_gc, "during marking"), (&l.outside_gc, "at other times")] {
        line(out, &times(times_of), name, width);
    }
    out.push_str("\n   running   runnable    waiting      heap+      began      alive   Goroutines\n");
    for g in &t.goroutines {
        let columns = format!(
            "{:>10} {:>10} {:>10} {:>10} {:>10} {:>10}",
            time(g.running_ns),
            time(g.runnable_ns),
            time(g.waiting_ns.saturating_add(g.syscall_ns)),
            Bytes(g.allocated_bytes).to_string(),
            fmt::count(g.created),
            fmt::count(g.count.saturating_sub(g.ended)),
        );
        line(out, &columns, &function(&g.function), width);
    }
    if t.more_goroutines > 0 {
        let _ = writeln!(out, "  and {} more", fmt::count(t.more_goroutines));
    }
    left(out, t, width);
}

/// Goroutines that began in the trace and wait at its end: leaks begin so, pools too.
fn left(out: &mut String, t: &TraceDocument, width: usize) {
    let mut list: Vec<_> = t.goroutines.iter().filter(|g| g.left > 0 && !g.function.starts_with("runtime")).collect();
    list.sort_by_key(|g| (Reverse(g.left), g.function.clone()));
    if list.is_empty() {
        return;
    }
    out.push_str(
        "\n     began      ended      waits   Goroutines that began in the trace and wait at its end, and where\n",
    );
    for g in list.into_iter().take(CYCLES) {
        let columns = format!("{:>10} {:>10} {:>10}", fmt::count(g.created), fmt::count(g.ended), fmt::count(g.left));
        line(out, &columns, &format!("{}: {}", function(&g.function), clean::line(&g.left_reason)), width);
        stack(out, &g.left_at, width);
    }
}

fn blocking(out: &mut String, t: &TraceDocument, width: usize) {
    out.push_str("\n     count      total    longest      still   Where goroutines waited\n");
    // Those of the runtime's own goroutines say nothing of the program.
    let is_runtimes =
        |b: &TraceBlocking| b.stack.iter().all(|f| f.function.starts_with("runtime.")) && !b.stack.is_empty();
    let own: Vec<_> = t.blocking.iter().filter(|b| !is_runtimes(b)).collect();
    let left_out = t.blocking.len() - own.len();
    for b in own {
        let reason = if b.reason.is_empty() { "since before the trace" } else { b.reason.as_str() };
        let columns = format!(
            "{:>10} {:>10} {:>10} {:>10}",
            fmt::count(b.times.count),
            time(b.times.total_ns),
            time(b.times.max_ns),
            fmt::count(b.waiting),
        );
        line(out, &columns, &clean::line(reason), width);
        stack(out, &b.stack, width);
        if let Some(by) = b.released_by.first().filter(|by| !by.function.is_empty()) {
            let text = format!(
                "{} of them of {} ended by {}",
                fmt::count(by.times.count),
                time(by.times.total_ns),
                function(&by.function)
            );
            paragraph(out, &text, INDENT, width);
        }
    }
    if left_out > 0 {
        let _ = writeln!(out, "  and {left_out} of the runtime's own");
    }
}

fn times(t: &TraceTimes) -> String {
    format!(
        "{:>10} {:>10} {:>10} {:>10} {:>10}",
        fmt::count(t.count),
        time(t.total_ns),
        time(t.p50_ns),
        time(t.p99_ns),
        time(t.max_ns)
    )
}

fn function(name: &str) -> String {
    if name.is_empty() { "not named in the trace".to_owned() } else { clean::line(name).into_owned() }
}

/// A few frames: the program's own where there are some.
fn stack(out: &mut String, frames: &[Frame], width: usize) {
    let is_own = |f: &&Frame| !f.function.starts_with("runtime.");
    let mut own: Vec<&Frame> = frames.iter().filter(is_own).take(FRAMES).collect();
    if own.is_empty() {
        own = frames.iter().take(FRAMES).collect();
    }
    for f in own {
        let text = format!("{} {}", clean::line(f.short_function()), clean::line(&f.short_location()));
        let _ = writeln!(out, "{:INDENT$}{}", "", elide_left(&text, width.saturating_sub(INDENT)));
    }
}
