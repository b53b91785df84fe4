//! Snapshots of a running Go program: what is read, and that the program notices nothing.

mod support;

use gobinary::Memory;
use model::Bytes;
use std::fs;
use std::process::Command;
use support::{Running, check_pattern};
use target::memory::{Copied, LiveMemory, MemoryError, Refusal, Snapshot, SnapshotOptions};

fn fork(running: &Running) -> Snapshot {
    let process = running.process();
    let plan = Snapshot::plan(&process).unwrap();
    Snapshot::fork(&process, &plan, &SnapshotOptions::default()).unwrap()
}

/// Children that the process table knows of all threads of a process.
fn children(pid: u32) -> Vec<String> {
    let mut out = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        out.extend(text.split_whitespace().map(str::to_owned));
    }
    out
}

/// Signal dispositions and masks of all threads.
fn signals(pid: u32) -> Vec<String> {
    let mut out = Vec::new();
    for task in fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten() {
        let text = fs::read_to_string(task.path().join("status")).unwrap_or_default();
        let keys = ["SigBlk", "SigIgn", "SigCgt", "TracerPid"];
        let lines = text.lines().filter(|l| keys.iter().any(|k| l.starts_with(k)));
        out.push(lines.collect::<Vec<_>>().join(" "));
    }
    out.sort();
    out.dedup();
    out
}

#[test]
fn a_snapshot_is_frozen_while_the_program_runs_on() {
    let mut running = Running::start(&["-mb", "32", "-load", "2"]);
    let before = signals(running.pid);
    let snapshot = fork(&running);
    check_pattern(&snapshot, running.pattern, running.words);
    let frozen = snapshot.u64(running.counter).unwrap();
    let live = LiveMemory::open(&running.process()).unwrap();
    check_pattern(&live, running.pattern, running.words);
    // The program goes on counting; the copy does not.
    let mut now = live.u64(running.counter).unwrap();
    while now < frozen + 10_000 {
        now = live.u64(running.counter).unwrap();
    }
    assert_eq!(snapshot.u64(running.counter).unwrap(), frozen);
    assert!(running.ask().get("counter") >= now);
    let threads = fs::read_dir(format!("/proc/{}/task", running.pid)).unwrap().count();
    assert!(snapshot.threads().len() <= threads + 1, "{} registers", snapshot.threads().len());
    for t in snapshot.threads() {
        let at = |a: u64| snapshot.regions().iter().find(|r| r.start <= a && a < r.end).copied();
        assert!(at(t.pc()).is_some_and(|r| r.executable), "pc {:#x} is code", t.pc());
        assert!(at(t.sp()).is_some_and(|r| r.writable), "sp {:#x} is a stack", t.sp());
    }
    assert!(snapshot.remove());
    assert_eq!(children(running.pid), Vec::<String>::new());
    assert_eq!(signals(running.pid), before);
    assert_eq!(running.ask().get("errs"), 0);
}

#[test]
fn a_poller_of_children_sees_none_and_signals_arrive() {
    let mut running = Running::start(&["-mb", "8", "-load", "1", "-wait4", "-net"]);
    let pid = running.pid;
    let mut sent = 0;
    for _ in 0..50 {
        for signal in ["-USR1", "-40"] {
            assert!(Command::new("kill").args([signal, &pid.to_string()]).status().unwrap().success());
        }
        sent += 1;
        let snapshot = fork(&running);
        assert_eq!(children(pid).len(), 1);
        assert!(Command::new("kill").args(["-40", &pid.to_string()]).status().unwrap().success());
        drop(snapshot);
        assert_eq!(children(pid), Vec::<String>::new());
    }
    // Real-time signals queue: not one may be lost. Equal standard signals may merge.
    let mut report = running.ask();
    while report.get("rt") < 2 * sent {
        report = running.ask();
    }
    assert_eq!(report.get("rt"), 2 * sent);
    assert!(report.get("usr1") > 0);
    assert_eq!((report.get("errs"), report.get("wait4"), report.get("children")), (0, 0, 0));
    assert!(report.get("requests") > 0);
}

#[test]
fn a_stopped_program_stays_stopped() {
    let mut running = Running::start(&["-mb", "1"]);
    let state = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        text.lines().find_map(|l| l.strip_prefix("State:\t")).unwrap().chars().next().unwrap()
    };
    let kill = |signal: &str| Command::new("kill").args([signal, &running.pid.to_string()]).status().unwrap();
    kill("-STOP");
    while state(running.pid) != 'T' {}
    let snapshot = fork(&running);
    check_pattern(&snapshot, running.pattern, running.words);
    assert!(snapshot.remove());
    while state(running.pid) != 'T' {}
    kill("-CONT");
    assert_eq!(running.ask().get("errs"), 0);
}

#[test]
fn copies_the_ranges_wanted_while_stopped() {
    let mut running = Running::start(&["-mb", "8", "-load", "2"]);
    let (pattern, words, counter) = (running.pattern, running.words, running.counter);
    let ranges = |live: &LiveMemory, threads: &[target::memory::ThreadRegisters]| {
        assert!(!threads.is_empty());
        let a = live.u64(counter).unwrap();
        assert_eq!(live.u64(counter).unwrap(), a);
        vec![pattern..pattern + words * 8, counter..counter + 8, 0..4096]
    };
    let copied = Copied::of(&running.process(), Bytes::mib(64), ranges).unwrap();
    check_pattern(&copied, pattern, words);
    assert_eq!(copied.missing(), Bytes::ZERO);
    assert!(copied.bytes(pattern, 4096).is_some());
    let frozen = copied.u64(counter).unwrap();
    while running.ask().get("counter") <= frozen {}
    assert!(copied.u64(counter - 8).is_err());
    let none = Copied::of(&running.process(), Bytes(4096), |_, _| vec![pattern..pattern + words * 8]).unwrap();
    assert_eq!(none.missing(), Bytes(words * 8));
    assert_eq!(running.ask().get("errs"), 0);
}

#[test]
fn a_panic_while_stopped_lets_the_program_go() {
    let mut running = Running::start(&["-mb", "1"]);
    let result = Copied::of(&running.process(), Bytes::mib(1), |_, _| panic!("of this test"));
    assert!(matches!(result, Err(MemoryError::Failed { .. })), "{result:?}");
    let first = running.ask().get("counter");
    while running.ask().get("counter") <= first {}
}

#[test]
fn refuses_a_program_that_is_traced() {
    let running = Running::start(&["-mb", "1"]);
    let held = fork(&running);
    // The copy itself is traced by this program.
    let child: u32 = children(running.pid)[0].parse().unwrap();
    let process = target::Process::open(child).unwrap();
    let plan = Snapshot::plan(&process).unwrap();
    assert!(plan.refusals.iter().any(|r| matches!(r, Refusal::AlreadyTraced { .. })), "{plan:?}");
    let refused = Snapshot::fork(&process, &plan, &SnapshotOptions::default()).unwrap_err();
    assert!(refused.to_string().contains("traces it already"), "{refused}");
    drop(held);
}

#[test]
fn a_program_that_ends_meanwhile_is_reported() {
    let mut running = Running::start(&["-mb", "1"]);
    let process = running.process();
    let plan = Snapshot::plan(&process).unwrap();
    let snapshot = Snapshot::fork(&process, &plan, &SnapshotOptions::default()).unwrap();
    running.child.kill().unwrap();
    running.child.wait().unwrap();
    // The copy outlives the program.
    check_pattern(&snapshot, running.pattern, running.words);
    assert!(snapshot.remove());
    let gone = Snapshot::fork(&process, &plan, &SnapshotOptions::default()).unwrap_err();
    assert!(matches!(gone, MemoryError::Gone { .. }), "{gone}");
}
