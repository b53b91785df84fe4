//! Structures of the runtime where Linux for AArch64 maps memory: up to 48 bits, twice as far as x86-64.

#![allow(clippy::unwrap_used, reason = "tests")]

use gobinary::Slices;
use gobinary::layout::{ARENA_SIZE, Arch, Layout};
use goruntime::{Buckets, HeapAnchor};

const DATA: u64 = 0x40_0000;
/// Below the end of user space, as the first mappings of a process.
const MAPPED: u64 = 0xffff_7c00_0000;

/// Writes words into a piece of memory.
fn put(piece: &mut [u8], at: u32, words: &[u64]) {
    for (i, word) in words.iter().enumerate() {
        let at = at as usize + 8 * i;
        piece[at..at + 8].copy_from_slice(&word.to_le_bytes());
    }
}

#[test]
fn the_heap_is_found_by_an_arena_map_of_48_bits() {
    for version in ["go1.21.13", "go1.26.6"] {
        let layout = Layout::lookup(version, Arch::Arm64).unwrap();
        let first = 0x40_0000_0000_u64;
        let (map, list, arena, span) = (MAPPED, MAPPED + (64 << 20), MAPPED + (65 << 20), MAPPED + (80 << 20));
        let mheap = 64;
        let m = &layout.mheap;
        let mut data = vec![0; mheap as usize + m.size as usize];
        put(&mut data, mheap + m.arenas, &[map]);
        put(&mut data, mheap + m.heap_arenas, &[list, 1, 1]);
        put(&mut data, mheap + m.allspans, &[span, 1, 1]);
        let index = first / ARENA_SIZE;
        let mut indexes = vec![0; 8 * index as usize + 8];
        put(&mut indexes, 8 * index as u32, &[arena]);
        let mut heap_arena = vec![0; layout.heap_arena.size as usize];
        put(&mut heap_arena, layout.heap_arena.spans, &[span]);
        let mut mspan = vec![0; layout.mspan.size as usize];
        put(&mut mspan, layout.mspan.start_addr, &[first]);
        let list_bytes = index.to_le_bytes();
        let memory = Slices::new([
            (DATA, &data[..], true, false),
            (map, &indexes[..], true, false),
            (list, &list_bytes[..], true, false),
            (arena, &heap_arena[..], true, false),
            (span, &mspan[..], true, false),
        ]);
        let found = HeapAnchor::search(&memory, &layout, DATA..DATA + data.len() as u64).unwrap();
        assert_eq!((found.mheap, found.arenas), (DATA + u64::from(mheap), vec![(first, arena)]), "{version}");
    }
}

#[test]
fn the_profile_is_found_by_a_bucket_of_48_bits() {
    let layout = Layout::lookup("go1.26.6", Arch::Arm64).unwrap();
    let b = &layout.bucket;
    let mut bucket = vec![0; (b.size + layout.mem_record.size) as usize + 8];
    put(&mut bucket, b.typ, &[1]);
    put(&mut bucket, b.hash, &[1]);
    put(&mut bucket, b.object_size, &[48]);
    put(&mut bucket, b.nstk, &[1]);
    put(&mut bucket, b.size, &[0x1_0000]);
    let mut data = vec![0; 64];
    put(&mut data, 16, &[MAPPED]);
    let memory = Slices::new([(DATA, &data[..], true, false), (MAPPED, &bucket[..], true, false)]);
    let found = Buckets::search(&memory, &layout, DATA..DATA + 64);
    let list: Vec<_> = found.list().iter().map(|b| (b.address, b.object_size)).collect();
    assert_eq!(list, [(MAPPED, 48)]);
}
