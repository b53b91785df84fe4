//! Lines as log collectors wrap them, as they are cut and mixed, and the processes they are of.

#![allow(clippy::unwrap_used, reason = "a test")]

use gclog::{Assigned, Cycle, ProcessId, Processes, Reader, Record, Why};
use proptest::prelude::*;

const LINE: &str = "gc 12 @34.567s 4%: 0.037+2.2+0.28 ms clock, 0.074+0.27/0.29/1.6+0.56 ms cpu, 13->14->12 MB, 15 MB goal, 1 MB stacks, 2 MB globals, 2 P";

/// Line, place and record of all that is found, the log coming in blocks of `block` bytes.
fn read(log: &[u8], block: usize) -> Vec<(u64, u64, Record)> {
    let mut out = Vec::new();
    let mut reader = Reader::new();
    for b in log.chunks(block.max(1)) {
        reader.feed(b, &mut |f| out.push((f.place.line, f.place.offset, f.record)));
    }
    reader.finish(&mut |f| out.push((f.place.line, f.place.offset, f.record)));
    assert_eq!(reader.bytes(), log.len() as u64);
    assert_eq!(reader.lines(), log.iter().filter(|b| **b == b'\n').count() as u64);
    out
}

fn cycle() -> Cycle {
    match read(format!("{LINE}\n").as_bytes(), 1 << 20)[..] {
        [(1, 0, Record::Cycle(c))] => c,
        ref other => panic!("{other:?}"),
    }
}

#[test]
fn every_field_is_read() {
    let c = cycle();
    assert_eq!((c.number, c.start_ms, c.percent, c.procs), (12, 34_567, 4, 2));
    let clock = (c.clock.sweep_termination_ns, c.clock.mark_ns, c.clock.mark_termination_ns);
    assert_eq!(clock, (37_000, 2_200_000, 280_000));
    let cpu =
        (c.cpu.sweep_termination_ns, c.cpu.assist_ns, c.cpu.background_ns, c.cpu.idle_ns, c.cpu.mark_termination_ns);
    assert_eq!(cpu, (74_000, 270_000, 290_000, 1_600_000, 560_000));
    assert_eq!((c.heap_before_mib, c.heap_after_mib, c.heap_marked_mib, c.goal_mib), (13, 14, 12, 15));
    assert_eq!((c.stacks_mib, c.globals_mib, c.forced, c.leak_check), (1, 2, false, false));
    let forced = LINE.replace("4%:", "4% (checking for goroutine leaks):") + " (forced)\n";
    assert!(matches!(read(forced.as_bytes(), 99)[..], [(1, 0, Record::Cycle(c))] if c.forced && c.leak_check));
}

#[test]
fn prefixes_of_log_collectors_are_passed() {
    let json = LINE.replace("->", "-\\u003e");
    for wrapped in [
        format!("{LINE}\r\n"),
        format!("Nov 21 18:05:37 host-1 server[4711]: {LINE}\n"),
        format!("2026-11-21T18:05:37.123456+0000 host server[4711]: {LINE}\n"),
        format!("{{\"log\":\"{json}\\n\",\"stream\":\"stderr\",\"time\":\"2026-11-21T18:05:37.1Z\"}}\n"),
        format!("{{\"level\":\"info\",\"msg\":\"{LINE}\",\"pid\":4711}}\n"),
        format!("{{\"MESSAGE\":\"{json}\",\"_PID\":\"4711\"}}\n"),
        format!("{{\"message\":\"{{\\\"log\\\":\\\"{}\\\\n\\\"}}\"}}\n", LINE.replace("->", "-\\\\u003e")),
        format!("2026-11-21T18:05:37.123456789Z stderr F {LINE}\n"),
        format!("I1121 18:05:37.123456    4711 trace.go:12] {LINE}\n"),
        format!("\x1b[36mweb-1  |\x1b[0m {LINE}\x1b[0m\n"),
        format!("\x1b[31m{LINE}\x1b[0m\n"),
        format!("web-1  | {LINE}\n"),
        format!("[pod/server-6d4/server] {LINE}\n"),
        format!("time=2026-11-21T18:05:37Z level=info msg=\"{LINE}\" pid=7\n"),
        format!("{{\"log\":\"starting\\n{json}\\n\"}}\n"),
        format!("{{\"log\":\"\\u001b[31m{json}\\u001b[0m\\n\"}}\n"),
        format!("gc-controller | gc ran: {LINE}\n"),
    ] {
        let found = read(wrapped.as_bytes(), 1 << 20);
        assert!(matches!(found[..], [(1, _, Record::Cycle(c))] if c == cycle()), "{wrapped}{found:?}");
    }
}

#[test]
fn what_is_no_line_is_passed_over() {
    for other in [
        "the gc ran 12 times",
        "gc 5 times",
        "magic 7 @2",
        "pacer: slow",
        "scav and scan: total",
        "GC forced by user",
        "x ms clock",
    ] {
        assert!(read(format!("{other}\n").as_bytes(), 99).is_empty(), "{other}");
    }
    assert!(matches!(read(b"GC forced\n", 99)[..], [(1, 0, Record::Periodic)]));
}

#[test]
fn broken_lines_are_counted_with_their_place_and_reason() {
    let why = |log: &str| -> Vec<(u64, Why)> {
        read(log.as_bytes(), 1 << 20)
            .into_iter()
            .map(|(_, offset, r)| match r {
                Record::Broken(b) => (offset, b.why),
                other => panic!("{log}: {other:?}"),
            })
            .collect()
    };
    let is = |log: &str, expected: &[(u64, Why)]| assert_eq!(why(log), expected, "{log}");
    is("gc 12 @34.5\n", &[(0, Why::Cut)]);
    is("gc 12\n", &[(0, Why::Cut)]);
    is(&format!("{LINE}{{\"a\":1}}\n"), &[(0, Why::Mixed)]);
    is(&format!("{LINE} and more\n"), &[(0, Why::Mixed)]);
    is(LINE, &[(0, Why::Cut)]);
    is(&format!("12{LINE}\n"), &[(2, Why::Glued)]);
    is(&format!("gc {LINE}\n"), &[(0, Why::Mixed), (3, Why::Glued)]);
    is(&format!("gc 7 @12.345s 1%: 0.1+{LINE}\n"), &[(0, Why::Mixed), (22, Why::Glued)]);
    is("4%: 0.037+2.2+0.28 ms clock, 0.074+0.27/0.27\n", &[(18, Why::Headless)]);
    // A quote that nobody opened is another writer's.
    is(&format!("{LINE}\"hello\"\n"), &[(0, Why::Mixed)]);
    // Go 1.18.
    is(&format!("{}\n", LINE.replace("1 MB stacks, 2 MB globals, ", "")), &[(0, Why::Older)]);
    for (from, to) in [
        ("gc 12", "gc 0"),
        (" 4%", " 104%"),
        ("0.074+", "0.37+"),
        ("0.28 ms clock", "2.8 ms clock"),
        ("/1.6+", "/160+"),
        ("13->14->12", "33->14->12"),
        ("13->14->12", "13->14->122"),
        (" 2 P", " 0 P"),
    ] {
        let found = why(&format!("{}\n", LINE.replace(from, to)));
        assert!(matches!(found[..], [(0, Why::Inconsistent(_))]), "{from} {to} {found:?}");
    }
}

#[test]
fn long_lines_without_end_are_passed_through() {
    let mut log = vec![b'x'; 5 << 20];
    log.extend_from_slice(format!("\n{LINE}\n").as_bytes());
    for block in [1 << 16, 1 << 20, 8 << 20] {
        assert!(matches!(read(&log, block)[..], [(2, 5_242_881, Record::Cycle(c))] if c == cycle()));
    }
    let glued = [&vec![b'x'; 3 << 20][..], LINE.as_bytes(), b"\n"].concat();
    assert!(read(&glued, 1 << 16).iter().all(|(.., r)| matches!(r, Record::Broken(_))));
}

fn at(number: u32, start_ms: u64) -> Cycle {
    Cycle { number, start_ms, procs: 2, ..Cycle::default() }
}

#[test]
fn restarts_and_neighbours_are_told_apart() {
    let mut p = Processes::new();
    let mut assign = |number, ms, prefix: &str| {
        let a = p.assign(&at(number, ms), prefix.as_bytes());
        (a.process.0, a.new, a.missing)
    };
    // One, with a gap; a restart; the old one does not come back.
    assert_eq!(assign(1, 10, ""), (0, true, 0));
    assert_eq!(assign(2, 20, ""), (0, false, 0));
    assert_eq!(assign(5, 50, ""), (0, false, 2));
    assert_eq!(assign(1, 5, ""), (1, true, 0));
    assert_eq!(assign(2, 30, ""), (1, false, 0));
    // The next one of each.
    assert_eq!(assign(6, 60, ""), (0, false, 0));
    assert_eq!(assign(3, 70, ""), (1, false, 0));
    // A log that begins in the middle.
    assert_eq!(assign(900, 40, ""), (2, true, 899));
    // Two replicas at the same numbers: what stands before the lines decides, not the time in it.
    assert_eq!(assign(1, 11, "Nov 21 18:05:37 a srv[1]: "), (3, true, 0));
    assert_eq!(assign(1, 12, "Nov 21 18:05:38 b srv[1]: "), (4, true, 0));
    assert_eq!(assign(2, 22, "Nov 21 18:05:39 a srv[1]: "), (3, false, 0));
    assert_eq!(assign(2, 21, "Nov 21 18:05:39 b srv[1]: "), (4, false, 0));
    assert_eq!(assign(3, 33, "Nov 21 18:05:40 b srv[1]: "), (4, false, 0));
    assert_eq!(assign(3, 33, "Nov 21 18:05:40 a srv[1]: "), (3, false, 0));
}

#[test]
fn the_number_of_processes_is_bounded() {
    let mut p = Processes::new();
    for i in 0..10_000_u32 {
        let a = p.assign(&at(1, 10), b"");
        assert_eq!(a, Assigned { process: ProcessId(i), new: true, missing: 0 });
    }
    assert_eq!((p.count(), p.latest()), (10_000, Some(ProcessId(9_999))));
}

/// A line as the runtime would print it.
fn printed(c: &Cycle) -> String {
    let ms = |ns: u64| match ns {
        10_000_000.. => format!("{}", ns / 1_000_000),
        1_000_000.. => format!("{}.{}", ns / 1_000_000, ns / 100_000 % 10),
        100_000.. => format!("0.{:02}", ns / 10_000),
        1_000.. => format!("0.{:03}", ns / 1_000),
        _ => "0".to_owned(),
    };
    format!(
        "gc {} @{}.{:03}s {}%: {}+{}+{} ms clock, {}+{}/{}/{}+{} ms cpu, {}->{}->{} MB, {} MB goal, {} MB stacks, {} MB globals, {} P{}\n",
        c.number,
        c.start_ms / 1000,
        c.start_ms % 1000,
        c.percent,
        ms(c.clock.sweep_termination_ns),
        ms(c.clock.mark_ns),
        ms(c.clock.mark_termination_ns),
        ms(c.cpu.sweep_termination_ns),
        ms(c.cpu.assist_ns),
        ms(c.cpu.background_ns),
        ms(c.cpu.idle_ns),
        ms(c.cpu.mark_termination_ns),
        c.heap_before_mib,
        c.heap_after_mib,
        c.heap_marked_mib,
        c.goal_mib,
        c.stacks_mib,
        c.globals_mib,
        c.procs,
        if c.forced { " (forced)" } else { "" }
    )
}

prop_compose! {
    /// A collection that the runtime could print, with the values that the line keeps.
    fn real()(number in 1u32.., start_ms in 0u64..1 << 40, percent in 0u32..=100, procs in 1u32..=256,
              sweep in 0u64..50_000_000, mark in 0u64..100_000_000_000, term in 0u64..50_000_000, parts in (0.0f64..0.33, 0.0f64..0.33, 0.0f64..0.33),
              heap in (0u64..1 << 30, 0u64..1 << 20, 0.0f64..=1.0), goal in 0u64..1 << 40, roots in (0u64..1 << 20, 0u64..4096), forced: bool) -> Cycle {
        let cut = |ns: u64| ns / gclog::precision(ns) * gclog::precision(ns);
        let all = mark as f64 * f64::from(procs);
        let after = heap.0 + heap.1;
        Cycle {
            number, start_ms, percent, procs, forced, leak_check: false,
            clock: gclog::Clock { sweep_termination_ns: cut(sweep), mark_ns: cut(mark), mark_termination_ns: cut(term) },
            cpu: gclog::Cpu {
                sweep_termination_ns: cut(sweep * u64::from(procs)),
                assist_ns: cut((all * parts.0) as u64),
                background_ns: cut((all * parts.1) as u64),
                idle_ns: cut((all * parts.2) as u64),
                mark_termination_ns: cut(term * u64::from(procs)),
            },
            heap_before_mib: heap.0, heap_after_mib: after, heap_marked_mib: (after as f64 * heap.2) as u64,
            goal_mib: goal, stacks_mib: roots.0, globals_mib: roots.1,
        }
    }
}

proptest! {
    #[test]
    fn what_the_runtime_prints_is_read_back(c in real()) {
        let found = read(printed(&c).as_bytes(), 1 << 20);
        prop_assert_eq!(found, vec![(1, 0, Record::Cycle(c))]);
    }

    #[test]
    fn blocks_make_no_difference(cs in prop::collection::vec((real(), "[a-z \"{}:]{0,40}", any::<bool>()), 1..12), block in 1usize..300) {
        let log: String = cs.iter().map(|(c, junk, ends)| {
            let line = printed(c);
            if *ends { format!("{junk}\n{line}") } else { format!("{line}{junk}") }
        }).collect();
        prop_assert_eq!(read(log.as_bytes(), block), read(log.as_bytes(), 1 << 20));
    }

    #[test]
    fn two_writers_at_once_never_make_a_third(a in real(), b in real(), order in prop::collection::vec(any::<bool>(), 0..80)) {
        // Each writes its line in the runtime's own pieces.
        let (a, b) = (Cycle { forced: false, ..a }, Cycle { forced: false, ..b });
        let (mut pa, mut pb) = (pieces(&printed(&a)), pieces(&printed(&b)));
        let mut log = String::new();
        for first in order {
            let from = if first { &mut pa } else { &mut pb };
            if !from.is_empty() {
                log += &from.remove(0);
            }
        }
        log += &(pa.concat() + &pb.concat());
        for (.., r) in read(log.as_bytes(), 1 << 20) {
            if let Record::Cycle(c) = r {
                prop_assert!(c == a || c == b, "{log}{c:?}");
            }
        }
    }

    #[test]
    fn any_bytes_are_survived(log in prop::collection::vec(any::<u8>(), 0..400), block in 1usize..64) {
        read(&log, block);
    }
}

/// A line in the pieces that `print` writes: numbers, and what is between them.
fn pieces(line: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let number = |c: char| c.is_ascii_digit() || c == '.';
    for c in line.chars() {
        match out.last_mut() {
            Some(last) if last.chars().last().is_some_and(|l| number(l) == number(c)) && c != '\n' => last.push(c),
            _ => out.push(c.to_string()),
        }
    }
    out
}
