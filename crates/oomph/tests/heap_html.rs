//! `oomph heap PID -f html` of a real program that stands still: the page has its maps with as many entries as the
//! program counts, and the numbers of the JSON form.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

#[path = "common/specimens.rs"]
#[allow(dead_code, reason = "each test uses its part")]
mod specimens;

use lab::{HeapBuild, HeapProgram};
use serde_json::Value;
use std::process::Command;

#[test]
fn the_page_has_the_numbers_of_the_program() {
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
    // The maps that hold most, as the program counts them and as the JSON form has them.
    let maps = |v: &'static str| json["maps"].as_array().unwrap().iter().take(5).filter_map(move |m| m[v].as_u64());
    let mut told = running.truth().containers.iter().filter(|c| c.kind == "map" && c.entries > 1_000).peekable();
    assert!(told.peek().is_some());
    let counted: Vec<u64> = told.map(|c| c.entries).collect();
    for value in counted.into_iter().chain(maps("entries")).chain(maps("retained_bytes")) {
        assert!(page.contains(&format!("data-v=\"{value}\"")), "{value}");
    }
    // Each row of the tree that the script draws stands in the page.
    let data = page.split("id=\"heap-data\">").nth(1).and_then(|d| d.split("</script>").next()).unwrap();
    let data: Value = serde_json::from_str(data).unwrap();
    let rows = data["parent"].as_array().unwrap().len();
    assert!(rows > 20, "{rows}");
    assert_eq!(rows, page.matches("<li id=\"r").count());
    assert!(json["tree"]["rows"].as_array().is_some_and(|r| r.len() > 20));
    running.stop().unwrap();
}
