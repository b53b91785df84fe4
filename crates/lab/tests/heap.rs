//! Every program of `lab/heap` builds in each form, starts, gives a document that holds together, grows
//! and ends. Owns the programs' own checks; refuses to read their memory. Needs a Go (finds or fetches
//! one); the oldest and newest are used where they are at hand.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a test")]

use lab::{HeapBuild, HeapProgram, HeapTruth, Symbols, Toolchain};
use model::GoVersion;
use std::path::{Path, PathBuf};
use std::process::Command;

fn work_dir() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("lab-heap")
}

fn go() -> Toolchain {
    Toolchain::find_or_fetch(None, &lab::default_cache_dir(), &mut |p| eprintln!("{p}")).unwrap()
}

/// The oldest and newest Go supported, if here.
fn others() -> Vec<Toolchain> {
    let find = |v| Toolchain::find(GoVersion::parse(v).as_ref(), &lab::default_cache_dir()).unwrap();
    ["go1.21", "go1.27"].into_iter().filter_map(find).collect()
}

/// The large ones are made small.
fn arguments(program: &HeapProgram) -> &'static [&'static str] {
    match program.name() {
        "millions" | "peerheap" => &["-scale", "0.02"],
        _ => &[],
    }
}

fn can_build(program: &HeapProgram) -> bool {
    !program.needs_cgo() || Command::new("gcc").arg("--version").output().is_ok()
}

fn holds_together(truth: &HeapTruth, program: &HeapProgram) {
    let what = format!("{} {} step {}", truth.program, truth.go_version, truth.step);
    assert_eq!(truth.program, program.name());
    assert!(!truth.containers.is_empty(), "{what}");
    let retained: u64 = truth.containers.iter().map(|c| c.retained_bytes).sum();
    assert!(truth.memstats.heap_alloc >= retained, "{what}: {retained} retained, {:?}", truth.memstats);
    assert!(truth.memstats.heap_inuse >= truth.memstats.heap_alloc, "{what}");
    assert!(truth.all_goroutines, "{what}");
    // A finalizer that blocks is in the dump, but its goroutine is not in the count.
    let own = truth.goroutines.iter().filter(|g| !g.created_by.is_empty() || g.function == "main.main");
    assert_eq!(own.map(|g| g.count).sum::<u64>(), truth.num_goroutine, "{what}");
    for c in &truth.containers {
        // What the program computes is what its heap grew by.
        assert!(!c.mismatch, "{what}: {c:?}");
        assert!(c.retained_approx || c.retained_bytes >= c.struct_bytes, "{what}: {c:?}");
        if let Some(map) = &c.map {
            assert_eq!(map.slots, c.capacity, "{what}: {c:?}");
            assert!(map.slots >= c.entries || map.overflow > 0 || map.growing, "{what}: {c:?}");
        }
    }
}

fn check(go: &Toolchain) {
    for program in HeapProgram::all().iter().filter(|p| can_build(p)) {
        let binary = program.build(go, &work_dir(), &HeapBuild::default()).unwrap();
        let mut running = program.start(&binary, arguments(program)).unwrap();
        holds_together(running.truth(), program);
        assert_eq!(running.truth().pid, running.pid());
        let before = running.truth().clone();
        let after = running.grow().unwrap().clone();
        assert_eq!(after.step, before.step + 1);
        holds_together(&after, program);
        assert_eq!(before.containers.len(), after.containers.len());
        let pid = running.pid();
        assert!(running.stop().unwrap().success());
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}

#[test]
fn documents_hold_together() {
    check(&go());
}

#[test]
fn documents_hold_together_with_the_oldest_and_the_newest_go() {
    let others = others();
    if others.is_empty() {
        eprintln!("neither Go 1.21 nor 1.27 at hand: not checked");
    }
    for go in &others {
        check(go);
    }
}

#[test]
fn every_form_builds_and_runs() {
    let (go, program) = (go(), HeapProgram::by_name("maps").unwrap());
    let mut sizes = Vec::new();
    for form in HeapBuild::forms() {
        let binary = program.build(&go, &work_dir(), &form).unwrap();
        let running = program.start(&binary, &["-scale", "0.1"]).unwrap();
        holds_together(running.truth(), &program);
        sizes.push((form.symbols, form.pie, std::fs::metadata(&binary).unwrap().len()));
    }
    let of = |symbols| sizes.iter().find(|(s, pie, _)| *s == symbols && !pie).unwrap().2;
    assert!(of(Symbols::Dwarf) > of(Symbols::Table) && of(Symbols::Table) > of(Symbols::Stripped), "{sizes:?}");
    let arm = HeapBuild { arch: Some("arm64".to_owned()), ..HeapBuild::default() };
    let binary = std::fs::read(program.build(&go, &work_dir(), &arm).unwrap()).unwrap();
    // e_machine 183 is aarch64.
    assert_eq!(binary.get(18), Some(&183));
}

#[test]
fn dropping_ends_the_process() {
    let program = HeapProgram::by_name("texts").unwrap();
    let binary = program.build(&go(), &work_dir(), &HeapBuild::default()).unwrap();
    let running = program.start(&binary, &["-scale", "0.1"]).unwrap();
    let pid = running.pid();
    drop(running);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn an_unknown_name_lists_the_known() {
    let error = HeapProgram::by_name("nope").unwrap_err().to_string();
    assert!(error.contains("maps"), "{error}");
}
