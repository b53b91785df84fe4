//! Algorithms over a directed graph of numbered nodes: reachability, dominators, retained sizes, shortest
//! paths, chains.
//!
//! Knows nothing of Go: nodes are numbers, their successors come from a [`Successors`], their sizes and kinds
//! from closures. Refuses recursion, allocation per node and anything whose cost is not near-linear on hostile
//! graphs (a cycle, a list of millions, a forged edge out of range are all ordinary input).
//!
//! # Numbers
//! With `n` objects and `g` root groups (a global variable, a goroutine), nodes `0..n` are objects,
//! `n..n+g` groups, and `n+g` is the one root above the groups. [`Roots`] says which objects a group holds,
//! [`Rooted`] joins it with the objects' edges.
//!
//! Nodes that *hang* ([`Edges`]) have no successors and at most one edge into them. They are in none of the arrays
//! below, which have an entry for each of the other nodes: in a Go heap, two of five objects.
//!
//! # Memory
//! Bytes per node that does not hang, `x` edges outside the depth-first tree per node, `j <= x` nodes with such an
//! edge into them. The edges themselves are not counted: 4 bytes per node, 4 per edge of nodes with two or more,
//! 0.26 for each node, hanging or not.
//!
//! | phase | arrays | bytes per node |
//! |---|---|---|
//! | depth first | node of a number 4, parent 4, mark 1/8, other edges 8x, pending nodes (typically near 0) at most 16 | 8.1 + 8x |
//! | sorting the other edges | node 4, parent 4, number of a node 4, joins 1/8, other edges twice 16x | 12.1 + 16x |
//! | dominators | node 4, number of a node 4, parent then dominator 4, ancestor and label 8, joins 1/8, semidominators 4j, other edges 8x | 20.1 + 4j + 8x |
//! | retained sizes | node 4, number 4, dominator 4, size 4 (6 from 4 GiB on) | 16 or 18, and 4.1 per node that hangs |
//! | kept ([`DominatorTree`]) | the same | 16 or 18, and 4.1 per node that hangs |
//! | on demand: [`DominatorTree::children_index`] | first position 4, child 4 | +8 |
//! | on demand: [`DominatorTree::largest_children`] | largest child 4 | +4 |
//! | on demand: [`DominatorTree::retained_by_kind`] | kind 4, kinds above 4 | +8 |
//! | on demand: [`DominatorTree::shortest_paths`] | predecessor 4, mark 1/8, two frontiers (at most 8 each) | +4.1 and the frontiers |
//! | on demand: [`linear_chains`] | two neighbours 8, marks 3/8, of the nodes asked for | +8.4 |

mod array;
mod bits;
mod breadth;
mod chains;
mod depth_first;
mod dominators;
mod edges;
mod ranked;
mod retained;
mod roots;
mod sets;
mod stored;
#[cfg(test)]
mod tests;
mod tree;

pub use array::Array;
pub use bits::Bits;
pub use breadth::{Depths, Spanning, Start, breadth_first, depths, reachable, spanning};
pub use chains::{Chain, ChainShape, linear_chains};
pub use edges::{Edges, EdgesPart, FinishedPart, GraphError, Met};
pub use ranked::Ranked;
pub use roots::{Rooted, Roots};
pub use tree::{ChildrenIndex, DominatorTree, LargestChildren, SizeOf};

/// Most nodes a graph may have, groups and root included: one bit of a number is kept for marks.
pub const MAX_NODES: u32 = (1 << 31) - 2;

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// The edges of a graph, stored or derived on the fly from the memory of the objects.
///
/// `for_each` must name the same successors in the same order whenever it is called: several algorithms go
/// over the edges twice. Parallel edges and edges to the node itself are allowed, successors out of range
/// are passed over.
pub trait Successors {
    /// Nodes are `0..node_count()`.
    fn node_count(&self) -> u32;

    /// Calls `f` with each successor of `node`.
    fn for_each(&self, node: u32, f: &mut impl FnMut(u32));

    /// `for_each(node)` is likely soon: ask for the memory whose address follows from the number alone. Must not
    /// wait for memory.
    #[inline]
    fn prefetch(&self, node: u32) {
        let _ = node;
    }

    /// `for_each(node)` comes next or nearly so, and [`Successors::prefetch`] was called a while ago: ask for what
    /// the memory that it brought points to.
    #[inline]
    fn prefetch_edges(&self, node: u32) {
        let _ = node;
    }

    /// `for_each(node)` is likely soon and [`Successors::prefetch_edges`] was called a while ago: call
    /// [`Successors::prefetch`] for a few successors, if finding them is cheap.
    #[inline]
    fn prefetch_targets(&self, node: u32) {
        let _ = node;
    }
}

impl<S: Successors> Successors for &S {
    #[inline]
    fn node_count(&self) -> u32 {
        (*self).node_count()
    }
    #[inline]
    fn for_each(&self, node: u32, f: &mut impl FnMut(u32)) {
        (*self).for_each(node, f);
    }
    #[inline]
    fn prefetch(&self, node: u32) {
        (*self).prefetch(node);
    }
    #[inline]
    fn prefetch_edges(&self, node: u32) {
        (*self).prefetch_edges(node);
    }
    #[inline]
    fn prefetch_targets(&self, node: u32) {
        (*self).prefetch_targets(node);
    }
}
