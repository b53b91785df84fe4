//! What each mapping of a Go process is for, as far as addresses, permissions and names tell.
//!
//! Arenas follow the runtime's own rules (`src/runtime/malloc.go` and `mheap.go`, Go 1.18 to 1.27):
//! `sysAlloc` reserves whole 64 MiB-aligned arenas without access, `grow` then maps them readable
//! and writable in 4 MiB steps, so an arena shows as a run of `---p` and `rw-p` lines whose two
//! ends are multiples of 64 MiB. Up to 1.25 the first arena starts at `0x00c0 << 32` (0x40 << 32 on
//! arm64), from 1.26 at a random address; both lie below the area where the kernel places other
//! mappings, and glibc's own 64 MiB-aligned arenas lie inside that area. Where the kernel names
//! anonymous memory (`CONFIG_ANON_VMA_NAME`) Go 1.25+ says itself what a mapping is for.
//! An arena for which every hint failed (the kernel chose the address) is not recognised.

use crate::maps::path_without_deleted;
use model::{GoVersion, Mapping, MappingKind, Smap};

/// `heapArenaBytes` of `src/runtime/malloc.go` on 64-bit Linux.
pub const GO_ARENA_BYTES: u64 = 64 << 20;

/// The kernel starts placing mappings at most this far below the main stack: a random gap of up to
/// 2^28 pages (`mmap_base` in `arch/x86/mm/mmap.c`), a terabyte, and room for what was placed.
const MMAP_AREA: u64 = 4 << 40;

/// The kind of each mapping, in the order given (that of the file: by address).
///
/// `exe_path` is the link of `/proc/PID/exe`; without it the first mapped file is taken, which on
/// Linux is the executable. `cgo` as recorded in the build settings: a binary without cgo has no
/// C heap, so its anonymous memory outside arenas is the runtime's (or mapped by the program
/// itself, which addresses cannot tell). `None` lets the presence of shared libraries decide.
#[must_use]
pub fn classify_mappings(
    mappings: &[Smap],
    exe_path: Option<&str>,
    go_version: Option<&GoVersion>,
    cgo: Option<bool>,
) -> Vec<MappingKind> {
    let view = View::new(mappings, exe_path, go_version, cgo);
    let arenas = arena_flags(mappings, &view);
    let mut kinds: Vec<MappingKind> = Vec::with_capacity(mappings.len());
    for (i, smap) in mappings.iter().enumerate() {
        let previous = i.checked_sub(1).and_then(|p| {
            let before = mappings.get(p)?;
            Some((&before.mapping, *kinds.get(p)?))
        });
        let next = mappings.get(i + 1).map(|s| &s.mapping);
        let is_arena = arenas.get(i).copied().unwrap_or(false);
        kinds.push(view.kind(&smap.mapping, previous, next, is_arena));
    }
    kinds
}

/// Address ranges of the Go heap: the mapped (not merely reserved) parts of the arenas.
#[must_use]
pub fn go_arena_spans(mappings: &[Smap], kinds: &[MappingKind]) -> Vec<(u64, u64)> {
    mappings
        .iter()
        .zip(kinds)
        .filter(|(s, k)| **k == MappingKind::GoArena && s.mapping.perms.starts_with("rw"))
        .map(|(s, _)| (s.mapping.start, s.mapping.end))
        .collect()
}

/// What holds for the whole list.
struct View<'a> {
    exe: Option<&'a str>,
    /// Files of which some mapping is executable.
    code: Vec<&'a str>,
    /// Lowest address of the area in which the kernel places mappings.
    mmap_floor: u64,
    /// Whether C code may have mapped memory.
    c_code: bool,
    /// Go 1.26+, or unknown: arenas may start anywhere.
    random_base: bool,
}

impl<'a> View<'a> {
    fn new(mappings: &'a [Smap], exe_path: Option<&'a str>, go_version: Option<&GoVersion>, cgo: Option<bool>) -> Self {
        let files = || mappings.iter().map(|s| &s.mapping).filter(|m| m.inode != 0 && m.path.starts_with('/'));
        let exe = exe_path.map(path_without_deleted).or_else(|| files().next().map(|m| path_without_deleted(&m.path)));
        let mut code: Vec<&str> =
            files().filter(|m| m.perms.contains('x')).map(|m| path_without_deleted(&m.path)).collect();
        code.sort_unstable();
        code.dedup();
        let has_libraries = files().any(|m| is_library_name(&m.path));
        let has_brk = mappings.iter().any(|s| s.mapping.path == "[heap]");
        let stack = mappings.iter().find(|s| s.mapping.path == "[stack]");
        Self {
            exe,
            code,
            mmap_floor: stack.map_or(u64::MAX, |s| s.mapping.start.saturating_sub(MMAP_AREA)),
            c_code: cgo.unwrap_or(true) && (has_libraries || has_brk),
            random_base: go_version.is_none_or(|v| v.at_least(26)),
        }
    }

    fn kind(
        &self,
        m: &Mapping,
        previous: Option<(&Mapping, MappingKind)>,
        next: Option<&Mapping>,
        is_arena: bool,
    ) -> MappingKind {
        if let Some(kind) = named(&m.path) {
            return kind;
        }
        if m.path.starts_with('/') {
            return self.file(m);
        }
        if is_arena {
            return MappingKind::GoArena;
        }
        if let Some((before, kind)) = previous
            && before.end == m.start
            && m.perms.starts_with("rw")
            && (before.inode != 0 || before.perms.starts_with("rw"))
            && before.perms.starts_with('r')
            && matches!(kind, MappingKind::Executable | MappingKind::Library)
        {
            // The zero-initialised data after a file's own.
            return kind;
        }
        if !self.c_code {
            return MappingKind::GoMetadata;
        }
        if is_glibc_arena(m, next) || previous.is_some_and(|(b, _)| is_glibc_arena(b, Some(m))) {
            return MappingKind::CHeap;
        }
        let guarded = previous.is_some_and(|(b, _)| b.end == m.start && is_guard(b));
        let is_thread_stack = guarded && m.perms.starts_with("rw") && m.size().0 >= 16 << 10;
        if is_thread_stack || (is_guard(m) && next.is_some_and(|n| n.start == m.end)) {
            return MappingKind::ThreadStack;
        }
        MappingKind::AnonymousOther
    }

    fn file(&self, m: &Mapping) -> MappingKind {
        let path = path_without_deleted(&m.path);
        // Shared anonymous memory is shown as a deleted file.
        if path == "/dev/zero" || path.starts_with("/memfd:") || path.starts_with("/SYSV") {
            MappingKind::AnonymousOther
        } else if self.exe == Some(path) {
            MappingKind::Executable
        } else if is_library_name(path) || self.code.binary_search(&path).is_ok() {
            MappingKind::Library
        } else {
            MappingKind::MappedFile
        }
    }
}

/// Kinds that the name alone gives.
fn named(path: &str) -> Option<MappingKind> {
    if let Some(name) = path.strip_prefix("[anon:").and_then(|p| p.strip_suffix(']')) {
        let name = name.trim();
        return Some(match name.strip_prefix("Go: ") {
            Some("heap" | "heap reservation" | "used" | "unused") => MappingKind::GoArena,
            Some(_) => MappingKind::GoMetadata,
            None if name.contains("stack") => MappingKind::ThreadStack,
            None if name.contains("malloc") => MappingKind::CHeap,
            None => MappingKind::AnonymousOther,
        });
    }
    match path {
        "[heap]" => Some(MappingKind::CHeap),
        _ if path.starts_with("[stack") => Some(MappingKind::ThreadStack),
        _ if path.starts_with('[') || path.starts_with("anon_inode:") => Some(MappingKind::Kernel),
        _ => None,
    }
}

/// `libc.so.6`, `plugin.so`: a file name with `.so` as its suffix or before a version.
fn is_library_name(path: &str) -> bool {
    let path = path_without_deleted(path);
    let name = path.rsplit('/').next().unwrap_or(path);
    name.ends_with(".so") || name.contains(".so.")
}

/// For each mapping whether it belongs to a run that looks like Go arenas.
fn arena_flags(mappings: &[Smap], view: &View<'_>) -> Vec<bool> {
    let mut flags = vec![false; mappings.len()];
    let mut run_start = 0;
    while run_start < mappings.len() {
        let run_end = run_end(mappings, run_start);
        let run = mappings.get(run_start..run_end).unwrap_or_default();
        if is_arena_run(run, view)
            && let Some(flags) = flags.get_mut(run_start..run_end)
        {
            flags.fill(true);
        }
        run_start = run_end.max(run_start + 1);
    }
    flags
}

/// End of the run of adjoining private anonymous mappings that starts at `from`.
fn run_end(mappings: &[Smap], from: usize) -> usize {
    let mut end = from;
    let mut address = None;
    for smap in mappings.get(from..).unwrap_or_default() {
        let m = &smap.mapping;
        let anonymous = m.inode == 0 && m.path.is_empty();
        let perms = matches!(m.perms.as_str(), "rw-p" | "---p");
        if !anonymous || !perms || address.is_some_and(|a| a != m.start) {
            break;
        }
        address = Some(m.end);
        end += 1;
    }
    end
}

fn is_arena_run(run: &[Smap], view: &View<'_>) -> bool {
    let (Some(first), Some(last)) = (run.first(), run.last()) else {
        return false;
    };
    let (start, end) = (first.mapping.start, last.mapping.end);
    let writable = run.iter().any(|s| s.mapping.perms == "rw-p");
    let aligned = start.is_multiple_of(GO_ARENA_BYTES) && end.is_multiple_of(GO_ARENA_BYTES);
    let in_hint = view.random_base || {
        // `i<<40 | 0x00c0<<32`, on arm64 `i<<40 | 0x0040<<32`; growth goes upwards from there.
        let low = start & ((1 << 40) - 1);
        low >= 0x40 << 32
    };
    writable && aligned && in_hint && start != 0 && start < view.mmap_floor
}

/// glibc `malloc/arena.c`: a heap of at most 64 MiB, aligned to that, the used part `rw-p` and the
/// rest reserved without access.
fn is_glibc_arena(m: &Mapping, next: Option<&Mapping>) -> bool {
    m.start.is_multiple_of(GO_ARENA_BYTES)
        && m.perms == "rw-p"
        && m.inode == 0
        && m.path.is_empty()
        && m.size().0 <= GO_ARENA_BYTES
        && next
            .is_some_and(|n| n.start == m.end && n.perms == "---p" && n.end == m.start.saturating_add(GO_ARENA_BYTES))
}

/// The page without access that ends a thread stack.
fn is_guard(m: &Mapping) -> bool {
    m.perms == "---p" && m.inode == 0 && m.path.is_empty() && m.size().0 <= 64 << 10
}
