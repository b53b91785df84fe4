//! `oomph gclog` on real logs: from files, pipes and compressed, live with notes and Ctrl-C, and on what is none.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{file, finish, gzip, oomph, run};
use lab::Toolchain;
use serde_json::Value;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn log(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../gclog/tests").join(name)
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn files_pipes_and_compressed_logs_say_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let schema = json(include_str!("../../../docs/schema/gclog-1.schema.json"));
    let validator = jsonschema::validator_for(&schema).unwrap();
    for name in [
        "corpus/go1.19.8.log",
        "corpus/go1.27.3.log",
        "corpus/go1.24.11.mixed.log",
        "shapes/storm.log",
        "shapes/limit.log",
        "shapes/gogc100.log",
    ] {
        let path = log(name);
        let r = run(&["gclog", path.to_str().unwrap(), "-f", "json"]);
        assert_eq!((r.code, r.err.as_str()), (Some(0), ""), "{name}");
        let mut whole = json(&r.out);
        if let Err(e) = validator.validate(&whole) {
            panic!("{name}: {e}");
        }
        let bytes = std::fs::read(&path).unwrap();
        let packed = file(dir.path(), "log.gz", &gzip(&bytes));
        let from_gzip = run(&["gclog", packed.to_str().unwrap(), "-f", "json"]);
        let piped = |p: &Path| finish(oomph().args(["gclog", "-", "-f", "json", "-q"]).stdin(File::open(p).unwrap()));
        whole["source"] = Value::Null;
        for other in [from_gzip, piped(&path), piped(&packed)] {
            assert_eq!((other.code, other.err.as_str()), (Some(0), ""), "{name}");
            let mut other = json(&other.out);
            other["source"] = Value::Null;
            assert_eq!(other, whole, "{name}");
        }
        // What is cut off is said.
        let torn = file(dir.path(), "torn.gz", &gzip(&bytes)[..gzip(&bytes).len() * 2 / 3]);
        let r = run(&["gclog", torn.to_str().unwrap(), "-f", "json"]);
        assert_eq!(r.code, Some(0), "{name}: {}", r.err);
        assert!(json(&r.out)["limits"].to_string().contains("reading failed"), "{name}: {}", r.out);
    }
}

#[test]
fn text_keeps_to_the_width() {
    for name in ["corpus/go1.27.3.log", "corpus/go1.24.11.mixed.log", "shapes/storm.log", "shapes/limit.log"] {
        for columns in [60, 80, 160] {
            let path = log(name);
            let r = finish(oomph().args(["gclog", path.to_str().unwrap()]).env("COLUMNS", columns.to_string()));
            assert_eq!(r.code, Some(0), "{}", r.err);
            // The first line names the file, however long its path.
            let widest = r.out.lines().skip(2).map(|l| l.chars().count()).max().unwrap();
            assert!(widest <= columns, "{name}: {widest} of {columns}\n{}", r.out);
        }
    }
}

#[test]
fn what_is_no_log_is_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    let put = |name: &str, b: &[u8]| file(dir.path(), name, b).to_str().unwrap().to_owned();
    let gone = dir.path().join("gone.log").to_str().unwrap().to_owned();
    for (target, says) in [
        (put("empty.log", b""), "GODEBUG=gctrace=1"),
        (put("other.log", b"the gc ran 12 times\n{\"msg\":\"hello\"}\n"), "GODEBUG=gctrace=1"),
        (put("binary", &[0xff; 4096]), "GODEBUG=gctrace=1"),
        (put("not.gz", b"\x1f\x8bnonsense"), "not.gz"),
        (gone, "No such file"),
        (dir.path().to_str().unwrap().to_owned(), "is a directory"),
    ] {
        let r = run(&["gclog", &target]);
        assert_eq!((r.code, r.out.as_str()), (Some(2), ""), "{target}: {}", r.err);
        assert!(r.err.contains(says), "{target}: {}", r.err);
    }
    // Nothing but torn lines is something to tell of.
    let torn = put("torn.log", b"gc 12 @34.5\n");
    let r = run(&["gclog", &torn]);
    assert!(r.code == Some(0) && r.out.contains("not taken"), "{} {}", r.out, r.err);
}

#[test]
fn a_pipe_is_told_of_while_it_is_open() {
    let mut child = oomph()
        .args(["gclog", "-", "-f", "json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut to = child.stdin.take().unwrap();
    to.write_all(&std::fs::read(log("shapes/storm.log")).unwrap()).unwrap();
    to.flush().unwrap();
    let mut notes = BufReader::new(child.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("gc-storm") {
        line.clear();
        assert!(notes.read_line(&mut line).unwrap() > 0, "the end came before the note");
    }
    assert!(line.contains(": gc 56 at 12.575 s: gc-storm: "), "{line}");
    // The pipe stays open: Ctrl-C ends it, with the summary.
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    // What was still in the pipe may be in it or not.
    let cycles = json(&out)["processes"][0]["cycles"].as_u64().unwrap();
    assert!((56..=637).contains(&cycles), "{cycles}");
    drop(to);
}

#[test]
fn a_program_that_runs_now_is_read_as_it_counts() {
    let dir = tempfile::tempdir().unwrap();
    let go = Toolchain::find_or_fetch(None, &lab::default_cache_dir(), &mut |_| {}).unwrap();
    let binary = dir.path().join("gctruth");
    let mut build = go.command(&log("corpus/program"));
    build.args(["build", "-o"]).arg(&binary).arg(".");
    assert!(build.status().unwrap().success());
    let mut program = Command::new(&binary)
        .args(["-cycles", "60"])
        .env("GODEBUG", "gctrace=1")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let oomph = oomph()
        .args(["gclog", "-", "-f", "json"])
        .stdin(program.stderr.take().unwrap())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut rows = String::new();
    program.stdout.take().unwrap().read_to_string(&mut rows).unwrap();
    assert!(program.wait().unwrap().success());
    let done = oomph.wait_with_output().unwrap();
    let last = json(rows.lines().last().unwrap());
    let said = json(&String::from_utf8(done.stdout).unwrap());
    let p = &said["processes"][0];
    // A collection may have ended between the last row and the end of the program.
    let (cycles, counted) = (p["cycles"].as_u64().unwrap(), last["NumGC"].as_u64().unwrap());
    assert!((counted..=counted + 1).contains(&cycles), "{cycles} {counted}");
    assert_eq!(p["forced"], last["NumForced"], "{p}");
    assert_eq!(said["broken"]["count"], 0);
    assert_eq!(p["missing"], 0);
}
