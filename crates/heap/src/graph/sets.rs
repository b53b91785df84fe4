//! Retained sizes of sets of nodes: of a type, of a package.
//!
//! Owns the two answers there are. *By dominators*: the sum over the members with no other member above
//! them in the dominator tree. It is quick and for all kinds at once, and a lower bound: what is reachable
//! through two members only, but through neither alone, is not in it. *Exact*: what becomes unreachable
//! when all members are gone, by a search without them, one search per set.

use super::{Array, Bits, DominatorTree, NONE, Rooted, Successors, breadth_first};
use rustc_hash::FxHashMap;
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

    /// For each kind `0..kinds` the bytes that its nodes retain, by dominators: the sum over those with none of their
    /// kind above them. Nodes whose kind is out of range (groups, say) count for none. `ask` may fetch ahead what
    /// `kind` will read.
    #[must_use]
    pub fn retained_by_kind(&self, kinds: usize, ask: impl Fn(u32), kind: impl Fn(u32) -> u32) -> Vec<u64> {
        let mut sums = vec![0u64; kinds];
        let reached = self.tree.reached as usize;
        let (mut of_number, mut above): (Array<u32>, Array<u32>) = (Array::zeroed(reached), Array::zeroed(reached));
        let (of, above) = (&mut *of_number, &mut *above);
        let mut paths = KindPaths::default();
        let mut dominating = Bits::new(kinds as u32);
        for (i, &d) in (0u32..).zip(self.dominator_numbers()) {
            if i as usize + AHEAD < reached {
                ask(self.node(i + AHEAD as u32));
            }
            let k = kind(self.node(i));
            of[i as usize] = k;
            if i != 0 {
                dominating.insert(of[d as usize]);
            }
            let over = if i == 0 { 0 } else { above[d as usize] };
            above[i as usize] = over;
            if let Some(sum) = sums.get_mut(k as usize) {
                let (path, is_new) = paths.enter(over, k);
                above[i as usize] = path;
                if is_new {
                    *sum = sum.saturating_add(self.retained.get(i));
                }
            }
        }
        // Of objects that hang and were not reached it is the root, which is of no kind.
        let mut holders = Bits::new(self.tree.reached);
        for holder in self.holders.iter() {
            holders.insert(*holder);
        }
        for holder in holders.iter() {
            dominating.insert(of[holder as usize]);
        }
        for w in self.hanging.iter() {
            let k = kind(w);
            let Some(sum) = sums.get_mut(k as usize) else { continue };
            // What hangs dominates nothing: where none of its kind does, none is above it.
            let over = self.holder(w).filter(|_| dominating.get(k)).map(|holder| above[holder as usize]);
            if over.is_none_or(|over| paths.enter(over, k).1) {
                *sum = sum.saturating_add((self.size)(w));
            }
        }
        sums
    }
}

/// Numbers between asking for a node's kind and reading it.
const AHEAD: usize = 16;
/// Entries of the cache of [`KindPaths`]: a power of two.
const RECENT: usize = 1 << 12;
/// Most kinds of one path: below that many no further ones are told apart, so that no forged tree takes quadratic time.
const MOST_KINDS: u32 = 1 << 10;

/// The kinds on paths from the root down, each once, as numbered sets: set 0 is empty, every other one has one kind
/// more than another. There are few: nodes by the million have the same kinds above them.
#[derive(Debug)]
struct KindPaths {
    /// Of each set the one before, the kind that it has more, how many it has.
    sets: Vec<(u32, u32, u32)>,
    /// The set that a kind leads to, and whether it was not in the set before.
    next: FxHashMap<(u32, u32), (u32, bool)>,
    /// What was asked last.
    recent: Vec<((u32, u32), (u32, bool))>,
}

impl Default for KindPaths {
    fn default() -> Self {
        // No set has this number.
        let none = ((NONE, NONE), (0, false));
        KindPaths { sets: vec![(0, NONE, 0)], next: FxHashMap::default(), recent: vec![none; RECENT] }
    }
}

impl KindPaths {
    /// The set with a kind more, and whether it was not in `set` before.
    #[inline]
    fn enter(&mut self, set: u32, kind: u32) -> (u32, bool) {
        let place = (set.wrapping_mul(0x9e37_79b1) ^ kind.wrapping_mul(0x85eb_ca6b)) as usize >> 8 & (RECENT - 1);
        match self.recent.get(place) {
            Some(&(key, found)) if key == (set, kind) => found,
            _ => {
                let found = self.look_up(set, kind);
                if let Some(recent) = self.recent.get_mut(place) {
                    *recent = ((set, kind), found);
                }
                found
            }
        }
    }

    fn look_up(&mut self, set: u32, kind: u32) -> (u32, bool) {
        if let Some(&found) = self.next.get(&(set, kind)) {
            return found;
        }
        let mut at = set;
        while let Some(&(before, own, _)) = self.sets.get(at as usize).filter(|_| at != 0) {
            if own == kind {
                self.next.insert((set, kind), (set, false));
                return (set, false);
            }
            at = before;
        }
        let len = self.sets.get(set as usize).map_or(0, |s| s.2);
        let found = if len < MOST_KINDS {
            self.sets.push((set, kind, len + 1));
            (self.sets.len() as u32 - 1, true)
        } else {
            (set, true)
        };
        self.next.insert((set, kind), found);
        found
    }
}
