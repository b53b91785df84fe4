//! Edges and dominators in an index ([`crate::index`]). Owns what of them is written, and the checks after which what
//! was read cannot lead any algorithm astray: numbers in range, dominators before what they dominate.

use super::dominators::Dominators;
use super::ranked::Ranked;
use super::retained::Sizes;
use super::roots::Places;
use super::tree::SizeOf;
use super::{Array, Bits, DominatorTree, Edges, NONE, Roots};
use crate::index::{IndexError, IndexReader, IndexWriter};
use std::sync::Arc;

/// Marks the last successor of a list, or the word of a node that has a list.
const MARK: u32 = 1 << 31;

const CONTRADICTION: IndexError = IndexError::Other("it contradicts itself");

impl Edges {
    pub(crate) fn save(&self, out: &mut IndexWriter<'_>) -> std::io::Result<()> {
        let placed: Vec<u64> = self.placed.words().collect();
        out.section(&placed)?;
        out.section(&self.words)?;
        out.section(&self.lists)
    }

    /// The edges of `nodes` nodes.
    pub(crate) fn load(nodes: u32, input: &mut IndexReader<'_>) -> Result<Self, IndexError> {
        let placed = input.array::<u64>(nodes.div_ceil(64) as usize)?;
        let placed = Ranked::new(nodes, placed.iter().copied());
        let words = input.array::<u32>(placed.count() as usize)?;
        let lists = input.array_to::<u32>(MARK as usize)?;
        let in_range = lists.iter().all(|w| w & !MARK < nodes)
            && words.iter().all(|&w| if w < MARK { w <= nodes } else { ((w - MARK) as usize) < lists.len() });
        if !in_range {
            return Err(CONTRADICTION);
        }
        Ok(Edges { placed, words, lists })
    }
}

impl DominatorTree {
    pub(crate) fn save(&self, out: &mut IndexWriter<'_>) -> std::io::Result<()> {
        let reached = self.tree.reached as usize;
        out.section(&self.tree.node_of[..reached])?;
        out.section(&self.tree.dominator[..reached])?;
        let (low, high) = self.retained.parts();
        out.section(low)?;
        out.section(high)?;
        out.section(self.hanging.words())?;
        out.section(&self.holders)
    }

    /// Edges and dominators of `nodes` objects of 8 bytes from the sections of an index, whose checksums may be
    /// anything: what an index says is checked by itself too.
    ///
    /// # Errors
    /// What does not fit.
    pub fn of_sections(nodes: u32, roots: Roots, mut sections: &[u8]) -> Result<Self, IndexError> {
        let len = sections.len() as u64;
        let mut input = IndexReader::of_sections(&mut sections, len);
        let edges = Edges::load(nodes, &mut input)?;
        Self::load(Arc::new(edges), Arc::new(roots), Arc::new(|_| 8), &mut input)
    }

    /// The tree of a graph of these edges and roots.
    pub(crate) fn load(
        edges: Arc<Edges>,
        roots: Arc<Roots>,
        size: SizeOf,
        input: &mut IndexReader<'_>,
    ) -> Result<Self, IndexError> {
        let places = Places::new(&edges, &roots).map_err(|_| CONTRADICTION)?;
        let count = places.root as usize + 1;
        let node_of = input.array_to::<u32>(count)?;
        let reached = node_of.len();
        let dominator = input.array::<u32>(reached)?;
        let low = input.array::<u32>(reached)?;
        let high = input.array_to::<u16>(reached)?;
        let nodes = edges.placed().bound();
        let hanging = input.array::<u64>(nodes.div_ceil(64) as usize)?;
        let holders = input.array::<u32>((nodes - places.objects) as usize)?;
        let before = |(i, d): (usize, &u32)| if i == 0 { *d == 0 } else { (*d as usize) < i };
        let sizes = high.is_empty() || high.len() == reached;
        if !dominator.iter().enumerate().all(before) || !sizes || holders.iter().any(|h| *h as usize >= reached) {
            return Err(CONTRADICTION);
        }
        let mut number_of: Array<u32> = Array::zeroed(count);
        number_of.fill(NONE);
        for (number, &node) in (0u32..).zip(&*node_of) {
            let place = places.place(node).ok_or(CONTRADICTION)?;
            *number_of.get_mut(place as usize).ok_or(CONTRADICTION)? = number;
        }
        // The root is always reached, first of all.
        if node_of.first().and_then(|root| places.place(*root)) != Some(places.root) {
            return Err(CONTRADICTION);
        }
        // Nothing that has a place hangs.
        let placed = edges.placed().words().chain(std::iter::repeat(0));
        let hanging = hanging.iter().zip(placed).map(|(h, p)| h & !p);
        let hanging = Bits::from_words(nodes, hanging);
        let reached = reached as u32;
        let retained = Sizes::of_parts(low, Some(high).filter(|h| !h.is_empty()));
        let tree = Dominators { node_of, number_of, dominator, reached };
        let (objects, root) = (places.objects, places.root);
        Ok(Self::assemble(edges, roots, size, tree, retained, hanging, holders, (objects, root)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sections whose numbers may be anything.
    fn write(sections: &[Vec<u8>], widths: &[usize]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (section, width) in sections.iter().zip(widths) {
            let whole = &section[..section.len() / width * width];
            bytes.extend_from_slice(&((whole.len() / width) as u64).to_le_bytes());
            bytes.extend_from_slice(&[0; 4]);
            bytes.extend_from_slice(whole);
        }
        bytes
    }

    /// Goes through everything that a tree can be asked.
    fn ask(tree: &DominatorTree, nodes: u32) {
        let all: Vec<u32> = (0..nodes + 4).collect();
        for &node in &all {
            let known = (tree.retained(node), tree.dominator(node), tree.children(node), tree.is_reachable(node));
            std::hint::black_box(known);
            assert!(tree.path_to_root(node).count() <= 2 + nodes as usize + 4);
        }
        std::hint::black_box(tree.shortest_paths(&all));
        std::hint::black_box(tree.retained_by_kind(3, |_| (), |v| v % 4));
        std::hint::black_box(tree.largest(3, |_| true));
        std::hint::black_box((tree.total(), tree.unreachable_objects()));
        tree.for_each_child(&all, |_, child, _| assert!(child < nodes + 4));
        let ways = tree.largest_children();
        let index = tree.children_index();
        for &node in &all {
            std::hint::black_box((ways.accumulation_path(node, 0.5), index.of(node), index.count(node)));
        }
        std::hint::black_box(index.suspects(0.1, |v| v % 2 == 0));
    }

    fn numbers(below: u32) -> impl Strategy<Value = Vec<u8>> {
        let number = prop_oneof![8 => 0..below, 2 => (0..below).prop_map(|n| n | MARK), 1 => any::<u32>()];
        prop::collection::vec(number, 0..24).prop_map(|v| v.iter().flat_map(|n| n.to_le_bytes()).collect())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn forged_sections_lead_nowhere(
            nodes in 1u32..20,
            placed in any::<u32>(),
            parts in prop::collection::vec(numbers(24), 7),
            fitting in any::<bool>(),
        ) {
            let placed = u64::from(placed) & ((1 << nodes) - 1);
            let mut parts = parts;
            let words = |count: usize, mut part: Vec<u8>| { part.resize(4 * count, 0); part };
            if fitting {
                // As many numbers as there must be, so that more than lengths is looked at.
                let count = placed.count_ones() as usize;
                parts[0] = words(count, std::mem::take(&mut parts[0]));
                let reached = (parts[2].len() / 4).min(count + 2);
                for part in [2, 3, 4] {
                    parts[part] = words(reached, std::mem::take(&mut parts[part]));
                }
                parts[5] = words(nodes as usize - count, std::mem::take(&mut parts[5]));
            }
            let [words, lists, node_of, dominator, low, holders, hanging] = &parts[..] else { unreachable!() };
            let mut hanging = hanging.clone();
            hanging.resize(8, 0xff);
            let sections = [
                placed.to_le_bytes().to_vec(), words.clone(), lists.clone(),
                node_of.clone(), dominator.clone(), low.clone(), Vec::new(), hanging, holders.clone(),
            ];
            let bytes = write(&sections, &[8, 4, 4, 4, 4, 4, 2, 8, 4]);
            let mut roots = Roots::new();
            roots.push([0, 3, 90]);
            if let Ok(tree) = DominatorTree::of_sections(nodes, roots, &bytes) {
                ask(&tree, nodes);
            }
        }
    }
}
