//! The RSS ledger: resident memory divided into rows that add up to it exactly.
//!
//! Pure arithmetic on facts. With `smaps` the kernel says how much of each mapping is resident, and
//! `runtime.MemStats` (read just before) says what the runtime keeps in its arenas; without it the
//! division is coarser. Every row draws from what is left of the resident size, so no input can
//! make the rows exceed it; what no row takes is `Unexplained`.
//!
//! What the runtime counts (Go `src/runtime/mstats.go`): arenas hold `heap_inuse`, idle spans and
//! `stack_inuse`, and the GC's work buffers, which are part of `gc_sys`. All other memory of the
//! runtime is counted in `mspan_sys`, `mcache_sys`, `buck_hash_sys`, `gc_sys` and `other_sys`, so
//! private anonymous memory beyond that is not the runtime's.

mod live;

use bundle::{BuildFacts, Facts, SampleFacts};
use live::Live;
use model::{Bytes, Ledger, LedgerRow, LedgerTerm, MappingKind, MemStats, Smap};

/// What the runtime needs outside its arenas, at most, where no counter tells: 16 MiB (profiler buckets,
/// work buffers, tables of an empty heap take 4 to 8) and an eighth of the arenas (mostly 2 to 4 %).
const METADATA_BASE: u64 = 16 << 20;
const METADATA_SHARE: u64 = 8;

const TERMS: [LedgerTerm; 12] = [
    LedgerTerm::LiveHeap,
    LedgerTerm::Garbage,
    LedgerTerm::Fragmentation,
    LedgerTerm::IdleHeap,
    LedgerTerm::GoroutineStacks,
    LedgerTerm::UndividedHeap,
    LedgerTerm::RuntimeMetadata,
    LedgerTerm::Binary,
    LedgerTerm::Libraries,
    LedgerTerm::MappedFiles,
    LedgerTerm::NonGo,
    LedgerTerm::Unexplained,
];

/// The ledger of one sample; `None` when nothing told the resident size. Rows are in the order of
/// [`LedgerTerm`] and add up to `rss`. All terms are present but for the Go heap: its five rows with
/// the runtime's counters, one undivided row without.
#[must_use]
pub fn ledger(sample: &SampleFacts, build: Option<&BuildFacts>) -> Option<Ledger> {
    divide(sample, build, live::least_gogc(std::slice::from_ref(sample)))
}

/// One ledger per sample that allows one, with the index of the sample. What all samples tell of GOGC
/// serves each of them.
pub(crate) fn ledgers(facts: &Facts) -> Vec<(usize, Ledger)> {
    let build = facts.build.as_ref().map(|b| &b.value);
    let gogc = live::least_gogc(&facts.samples);
    // A watch takes mappings and counters now and then: the samples that have most of both tell the others' share too.
    let parts = |s: &SampleFacts| {
        2 * u8::from(s.smaps.is_some()) + u8::from(s.memstats.is_some() || s.memstats_after_gc.is_some())
    };
    let most = facts.samples.iter().map(parts).max().unwrap_or(0);
    let told = |s: &SampleFacts| parts(s) == most;
    let samples = facts.samples.iter().enumerate().filter(|(_, s)| told(s));
    samples.filter_map(|(i, s)| Some((i, divide(s, build, gogc)?))).collect()
}

/// `least_gogc`: see [`live::least_gogc`].
fn divide(sample: &SampleFacts, build: Option<&BuildFacts>, least_gogc: Option<f64>) -> Option<Ledger> {
    let resident = Resident::of(sample)?;
    let mut book = Book::new(resident.rss);
    let memstats = sample.memstats.as_ref().or(sample.memstats_after_gc.as_ref()).map(|m| &m.value);
    book.take(LedgerTerm::Binary, resident.binary, &resident.binary_note);
    book.take(LedgerTerm::Libraries, resident.libraries, "");
    book.take(LedgerTerm::MappedFiles, resident.files, "");
    book.take(LedgerTerm::NonGo, resident.c_heap, "C heap and C allocator arenas");
    book.take(LedgerTerm::NonGo, resident.thread_stacks, "thread stacks");
    book.take(LedgerTerm::NonGo, resident.shared, "shared memory");
    book.take(LedgerTerm::RuntimeMetadata, resident.named_metadata, "mappings that the runtime named");
    match memstats {
        Some(m) => {
            let live = Live::of(sample, m, resident.globals, least_gogc);
            if resident.exact {
                exact(&mut book, &resident, m, &live);
            } else {
                coarse(&mut book, &resident, m, &live, build);
            }
        }
        None => without_counters(&mut book, &resident),
    }
    Some(book.close(resident.rss, resident.source, memstats.is_some()))
}

/// Resident bytes by what `/proc` tells of them.
#[derive(Debug, Default)]
struct Resident {
    rss: u64,
    source: String,
    /// Whether every mapping was seen (`smaps`).
    exact: bool,
    /// In Go arenas.
    arenas: u64,
    /// Writable address space of Go arenas.
    arena_space: u64,
    /// Given back with MADV_FREE, still resident.
    lazy_free: u64,
    /// In transparent huge pages, in arenas.
    huge: u64,
    /// Arena bytes in swap.
    swap: u64,
    /// Private anonymous memory outside arenas, of the runtime or of anyone.
    anonymous: u64,
    /// The part of it in programs where no C code can have mapped any.
    without_c: u64,
    named_metadata: u64,
    binary: u64,
    /// Data and bss of the executable: what the GC scans as globals, at most.
    globals: u64,
    binary_note: String,
    libraries: u64,
    files: u64,
    c_heap: u64,
    thread_stacks: u64,
    shared: u64,
}

impl Resident {
    fn of(sample: &SampleFacts) -> Option<Self> {
        if let Some(smaps) = sample.smaps.as_ref().filter(|s| !s.value.is_empty()) {
            return Some(Self::of_smaps(&smaps.value, &smaps.artifact));
        }
        let status = sample.status.as_ref().filter(|s| s.value.vm_rss.0 > 0);
        let shared = status.map_or(0, |s| s.value.rss_shmem.0);
        let note = "all mapped files: without smaps the executable, libraries and other files are not told apart";
        if let Some(rollup) = sample.smaps_rollup.as_ref().filter(|r| r.value.rss.0 > 0) {
            let r = &rollup.value;
            let file = r.rss.minus(r.anonymous).0;
            let shared = shared.min(file);
            return Some(Self {
                rss: r.rss.0,
                source: rollup.artifact.clone(),
                anonymous: r.anonymous.0,
                lazy_free: r.lazy_free.0,
                huge: r.anon_huge_pages.0,
                swap: r.swap.0,
                binary: file - shared,
                binary_note: note.to_owned(),
                shared,
                ..Self::default()
            });
        }
        if let Some(status) = status {
            let s = &status.value;
            return Some(Self {
                rss: s.vm_rss.0,
                source: status.artifact.clone(),
                anonymous: if s.rss_anon.0 == 0 && s.rss_file.0 == 0 { s.vm_rss.0 } else { s.rss_anon.0 },
                swap: s.vm_swap.0,
                binary: s.rss_file.0,
                binary_note: note.to_owned(),
                shared,
                ..Self::default()
            });
        }
        let resident = sample.resident.as_ref().filter(|r| r.value.0 > 0)?;
        Some(Self {
            rss: resident.value.0,
            source: resident.artifact.clone(),
            anonymous: resident.value.0,
            binary_note: "not told apart without /proc".to_owned(),
            ..Self::default()
        })
    }

    fn of_smaps(mappings: &[(Smap, MappingKind)], artifact: &str) -> Self {
        let mut out = Self {
            rss: mappings.iter().map(|(s, _)| s.rss).sum::<Bytes>().0,
            source: artifact.to_owned(),
            exact: true,
            binary_note: "text, read-only data, data and bss of the executable".to_owned(),
            ..Self::default()
        };
        for (smap, kind) in mappings {
            let rss = smap.rss.0;
            let add = |slot: &mut u64| *slot = slot.saturating_add(rss);
            match kind {
                MappingKind::GoArena => {
                    add(&mut out.arenas);
                    out.lazy_free = out.lazy_free.saturating_add(smap.lazy_free.0.min(rss));
                    out.huge = out.huge.saturating_add(smap.anon_huge_pages.0.min(rss));
                    out.swap = out.swap.saturating_add(smap.swap.0);
                    if smap.mapping.perms.starts_with("rw") {
                        out.arena_space = out.arena_space.saturating_add(smap.mapping.size().0);
                    }
                }
                MappingKind::GoMetadata if smap.mapping.path.starts_with('[') => {
                    add(&mut out.named_metadata);
                }
                MappingKind::GoMetadata => {
                    add(&mut out.anonymous);
                    add(&mut out.without_c);
                }
                MappingKind::Executable => {
                    add(&mut out.binary);
                    if smap.mapping.perms.starts_with("rw") {
                        add(&mut out.globals);
                    }
                }
                MappingKind::Library | MappingKind::Kernel => add(&mut out.libraries),
                MappingKind::MappedFile => add(&mut out.files),
                MappingKind::CHeap => add(&mut out.c_heap),
                MappingKind::ThreadStack => add(&mut out.thread_stacks),
                // Shared memory shows with an inode or a path (`/dev/zero`, `/memfd:`).
                MappingKind::AnonymousOther if smap.mapping.inode != 0 => add(&mut out.shared),
                MappingKind::AnonymousOther => add(&mut out.anonymous),
            }
        }
        out
    }
}

/// With `smaps`: arenas apart from everything else.
fn exact(book: &mut Book, resident: &Resident, m: &MemStats, live: &Live) {
    let counted = m.runtime_metadata().0.saturating_sub(resident.named_metadata);
    let metadata = resident.anonymous.min(counted);
    let mut foreign = resident.anonymous - metadata;
    // Arenas that lie where no rule expects them (all address hints failed): the runtime knows how
    // much address space it has.
    let missing = m.heap_sys.0.saturating_sub(resident.arena_space).min(foreign);
    foreign -= missing;
    book.take(
        LedgerTerm::RuntimeMetadata,
        metadata,
        "anonymous memory outside arenas, up to what the runtime counts as its own",
    );
    book.take(
        LedgerTerm::NonGo,
        foreign,
        "anonymous memory beyond what the runtime counts: mapped by the program itself or by C code",
    );
    let arena = Arena {
        resident: resident.arenas.saturating_add(missing),
        lazy_free: resident.lazy_free,
        huge: resident.huge,
        swap: resident.swap,
        // Work buffers lie in arenas and are counted in gc_sys.
        work_buffers: (counted - metadata).min(m.gc_sys.0),
    };
    let surplus = arena.divide(book, m, live);
    if surplus > 0 {
        book.note(LedgerTerm::Unexplained, "arena pages that the counters, read a moment earlier, do not account for");
    }
}

/// Without `smaps`: one pool of anonymous memory for arenas, metadata and everything else.
fn coarse(book: &mut Book, resident: &Resident, m: &MemStats, live: &Live, build: Option<&BuildFacts>) {
    let heap = m.heap_inuse.0.saturating_add(m.heap_retained_idle().0).saturating_add(m.stack_inuse.0);
    let metadata = m.runtime_metadata().0.min(resident.anonymous.saturating_sub(heap));
    book.take(
        LedgerTerm::RuntimeMetadata,
        metadata,
        "what the runtime counts; without smaps its resident part is not known",
    );
    let rest = resident.anonymous - metadata;
    let arena = Arena {
        resident: rest.min(heap.saturating_add(resident.lazy_free)),
        lazy_free: resident.lazy_free,
        huge: resident.huge,
        swap: resident.swap,
        work_buffers: 0,
    };
    let foreign = rest - arena.resident;
    arena.divide(book, m, live);
    if build.and_then(|b| b.cgo) == Some(true) {
        book.take(
            LedgerTerm::NonGo,
            foreign,
            "anonymous memory beyond what the runtime counts, of a program built with cgo",
        );
    } else if foreign > 0 {
        book.note(
            LedgerTerm::Unexplained,
            "memory beyond what the runtime counts; /proc/PID/smaps would tell the executable's pages, files and mapped memory apart",
        );
    }
}

/// Without the runtime's counters: by mapping alone. Named mappings were taken already.
fn without_counters(book: &mut Book, resident: &Resident) {
    if !resident.exact {
        book.note(LedgerTerm::Unexplained, "neither MemStats nor smaps tell what this memory is");
        return;
    }
    book.take(
        LedgerTerm::UndividedHeap,
        resident.arenas,
        "the runtime's arenas: live objects, garbage, idle spans and stacks, which only MemStats tells apart",
    );
    book.take(
        LedgerTerm::RuntimeMetadata,
        resident.without_c.min(METADATA_BASE.saturating_add(resident.arenas / METADATA_SHARE)),
        "anonymous memory outside arenas of a program without C code, up to what the runtime needs for such a heap",
    );
    if book.left > 0 {
        book.note(
            LedgerTerm::Unexplained,
            "anonymous memory outside arenas: of the runtime, of C code or mapped by the program, which only MemStats tells apart",
        );
    }
}

/// The resident part of the Go heap.
struct Arena {
    resident: u64,
    lazy_free: u64,
    huge: u64,
    swap: u64,
    work_buffers: u64,
}

impl Arena {
    /// Divides the resident bytes among the heap's rows; returns those that no row explains.
    fn divide(&self, book: &mut Book, m: &MemStats, live: &Live) -> u64 {
        let lazy = self.lazy_free.min(self.resident);
        book.take(LedgerTerm::IdleHeap, lazy, "part of it returned with MADV_FREE: resident until the kernel needs it");
        let resident = self.resident - lazy;
        let mut rows = HeapRows {
            live: live.bytes,
            garbage: m.heap_alloc.0.saturating_sub(live.bytes),
            fragmentation: m.fragmentation().0,
            idle: m.heap_retained_idle().0,
            stacks: m.stack_inuse.0,
        };
        let counted = rows.total();
        let absent = counted.saturating_sub(resident);
        rows.shrink(absent);
        if absent > 0 {
            let swapped = if self.swap > 0 { " or in swap" } else { "" };
            let text = format!(
                "{} that the runtime counts are not resident (never touched{swapped}); taken off idle, then fragmentation, then stacks, then objects",
                Bytes(absent)
            );
            book.note(rows.shrunk_last(m, live), &text);
        }
        book.take(LedgerTerm::LiveHeap, rows.live, &live.note);
        book.take(LedgerTerm::Garbage, rows.garbage, "HeapAlloc less the live heap");
        book.take(LedgerTerm::Fragmentation, rows.fragmentation, "HeapInuse less HeapAlloc");
        book.take(LedgerTerm::IdleHeap, rows.idle, "HeapIdle less HeapReleased");
        book.take(LedgerTerm::GoroutineStacks, rows.stacks, "StackInuse");
        self.divide_surplus(book, m, resident.saturating_sub(counted))
    }

    fn divide_surplus(&self, book: &mut Book, m: &MemStats, surplus: u64) -> u64 {
        let work = surplus.min(self.work_buffers);
        if work > 0 {
            book.take(LedgerTerm::RuntimeMetadata, work, "part of it in arenas: GC work buffers");
        }
        let rest = surplus - work;
        // The runtime returned it, but the kernel's huge pages brought it back.
        let huge = rest.min(self.huge).min(m.heap_released.0);
        if huge > 0 {
            book.take(
                LedgerTerm::IdleHeap,
                huge,
                "part of it returned to the system but resident again in transparent huge pages",
            );
        }
        rest - huge
    }
}

/// Heap rows in bytes.
struct HeapRows {
    live: u64,
    garbage: u64,
    fragmentation: u64,
    idle: u64,
    stacks: u64,
}

impl HeapRows {
    fn total(&self) -> u64 {
        [self.live, self.garbage, self.fragmentation, self.idle, self.stacks].into_iter().fold(0, u64::saturating_add)
    }

    /// Takes `absent` bytes off, from the rows that are most likely untouched: idle spans, free
    /// slots of spans in use, the unused ends of stacks (a stack doubles when it is full, so at
    /// most half of it), then objects that were allocated and never written.
    fn shrink(&mut self, mut absent: u64) {
        let mut off = |row: &mut u64, most: u64| {
            let n = absent.min(*row).min(most);
            *row -= n;
            absent -= n;
        };
        off(&mut self.idle, u64::MAX);
        off(&mut self.fragmentation, u64::MAX);
        let half = self.stacks / 2;
        off(&mut self.stacks, half);
        let objects = u128::from(self.live) + u128::from(self.garbage);
        let of_objects = u128::from(absent).min(objects);
        let of_live = (of_objects * u128::from(self.live)).checked_div(objects).unwrap_or(0);
        let of_live = u64::try_from(of_live).unwrap_or(u64::MAX).min(self.live);
        let of_garbage = u64::try_from(of_objects).unwrap_or(u64::MAX).saturating_sub(of_live).min(self.garbage);
        self.live -= of_live;
        self.garbage -= of_garbage;
        absent = absent.saturating_sub(of_live).saturating_sub(of_garbage);
        self.stacks = self.stacks.saturating_sub(absent);
    }

    /// The row that [`HeapRows::shrink`] reached last.
    fn shrunk_last(&self, m: &MemStats, live: &Live) -> LedgerTerm {
        if self.live < live.bytes {
            LedgerTerm::LiveHeap
        } else if self.stacks < m.stack_inuse.0 {
            LedgerTerm::GoroutineStacks
        } else if self.fragmentation < m.fragmentation().0 {
            LedgerTerm::Fragmentation
        } else {
            LedgerTerm::IdleHeap
        }
    }
}

/// Rows under construction; no row can take more than is left.
struct Book {
    left: u64,
    bytes: [u64; TERMS.len()],
    notes: [String; TERMS.len()],
}

impl Book {
    fn new(rss: u64) -> Self {
        Self { left: rss, bytes: [0; TERMS.len()], notes: std::array::from_fn(|_| String::new()) }
    }

    fn take(&mut self, term: LedgerTerm, bytes: u64, note: &str) {
        let bytes = bytes.min(self.left);
        self.left -= bytes;
        if let Some(slot) = self.bytes.get_mut(index(term)) {
            // Cannot overflow: all rows together are at most the resident size.
            *slot += bytes;
        }
        if bytes > 0 {
            self.note(term, note);
        }
    }

    fn note(&mut self, term: LedgerTerm, note: &str) {
        let Some(text) = self.notes.get_mut(index(term)).filter(|_| !note.is_empty()) else {
            return;
        };
        if !text.is_empty() {
            text.push_str("; ");
        }
        text.push_str(note);
    }

    /// `divided`: whether counters told the rows of the Go heap apart.
    fn close(mut self, rss: u64, rss_source: String, divided: bool) -> Ledger {
        let left = self.left;
        self.take(LedgerTerm::Unexplained, left, "");
        let rows = TERMS
            .into_iter()
            .zip(self.bytes)
            .zip(self.notes)
            .filter(|((term, _), _)| if divided { *term != LedgerTerm::UndividedHeap } else { !term.is_of_heap() })
            .map(|((term, bytes), note)| LedgerRow { term, bytes: Bytes(bytes), note })
            .collect();
        Ledger { rss: Bytes(rss), rss_source, rows }
    }
}

const fn index(term: LedgerTerm) -> usize {
    term as usize
}

#[cfg(test)]
mod tests;
