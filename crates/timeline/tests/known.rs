//! A program that counts what it does, traced by itself, with every release on this machine.
#![allow(clippy::unwrap_used, reason = "tests")]

use lab::Toolchain;
use model::{TraceBlocking, TraceDocument, TraceGoroutines};
use std::path::Path;
use std::process::Command;
use timeline::Timeline;

fn toolchains() -> Vec<Toolchain> {
    Toolchain::at_hand(&["1.22.10", "1.23.9", "1.24.11", "1.25.5", "1.26.6", "1.27.3"]).unwrap()
}

/// What the program counted, and the trace.
fn run(go: &Toolchain) -> (serde_json::Value, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    run_in(dir.path(), go, "known.go")
}

/// The same of any program, in a directory where its trace stays.
fn run_in(dir: &Path, go: &Toolchain, program: &str) -> (serde_json::Value, Vec<u8>) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs").join(program);
    let (exe, file) = (dir.join("program"), dir.join("trace"));
    go.run(dir, &["build", "-o", exe.to_str().unwrap(), source.to_str().unwrap()]).unwrap();
    let out = Command::new(&exe).arg(&file).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    (serde_json::from_slice(&out.stdout).unwrap(), std::fs::read(&file).unwrap())
}

/// What the trace tells, and what of it could not be read.
fn read(bytes: &[u8]) -> (TraceDocument, Vec<trace::Gap>) {
    let mut timeline = Timeline::new();
    let summary = trace::read(bytes, &trace::Options::default(), &mut timeline).unwrap();
    (timeline.finish(&summary, 100), summary.gaps)
}

fn group<'a>(document: &'a TraceDocument, function: &str) -> &'a TraceGoroutines {
    document.goroutines.iter().find(|g| g.function == function).unwrap_or_else(|| panic!("{function}"))
}

fn allocators_running(document: &TraceDocument) -> u64 {
    group(document, "main.allocator").running_ns
}

/// Within a share of the truth and a constant.
fn near(what: &str, found: u64, truth: u64, share: f64, constant: f64) {
    let off = (found as f64 - truth as f64).abs();
    assert!(off <= share * truth as f64 + constant, "{what}: {found} found, {truth} counted");
}

#[test]
fn the_trace_tells_what_the_program_counted() {
    for go in toolchains() {
        let (counted, bytes) = run(&go);
        let (document, gaps) = read(&bytes);
        assert_eq!(gaps, []);
        let n = |name: &str| counted[name].as_u64().unwrap();
        let gc = &document.gc;
        println!("{}: {} events; counted {counted}", go.release(), document.events);
        println!("  {} cycles, {} assists {} ns", gc.cycles.len(), gc.assists, gc.assist_ns);
        assert_eq!(document.procs, n("procs"));
        // The trace begins a little before the program reads its counters, and ends a little after.
        let cycles = gc.cycles.iter().filter(|c| c.whole).count() as u64;
        assert!((n("cycles")..=n("cycles") + 1).contains(&cycles), "{cycles}");
        assert_eq!(gc.heap.last().unwrap().goal, n("goal"));
        // The first one may begin before the heap is told.
        assert!(gc.cycles.iter().skip(1).all(|c| c.goal > 0 && c.heap_at_start > 0 && c.heap_at_end > 0));

        // The runtime counts from the stop on, the trace from the request to stop on.
        let pauses = document.stw.reasons.iter().filter(|r| r.reason.starts_with("GC "));
        let (count, total) = pauses.fold((0, 0), |sum, r| (sum.0 + r.times.count, sum.1 + r.times.total_ns));
        assert!((2 * n("cycles")..=2 * n("cycles") + 2).contains(&count), "{count}");
        assert!(total as f64 > 0.7 * n("pause_ns") as f64, "{total} {}", n("pause_ns"));

        // The runtime counts what an assist marks; the trace also what it looks for work, and ends the cycle.
        assert!(gc.assist_ns as f64 >= 0.65 * n("assist_ns") as f64, "{}", gc.assist_ns);
        assert!(gc.assist_ns <= allocators_running(&document), "{}", gc.assist_ns);
        assert!(gc.background_ns as f64 >= 0.65 * n("dedicated_ns") as f64, "{}", gc.background_ns);
        assert!(gc.background_ns <= group(&document, "runtime.gcBgMarkWorker").running_ns);

        // Go 1.22 does not tell where goroutines stand that do not run: these have no name.
        if go.version().at_least(23) {
            let waiters = group(&document, "main.waiter");
            assert_eq!((waiters.count, waiters.created, waiters.ended), (n("waiters"), 0, 0));
            near("waiting", waiters.waiting_ns, n("waiters") * document.duration_ns, 0.01, 0.0);
        } else {
            assert!(group(&document, "").count >= n("waiters"));
        }
        let shorts = group(&document, "main.short");
        assert_eq!((shorts.count, shorts.created, shorts.ended), (n("shorts"), n("shorts"), n("shorts")));
        let sleeper = group(&document, "main.sleeper");
        // The end is set before the goroutine is told to wait, which may take a while on a loaded machine.
        assert!(sleeper.waiting_ns >= n("sleep_ns") / 2, "{sleeper:?}");
        let slept = |b: &&TraceBlocking| b.reason == "sleep" && b.stack.iter().any(|f| f.function == "main.sleeper");
        assert!(document.blocking.iter().find(slept).unwrap().times.max_ns >= n("sleep_ns") / 2);

        let allocators = group(&document, "main.allocator");
        assert_eq!((allocators.count, allocators.created), (4, 4));
        assert!(allocators.assist_ns as f64 >= 0.9 * gc.assist_ns as f64, "{allocators:?}");
        assert!(allocators.assist_ns <= allocators.running_ns);
        if allocators.assists > 0 {
            assert!(allocators.assist_stack.iter().any(|f| f.function == "main.allocator"));
        }
        near("allocated", allocators.allocated_bytes, n("allocated"), 0.15, 0.0);
        assert!(document.mmu.iter().is_sorted_by_key(|m| m.window_ns));
        assert!(gc.cpu_share > 0.0 && gc.cpu_share < 1.0);
    }
}

/// Whatever stands in a trace, sums come out of it, and nothing lasts longer than the trace.
#[test]
fn damaged_traces_are_summed_up() {
    let (_, bytes) = run(toolchains().last().unwrap());
    let header = 16;
    // Numbers that differ each time, the same in every run.
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = |below: usize| {
        random = random.wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(1);
        (random >> 33) as usize % below
    };
    for round in 0..60 {
        let mut damaged = bytes.clone();
        damaged.truncate(header + next(bytes.len() - header));
        for _ in 0..round {
            let at = header + next((damaged.len() - header).max(1));
            if let Some(byte) = damaged.get_mut(at) {
                *byte ^= 1 << next(8);
            }
        }
        let (document, _) = read(&damaged);
        assert!(document.gc.cycles.iter().all(|c| c.duration_ns <= document.duration_ns));
        assert!(document.blocking.iter().all(|b| b.times.max_ns <= document.duration_ns));
        assert!((0.0..=1.0).contains(&document.gc.cpu_share));
    }
}

/// Who waited for whom, what the program says of itself, and CPU samples.
#[test]
fn the_trace_tells_who_waited_for_whom() {
    for go in toolchains() {
        let dir = tempfile::tempdir().unwrap();
        let (counted, bytes) = run_in(dir.path(), &go, "moments.go");
        let (document, gaps) = read(&bytes);
        assert_eq!(gaps, []);
        let n = |name: &str| counted[name].as_u64().unwrap();
        println!("{}: {} events, {} samples", go.release(), document.events, document.cpu.samples);
        said_by_the_program(&document, &n);

        let leavers = group(&document, "main.leaver");
        assert_eq!((leavers.created, leavers.left), (n("left"), n("left")));
        assert_eq!(leavers.left_reason, "chan receive");
        assert!(leavers.left_at.iter().any(|f| f.function == "main.leaver"));
        assert!(leavers.created_at.iter().any(|f| f.function == "main.main"));

        let lock = |b: &&TraceBlocking| b.reason == "sync" && b.stack.iter().any(|f| f.function == "main.waiter");
        let waits = document.blocking.iter().find(lock).unwrap();
        assert_eq!(waits.times.count, n("blocked"));
        assert!(waits.longest.duration_ns >= n("holding_ns") / 2, "{waits:?}");
        // The holder wakes the first, which wakes the next.
        let by = waits.released_by.iter().find(|r| r.function == "main.holder").unwrap();
        assert!(by.stack.iter().any(|f| f.function == "main.holder"), "{by:?}");
        assert!(by.times.max_ns >= n("holding_ns") / 2);
        assert!(by.cpu.iter().all(|s| s.stack.iter().any(|f| f.function == "main.holder")), "{by:?}");

        // Each collection stops the world twice; what it waits for is the copy.
        let last = |w: &&model::TraceStwWindow| w.last.as_ref().is_some_and(|l| l.function == "main.copier");
        let waited = document.stw.longest.iter().find(last).unwrap();
        let stopper = waited.last.as_ref().unwrap();
        assert!(stopper.after_ns <= waited.duration_ns && stopper.after_ns > 1_000_000, "{waited:?}");
        // Where a signal interrupts a goroutine its stack is one empty frame, in Go's own reader too: samples tell more.
        assert!(stopper.cpu.iter().all(|s| s.stack.iter().any(|f| f.function == "main.copier")), "{stopper:?}");

        // The trace has the samples of the profile, but for those of its first and last moments.
        let profile = profile_samples(&dir.path().join("trace.pb.gz"));
        let c = &document.cpu;
        near("samples", c.samples, profile, 0.05, 3.0);
        assert_eq!(c.samples, c.stopped + c.assist + c.mark + c.outside_gc);
        assert_eq!(c.samples, c.stacks.iter().map(|s| s.samples).sum::<u64>());
        let grown: u64 = document.growth.iter().map(|g| g.allocated_bytes).sum();
        let by_groups: u64 = document.goroutines.iter().map(|g| g.allocated_bytes).sum();
        assert!(grown >= by_groups && document.growth.iter().all(|g| g.start_ns <= g.end_ns));
    }
}

fn said_by_the_program(document: &TraceDocument, n: &dyn Fn(&str) -> u64) {
    let task = |name: &str| document.user.tasks.iter().find(|t| t.name == name).unwrap();
    assert_eq!((task("request").times.count, task("request").open), (n("tasks"), 0));
    assert_eq!((task("open").times.count, task("open").open), (0, 1));
    let part = document.user.regions.iter().find(|t| t.name == "part").unwrap();
    assert_eq!((part.times.count, part.open), (n("regions"), 0));
    assert!(part.times.total_ns <= task("request").times.total_ns);
    let log = document.user.logs.iter().find(|l| l.category == "step").unwrap();
    assert_eq!((log.count, &log.last[..]), (n("regions"), &(n("tasks") - 1).to_string()[..]));
}

/// Samples of a CPU profile.
fn profile_samples(path: &Path) -> u64 {
    let bytes = std::fs::read(path).unwrap();
    let profile = profile::Profile::read(&bytes, &profile::ReadLimits::default()).unwrap();
    u64::try_from(profile.total(profile.sample_index("samples").unwrap())).unwrap()
}
