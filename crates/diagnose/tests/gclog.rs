//! GC logs of programs with a known way of using memory (`crates/gclog/tests/corpus/make.py --shapes`): the signals that
//! they must show and those that they must not, and numbers against what the programs counted of themselves.

#![allow(clippy::unwrap_used, reason = "a test")]

use diagnose::{GcLogReading, Thresholds};
use model::{GcLog, GcLogProcess};
use std::path::{Path, PathBuf};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../gclog/tests").join(name)
}

fn read(log: &[u8], block: usize) -> (GcLog, Vec<&'static str>) {
    let mut reading = GcLogReading::new(&Thresholds::default());
    let mut notes = Vec::new();
    for b in log.chunks(block) {
        reading.feed(b, &mut |n| notes.push(n.id));
    }
    assert!(reading.found());
    let log = reading.finish("test", "0", &mut |n| notes.push(n.id));
    (log, notes)
}

fn shape(name: &str) -> GcLogProcess {
    let log = std::fs::read(folder("shapes").join(format!("{name}.log"))).unwrap();
    let (mut whole, notes) = read(&log, 1 << 20);
    assert_eq!(read(&log, 997).0, whole, "{name}: blocks make a difference");
    assert_eq!((whole.processes.len(), whole.broken.count), (1, 0), "{name}");
    let p = whole.processes.remove(0);
    for s in p.signals.iter().filter(|s| s.id != "live-heap-grows") {
        assert!(notes.contains(&s.id.as_str()), "{name}: {} was not told while it began", s.id);
        assert!(s.first.line <= s.worst.line && s.worst.line <= s.last.line && s.count > 0, "{name} {s:?}");
    }
    p
}

fn ids(p: &GcLogProcess) -> Vec<&str> {
    p.signals.iter().map(|s| s.id.as_str()).collect()
}

/// The program's own rows: total bytes allocated and collections at the start of the load and at its end.
fn truth(name: &str) -> Vec<serde_json::Value> {
    let text = std::fs::read_to_string(folder("shapes").join(format!("{name}.jsonl"))).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

#[test]
fn each_shape_shows_its_signals_and_no_others() {
    // What it must show first, what may be there besides.
    let shapes: [(&str, &[&str], &[&str]); 8] = [
        ("healthy", &[], &[]),
        ("storm", &["gc-storm", "gc-cpu"], &["assist-heavy", "long-pause"]),
        (
            "limit",
            &["limit-bound", "gc-cpu", "live-heap-grows"],
            &["goal-trails", "long-pause", "assist-heavy", "gc-storm"],
        ),
        ("leak", &["live-heap-grows"], &[]),
        ("assists", &["gc-cpu", "assist-heavy"], &["long-pause"]),
        ("forced", &["forced-gc"], &[]),
        ("step", &["heap-jump"], &["goal-trails", "long-pause"]),
        ("big", &["heap-jump"], &["goal-trails", "long-pause"]),
    ];
    for (name, must, may) in shapes {
        let p = shape(name);
        let ids = ids(&p);
        assert!(must.iter().all(|m| ids.contains(m)), "{name}: {ids:?}");
        assert!(ids.iter().all(|i| must.contains(i) || may.contains(i)), "{name}: {:?}", p.signals);
        if may.is_empty() || must.len() > 1 {
            assert_eq!(must.first().copied(), ids.first().copied(), "{name}: the gravest");
        }
    }
}

#[test]
fn growth_is_found_where_it_happened() {
    for (name, half) in [("step", 8.0), ("big", 12.0)] {
        let p = shape(name);
        let g = p.growth.unwrap();
        assert!(g.from.at <= half + 0.3 && g.to.at >= half && g.to.at <= half + 3.0, "{name} {g:?}");
        assert!(g.time_share < 0.2, "{name} {g:?}");
    }
    let leak = shape("leak");
    let (g, t) = (leak.growth.unwrap(), leak.trend.unwrap());
    assert!(g.time_share > 0.6, "{g:?}");
    let mib = f64::from(1 << 20);
    for slope in [t.per_second, t.early_per_second, t.late_per_second] {
        assert!((slope / mib - 3.0).abs() < 0.4, "3 MiB/s by the program: {t:?}");
    }
}

#[test]
fn sums_are_what_the_programs_counted() {
    for name in ["healthy", "storm", "leak", "limit", "assists", "forced", "gogc50", "gogc100", "gogc200", "gogc400"] {
        let p = shape(name);
        let rows = truth(name);
        let last = rows.last().unwrap();
        assert_eq!(u64::from(p.last.cycle), last["NumGC"].as_u64().unwrap(), "{name}");
        assert_eq!((p.cycles, p.missing), (u64::from(p.last.cycle), 0), "{name}");
        assert_eq!(p.forced, last["NumForced"].as_u64().unwrap(), "{name}");
        // From the first to the last collection; before and after, up to a runway is allocated.
        let total = last["TotalAlloc"].as_f64().unwrap();
        let seen = p.allocated.unwrap().bytes as f64;
        let ends = p.heap.goal.max as f64 + f64::from(8 << 20);
        eprintln!("{name}: {:.3} of what was allocated", seen / total);
        // What Ps have taken in advance counts as allocated.
        assert!(seen <= total * 1.05 && seen >= total * 0.98 - ends, "{name}: {seen} of {total}");
        let pauses = last["PauseTotalNs"].as_f64().unwrap() / 1e9;
        assert!((0.9..1.2).contains(&(pauses / p.pauses.total)), "{name}: {pauses} {}", p.pauses.total);
        // CPU seconds of the phases, each as the runtime's metrics have it (collections after the last row are none).
        for (mine, theirs) in [(p.cpu.assist, "AssistS"), (p.cpu.background, "DedicatedS"), (p.cpu.idle, "IdleS")] {
            let theirs = last[theirs].as_f64().unwrap();
            assert!((mine - theirs).abs() <= 0.01 + theirs * 0.05, "{name}: {mine} {theirs}");
        }
    }
}

#[test]
fn the_pacers_arithmetic_predicts_other_settings() {
    let runs: Vec<_> = [50.0, 100.0, 200.0, 400.0].map(|g| (g, shape(&format!("gogc{g}")).cost.unwrap())).into();
    for (gogc, cost) in &runs {
        assert!((cost.gogc / gogc - 1.0).abs() < 0.05, "{gogc} {}", cost.gogc);
    }
    for pair in runs.windows(2) {
        let [(gogc, now), (_, then)] = pair else { unreachable!() };
        let twice = now.changes.iter().find(|c| c.id == "gogc-double").unwrap();
        let (predicted, measured) = (twice.cpu_share, then.cpu_share);
        eprintln!("GOGC {gogc} -> {}: predicted {predicted:.4}, measured {measured:.4}", gogc * 2.0);
        assert!((predicted / measured - 1.0).abs() < 0.25, "{gogc}: {predicted} {measured}");
        let goal = twice.goal as f64 / then.goal as f64;
        assert!((goal - 1.0).abs() < 0.05, "{gogc}: goal {} {}", twice.goal, then.goal);
    }
}

#[test]
fn processes_of_one_log_are_kept_apart() {
    // Two logs line by line, as two containers write into one stream, and the first one once more: a restart.
    let log = |name: &str| std::fs::read_to_string(folder("shapes").join(format!("{name}.log"))).unwrap();
    let (a, b) = (log("leak"), log("forced"));
    let (mut la, mut lb) = (a.lines(), b.lines());
    let mut mixed = String::new();
    loop {
        let (x, y) = (la.next(), lb.next());
        if x.is_none() && y.is_none() {
            break;
        }
        mixed.extend(x.map(|l| format!("web-1 | {l}\n")));
        mixed.extend(y.map(|l| format!("web-2 | {l}\n")));
    }
    mixed.extend(a.lines().map(|l| format!("web-1 | {l}\n")));
    let (whole, _) = read(mixed.as_bytes(), 1 << 20);
    let cycles: Vec<u64> = whole.processes.iter().map(|p| p.cycles).collect();
    let (ca, cb) = (a.lines().count() as u64, b.lines().count() as u64);
    assert_eq!(cycles, [ca, cb, ca]);
    let alone = [shape("leak"), shape("forced"), shape("leak")];
    for (p, alone) in whole.processes.iter().zip(&alone) {
        assert_eq!((ids(p), p.heap, p.pauses), (ids(alone), alone.heap, alone.pauses));
    }
}

#[test]
fn a_hostile_number_of_processes_is_bounded() {
    let line = "gc 1 @0.001s 5%: 0.049+0.36+0.003 ms clock, 0.098+0/0.081/0.30+0.006 ms cpu, 1->1->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P\n";
    let (log, _) = read(line.repeat(20_000).as_bytes(), 1 << 20);
    assert_eq!(log.processes.len() as u64 + log.more_processes, 20_000);
    assert!(log.processes.len() <= 256);
}

#[test]
fn the_largest_numbers_are_survived() {
    let max = u64::MAX;
    let line = |number: u32, ms: &str| {
        format!(
            "gc {number} @{}.615s 100%: 0+{ms}+0 ms clock, 0+{ms}/0/0+0 ms cpu, {max}->{max}->{max} MB, {max} MB goal, {max} MB stacks, {max} MB globals, 65536 P (forced)\nscav {max} KiB work (bg), {max} KiB work (eager), {max} KiB now, {max}% util\n",
            max / 1000 - u64::from(number < 3),
        )
    };
    let mut text = line(1, "0");
    text += &line(2, "18446744073709");
    (3..60).for_each(|n| text += &line(n, "0"));
    text += &line(u32::MAX, "0");
    let (log, _) = read(text.as_bytes(), 1 << 20);
    let p = log.processes.last().unwrap();
    assert!(p.heap.live.max == max && p.seconds.is_finite() && log.broken.count == 0, "{:?} {:?}", log.broken, p.heap);
    // No number that JSON does not have.
    let json = serde_json::to_string(&log).unwrap();
    assert!(!json.contains("null"), "{json}");
}
