//! `oomph diagnose PID` of a service without pprof: the same leak, at the same lines, as with it, out
//! of the process's memory alone; and a plain word where the program has no profiler to read. Asserts on
//! the specimen's own source lines. Runs with each Go of the list that is at hand, at least one.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

#[path = "common/specimens.rs"]
mod specimens;

use lab::{Running, Specimen, Toolchain};
use serde_json::{Value, json};
use specimens::{WINDOW, toolchains, wait_until_holding};
use std::path::Path;
use std::process::Command;

/// Sampled addresses by bucket maps, Swiss maps; the layouts of records before and after Go 1.27.
const RELEASES: [&str; 3] = ["1.23.9", "1.26.6", "1.27.3"];

/// Starts a specimen built with a tag and waits until it holds something.
fn start(name: &str, go: &Toolchain, dir: &Path, tag: &str, flags: &[&str]) -> Running {
    let specimen = Specimen::by_name(name).unwrap();
    let binary = specimen.build_with(go, dir, Some(tag), flags).unwrap();
    let running = specimen.start(&binary, &["-max-seconds", "240"]).unwrap();
    wait_until_holding(name, &running);
    running
}

/// Exit code and report of `oomph diagnose ARGS`.
fn diagnose(args: &[&str]) -> (Option<i32>, Value) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomph"));
    let out = command.arg("diagnose").args(args).args(["-q", "-f", "json"]).output().unwrap();
    let report = serde_json::from_slice(&out.stdout);
    (out.status.code(), report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr))))
}

fn limits(report: &Value) -> Vec<&str> {
    report["limits"].as_array().unwrap().iter().filter_map(Value::as_str).collect()
}

#[test]
fn a_leak_is_found_without_pprof() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<u32> = Specimen::by_name("map-cache").unwrap().site_lines().unwrap().iter().map(|s| s.1).collect();
    for go in toolchains(&RELEASES) {
        // Stripped, as most services are.
        let running = start("map-cache", &go, dir.path(), "nopprof", &["-ldflags=-s -w"]);
        let bundle = dir.path().join(format!("{}.oomph", go.release()));
        let bundle = bundle.to_str().unwrap();
        let (code, live) = diagnose(&[&running.pid().to_string(), "--for", WINDOW, "--save", bundle]);
        running.stop().unwrap();

        assert_eq!((code, &live["verdict"]), (Some(1), &json!("leak")), "{}: {live:#}", go.release());
        let findings = live["findings"].as_array().unwrap();
        let found = findings.iter().find(|f| f["rule"] == "growing-allocation-site").unwrap();
        let subject = &found["subject"];
        assert_eq!(
            (&subject["kind"], &subject["mechanism"]),
            (&json!("map"), &json!("map-insert")),
            "{}",
            go.release()
        );
        // A snapshot was taken: it names the map and the way to it.
        let typ = subject["type"].as_str().unwrap();
        assert!(typ.starts_with("map[string]*"), "{}: {subject:#}", go.release());
        assert!(subject["holder"].as_array().is_some_and(|h| h.len() > 1), "{}: {subject:#}", go.release());
        let at: Vec<_> = found["sites"].as_array().unwrap().iter().filter_map(|s| s["line"].as_u64()).collect();
        assert!(lines.iter().all(|l| at.contains(&u64::from(*l))), "{}: {at:?}", go.release());
        assert!(limits(&live).iter().any(|l| l.contains("the memory of the process")), "{live:#}");

        let (_, offline) = diagnose(&[bundle]);
        for part in ["verdict", "summary", "findings", "ledger", "checked", "series", "limits"] {
            assert_eq!(offline[part], live[part], "{part} differs offline");
        }
    }
}

#[test]
fn a_program_without_the_profiler_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let go = toolchains(&RELEASES).remove(0);
    let running = start("map-cache", &go, dir.path(), "noprofiler", &[]);
    let (_, report) = diagnose(&[&running.pid().to_string(), "--for", "2s"]);
    running.stop().unwrap();
    let told = limits(&report).iter().any(|l| l.contains("runtime.MemProfileRate is 0"));
    assert!(told, "{report:#}");
    let goroutines = report["evidence"].as_array().unwrap().iter().any(|a| a["kind"] == "goroutine-dump");
    assert!(goroutines, "{report:#}");
}
