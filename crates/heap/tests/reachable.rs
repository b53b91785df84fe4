//! Right after a collection every object of a Go program is reachable: the edges and roots that are
//! read from outside must reach them too.

#[path = "../../goruntime/tests/common/mod.rs"]
mod common;

use common::{Parked, toolchains};
use gobinary::layout::{Arch, Layout};
use gobinary::{GoBinary, RuntimeTypes, find_modules};
use goruntime::{Goroutines, HeapAnchor, Objects, Spans, Specials};
use heap::graph::{DominatorTree, Rooted};
use heap::{HeapView, RootSet};

#[test]
fn what_the_collector_kept_is_reachable() {
    for go in toolchains() {
        for flags in [&[][..], &["-buildmode=pie", "-ldflags=-s -w"]] {
            let parked = Parked::start(&go, "parked.go", flags);
            let exe = std::fs::read(&parked.exe).unwrap();
            let version = GoBinary::parse(&exe).unwrap().build_info().unwrap().go_version_text;
            let layout = Layout::lookup(&version, Arch::Amd64).unwrap();
            let memory = &parked.memory;
            let modules = find_modules(memory, &layout, None).unwrap();
            let data = modules[0].noptrdata..modules[0].enoptrbss;
            let anchor = HeapAnchor::search(memory, &layout, data.clone()).unwrap();
            let objects = Objects::read(memory, Spans::read(memory, &layout, &anchor).unwrap());
            let goroutines = Goroutines::search(memory, &layout, data).unwrap();
            let specials = Specials::read(memory, &layout, &objects);
            assert_eq!(specials.cut, 0);
            let types = RuntimeTypes::new(memory, layout.clone(), modules);
            let heap = HeapView { memory, types: &types, anchor: &anchor, objects: &objects };
            let (edges, gaps) = heap.edges().unwrap();
            assert_eq!(gaps.unreadable_spans, 0);
            let roots = RootSet::read(&heap, &goroutines, &specials);
            assert_eq!((roots.unreadable_stacks, roots.unreadable_data), (0, 0));
            let graph = Rooted::new(&edges, &roots.roots).unwrap();
            let tree = DominatorTree::new(&graph, |node| objects.size(node).unwrap_or(0));
            let lost = tree.unreachable_objects();
            let bytes: u64 =
                (0..objects.count()).filter(|o| !tree.is_reachable(*o)).filter_map(|o| objects.size(o)).sum();
            println!(
                "{version} {flags:?}: {} objects, {} roots, {lost} ({bytes} bytes) unreachable, {gaps:?}",
                objects.count(),
                roots.groups.len()
            );
            assert!(f64::from(lost) < 0.001 * f64::from(objects.count()), "{version}: {lost} unreachable");
            assert_eq!(tree.total() + bytes, objects.bytes());
        }
    }
}
