//! Snapshots of a running Go program: what is read, and that the program notices nothing.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use gobinary::Memory;
use model::Bytes;
use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};
use support::{Running, check_pattern};
use target::memory::{self, Copied, LiveMemory, MemoryError, Refusal, Snapshot, SnapshotOptions};

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

/// The same once no thread blocks all signals, as the Go runtime does for a moment when it starts one.
fn settled_signals(pid: u32) -> Vec<String> {
    const ALL: &str = "fffffffffffbfeff";
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let now = signals(pid);
        if !now.iter().any(|s| s.contains(ALL)) {
            return now;
        }
        assert!(Instant::now() < deadline, "a thread is left with all signals blocked: {now:?}");
    }
}

#[test]
fn a_snapshot_is_frozen_while_the_program_runs_on() {
    let mut running = Running::start(&["-mb", "32", "-load", "2"]);
    let before = settled_signals(running.pid);
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
    assert_eq!(settled_signals(running.pid), before);
    assert_eq!(running.ask().get("errs"), 0);
}

#[test]
fn a_poller_of_children_sees_none_and_signals_arrive() {
    let mut running = Running::start(&["-mb", "8", "-load", "1", "-wait4", "-net"]);
    let pid = running.pid;
    let send = |signal: &str| Command::new("kill").args([signal, &pid.to_string()]).spawn().unwrap();
    for sent in 1..=50 {
        // On their way while the program is stopped. Go itself merges equal signals that come before
        // it has passed on the first, so the next is sent when this one has arrived.
        let mut senders = [send("-40"), send("-USR1")];
        let snapshot = fork(&running);
        assert_eq!(children(pid).len(), 1);
        drop(snapshot);
        assert_eq!(children(pid), Vec::<String>::new());
        for sender in &mut senders {
            assert!(sender.wait().unwrap().success());
        }
        let deadline = Instant::now() + Duration::from_secs(60);
        while running.ask().get("rt") < sent {
            assert!(Instant::now() < deadline, "signal {sent} was lost");
        }
    }
    let report = running.ask();
    assert_eq!(report.get("rt"), 50);
    assert!(report.get("usr1") > 0);
    assert_eq!((report.get("errs"), report.get("wait4"), report.get("children")), (0, 0, 0));
    assert!(report.get("requests") > 0);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn registers_are_as_before() {
    const SYS_SELECT: u64 = 23;
    let mut running = Running::start(&["-mb", "1", "-threads", "5"]);
    // Threads that wait in select, by tid: all 27 words of the kernel's register set.
    let waiting = |snapshot: &Snapshot| {
        let all = snapshot.threads().iter().filter(|t| t.words()[15] == SYS_SELECT);
        all.map(|t| (t.tid(), t.words().to_vec())).collect::<std::collections::BTreeMap<_, _>>()
    };
    let mut first = waiting(&fork(&running));
    while first.len() < 5 {
        first = waiting(&fork(&running));
    }
    for _ in 0..20 {
        assert_eq!(waiting(&fork(&running)), first);
    }
    assert_eq!(running.ask().get("errs"), 0);
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
    let none = Copied::of(&running.process(), Bytes(4096), |_, _| vec![pattern..pattern + words * 8, 0..1]).unwrap();
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

#[test]
#[cfg(target_arch = "x86_64")]
fn a_program_that_may_not_fork_is_not_made_to() {
    let mut running = Running::start(&["-mb", "1", "-seccomp"]);
    let process = running.process();
    let plan = Snapshot::plan(&process).unwrap();
    assert!(plan.seccomp);
    let careful = SnapshotOptions { suspend_seccomp: false, ..SnapshotOptions::default() };
    let refused = Snapshot::fork(&process, &plan, &careful).unwrap_err();
    assert!(matches!(refused, MemoryError::Refused { why: Refusal::Seccomp, .. }), "{refused}");
    assert_eq!(running.ask().get("errs"), 0);
    // With the filter suspended, where this user may do that; else refused.
    match Snapshot::fork(&process, &plan, &SnapshotOptions::default()) {
        Ok(snapshot) => {
            check_pattern(&snapshot, running.pattern, running.words);
            assert!(snapshot.remove());
        }
        Err(e) => assert!(matches!(e, MemoryError::Refused { why: Refusal::Seccomp, .. }), "{e}"),
    }
    let first = running.ask().get("counter");
    while running.ask().get("counter") <= first {}
}

#[test]
fn the_first_process_of_a_namespace_is_copied() {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child"]).arg(support::specimen()).args(["-mb", "1", "-wait4"]);
    // Making a namespace takes rights that not every user has.
    if !Command::new("unshare").args(["--pid", "--fork", "true"]).output().is_ok_and(|o| o.status.success()) {
        return;
    }
    let mut running = Running::spawn(&mut command);
    running.pid = children(running.pid)[0].parse().unwrap();
    for _ in 0..10 {
        let snapshot = fork(&running);
        check_pattern(&snapshot, running.pattern, running.words);
        assert!(snapshot.remove());
        assert_eq!(children(running.pid), Vec::<String>::new());
    }
    let report = running.ask();
    assert_eq!((report.get("errs"), report.get("wait4"), report.get("children")), (0, 0, 0));
}

#[test]
fn no_permission_says_what_to_do() {
    // A user that is not this one, where this is root.
    if !Command::new("setpriv").args(["--reuid", "65534", "--clear-groups", "true"]).status().is_ok_and(|s| s.success())
    {
        return;
    }
    let running = Running::start(&["-mb", "1"]);
    let this = std::env::current_exe().unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--clear-groups", "--bounding-set", "-all"]).arg(this);
    command.args(["--exact", "as_another_user", "--ignored", "--nocapture"]);
    let out = command.env("OOMPH_TEST_PID", running.pid.to_string()).output().unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    // The test program itself may lie where that user cannot go.
    if out.status.success() {
        assert!(text.contains("no permission to stop it and read its memory (it runs as user 0)"), "{text}");
        assert!(text.contains("CAP_SYS_PTRACE"), "{text}");
    }
}

#[test]
#[ignore = "run by no_permission_says_what_to_do"]
fn as_another_user() {
    let pid = std::env::var("OOMPH_TEST_PID").unwrap().parse().unwrap();
    let process = target::Process::open(pid).unwrap();
    println!("{}", Snapshot::plan(&process).unwrap_err());
    println!("{}", LiveMemory::open(&process).unwrap_err());
    println!("{}", Copied::of(&process, Bytes::mib(1), |_, _| Vec::new()).unwrap_err());
}

#[test]
fn a_copy_whose_tracer_was_killed_dies_with_it_and_is_cleared_away() {
    let mut running = Running::start(&["-mb", "8", "-load", "1"]);
    let before = settled_signals(running.pid);
    let this = std::env::current_exe().unwrap();
    for _ in 0..5 {
        let mut command = Command::new(&this);
        command.args(["--exact", "holds_a_copy", "--ignored", "--nocapture"]);
        command.env("OOMPH_TEST_PID", running.pid.to_string()).stdout(std::process::Stdio::piped());
        let mut tracer = command.spawn().unwrap();
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(tracer.stdout.take().unwrap()));
        assert!(lines.any(|l| l.unwrap().contains("holding")));
        tracer.kill().unwrap();
        tracer.wait().unwrap();
        let is_dead = |c: &String| fs::read_to_string(format!("/proc/{c}/stat")).is_ok_and(|s| s.contains(") Z "));
        while !children(running.pid).iter().all(is_dead) {}
        assert_eq!(running.ask().get("errs"), 0);
    }
    assert_eq!(children(running.pid).len(), 5);
    assert!(fork(&running).remove());
    assert_eq!(children(running.pid), Vec::<String>::new());
    assert_eq!(settled_signals(running.pid), before);
}

#[test]
#[ignore = "run by a_copy_whose_tracer_was_killed_dies_with_it_and_is_cleared_away"]
fn holds_a_copy() {
    let process = target::Process::open(std::env::var("OOMPH_TEST_PID").unwrap().parse().unwrap()).unwrap();
    let plan = Snapshot::plan(&process).unwrap();
    let _held = Snapshot::fork(&process, &plan, &SnapshotOptions::default()).unwrap();
    println!("holding");
    std::thread::park();
}

#[test]
fn a_heap_in_huge_pages_is_still_the_heap() {
    let mut running = Running::start(&["-mb", "64", "-load", "1"]);
    let before = Snapshot::plan(&running.process()).unwrap();
    // Kernels before 6.1 cannot.
    let Ok(collapsed) = memory::collapse(&running.process()) else { return };
    if collapsed.done > Bytes::mib(16) {
        let after = Snapshot::plan(&running.process()).unwrap();
        assert!(after.huge > before.huge && after.pause.1 < before.pause.1, "{before} -> {after}");
    }
    let snapshot = fork(&running);
    check_pattern(&snapshot, running.pattern, running.words);
    assert_eq!(running.ask().get("errs"), 0);
}
