//! Builds and starts the Go programs of the tests, and reads their memory.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "tests; each uses its part")]

use gobinary::{Memory, Region, Unreadable};
use lab::Toolchain;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The Go on this machine, and those that were fetched before.
pub(crate) fn toolchains() -> Vec<Toolchain> {
    let cache = lab::default_cache_dir();
    let mut found: Vec<Toolchain> = Vec::new();
    for want in ["1.21.13", "1.22.10", "1.23.9", "1.24.11", "1.25.5", "1.26.6", "1.27.3"] {
        let want = model::GoVersion::parse(&format!("go{want}"));
        found.extend(Toolchain::find(want.as_ref(), &cache).unwrap());
    }
    found.push(Toolchain::find_or_fetch(None, &cache, &mut |_| {}).unwrap());
    found.dedup_by_key(|t| t.release());
    found
}

/// A Go program that has printed one line and waits.
pub(crate) struct Parked {
    child: Child,
    _dir: tempfile::TempDir,
    pub(crate) exe: PathBuf,
    /// What it printed.
    pub(crate) line: String,
    pub(crate) memory: ProcMemory,
}

impl Parked {
    pub(crate) fn start(go: &Toolchain, source: &str, flags: &[&str]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../goruntime/tests/programs").join(source);
        let exe = dir.path().join("program");
        let mut args = vec!["build", "-o", exe.to_str().unwrap()];
        args.extend(flags);
        args.push(source.to_str().unwrap());
        go.run(dir.path(), &args).unwrap();
        let mut child =
            Command::new(&exe).stdin(Stdio::piped()).stdout(Stdio::piped()).env("GODEBUG", "").spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        wait_for_reader(child.id());
        let memory = ProcMemory::open(child.id());
        Self { child, _dir: dir, exe, line: line.trim().to_owned(), memory }
    }
}

/// Waits until a thread of the process reads its standard input: until then the one that printed still runs, and what
/// it changes meanwhile would be read half.
pub(crate) fn wait_for_reader(pid: u32) {
    // The number of read(2) on x86-64, then file descriptor 0.
    let reads = |task: std::fs::DirEntry| {
        std::fs::read_to_string(task.path().join("syscall")).is_ok_and(|call| call.starts_with("0 0x0 "))
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    while !std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().flatten().any(reads) {
        assert!(Instant::now() < deadline, "process {pid} does not read its input");
        std::thread::yield_now();
    }
}

impl Drop for Parked {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `/proc/PID/mem`.
pub(crate) struct ProcMemory {
    file: File,
    regions: Vec<Region>,
}

impl ProcMemory {
    pub(crate) fn open(pid: u32) -> Self {
        let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        let regions = maps.lines().filter_map(|l| {
            let mut words = l.split(' ');
            let (start, end) = words.next()?.split_once('-')?;
            let rights = words.next()?.as_bytes();
            Some(Region {
                start: u64::from_str_radix(start, 16).ok()?,
                end: u64::from_str_radix(end, 16).ok()?,
                writable: rights[1] == b'w',
                executable: rights[2] == b'x',
                readable: rights[0] == b'r',
            })
        });
        Self { file: File::open(format!("/proc/{pid}/mem")).unwrap(), regions: regions.collect() }
    }
}

impl Memory for ProcMemory {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        self.file.read_exact_at(buf, address).map_err(|_| Unreadable { address })
    }

    fn bytes(&self, _: u64, _: usize) -> Option<&[u8]> {
        None
    }

    fn regions(&self) -> &[Region] {
        &self.regions
    }
}
