//! What an index tells is what reading the heap told; one that is damaged, cut or of another heap is refused.

use heap::{HeapGraph, IndexError, IndexKey};

mod common;

use common::{read_heap, some_toolchains};
use lab::HeapBuild;

fn key(modified: u128) -> IndexKey {
    IndexKey { size: 1 << 30, modified, identity: b"a program".to_vec() }
}

/// Everything that an object is known by.
fn facts(graph: &HeapGraph<'_>) -> Vec<(String, u64, Option<u32>, bool)> {
    let name = |o| graph.shapes.of(o).name(&graph.runtime.types, |code| Some(format!("{code:x}")));
    let of = |o| (name(o), graph.tree.retained(o), graph.tree.dominator(o), graph.tree.is_reachable(o));
    (0..graph.objects.count()).map(of).collect()
}

#[test]
fn an_index_tells_what_reading_told() {
    let out = tempfile::tempdir().unwrap();
    for go in some_toolchains() {
        read_heap(&go, out.path(), "mixed", &HeapBuild::default(), |graph, names, _| {
            let mut bytes = Vec::new();
            graph.save_index(&key(5), &mut bytes).unwrap();
            let load = |bytes: &[u8], key: &IndexKey| {
                HeapGraph::load(graph.runtime, &names.functions, key, &mut &*bytes, bytes.len() as u64)
            };
            let loaded = load(&bytes, &key(5)).unwrap();
            let per_object = bytes.len() as f64 / f64::from(graph.objects.count());
            println!("{}: {} objects, {per_object:.1} bytes each", go.release(), graph.objects.count());
            assert_eq!(facts(&loaded), facts(graph));
            assert_eq!((loaded.gaps, loaded.tree.total()), (graph.gaps, graph.tree.total()));
            let some: Vec<u32> = (0..graph.objects.count()).step_by(97).collect();
            assert_eq!(loaded.tree.shortest_paths(&some), graph.tree.shortest_paths(&some));

            assert!(matches!(load(&bytes, &key(6)), Err(IndexError::Other(_))), "another core file");
            for part in 0..64 {
                let cut = bytes.len() * part / 64;
                assert!(load(&bytes[..cut], &key(5)).is_err(), "cut at {cut}");
                let mut flipped = bytes.clone();
                flipped[cut] ^= 1 << (part % 8);
                assert!(load(&flipped, &key(5)).is_err(), "bit {} of byte {cut} flipped", part % 8);
            }
            bytes.push(0);
            assert!(load(&bytes, &key(5)).is_ok(), "what follows the end is not looked at");
        });
    }
}
