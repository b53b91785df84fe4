//! The collector's own lines (`GODEBUG=gctrace=1`) out of a log as it grows: a file, or a named pipe that the user gave
//! to oomph. Owns following the log with a bounded number of bytes at a time and filling the columns of a sample that
//! the lines tell; refuses lines of other processes as far as number and time tell them apart (`gclog`).
//!
//! A line says (`gcMarkTermination`, Go `src/runtime/mgc.go`) what was true at the end of one collection; sizes are cut
//! off to whole MiB. Between two lines the latest one stands.
//!
//! A named pipe has one consumer: it is read only where the configuration names it. It is opened for reading and
//! writing, so opening never waits for a writer and a writer that comes or goes ends nothing. A writer never waits for
//! longer than it takes to read its bytes while oomph runs; when oomph ends, a service that does not hold the pipe open
//! for reading itself (`2<>pipe`) has a pipe without a reader.

use gclog::{Cycle, ProcessId, Processes, Reader, Record};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, fstat, open, stat};
use rustix::time::{ClockId, clock_gettime};
use signals::{Column, Sample};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use target::{ProcFile, Process};

/// Most bytes that are looked at in one go, and of a pipe each second. What a file has beyond is skipped, what a pipe
/// has beyond is read and dropped.
const MOST: usize = 4 << 20;
/// Bytes read at a time.
const BLOCK: usize = 64 << 10;
/// Most bytes that are taken from a pipe in one go.
const MOST_DROPPED: usize = 256 << 20;
/// Of a log that is there already this much is looked at.
const BACKLOG: u64 = 256 << 10;
/// Room that a pipe is asked to have, so that its writers need not wait.
const PIPE_ROOM: usize = 1 << 20;
/// A line comes at most this long after its collection: logs are written through buffers, and the runtime collects
/// every two minutes (`forcegcperiod`), so a process whose last line is older has written another.
const LATEST_MS: u64 = 150_000;
/// A collection cannot begin later than now; clocks are rounded to hundredths of a second.
const EARLY_MS: u64 = 1_000;
/// Least heap for which two lines tell GOGC well enough: sizes are whole MiB.
const TELLS_GOGC_MIB: u64 = 32;
/// Bytes of a MiB.
const MIB: f64 = 1_048_576.0;

/// Follows one log.
#[derive(Debug)]
pub struct GcTraceSampler {
    path: PathBuf,
    /// The log as it was opened: file, device and inode.
    log: Option<(File, (u64, u64))>,
    pipe: bool,
    offset: u64,
    /// The first bytes belong to a line whose beginning was not read.
    cut: bool,
    reader: Reader,
    lines: Lines,
    /// Bytes of a pipe that may be looked at in this second.
    budget: (Instant, usize),
    /// What is odd about the log, though it is read.
    note: &'static str,
    buf: Vec<u8>,
}

/// What the lines said.
#[derive(Debug, Default)]
struct Lines {
    processes: Processes,
    /// When the process started, seconds of the clock since the host's start.
    started_s: Option<f64>,
    /// GOGC and GOMEMLIMIT as the environment sets them.
    gogc: Option<f64>,
    memory_limit: Option<f64>,
    mine: Option<(ProcessId, Instant)>,
    last: Option<Cycle>,
    /// GOGC as the last two lines tell it.
    told_gogc: Option<f64>,
    /// The pauses of all collections, nanoseconds: only while no line is missing since the first.
    pauses_ns: Option<u64>,
    /// Allocated since the first line, MiB.
    allocated_mib: u64,
    /// The longest stop since the last sample, nanoseconds; `None` before the first sample.
    longest_ns: Option<u64>,
}

impl GcTraceSampler {
    /// Follows a log, a file or a named pipe, of which nothing needs to be there yet. `process` is the one whose lines
    /// are wanted, where it is known.
    #[must_use]
    pub fn new(path: &Path, process: Option<&Process>) -> Self {
        let mut lines = Lines::default();
        if let Some(p) = process {
            lines.started_s = Some(p.started_after_boot().as_secs_f64());
            if let Ok(bytes) = p.read(ProcFile::Environ) {
                let set = procfs::environ(&bytes);
                lines.gogc = set.gogc.as_deref().and_then(crate::settings::gogc).map(|g| g as f64);
                lines.memory_limit =
                    set.gomemlimit.as_deref().and_then(crate::settings::memory_limit).map(|b| b.0 as f64);
            }
        }
        Self {
            path: path.to_owned(),
            log: None,
            pipe: false,
            offset: 0,
            cut: false,
            reader: Reader::new(),
            lines,
            budget: (Instant::now(), MOST),
            note: "",
            buf: Vec::new(),
        }
    }

    /// The log of a process that prints these lines (GODEBUG has `gctrace=1`) to a file as its standard error; `None`
    /// for all others, and where that cannot be seen.
    #[must_use]
    pub fn of_process(process: &Process) -> Option<Self> {
        let bytes = process.read(ProcFile::Environ).ok()?;
        let godebug = procfs::environ(&bytes).godebug?;
        // As the runtime reads it: the last one counts.
        let level = godebug.split(',').rev().find_map(|s| s.trim().strip_prefix("gctrace="))?;
        level.parse::<i32>().ok().filter(|l| *l > 0)?;
        let path = PathBuf::from(format!("/proc/{}/fd/2", process.pid()));
        let is_file = stat(&path).is_ok_and(|s| FileType::from_raw_mode(s.st_mode) == FileType::RegularFile);
        is_file.then(|| Self::new(&path, Some(process)))
    }

    /// Whether the log is a pipe: read it whenever [`Self::wait`] says so, not only when a sample is due.
    #[must_use]
    pub const fn is_pipe(&self) -> bool {
        self.pipe
    }

    /// Waits until a pipe has something to read, or for `most`.
    pub fn wait(&self, most: Duration) {
        let Some((file, _)) = &self.log else { return };
        let most = Timespec { tv_sec: most.as_secs().min(60).cast_signed(), tv_nsec: i64::from(most.subsec_nanos()) };
        let _ = poll(&mut [PollFd::new(file, PollFlags::IN)], Some(&most));
    }

    /// Reads what the log has gained, bounded; what is odd about the log.
    ///
    /// # Errors
    /// Why it cannot be read, without a full stop. The next call tries again.
    pub fn read(&mut self) -> Result<&'static str, String> {
        let why = |path: &Path, e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
        self.note = "";
        if self.log.is_none() {
            self.open()?;
        }
        let read = if self.pipe { self.read_pipe() } else { self.read_file() };
        if let Err(e) = read {
            self.log = None;
            return Err(why(&self.path, &e));
        }
        if !self.pipe {
            self.follow();
        }
        Ok(self.note)
    }

    /// Fills in the columns that the lines tell and nothing better has; whether there was a line yet.
    pub fn fill(&mut self, s: &mut Sample) -> bool {
        self.lines.fill(s)
    }

    fn open(&mut self) -> Result<(), String> {
        let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", self.path.display());
        let kind = |mode| FileType::from_raw_mode(mode);
        // Looked at before it is opened: opening a device may do something.
        let before = stat(&self.path).map_err(|e| failed(&e))?;
        let flags = match kind(before.st_mode) {
            FileType::RegularFile => OFlags::RDONLY,
            FileType::Fifo => OFlags::RDWR,
            _ => return Err(failed(&"neither a file nor a named pipe")),
        };
        let flags = flags | OFlags::NONBLOCK | OFlags::CLOEXEC | OFlags::NOCTTY;
        let file = File::from(open(&self.path, flags, Mode::empty()).map_err(|e| failed(&e))?);
        let now = fstat(&file).map_err(|e| failed(&e))?;
        if kind(now.st_mode) != kind(before.st_mode) {
            return Err(failed(&"became something else while it was opened"));
        }
        self.pipe = kind(now.st_mode) == FileType::Fifo;
        if self.pipe {
            let _ = rustix::pipe::fcntl_setpipe_size(&file, PIPE_ROOM);
        }
        let size = u64::try_from(now.st_size).unwrap_or(0);
        self.start_at(if self.pipe { 0 } else { size.saturating_sub(BACKLOG) });
        self.log = Some((file, (now.st_dev, now.st_ino)));
        Ok(())
    }

    /// Reads on from here: in the middle of a line, unless it is the start.
    fn start_at(&mut self, offset: u64) {
        self.offset = offset;
        self.cut = offset > 0;
        self.reader = Reader::new();
    }

    fn read_file(&mut self) -> std::io::Result<()> {
        let Some((file, _)) = &self.log else { return Ok(()) };
        let size = file.metadata()?.len();
        let (mut from, mut note) = (self.offset, "");
        if size < from {
            (from, note) = (0, "was truncated");
        }
        if size - from > MOST as u64 {
            (from, note) = (size - MOST as u64, "grows faster than it is read: parts are skipped");
        }
        if from != self.offset {
            self.start_at(from);
            self.note = note;
        }
        let Some((file, _)) = &self.log else { return Ok(()) };
        self.buf.resize(BLOCK, 0);
        while self.offset < size {
            match file.read_at(&mut self.buf, self.offset) {
                Ok(0) => break,
                Ok(n) => {
                    self.offset += n as u64;
                    let block = self.buf.get(..n).unwrap_or_default();
                    feed(&mut self.reader, &mut self.lines, &mut self.cut, block);
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Empties the pipe, so that no writer waits; looks at as much as this second allows.
    fn read_pipe(&mut self) -> std::io::Result<()> {
        let Some((file, _)) = &mut self.log else { return Ok(()) };
        if self.budget.0.elapsed() >= Duration::from_secs(1) {
            self.budget = (Instant::now(), MOST);
        }
        self.buf.resize(BLOCK, 0);
        let mut taken = 0;
        while taken < MOST_DROPPED {
            let n = match file.read(&mut self.buf) {
                Ok(0) => break,
                Ok(n) => n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            taken += n;
            if let Some(left) = self.budget.1.checked_sub(n) {
                self.budget.1 = left;
                let block = self.buf.get(..n).unwrap_or_default();
                feed(&mut self.reader, &mut self.lines, &mut self.cut, block);
            } else {
                self.note = "grows faster than it is read: parts are skipped";
                self.cut = true;
                self.reader = Reader::new();
            }
        }
        Ok(())
    }

    /// Goes on with the file that has the log's name now, once all of the old one is read.
    fn follow(&mut self) {
        let Some((_, known)) = &self.log else { return };
        match stat(&self.path) {
            Ok(now) if (now.st_dev, now.st_ino) == *known => {}
            Ok(_) => {
                // Rotated: all of the new one is news.
                self.log = None;
                if self.open().is_ok() && !self.pipe {
                    self.start_at(0);
                }
            }
            Err(_) => self.note = "was deleted; followed as long as it is written",
        }
    }
}

fn feed(reader: &mut Reader, lines: &mut Lines, cut: &mut bool, block: &[u8]) {
    let from = match (*cut, block.iter().position(|b| *b == b'\n')) {
        (false, _) => 0,
        (true, Some(end)) => end + 1,
        (true, None) => return,
    };
    *cut = false;
    let now_s = since_boot_s();
    reader.feed(block.get(from..).unwrap_or_default(), &mut |found| {
        if let Record::Cycle(cycle) = found.record {
            lines.take(&cycle, found.prefix, now_s);
        }
    });
}

/// Seconds since the host's start: the clock that processes' starts are counted in.
fn since_boot_s() -> f64 {
    let t = clock_gettime(ClockId::Boottime);
    t.tv_sec as f64 + t.tv_nsec as f64 / 1e9
}

impl Lines {
    fn take(&mut self, c: &Cycle, prefix: &[u8], now_s: f64) {
        if let Some(started) = self.started_s {
            let age_ms = ((now_s - started).max(0.0) * 1e3) as u64;
            let ended_ms = c.start_ms.saturating_add(c.wall_ns() / 1_000_000);
            if c.start_ms > age_ms.saturating_add(EARLY_MS) || ended_ms.saturating_add(LATEST_MS) < age_ms {
                return;
            }
        }
        let assigned = self.processes.assign(c, prefix);
        match &mut self.mine {
            Some((id, at)) if *id == assigned.process => *at = Instant::now(),
            // Without a known start another process is the service started anew; else one that writes beside it.
            Some((_, at))
                if self.started_s.is_some() && at.elapsed() < Duration::from_millis(LATEST_MS)
                    || self.started_s.is_none() && !assigned.new =>
            {
                return;
            }
            mine => {
                *mine = Some((assigned.process, Instant::now()));
                self.last = None;
                self.pauses_ns = (assigned.missing == 0).then_some(0);
            }
        }
        self.pauses_ns = self.pauses_ns.filter(|_| assigned.missing == 0).map(|p| p.saturating_add(c.pause_ns()));
        self.longest_ns = self.longest_ns.map(|l| l.max(c.pause_ns()));
        let from = self.last.map_or(0, |l| l.heap_marked_mib);
        self.allocated_mib = self.allocated_mib.saturating_add(c.heap_after_mib.saturating_sub(from));
        if let Some(l) = self.last.filter(|_| assigned.missing == 0) {
            self.told_gogc = told_gogc(&l, c);
        }
        self.last = Some(*c);
    }

    fn fill(&mut self, s: &mut Sample) -> bool {
        let Some(c) = self.last else { return false };
        let size = |mib: u64| mib as f64 * MIB;
        let seconds = |ns: u64| ns as f64 / 1e9;
        let mut put = |column: Column, value: Option<f64>| s.put_missing(column, value);
        put(Column::HeapLive, Some(size(c.heap_marked_mib)));
        put(Column::HeapGoal, self.goal_mib(&c).map(|g| g * MIB));
        put(Column::TotalAlloc, Some(size(self.allocated_mib)));
        put(Column::GcCycles, Some(f64::from(c.number)));
        put(Column::GcWall, Some(seconds(c.wall_ns())));
        put(Column::GcPauses, self.pauses_ns.map(seconds));
        put(Column::GcPauseMax, self.longest_ns.map(seconds));
        put(Column::GcMarkCpu, Some(seconds(c.cpu.assist_ns.saturating_add(c.cpu.background_ns))));
        put(Column::GcCpuFraction, Some(f64::from(c.percent) / 100.0));
        put(Column::Gogc, self.gogc);
        put(Column::MemoryLimit, self.memory_limit);
        self.longest_ns = Some(0);
        true
    }

    /// The goal of the collection after this one: by GOGC as two lines tell it, where they do. Where the memory limit
    /// sets the goal it stays as it was.
    fn goal_mib(&self, c: &Cycle) -> Option<f64> {
        let set = self.gogc.unwrap_or(100.0);
        let told = self.told_gogc.unwrap_or(set);
        let lower = told < 0.9 * set || set < 0.0;
        if lower && self.memory_limit.is_some() {
            return Some(c.goal_mib.max(c.heap_marked_mib) as f64);
        }
        // Within what whole MiB tell.
        let gogc = if lower || told > 1.1 * set { told } else { set };
        (gogc >= 0.0).then(|| c.heap_marked_mib as f64 + scanned(c) * gogc / 100.0)
    }
}

/// What GOGC is a share of, MiB (`goal = live + (live + stacks + globals) * GOGC / 100`, `src/runtime/mgcpacer.go`).
fn scanned(c: &Cycle) -> f64 {
    c.heap_marked_mib.saturating_add(c.stacks_mib).saturating_add(c.globals_mib) as f64
}

/// GOGC by the goal that a collection had and what the one before it left.
fn told_gogc(before: &Cycle, c: &Cycle) -> Option<f64> {
    let told = 100.0 * c.goal_mib.checked_sub(before.heap_marked_mib)? as f64 / scanned(before);
    (before.heap_marked_mib >= TELLS_GOGC_MIB).then_some(told)
}

#[cfg(test)]
#[path = "gctrace_tests.rs"]
mod tests;
