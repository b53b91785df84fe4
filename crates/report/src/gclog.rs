//! Owns the text form of what a GC log tells. Refuses to judge: signals and their order are the document's.

use crate::heap_queries::{WIDTHS, limits};
use crate::wrap::wrap;
use crate::{clean, fmt};
use model::{
    Bytes, GcLog, GcLogBroken, GcLogCpu, GcLogGrowth, GcLogInstant, GcLogProcess, GcLogRange, GcLogSignal, GcLogTimes,
    GcLogTrend, format_iec,
};
use std::fmt::Write as _;

/// Processes that are shown.
const PROCESSES: usize = 8;
/// Broken lines whose place is shown.
const BROKEN: usize = 5;
/// Columns of the words in front.
const LABEL: usize = 12;

/// What a GC log tells, for a terminal of `width` columns. Ends with a newline.
#[must_use]
pub fn gc_log(log: &GcLog, width: usize) -> String {
    let width = width.clamp(WIDTHS.0, WIDTHS.1);
    let mut out = String::new();
    let n = log.processes.len() as u64 + log.more_processes;
    let cycles: u64 = log.processes.iter().map(|p| p.cycles).fold(0, u64::saturating_add);
    let source = if log.source == "-" { "standard input".into() } else { clean::line(&log.source) };
    let head = format!(
        "{source}: {} of {} in {} ({} lines)",
        plural(cycles, "collection"),
        plural(n, "process").replace("processs", "processes"),
        Bytes(log.bytes),
        fmt::count(log.lines)
    );
    lines(&mut out, &head, 0, width);
    // With many processes, those that collected most say most.
    let mut shown: Vec<usize> = (0..log.processes.len()).collect();
    if shown.len() > PROCESSES {
        shown.sort_by_key(|&i| std::cmp::Reverse(log.processes.get(i).map(|p| p.cycles)));
        shown.truncate(PROCESSES);
        shown.sort_unstable();
    }
    for i in &shown {
        let Some(p) = log.processes.get(*i) else { continue };
        process(&mut out, p, (n > 1).then_some(*i), width);
    }
    if n > shown.len() as u64 {
        let _ = writeln!(
            out,
            "\n{} more with fewer collections",
            plural(n - shown.len() as u64, "process").replace("processs", "processes")
        );
    }
    broken(&mut out, &log.broken, width);
    limits(&mut out, &log.limits, width);
    out
}

fn plural(n: u64, what: &str) -> String {
    format!("{} {what}{}", fmt::count(n), if n == 1 { "" } else { "s" })
}

/// A paragraph with the first line at the margin and the others `indent` in.
fn lines(out: &mut String, text: &str, indent: usize, width: usize) {
    for (i, line) in wrap(text, width, width.saturating_sub(indent)).iter().enumerate() {
        let _ = writeln!(out, "{:1$}{line}", "", if i == 0 { 0 } else { indent });
    }
}

/// A row: a word, and text beside it.
fn row(out: &mut String, label: &str, text: &str, width: usize) {
    let room = width.saturating_sub(LABEL);
    for (i, line) in wrap(text, room, room).iter().enumerate() {
        let _ = writeln!(out, "{:LABEL$}{line}", if i == 0 { label } else { "" });
    }
}

fn process(out: &mut String, p: &GcLogProcess, number: Option<usize>, width: usize) {
    let which = number.map_or_else(String::new, |i| format!("Process {}: ", i + 1));
    let head = format!(
        "{which}gc {} to {} in {}, {}, {} Ps",
        p.first.cycle,
        p.last.cycle,
        fmt::duration(p.seconds),
        rate(p.cycles_per_second),
        p.procs
    );
    out.push('\n');
    lines(out, &head, 2, width);
    for s in &p.signals {
        signal(out, s, width);
    }
    if p.signals.is_empty() {
        row(out, "signals", "none", width);
    }
    counts(out, p, width);
    let at = format!(" at {}", instant(&p.longest_pause));
    row(out, "stops", &format!("{}{at}", times(&p.pauses)), width);
    row(out, "marking", &times(&p.marking), width);
    row(out, "interval", &times(&p.intervals), width);
    row(out, "CPU", &cpu(&p.cpu, p.procs), width);
    let h = &p.heap;
    let sizes = format!(
        "before {}, after {}, live {}, goal {}",
        range(&h.before),
        range(&h.after),
        range(&h.live),
        range(&h.goal)
    );
    row(out, "heap", &sizes, width);
    if h.stacks.max > 0 || h.globals.max > 0 {
        row(out, "roots", &format!("stacks {}, globals {}", range(&h.stacks), range(&h.globals)), width);
    }
    rest(out, p, width);
}

fn counts(out: &mut String, p: &GcLogProcess, width: usize) {
    let mut parts = vec![plural(p.cycles, "collection")];
    if p.forced > 0 {
        parts.push(format!("{} forced by the program", fmt::count(p.forced)));
    }
    if p.periodic > 0 {
        parts.push(format!("{} after two minutes without one", fmt::count(p.periodic)));
    }
    if p.missing > 0 {
        parts.push(format!("{} more without a whole line", fmt::count(p.missing)));
    }
    row(out, "counted", &parts.join(", "), width);
}

fn rest(out: &mut String, p: &GcLogProcess, width: usize) {
    if let Some(a) = &p.allocated {
        let cost = fmt::short_duration(a.cpu_seconds_per_mib);
        let text = format!("{}, {}; {cost} of GC CPU per MiB", Bytes(a.bytes), fmt::rate(a.per_second));
        row(out, "allocated", &text, width);
    }
    if let Some(t) = &p.trend {
        row(out, "live heap", &trend(t), width);
    }
    if let Some(g) = &p.growth {
        row(out, "growth", &growth(g), width);
    }
    if let Some(c) = &p.cost {
        let text = format!(
            "GOGC {:.0} by the goals; {} of the CPU with idle workers, {} a collection of {} live",
            c.gogc,
            fmt::percent(c.cpu_share),
            fmt::short_duration(c.cpu_seconds_per_cycle),
            Bytes(c.live)
        );
        row(out, "cost", &text, width);
        for change in &c.changes {
            row(out, "", &clean::line(&change.sentence), width);
        }
    }
    if let Some(s) = &p.scavenged {
        let text = format!(
            "{} in the background, {} by allocating goroutines; {} at the last line",
            Bytes(s.background),
            Bytes(s.eager),
            Bytes(s.released)
        );
        row(out, "returned", &text, width);
    }
}

fn signal(out: &mut String, s: &GcLogSignal, width: usize) {
    let places = if s.count == 1 {
        format!("at {}", instant(&s.first))
    } else {
        format!(
            "at {} collections, first {}, worst {}, last {}",
            fmt::count(s.count),
            instant(&s.first),
            instant(&s.worst),
            instant(&s.last)
        )
    };
    let text = format!("{}: {}", clean::line(&s.id), clean::line(&s.summary));
    row(out, s.severity.as_str(), &text, width);
    row(out, "", &places, width);
}

fn instant(i: &GcLogInstant) -> String {
    format!("gc\u{a0}{} ({:.3} s, line\u{a0}{})", i.cycle, i.at, i.line)
}

fn times(t: &GcLogTimes) -> String {
    format!(
        "p50 {}, p99 {}, max {}",
        fmt::short_duration(t.p50),
        fmt::short_duration(t.p99),
        fmt::short_duration(t.max)
    )
}

fn rate(per_second: f64) -> String {
    if per_second >= 0.5 { format!("{per_second:.1}/s") } else { format!("{:.1}/min", per_second * 60.0) }
}

fn cpu(c: &GcLogCpu, procs: u32) -> String {
    let all = c.stopped + c.assist + c.background + c.idle;
    let share = |v: f64| fmt::percent(if all > 0.0 { v / all } else { 0.0 });
    format!(
        "{} of {procs} Ps, idle workers left out ({} since the start); of it and them: stops {}, assists {}, background {}, \
         idle {}",
        fmt::percent(c.share),
        fmt::percent(c.share_since_start),
        share(c.stopped),
        share(c.assist),
        share(c.background),
        share(c.idle)
    )
}

fn range(r: &GcLogRange) -> String {
    let mib = |b: u64| fmt::count(b >> 20);
    if r.min == r.max { format!("{} MiB", mib(r.min)) } else { format!("{} to {} MiB", mib(r.min), mib(r.max)) }
}

fn trend(t: &GcLogTrend) -> String {
    format!(
        "{}; earlier half {}, later half {}",
        fmt::rate_signed(t.per_second),
        fmt::rate_signed(t.early_per_second),
        fmt::rate_signed(t.late_per_second)
    )
}

fn growth(g: &GcLogGrowth) -> String {
    let gained = g.live_to.saturating_sub(g.live_from);
    format!(
        "{} of {} between {} and {}: {} of the time, {} -> {}",
        format_iec(gained as f64),
        Bytes(g.total),
        instant(&g.from),
        instant(&g.to),
        fmt::percent(g.time_share),
        Bytes(g.live_from),
        Bytes(g.live_to)
    )
}

fn broken(out: &mut String, b: &GcLogBroken, width: usize) {
    if b.count == 0 {
        return;
    }
    out.push('\n');
    let text = format!("{} of the runtime's lines, or pieces of such, are not taken:", fmt::count(b.count));
    lines(out, &text, 2, width);
    for r in &b.reasons {
        let text = format!("{} {}: {}", fmt::count(r.count), clean::line(&r.kind), clean::line(&r.why));
        row(out, "", &text, width);
    }
    let places: Vec<String> =
        b.first.iter().take(BROKEN).map(|p| format!("line\u{a0}{} (byte\u{a0}{})", p.line, p.offset)).collect();
    row(out, "first", &places.join(", "), width);
}
