//! What is looked at before a process is stopped: permission, room, and how long the pause will be.
//! Stops nothing itself.

use super::inject::Site;
use super::stop::{MOST_THREADS, threads_of};
use super::{MemoryError, Refusal};
use crate::{ProcFile, Process, cgroups};
use model::Bytes;
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
        Duration::from_nanos(
            base.saturating_add(of(small, entry)).saturating_add(of(huge, of_huge)) + of(threads, thread),
        )
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
