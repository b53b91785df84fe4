//! Edges and dominators of an index whose sections have the right lengths and any numbers.
#![no_main]

use heap::graph::{DominatorTree, Roots};
use libfuzzer_sys::fuzz_target;

struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// Small numbers mostly, some with the highest bit.
    fn number(&mut self) -> u32 {
        let byte = self.byte();
        if byte < 0xf0 { u32::from(byte & 0x7f) | u32::from(byte & 0x80) << 24 } else { u32::from(byte) << 20 }
    }

    fn section(&mut self, count: usize, bytes: &mut Vec<u8>) {
        head(count, bytes);
        (0..count).for_each(|_| bytes.extend_from_slice(&self.number().to_le_bytes()));
    }
}

fn head(count: usize, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&(count as u64).to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
}

fuzz_target!(|data: &[u8]| {
    let mut input = Numbers(data);
    let nodes = u32::from(input.byte() % 63) + 1;
    let mut mask = || u64::from_le_bytes(std::array::from_fn(|_| input.byte()));
    let (placed, hanging) = (mask() & ((1 << nodes) - 1), mask());
    let count = placed.count_ones() as usize;
    let (lists, reached, wide) = (input.byte() as usize, input.byte() as usize % (count + 3), input.byte() & 1);
    let mut bytes = Vec::new();
    head(1, &mut bytes);
    bytes.extend_from_slice(&placed.to_le_bytes());
    input.section(count, &mut bytes);
    input.section(lists, &mut bytes);
    for _ in 0..3 {
        input.section(reached, &mut bytes);
    }
    let high = reached * usize::from(wide);
    head(high, &mut bytes);
    (0..2 * high).for_each(|_| bytes.push(input.byte()));
    head(1, &mut bytes);
    bytes.extend_from_slice(&hanging.to_le_bytes());
    input.section(nodes as usize - count, &mut bytes);
    let mut roots = Roots::new();
    roots.push([input.number(), input.number()]);
    let Ok(tree) = DominatorTree::of_sections(nodes, roots, &bytes) else { return };
    let all: Vec<u32> = (0..nodes + 3).collect();
    for &node in &all {
        assert!(tree.path_to_root(node).count() <= all.len() + 1);
        let _ = (tree.retained(node), tree.dominator(node), tree.children(node));
    }
    let _ = (tree.shortest_paths(&all), tree.retained_by_kind(3, |_| (), |v| v % 4), tree.largest(3, |_| true));
    let _ = (tree.total(), tree.unreachable_objects(), tree.children_index().suspects(0.1, |v| v % 2 == 0));
    tree.for_each_child(&all, |i, _, _| assert!(i < all.len()));
    let ways = tree.largest_children();
    all.iter().for_each(|&node| assert!(ways.accumulation_path(node, 0.5).len() <= all.len()));
});
