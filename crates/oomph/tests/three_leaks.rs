//! `oomph diagnose` of a service with three leaks at once: all three are ranked, each with what holds it, where it
//! comes from and how fast it grows; the twin that bounds the same containers is called healthy. Asserts on
//! the specimen's own counts and source lines. Runs with each Go of the list that is at hand, at least one.

#![allow(clippy::unwrap_used, clippy::print_stderr, reason = "tests")]

#[path = "common/specimens.rs"]
mod specimens;

use lab::Specimen;
use serde_json::Value;
use specimens::{WINDOW, toolchains, wait_until_holding};
use std::process::Command;

/// Classic maps, Swiss maps.
const RELEASES: [&str; 2] = ["1.23.9", "1.26.6"];

fn diagnose(name: &str, go: &lab::Toolchain) -> Value {
    let dir = tempfile::tempdir().unwrap();
    let specimen = Specimen::by_name(name).unwrap();
    let binary = specimen.build_with(go, dir.path(), None, &[]).unwrap();
    let running = specimen.start(&binary, &["-max-seconds", "240"]).unwrap();
    wait_until_holding(name, &running);
    let mut command = Command::new(env!("CARGO_BIN_EXE_oomph"));
    let pid = running.pid().to_string();
    let out = command.args(["diagnose", &pid, "--for", WINDOW, "-q", "-f", "json"]).output().unwrap();
    running.stop().unwrap();
    serde_json::from_slice(&out.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&out.stderr)))
}

fn is_at(finding: &Value, function: &str) -> bool {
    let sites = finding["sites"].as_array().unwrap();
    sites.iter().any(|s| s["function"].as_str().unwrap().ends_with(function))
}

#[test]
fn all_three_are_ranked_with_their_holders() {
    for go in toolchains(&RELEASES) {
        let report = diagnose("three-leaks", &go);
        let release = go.release();
        assert_eq!(report["verdict"], "leak", "{release}: {report:#}");
        let findings = report["findings"].as_array().unwrap();
        let at = |rule: &str, function: &str| {
            let found = findings.iter().position(|f| f["rule"] == rule && is_at(f, function));
            found.unwrap_or_else(|| panic!("{release}: no {rule} at {function}: {findings:#?}"))
        };
        let map = at("growing-allocation-site", "carts.(*Store).Open");
        let list = at("growing-allocation-site", "trail.(*Trail).Add");
        let goroutines = at("goroutine-leak", "hooks.(*Notifier).Call");
        let most = findings.iter().take(3).filter(|f| f["severity"] != "low").count();
        assert_eq!(most, 3, "{release}: {findings:#?}");
        assert!([map, list, goroutines].iter().all(|&i| i < 3), "{release}: {map} {list} {goroutines}");
        let of = |i: usize| &findings[i];
        assert_eq!(of(map)["subject"]["type"], "map[string]*carts.Cart", "{release}");
        assert_eq!(of(list)["subject"]["type"], "list.List", "{release}");
        for (i, field) in [(map, ".byVisit"), (list, ".log")] {
            let holder = of(i)["subject"]["holder"].as_array().unwrap();
            assert!(holder.last().unwrap().as_str().unwrap().ends_with(field), "{release}: {holder:?}");
            assert!(holder[0].as_str().unwrap().contains("shop."), "{release}: {holder:?}");
        }
        for i in [map, list, goroutines] {
            assert!(of(i)["size"]["growth_bytes_per_s"].as_f64().unwrap() > 0.0, "{release}: {:#}", of(i));
            assert!(of(i)["size"]["retained_bytes"].as_u64().unwrap() > 0, "{release}: {:#}", of(i));
        }
    }
}

#[test]
fn the_bounded_twin_is_healthy() {
    let go = toolchains(&RELEASES).remove(0);
    let report = diagnose("healthy-three", &go);
    assert_eq!(report["verdict"], "healthy", "{report:#}");
}
