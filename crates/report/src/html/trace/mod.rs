//! Owns the HTML form of a trace's timeline: lanes of procs, collections, stopped worlds, assists and the heap, drawn by
//! a script that zooms; facts, what to look at, collections and stopped worlds stand in the page without it too.
//! `#t=START-END` (nanoseconds) in the address shows that stretch. Refuses to judge.

use super::{Scripts, definitions, finish, heading, name, sentence, start};
use crate::{clean, fmt};
use model::{Bytes, Frame, TimelineDocument, TimelineLane, TimelineMark};
use rustc_hash::FxHashMap;
use serde_json::{Value, json};
use std::fmt::Write as _;

pub(super) const STYLE: &str = include_str!("timeline.css");
pub(super) const SCRIPT: &str = concat!(include_str!("timeline.js"), include_str!("timeline_keys.js"));
/// Most findings, and rows of a table.
const MOST_FINDINGS: usize = 500;
const ROWS: usize = 15;
/// A link to an instant shows this much to either side of it, in nanoseconds.
const AROUND: u64 = 2_000_000;

/// The timeline as one HTML file that loads nothing.
#[must_use]
pub fn timeline_html(t: &TimelineDocument) -> String {
    let mut out = start(&format!("Timeline: {} (oomph)", name(&t.source)), STYLE);
    out.push_str("<a class=\"skip\" href=\"#main\">Skip to the timeline</a>\n<header class=\"verdict\">\n");
    let _ = writeln!(out, "<p class=\"word\">TIMELINE</p>\n<h1>{}</h1>", headline(t));
    let facts = [
        ("Trace", format!("<code>{}</code>", name(&t.source))),
        ("Format", format!("Go {}", name(&t.format))),
        ("Events", fmt::count(t.events)),
        ("Procs", fmt::count(t.procs.len() as u64 + t.more_procs)),
    ];
    definitions(&mut out, &facts);
    out.push_str("</header>\n<main id=\"main\">\n");
    findings(&mut out, &t.findings);
    lanes(&mut out, t);
    stops(&mut out, t);
    out.push_str("</main>\n");
    let data = clean::json_in_script(&data(t).to_string());
    finish(&mut out, &t.oomph, &t.schema, &Scripts { timeline: Some(data), ..Scripts::default() });
    out
}

fn headline(t: &TimelineDocument) -> String {
    let marked: u64 = t.marks.iter().map(|m| m.duration_ns).fold(0, u64::saturating_add);
    let peak = t.heap.iter().map(|p| p.heap).max().unwrap_or(0);
    let longest = t.stops.iter().map(|s| s.duration_ns).max().unwrap_or(0);
    let stopped =
        format!("{} stopped worlds, the longest {}", fmt::count(count(t.stops.len(), t.more_stops)), ns(longest));
    format!(
        "{} of {} in {} collections; {stopped}; heap up to {}",
        ns(marked),
        ns(t.duration_ns),
        fmt::count(count(t.marks.len(), t.more_marks)),
        Bytes(peak),
    )
}

fn count(listed: usize, more: u64) -> u64 {
    more.saturating_add(listed as u64)
}

/// A duration for a person.
fn ns(n: u64) -> String {
    fmt::short_duration(n as f64 / 1e9)
}

/// A link to a stretch of time.
fn link(start: u64, duration: u64, text: &str) -> String {
    let from = start.saturating_sub(AROUND.max(duration / 2));
    let to = start.saturating_add(duration).saturating_add(AROUND.max(duration / 2));
    format!("<a href=\"#t={from}-{to}\">{text}</a>")
}

/// What to look at, with links into the timeline.
fn findings(out: &mut String, findings: &[TimelineMark]) {
    if findings.is_empty() {
        return;
    }
    heading(out, "look", "What to look at");
    out.push_str("<ul>\n");
    for f in findings.iter().take(MOST_FINDINGS) {
        let at = format!("{:.3} ms", f.at_ns as f64 / 1e6);
        let _ = writeln!(out, "<li>{}: {}</li>", link(f.at_ns, 0, &at), sentence(&f.text));
    }
    out.push_str("</ul>\n");
    if let Some(more) = findings.len().checked_sub(MOST_FINDINGS).filter(|n| *n > 0) {
        let _ = writeln!(out, "<p class=\"cut\">{} more are not listed.</p>", fmt::count(more as u64));
    }
    out.push_str("</section>\n");
}

fn lanes(out: &mut String, t: &TimelineDocument) {
    heading(out, "lanes", "Who ran when");
    out.push_str(
        "<noscript><p>The lanes need JavaScript. The tables of this page do not.</p></noscript>\n\
         <div class=\"tl-tools\"><label>Find a function <input id=\"tl-find\" type=\"search\" autocomplete=\"off\"></label>\
         <button type=\"button\" id=\"tl-next\">Next</button><button type=\"button\" id=\"tl-all\">Whole trace</button>\
         <output id=\"tl-span\"></output></div>\n\
         <div class=\"tl\" id=\"tl\" tabindex=\"0\" role=\"application\" aria-label=\"Timeline: w and s zoom, a and d move, 0 shows all\">\
         <canvas id=\"tl-canvas\"></canvas></div>\n\
         <p class=\"tl-help\">Wheel or <kbd>w</kbd>/<kbd>s</kbd> zooms, dragging or <kbd>a</kbd>/<kbd>d</kbd> moves, shift and \
         dragging enters a stretch, <kbd>0</kbd> shows all, <kbd>n</kbd> goes to the next match. A click tells what ran, and where it stopped.</p>\n\
         <div class=\"tl-told\" id=\"tl-told\" aria-live=\"polite\"></div>\n",
    );
    let mut left = Vec::new();
    if t.merged_below_ns > 0 {
        left.push(format!(
            "Runs that are no more than {} together are drawn as one, which says how many it stands for and who ran longest.",
            ns(t.merged_below_ns)
        ));
    }
    for (more, what) in [
        (t.more_procs, "procs have no lane"),
        (t.more_marks, "mark phases are not drawn: the last"),
        (t.more_stops, "stopped worlds are not drawn: the shortest"),
        (t.more_assists, "mark assists are not drawn: the shortest"),
    ] {
        if more > 0 {
            left.push(format!("{} {what}.", fmt::count(more)));
        }
    }
    left.extend(t.limits.iter().map(|l| sentence(l)));
    for text in left.iter().take(MOST_FINDINGS) {
        let _ = writeln!(out, "<p class=\"cut\">{text}</p>");
    }
    out.push_str("</section>\n");
}

/// The longest stopped worlds and assists.
fn stops(out: &mut String, t: &TimelineDocument) {
    let mut longest: Vec<_> = t.stops.iter().collect();
    longest.sort_by_key(|s| std::cmp::Reverse(s.duration_ns));
    let rows = longest.iter().take(ROWS).map(|s| (s.start_ns, s.duration_ns, name(&s.reason), s.goroutine, s.stack));
    table(out, t, "stops", "Longest stopped worlds", "Reason", rows);
    let mut longest: Vec<_> = t.assists.iter().collect();
    longest.sort_by_key(|a| std::cmp::Reverse(a.duration_ns));
    let function = |f: u32| name(t.functions.get(f as usize).map_or("", |f| f));
    let rows =
        longest.iter().take(ROWS).map(|a| (a.start_ns, a.duration_ns, function(a.function), a.goroutine, a.stack));
    table(out, t, "assists", "Longest mark assists", "Began with", rows);
}

/// Instants, durations, goroutines and where they stood.
fn table(
    out: &mut String,
    t: &TimelineDocument,
    id: &str,
    title: &str,
    what: &str,
    rows: impl ExactSizeIterator<Item = (u64, u64, String, i64, u32)>,
) {
    if rows.len() == 0 {
        return;
    }
    heading(out, id, title);
    let _ = writeln!(
        out,
        "<div class=\"scroll\"><table><thead><tr><th class=\"n\">At</th><th class=\"n\">Took</th><th>{what}</th><th>Goroutine</th><th>Where</th></tr></thead><tbody>"
    );
    for (start, duration, what, goroutine, stack) in rows {
        let at = link(start, duration, &format!("{:.3} ms", start as f64 / 1e6));
        let own = |f: &&Frame| !f.function.starts_with("runtime.");
        let place = t.stacks.get(stack as usize).and_then(|s| s.iter().find(own).or(s.first()));
        let place = place.map(|f| format!("<code>{}</code> {}:{}", name(&f.function), name(file(&f.file)), f.line));
        let goroutine = if goroutine < 0 { String::new() } else { format!("G{goroutine}") };
        let _ = writeln!(
            out,
            "<tr><td class=\"n\">{at}</td><td class=\"n\">{}</td><td>{what}</td><td>{goroutine}</td><td>{}</td></tr>",
            ns(duration),
            place.unwrap_or_default()
        );
    }
    out.push_str("</tbody></table></div>\n</section>\n");
}

/// The last part of a path.
fn file(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// What the script draws: columns, times as differences.
fn data(t: &TimelineDocument) -> Value {
    let mut frames: Vec<String> = Vec::new();
    let mut known: FxHashMap<&Frame, usize> = FxHashMap::default();
    let mut stacks: Vec<Vec<usize>> = Vec::with_capacity(t.stacks.len());
    for stack in &t.stacks {
        let numbers = stack.iter().map(|f| {
            *known.entry(f).or_insert_with(|| {
                frames.push(format!("{}  {}:{}", clean::line(&f.function), clean::line(file(&f.file)), f.line));
                frames.len() - 1
            })
        });
        stacks.push(numbers.collect());
    }
    let functions: Vec<_> = t.functions.iter().map(|f| clean::line(f)).collect();
    json!({
        "duration": t.duration_ns,
        "functions": functions,
        "frames": frames,
        "stacks": stacks,
        "procs": t.procs.iter().map(lane).collect::<Vec<_>>(),
        "marks": columns(t.marks.iter().map(|m| (m.start_ns, m.duration_ns))),
        "stops": json!({
            "t": columns(t.stops.iter().map(|s| (s.start_ns, s.duration_ns))),
            "text": t.stops.iter().map(|s| clean::line(&s.reason)).collect::<Vec<_>>(),
            "g": t.stops.iter().map(|s| s.goroutine).collect::<Vec<_>>(),
            "k": t.stops.iter().map(|s| s.stack).collect::<Vec<_>>(),
        }),
        "assists": json!({
            "t": columns(t.assists.iter().map(|a| (a.start_ns, a.duration_ns))),
            "g": t.assists.iter().map(|a| a.goroutine).collect::<Vec<_>>(),
            "f": t.assists.iter().map(|a| a.function).collect::<Vec<_>>(),
            "k": t.assists.iter().map(|a| a.stack).collect::<Vec<_>>(),
            "p": t.assists.iter().map(|a| a.proc).collect::<Vec<_>>(),
        }),
        "heap": json!({
            "t": t.heap.iter().map(|p| p.at_ns).collect::<Vec<_>>(),
            "heap": t.heap.iter().map(|p| p.heap).collect::<Vec<_>>(),
            "goal": t.heap.iter().map(|p| p.goal).collect::<Vec<_>>(),
        }),
        "findings": t.findings.iter().take(MOST_FINDINGS)
            .map(|f| json!([f.at_ns, clean::head(&clean::line(&f.text), 400)])).collect::<Vec<_>>(),
    })
}

fn lane(lane: &TimelineLane) -> Value {
    let of = |get: fn(&model::TimelineSlice) -> u64| lane.slices.iter().map(get).collect::<Vec<_>>();
    json!({
        "p": lane.proc,
        "t": columns(lane.slices.iter().map(|s| (s.start_ns, s.duration_ns))),
        "b": of(|s| s.duration_ns.saturating_sub(s.busy_ns)),
        "n": of(|s| s.runs),
        "g": lane.slices.iter().map(|s| s.goroutine).collect::<Vec<_>>(),
        "f": of(|s| u64::from(s.function)),
        "k": of(|s| u64::from(s.stack)),
    })
}

/// Starts, as differences from the start before, and durations.
fn columns(list: impl Iterator<Item = (u64, u64)>) -> Value {
    let (mut starts, mut durations, mut last) = (Vec::new(), Vec::new(), 0u64);
    for (start, duration) in list {
        starts.push(start.saturating_sub(last));
        durations.push(duration);
        last = start.max(last);
    }
    json!([starts, durations])
}
