//! `oomph diagnose URL --url-only`: what a service says of itself over HTTP must name the same map,
//! at the same lines, with the same verdict, as its executable does. Asserts on the specimen's own
//! source lines. Runs with each Go of the list that is at hand, at least one (found or fetched).

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

#[path = "common/specimens.rs"]
mod specimens;

use lab::{Running, Specimen, Toolchain};
use serde_json::{Value, json};
use specimens::{WINDOW, toolchains, wait_until_holding};
use std::path::Path;
use std::process::Command;

/// Bucket maps and shortened stacks, Swiss maps and shortened stacks, Swiss maps and whole stacks (twice).
const RELEASES: [&str; 4] = ["1.23.9", "1.25.5", "1.26.6", "1.27.3"];

/// Starts a specimen and waits until it holds something.
fn start(name: &str, go: &Toolchain, dir: &Path) -> Running {
    let specimen = Specimen::by_name(name).unwrap();
    let binary = specimen.build(go, dir).unwrap();
    let running = specimen.start(&binary, &["-max-seconds", "240"]).unwrap();
    wait_until_holding(name, &running);
    running
}

/// The report of `oomph diagnose ARGS`.
fn diagnose(args: &[&str]) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomph"));
    let out = command.arg("diagnose").args(args).args(["-q", "-f", "json"]).output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{errors}");
    serde_json::from_slice(&out.stdout).unwrap()
}

fn growth(report: &Value) -> &Value {
    let found = report["findings"].as_array().unwrap().iter().find(|f| f["rule"] == "growing-allocation-site");
    found.unwrap_or_else(|| panic!("no growth was found: {report:#}"))
}

/// Kinds of the artifacts of a bundle.
fn kinds(bundle: &str) -> Vec<String> {
    let bundle = bundle::Bundle::open(Path::new(bundle)).unwrap();
    bundle.manifest().artifacts.iter().map(|a| a.kind.to_string()).collect()
}

#[test]
fn a_map_is_named_without_the_executable() {
    let dir = tempfile::tempdir().unwrap();
    let lines: Vec<u32> = Specimen::by_name("map-cache").unwrap().site_lines().unwrap().iter().map(|s| s.1).collect();
    for go in toolchains(&RELEASES) {
        let running = start("map-cache", &go, dir.path());
        let bundle = dir.path().join(format!("{}.oomph", go.release()));
        let bundle = bundle.to_str().unwrap();
        let url = running.url();
        let (afar, near) = std::thread::scope(|s| {
            let near = s.spawn(|| diagnose(&[url, "--for", WINDOW]));
            let afar = diagnose(&[url, "--url-only", "--for", WINDOW, "--save", bundle]);
            (afar, near.join().unwrap())
        });
        running.stop().unwrap();

        for report in [&afar, &near] {
            assert_eq!(report["verdict"], "leak", "{}: {report:#}", go.release());
            let f = growth(report);
            let subject = (&f["subject"]["kind"], &f["subject"]["mechanism"]);
            assert_eq!(subject, (&json!("map"), &json!("map-insert")), "{}", go.release());
            let found: Vec<_> = f["sites"].as_array().unwrap().iter().filter_map(|s| s["line"].as_u64()).collect();
            assert!(lines.iter().all(|l| found.contains(&u64::from(*l))), "{}: {found:?}", go.release());
        }
        assert_eq!(afar["target"]["pid"], Value::Null);

        let kinds = kinds(bundle);
        assert!(!kinds.iter().any(|k| k == "call-targets" || k.starts_with("proc-")), "{kinds:?}");
        let asked = kinds.iter().filter(|k| *k == "symbols").count();
        assert!((1..=2).contains(&asked), "{asked} questions to /debug/pprof/symbol");
        let offline = diagnose(&[bundle]);
        for part in ["verdict", "summary", "findings", "checked", "limits"] {
            assert_eq!(offline[part], afar[part], "{part} differs offline");
        }
    }
}

/// Up to Go 1.25 the stacks do not hold `growslice`: what cannot be seen must not be a leak.
#[test]
fn a_slice_is_named_from_go_1_26_on() {
    let dir = tempfile::tempdir().unwrap();
    let all = toolchains(&RELEASES);
    let old = all.iter().find(|go| !go.version().at_least(26));
    let new = all.iter().find(|go| go.version().at_least(26));
    for (go, verdict, mechanism) in [(old, "risk", "other"), (new, "leak", "slice-growth")] {
        let Some(go) = go else { continue };
        let running = start("slice-grow", go, dir.path());
        let report = diagnose(&[running.url(), "--url-only", "--for", WINDOW]);
        running.stop().unwrap();
        assert_eq!(report["verdict"], verdict, "{}: {report:#}", go.release());
        assert_eq!(growth(&report)["subject"]["mechanism"], mechanism, "{}", go.release());
    }
}
