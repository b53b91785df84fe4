//! Where Go's runtime keeps what: offsets of the fields of its structures, by Go release (1.19 to 1.27)
//! and processor. The numbers stand in `table.txt`, one column per release; the code only names them.
//! A release newer than the table gets the newest column, marked as assumed. Go before 1.19 is refused.

pub mod heap;
pub mod sched;
mod table;
pub mod types;

pub use table::{Constant, Field, Group, Row, Table, table};

use model::GoVersion;
use std::fmt;

/// A processor whose layouts are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Arch {
    /// x86-64.
    Amd64,
    /// AArch64.
    Arm64,
}

impl Arch {
    /// By the machine number of an ELF header (`e_machine`).
    #[must_use]
    pub const fn from_elf_machine(machine: u16) -> Option<Self> {
        match machine {
            62 => Some(Self::Amd64),
            183 => Some(Self::Arm64),
            _ => None,
        }
    }

    /// Go's name of it.
    #[must_use]
    pub const fn go_name(self) -> &'static str {
        match self {
            Self::Amd64 => "amd64",
            Self::Arm64 => "arm64",
        }
    }

    /// Address of the first byte of arena 0 (`arenaBaseOffset`, `src/runtime/malloc.go`): the index of an
    /// address in `mheap.arenas[0]` is `address.wrapping_sub(base) >> 26`.
    #[must_use]
    pub const fn arena_base(self) -> u64 {
        match self {
            Self::Amd64 => 0xffff_8000_0000_0000,
            Self::Arm64 => 0,
        }
    }

    /// Address behind the highest that a program has unless it asks for more: Linux maps memory downwards from there
    /// (`TASK_SIZE` of x86-64 with four levels of page tables, `DEFAULT_MAP_WINDOW_64` of AArch64).
    #[must_use]
    pub const fn user_space_end(self) -> u64 {
        match self {
            Self::Amd64 => 1 << 47,
            Self::Arm64 => 1 << 48,
        }
    }
}

impl fmt::Display for Arch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.go_name())
    }
}

/// Bytes of a heap page (`pageSize`, `src/runtime/malloc.go`; the same in all releases).
pub const PAGE_SIZE: u64 = 8192;
/// Bytes of a heap arena (`heapArenaBytes`, 64-bit Linux; the same in all releases).
pub const ARENA_SIZE: u64 = 64 << 20;
/// Length of `mheap.arenas[0]` (`1 << arenaL2Bits`; the same in all releases).
pub const ARENA_COUNT: u64 = 1 << 22;
/// Span class of the blocks of the tiny allocator (`tinySpanClass`; the same in all releases).
pub const TINY_SPAN_CLASS: u8 = 5;
/// Span classes (`numSpanClasses`: 68 size classes, with and without pointers).
pub const SPAN_CLASSES: u32 = 136;

/// Kinds of special records (`_KindSpecial...`, `src/runtime/mheap.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpecialKind {
    /// Marks a block of the tiny allocator.
    TinyBlock,
    /// `runtime.SetFinalizer`.
    Finalizer,
    /// The object has a weak pointer or a unique handle.
    WeakHandle,
    /// The object was sampled by the heap profile.
    Profile,
    /// A test asks whether the object is reachable.
    Reachable,
    /// The object is pinned several times.
    PinCounter,
    /// `runtime.AddCleanup`.
    Cleanup,
    /// `GODEBUG=checkfinalizers=1`.
    CheckFinalizer,
    /// The object belongs to a bubble of `testing/synctest`.
    Bubble,
    /// The object is erased when freed (`runtime/secret`).
    Secret,
}

impl SpecialKind {
    const NAMES: [(&'static str, Self); 10] = [
        ("runtime._KindSpecialTinyBlock", Self::TinyBlock),
        ("runtime._KindSpecialFinalizer", Self::Finalizer),
        ("runtime._KindSpecialWeakHandle", Self::WeakHandle),
        ("runtime._KindSpecialProfile", Self::Profile),
        ("runtime._KindSpecialReachable", Self::Reachable),
        ("runtime._KindSpecialPinCounter", Self::PinCounter),
        ("runtime._KindSpecialCleanup", Self::Cleanup),
        ("runtime._KindSpecialCheckFinalizer", Self::CheckFinalizer),
        ("runtime._KindSpecialBubble", Self::Bubble),
        ("runtime._KindSpecialSecret", Self::Secret),
    ];
}

/// Why a goroutine waits (`waitReason...`, `src/runtime/runtime2.go`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WaitReason {
    /// The constant without its prefix: `ChanReceive`. The same in all releases, unlike the number.
    pub name: &'static str,
    /// What the runtime prints: `chan receive`.
    pub text: &'static str,
}

/// No layout for this release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoLayout {
    /// The release.
    pub version: String,
}

impl fmt::Display for NoLayout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the memory of {} is not read; of Go 1.19 and newer it is", self.version)
    }
}

impl std::error::Error for NoLayout {}

/// Declares the parts of a layout.
macro_rules! layout {
    ($($field:ident: $part:ident::$group:ident, $has:ident;)*) => {
        /// The layout of one Go release on one processor.
        #[derive(Clone, Debug)]
        #[non_exhaustive]
        pub struct Layout {
            /// Minor version of the column: 26 for Go 1.26.
            pub minor: u32,
            /// The processor.
            pub arch: Arch,
            /// The program's release is not in the table, or an experiment of its toolchain changes layouts:
            /// what is read must be checked for itself.
            pub assumed: bool,
            /// `GOEXPERIMENT` settings that the program was built with, other than its release's own.
            pub experiments: Vec<String>,
            /// Maps are Swiss tables (1.24 and newer), else chained buckets.
            pub swiss_maps: bool,
            /// Objects of 16 to 512 bytes may have their mark bits inside their span (1.26 and newer).
            pub green_tea: bool,
            /// Pointer bits lie at the end of small spans and in front of larger objects (1.22 and newer), else in
            /// `heapArena.bitmap`.
            pub malloc_headers: bool,
            special_kinds: [Option<u8>; SpecialKind::NAMES.len()],
            wait_reasons: Vec<Option<WaitReason>>,
            $(#[doc = concat!("See [`", stringify!($part), "::", stringify!($group), "`].")]
            pub $field: layout!(@kind $has $part::$group),)*
        }

        impl Layout {
            fn load(column: usize, minor: u32, arch: Arch) -> Option<Self> {
                Some(Self {
                    minor,
                    arch,
                    assumed: false,
                    experiments: Vec::new(),
                    swiss_maps: minor >= 24,
                    green_tea: minor >= 26,
                    malloc_headers: minor >= 22,
                    special_kinds: special_kinds(column),
                    wait_reasons: wait_reasons(column),
                    $($field: layout!(@load $has $part::$group::load(column, arch)),)*
                })
            }
        }

        #[cfg(test)]
        fn faults(column: usize, arch: Arch) -> Vec<&'static str> {
            let mut faults = Vec::new();
            $(faults.extend($part::$group::missing(column, arch));
            faults.extend($part::$group::widths());
            layout!(@fault $has $part::$group column arch faults);)*
            faults
        }
    };
    (@kind optional $($t:tt)*) => { Option<$($t)*> };
    (@kind always $($t:tt)*) => { $($t)* };
    (@load optional $e:expr) => { $e };
    (@load always $e:expr) => { $e? };
    (@fault optional $part:ident::$group:ident $column:ident $arch:ident $faults:ident) => {};
    (@fault always $part:ident::$group:ident $column:ident $arch:ident $faults:ident) => {
        if $part::$group::load($column, $arch).is_none() {
            $faults.push(stringify!($group));
        }
    };
}

layout! {
    moduledata: sched::Moduledata, always;
    bitvector: sched::Bitvector, always;
    pc_header: sched::PcHeader, always;
    functab: sched::Functab, always;
    func: sched::Func, always;
    inlined_call: sched::InlinedCall, always;
    stack_object_record: sched::StackObjectRecord, always;
    stackmap: sched::Stackmap, always;
    mheap: heap::Mheap, always;
    heap_arena: heap::HeapArena, always;
    mspan: heap::Mspan, always;
    span_inline_mark_bits: heap::SpanInlineMarkBits, optional;
    mcentral: heap::Mcentral, always;
    mcache: heap::Mcache, always;
    stack: sched::Stack, always;
    gobuf: sched::Gobuf, always;
    g: sched::G, always;
    m: sched::M, always;
    p: sched::P, always;
    sudog: sched::Sudog, always;
    waitq: sched::Waitq, always;
    hchan: sched::Hchan, always;
    defer: sched::Defer, always;
    panic: sched::Panic, always;
    special: heap::Special, always;
    special_finalizer: heap::SpecialFinalizer, always;
    special_profile: heap::SpecialProfile, always;
    special_weak_handle: heap::SpecialWeakHandle, optional;
    special_cleanup: heap::SpecialCleanup, optional;
    special_pin_counter: heap::SpecialPinCounter, optional;
    special_reachable: heap::SpecialReachable, always;
    special_bubble: heap::SpecialBubble, optional;
    special_check_finalizer: heap::SpecialCheckFinalizer, optional;
    cleanup_fn: heap::CleanupFn, optional;
    cleanup_block_header: heap::CleanupBlockHeader, optional;
    cleanup_block: heap::CleanupBlock, optional;
    finalizer: heap::Finalizer, always;
    fin_block: heap::FinBlock, always;
    bucket: heap::Bucket, always;
    mem_record: heap::MemRecord, always;
    mem_record_cycle: heap::MemRecordCycle, always;
    hmap: types::Hmap, optional;
    mapextra: types::Mapextra, optional;
    bmap: types::Bmap, optional;
    swiss_map: types::SwissMap, optional;
    swiss_table: types::SwissTable, optional;
    swiss_groups: types::SwissGroups, optional;
    abi_type: types::AbiType, always;
    uncommon_type: types::UncommonType, always;
    array_type: types::ArrayType, always;
    chan_type: types::ChanType, always;
    func_type: types::FuncType, always;
    ptr_type: types::PtrType, always;
    slice_type: types::SliceType, always;
    struct_type: types::StructType, always;
    struct_field: types::StructField, always;
    interface_type: types::InterfaceType, always;
    imethod: types::Imethod, always;
    method: types::Method, always;
    itab: types::Itab, always;
    classic_map_type: types::ClassicMapType, optional;
    swiss_map_type: types::SwissMapType, optional;
    timer: sched::Timer, always;
    timers: sched::Timers, optional;
    timer_when: sched::TimerWhen, optional;
    gc_controller: heap::GcController, always;
    mstats: heap::Mstats, always;
    cleanup_queue: heap::CleanupQueue, optional;
    sync_map: types::SyncMap, always;
    sync_map_read_only: types::SyncMapReadOnly, optional;
    sync_map_entry: types::SyncMapEntry, optional;
    hash_trie_map: types::HashTrieMap, optional;
    hash_trie_indirect: types::HashTrieIndirect, optional;
    hash_trie_node: types::HashTrieNode, optional;
    hash_trie_entry: types::HashTrieEntry, optional;
    pool: types::Pool, always;
    pool_local: types::PoolLocal, always;
    pool_local_internal: types::PoolLocalInternal, always;
    pool_chain: types::PoolChain, always;
    pool_dequeue: types::PoolDequeue, always;
    pool_chain_elt: types::PoolChainElt, always;
    list: types::List, always;
    list_element: types::ListElement, always;
}

impl Layout {
    /// The layout for a version string as the program carries it: `go1.26.6`, `go1.27.3 X:nogreenteagc`,
    /// `devel go1.28-abcdef`.
    ///
    /// # Errors
    /// [`NoLayout`] for Go before 1.19.
    pub fn lookup(version: &str, arch: Arch) -> Result<Self, NoLayout> {
        let no_layout = || NoLayout { version: version.to_owned() };
        let minors = &table().minors;
        let newest = minors.last().copied().ok_or_else(no_layout)?;
        let (minor, known) = match GoVersion::parse(version) {
            Some(v) if v.major == 1 => (v.minor.min(newest), v.minor <= newest && !version.starts_with("devel")),
            Some(_) | None => (newest, false),
        };
        let column = minors.iter().position(|&m| m == minor).ok_or_else(no_layout)?;
        let mut layout = Self::load(column, minor, arch).ok_or_else(no_layout)?;
        layout.assumed = !known;
        if let Some((_, experiments)) = version.split_once(" X:") {
            let list = experiments.split_whitespace().next().unwrap_or("");
            layout.experiments = list.split(',').filter(|e| !e.is_empty()).map(str::to_owned).collect();
        }
        layout.apply_experiments();
        Ok(layout)
    }

    /// What the toolchain's experiments change.
    fn apply_experiments(&mut self) {
        let has = |name: &str| self.experiments.iter().any(|e| e == name);
        self.green_tea = (self.minor >= 26 && !has("nogreenteagc")) || (self.minor == 25 && has("greenteagc"));
        self.malloc_headers = self.minor > 22 || (self.minor == 22 && !has("noallocheaders"));
        self.swiss_maps = self.minor > 25 || (self.minor >= 24 && !has("noswissmap"));
        // Locks carry their rank: all structs with a lock are longer.
        self.assumed |= has("staticlockranking");
        if self.swiss_maps {
            (self.hmap, self.mapextra, self.bmap, self.classic_map_type) = (None, None, None, None);
        } else {
            (self.swiss_map, self.swiss_table, self.swiss_groups, self.swiss_map_type) = (None, None, None, None);
        }
    }

    /// The kind of a special record by its number.
    #[must_use]
    pub fn special_kind(&self, number: u8) -> Option<SpecialKind> {
        let i = self.special_kinds.iter().position(|k| *k == Some(number))?;
        SpecialKind::NAMES.get(i).map(|n| n.1)
    }

    /// The number of a kind of special record; `None` where the release has no such kind.
    #[must_use]
    pub fn special_kind_number(&self, kind: SpecialKind) -> Option<u8> {
        let i = SpecialKind::NAMES.iter().position(|n| n.1 == kind)?;
        self.special_kinds.get(i).copied().flatten()
    }

    /// Why a goroutine waits, by `g.waitreason`.
    #[must_use]
    pub fn wait_reason(&self, number: u8) -> Option<WaitReason> {
        self.wait_reasons.get(usize::from(number)).copied().flatten()
    }
}

fn special_kinds(column: usize) -> [Option<u8>; SpecialKind::NAMES.len()] {
    SpecialKind::NAMES.map(|(name, _)| {
        let constant = table().constants.iter().find(|c| c.name == name)?;
        u8::try_from(constant.value(column)?).ok()
    })
}

fn wait_reasons(column: usize) -> Vec<Option<WaitReason>> {
    let mut reasons = vec![None; 256];
    for constant in &table().wait_reasons {
        let number = constant.value(column).and_then(|n| usize::try_from(n).ok());
        if let Some(slot) = number.and_then(|n| reasons.get_mut(n)) {
            *slot = Some(WaitReason { name: constant.name, text: constant.text });
        }
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_what_the_fields_need() {
        assert_eq!(table().minors, [19, 20, 21, 22, 23, 24, 25, 26, 27]);
        for column in 0..table().minors.len() {
            for arch in [Arch::Amd64, Arch::Arm64] {
                assert_eq!(faults(column, arch), Vec::<&str>::new(), "column {column} {arch}");
            }
        }
        for group in &table().groups {
            for row in &group.rows {
                for column in 0..table().minors.len() {
                    let text = row.text(column);
                    assert_eq!(
                        text == "-",
                        row.cell(column, Arch::Amd64).is_none(),
                        "{} {:?} {text}",
                        group.key,
                        row.names
                    );
                }
            }
        }
    }

    #[test]
    fn versions_find_their_column() {
        let look = |text: &str| Layout::lookup(text, Arch::Amd64).unwrap();
        let l = look("go1.26.6");
        assert_eq!((l.minor, l.assumed, l.green_tea, l.swiss_maps), (26, false, true, true));
        let l = look("go1.27.3 X:nogreenteagc");
        assert_eq!((l.minor, l.assumed, l.green_tea), (27, false, false));
        assert_eq!(l.experiments, ["nogreenteagc"]);
        let l = look("go1.25.5 X:greenteagc,noswissmap");
        assert!(l.green_tea && !l.swiss_maps && l.hmap.is_some() && l.swiss_map.is_none());
        let l = look("devel go1.29-abcdef Mon Jan 1");
        assert_eq!((l.minor, l.assumed), (27, true));
        assert_eq!((look("go2.0").minor, look("devel +12345").assumed), (27, true));
        assert!(Layout::lookup("go1.18.10", Arch::Amd64).is_err());
    }

    /// Numbers read from `GOROOT/src` by hand: `src/runtime/mheap.go`, `src/runtime/runtime2.go`.
    #[test]
    fn what_moved_between_releases() {
        let look = |text: &str| Layout::lookup(text, Arch::Amd64).unwrap();
        let old = look("go1.21.13");
        let new = look("go1.22.10");
        assert_eq!(old.mspan.freeindex, Field { offset: 48, width: 8 });
        assert_eq!(new.mspan.freeindex, Field { offset: 48, width: 2 });
        assert_eq!((old.mspan.large_type, new.mspan.large_type), (None, Some(152)));
        assert_eq!(look("go1.26.6").special_kind(4), Some(SpecialKind::Profile));
        assert_eq!(look("go1.23.9").special_kind(4), Some(SpecialKind::Reachable));
        assert_eq!(old.special_kind_number(SpecialKind::Cleanup), None);
        assert_eq!(look("go1.25.5").wait_reason(14).map(|r| r.text), Some("chan receive"));
        assert_eq!(look("go1.26.6").wait_reason(14).map(|r| r.name), Some("Sleep"));
        assert_eq!(old.wait_reason(200), None);
        let arm = Layout::lookup("go1.26.6", Arch::Arm64).unwrap();
        assert_eq!((look("go1.26.6").mheap.arenas, arm.mheap.arenas), (66008, 66072));
    }
}
