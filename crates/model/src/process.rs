//! What Linux says of a process and its control group: `proc(5)`, cgroup v1 and v2 documentation.

use crate::Bytes;
use serde::{Deserialize, Serialize};

/// `/proc/PID/status`, the lines about memory and threads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcStatus {
    /// Command name (`Name`, at most 15 characters).
    pub name: String,
    /// `Threads`.
    pub threads: u64,
    /// `VmRSS`: resident set, equal to anon + file + shmem up to batching of per-CPU counters.
    pub vm_rss: Bytes,
    /// `VmHWM`: high-water mark of the resident set.
    pub vm_hwm: Bytes,
    /// `RssAnon`.
    pub rss_anon: Bytes,
    /// `RssFile`.
    pub rss_file: Bytes,
    /// `RssShmem`.
    pub rss_shmem: Bytes,
    /// `VmSwap`.
    pub vm_swap: Bytes,
}

/// `/proc/PID/smaps_rollup`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SmapsRollup {
    /// Resident bytes, exact at the time of reading.
    pub rss: Bytes,
    /// Proportional share.
    pub pss: Bytes,
    /// Anonymous pages.
    pub anonymous: Bytes,
    /// Pages given back with MADV_FREE that the kernel has not yet taken.
    pub lazy_free: Bytes,
    /// Bytes in transparent huge pages.
    pub anon_huge_pages: Bytes,
    /// Swapped out.
    pub swap: Bytes,
}

/// One line of `/proc/PID/maps`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mapping {
    /// First address.
    pub start: u64,
    /// First address after it.
    pub end: u64,
    /// `r`, `w`, `x`, `p`/`s`, as printed (`rw-p`).
    pub perms: String,
    /// Offset in the file.
    pub offset: u64,
    /// Inode; 0 for anonymous memory.
    pub inode: u64,
    /// Path or bracketed name; empty when there is none.
    pub path: String,
}

impl Mapping {
    /// Size of the address range.
    #[must_use]
    pub const fn size(&self) -> Bytes {
        Bytes(self.end.saturating_sub(self.start))
    }
}

/// What a mapping is for, as far as `/proc` alone tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MappingKind {
    /// A Go heap arena (64 MiB-aligned reservation of the runtime): objects, idle spans, goroutine stacks.
    GoArena,
    /// Anonymous memory of the runtime outside arenas (span tables, page summaries, GC work buffers).
    GoMetadata,
    /// The executable: text, rodata, data, bss.
    Executable,
    /// A shared library.
    Library,
    /// A file mapped by the program that is neither.
    MappedFile,
    /// C heap: `[heap]` and allocator arenas.
    CHeap,
    /// Stack of a thread the runtime did not carve out of its own heap.
    ThreadStack,
    /// vdso, vvar and the like.
    Kernel,
    /// Anonymous memory that no rule places.
    AnonymousOther,
}

/// One mapping of `/proc/PID/smaps` with its resident parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Smap {
    /// Its `maps` line.
    pub mapping: Mapping,
    /// Resident bytes.
    pub rss: Bytes,
    /// Anonymous resident bytes.
    pub anonymous: Bytes,
    /// `LazyFree`.
    pub lazy_free: Bytes,
    /// `AnonHugePages`.
    pub anon_huge_pages: Bytes,
    /// `Swap`.
    pub swap: Bytes,
}

/// Which control group interface answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CgroupVersion {
    /// `memory.limit_in_bytes` and friends.
    V1,
    /// `memory.max` and friends.
    V2,
}

/// The memory controller's view of the group a process is in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Cgroup {
    /// Interface version.
    pub version: CgroupVersion,
    /// Path inside the controller, as in `/proc/PID/cgroup`.
    pub path: String,
    /// The lowest hard limit on the way up to the root (`memory.max`, `limit_in_bytes`); `None` = no limit.
    pub limit: Option<Bytes>,
    /// The lowest throttling limit on the way up (`memory.high`); v2 only.
    pub high: Option<Bytes>,
    /// Charged bytes, page cache included (`memory.current`, `usage_in_bytes`).
    pub usage: Option<Bytes>,
    /// High-water mark of the charge (`memory.peak`, `max_usage_in_bytes`).
    pub peak: Option<Bytes>,
    /// Anonymous bytes (`anon`, `total_rss`).
    pub anon: Option<Bytes>,
    /// Reclaimable file cache that was not used lately (`inactive_file`).
    pub inactive_file: Option<Bytes>,
    /// OOM kills in this group so far (`memory.events` `oom_kill`, `memory.oom_control` `oom_kill`).
    pub oom_kills: Option<u64>,
}

/// Pressure stall information (kernel `Documentation/accounting/psi.rst`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pressure {
    /// Share of time in which at least one task stalled.
    pub some: PressureLine,
    /// Share of time in which all tasks stalled; `None` where the kernel does not print it.
    pub full: Option<PressureLine>,
}

/// One line of a pressure file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PressureLine {
    /// Per cent over 10 s.
    pub avg10: f64,
    /// Per cent over 60 s.
    pub avg60: f64,
    /// Per cent over 300 s.
    pub avg300: f64,
    /// Stalled microseconds since boot.
    pub total_us: u64,
}
