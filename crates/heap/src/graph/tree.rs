//! The dominator tree with retained sizes: what would be freed if a node were not there.
//!
//! Owns the questions asked of it: dominators, children, the largest, the accumulation point. Nodes are named by
//! their own numbers; preorder numbers stay inside. Objects that hang ([`Edges`]) are not in the arrays: each is
//! under the one node that points to it. Roots that are uncertain share nothing with others: what they reach beside them
//! is dominated as if they were not there. A node that no root reaches has no place in the tree, and every question about
//! it has the answer "none" or zero.

use super::dominators::{Dominators, dominators};
use super::retained::Sizes;
use super::roots::Places;
use super::{Array, Bits, Edges, GraphError, NONE, Roots};
use prefetch_index::prefetch_index;
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// Gives the bytes of a node itself.
pub type SizeOf = Arc<dyn Fn(u32) -> u64 + Send + Sync>;

/// Dominators and retained sizes of all nodes reachable from the root.
pub struct DominatorTree {
    pub(super) edges: Arc<Edges>,
    pub(super) roots: Arc<Roots>,
    pub(super) tree: Dominators,
    pub(super) retained: Sizes,
    pub(super) size: SizeOf,
    /// Reached objects that hang.
    pub(super) hanging: Bits,
    hanging_count: u32,
    /// Of each object that hangs the number of what it hangs on, by its place among those that hang.
    pub(super) holders: Array<u32>,
    /// Nodes of groups begin here; the root is the last.
    pub(super) objects: u32,
    places: u32,
    root: u32,
}

impl std::fmt::Debug for DominatorTree {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DominatorTree").field("reached", &self.reached()).finish_non_exhaustive()
    }
}

/// Where a reached node is in the tree.
#[derive(Clone, Copy)]
enum Found {
    Number(u32),
    Hanging,
}

impl DominatorTree {
    /// Searches the graph and builds the tree. `roots` must be those that the edges were made for. `size` gives
    /// the bytes of a node itself (of an object its slot; for a group what the global or the stack takes, or 0);
    /// the root has none. Bytes are exact up to 2^48 in all.
    ///
    /// # Errors
    /// More objects and groups than numbers of 31 bits can name.
    pub fn new(edges: Arc<Edges>, roots: Arc<Roots>, size: SizeOf) -> Result<Self, GraphError> {
        let places = Places::new(&edges, &roots)?;
        let mut tree = dominators(&places, places.root, places.uncertain());
        let placed = edges.placed();
        let mut hanging = Bits::new(placed.bound());
        let mut holders: Array<u32> = Array::zeroed((placed.bound() - placed.count()) as usize);
        let (held, reached_hanging) = (&mut *holders, hanging.words_mut());
        let reached = tree.reached;
        let mut retained = Sizes::new(reached, |add| {
            places.for_each_node(|place, node| {
                let Some(number) = tree.number_of_place(place) else { return };
                let mut sum = if place == places.root { 0 } else { size(node) };
                places.for_each_hanging(place, |w, index| {
                    sum = sum.saturating_add(size(w));
                    if let Some(word) = reached_hanging.get_mut((w >> 6) as usize) {
                        *word |= 1 << (w & 63);
                    }
                    if let Some(holder) = held.get_mut(index as usize) {
                        *holder = number;
                    }
                });
                add(number, sum);
            });
        });
        retained.sum_up(&tree.dominator[..reached as usize]);
        tree.name_nodes(|f| places.for_each_node(f));
        let above = (places.objects, places.root);
        Ok(Self::assemble(edges, roots, size, tree, retained, hanging, holders, above))
    }

    /// Puts together what was computed or read. `above` are the place of the first group and of the root.
    #[expect(clippy::too_many_arguments, reason = "the parts of one value")]
    pub(super) fn assemble(
        edges: Arc<Edges>,
        roots: Arc<Roots>,
        size: SizeOf,
        tree: Dominators,
        retained: Sizes,
        hanging: Bits,
        holders: Array<u32>,
        above: (u32, u32),
    ) -> Self {
        let (hanging_count, objects) = (hanging.count(), edges.placed().bound());
        DominatorTree {
            tree,
            retained,
            size,
            hanging,
            hanging_count,
            holders,
            objects,
            places: above.0,
            root: above.1,
            edges,
            roots,
        }
    }

    pub(super) fn places(&self) -> Places<'_> {
        Places { edges: &self.edges, roots: &self.roots, objects: self.places, root: self.root }
    }

    /// The number of a node that does not hang, if it was reached.
    #[inline]
    pub(super) fn number(&self, node: u32) -> Option<u32> {
        self.tree.number_of_place(self.places().place(node)?)
    }

    #[inline]
    fn find(&self, node: u32) -> Option<Found> {
        if self.hanging.get(node) {
            return Some(Found::Hanging);
        }
        self.number(node).map(Found::Number)
    }

    #[inline]
    pub(super) fn node(&self, number: u32) -> u32 {
        self.tree.node_of[number as usize]
    }

    /// The number of each number's dominator.
    pub(super) fn dominator_numbers(&self) -> &[u32] {
        &self.tree.dominator[..self.tree.reached as usize]
    }

    /// The number of what a reached object hangs on.
    pub(super) fn holder(&self, object: u32) -> Option<u32> {
        let index = object.checked_sub(self.edges.placed().before(object))?;
        if self.hanging.get(object) { self.holders.get(index as usize).copied() } else { None }
    }

    /// Calls `f` with each reached object that hangs on a node.
    pub(super) fn for_each_hanging_on(&self, node: u32, mut f: impl FnMut(u32)) {
        let places = self.places();
        if let Some(place) = places.place(node) {
            places.for_each_hanging(place, |w, _| f(w));
        }
    }

    /// Whether some root reaches the node.
    #[must_use]
    pub fn is_reachable(&self, node: u32) -> bool {
        self.find(node).is_some()
    }

    /// Nodes reached, groups and the root included.
    #[must_use]
    pub fn reached(&self) -> u32 {
        self.tree.reached + self.hanging_count
    }

    /// Objects that no root reaches: garbage that is not swept yet. Counted anew at each call.
    #[must_use]
    pub fn unreachable_objects(&self) -> u32 {
        let nodes = &self.tree.node_of[..self.tree.reached as usize];
        let reached = nodes.iter().filter(|n| **n < self.objects).count() as u32 + self.hanging_count;
        self.objects.saturating_sub(reached)
    }

    /// Nodes reached, the root first, each after its dominator.
    pub fn nodes(&self) -> impl Iterator<Item = u32> + '_ {
        self.tree.node_of[..self.tree.reached as usize].iter().copied().chain(self.hanging.iter())
    }

    /// The immediate dominator: the nearest node that all paths from the root to `node` pass. None for the
    /// root and what is not reachable.
    #[must_use]
    pub fn dominator(&self, node: u32) -> Option<u32> {
        match self.find(node)? {
            Found::Number(0) => None,
            Found::Number(number) => Some(self.node(self.tree.dominator[number as usize])),
            Found::Hanging => self.holder(node).map(|i| self.node(i)),
        }
    }

    /// Bytes that only this node keeps reachable, its own included. 0 if it is not reachable.
    #[must_use]
    pub fn retained(&self, node: u32) -> u64 {
        match self.find(node) {
            Some(Found::Number(i)) => self.retained.get(i),
            Some(Found::Hanging) => (self.size)(node),
            None => 0,
        }
    }

    /// Bytes of everything reachable.
    #[must_use]
    pub fn total(&self) -> u64 {
        if self.tree.reached == 0 { 0 } else { self.retained.get(0) }
    }

    /// The node, its dominator, and so on up to the root. Empty if it is not reachable.
    pub fn path_to_root(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let (hanging, first) = match self.find(node) {
            None => (None, None),
            Some(Found::Number(number)) => (None, Some(number)),
            Some(Found::Hanging) => (Some(node), self.holder(node)),
        };
        let up = |&i: &u32| (i != 0).then(|| self.tree.dominator[i as usize]);
        hanging.into_iter().chain(std::iter::successors(first, up).map(|i| self.node(i)))
    }

    /// The nodes whose immediate dominator is `node`, largest retained size first, then by number. Looks at
    /// every node: for more than a few questions build [`DominatorTree::children_index`].
    #[must_use]
    pub fn children(&self, node: u32) -> Vec<u32> {
        let Some(number) = self.number(node) else { return Vec::new() };
        let dominators = self.dominator_numbers();
        let numbers = (number + 1..self.tree.reached).filter(|i| dominators[*i as usize] == number);
        self.by_size(node, numbers)
    }

    /// Calls `f` with each child of each of `parents`: the parent's index, the child, what it retains. Looks at every
    /// node once. Of a parent that is named twice the first index is told.
    pub fn for_each_child(&self, parents: &[u32], mut f: impl FnMut(usize, u32, u64)) {
        let mut index_of: FxHashMap<u32, usize> = FxHashMap::default();
        for (i, parent) in parents.iter().enumerate() {
            if let Some(number) = self.number(*parent)
                && let Entry::Vacant(first) = index_of.entry(number)
            {
                first.insert(i);
                self.for_each_hanging_on(*parent, |w| f(i, w, (self.size)(w)));
            }
        }
        let marks: Bits = index_of.keys().copied().collect();
        for (i, d) in (0..).zip(self.dominator_numbers()).skip(1) {
            if marks.get(*d)
                && let Some(&index) = index_of.get(d)
            {
                f(index, self.node(i), self.retained.get(i));
            }
        }
    }

    /// Nodes of these numbers and those that hang on `node`.
    fn by_size(&self, node: u32, numbers: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut keys: Vec<_> = numbers.map(|i| (Reverse(self.retained.get(i)), self.node(i))).collect();
        self.for_each_hanging_on(node, |w| keys.push((Reverse((self.size)(w)), w)));
        keys.sort_unstable();
        keys.into_iter().map(|(_, node)| node).collect()
    }

    /// Up to `count` nodes that `filter` accepts, largest retained size first, then by number.
    #[must_use]
    pub fn largest(&self, count: usize, filter: impl FnMut(u32) -> bool) -> Vec<u32> {
        let hanging = self.hanging.iter().map(|w| ((self.size)(w), w));
        self.largest_of(count, self.numbered().chain(hanging), filter)
    }

    /// The same among nodes that may point to others: objects that hang are passed over.
    #[must_use]
    pub fn largest_inner(&self, count: usize, filter: impl FnMut(u32) -> bool) -> Vec<u32> {
        self.largest_of(count, self.numbered(), filter)
    }

    fn numbered(&self) -> impl Iterator<Item = (u64, u32)> + '_ {
        (0..self.tree.reached).map(|i| (self.retained.get(i), self.node(i)))
    }

    fn largest_of(
        &self,
        count: usize,
        nodes: impl Iterator<Item = (u64, u32)>,
        mut filter: impl FnMut(u32) -> bool,
    ) -> Vec<u32> {
        let mut kept = BinaryHeap::new();
        for (size, node) in nodes {
            let worst: Option<&(Reverse<u64>, u32)> = kept.peek();
            if kept.len() == count && worst.is_none_or(|w| *w <= (Reverse(size), node)) {
                continue;
            }
            if filter(node) {
                kept.push((Reverse(size), node));
                if kept.len() > count {
                    kept.pop();
                }
            }
        }
        kept.into_sorted_vec().into_iter().map(|(_, node)| node).collect()
    }

    /// The children of every node, for many questions at once.
    #[must_use]
    pub fn children_index(&self) -> ChildrenIndex<'_> {
        let dominators = self.dominator_numbers();
        let mut starts: Array<u32> = Array::zeroed(dominators.len() + 2);
        let mut children: Array<u32> = Array::zeroed(dominators.len());
        let (s, c) = (&mut *starts, &mut *children);
        for &d in dominators.iter().skip(1) {
            s[d as usize + 2] += 1;
        }
        for i in 2..s.len() {
            s[i] += s[i - 1];
        }
        for (i, &d) in dominators.iter().enumerate().skip(1) {
            let at = &mut s[d as usize + 1];
            c[*at as usize] = i as u32;
            *at += 1;
        }
        ChildrenIndex { tree: self, starts, children }
    }

    /// The largest child of every node, for ways down the tree.
    #[must_use]
    pub fn largest_children(&self) -> LargestChildren<'_> {
        let dominators = self.dominator_numbers();
        let mut largest: Array<u32> = Array::zeroed(dominators.len());
        let best = &mut *largest;
        let key = |i: u32| (Reverse(self.retained.get(i)), self.node(i));
        for (i, &d) in (0..).zip(dominators).skip(1) {
            let child = &mut best[d as usize];
            if *child == 0 || key(i) < key(*child) {
                *child = i;
            }
        }
        LargestChildren { tree: self, largest }
    }

    /// Calls `f` with each node reached and its retained size, the root first, each after its dominator.
    pub fn for_each(&self, mut f: impl FnMut(u32, u64)) {
        self.numbered().for_each(|(size, node)| f(node, size));
        self.hanging.iter().for_each(|w| f(w, (self.size)(w)));
    }

    /// Calls `f` with each node reached but for the root and its immediate dominator, each after its dominator.
    pub fn for_each_dominated(&self, mut f: impl FnMut(u32, u32)) {
        let numbers = self.tree.node_of.iter().zip(self.dominator_numbers()).skip(1);
        numbers.for_each(|(node, dominator)| f(*node, self.node(*dominator)));
        for w in self.hanging.iter() {
            if let Some(holder) = self.holder(w) {
                f(w, self.node(holder));
            }
        }
    }

    /// Asks for what [`DominatorTree::retained`] of a node reads.
    #[inline]
    pub fn prefetch(&self, node: u32) {
        prefetch_index(&*self.tree.number_of, self.places().place(node).unwrap_or(NONE) as usize);
    }
}

/// The largest child of every node in the dominator tree.
#[derive(Debug)]
pub struct LargestChildren<'a> {
    tree: &'a DominatorTree,
    /// By number; 0 for none.
    largest: Array<u32>,
}

impl LargestChildren<'_> {
    /// The child with the largest retained size; of several the one with the smallest number.
    #[must_use]
    pub fn of(&self, node: u32) -> Option<u32> {
        let tree = self.tree;
        let inner = Some(self.largest[tree.number(node)? as usize]).filter(|i| *i != 0);
        let mut best = inner.map(|i| (Reverse(tree.retained.get(i)), tree.node(i)));
        tree.for_each_hanging_on(node, |w| {
            let key = (Reverse((tree.size)(w)), w);
            if best.is_none_or(|b| key < b) {
                best = Some(key);
            }
        });
        best.map(|(_, node)| node)
    }

    /// The path from `node` to where its memory accumulates: down the dominator tree along the largest
    /// child as long as that child retains at least `share` of its parent. The last node of the path is the
    /// accumulation point. Eclipse MAT calls the share "big drop ratio" and takes 0.7 (`FindLeaksQuery`).
    /// Empty if the node is not reachable.
    #[must_use]
    pub fn accumulation_path(&self, node: u32, share: f64) -> Vec<u32> {
        let tree = self.tree;
        let mut path: Vec<u32> = tree.is_reachable(node).then_some(node).into_iter().collect();
        while let Some(&at) = path.last() {
            let Some(child) = self.of(at) else { break };
            if (tree.retained(child) as f64) < share * tree.retained(at) as f64 {
                break;
            }
            path.push(child);
        }
        path
    }
}

/// The children of every node in the dominator tree.
#[derive(Debug)]
pub struct ChildrenIndex<'a> {
    tree: &'a DominatorTree,
    /// The children of number `i` are `children[starts[i]..starts[i + 1]]`, and what hangs on it.
    starts: Array<u32>,
    children: Array<u32>,
}

impl ChildrenIndex<'_> {
    fn numbers(&self, number: u32) -> &[u32] {
        let at = |i: u32| self.starts[i as usize] as usize;
        &self.children[at(number)..at(number + 1)]
    }

    /// Calls `f` with the nodes whose immediate dominator is `node`, what they retain, and whether they hang: then
    /// nothing is below them. In no order.
    pub fn for_each(&self, node: u32, mut f: impl FnMut(u32, u64, bool)) {
        let numbers = self.tree.number(node).map_or(&[][..], |i| self.numbers(i));
        numbers.iter().for_each(|&i| f(self.tree.node(i), self.tree.retained.get(i), false));
        self.tree.for_each_hanging_on(node, |w| f(w, (self.tree.size)(w), true));
    }

    /// How many nodes have `node` as their immediate dominator.
    #[must_use]
    pub fn count(&self, node: u32) -> usize {
        let Some(number) = self.tree.number(node) else { return 0 };
        let mut count = self.numbers(number).len();
        self.tree.for_each_hanging_on(node, |_| count += 1);
        count
    }

    /// The nodes whose immediate dominator is `node`, largest retained size first, then by number.
    #[must_use]
    pub fn of(&self, node: u32) -> Vec<u32> {
        let number = self.tree.number(node);
        number.map_or_else(Vec::new, |i| self.tree.by_size(node, self.numbers(i).iter().copied()))
    }

    /// Leak suspects as Eclipse MAT picks them: the nodes accepted by `filter` (say, objects but not the
    /// groups above them) that have no accepted node above them in the dominator tree and retain at least
    /// `share` of all (MAT: 0.2), largest first.
    #[must_use]
    pub fn suspects(&self, share: f64, mut filter: impl FnMut(u32) -> bool) -> Vec<u32> {
        let tree = self.tree;
        let least = (share * tree.total() as f64).max(1.0);
        let (mut found, mut pending) = (Vec::new(), Vec::new());
        if tree.tree.reached > 0 {
            pending.push(0u32);
        }
        while let Some(i) = pending.pop() {
            // A child retains no more than its parent: small ones need not be entered.
            let (retained, node) = (tree.retained.get(i), tree.node(i));
            if (retained as f64) < least {
                continue;
            }
            if filter(node) {
                found.push((Reverse(retained), node));
                continue;
            }
            pending.extend(self.numbers(i));
            tree.for_each_hanging_on(node, |w| {
                let size = (tree.size)(w);
                if size as f64 >= least && filter(w) {
                    found.push((Reverse(size), w));
                }
            });
        }
        found.sort_unstable();
        found.into_iter().map(|(_, node)| node).collect()
    }
}
