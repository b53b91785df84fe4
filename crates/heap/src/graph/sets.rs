//! Retained sizes of sets of nodes: of a type, of a package.
//!
//! Owns the two answers there are. *By dominators*: the sum over the members with no other member above
//! them in the dominator tree. It is quick and for all kinds at once, and a lower bound: what is reachable
//! through two members only, but through neither alone, is not in it. *Exact*: what becomes unreachable
//! when all members are gone, by a search without them, one search per set.

use super::{Array, Bits, DominatorTree, Rooted, Successors, breadth_first};
use std::ops::ControlFlow;

impl DominatorTree {
    /// Bytes retained by the members of a set, by dominators: a lower bound of
    /// [`DominatorTree::retained_exactly`], equal to it for a set of one.
    #[must_use]
    pub fn retained_by(&self, set: &Bits) -> u64 {
        let dominators = self.dominator_numbers();
        let mut within = Bits::new(dominators.len() as u32);
        let mut sum = 0u64;
        for i in 0..dominators.len() as u32 {
            let above = i != 0 && within.get(dominators[i as usize]);
            if above || set.get(self.node(i)) {
                within.insert(i);
                if !above {
                    sum = sum.saturating_add(self.retained.get(i));
                }
            }
        }
        for w in self.hanging.iter().filter(|w| set.get(*w)) {
            if self.holder(w).is_some_and(|i| !within.get(i)) {
                sum = sum.saturating_add((self.size)(w));
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
    #[must_use]
    pub fn retained_by_kind(&self, kinds: usize, kind: impl Fn(u32) -> u32) -> Vec<u64> {
        let mut sums = vec![0u64; kinds];
        let Preorder { position, order, below } = self.preorder();
        let hanging = self.hanging_by_kind(&mut sums, &kind, &position, &below);
        drop(position);
        let mut hanging = hanging.into_iter().peekable();
        // Where the outermost node of a kind ends that was met last: what lies before it is within it.
        let mut ends = vec![0u32; kinds];
        for (at, &number) in (0u32..).zip(&*order) {
            if let Some(end) = ends.get_mut(kind(self.node(number)) as usize)
                && *end <= at
            {
                *end = at.saturating_add(below[number as usize]);
                let k = kind(self.node(number)) as usize;
                sums[k] = sums[k].saturating_add(self.retained.get(number));
            }
            while let Some((_, object)) = hanging.next_if(|h| h.0 == at) {
                let k = kind(object) as usize;
                if ends[k] <= at {
                    sums[k] = sums[k].saturating_add((self.size)(object));
                }
            }
        }
        sums
    }

    /// Adds the objects that hang to the sums of kinds of which no node dominates others: none of them is within
    /// another. Gives the rest with the positions of what they hang on, in that order.
    fn hanging_by_kind(
        &self,
        sums: &mut [u64],
        kind: &impl Fn(u32) -> u32,
        position: &[u32],
        below: &[u32],
    ) -> Vec<(u32, u32)> {
        let mut holders = Bits::new(self.tree.reached);
        // Of objects that were not reached it is the root, which is of no kind.
        for holder in self.holders.iter() {
            holders.insert(*holder);
        }
        let mut inner = Bits::new(sums.len() as u32);
        for i in (0..self.tree.reached).filter(|i| below[*i as usize] > 1 || holders.get(*i)) {
            inner.insert(kind(self.node(i)));
        }
        let mut mixed = Vec::new();
        for w in self.hanging.iter() {
            let k = kind(w);
            if inner.get(k) {
                mixed.extend(self.holder(w).map(|holder| (position[holder as usize], w)));
            } else if let Some(sum) = sums.get_mut(k as usize) {
                *sum = sum.saturating_add((self.size)(w));
            }
        }
        mixed.sort_unstable();
        mixed
    }

    /// Orders the numbers so that what a node dominates follows it.
    fn preorder(&self) -> Preorder {
        let dominators = self.dominator_numbers();
        let n = dominators.len();
        let (mut below, mut position, mut order) = (Array::zeroed(n), Array::zeroed(n), Array::zeroed(n));
        let sizes: &mut [u32] = &mut below;
        sizes.fill(1);
        for i in (1..n).rev() {
            sizes[dominators[i] as usize] += sizes[i];
        }
        // First the next free position below a number, then `order` has that and `position` the number's own.
        let (own, free): (&mut [u32], &mut [u32]) = (&mut position, &mut order);
        for (i, &d) in dominators.iter().enumerate() {
            let at = if i == 0 { 0 } else { free[d as usize] };
            if i != 0 {
                free[d as usize] += sizes[i];
            }
            (own[i], free[i]) = (at, at + 1);
        }
        for (i, &at) in (0u32..).zip(own.iter()) {
            free[at as usize] = i;
        }
        Preorder { position, order, below }
    }
}

/// The nodes of the dominator tree, each before those that it dominates.
struct Preorder {
    /// By number.
    position: Array<u32>,
    /// The number at each position.
    order: Array<u32>,
    /// How many nodes each number dominates, itself included.
    below: Array<u32>,
}
