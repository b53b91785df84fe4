//! `oomph trace URL` of specimens of time: the first finding that matters has the fault's rule and names its line; a
//! healthy twin has none. Asserts on the specimens' own source lines and truth. Runs with each Go of the list that is at
//! hand, at least one; `cargo xtask time-matrix` does so with all specimens, several times.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

#[allow(dead_code, reason = "each test uses its part")]
#[path = "common/specimens.rs"]
mod specimens;

use lab::{Phase, Running, Specimen, Toolchain};
use serde_json::Value;
use specimens::toolchains;
use std::process::Command;
use std::time::{Duration, Instant};

/// Classic maps, Swiss maps; traces of 1.23 and of 1.26.
const RELEASES: [&str; 2] = ["1.23.9", "1.26.6"];

/// Waits until the specimen shows what it stands for.
fn wait_until_steady(running: &Running) {
    let begin = Instant::now();
    loop {
        let truth = running.truth().unwrap();
        if truth.phase == Phase::Steady && truth.uptime_seconds > 3.0 {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(120), "{} does not become steady", running.name());
        // A pace for asking; nothing depends on it.
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Findings above low.
fn findings(specimen: &Specimen, go: &Toolchain) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let binary = specimen.build(go, dir.path()).unwrap();
    let running = specimen.start(&binary, &["-max-seconds", "240"]).unwrap();
    wait_until_steady(&running);
    let seconds = format!("{}s", specimen.truth().observe_seconds);
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomph"));
    let out = command.args(["trace", running.url(), "--for", &seconds, "-q", "-f", "json"]).output().unwrap();
    running.stop().unwrap();
    let document: Value =
        serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)));
    let all = document["findings"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|f| ["medium", "high", "critical"].contains(&f["severity"].as_str().unwrap())).collect()
}

/// The fault of a specimen is the first thing said of it, with its line.
fn assert_found(name: &str) {
    let specimen = Specimen::by_name(name).unwrap();
    let truth = specimen.truth();
    let line = specimen.culprit_line().unwrap().unwrap();
    let culprit = truth.culprit.as_ref().unwrap();
    for go in toolchains(&RELEASES) {
        let found = findings(&specimen, &go);
        let first = found.first().unwrap_or_else(|| panic!("{name}, Go {}: no finding", go.release()));
        assert_eq!(first["rule"].as_str(), truth.rule.as_deref(), "{name}, Go {}: {first:#}", go.release());
        let sites = first["sites"].as_array().unwrap();
        let hit = sites.iter().any(|s| {
            s["function"] == culprit.function.as_str()
                && s["line"] == line
                && s["file"].as_str().unwrap().ends_with(&culprit.file)
        });
        assert!(hit, "{name}, Go {}: {sites:#?}", go.release());
    }
}

#[test]
fn a_copy_that_the_world_waits_for() {
    assert_found("stw-outlier");
}

#[test]
#[ignore = "takes a minute of live traces; cargo xtask time-matrix has them all"]
fn a_map_that_grows_under_a_lock() {
    assert_found("map-growth-stall");
}

#[test]
#[ignore = "takes a minute of live traces; cargo xtask time-matrix has them all"]
fn an_iteration_that_boxes() {
    assert_found("alloc-traversal");
}

#[test]
fn the_same_maps_filled_with_their_size_known_are_healthy() {
    let specimen = Specimen::by_name("time-healthy-refresh").unwrap();
    for go in toolchains(&RELEASES) {
        let found = findings(&specimen, &go);
        assert!(found.is_empty(), "Go {}: {found:#?}", go.release());
    }
}
