//! `oomph heap` and its questions, on a real program: documents satisfy their schemas and agree with what the program
//! says of itself, two documents compare, `go tool pprof` opens what is exported, and errors say what to do. Needs a
//! Go (finds or fetches one).

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Run, run};
use lab::{HeapBuild, HeapProgram, HeapRunning, Toolchain};
use serde_json::Value;
use std::path::Path;

fn go() -> Toolchain {
    Toolchain::find_or_fetch(None, &lab::default_cache_dir(), &mut |_| {}).unwrap()
}

fn start(dir: &Path, program: &str) -> HeapRunning {
    let program = HeapProgram::by_name(program).unwrap();
    let binary = program.build(&go(), dir, &HeapBuild::default()).unwrap();
    program.start(&binary, &[]).unwrap()
}

/// `oomph heap ARGS -q`, which must end well.
fn heap(args: &[&str]) -> Run {
    let all: Vec<&str> = ["heap"].iter().chain(args).chain(&["-q"]).copied().collect();
    let r = run(&all);
    assert_eq!(r.code, Some(0), "{args:?}: {}", r.err);
    r
}

/// Its document, which must satisfy the schema of that file name.
fn document(schema: &str, args: &[&str]) -> Value {
    let all: Vec<&str> = args.iter().chain(&["-f", "json"]).copied().collect();
    let value: Value = serde_json::from_str(&heap(&all).out).unwrap();
    let (_, text) = report::heap_schemas().into_iter().find(|s| s.0 == schema).unwrap();
    let validator = jsonschema::draft202012::new(&serde_json::from_str(&text).unwrap()).unwrap();
    let errors: Vec<String> = validator.iter_errors(&value).map(|e| e.to_string()).collect();
    assert!(errors.is_empty(), "{args:?}: {errors:?}");
    value
}

fn refuses(args: &[&str], says: &str) {
    let r = run(args);
    assert_eq!(r.code, Some(2), "{args:?}: {}", r.out);
    assert!(r.err.contains(says), "{args:?}: no {says:?} in {}", r.err);
}

const HEAP: &str = "heap-1.schema.json";
const MAP: &str = "map[string]*main.session";

#[test]
fn every_question_has_an_answer_that_agrees_with_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), "mixed");
    let pid = &running.pid().to_string();
    let truth = running.truth().container("main.server.sessions.byKey").unwrap().clone();

    let types = document(HEAP, &["types", pid, "-n", "0"]);
    let session = types["types"].as_array().unwrap().iter().find(|t| t["name"] == "main.session").unwrap();
    assert_eq!(session["objects"], truth.entries);
    let bytes = running.truth().memstats.heap_alloc as f64;
    assert!((types["coverage"]["bytes"].as_f64().unwrap() / bytes - 1.0).abs() < 0.001);

    let maps = document(HEAP, &["containers", pid, "--kind", "map", "--sort", "entries"]);
    let maps = &maps["containers"]["list"];
    assert_eq!((&maps[0]["type"], &maps[0]["entries"]), (&MAP.into(), &truth.entries.into()));
    assert!(maps.as_array().unwrap().iter().all(|m| m["kind"] == "map"));

    let roots = document(HEAP, &["roots", pid]);
    let kinds = roots["roots"].as_array().unwrap();
    let sum: u64 = kinds.iter().map(|k| k["retained_bytes"].as_u64().unwrap()).sum();
    let c = &roots["coverage"];
    assert_eq!(sum, c["bytes"].as_u64().unwrap() - c["unreachable_bytes"].as_u64().unwrap());

    let goroutines = document(HEAP, &["goroutines", pid, "-n", "0"]);
    let count: u64 = goroutines["goroutines"].as_array().unwrap().iter().map(|g| g["count"].as_u64().unwrap()).sum();
    assert!(count >= running.truth().num_goroutine);

    let chains = document(HEAP, &["chains", pid]);
    assert_eq!(chains["depth"]["chains"][0]["type"], "list.List");
    assert_eq!(chains["depth"]["chains"][0]["entries"], 2_000);
    assert!(document(HEAP, &["duplicates", pid])["containers"]["duplicates"]["objects"].as_u64().unwrap() > 5_000);

    let address = format!("{:#x}", truth.address);
    let holders = document("heap-holders-1.schema.json", &["holders", pid, &address]);
    let object = &holders["object"];
    assert_eq!((&object["type"], &object["retained_bytes"]), (&MAP.into(), &truth.retained_bytes.into()));
    let of_type = document("heap-holders-1.schema.json", &["holders", pid, "main.sess*"]);
    assert_eq!(of_type["of_type"]["holders"][0]["holder"], "main.server.sessions.byKey[value]");

    let retained = document("heap-retained-1.schema.json", &["retained", pid, MAP]);
    assert_eq!(retained["retained_bytes"], truth.retained_bytes);
    let package = document("heap-retained-1.schema.json", &["retained", pid, "oomph.example/lab/heap/roots/registry"]);
    assert_eq!(package["matched"].as_array().unwrap().len(), 2, "types and variables: {package}");

    for question in ["types", "containers", "roots", "goroutines", "chains", "duplicates"] {
        assert!(heap(&[question, pid]).out.lines().count() > 3, "{question}");
    }
}

/// With thresholds as small as the program's maps, from a file in the working directory.
#[test]
fn the_overview_begins_with_suspects() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), "maps");
    common::file(dir.path(), "oomph.toml", b"[thresholds]\nheap-waste-bytes = 65536\nheap-waste-share = 0.0005\n");
    let of = |format: &str| {
        let pid = running.pid().to_string();
        let args = ["heap", &pid, "-q", "-f", format];
        let r = common::finish(common::oomph().current_dir(dir.path()).args(args));
        assert_eq!(r.code, Some(0), "{}", r.err);
        r.out
    };
    let overview: Value = serde_json::from_str(&of("json")).unwrap();
    let suspects = overview["suspects"].as_array().unwrap();
    let ghost = |f: &&Value| f["rule"] == "ghost-capacity" && f["subject"]["holder"][0] == "main.ghost";
    let found = suspects.iter().find(ghost).unwrap_or_else(|| panic!("{suspects:#?}"));
    assert_eq!(found["size"]["entries"], running.truth().container("main.ghost").unwrap().entries);
    // Growth takes two instants.
    assert!(suspects.iter().all(|f| f["rule"] != "unbounded-container" && f["confidence"].as_f64().unwrap() < 0.9));
    let text = of("text");
    let (suspects, holders) = (text.find("Suspects").unwrap(), text.find("What holds the memory").unwrap());
    assert!(suspects < holders && text[suspects..holders].contains("held by main.ghost"), "{text}");
    assert!(of("html").contains("id=\"heap-suspects\""));
    assert!(!heap(&[&running.pid().to_string(), "--show", "overview"]).out.contains("Suspects"));
}

#[test]
fn saved_documents_processes_and_snapshots_compare() {
    let dir = tempfile::tempdir().unwrap();
    let mut running = start(dir.path(), "mixed");
    let pid = running.pid().to_string();
    let file = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (before, after) = (file("before.json"), file("after.json"));
    heap(&[&pid, "-f", "json", "-o", &before]);
    running.grow().unwrap();
    heap(&[&pid, "-f", "json", "-o", &after]);
    for later in [&after, &pid] {
        let diff = document("heap-diff-1.schema.json", &["diff", &before, later]);
        assert_eq!(diff["same_process"], true);
        let top = &diff["containers"][0];
        assert_eq!((&top["of"]["type"], &top["of"]["holder"]), (&MAP.into(), &"main.server.sessions.byKey".into()));
        assert_eq!((&top["before"]["entries"], &top["after"]["entries"]), (&5_000.into(), &7_000.into()));
        assert_eq!(diff["holders"][0]["of"]["holder"], "main.server.sessions.byKey");
    }
    let text = heap(&["diff", &before, &after]).out;
    assert!(text.contains("+2,000") && text.contains("main.server.sessions.byKey"), "{text}");
    // Nothing is done in between.
    let same = document("heap-diff-1.schema.json", &["diff", "--for", "1s", &pid]);
    let of_main = |g: &&Value| g["of"]["holder"].as_str().unwrap().starts_with("main.");
    assert_eq!(same["containers"].as_array().unwrap().iter().filter(of_main).count(), 0, "{same}");
    assert!(same["seconds"].as_f64().unwrap() > 0.9, "{}", same["seconds"]);

    refuses(&["heap", "diff", &before], "one heap alone");
    refuses(&["heap", "diff", "--for", "1s", &before, &after], "name it alone");
    refuses(&["heap", "diff", "--for", "1s", &before], "no process");
    let part = file("types.json");
    heap(&["types", &pid, "-f", "json", "-o", &part]);
    refuses(&["heap", "diff", &before, &part], "no census");
    let other = file("other.json");
    std::fs::write(&other, "{\"schema\": \"else\"}").unwrap();
    refuses(&["heap", "diff", &before, &other], "other.json");
}

#[test]
fn exports_open_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), "mixed");
    let pid = &running.pid().to_string();
    let (profile, tables) = (dir.path().join("heap.pb.gz"), dir.path().join("tables"));
    let (profile, tables) = (profile.to_str().unwrap(), tables.to_str().unwrap());
    heap(&["export", pid, "--pprof", profile, "--parquet", tables]);
    let top = go().run(Path::new("/"), &["tool", "pprof", "-top", "-unit=B", profile]).unwrap();
    let top = String::from_utf8(top).unwrap();
    assert!(top.contains(&format!("{}B total", running.truth().memstats.heap_alloc)), "{top}");
    for name in ["objects", "edges", "types", "containers", "roots", "root_edges", "places"] {
        let bytes = std::fs::read(Path::new(tables).join(name).with_extension("parquet")).unwrap();
        assert!(bytes.starts_with(b"PAR1") && bytes.ends_with(b"PAR1"), "{name}");
    }
    refuses(&["heap", "export", pid], "--pprof");
    refuses(&["heap", "export", pid, "--pprof", "/no/such/dir/x.pb.gz"], "/no/such/dir");
    refuses(&["heap", "export", pid, "--parquet", "/proc/x"], "/proc/x");
}

#[test]
fn what_cannot_be_answered_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let running = start(dir.path(), "texts");
    let pid = &running.pid().to_string();
    refuses(&["heap", "holders", pid, "0xzz"], "no address");
    refuses(&["heap", "holders", pid, "0x10"], "no object");
    refuses(&["heap", "holders", pid, "main.Nobody"], "main.Nobody");
    refuses(&["heap", "holders", pid, "/(/"], "regular expression");
    refuses(&["heap", "retained", pid, "main.nobody"], "main.nobody");
    refuses(&["heap", "retained", pid, ""], "empty");
    refuses(&["heap"], "TARGET");
    refuses(&["heap", "http://localhost:1"], "a process or a core file");
}
