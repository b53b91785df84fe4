//! Core files that are cut and forged, read by the real binary through the whole object graph: it ends by
//! itself, in bounded memory and time, and says what it could not read. The cores are of a small program
//! with one of everything, of a Go with chained maps and one with Swiss maps; every structure that a reader
//! follows is forged: lengths beyond reason, pointers into nowhere and in circles, flipped bits.
//!
//! `OOMPH_HOSTILE=N` tries N values in each kind of structure instead of a few.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

mod common;
mod forge;

use common::Run;
use forge::{Patch, Random, image};
use heap::{HeapGraph, ProgramNames, Wanted};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use target::memory::{CoreFile, CoreOptions};

/// Address space beyond the files themselves, KiB: what the tests of profiles are given for large ones.
const ROOM: u64 = 1400 << 10;
/// A whole core takes a second or two without optimisation, on a busy machine ten.
const WITHIN: Duration = Duration::from_secs(120);

/// Everything that is read of a heap, in turn: each view follows structures that others do not.
const VIEWS: [&str; 5] = ["overview", "containers", "types", "strings", "chains"];

struct Read {
    run: Run,
    took: Duration,
}

fn read(view: &str, core: &Path, exe: &Path) -> Read {
    let size = |p: &Path| std::fs::metadata(p).unwrap().len() >> 10;
    // Mapped core, executable mapped and read.
    let room = ROOM + size(core) + 3 * size(exe);
    let script = format!("ulimit -v {room} && exec timeout -s KILL {} \"$0\" \"$@\"", WITHIN.as_secs());
    let began = Instant::now();
    let mut command = Command::new("sh");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_oomph"), "heap"]).arg(core).arg("--exe").arg(exe);
    command.args(["--show", view, "-n", "0", "-f", "json", "-q"]).stdin(Stdio::null());
    let run = common::finish(&mut command);
    Read { run, took: began.elapsed() }
}

/// An answer holds together, whatever the core holds.
fn check(read: &Read, what: &str) -> Option<serde_json::Value> {
    assert!(read.run.is_orderly(), "{what}: {:?} {}", read.run.code, read.run.err);
    if read.run.code == Some(2) {
        assert!(read.run.err.trim().len() > 20, "{what}: refused without a reason: {}", read.run.err);
        assert!(!what.starts_with("the "), "{what}: {}", read.run.err);
        return None;
    }
    let answer: serde_json::Value = serde_json::from_str(&read.run.out).unwrap_or_else(|e| panic!("{what}: {e}"));
    let c = &answer["coverage"];
    let number = |key: &str| c[key].as_u64().unwrap_or_else(|| panic!("{what}: {key} in {c}"));
    let reached = number("bytes").checked_sub(number("unreachable_bytes"));
    assert!(reached.is_some_and(|r| number("typed_reachable_bytes") <= r), "{what}: {c}");
    assert!(number("typed_bytes") <= number("bytes"), "{what}: {c}");
    // As much as the arenas of the small program can hold, and no more.
    assert!(number("bytes") < 1 << 33, "{what}: {c}");
    let types = answer["types"].as_array().unwrap();
    if !types.is_empty() {
        let sum: u64 = types.iter().map(|t| t["bytes"].as_u64().unwrap()).sum();
        assert_eq!(sum, number("bytes"), "{what}: {c}");
    }
    // What differs from the runtime's own count is said.
    let found = number("bytes") + number("unswept_bytes");
    let limits = answer["limits"].as_array().unwrap();
    if let Some(counted) = c["runtime"]["bytes"].as_u64()
        && counted.abs_diff(found) > counted / 1000 + (64 << 10)
    {
        assert!(!limits.is_empty(), "{what}: {c}");
    }
    Some(answer)
}

/// How many values are tried in each kind of structure.
fn tries(few: usize) -> usize {
    std::env::var("OOMPH_HOSTILE").ok().and_then(|n| n.parse().ok()).unwrap_or(few)
}

#[test]
fn cut_cores_are_read_as_far_as_they_go() {
    for dump in forge::dumps() {
        let whole = check(&read("types", &dump.core, &dump.exe), "the whole core").unwrap();
        let all = whole["coverage"]["bytes"].as_u64().unwrap();
        let mut random = Random(42);
        let mut places = dump.places_to_cut(100, &mut random);
        places.sort_unstable_by(|a, b| b.cmp(a));
        let copy = dump.copy();
        let mut answered = 0;
        // From the end to the start, so that one copy serves all.
        for (i, at) in places.into_iter().enumerate() {
            std::fs::File::options().write(true).open(&copy.core).unwrap().set_len(at).unwrap();
            let what = format!("{}, cut at {at}", dump.release);
            let Some(answer) = check(&read(VIEWS[i % VIEWS.len()], &copy.core, &dump.exe), &what) else {
                continue;
            };
            answered += 1;
            let limits = answer["limits"].to_string();
            assert!(limits.contains("ends here") || limits.contains("cut"), "{what}: it is not said: {limits}");
            assert!(answer["coverage"]["bytes"].as_u64().unwrap() <= all, "{what}: {}", answer["coverage"]);
        }
        eprintln!("{}: {answered} of 100 cut cores answered", dump.release);
    }
}

#[test]
fn forged_structures_end_orderly() {
    for dump in forge::dumps() {
        let kinds = dump.structures();
        let mut random = Random(7);
        let copy = dump.copy();
        let mut slowest = (Duration::ZERO, String::new());
        let mut n = 0;
        for (kind, places) in &kinds {
            for _ in 0..tries(4) {
                let patches = copy.forge(places, &kinds, &mut random);
                let mut what = format!("{}, {kind}: {patches:x?}", dump.release);
                let written = patches.iter().filter(|p| copy.write(p)).count();
                assert!(written > 0, "{what}: nothing of it is in the core");
                let view = VIEWS[n % VIEWS.len()];
                n += 1;
                what.push_str(view);
                let read = read(view, &copy.core, &copy.exe);
                check(&read, &what);
                slowest = slowest.max((read.took, what));
                copy.restore();
            }
        }
        assert!(kinds.len() > 20, "{:?}", kinds.keys().collect::<Vec<_>>());
        eprintln!("{}: {n} forged in {} kinds, slowest {:.1?}: {}", dump.release, kinds.len(), slowest.0, slowest.1);
        // Nothing was left behind.
        check(&read_whole(&copy), "the restored core").unwrap();
    }
}

fn read_whole(copy: &forge::Copy) -> Read {
    read("overview", &copy.core, &copy.exe)
}

/// Spans that form circles: each word of the list of spans is the same, or its neighbour's.
#[test]
fn circles_of_spans_end() {
    for dump in forge::dumps() {
        let copy = dump.copy();
        let spans = dump.span_list();
        for step in [0, 1, 2, 16] {
            for (i, &(place, _)) in spans.iter().enumerate() {
                let (_, other) = spans[(i + step) % if step == 0 { 1 } else { spans.len() }];
                copy.write(&Patch { place, value: other });
            }
            check(&read("types", &copy.core, &copy.exe), "a circle of spans");
            copy.restore();
        }
    }
}

/// Writes what the fuzz target `heap_graph` starts from: `cargo test -p oomph --test hostile_heap -- --ignored`.
#[test]
#[ignore = "writes into fuzz/"]
fn record_images_for_fuzzing() {
    for go in forge::toolchains() {
        let dump = forge::Dump::make(&go, true).unwrap();
        let options = CoreOptions { executable: Some(dump.exe.clone()), ..CoreOptions::default() };
        let core = CoreFile::open_with(&dump.core, &options).unwrap();
        let release = format!("go{}", dump.release);
        let own = |names: &ProgramNames<'_>| {
            let functions =
                names.functions.iter().flat_map(|f| f.table().functions().map(move |(at, name)| (f, at, name)));
            let own = functions.filter(|(_, _, name)| name.starts_with("main."));
            own.filter_map(|(f, at, _)| f.func_at(at)).map(|f| f.entry()..f.end()).collect::<Vec<_>>()
        };
        let code = image::read(&core, &release, |_, names| own(names)).unwrap();
        let recorder = image::Recorder::new(&core, code);
        let all = |graph: &HeapGraph<'_>, names: &ProgramNames<'_>| {
            (graph.objects.count(), graph.overview(names, &Wanted::all(usize::MAX)).unwrap().coverage)
        };
        let first = image::read(&recorder, &release, all).unwrap();
        let bytes = recorder.image(&release);
        // What was recorded says the same.
        let again = image::read(&image::Image::parse(&bytes).memory(), &release, all).unwrap();
        assert_eq!(first, again);
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/images").join(format!("{release}.gz"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, best(&bytes)).unwrap();
        eprintln!("{}: {} objects, {} KiB of memory", path.display(), first.0, bytes.len() >> 10);
    }
}

fn best(bytes: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    w.write_all(bytes).unwrap();
    w.finish().unwrap()
}
