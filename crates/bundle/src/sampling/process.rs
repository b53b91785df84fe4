//! `/proc` of one process, read each few seconds.

use super::KernelFile;
use super::group::Group;
use model::CgroupVersion;
use signals::{Column, Sample};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use target::{Process, TargetError};

/// The walk of the page tables is repeated after this time, and after a hundred times what it took.
const WALK_AGAIN: Duration = Duration::from_secs(60);

/// Why a source gives nothing, and what would open it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// The process has ended.
    Gone,
    /// Something is missing, often a permission; says which.
    Refused(String),
}

impl std::fmt::Display for SourceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Gone => f.write_str("the process has ended"),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

/// One process by its `/proc` files and its control group.
#[derive(Debug)]
pub struct ProcessSampler {
    process: Process,
    stat: KernelFile,
    status: KernelFile,
    io: Option<KernelFile>,
    rollup: Option<KernelFile>,
    group: Result<Group, String>,
    meminfo: Option<KernelFile>,
    walk_at: Option<Instant>,
    walk_again: Duration,
    /// Keeps the executable's file alive after it was replaced or its container went away.
    exe: Option<File>,
    buf: Vec<u8>,
}

impl ProcessSampler {
    /// Opens the files of a process.
    ///
    /// # Errors
    /// No such process, or its `/proc` cannot be read.
    pub fn open(pid: u32) -> Result<Self, TargetError> {
        let process = Process::open(pid)?;
        let path = |name: &str| format!("/proc/{pid}/{name}");
        let open = |name: &'static str| {
            KernelFile::open(path(name)).map_err(|error| TargetError::Io { pid, file: name, error })
        };
        let group = Group::open(&process).map_err(|e| e.to_string());
        let sampler = Self {
            stat: open("stat")?,
            status: open("status")?,
            io: open("io").ok(),
            rollup: open("smaps_rollup").ok(),
            group,
            meminfo: KernelFile::open("/proc/meminfo").ok(),
            walk_at: None,
            walk_again: WALK_AGAIN,
            exe: File::open(path("exe")).ok(),
            buf: Vec::new(),
            process,
        };
        // Between the first look and the opening of the files the pid may have changed hands.
        if sampler.process.is_alive() { Ok(sampler) } else { Err(TargetError::Gone { pid }) }
    }

    /// The process.
    #[must_use]
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// The executable, held open.
    #[must_use]
    pub const fn exe(&self) -> Option<&File> {
        self.exe.as_ref()
    }

    /// The directory of its control group, and the interface.
    ///
    /// # Errors
    /// Why there is none.
    pub fn group(&self) -> Result<(PathBuf, CgroupVersion), &str> {
        self.group.as_ref().map(|g| (g.directory().to_owned(), g.version())).map_err(String::as_str)
    }

    /// The directory of its control group, where it is known.
    #[must_use]
    pub fn group_directory(&self) -> Option<&Path> {
        self.group.as_ref().ok().map(Group::directory)
    }

    /// OOM kills in its control group, also after its own end.
    #[must_use]
    pub fn oom_kills(&self) -> Option<f64> {
        let mut s = Sample::new(0.0);
        self.group.as_ref().ok()?.sample(&mut s, &mut Vec::new());
        s.get(Column::OomKills)
    }

    /// Fills in what `/proc` and the control group say. `urgent`: nothing that takes time.
    ///
    /// # Errors
    /// [`SourceError::Gone`] when the process has ended, a zombie included.
    pub fn sample(&mut self, s: &mut Sample, urgent: bool) -> Result<(), SourceError> {
        let mut buf = std::mem::take(&mut self.buf);
        let result = self.fill(s, urgent, &mut buf);
        self.buf = buf;
        result
    }

    fn fill(&mut self, s: &mut Sample, urgent: bool, buf: &mut Vec<u8>) -> Result<(), SourceError> {
        let gone = |_| SourceError::Gone;
        let stat = procfs::stat(self.stat.read(buf).map_err(gone)?).map_err(|_| SourceError::Gone)?;
        if stat.start_ticks != self.process.start_ticks() || matches!(stat.state, 'Z' | 'X' | 'x') {
            return Err(SourceError::Gone);
        }
        s.set(Column::Cpu, stat.cpu_seconds());
        let text = self.status.read(buf).map_err(gone)?;
        s.put(Column::Rss, size(text, "VmRSS:"));
        s.put(Column::Anon, size(text, "RssAnon:"));
        s.put(Column::Swap, size(text, "VmSwap:"));
        s.put(Column::Threads, procfs::keyed(text, "Threads:").map(|n| n as f64));
        if let Ok(group) = &self.group {
            group.sample(s, buf);
        }
        if s.get(Column::Limit).is_none()
            && let Some(text) = self.meminfo.as_ref().and_then(|f| f.read(buf).ok())
        {
            s.put(Column::HostAvailable, size(text, "MemAvailable:"));
        }
        if urgent {
            return Ok(());
        }
        if let Some(text) = self.io.as_ref().and_then(|f| f.read(buf).ok()) {
            let sum: u64 = ["read_bytes:", "write_bytes:"].iter().filter_map(|k| procfs::keyed(text, k)).sum();
            s.set(Column::Io, sum as f64);
        }
        self.walk(s, buf);
        Ok(())
    }

    /// The kernel walks all page tables for this: now and then only.
    fn walk(&mut self, s: &mut Sample, buf: &mut Vec<u8>) {
        let now = Instant::now();
        if self.walk_at.is_some_and(|at| now.duration_since(at) < self.walk_again) {
            return;
        }
        self.walk_at = Some(now);
        if let Some(text) = self.rollup.as_ref().and_then(|f| f.read(buf).ok()) {
            s.put(Column::Pss, size(text, "Pss:"));
        }
        self.walk_again = WALK_AGAIN.max(now.elapsed() * 100);
    }
}

/// A size of `/proc`, in bytes.
fn size(text: &[u8], key: &str) -> Option<f64> {
    procfs::keyed_size(text, key).map(|b| b.0 as f64)
}
