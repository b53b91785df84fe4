//! The dominator tree in few rows: it adds up, and what it tells of lists and maps is what the programs count.
#![expect(clippy::unwrap_used, reason = "a test that cannot read its program has failed")]

mod common;

use common::{read_heap, some_toolchains};
use heap::{HeapGraph, ProgramNames};
use lab::HeapBuild;
use model::{HeapTree, HeapTreeRow};

/// What is wrong with the sums of a tree.
fn wrong_sums(graph: &HeapGraph<'_>, tree: &HeapTree) -> Vec<String> {
    let mut wrong = Vec::new();
    let reached = (0..graph.objects.count()).filter(|o| graph.tree.is_reachable(*o)).count() as u64;
    let first = &tree.rows[0];
    if (first.count, first.retained_bytes, first.own_bytes) != (reached, graph.tree.total(), 0) {
        wrong.push(format!("first row {first:?}, of {reached} objects"));
    }
    let mut below = vec![(0_u64, 0_u64); tree.rows.len()];
    for (i, row) in tree.rows.iter().enumerate().skip(1) {
        let parent = row.parent as usize;
        if parent >= i {
            wrong.push(format!("row {i} stands before the one above it"));
            continue;
        }
        below[parent] = (below[parent].0 + 1, below[parent].1 + row.retained_bytes);
    }
    for (row, (rows, bytes)) in tree.rows.iter().zip(below) {
        let whole = row.own_bytes + bytes == row.retained_bytes;
        if rows > 0 && !whole || row.own_bytes > row.retained_bytes {
            wrong.push(format!("{bytes} in {rows} rows below {row:?}"));
        }
    }
    wrong
}

fn tree_of(graph: &HeapGraph<'_>, names: &ProgramNames<'_>, most: usize) -> HeapTree {
    let tree = graph.retained_tree(names, most).unwrap();
    assert!(tree.rows.len() <= most.max(1), "{} rows", tree.rows.len());
    assert_eq!(wrong_sums(graph, &tree), Vec::<String>::new());
    tree
}

fn at(tree: &HeapTree, address: u64) -> Option<&HeapTreeRow> {
    let address = format!("{address:#x}");
    tree.rows.iter().find(|r| r.address.as_deref() == Some(&address) && r.kind == "object")
}

#[test]
fn maps_have_their_parts_in_one_row() {
    let out = tempfile::tempdir().unwrap();
    for go in some_toolchains() {
        read_heap(&go, out.path(), "maps", &HeapBuild::default(), |graph, names, running| {
            let tree = tree_of(graph, names, 5_000);
            let mut compared = 0;
            for c in running.truth().containers.iter().filter(|c| c.kind == "map" && c.address != 0) {
                let (Some(map), Some(row)) = (&c.map, at(&tree, c.address)) else { continue };
                // A classic map that grows keeps buckets alive that it has moved, and that the program does not count:
                // pointers of those behind the main ones in the old array stay (`fillMoving` of the program).
                let more = row.own_bytes.checked_sub(map.bytes);
                let most = if map.growing { map.bytes / 20 } else { 0 };
                assert!(more.is_some_and(|m| m <= most), "{} {}: {map:?}, {row:?}", go.release(), c.name);
                if c.retained_bytes != 0 && !c.retained_approx {
                    let off = row.retained_bytes.abs_diff(c.retained_bytes);
                    assert!(off <= c.retained_bytes / 100, "{} {}: {row:?}", go.release(), c.name);
                }
                compared += 1;
            }
            println!("{}: {compared} maps in {} rows", go.release(), tree.rows.len());
            assert!(compared > 5, "{}: {compared}", go.release());
        });
    }
}

#[test]
fn lists_and_trees_have_their_nodes_in_one_row() {
    let out = tempfile::tempdir().unwrap();
    for go in some_toolchains() {
        read_heap(&go, out.path(), "lists", &HeapBuild::default(), |graph, names, running| {
            let tree = tree_of(graph, names, 5_000);
            let mut compared = Vec::new();
            for c in running.truth().containers.iter().filter(|c| ["list", "tree"].contains(&c.kind.as_str())) {
                let Some(row) = at(&tree, c.address) else { continue };
                if row.name == "list.List" {
                    let elements =
                        tree.rows.iter().find(|r| r.name == "list.Element" && r.via == ".root.next .root.prev");
                    let of = |r: &HeapTreeRow| &tree.rows[r.parent as usize];
                    let elements = elements.filter(|r| std::ptr::eq(of(r), row));
                    assert_eq!(elements.map(|r| r.count + r.inner), Some(c.entries), "{}", c.name);
                } else {
                    // Between the nodes of some trees are slices.
                    assert!(row.count == 1 && row.count + row.inner >= c.entries, "{}: {row:?}", c.name);
                }
                compared.push(c.name.clone());
            }
            println!("{}: {compared:?} in {} rows", go.release(), tree.rows.len());
            assert!(compared.len() > 3, "{}: {compared:?}", go.release());
        });
    }
}

#[test]
fn few_rows_add_up_as_well() {
    let out = tempfile::tempdir().unwrap();
    for go in some_toolchains() {
        for program in ["mixed", "goroutines", "types"] {
            read_heap(&go, out.path(), program, &HeapBuild::default(), |graph, names, _| {
                let mut before = 0;
                for most in [0, 1, 2, 3, 10, 100, 1_000] {
                    let rows = tree_of(graph, names, most).rows.len();
                    assert!(rows >= before, "{program}: {rows} of {most}");
                    before = rows;
                }
            });
        }
    }
}
