//! The drawn timeline of real traces, against the sums of the same traces.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../trace/tests/common/mod.rs"]
mod common;

use common::{Program, toolchains};
use model::{TimelineDocument, TraceDocument};
use timeline::{Lanes, Timeline};
use trace::{Event, Generation, Options, Visitor};

/// Both listen to one reading.
struct Both(Timeline, Lanes);

impl Visitor for Both {
    fn event(&mut self, event: &Event<'_>, generation: &Generation) {
        self.0.event(event, generation);
        self.1.event(event, generation);
    }
}

fn read(bytes: &[u8]) -> (TraceDocument, TimelineDocument) {
    let mut both = Both(Timeline::new(), Lanes::new());
    let summary = trace::read(bytes, &Options::default(), &mut both).unwrap();
    (both.0.finish(&summary, usize::MAX), both.1.finish(&summary, Vec::new()))
}

/// What holds of every timeline.
fn sound(t: &TimelineDocument) {
    for lane in &t.procs {
        let mut end = 0;
        for s in &lane.slices {
            assert!(s.start_ns >= end && s.busy_ns <= s.duration_ns && s.runs > 0, "{s:?} {end}");
            assert!((s.function as usize) < t.functions.len() && (s.stack as usize) < t.stacks.len());
            end = s.start_ns + s.duration_ns;
        }
        assert!(end <= t.duration_ns);
    }
    assert!(t.procs.iter().map(|p| p.slices.len()).sum::<usize>() <= 100_000);
}

#[test]
fn lanes_add_up_to_the_sums() {
    for go in toolchains() {
        let program = Program::build(&go);
        for mode in ["gc", "mixed", "profiled"] {
            let bytes = std::fs::read(program.trace(mode, 15, "")).unwrap();
            let (sums, t) = read(&bytes);
            sound(&t);
            let busy: u64 = t.procs.iter().flat_map(|p| &p.slices).map(|s| s.busy_ns).sum();
            assert_eq!(busy, sums.goroutines.iter().map(|g| g.running_ns).sum::<u64>(), "{} {mode}", go.release());
            let marks = |m: &mut dyn Iterator<Item = (u64, u64)>| m.collect::<Vec<_>>();
            assert_eq!(
                marks(&mut t.marks.iter().map(|m| (m.start_ns, m.duration_ns))),
                marks(&mut sums.gc.cycles.iter().map(|c| (c.start_ns, c.duration_ns)))
            );
            for reason in &sums.stw.reasons {
                let same: Vec<u64> =
                    t.stops.iter().filter(|s| s.reason == reason.reason).map(|s| s.duration_ns).collect();
                assert!(same.len() as u64 >= reason.times.count && same.contains(&reason.times.max_ns));
            }
            assert!(t.assists.len() as u64 + t.more_assists >= sums.gc.assists);
            assert_eq!((t.events, t.duration_ns), (sums.events, sums.duration_ns));
        }
    }
}

/// More runs than are kept: neighbours become one, and nothing is lost of the time.
#[test]
fn short_runs_are_merged() {
    let go = toolchains().pop().unwrap();
    let bytes = std::fs::read(Program::build(&go).trace("coroutines", 40, "")).unwrap();
    let (sums, t) = read(&bytes);
    sound(&t);
    let slices = t.procs.iter().flat_map(|p| &p.slices);
    let (count, runs) = slices.clone().fold((0, 0), |n, s| (n.0 + 1, n.1 + s.runs));
    assert!(t.merged_below_ns > 0 && runs > count, "{runs} runs in {count} slices");
    let busy: u64 = slices.map(|s| s.busy_ns).sum();
    assert_eq!(busy, sums.goroutines.iter().map(|g| g.running_ns).sum::<u64>());
}
