//! Every event, with its time, context, meaning and stacks, against `go tool trace` of the release that wrote the
//! trace.
#![expect(clippy::print_stdout, reason = "how much was compared is worth knowing")]

mod common;

use std::fs;

use common::{Equal, Program, compare, toolchains, txtar};
use lab::Toolchain;

/// Compares one trace, which must be sound, with the release that wrote it and, where that release's reader leaves
/// something to chance, with `newest`.
fn sound(program: &Program, newest: &Toolchain, mode: &str, milliseconds: u32, debug: &str) -> Equal {
    let path = program.trace(mode, milliseconds, debug);
    let equal = if program.go.version().at_least(24) {
        compare(&program.go, &path)
    } else {
        common::compare_by_thread(&program.go, &path);
        compare(newest, &path)
    };
    let release = program.go.release();
    println!("{release} {mode} {debug}: {} events, {} generations", equal.events, equal.summary.generations);
    assert_eq!((equal.beyond, &equal.complaint[..], &equal.summary.gaps[..]), (0, "", &[][..]));
    assert!(equal.events > 100, "{mode}: {}", equal.events);
    equal
}

/// Every mode of the program, every release on this machine; several generations, and the experiment alloc/free.
#[test]
fn every_event_is_that_of_go_tool_trace() {
    let all = toolchains();
    let newest = all.last().unwrap();
    let check = |go: &Toolchain| {
        let program = Program::build(go);
        for mode in program.modes() {
            sound(&program, newest, mode, if mode == "coroutines" { 2 } else { 5 }, "");
        }
        // A generation takes a second.
        let long = sound(&program, newest, "idle", 1700, "");
        assert!(long.summary.generations >= 2, "{}", long.summary.generations);
        if go.version().at_least(23) {
            sound(&program, newest, "busy", 4, "traceallocfree=1");
        }
    };
    let (even, odd): (Vec<_>, Vec<_>) = all.iter().enumerate().partition(|(i, _)| i % 2 == 0);
    std::thread::scope(|scope| {
        for half in [even, odd] {
            scope.spawn(move || half.iter().for_each(|(_, go)| check(go)));
        }
    });
}

/// The same for longer traces, each mode five times.
#[test]
#[ignore = "takes many minutes"]
fn five_longer_traces_of_every_mode() {
    let (mut traces, mut events) = (0, 0);
    let all = toolchains();
    let newest = all.last().unwrap();
    for go in &all {
        let program = Program::build(go);
        for mode in program.modes() {
            for round in 0..5 {
                // The last has several generations, where that does not mean millions of events.
                let long = round == 4 && ["sleepers", "syscalls", "gc"].contains(&mode);
                let milliseconds = match mode {
                    _ if long => 1500,
                    "coroutines" => 3 + round,
                    _ => 10 + 4 * round,
                };
                events += sound(&program, newest, mode, milliseconds, "").events;
                traces += 1;
            }
        }
    }
    println!("{traces} traces, {events} events equal");
}

/// The test files of Go's own reader: those that are sound are told to the end, the others to where Go stops.
#[test]
fn the_test_files_of_go() {
    let newest = toolchains().pop().unwrap();
    let dir = newest.root().join("src/internal/trace/testdata/tests");
    let scratch = tempfile::tempdir().unwrap();
    let mut read = 0;
    for file in fs::read_dir(dir).unwrap() {
        let file = file.unwrap().path();
        let case = txtar::read(&fs::read_to_string(&file).unwrap());
        let path = scratch.path().join("trace");
        fs::write(&path, &case.bytes).unwrap();
        let equal = compare(&newest, &path);
        println!("{}: {} events equal, {:?}", file.display(), equal.events, equal.summary.gaps);
        assert_eq!(equal.complaint.is_empty(), case.expect.starts_with("SUCCESS"), "{}", equal.complaint);
        assert_eq!(
            equal.summary.gaps.is_empty(),
            case.expect.starts_with("SUCCESS"),
            "{file:?} {:?}",
            equal.summary.gaps
        );
        read += 1;
    }
    assert!(read >= 20, "{read}");
}
