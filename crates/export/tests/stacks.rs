//! Delays by stack, against what `go tool trace -pprof=TYPE` makes of the same traces, and against the timeline's sums.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

#[path = "../../trace/tests/common/mod.rs"]
mod common;

use common::{Program, toolchains};
use export::trace::{StackKind, StackSums};
use lab::Toolchain;
use model::TraceDocument;
use profile::{Profile, ReadLimits};
use std::collections::BTreeMap;
use std::path::Path;
use timeline::Timeline;
use trace::{Event, Generation, Options, Visitor};

struct Both(Timeline, StackSums);

impl Visitor for Both {
    fn event(&mut self, event: &Event<'_>, generation: &Generation) {
        self.0.event(event, generation);
        self.1.event(event, generation);
    }
}

fn read(bytes: &[u8]) -> (TraceDocument, StackSums) {
    let mut both = Both(Timeline::new(), StackSums::new());
    let summary = trace::read(bytes, &Options::default(), &mut both).unwrap();
    both.1.finish();
    (both.0.finish(&summary, usize::MAX), both.1)
}

/// Counts and delays by the names of the stack's functions, innermost first. A stack of one frame without a name and one
/// without frames are the same to `go tool trace` (`stackMap.getOrAdd` of `src/cmd/trace/pprof.go`): which of the two it
/// shows is chance.
fn by_stack(p: &Profile) -> BTreeMap<String, (i64, i64)> {
    let mut out: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for s in p.samples() {
        let frames =
            s.locations().flat_map(|l| l.lines().map(|l| format!("{}:{}", l.function, l.line)).collect::<Vec<_>>());
        let frames = frames.filter(|f| f != ":0");
        let values = s.values().to_vec();
        let sum = out.entry(frames.collect::<Vec<_>>().join(";")).or_default();
        *sum = (sum.0 + values[0], sum.1 + values[1]);
    }
    out
}

/// What a release's tool makes of a trace.
fn by_go(go: &Toolchain, path: &Path, kind: StackKind) -> Profile {
    let mut command = go.command(path.parent().unwrap());
    let out = command.args(["tool", "trace", &format!("-pprof={}", kind.name())]).arg(path).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    Profile::read(&out.stdout, &ReadLimits::default()).unwrap()
}

#[test]
fn delays_are_those_of_go_tool_trace() {
    let all = toolchains();
    let newest = all.last().unwrap();
    for go in &all {
        let program = Program::build(go);
        // Readers before Go 1.26 skip events that have no stack, and so take running for waiting.
        let reader = if go.version().at_least(26) { go } else { newest };
        for mode in ["mixed", "syscalls", "sleepers", "profiled"] {
            let path = program.trace(mode, 10, "");
            let (_, sums) = read(&std::fs::read(&path).unwrap());
            for kind in [StackKind::Net, StackKind::Sync, StackKind::Syscall, StackKind::Sched] {
                let ours = sums.profile(kind).unwrap();
                let written = Profile::read(&ours.write(), &ReadLimits::default()).unwrap();
                let (ours, theirs) = (by_stack(&written), by_stack(&by_go(reader, &path, kind)));
                let delay: i64 = ours.values().map(|v| v.1).sum();
                println!("{} {mode} {}: {} stacks, {delay} ns", go.release(), kind.name(), ours.len());
                assert_eq!(ours, theirs, "{} {mode} {}", go.release(), kind.name());
            }
        }
    }
}

#[test]
fn waits_assists_and_samples_are_those_of_the_timeline() {
    for go in toolchains() {
        let program = Program::build(&go);
        for mode in ["gc", "mixed", "profiled"] {
            let (document, sums) = read(&std::fs::read(program.trace(mode, 15, "")).unwrap());
            let waits = document.blocking.iter().fold((0, 0), |a, b| (a.0 + b.times.count, a.1 + b.times.total_ns));
            assert_eq!(sums.total(StackKind::Blocking), waits, "{} {mode}", go.release());
            let gc = &document.gc;
            assert_eq!(sums.total(StackKind::Assist), (gc.assists, gc.assist_ns), "{} {mode}", go.release());
            let blocking = sums.profile(StackKind::Blocking).unwrap();
            let reasons: std::collections::BTreeSet<String> = blocking
                .samples()
                .flat_map(|s| s.labels().map(|l| l.text.unwrap().to_owned()).collect::<Vec<_>>())
                .collect();
            for wait in document.blocking.iter().filter(|b| !b.reason.is_empty()) {
                assert!(reasons.contains(&wait.reason), "{}", wait.reason);
            }
            assert_eq!(sums.left_out(), 0);
        }
    }
}
