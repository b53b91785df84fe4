//! Any input: rows add up to the resident size, in order. Chosen inputs: each row's arithmetic.

use super::*;
use bundle::Sourced;
use model::{Mapping, Mechanism, ProcStatus, SmapsRollup, UnixMillis};
use profile::{HeapStack, HeapStacks};
use proptest::prelude::*;

fn sourced<T>(value: T) -> Sourced<T> {
    Sourced { value, artifact: "x".to_owned(), at: UnixMillis(0) }
}

fn smap(rss: u64, size: u64, kind: MappingKind, lazy: u64, huge: u64) -> (Smap, MappingKind) {
    let mapping = Mapping { start: 0, end: size, perms: "rw-p".to_owned(), offset: 0, inode: 0, path: String::new() };
    let smap = Smap {
        mapping,
        rss: Bytes(rss),
        anonymous: Bytes(rss),
        lazy_free: Bytes(lazy),
        anon_huge_pages: Bytes(huge),
        swap: Bytes::ZERO,
    };
    (smap, kind)
}

const MIB: u64 = 1 << 20;

fn counters() -> MemStats {
    MemStats {
        heap_alloc: Bytes::mib(60),
        heap_inuse: Bytes::mib(70),
        heap_idle: Bytes::mib(30),
        heap_released: Bytes::mib(10),
        heap_sys: Bytes::mib(100),
        stack_inuse: Bytes::mib(8),
        mspan_sys: Bytes::mib(1),
        gc_sys: Bytes::mib(3),
        next_gc: Bytes::mib(88),
        ..MemStats::default()
    }
}

/// `live = (88 - 8) / 2 = 40` MiB.
fn sample(arena: u64, other: u64) -> SampleFacts {
    SampleFacts {
        memstats: Some(sourced(counters())),
        smaps: Some(sourced(vec![
            smap(arena * MIB, 128 * MIB, MappingKind::GoArena, 0, 0),
            smap(other * MIB, other * MIB, MappingKind::GoMetadata, 0, 0),
        ])),
        ..SampleFacts::default()
    }
}

fn rows(sample: &SampleFacts) -> Vec<u64> {
    let l = ledger(sample, None).unwrap();
    assert_eq!(l.rows.iter().map(|r| r.bytes).sum::<Bytes>(), l.rss);
    l.rows.iter().map(|r| r.bytes.0 / MIB).collect()
}

#[test]
fn all_counted_memory_resident() {
    // live, garbage, fragmentation, idle, stacks, metadata, binary, libraries, files, non-Go, unexplained
    assert_eq!(rows(&sample(98, 3)), [40, 20, 10, 20, 8, 3, 0, 0, 0, 0, 0]);
    // 1 MiB of the metadata may be work buffers; 2 MiB more are nobody's.
    assert_eq!(rows(&sample(101, 3)), [40, 20, 10, 20, 8, 4, 0, 0, 0, 0, 2]);
    // What the runtime does not count outside arenas is not its own.
    assert_eq!(rows(&sample(98, 54)), [40, 20, 10, 20, 8, 4, 0, 0, 0, 50, 0]);
}

#[test]
fn untouched_memory_comes_off_in_order() {
    assert_eq!(rows(&sample(83, 0)), [40, 20, 10, 5, 8, 0, 0, 0, 0, 0, 0]);
    assert_eq!(rows(&sample(70, 0)), [40, 20, 2, 0, 8, 0, 0, 0, 0, 0, 0]);
    assert_eq!(rows(&sample(66, 0)), [40, 20, 0, 0, 6, 0, 0, 0, 0, 0, 0]);
    assert_eq!(rows(&sample(34, 0)), [20, 10, 0, 0, 4, 0, 0, 0, 0, 0, 0]);
    let l = ledger(&sample(83, 0), None).unwrap();
    assert!(l.rows[3].note.contains("15.0 MiB that the runtime counts are not resident"));
}

#[test]
fn returned_memory_that_is_still_there() {
    let mut s = sample(108, 0);
    s.smaps.as_mut().unwrap().value[0].0.lazy_free = Bytes::mib(10);
    assert_eq!(rows(&s)[3], 30);
    let mut s = sample(108, 4);
    s.smaps.as_mut().unwrap().value[0].0.anon_huge_pages = Bytes::mib(100);
    assert_eq!(rows(&s)[3], 30);
}

#[test]
fn arenas_elsewhere_are_found_by_their_size() {
    // The rule saw 64 MiB of the 100 MiB of address space the runtime has.
    let mut s = sample(60, 0);
    s.smaps.as_mut().unwrap().value = vec![
        smap(60 * MIB, 64 * MIB, MappingKind::GoArena, 0, 0),
        smap(40 * MIB, 64 * MIB, MappingKind::AnonymousOther, 0, 0),
    ];
    assert_eq!(rows(&s), [40, 20, 10, 18, 8, 4, 0, 0, 0, 0, 0]);
}

#[test]
fn the_live_heap_has_three_sources() {
    let mut s = sample(98, 3);
    let mut after = counters();
    after.heap_alloc = Bytes::mib(50);
    s.memstats_after_gc = Some(sourced(after));
    assert_eq!(rows(&s)[..2], [50, 10]);
    s.memstats_after_gc = None;
    // GOGC=off: no goal; no profile: not told apart.
    s.memstats.as_mut().unwrap().value.next_gc = Bytes(u64::MAX);
    assert_eq!(rows(&s)[..2], [60, 0]);
    let mut m = counters();
    m.gogc_percent = Some(200);
    // live = (88 - 2 * 8) / 3 = 24 MiB.
    s.memstats = Some(sourced(m));
    assert_eq!(rows(&s)[..2], [24, 36]);
}

/// A heap profile of one stack.
fn profile(inuse: Bytes, sd: f64) -> Option<Sourced<HeapStacks>> {
    let stack = HeapStack {
        frames: Vec::new(),
        mechanism: Mechanism::Other,
        user: None,
        alloc_objects: 0,
        alloc_bytes: 0,
        inuse_objects: 0,
        inuse_bytes: i64::try_from(inuse.0).unwrap(),
        alloc_variance: 0.0,
        inuse_variance: sd * sd,
    };
    Some(sourced(HeapStacks { frames: Vec::new(), stacks: vec![stack], ..HeapStacks::default() }))
}

#[test]
fn what_was_made_after_the_cycle_is_garbage() {
    // The goal says 40 MiB, HeapAlloc after the cycle 60 MiB.
    let mut s = sample(98, 3);
    s.memstats_after_gc = Some(sourced(counters()));
    let live_and_garbage = |s: &SampleFacts| rows(s)[..2].to_vec();
    assert_eq!(live_and_garbage(&s), [60, 0], "nothing to hold it against");
    s.heap = profile(Bytes::mib(42), 0.0);
    assert_eq!(live_and_garbage(&s), [40, 20]);
    let l = ledger(&s, None).unwrap();
    assert!(l.rows[0].note.contains("HeapAlloc read after the GC cycle (60.0 MiB) holds garbage made since"), "{l:?}");
    // The profile sides with HeapAlloc, or with neither.
    s.heap = profile(Bytes::mib(55), 0.0);
    assert_eq!(live_and_garbage(&s), [60, 0]);
    s.heap = profile(Bytes::mib(20), 0.0);
    assert_eq!(live_and_garbage(&s), [60, 0]);
    s.heap = profile(Bytes::mib(26), 8.0 * MIB as f64);
    assert_eq!(live_and_garbage(&s), [40, 20], "26 MiB give or take 16 allow for 40");
    s.heap = profile(Bytes::mib(42), 0.0);
    // Without a profile: another reading, right after a cycle, shows that GOGC is 100.
    s.heap = None;
    s.memstats.as_mut().unwrap().value.heap_alloc = Bytes::mib(42);
    s.memstats.as_mut().unwrap().value.heap_inuse = Bytes::mib(52);
    assert_eq!(live_and_garbage(&s), [40, 2]);
    s = sample(98, 3);
    s.heap = profile(Bytes::mib(42), 0.0);
    // A memory limit this near may have set the goal.
    let after = |change: fn(&mut MemStats)| {
        let mut m = counters();
        m.sys = Bytes::mib(116);
        change(&mut m);
        Some(sourced(m))
    };
    s.memstats_after_gc = after(|m| m.gomemlimit = Some(Bytes::mib(110)));
    assert_eq!(live_and_garbage(&s), [60, 0]);
    s.memstats_after_gc = after(|m| m.gomemlimit = Some(Bytes::mib(1024)));
    assert_eq!(live_and_garbage(&s), [40, 20]);
    s.memstats_after_gc = after(|m| m.gogc_percent = Some(-1));
    assert_eq!(live_and_garbage(&s), [60, 0], "GOGC=off: the goal says nothing");
}

#[test]
fn without_counters_the_go_heap_is_one_row() {
    let mut s = sample(98, 3);
    s.memstats = None;
    assert_eq!(rows(&s), [98, 3, 0, 0, 0, 0, 0]);
    // What may be of C code is not claimed.
    s.smaps.as_mut().unwrap().value.push(smap(5 * MIB, 5 * MIB, MappingKind::AnonymousOther, 0, 0));
    assert_eq!(rows(&s), [98, 3, 0, 0, 0, 0, 5]);
}

#[test]
fn without_smaps_the_rest_is_not_claimed() {
    let mut s = sample(0, 0);
    s.smaps = None;
    s.status = Some(sourced(ProcStatus {
        vm_rss: Bytes::mib(150),
        rss_anon: Bytes::mib(120),
        rss_file: Bytes::mib(30),
        ..ProcStatus::default()
    }));
    assert_eq!(rows(&s), [40, 20, 10, 20, 8, 4, 30, 0, 0, 0, 18]);
    s.status = None;
    s.resident = Some(sourced(Bytes::mib(50)));
    // Metadata yields first, then idle, fragmentation and half of the stacks; 46 MiB of objects are
    // 2 parts live and 1 part garbage.
    assert_eq!(rows(&s), [30, 15, 0, 0, 4, 0, 0, 0, 0, 0, 0]);
    s.resident = None;
    assert_eq!(ledger(&s, None), None);
}

fn bytes() -> impl Strategy<Value = Bytes> {
    prop_oneof![Just(0), 0..200 * MIB, any::<u64>(), Just(u64::MAX)].prop_map(Bytes)
}

fn any_memstats() -> impl Strategy<Value = MemStats> {
    (proptest::collection::vec(bytes(), 13), proptest::option::of(any::<i64>())).prop_map(|(b, gogc_percent)| {
        MemStats {
            heap_alloc: b[0],
            heap_sys: b[1],
            heap_idle: b[2],
            heap_inuse: b[3],
            heap_released: b[4],
            stack_inuse: b[5],
            stack_sys: b[6],
            mspan_sys: b[7],
            mcache_sys: b[8],
            buck_hash_sys: b[9],
            gc_sys: b[10],
            other_sys: b[11],
            next_gc: b[12],
            gogc_percent,
            ..MemStats::default()
        }
    })
}

fn any_kind() -> impl Strategy<Value = MappingKind> {
    prop_oneof![
        Just(MappingKind::GoArena),
        Just(MappingKind::GoMetadata),
        Just(MappingKind::Executable),
        Just(MappingKind::Library),
        Just(MappingKind::MappedFile),
        Just(MappingKind::CHeap),
        Just(MappingKind::ThreadStack),
        Just(MappingKind::Kernel),
        Just(MappingKind::AnonymousOther),
    ]
}

prop_compose! {
    fn any_smap()(rss in bytes(), size in bytes(), kind in any_kind(), lazy in bytes(), huge in bytes())
        -> (Smap, MappingKind) {
        smap(rss.0, size.0, kind, lazy.0, huge.0)
    }
}

prop_compose! {
    fn any_sample()(
        memstats in proptest::option::of(any_memstats()),
        after in proptest::option::of(any_memstats()),
        smaps in proptest::option::of(proptest::collection::vec(any_smap(), 0..6)),
        status in proptest::option::of((bytes(), bytes(), bytes(), bytes())),
        rollup in proptest::option::of((bytes(), bytes(), bytes(), bytes())),
        resident in proptest::option::of(bytes()),
    ) -> SampleFacts {
        SampleFacts {
            memstats: memstats.map(sourced),
            memstats_after_gc: after.map(sourced),
            smaps: smaps.map(sourced),
            status: status.map(|(vm_rss, rss_anon, rss_file, rss_shmem)| sourced(ProcStatus {
                vm_rss, rss_anon, rss_file, rss_shmem, ..ProcStatus::default()
            })),
            smaps_rollup: rollup.map(|(rss, anonymous, lazy_free, anon_huge_pages)| sourced(SmapsRollup {
                rss, anonymous, lazy_free, anon_huge_pages, ..SmapsRollup::default()
            })),
            resident: resident.map(sourced),
            ..SampleFacts::default()
        }
    }
}

proptest! {
    #[test]
    fn rows_add_up_whatever_the_input(sample in any_sample(), cgo in proptest::option::of(any::<bool>())) {
        let build = BuildFacts { go_version: None, path: None, main_module: None, cgo };
        let Some(l) = ledger(&sample, Some(&build)) else { return Ok(()) };
        let mut sum = 0u64;
        for row in &l.rows {
            sum = sum.checked_add(row.bytes.0).unwrap();
        }
        prop_assert_eq!(sum, l.rss.0);
        prop_assert!(l.rows.windows(2).all(|w| w[0].term < w[1].term));
    }
}
