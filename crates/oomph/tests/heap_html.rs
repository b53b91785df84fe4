//! `oomph heap PID -f html` of a real program that stands still: the page has the numbers of the JSON form.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

#[path = "common/specimens.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod specimens;

use lab::{HeapBuild, HeapProgram};
use serde_json::Value;
use std::process::Command;

#[test]
fn the_page_has_the_numbers_of_the_json_form() {
    let dir = tempfile::tempdir().unwrap();
    let go = specimens::toolchains(&["1.26.6"]).remove(0);
    let program = HeapProgram::by_name("mixed").unwrap();
    let binary = program.build(&go, dir.path(), &HeapBuild::default()).unwrap();
    let running = program.start(&binary, &[]).unwrap();
    let pid = running.pid().to_string();
    let page = dir.path().join("heap.html");
    let heap = |args: &[&str]| {
        let out = Command::new(env!("CARGO_BIN_EXE_oomph")).args(["heap", &pid, "-q"]).args(args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
        out.stdout
    };
    assert!(heap(&["-f", "html", "-o", page.to_str().unwrap()]).is_empty());
    let page = std::fs::read_to_string(page).unwrap();
    let json: Value = serde_json::from_slice(&heap(&["-f", "json"])).unwrap();

    assert!(page.len() < 1 << 20, "{}", page.len());
    for view in ["map", "tree", "holders", "containers", "types", "goroutines", "depth"] {
        assert!(page.contains(&format!("id=\"heap-{view}\"")), "{view}");
    }
    // The largest types and maps; the program stands still, so both forms saw the same.
    for (table, value) in [("types", "bytes"), ("types", "objects"), ("maps", "retained_bytes"), ("maps", "entries")] {
        for row in json[table].as_array().unwrap().iter().take(5) {
            let value = format!("data-v=\"{}\"", row[value]);
            assert!(page.contains(&value), "{table} {value}");
        }
    }
    let rows = json["tree"]["rows"].as_array().unwrap();
    assert_eq!(rows.len(), page.matches("<li id=\"r").count());
    running.stop().unwrap();
}
