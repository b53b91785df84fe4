//! Retained sizes of sets of nodes: of a type, of a package.
//!
//! Owns the two answers there are. *By dominators*: the sum over the members with no other member above
//! them in the dominator tree. It is quick and for all kinds at once, and a lower bound: what is reachable
//! through two members only, but through neither alone, is not in it. *Exact*: what becomes unreachable
//! when all members are gone, by a search without them, one search per set.

use super::{Array, Bits, DominatorTree, Rooted, Successors, breadth_first};
use std::ops::ControlFlow;

/// How far ahead in preorder the kind of a node is asked for.
const AHEAD: u32 = 16;

impl DominatorTree {
    /// Bytes retained by the members of a set, by dominators: a lower bound of
    /// [`DominatorTree::retained_exactly`], equal to it for a set of one.
    #[must_use]
    pub fn retained_by(&self, set: &Bits) -> u64 {
        let dominators = self.dominator_numbers();
        let mut within = Bits::new(self.reached());
        let mut sum = 0u64;
        for i in 0..self.reached() {
            let above = i != 0 && within.get(dominators[i as usize]);
            if above || set.get(self.node(i)) {
                within.insert(i);
                if !above {
                    sum = sum.saturating_add(self.retained.get(i));
                }
            }
        }
        sum
    }

    /// Bytes that become unreachable when all members of a set are gone, their own included. Searches `graph`, which
    /// must be the one the tree was built from, with the same sizes.
    #[must_use]
    pub fn retained_exactly<S: Successors>(&self, graph: &Rooted<'_, S>, set: &Bits, size: impl Fn(u32) -> u64) -> u64 {
        let mut rest = 0u64;
        let root = graph.root();
        breadth_first(graph, &[root], Some(set), |_, nodes| {
            rest = nodes.iter().filter(|n| **n != root).fold(rest, |sum, n| sum.saturating_add(size(*n)));
            ControlFlow::Continue(())
        });
        self.total().saturating_sub(rest)
    }

    /// For each kind `0..kinds` the bytes that its nodes retain, by dominators. Nodes whose kind is out of range
    /// (groups, say) count for none.
    ///
    /// `prefetch` may ask for what `kind` of a node will read; it runs ahead of `kind`.
    #[must_use]
    pub fn retained_by_kind(&self, kinds: usize, kind: impl Fn(u32) -> u32, prefetch: impl Fn(u32)) -> Vec<u64> {
        let mut sums = vec![0u64; kinds];
        // How many nodes of a kind are on the way from the root to here.
        let mut open = vec![0u32; kinds];
        let dominators = self.dominator_numbers();
        if dominators.is_empty() {
            return sums;
        }
        let (first, next) = self.child_lists();
        let mut at = 0u32;
        loop {
            if let Some(ahead) = self.tree.node_of[..dominators.len()].get((at + AHEAD) as usize) {
                prefetch(*ahead);
            }
            let k = kind(self.node(at)) as usize;
            if let Some(open) = open.get_mut(k) {
                if *open == 0 {
                    sums[k] = sums[k].saturating_add(self.retained.get(at));
                }
                *open += 1;
            }
            if first[at as usize] != 0 {
                at = first[at as usize];
                continue;
            }
            loop {
                if let Some(open) = open.get_mut(kind(self.node(at)) as usize) {
                    *open -= 1;
                }
                if next[at as usize] != 0 {
                    at = next[at as usize];
                    break;
                }
                if at == 0 {
                    return sums;
                }
                at = dominators[at as usize];
            }
        }
    }

    /// First child and next sibling of each number in the dominator tree, ascending; 0 for none.
    fn child_lists(&self) -> (Array<u32>, Array<u32>) {
        let dominators = self.dominator_numbers();
        let (mut first, mut next) = (Array::zeroed(dominators.len()), Array::zeroed(dominators.len()));
        let (f, n) = (&mut *first, &mut *next);
        for i in (1..dominators.len()).rev() {
            let d = dominators[i] as usize;
            n[i] = f[d];
            f[d] = i as u32;
        }
        (first, next)
    }
}
