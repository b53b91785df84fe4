//! The heap's own structures: spans, caches, special records, profile buckets, statistics.
//! Declares which rows of `table.txt` are read into which field; holds no number itself.

use super::table::{Cells, Field, groups};

groups! {
    /// `runtime.mheap`, `src/runtime/mheap.go`.
    Mheap = "mheap" {
        size: u32 = "(size)",
        lock: u32 = "lock",
        sweepgen: u32 = "sweepgen",
        allspans: u32 = "allspans",
        pages_in_use: u32 = "pagesInUse",
        arenas: u32 = "arenas",
        heap_arenas: u32 = "heapArenas",
        central: Field = "central",
        spanalloc: u32 = "spanalloc",
        cachealloc: u32 = "cachealloc",
    }
    /// `runtime.heapArena`, `src/runtime/mheap.go`.
    HeapArena = "heap_arena" {
        size: u32 = "(size)",
        bitmap: Option<Field> = "bitmap",
        no_more_ptrs: Option<u32> = "noMorePtrs",
        spans: u32 = "spans",
        page_in_use: u32 = "pageInUse",
        page_marks: u32 = "pageMarks",
        page_specials: u32 = "pageSpecials",
        page_use_span_inline_mark_bits: Option<u32> = "pageUseSpanInlineMarkBits",
        zeroed_base: u32 = "zeroedBase",
    }
    /// `runtime.mspan`, `src/runtime/mheap.go`.
    Mspan = "mspan" {
        size: u32 = "(size)",
        next: u32 = "next",
        start_addr: u32 = "startAddr",
        npages: u32 = "npages",
        freeindex: Field = "freeindex",
        nelems: Field = "nelems",
        free_index_for_scan: Field = "freeIndexForScan",
        alloc_cache: u32 = "allocCache",
        alloc_bits: u32 = "allocBits",
        gcmark_bits: u32 = "gcmarkBits",
        pinner_bits: Option<u32> = "pinnerBits",
        sweepgen: u32 = "sweepgen",
        alloc_count: u32 = "allocCount",
        spanclass: u32 = "spanclass",
        state: u32 = "state",
        needzero: u32 = "needzero",
        is_user_arena_chunk: Option<u32> = "isUserArenaChunk",
        alloc_count_before_cache: u32 = "allocCountBeforeCache",
        elemsize: u32 = "elemsize",
        limit: u32 = "limit",
        specials: u32 = "specials",
        large_type: Option<u32> = "largeType",
    }
    /// `runtime.spanInlineMarkBits`, `src/runtime/mgcmark_greenteagc.go`.
    SpanInlineMarkBits = "span_inline_mark_bits" {
        size: u32 = "(size)",
        scans: u32 = "scans",
        owned: u32 = "owned",
        marks: u32 = "marks",
        class: u32 = "class",
    }
    /// `runtime.mcentral`, `src/runtime/mcentral.go`.
    Mcentral = "mcentral" {
        size: u32 = "(size)",
        spanclass: u32 = "spanclass",
        partial: u32 = "partial",
        full: u32 = "full",
    }
    /// `runtime.mcache`, `src/runtime/mcache.go`.
    Mcache = "mcache" {
        size: u32 = "(size)",
        mem_prof_rate: Option<u32> = "memProfRate",
        next_sample: u32 = "nextSample",
        tiny: u32 = "tiny",
        tinyoffset: u32 = "tinyoffset",
        tiny_allocs: u32 = "tinyAllocs",
        alloc: u32 = "alloc",
        reusable_noscan: Option<u32> = "reusableNoscan",
        stackcache: u32 = "stackcache",
        flush_gen: u32 = "flushGen",
    }
    /// `runtime.special`, `src/runtime/mheap.go`.
    Special = "special" {
        size: u32 = "(size)",
        next: u32 = "next",
        offset: Field = "offset",
        kind: u32 = "kind",
    }
    /// `runtime.specialfinalizer`, `src/runtime/mheap.go`.
    SpecialFinalizer = "special_finalizer" {
        size: u32 = "(size)",
        func: u32 = "fn",
        nret: u32 = "nret",
        fint: u32 = "fint",
        ot: u32 = "ot",
    }
    /// `runtime.specialprofile`, `src/runtime/mheap.go`.
    SpecialProfile = "special_profile" {
        size: u32 = "(size)",
        b: u32 = "b",
    }
    /// `runtime.specialWeakHandle`, `src/runtime/mheap.go`.
    SpecialWeakHandle = "special_weak_handle" {
        size: u32 = "(size)",
        handle: u32 = "handle",
    }
    /// `runtime.specialCleanup`, `src/runtime/mheap.go`.
    SpecialCleanup = "special_cleanup" {
        size: u32 = "(size)",
        func: Option<u32> = "fn",
        cleanup: Option<u32> = "cleanup",
        id: u32 = "id",
    }
    /// `runtime.specialPinCounter`, `src/runtime/mheap.go`.
    SpecialPinCounter = "special_pin_counter" {
        size: u32 = "(size)",
        counter: u32 = "counter",
    }
    /// `runtime.specialReachable`, `src/runtime/mheap.go`.
    SpecialReachable = "special_reachable" {
        size: u32 = "(size)",
        done: u32 = "done",
        reachable: u32 = "reachable",
    }
    /// `runtime.specialBubble`, `src/runtime/mheap.go`.
    SpecialBubble = "special_bubble" {
        size: u32 = "(size)",
        bubbleid: u32 = "bubbleid",
    }
    /// `runtime.specialCheckFinalizer`, `src/runtime/mheap.go`.
    SpecialCheckFinalizer = "special_check_finalizer" {
        size: u32 = "(size)",
        cleanup_id: u32 = "cleanupID",
        create_pc: u32 = "createPC",
        func_pc: u32 = "funcPC",
        ptr_type: u32 = "ptrType",
    }
    /// `runtime.cleanupFn`, `src/runtime/mcleanup.go`.
    CleanupFn = "cleanup_fn" {
        size: u32 = "(size)",
        call: u32 = "call",
        func: u32 = "fn",
        arg: u32 = "arg",
    }
    /// `runtime.cleanupBlockHeader`, `src/runtime/mcleanup.go`.
    CleanupBlockHeader = "cleanup_block_header" {
        size: u32 = "(size)",
        lfnode: u32 = "lfnode",
        alllink: u32 = "alllink",
        n: u32 = "n",
    }
    /// `runtime.cleanupBlock`, `src/runtime/mcleanup.go`.
    CleanupBlock = "cleanup_block" {
        size: u32 = "(size)",
        cleanups: u32 = "cleanups",
    }
    /// `runtime.finalizer`, `src/runtime/mfinal.go`.
    Finalizer = "finalizer" {
        size: u32 = "(size)",
        func: u32 = "fn",
        arg: u32 = "arg",
        nret: u32 = "nret",
        fint: u32 = "fint",
        ot: u32 = "ot",
    }
    /// `runtime.finBlock`, `src/runtime/mfinal.go`.
    FinBlock = "fin_block" {
        size: u32 = "(size)",
        alllink: u32 = "alllink",
        next: u32 = "next",
        cnt: u32 = "cnt",
        fin: u32 = "fin",
    }
    /// `runtime.bucket`, `src/runtime/mprof.go`.
    Bucket = "bucket" {
        size: u32 = "(size)",
        next: u32 = "next",
        allnext: u32 = "allnext",
        typ: u32 = "typ",
        hash: u32 = "hash",
        object_size: u32 = "size",
        nstk: u32 = "nstk",
    }
    /// `runtime.memRecord`, `src/runtime/mprof.go`.
    MemRecord = "mem_record" {
        size: u32 = "(size)",
        active: Field = "active",
        future: Field = "future",
    }
    /// `runtime.memRecordCycle`, `src/runtime/mprof.go`.
    MemRecordCycle = "mem_record_cycle" {
        size: u32 = "(size)",
        allocs: u32 = "allocs",
        frees: u32 = "frees",
        alloc_bytes: Option<u32> = "alloc_bytes",
        free_bytes: Option<u32> = "free_bytes",
    }
    /// `runtime.gcControllerState`, `src/runtime/mgcpacer.go`.
    GcController = "gc_controller" {
        size: u32 = "(size)",
        gc_percent: u32 = "gcPercent",
        memory_limit: u32 = "memoryLimit",
        heap_minimum: u32 = "heapMinimum",
        gc_percent_heap_goal: u32 = "gcPercentHeapGoal",
        triggered: u32 = "triggered",
        last_heap_goal: u32 = "lastHeapGoal",
        heap_live: u32 = "heapLive",
        heap_marked: u32 = "heapMarked",
        heap_scan_work: u32 = "heapScanWork",
        stack_scan_work: u32 = "stackScanWork",
        globals_scan_work: u32 = "globalsScanWork",
        assist_time: u32 = "assistTime",
        dedicated_mark_time: u32 = "dedicatedMarkTime",
        fractional_mark_time: u32 = "fractionalMarkTime",
        idle_mark_time: u32 = "idleMarkTime",
        heap_in_use: u32 = "heapInUse",
        heap_released: u32 = "heapReleased",
        heap_free: u32 = "heapFree",
        total_alloc: u32 = "totalAlloc",
        total_free: u32 = "totalFree",
        mapped_ready: u32 = "mappedReady",
    }
    /// `runtime.mstats`, `src/runtime/mstats.go`.
    Mstats = "mstats" {
        size: u32 = "(size)",
        heap_stats: Field = "heapStats",
        stacks_sys: u32 = "stacks_sys",
        mspan_sys: u32 = "mspan_sys",
        mcache_sys: u32 = "mcache_sys",
        buckhash_sys: u32 = "buckhash_sys",
        gc_misc_sys: u32 = "gcMiscSys",
        other_sys: u32 = "other_sys",
        last_gc_unix: u32 = "last_gc_unix",
        pause_total_ns: u32 = "pause_total_ns",
        pause_ns: u32 = "pause_ns",
        pause_end: u32 = "pause_end",
        numgc: u32 = "numgc",
        numforcedgc: u32 = "numforcedgc",
        last_gc_nanotime: u32 = "last_gc_nanotime",
        enablegc: u32 = "enablegc",
    }
    /// `runtime.cleanupQueue`, `src/runtime/mcleanup.go`.
    CleanupQueue = "cleanup_queue" {
        size: u32 = "(size)",
        full: u32 = "full",
        free: u32 = "free",
        all: u32 = "all",
    }
}
