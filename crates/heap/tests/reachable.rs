//! Right after a collection every object of a Go program is reachable: the edges and roots that are
//! read from outside must reach them too.

mod common;

use common::{Parked, toolchains, with_heap};

#[test]
fn what_the_collector_kept_is_reachable() {
    for go in toolchains() {
        for flags in [&[][..], &["-buildmode=pie", "-ldflags=-s -w"]] {
            let parked = Parked::start(&go, "parked.go", flags);
            let exe = std::fs::read(&parked.exe).unwrap();
            with_heap(&parked.memory, &exe, |version, graph, _| {
                assert_eq!((graph.gaps.unreadable_spans, graph.specials.cut), (0, 0));
                assert_eq!((graph.roots.unreadable_stacks, graph.roots.unreadable_data), (0, 0));
                let objects = &graph.objects;
                let lost: Vec<u32> = (0..objects.count()).filter(|o| !graph.tree.is_reachable(*o)).collect();
                let bytes: u64 = lost.iter().filter_map(|o| objects.size(*o)).sum();
                println!(
                    "{version} {flags:?}: {} objects, {} roots, {} ({bytes} bytes) unreachable, {} stacks not precise",
                    objects.count(),
                    graph.roots.groups.len(),
                    lost.len(),
                    graph.roots.conservative_stacks,
                );
                assert!((lost.len() as f64) < 0.001 * f64::from(objects.count()), "{version}: {} lost", lost.len());
                assert_eq!(graph.roots.conservative_stacks, 0, "{version}: all goroutines stand still");
                assert_eq!(graph.tree.total() + bytes, objects.bytes());
            });
        }
    }
}
