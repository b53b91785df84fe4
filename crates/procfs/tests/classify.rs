//! Kinds of mappings, from the maps of real processes (addresses as they were).

use model::MappingKind;
use model::{GoVersion, Smap};
use procfs::{classify_mappings, go_arena_spans, smaps};

/// `maps` lines, each with its expected kind after a `|`.
fn check(text: &str, exe: Option<&str>, version: &str, cgo: Option<bool>) -> (Vec<Smap>, Vec<MappingKind>) {
    let mut maps = String::new();
    let mut want = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty()) {
        let (map, kind) = line.rsplit_once('|').expect("each line is MAPPING|KIND");
        maps.push_str(map.trim_end());
        maps.push_str("\nRss: 4 kB\n");
        want.push(kind.trim().to_owned());
    }
    let (mappings, gaps) = smaps(maps.as_bytes());
    assert_eq!(gaps, []);
    let version = GoVersion::parse(version);
    let kinds = classify_mappings(&mappings, exe, version.as_ref(), cgo);
    for ((m, kind), want) in mappings.iter().zip(&kinds).zip(want) {
        assert_eq!(format!("{kind:?}"), want, "{:x} {}", m.mapping.start, m.mapping.path);
    }
    (mappings, kinds)
}

/// Debian's etcd 3.4 (Go 1.19, cgo): C arenas, thread stacks, a mapped database, split arenas.
#[test]
fn a_program_with_cgo() {
    let (mappings, kinds) = check(
        "
        400000-402000 r--p 0 fe:00 11 /usr/bin/etcd | Executable
        402000-e02000 r-xp 2000 fe:00 11 /usr/bin/etcd | Executable
        e02000-181d000 r--p a02000 fe:00 11 /usr/bin/etcd | Executable
        181e000-1889000 rw-p 141d000 fe:00 11 /usr/bin/etcd | Executable
        1889000-18d2000 rw-p 0 00:00 0 | Executable
        4056c000-4058d000 rw-p 0 00:00 0 [heap] | CHeap
        c000000000-c001000000 rw-p 0 00:00 0 | GoArena
        c001000000-c001200000 rw-p 0 00:00 0 | GoArena
        c001200000-c001c00000 rw-p 0 00:00 0 | GoArena
        c001c00000-c004000000 ---p 0 00:00 0 | GoArena
        7f5f10000000-7f5f10021000 rw-p 0 00:00 0 | CHeap
        7f5f10021000-7f5f14000000 ---p 0 00:00 0 | CHeap
        7f5f1c000000-7f619c000000 r--s 0 fe:00 12 /data/member/snap/db | MappedFile
        7f619c000000-7f619c021000 rw-p 0 00:00 0 | CHeap
        7f619c021000-7f61a0000000 ---p 0 00:00 0 | CHeap
        7f61a2ffe000-7f61a2fff000 ---p 0 00:00 0 | ThreadStack
        7f61a2fff000-7f61a37ff000 rw-p 0 00:00 0 | ThreadStack
        7f61a37ff000-7f61a3800000 ---p 0 00:00 0 | ThreadStack
        7f61a3800000-7f61a4000000 rw-p 0 00:00 0 | ThreadStack
        7f61b8389000-7f61b84e9000 rw-p 0 00:00 0 | AnonymousOther
        7f61bde07000-7f61ce380000 ---p 0 00:00 0 | AnonymousOther
        7f61ce380000-7f61ce381000 rw-p 0 00:00 0 | AnonymousOther
        7f61e2b66000-7f61e2b8c000 r--p 0 fe:00 13 /usr/lib/x86_64-linux-gnu/libc.so.6 | Library
        7f61e2b8c000-7f61e2ce2000 r-xp 26000 fe:00 13 /usr/lib/x86_64-linux-gnu/libc.so.6 | Library
        7f61e2d39000-7f61e2d3b000 rw-p 1d3000 fe:00 13 /usr/lib/x86_64-linux-gnu/libc.so.6 | Library
        7f61e2d3b000-7f61e2d48000 rw-p 0 00:00 0 | Library
        7f61e2d54000-7f61e2d58000 r--p 0 00:00 0 [vvar] | Kernel
        7ffc1f0e4000-7ffc1f105000 rw-p 0 00:00 0 [stack] | ThreadStack
        ffffffffff600000-ffffffffff601000 --xp 0 00:00 0 [vsyscall] | Kernel
        ",
        Some("/usr/bin/etcd"),
        "go1.19.8",
        Some(true),
    );
    assert_eq!(
        go_arena_spans(&mappings, &kinds),
        [(0xc000000000, 0xc001000000), (0xc001000000, 0xc001200000), (0xc001200000, 0xc001c00000)]
    );
}

/// Go 1.26 with its random heap base, which need not start with a writable part; the executable was
/// replaced while it ran; a program without cgo has no C heap, whatever looks like one.
#[test]
fn a_program_without_cgo() {
    check(
        "
        400000-49b000 r-xp 0 fe:00 11 /app/server (deleted) | Executable
        49b000-54a000 r--p 9b000 fe:00 11 /app/server (deleted) | Executable
        54a000-555000 rw-p 14a000 fe:00 11 /app/server (deleted) | Executable
        555000-591000 rw-p 0 00:00 0 | Executable
        1f2b04000000-1f2b04800000 ---p 0 00:00 0 | GoArena
        1f2b04800000-1f2b06c00000 rw-p 0 00:00 0 | GoArena
        1f2b06c00000-1f2b0c000000 ---p 0 00:00 0 | GoArena
        7f10a0000000-7f10a0021000 rw-p 0 00:00 0 | GoMetadata
        7f10a0021000-7f10a4000000 ---p 0 00:00 0 | GoMetadata
        7f10b6ac0000-7f10b6e00000 rw-p 0 00:00 0 | GoMetadata
        7f10b6e00000-7f10b7000000 rw-s 0 00:01 9 /dev/zero (deleted) | AnonymousOther
        7f10b7000000-7f10b7100000 rw-s 0 00:01 8 /memfd:x (deleted) | AnonymousOther
        7ffc1f0e4000-7ffc1f105000 rw-p 0 00:00 0 [stack] | ThreadStack
        ",
        Some("/app/server (deleted)"),
        "go1.26.6",
        Some(false),
    );
}

/// Before 1.26 an aligned run below the first hint is none of the runtime's heap.
#[test]
fn the_heap_base_follows_the_version() {
    let text = "
        400000-49b000 r-xp 0 fe:00 11 /app/server | Executable
        1000000000-1004000000 rw-p 0 00:00 0 | KIND
        7ffc1f0e4000-7ffc1f105000 rw-p 0 00:00 0 [stack] | ThreadStack
        ";
    let app = Some("/app/server");
    check(&text.replace("KIND", "GoMetadata"), app, "go1.25.5", Some(false));
    check(&text.replace("KIND", "GoArena"), app, "go1.26.0", Some(false));
    check(&text.replace("KIND", "GoArena"), None, "", None);
}

/// Kernels with CONFIG_ANON_VMA_NAME and Go 1.25+: the runtime says it itself.
#[test]
fn names_decide_where_there_are_any() {
    check(
        "
        400000-49b000 r-xp 0 fe:00 11 /app/server | Executable
        c000000000-c000400000 rw-p 0 00:00 0 [anon: Go: heap] | GoArena
        c000400000-c004000000 ---p 0 00:00 0 [anon: Go: heap reservation] | GoArena
        7f10b6ac0000-7f10b6e00000 rw-p 0 00:00 0 [anon: Go: heap index] | GoMetadata
        7f10b7ac0000-7f10b7e00000 rw-p 0 00:00 0 [anon: Go: immortal metadata] | GoMetadata
        7f10b8ac0000-7f10b8e00000 rw-p 0 00:00 0 [anon: glibc: malloc] | CHeap
        7f10b9ac0000-7f10b9e00000 rw-p 0 00:00 0 [anon: glibc: pthread stack: 12] | ThreadStack
        7f10baac0000-7f10bae00000 rw-p 0 00:00 0 [anon:mine] | AnonymousOther
        ",
        None,
        "go1.25.5",
        Some(true),
    );
}

#[test]
fn nothing_is_nothing() {
    assert!(classify_mappings(&[], None, None, None).is_empty());
}
