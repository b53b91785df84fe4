//! Traces of real Go programs, exported and decoded again by another implementation of protobuf: what is in the file
//! is held against what the events of the trace say.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

#[path = "../../trace/tests/common/mod.rs"]
mod common;
mod decoded;

use common::{Program, toolchains};
use decoded::{Decoded, Slice};
use export::trace::perfetto::{Perfetto, PerfettoWriter};
use model::TraceDocument;
use std::collections::{BTreeMap, HashMap, HashSet};
use timeline::Timeline;
use trace::{Detail, Event, Generation, GoState, Metric, Options, Phase, Range};

/// What the events say.
#[derive(Debug, Default, PartialEq)]
struct Counts {
    runs: usize,
    goroutines: usize,
    waits: BTreeMap<String, usize>,
    runnable: usize,
    syscalls: usize,
    marks: usize,
    stops: BTreeMap<String, usize>,
    assists: usize,
    sweeps: usize,
    flows: usize,
    tasks: usize,
    regions: usize,
    logs: usize,
    heap: usize,
    goal: usize,
    samples: usize,
}

/// Counts the events, with no more state than a goroutine's number.
fn counts_of(bytes: &[u8]) -> Counts {
    let mut c = Counts::default();
    let (mut known, mut arrows) = (HashSet::new(), HashSet::new());
    let (mut marks, mut last_state) = (false, HashMap::new());
    trace::read(bytes, &Options::default(), &mut |e: &Event<'_>, g: &Generation| {
        let text = |id| String::from_utf8_lossy(g.string(id).unwrap_or_default()).into_owned();
        match e.detail(g) {
            Detail::Goroutine { id, from, to, reason, .. } => {
                c.goroutines += usize::from(known.insert(id));
                if last_state.insert(id, to) == Some(to) {
                    return;
                }
                match to {
                    GoState::Running => {
                        c.runs += 1;
                        c.flows += usize::from(arrows.remove(&id));
                    }
                    GoState::Waiting => *c.waits.entry(text(reason)).or_default() += 1,
                    GoState::Runnable => c.runnable += 1,
                    GoState::Syscall => c.syscalls += 1,
                    _ => {}
                }
                if to == GoState::Runnable && matches!(from, GoState::Waiting | GoState::NotExist) {
                    arrows.insert(id);
                }
                if to == GoState::NotExist {
                    known.remove(&id);
                    arrows.remove(&id);
                    last_state.remove(&id);
                }
            }
            Detail::Range { phase, range: Range::GcMark, .. } => {
                c.marks += usize::from(phase != Phase::End && !marks);
                marks = phase != Phase::End;
            }
            Detail::Range { phase: Phase::Begin, range, .. } => match range {
                Range::StopTheWorld(reason) => *c.stops.entry(text(reason)).or_default() += 1,
                Range::MarkAssist => c.assists += 1,
                Range::GcSweep => c.sweeps += 1,
                Range::GcMark => {}
            },
            Detail::TaskBegin { .. } => c.tasks += 1,
            Detail::Region { phase: Phase::Begin, .. } => c.regions += 1,
            Detail::Log { .. } => c.logs += 1,
            Detail::Metric(Metric::HeapObjects, _) => c.heap += 1,
            Detail::Metric(Metric::HeapGoal, _) => c.goal += 1,
            Detail::StackSample => c.samples += 1,
            _ => {}
        }
    })
    .unwrap();
    c
}

/// What the file says.
fn counts_in(d: &Decoded) -> Counts {
    let on = |track: &str| d.slices.iter().filter(|s| d.track(s.track) == track).collect::<Vec<_>>();
    let below = |parent: &str, depth: usize| {
        let below = d.slices.iter().filter(move |s| d.parent(s.track) == parent && s.depth == depth);
        below.filter(|s| !s.instant).collect::<Vec<&Slice>>()
    };
    let mut c = Counts {
        // A sweep may stand alone.
        runs: below("Procs", 0).iter().filter(|s| s.name != "sweep").count(),
        goroutines: below("Goroutines", 0).iter().filter(|s| !d.track(s.track).ends_with(": regions")).count(),
        marks: on("GC: concurrent mark").len(),
        assists: d.slices.iter().filter(|s| s.name == "mark assist").count(),
        sweeps: d.slices.iter().filter(|s| s.name == "sweep").count(),
        flows: d.arrows(),
        tasks: below("Tasks", 0).len(),
        regions: d.slices.iter().filter(|s| d.track(s.track).ends_with(": regions") && !s.instant).count(),
        logs: d.slices.iter().filter(|s| s.instant && d.track(s.track).ends_with(": regions")).count(),
        heap: d.counter("Heap in use").len(),
        goal: d.counter("Heap goal").len(),
        samples: d.samples,
        ..Counts::default()
    };
    on("Stopped worlds").iter().for_each(|s| *c.stops.entry(s.name.clone()).or_default() += 1);
    for state in below("Goroutines", 1) {
        match &state.name[..] {
            "runnable" => c.runnable += 1,
            "system call" => c.syscalls += 1,
            waiting if waiting.starts_with("waiting") && !d.track(state.track).ends_with(": regions") => {
                let reason = waiting.strip_prefix("waiting: ").unwrap_or("");
                *c.waits.entry(reason.to_owned()).or_default() += 1;
            }
            _ => {}
        }
    }
    c
}

fn export(bytes: &[u8]) -> (Vec<u8>, Perfetto) {
    let mut writer = PerfettoWriter::new(Vec::new(), "program");
    trace::read(bytes, &Options::default(), &mut writer).unwrap();
    writer.finish().unwrap()
}

/// When the first event happened.
fn first_of(bytes: &[u8]) -> u64 {
    let mut first = None;
    trace::read(bytes, &Options::default(), &mut |e: &Event<'_>, _: &Generation| {
        first.get_or_insert(e.time);
    })
    .unwrap();
    u64::try_from(first.unwrap()).unwrap()
}

/// What the timeline sums up.
fn summed_up(bytes: &[u8]) -> TraceDocument {
    let mut timeline = Timeline::new();
    let summary = trace::read(bytes, &Options::default(), &mut timeline).unwrap();
    timeline.finish(&summary, usize::MAX)
}

/// Collections and stopped worlds last as long as the timeline says, and have the stacks it gives.
fn durations(d: &Decoded, timeline: &TraceDocument, first: u64) {
    let on = |track: &'static str| d.slices.iter().filter(move |s| d.track(s.track) == track);
    let marks: Vec<u64> = on("GC: concurrent mark").map(|s| s.end - s.start).collect();
    assert_eq!(marks, timeline.gc.cycles.iter().map(|c| c.duration_ns).collect::<Vec<_>>());
    for reason in &timeline.stw.reasons {
        let times = on("Stopped worlds").filter(|s| s.name == reason.reason && !s.notes.contains_key("unfinished"));
        let times: Vec<u64> = times.map(|s| s.end - s.start).collect();
        assert_eq!((times.len() as u64, times.iter().sum::<u64>()), (reason.times.count, reason.times.total_ns));
    }
    for longest in &timeline.stw.longest {
        let same = |s: &&Slice| s.name == longest.reason && s.start == first + longest.start_ns;
        let stack = on("Stopped worlds").find(same).unwrap().notes.get("stack");
        let innermost = stack.and_then(|s| s.split(" (").next()).unwrap_or("");
        assert_eq!(innermost, longest.stack.first().map_or("", |f| &f.function));
    }
}

#[test]
fn the_file_says_what_the_events_say() {
    for go in toolchains() {
        let program = Program::build(&go);
        for mode in ["busy", "gc", "mixed", "profiled"] {
            let bytes = std::fs::read(program.trace(mode, 10, "")).unwrap();
            let (file, told) = export(&bytes);
            let decoded = Decoded::read(&file);
            let truth = counts_of(&bytes);
            println!("{} {mode}: {} bytes, {} packets: {truth:?}", go.release(), file.len(), told.packets);
            assert_eq!((told.bytes, told.packets), (file.len() as u64, decoded.packets));
            assert_eq!((told.goroutines_left_out, told.tasks_left_out, told.samples_left_out), (0, 0, 0));
            assert_eq!(counts_in(&decoded), truth, "{} {mode}", go.release());
            durations(&decoded, &summed_up(&bytes), first_of(&bytes));
            assert!(truth.runs > 0 && truth.flows > 0 && truth.heap > 0, "{truth:?}");
        }
    }
}

/// The same trace gives the same file, byte by byte; and one with several generations too.
#[test]
fn generations_and_repetition() {
    let go = toolchains().pop().unwrap();
    let program = Program::build(&go);
    let bytes = std::fs::read(program.trace("idle", 1700, "")).unwrap();
    let (file, _) = export(&bytes);
    assert_eq!(file, export(&bytes).0);
    assert_eq!(counts_in(&Decoded::read(&file)), counts_of(&bytes));
}

/// Whatever stands in a trace, the slices of the file nest and end.
#[test]
fn damaged_traces_are_exported() {
    let go = toolchains().pop().unwrap();
    let bytes = std::fs::read(Program::build(&go).trace("mixed", 10, "")).unwrap();
    let header = 16;
    // Numbers that differ each time, the same in every run.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
        (random >> 33) as usize % below
    };
    for round in 0..40 {
        let mut damaged = bytes.clone();
        damaged.truncate(header + next(bytes.len() - header));
        for _ in 0..round {
            let at = header + next((damaged.len() - header).max(1));
            if let Some(byte) = damaged.get_mut(at) {
                *byte ^= 1 << next(8);
            }
        }
        let (file, told) = export(&damaged);
        assert_eq!(Decoded::read(&file).packets, told.packets);
    }
}
