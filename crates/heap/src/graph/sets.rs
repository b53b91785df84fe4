//! Retained sizes of sets of nodes: of a type, of a package.
//!
//! Owns the two answers there are. *By dominators*: the sum over the members with no other member above
//! them in the dominator tree. It is quick and for all kinds at once, and a lower bound: what is reachable
//! through two members only, but through neither alone, is not in it. *Exact*: what becomes unreachable
//! when all members are gone, by a search without them, one search per set.

use super::{Array, Bits, DominatorTree, Rooted, Successors, breadth_first};
use std::ops::ControlFlow;

/// Kinds of which both objects that hang and others are.
struct Mixed {
    kinds: Bits,
    /// Numbers on which objects of such kinds hang.
    on: Bits,
}

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
        let dominators = self.dominator_numbers();
        if dominators.is_empty() {
            return sums;
        }
        let mixed = self.hanging_by_kind(&mut sums, &kind);
        // How many nodes of a kind are on the way from the root to here.
        let mut open = vec![0u32; kinds];
        let (first, next) = self.child_lists();
        let mut at = 0u32;
        loop {
            let node = self.node(at);
            let k = kind(node) as usize;
            if let Some(open) = open.get_mut(k) {
                if *open == 0 {
                    sums[k] = sums[k].saturating_add(self.retained.get(at));
                }
                *open += 1;
            }
            if let Some(mixed) = mixed.as_ref().filter(|m| m.on.get(at)) {
                self.for_each_hanging_on(node, |w| {
                    let k = kind(w);
                    if mixed.kinds.get(k) && open.get(k as usize) == Some(&0) {
                        sums[k as usize] = sums[k as usize].saturating_add((self.size)(w));
                    }
                });
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

    /// Adds the objects that hang to the sums of kinds of which nothing but such objects is: no two of them are on
    /// one way from the root. Of the others tells what they hang on.
    fn hanging_by_kind(&self, sums: &mut [u64], kind: &impl Fn(u32) -> u32) -> Option<Mixed> {
        let kinds = sums.len() as u32;
        let (mut inner, mut mixed) = (Bits::new(kinds), Bits::new(kinds));
        for i in 0..self.tree.reached {
            inner.insert(kind(self.node(i)));
        }
        for w in self.hanging.iter() {
            let k = kind(w);
            if inner.get(k) {
                mixed.insert(k);
            } else if let Some(sum) = sums.get_mut(k as usize) {
                *sum = sum.saturating_add((self.size)(w));
            }
        }
        if mixed.count() == 0 {
            return None;
        }
        let mut on = Bits::new(self.tree.reached);
        let places = self.places();
        places.for_each_node(|place, node| {
            let mut any = false;
            places.for_each_hanging(place, |w| any = any || mixed.get(kind(w)));
            if any && let Some(number) = self.number(node) {
                on.insert(number);
            }
        });
        Some(Mixed { kinds: mixed, on })
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
