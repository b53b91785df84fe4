//! What is looked at before a process is stopped: permission, room, and how long the pause will be.
//! Stops nothing itself.

use super::inject::Site;
use super::stop::{MOST_THREADS, threads_of};
use super::{MemoryError, Refusal};
use crate::{ProcFile, Process, cgroups};
use model::Bytes;
use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// Copying a page-table entry: 19 ns on bare metal (5 ms a GiB), up to 150 ns in nested guests.
const ENTRY_NS: (u64, u64) = (19, 150);
/// Copying the entry of a huge page.
const HUGE_NS: (u64, u64) = (500, 3000);
/// Stopping and letting go one thread.
const THREAD_NS: (u64, u64) = (10_000, 40_000);
/// Stop and start of the whole.
const BASE_NS: (u64, u64) = (100_000, 1_500_000);
const HUGE_PAGE: u64 = 2 << 20;
const PAGE: u64 = 4 << 10;
/// Free places among the processes that the control group must have.
const PIDS: u64 = 8;

/// What a copy of a process would cost, and whether it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SnapshotPlan {
    /// Threads that are stopped.
    pub threads: u64,
    /// Private memory that is resident.
    pub resident: Bytes,
    /// Of it in huge pages, which are quick to copy.
    pub huge: Bytes,
    /// Page tables, copied with the process.
    pub page_tables: Bytes,
    /// Shortest and longest pause to expect: on bare metal, and in a nested guest. A process that
    /// is short of processor time (throttled by its control group) is stopped longer.
    pub pause: (Duration, Duration),
    /// Memory left below the limit of its control groups and on the host.
    pub headroom: Option<Bytes>,
    /// Memory wanted free: a tenth of the resident memory for the pages it changes meanwhile, and
    /// the page tables.
    pub wanted: Bytes,
    /// Whether a seccomp filter is to be suspended.
    pub seccomp: bool,
    /// Why no copy is made. Empty when one can be.
    pub refusals: Vec<Refusal>,
}

impl fmt::Display for SnapshotPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |d: Duration| d.as_secs_f64() * 1e3;
        let Self { threads, resident, huge, .. } = self;
        write!(
            f,
            "a pause of {:.1} to {:.0} ms is expected ({threads} threads, {resident} resident, {huge} of it in huge pages)",
            ms(self.pause.0),
            ms(self.pause.1).ceil()
        )
    }
}

/// A process's answer to "may it be copied, and at what price".
pub(super) fn plan(process: &Process) -> Result<SnapshotPlan, MemoryError> {
    let status = process.read(ProcFile::Status).map_err(|e| failed(process, "reading its status", e))?;
    let field = |name: &str| status_field(&status, name);
    let pid = process.pid();
    let tids = threads_of(pid).map_err(|e| failed(process, "listing its threads", e))?;
    let (resident, huge) = resident(process, &status);
    let page_tables = Bytes::kib(field("VmPTE").unwrap_or(0));
    let mut refusals = Vec::new();
    if let Some(tracer) = field("TracerPid").filter(|&t| t != 0) {
        refusals.push(Refusal::AlreadyTraced { tracer: u32::try_from(tracer).unwrap_or(0) });
    }
    if tids.len() > MOST_THREADS {
        refusals.push(Refusal::Threads { threads: tids.len() as u64, most: MOST_THREADS as u64 });
    }
    refusals.extend(kernel());
    refusals.extend(pids(process));
    match Site::find(process) {
        Err(MemoryError::Refused { why, .. }) => refusals.push(why),
        Err(other) => return Err(other),
        Ok(_) => {}
    }
    let wanted = Bytes((resident.0 / 10).max(16 << 20).saturating_add(page_tables.0));
    let headroom = headroom(process);
    if let Some(headroom) = headroom.filter(|h| *h < wanted) {
        refusals.push(Refusal::MemoryHeadroom { headroom, wanted });
    }
    let seccomp = tids.iter().any(|tid| {
        fs::read(format!("/proc/{pid}/task/{tid}/status")).is_ok_and(|s| status_field(&s, "Seccomp") == Some(2))
    });
    Ok(SnapshotPlan {
        threads: tids.len() as u64,
        resident,
        huge,
        page_tables,
        pause: pause(tids.len() as u64, resident, huge),
        headroom,
        wanted,
        seccomp,
        refusals,
    })
}

fn pause(threads: u64, resident: Bytes, huge: Bytes) -> (Duration, Duration) {
    let (small, huge) = (resident.minus(huge).0 / PAGE, huge.0 / HUGE_PAGE);
    let sum = |base: u64, entry: u64, of_huge: u64, thread: u64| {
        let of = |n: u64, each: u64| n.saturating_mul(each);
        let ns = [base, of(small, entry), of(huge, of_huge), of(threads, thread)];
        Duration::from_nanos(ns.into_iter().fold(0, u64::saturating_add))
    };
    (sum(BASE_NS.0, ENTRY_NS.0, HUGE_NS.0, THREAD_NS.0), sum(BASE_NS.1, ENTRY_NS.1, HUGE_NS.1, THREAD_NS.1))
}

/// Private resident memory, and how much of it is in huge pages.
fn resident(process: &Process, status: &[u8]) -> (Bytes, Bytes) {
    let rollup = process.read(ProcFile::SmapsRollup).unwrap_or_default();
    match (status_field(&rollup, "Anonymous"), status_field(&rollup, "AnonHugePages")) {
        (Some(all), huge) => (Bytes::kib(all), Bytes::kib(huge.unwrap_or(0))),
        _ => (Bytes::kib(status_field(status, "RssAnon").unwrap_or(0)), Bytes::ZERO),
    }
}

/// The number after `name:`, in kB where the file says so.
fn status_field(text: &[u8], name: &str) -> Option<u64> {
    let lines = text.split(|&b| b == b'\n');
    lines.filter_map(|l| l.strip_prefix(name.as_bytes())?.strip_prefix(b":")).find_map(|value| {
        let digits = value.trim_ascii().split(u8::is_ascii_whitespace).next()?;
        std::str::from_utf8(digits).ok()?.parse().ok()
    })
}

/// Memory left for the process: below the limits of its control groups, and on the host.
pub(super) fn headroom(process: &Process) -> Option<Bytes> {
    let group = process.cgroup_files().ok().and_then(|files| {
        let (group, _) = procfs::cgroup(files.version, &files.levels);
        let used = group.usage?.minus(group.inactive_file.unwrap_or(Bytes::ZERO));
        Some(group.limit?.minus(used))
    });
    let host = fs::read("/proc/meminfo").ok().and_then(|m| status_field(&m, "MemAvailable")).map(Bytes::kib);
    match (group, host) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}

/// `PTRACE_SEIZE` came with 3.4, signal masks with 3.11; since 4.8 a tracer sees a system call
/// before a seccomp filter does.
fn kernel() -> Option<Refusal> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse::<u32>().ok());
    let version = (numbers.next()?, numbers.next()?);
    (version < (4, 8)).then(|| Refusal::Kernel { what: format!("Linux {} is older than 4.8", release.trim()) })
}

/// Whether the pids controller leaves room for one more.
fn pids(process: &Process) -> Option<Refusal> {
    let number = |path: &Path| fs::read_to_string(path).ok()?.trim().parse::<u64>().ok();
    cgroups::directories(process, "pids").into_iter().find_map(|level| {
        let limit = number(&level.join("pids.max"))?;
        let current = number(&level.join("pids.current"))?;
        (current.saturating_add(PIDS) > limit).then_some(Refusal::PidsHeadroom { current, limit })
    })
}

/// An error of the kernel as one that says what to do.
pub(super) fn failed(process: &Process, step: &'static str, error: io::Error) -> MemoryError {
    let pid = process.pid();
    let gone = || MemoryError::Gone { pid };
    match error.raw_os_error() {
        Some(libc::ESRCH) => gone(),
        _ if error.kind() == io::ErrorKind::NotFound => gone(),
        Some(libc::EPERM | libc::EACCES) => {
            let status = process.read(ProcFile::Status).unwrap_or_default();
            let why = match status_field(&status, "TracerPid").and_then(|t| u32::try_from(t).ok()) {
                Some(tracer) if tracer != 0 => Refusal::AlreadyTraced { tracer },
                _ => Refusal::Permission {
                    owner: fs::metadata(format!("/proc/{pid}")).ok().map(|m| m.uid()),
                    ptrace_scope: fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope")
                        .ok()
                        .and_then(|s| s.trim().parse().ok()),
                },
            };
            MemoryError::Refused { pid, why }
        }
        _ => MemoryError::Failed { pid, step, error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_with_and_without_a_unit() {
        let text = b"VmPTE:\t     228 kB\nVmPTEx:\t1\nThreads:\t8\n";
        assert_eq!(status_field(text, "VmPTE"), Some(228));
        assert_eq!(status_field(text, "Threads"), Some(8));
        assert_eq!(status_field(text, "Vm"), None);
    }

    #[test]
    fn the_pause_follows_small_pages() {
        // 8 GiB: 144 ms were measured in a nested guest with small pages, 8.7 ms with huge ones.
        let gib = Bytes::mib(8 << 10);
        let (low, high) = pause(10, gib, Bytes::ZERO);
        assert!(low < Duration::from_millis(60) && high > Duration::from_millis(144), "{low:?} {high:?}");
        let (low, high) = pause(10, gib, gib);
        assert!(low < Duration::from_millis(5) && high > Duration::from_millis(9), "{low:?} {high:?}");
        let _ = pause(u64::MAX, Bytes(u64::MAX), Bytes(u64::MAX));
    }
}
