//! The dominator tree with retained sizes: what would be freed if a node were not there.
//!
//! Owns the questions asked of it: dominators, children, the largest, the accumulation point. Nodes are named by
//! their own numbers; preorder numbers stay inside. A node that no root reaches has no place in the tree, and every
//! question about it has the answer "none" or zero.

use super::dominators::{Dominators, dominators};
use super::retained::Sizes;
use super::{Array, Rooted, Successors};
use prefetch_index::prefetch_index;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Dominators and retained sizes of all nodes reachable from the root.
#[derive(Debug)]
pub struct DominatorTree {
    pub(super) tree: Dominators,
    pub(super) retained: Sizes,
    objects: u32,
}

impl DominatorTree {
    /// Searches the graph and builds the tree. `size` gives the bytes of a node itself (of an object its
    /// slot; for a group what the global or the stack takes, or 0); the root has none. Bytes are exact up
    /// to 2^48 in all.
    #[must_use]
    pub fn new<S: Successors>(graph: &Rooted<'_, S>, size: impl Fn(u32) -> u64) -> Self {
        let tree = dominators(graph, graph.root());
        let node_of = &tree.node_of[..tree.reached as usize];
        let of_number = |i: u32| if i == 0 { 0 } else { size(node_of[i as usize]) };
        let mut retained = Sizes::new(tree.reached, of_number);
        retained.sum_up(&tree.dominator[..tree.reached as usize]);
        DominatorTree { tree, retained, objects: graph.object_count() }
    }

    /// The number of a node, if it was reached.
    #[inline]
    pub(super) fn number(&self, node: u32) -> Option<u32> {
        let number = *self.tree.number_of.get(node as usize)?;
        (number < self.tree.reached && self.tree.node_of[number as usize] == node).then_some(number)
    }

    #[inline]
    pub(super) fn node(&self, number: u32) -> u32 {
        self.tree.node_of[number as usize]
    }

    /// The number of each number's dominator.
    pub(super) fn dominator_numbers(&self) -> &[u32] {
        &self.tree.dominator[..self.tree.reached as usize]
    }

    /// Whether some root reaches the node.
    #[must_use]
    pub fn is_reachable(&self, node: u32) -> bool {
        self.number(node).is_some()
    }

    /// Nodes reached, groups and the root included.
    #[must_use]
    pub fn reached(&self) -> u32 {
        self.tree.reached
    }

    /// Objects that no root reaches: garbage that is not swept yet. Counted anew at each call.
    #[must_use]
    pub fn unreachable_objects(&self) -> u32 {
        let nodes = &self.tree.node_of[..self.tree.reached as usize];
        self.objects - nodes.iter().filter(|n| **n < self.objects).count() as u32
    }

    /// Nodes reached, the root first, each after its dominator.
    pub fn nodes(&self) -> impl Iterator<Item = u32> + '_ {
        self.tree.node_of[..self.tree.reached as usize].iter().copied()
    }

    /// The immediate dominator: the nearest node that all paths from the root to `node` pass. None for the
    /// root and what is not reachable.
    #[must_use]
    pub fn dominator(&self, node: u32) -> Option<u32> {
        let number = self.number(node)?;
        (number != 0).then(|| self.node(self.tree.dominator[number as usize]))
    }

    /// Bytes that only this node keeps reachable, its own included. 0 if it is not reachable.
    #[must_use]
    pub fn retained(&self, node: u32) -> u64 {
        self.number(node).map_or(0, |i| self.retained.get(i))
    }

    /// Bytes of everything reachable.
    #[must_use]
    pub fn total(&self) -> u64 {
        if self.tree.reached == 0 { 0 } else { self.retained.get(0) }
    }

    /// The node, its dominator, and so on up to the root. Empty if it is not reachable.
    pub fn path_to_root(&self, node: u32) -> impl Iterator<Item = u32> + '_ {
        let first = self.number(node);
        let up = |&i: &u32| (i != 0).then(|| self.tree.dominator[i as usize]);
        std::iter::successors(first, up).map(|i| self.node(i))
    }

    /// The nodes whose immediate dominator is `node`, largest retained size first, then by number. Looks at
    /// every node: for more than a few questions build [`DominatorTree::children_index`].
    #[must_use]
    pub fn children(&self, node: u32) -> Vec<u32> {
        let Some(number) = self.number(node) else { return Vec::new() };
        let dominators = self.dominator_numbers();
        let numbers = (number + 1..self.tree.reached).filter(|i| dominators[*i as usize] == number);
        self.by_size(numbers)
    }

    fn by_size(&self, numbers: impl Iterator<Item = u32>) -> Vec<u32> {
        let mut keys: Vec<_> = numbers.map(|i| (Reverse(self.retained.get(i)), self.node(i))).collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, node)| node).collect()
    }

    /// Up to `count` nodes that `filter` accepts, largest retained size first, then by number.
    #[must_use]
    pub fn largest(&self, count: usize, mut filter: impl FnMut(u32) -> bool) -> Vec<u32> {
        let mut kept = BinaryHeap::new();
        for i in 0..self.tree.reached {
            let size = self.retained.get(i);
            let worst: Option<&(Reverse<u64>, u32)> = kept.peek();
            if kept.len() == count && worst.is_none_or(|w| *w <= (Reverse(size), self.node(i))) {
                continue;
            }
            let node = self.node(i);
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

    /// Calls `f` with each node reached and its retained size, the root first, each after its dominator.
    pub fn for_each(&self, mut f: impl FnMut(u32, u64)) {
        for i in 0..self.tree.reached {
            f(self.node(i), self.retained.get(i));
        }
    }

    /// Asks for what [`DominatorTree::retained`] of a node reads first.
    #[inline]
    pub fn prefetch(&self, node: u32) {
        prefetch_index(&*self.tree.number_of, node as usize);
    }
}

/// The children of every node in the dominator tree.
#[derive(Debug)]
pub struct ChildrenIndex<'a> {
    tree: &'a DominatorTree,
    /// The children of number `i` are `children[starts[i]..starts[i + 1]]`.
    starts: Array<u32>,
    children: Array<u32>,
}

impl ChildrenIndex<'_> {
    fn numbers(&self, number: u32) -> &[u32] {
        let at = |i: u32| self.starts[i as usize] as usize;
        &self.children[at(number)..at(number + 1)]
    }

    /// The nodes whose immediate dominator is `node` with what they retain, in no order.
    pub fn each(&self, node: u32) -> impl Iterator<Item = (u32, u64)> + '_ {
        let numbers = self.tree.number(node).map_or(&[][..], |i| self.numbers(i));
        numbers.iter().map(|&i| (self.tree.node(i), self.tree.retained.get(i)))
    }

    /// How many nodes have `node` as their immediate dominator.
    #[must_use]
    pub fn count(&self, node: u32) -> usize {
        self.tree.number(node).map_or(0, |i| self.numbers(i).len())
    }

    /// The nodes whose immediate dominator is `node`, largest retained size first, then by number.
    #[must_use]
    pub fn of(&self, node: u32) -> Vec<u32> {
        self.tree.number(node).map_or_else(Vec::new, |i| self.tree.by_size(self.numbers(i).iter().copied()))
    }

    /// The child with the largest retained size; of several the one with the smallest number.
    #[must_use]
    pub fn largest(&self, node: u32) -> Option<u32> {
        let numbers = self.numbers(self.tree.number(node)?).iter();
        numbers.map(|&i| (Reverse(self.tree.retained.get(i)), self.tree.node(i))).min().map(|(_, node)| node)
    }

    /// The path from `node` to where its memory accumulates: down the dominator tree along the largest
    /// child as long as that child retains at least `share` of its parent. The last node of the path is the
    /// accumulation point. Eclipse MAT calls the share "big drop ratio" and takes 0.7 (`FindLeaksQuery`).
    /// Empty if the node is not reachable.
    #[must_use]
    pub fn accumulation_path(&self, node: u32, share: f64) -> Vec<u32> {
        let mut path: Vec<u32> = self.tree.is_reachable(node).then_some(node).into_iter().collect();
        while let Some(&at) = path.last() {
            let Some(child) = self.largest(at) else { break };
            if (self.tree.retained(child) as f64) < share * self.tree.retained(at) as f64 {
                break;
            }
            path.push(child);
        }
        path
    }

    /// Leak suspects as Eclipse MAT picks them: the nodes accepted by `filter` (say, objects but not the
    /// groups above them) that have no accepted node above them in the dominator tree and retain at least
    /// `share` of all (MAT: 0.2), largest first.
    #[must_use]
    pub fn suspects(&self, share: f64, mut filter: impl FnMut(u32) -> bool) -> Vec<u32> {
        let least = (share * self.tree.total() as f64).max(1.0);
        let (mut found, mut pending) = (Vec::new(), Vec::new());
        if self.tree.reached() > 0 {
            pending.push(0u32);
        }
        while let Some(i) = pending.pop() {
            // A child retains no more than its parent: small ones need not be entered.
            if (self.tree.retained.get(i) as f64) < least {
                continue;
            }
            if filter(self.tree.node(i)) {
                found.push(i);
            } else {
                pending.extend(self.numbers(i));
            }
        }
        self.tree.by_size(found.into_iter())
    }
}
