//! Every event, with its time, context, meaning and stacks, against `go tool trace` of the release that wrote the
//! trace.
#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::fs;

use common::{Program, compare, toolchains, txtar};

/// Every mode of the program, every release on this machine.
#[test]
fn every_event_is_that_of_go_tool_trace() {
    for go in toolchains() {
        let program = Program::build(&go);
        for mode in program.modes() {
            let path = program.trace(mode, 15, "");
            let equal = compare(&go, &path);
            println!("{} {mode}: {} events equal, {:?}", go.release(), equal.events, equal.complaint);
            assert_eq!((equal.beyond, &equal.complaint[..], &equal.summary.gaps[..]), (0, "", &[][..]));
            assert!(equal.events > 100, "{mode}: {}", equal.events);
        }
    }
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
