//! What is written of a real heap: `go tool pprof` opens it, and its totals are the heap's; the tables hold every
//! object and edge once and join. Needs a Go (finds or fetches one).
#![allow(clippy::unwrap_used, reason = "a test")]

use heap::graph::Successors as _;
use heap::{Follow, HeapGraph};
use lab::{HeapBuild, Toolchain};
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::record::{Row, RowAccessor as _};
use profile::{Profile, ReadLimits};
use std::fs::File;
use std::path::Path;

#[path = "../../heap/tests/common/mod.rs"]
mod common;

/// Objects and bytes in use, garbage included.
fn totals(graph: &HeapGraph<'_>) -> (u64, u64) {
    let coverage = graph.coverage();
    (coverage.objects, coverage.bytes)
}

fn pprof(go: &Toolchain, args: &[&str]) -> String {
    let all: Vec<&str> = ["tool", "pprof", "-symbolize=none"].iter().chain(args).copied().collect();
    String::from_utf8(go.run(Path::new("/"), &all).unwrap()).unwrap()
}

/// `Showing nodes accounting for 2440kB, 100% of 2440kB total`.
fn total_of(top: &str) -> String {
    let line = top.lines().find(|l| l.starts_with("Showing nodes")).unwrap();
    line.split(" of ").nth(1).unwrap().trim_end_matches(" total").to_owned()
}

#[test]
fn go_tool_pprof_shows_the_heap() {
    let out = tempfile::tempdir().unwrap();
    let go = &common::versions()[0];
    common::read_heap(go, out.path(), "mixed", &HeapBuild::default(), |graph, names, _| {
        let (objects, bytes) = totals(graph);
        for follow in [Follow::Dominators, Follow::Shortest] {
            let profile = export::holder_profile(graph, names, follow, 0).unwrap();
            let (space, count) = (profile.sample_index("space").unwrap(), profile.sample_index("objects").unwrap());
            assert_eq!((profile.total(space), profile.total(count)), (bytes as i64, objects as i64), "{follow:?}");
            let path = out.path().join("heap.pb.gz");
            std::fs::write(&path, profile.write()).unwrap();
            let file = path.to_str().unwrap();
            let top = pprof(go, &["-top", "-unit=B", "-nodefraction=0", file]);
            assert_eq!(total_of(&top), format!("{bytes}B"), "{top}");
            let top = pprof(go, &["-top", "-nodefraction=0", "-sample_index=objects", file]);
            assert_eq!(total_of(&top), objects.to_string(), "{top}");
            // The map of sessions: it is below the server, and its frame is its field with its type.
            let frame = ".sessions.byKey map[string]*main.session";
            let tree = pprof(go, &["-traces", "-unit=B", file]);
            let stack = ["[value] main.session", frame, "main.Server", "main.server"];
            let lines: Vec<&str> = tree.lines().map(str::trim).collect();
            assert!(lines.windows(4).any(|w| w[0].ends_with(stack[0]) && w[1..] == stack[1..]), "{tree}");
        }
        // Along dominators a frame's cumulative value is what it retains.
        let profile = export::holder_profile(graph, names, Follow::Dominators, 0).unwrap();
        std::fs::write(out.path().join("d.pb.gz"), profile.write()).unwrap();
        let read = std::fs::read(out.path().join("d.pb.gz")).unwrap();
        let again = Profile::read(&read, &ReadLimits::default()).unwrap();
        let top = again.top(&profile::TopOptions { sample_type: "space".into(), ..Default::default() }).unwrap();
        let of = |name: &str| top.rows.iter().find(|r| r.name == name).unwrap().cum as u64;
        let server = graph.roots_by_kind(names, 1000).unwrap().remove(0);
        let server = server.largest.iter().find(|r| r.name == "main.server").unwrap();
        assert_eq!(of("main.server"), server.retained_bytes);
    });
}

fn rows(dir: &Path, name: &str) -> Vec<Row> {
    let reader = SerializedFileReader::new(File::open(dir.join(name).with_extension("parquet")).unwrap()).unwrap();
    reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
}

#[test]
fn tables_hold_every_object_and_edge_once() {
    let out = tempfile::tempdir().unwrap();
    common::read_heap(&common::versions()[0], out.path(), "lists", &HeapBuild::default(), |graph, names, running| {
        let dir = out.path().join("heap");
        let written = export::write_tables(graph, names, &dir, &mut |_| {}).unwrap();
        for t in &written {
            let reader = SerializedFileReader::new(File::open(&t.path).unwrap()).unwrap();
            assert_eq!(reader.metadata().file_metadata().num_rows() as u64, t.rows, "{}", t.path.display());
        }
        let objects = rows(&dir, "objects");
        assert!(objects.len() > 1 << 18, "more than one row group: {}", objects.len());
        let (count, bytes) = totals(graph);
        assert_eq!(objects.len() as u64, count);
        assert_eq!(objects.iter().map(|r| r.get_ulong(2).unwrap()).sum::<u64>(), bytes);
        for (i, row) in objects.iter().enumerate().step_by(997) {
            let object = row.get_uint(0).unwrap();
            assert_eq!((object as usize, row.get_ulong(1).unwrap()), (i, graph.value_address(object)));
            assert_eq!(row.get_ulong(4).unwrap(), graph.tree.retained(object));
            assert_eq!(row.get_uint(6).ok(), graph.tree.dominator(object).filter(|&d| d < graph.objects.count()));
        }
        let types = rows(&dir, "types");
        assert_eq!(types.iter().map(|r| r.get_ulong(6).unwrap()).sum::<u64>(), bytes);
        let node = types.iter().find(|r| r.get_string(1).unwrap() == "main.Node").unwrap();
        let truth = running.truth().container("main.head").unwrap();
        assert_eq!(node.get_ulong(5).unwrap(), truth.entries);

        let edges = rows(&dir, "edges");
        let mut expected = Vec::new();
        for from in 0..graph.objects.count() {
            graph.edges.for_each(from, &mut |to| expected.push((from, to)));
        }
        let found: Vec<(u32, u32)> = edges.iter().map(|r| (r.get_uint(0).unwrap(), r.get_uint(1).unwrap())).collect();
        assert_eq!(found, expected);

        let places = rows(&dir, "places");
        let reached: u64 = places.iter().map(|r| r.get_ulong(6).unwrap()).sum();
        assert_eq!(reached, graph.tree.total());
        let head = places.iter().find(|r| r.get_string(4).unwrap() == "main.head").unwrap();
        assert_eq!(head.get_ulong(5).unwrap(), 0, "the variable itself is no object");
        let lists = rows(&dir, "containers");
        let list = lists.iter().find(|r| r.get_string(1).unwrap() == "main.Node").unwrap();
        assert_eq!(list.get_ulong(4).unwrap(), truth.entries);
    });
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let out = tempfile::tempdir().unwrap();
    std::fs::write(out.path().join("file"), b"").unwrap();
    common::read_heap(&common::versions()[0], out.path(), "texts", &HeapBuild::default(), |graph, names, _| {
        let error = export::write_tables(graph, names, &out.path().join("file"), &mut |_| {}).unwrap_err();
        assert!(error.to_string().contains("file"), "{error}");
    });
}
