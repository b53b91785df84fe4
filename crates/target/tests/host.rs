//! Reads this test process and others of this host; the truth is what the operating system and the
//! standard library say of them.

use std::io::Read;
use std::net::TcpListener;
use std::process::{Command, Stdio};
use target::{ProcFile, Process, TargetError, pid_listening_on};

#[test]
fn reads_itself() {
    let me = Process::open(std::process::id()).unwrap();
    assert!(me.is_alive());
    let (status, gaps) = procfs::status(&me.require(ProcFile::Status).unwrap());
    assert_eq!(gaps, []);
    assert!(status.vm_rss.0 > 0);
    assert_eq!(me.exe().unwrap(), std::fs::read("/proc/self/exe").unwrap());
    assert_eq!(me.exe_path().unwrap(), std::env::current_exe().unwrap().to_str().unwrap());
    let error = me.build_info().unwrap_err();
    assert!(matches!(error, TargetError::NotGo { .. }), "{error}");
    assert!(error.to_string().contains("not a Go program"));
    let started = me.started_at().unwrap().0 as f64 / 1000.0;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert!((now.as_secs_f64() - started).abs() < 600.0);
}

#[test]
fn finds_listeners() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let me = Process::open(std::process::id()).unwrap();
    assert!(me.listening_ports().unwrap().iter().any(|s| s.port == address.port()));
    assert_eq!(pid_listening_on(address), Some(std::process::id()));
    drop(listener);
    assert_eq!(pid_listening_on(address), None);
}

#[test]
fn says_what_is_wrong_with_a_pid() {
    assert!(matches!(Process::open(u32::MAX), Err(TargetError::NoSuchProcess { .. })));
    // A child that has ended and was not waited for.
    let mut child = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
    let mut all = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut all).unwrap();
    let pid = child.id();
    let opened = loop {
        // Its output closes a moment before it becomes a zombie.
        match Process::open(pid) {
            Ok(_) => std::thread::yield_now(),
            other => break other,
        }
    };
    let error = opened.unwrap_err();
    assert!(matches!(error, TargetError::Zombie { .. }), "{error}");
    child.wait().unwrap();
    assert!(matches!(Process::open(pid), Err(TargetError::NoSuchProcess { .. })));
}

#[test]
fn an_ended_process_is_gone_and_not_mistaken_for_another() {
    let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
    let process = Process::open(child.id()).unwrap();
    assert!(process.read(ProcFile::Maps).is_ok());
    drop(child.stdin.take());
    child.wait().unwrap();
    assert!(!process.is_alive());
    let error = process.require(ProcFile::Status).unwrap_err();
    assert!(matches!(error, TargetError::Gone { .. }), "{error}");
}

#[test]
fn kernel_threads_are_refused() {
    // pid 2 is kthreadd where this test sees the host's pids.
    match Process::open(2) {
        Err(TargetError::KernelThread { name, .. }) => assert_eq!(name, "kthreadd"),
        other => assert!(!std::fs::read_to_string("/proc/2/comm").is_ok_and(|n| n == "kthreadd\n"), "{other:?}"),
    }
}

#[test]
fn reads_its_control_group() {
    let me = Process::open(std::process::id()).unwrap();
    let Ok(files) = me.cgroup_files() else {
        return; // no memory controller here
    };
    let (facts, gaps) = procfs::cgroup(files.version, &files.levels);
    assert_eq!(gaps, []);
    assert!(facts.usage.is_some() || files.levels.len() == 1);
    let (version, levels) = procfs::parse_cgroup_dump(&procfs::cgroup_dump(files.version, &files.levels)).unwrap();
    assert_eq!(procfs::cgroup(version, &levels).0, facts);
}
