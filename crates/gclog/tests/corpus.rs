//! Lines that the toolchains of Go 1.19 to 1.27 really printed, against what the same processes counted of themselves
//! (`corpus/make.py`): each field within what printing cuts off.

#![allow(clippy::unwrap_used, reason = "a test")]

use gclog::{Cycle, PacerEnd, PacerStart, Reader, Record, ScanClass, Why, precision};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// A row of the program's own account (`corpus/program/main.go`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Truth {
    #[serde(rename = "NumGC")]
    num_gc: u32,
    num_forced: u32,
    pause_total_ns: u64,
    #[serde(rename = "LastGC")]
    last_gc: u64,
    #[serde(rename = "NextGC")]
    next_gc: u64,
    total_alloc: u64,
    fraction: f64,
    live: u64,
    stack: u64,
    globals: u64,
    assist_s: f64,
    dedicated_s: f64,
    idle_s: f64,
    procs: u32,
    before: u64,
    version: String,
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
}

fn logs(suffix: &str) -> Vec<(String, Vec<u8>)> {
    let mut out: Vec<_> = std::fs::read_dir(corpus())
        .unwrap()
        .filter_map(|e| {
            let path = e.unwrap().path();
            let name = path.file_name()?.to_str()?.strip_suffix(suffix)?.to_owned();
            (!name.ends_with(".mixed")).then(|| (name, std::fs::read(&path).unwrap()))
        })
        .collect();
    out.sort();
    out
}

fn truth(name: &str) -> Vec<Truth> {
    let text = std::fs::read_to_string(corpus().join(format!("{name}.jsonl"))).unwrap();
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

fn records(log: &[u8]) -> Vec<(u64, Record)> {
    let mut out = Vec::new();
    let mut reader = Reader::new();
    reader.feed(log, &mut |f| out.push((f.place.line, f.record)));
    reader.finish(&mut |f| out.push((f.place.line, f.record)));
    assert_eq!(reader.bytes(), log.len() as u64);
    out
}

fn cycles(records: &[(u64, Record)]) -> Vec<Cycle> {
    records.iter().filter_map(|(_, r)| if let Record::Cycle(c) = r { Some(*c) } else { None }).collect()
}

const MIB: u64 = 1 << 20;

/// `seconds` as the line prints them.
fn printed(ns: u64, seconds: f64) -> bool {
    let exact = seconds * 1e9;
    // Sums of seconds are doubles: some nanoseconds either way.
    exact > ns as f64 - 50.0 && exact < (ns + precision(ns)) as f64 + 50.0
}

#[test]
fn every_line_is_taken() {
    let all = logs(".log");
    assert!(all.len() >= 11, "{} logs", all.len());
    for (name, log) in all {
        let found = records(&log);
        let lines = log
            .split(|b| *b == b'\n')
            .filter(|l| [&b"gc "[..], b"pacer: ", b"scav ", b"scan: "].iter().any(|p| l.starts_with(p)));
        assert_eq!(found.len(), lines.count(), "{name}");
        for (line, r) in found {
            assert!(!matches!(r, Record::Broken(_)), "{name}:{line}: {r:?}");
        }
    }
}

#[test]
fn fields_are_what_the_runtime_counted() {
    for (name, log) in logs(".log").into_iter().filter(|(n, _)| !n.starts_with("go1.19")) {
        let cycles = cycles(&records(&log));
        let rows = truth(&name);
        assert!(cycles.iter().enumerate().all(|(i, c)| c.number as usize == i + 1), "{name}: numbers");
        let mut exact = 0;
        for (i, t) in rows.iter().enumerate() {
            assert!(t.version.split([' ', '-']).next().is_some_and(|v| name.starts_with(v)), "{name}: {}", t.version);
            let c = &cycles[t.num_gc as usize - 1];
            assert_eq!(c.heap_marked_mib, t.live / MIB, "{name} {c:?}");
            assert_eq!(c.stacks_mib, t.stack / MIB, "{name} {c:?}");
            assert_eq!(c.globals_mib, t.globals / MIB, "{name} {c:?}");
            assert_eq!(c.percent, (t.fraction * 100.0) as u32, "{name} {c:?}");
            assert_eq!(c.procs, t.procs, "{name} {c:?}");
            let forced = cycles[..t.num_gc as usize].iter().filter(|c| c.forced).count();
            assert_eq!(forced as u32, t.num_forced, "{name} {c:?}");
            if t.before > 0 && i > 0 && rows[i - 1].num_gc + 1 == t.num_gc {
                // Nothing but the program's one goroutine allocates then.
                let before = c.heap_before_mib.abs_diff(t.before / MIB);
                let after =
                    c.heap_after_mib.abs_diff((rows[i - 1].live + t.total_alloc - rows[i - 1].total_alloc) / MIB);
                assert!(before <= 1 && after <= 1, "{name} {c:?} {t:?}");
            }
            let Some(next) = cycles.get(t.num_gc as usize) else { continue };
            // The goal that the program reads is that of the next collection, but for the runway that the runtime adds
            // while it sweeps (mgcpacer.go: sweepMinHeapDistance, 1 MiB).
            assert!(next.goal_mib.abs_diff(t.next_gc / MIB) <= 1, "{name} {next:?} {t:?}");
            exact += u32::from(next.goal_mib == t.next_gc / MIB);
        }
        assert!(exact as usize * 10 >= rows.len() * 9, "{name}: {exact} of {} goals are exact", rows.len());
    }
}

#[test]
fn times_are_what_the_runtime_counted() {
    for (name, log) in logs(".log").into_iter().filter(|(n, _)| !n.starts_with("go1.19")) {
        let cycles = cycles(&records(&log));
        let rows = truth(&name);
        let mut compared = 0;
        for pair in rows.windows(2) {
            let [a, b] = pair else { unreachable!() };
            if a.num_gc + 1 != b.num_gc {
                continue;
            }
            compared += 1;
            let (before, c) = (&cycles[a.num_gc as usize - 1], &cycles[b.num_gc as usize - 1]);
            assert!(printed(c.cpu.assist_ns, b.assist_s - a.assist_s), "{name} {c:?} {a:?} {b:?}");
            assert!(printed(c.cpu.background_ns, b.dedicated_s - a.dedicated_s), "{name} {c:?}");
            assert!(printed(c.cpu.idle_ns, b.idle_s - a.idle_s), "{name} {c:?}");
            // The runtime's own sum begins when the world is stopped, or when stopping it begins, by version, and has the
            // stops of a mark termination that was begun in vain; the line has what is done around the stops.
            let pause = (b.pause_total_ns - a.pause_total_ns) as f64;
            let printed = c.pause_ns() as f64;
            assert!((printed * 0.9..printed * 1.2 + 2e3).contains(&pause), "{name} {c:?} {pause}");
            // The wall clock of the ends.
            let apart = (b.last_gc - a.last_gc) as f64 / 1e6;
            let end = |c: &Cycle| c.start_ms as f64 + c.wall_ns() as f64 / 1e6;
            assert!((end(c) - end(before) - apart).abs() < 2.5, "{name} {before:?} {c:?} {apart}");
        }
        assert!(compared * 3 > rows.len(), "{name}: {compared} of {}", rows.len());
    }
}

#[test]
fn the_goal_is_what_the_pacer_says() {
    // goal = marked + (marked + stacks + globals) * GOGC / 100, at least 4 MiB * GOGC / 100 (mgcpacer.go, commit).
    for (name, log) in logs(".log").into_iter().filter(|(n, _)| !n.starts_with("go1.19")) {
        let cycles = cycles(&records(&log));
        for t in truth(&name) {
            let goal = (t.live + t.live + t.stack + t.globals).max(4 * MIB);
            assert!(goal.abs_diff(t.next_gc) <= MIB + MIB / 2, "{name} {t:?}");
            if let Some(next) = cycles.get(t.num_gc as usize) {
                assert!(next.goal_mib.abs_diff(goal / MIB) <= 2, "{name} {next:?} {t:?}");
            }
        }
    }
}

#[test]
fn pacer_and_scavenger_agree_with_the_collections() {
    let mut swept = 0;
    for (name, log) in logs(".log") {
        let found = records(&log);
        let (mut start, mut end): (Option<PacerStart>, Option<PacerEnd>) = (None, None);
        let (mut paced, mut scans, mut scavenged) = (0, 0, 0);
        let mut totals = None;
        for (line, r) in &found {
            match r {
                Record::PacerStart(p) => start = Some(*p),
                Record::PacerEnd(p) => end = Some(*p),
                Record::Cycle(c) => {
                    let s = start.take().unwrap_or_else(|| panic!("{name}:{line}: not paced"));
                    paced += 1;
                    assert_eq!(s.heap_mib, c.heap_before_mib, "{name}:{line} {s:?} {c:?}");
                    // Forced ones are not judged by the pacer.
                    let Some(e) = end.take() else {
                        assert!(c.forced, "{name}:{line} {c:?}");
                        continue;
                    };
                    assert!(e.expected_percent == 25 && e.percent >= 0, "{name}:{line} {e:?}");
                    // `over_goal` is of the goal at the end; what the line prints may have moved by the runway.
                    let goal = e.heap as i64 - e.over_goal;
                    assert!((goal as u64 / MIB).abs_diff(c.goal_mib) <= 1, "{name}:{line} {e:?} {c:?}");
                    // Flushing the Ps' caches takes back what they had in advance.
                    assert!((e.heap / MIB).abs_diff(c.heap_after_mib) <= 1, "{name}:{line} {e:?} {c:?}");
                }
                Record::SweepDone(s) => {
                    swept += 1;
                    assert!(s.pages_per_byte >= 0.0, "{name}:{line}");
                }
                Record::Scavenge(s) => {
                    scavenged += 1;
                    assert_eq!(s.eager_kib.is_none(), name.starts_with("go1.19"), "{name}:{line}");
                    assert!(s.used_percent <= 100, "{name}:{line} {s:?}");
                }
                Record::Scan(s) => {
                    scans += 1;
                    let by = s.spans.unwrap_or_default();
                    let objects = s.sparse_objects + by.sparse_objects + by.dense_objects;
                    if s.class == ScanClass::Total {
                        assert!(totals.is_none_or(|(sum, total)| sum == total), "{name}:{line} {totals:?}");
                        totals = Some((0, objects));
                    } else if let Some((sum, _)) = &mut totals {
                        *sum += objects;
                    }
                }
                Record::Periodic | Record::Broken(_) => panic!("{name}:{line}: {r:?}"),
            }
        }
        assert!(paced >= 19 && scavenged > 0, "{name}: {paced} {scavenged}");
        assert_eq!(scans > 0, ["go1.25", "go1.26", "go1.27"].iter().any(|v| name.starts_with(v)), "{name}");
        assert!(totals.is_none_or(|(sum, total)| sum == total), "{name} {totals:?}");
    }
    assert!(swept > 0);
}

#[test]
fn go_1_19_counts_as_its_metrics_do() {
    // Debian's prometheus: how many collections there were, and the goals it published.
    #[derive(Deserialize)]
    struct Row {
        #[serde(rename = "NumGC")]
        num_gc: u32,
        #[serde(rename = "NextGC")]
        next_gc: u64,
    }
    let log = std::fs::read(corpus().join("go1.19.8.log")).unwrap();
    let cycles = cycles(&records(&log));
    let text = std::fs::read_to_string(corpus().join("go1.19.8.jsonl")).unwrap();
    let rows: Vec<Row> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert!(rows.len() > 5);
    for row in rows {
        let Some(next) = cycles.get(row.num_gc as usize) else { continue };
        assert_eq!(next.number, row.num_gc + 1);
        // The metrics are read one after the other, while the sweep may still move the goal.
        assert!(next.goal_mib.abs_diff(row.next_gc / MIB) <= 1, "{next:?} {}", row.next_gc);
    }
}

#[test]
fn lines_mixed_with_logs_are_never_misread() {
    let (mut taken, mut torn) = (0, 0);
    for (name, log) in logs(".mixed.log") {
        let rows = truth(&format!("{name}.mixed"));
        let found = records(&log);
        for c in cycles(&found) {
            taken += 1;
            let Some(i) = rows.iter().position(|t| t.num_gc == c.number) else { continue };
            let t = &rows[i];
            let of_line = (c.heap_marked_mib, c.stacks_mib, c.globals_mib, c.percent, c.procs);
            let counted = (t.live / MIB, t.stack / MIB, t.globals / MIB, (t.fraction * 100.0) as u32, t.procs);
            assert_eq!(of_line, counted, "{name} {c:?} {t:?}");
            if i > 0 && rows[i - 1].num_gc + 1 == t.num_gc {
                assert_eq!(c.forced, rows[i - 1].num_forced < t.num_forced, "{name} {c:?}");
                assert!(printed(c.cpu.assist_ns, t.assist_s - rows[i - 1].assist_s), "{name} {c:?} {t:?}");
                assert!(printed(c.cpu.idle_ns, t.idle_s - rows[i - 1].idle_s), "{name} {c:?} {t:?}");
            }
        }
        let broken = found.iter().filter(|(_, r)| matches!(r, Record::Broken(_))).count();
        let all = rows.last().unwrap().num_gc as usize;
        // Each line that was torn leaves a piece that is counted.
        assert!(cycles(&found).len() + broken >= all, "{name}: {broken} pieces");
        torn += all - cycles(&found).len();
    }
    assert!(torn > 50 && taken > 5, "{taken} whole lines, {torn} torn ones: too little to say");
}

#[test]
fn cut_anywhere_a_line_is_counted_not_taken() {
    for (name, log) in logs(".log") {
        let line = log.split(|b| *b == b'\n').rfind(|l| l.starts_with(b"gc ")).unwrap();
        for at in 1..line.len() {
            let (head, tail) = line.split_at(at);
            let cut = [head, b"\n{\"level\":\"info\"}\n", tail, b"\n"].concat();
            let found = records(&cut);
            let broken = found.iter().filter(|(_, r)| matches!(r, Record::Broken(_))).count();
            assert!((1..=3).contains(&broken), "{name}: cut at {at}: {found:?}");
            // "(forced)" alone may be cut off without a trace.
            let whole = cycles(&found).len();
            assert!(whole == 0 || tail == b" (forced)", "{name}: cut at {at}: {found:?}");
            // And at the end of the log.
            let found = records(head);
            assert!(cycles(&found).is_empty(), "{name}: ends at {at}");
        }
        assert!(matches!(records(line)[..], [(1, Record::Broken(b))] if b.why == Why::Cut), "{name}: no end of line");
    }
}
