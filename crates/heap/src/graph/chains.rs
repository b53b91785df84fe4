//! Linear chains of nodes of one kind: linked lists, whoever wrote them.
//!
//! Owns what counts as a chain; finding it takes two passes over the edges' sources and none by recursion.
//! Refuses to look for longest paths in general, which has no quick answer in graphs with cycles: nodes
//! with three and more neighbours of their kind (trees with parent pointers, skip lists) are not in chains.
//!
//! The *neighbours* of a node are its distinct successors of its own kind, itself excepted. Two nodes are linked
//!
//! - doubly, if each has at most two neighbours and each is a neighbour of the other (`container/list`), or
//! - singly, from a node whose only neighbour is the other, if no other such node points there too and the other
//!   has at most two neighbours and no double link.
//!
//! A chain is as long as links go on. Where lists share a tail the tail is a chain of its own.

use super::{Array, Bits, Ranked, Successors};

/// A linear chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Chain {
    /// Its first node; of a closed or doubly linked one the end with the smaller number.
    pub start: u32,
    /// The kind of all its nodes.
    pub kind: u32,
    /// How many nodes it has.
    pub length: u32,
    /// Bytes of its nodes themselves.
    pub bytes: u64,
    /// How its nodes are linked.
    pub shape: ChainShape,
    /// Whether the last node leads to the first again.
    pub closed: bool,
}

/// How the nodes of a chain point to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ChainShape {
    /// Each to the next.
    Single,
    /// Each to the next and to the one before.
    Double,
}

/// Both words of a node with more than two neighbours.
const MANY: u32 = u32::MAX;

/// Finds the chains of at least `least` nodes (2 or more), longest first, then by start. Nodes not in
/// `live` (if given) are passed over, and cost next to nothing.
pub fn linear_chains(
    graph: &impl Successors,
    live: Option<&Bits>,
    least: u32,
    kind: impl Fn(u32) -> u32,
    size: impl Fn(u32) -> u64,
) -> Vec<Chain> {
    // From here on nodes are numbered among the live ones.
    let live = match live {
        Some(live) => Ranked::of(live),
        None => Ranked::new(graph.node_count(), std::iter::repeat(u64::MAX)),
    };
    let n = live.count();
    let node = |v: u32| live.member(v).unwrap_or(0);
    let near = neighbours(graph, &live, &kind);
    let (mut once, mut again, mut done) = (Bits::new(n), Bits::new(n), Bits::new(n));
    for v in 0..n {
        if let Some(w) = single(&near, v)
            && !once.insert(w)
        {
            again.insert(w);
        }
    }
    let links = Links { near: &near, again: &again };
    let mut found = Vec::new();
    let mut walk = |start: u32, shape: ChainShape, done: &mut Bits| {
        let mut chain = Chain { start: node(start), kind: 0, length: 0, bytes: 0, shape, closed: false };
        let (mut at, mut last) = (Some(start), start);
        while let Some(v) = at.filter(|v| done.insert(*v)) {
            chain.length += 1;
            chain.bytes = chain.bytes.saturating_add(size(node(v)));
            at = links.next(v, shape, done);
            last = v;
        }
        chain.closed = chain.length > 2
            && match shape {
                ChainShape::Single => links.single(last) == Some(start),
                ChainShape::Double => links.both(last).contains(&Some(start)),
            };
        if chain.length >= least.max(2) {
            chain.kind = kind(chain.start);
            found.push(chain);
        }
    };
    for v in 0..n {
        let [a, b] = links.both(v);
        if a.is_some() != b.is_some() {
            walk(v, ChainShape::Double, &mut done);
        } else if links.single(v).is_some() && !(once.get(v) && links.enterable(v)) {
            walk(v, ChainShape::Single, &mut done);
        }
    }
    // What has no end is closed.
    for v in 0..n {
        if done.get(v) {
            continue;
        }
        if links.both(v) != [None, None] {
            walk(v, ChainShape::Double, &mut done);
        } else if links.single(v).is_some() {
            walk(v, ChainShape::Single, &mut done);
        }
    }
    found.sort_unstable_by_key(|c| (std::cmp::Reverse(c.length), c.start));
    found
}

/// For each live node up to two neighbours, each plus 1; twice [`MANY`] if there are more.
fn neighbours(graph: &impl Successors, live: &Ranked, kind: &impl Fn(u32) -> u32) -> Array<[u32; 2]> {
    let mut array: Array<[u32; 2]> = Array::zeroed(live.count() as usize);
    for ((place, v), near) in (0u32..).zip(live.iter()).zip(array.iter_mut()) {
        let own = kind(v);
        graph.for_each(v, &mut |node| {
            let Some(w) = live.place(node) else { return };
            if w == place || near.contains(&(w + 1)) || near[1] == MANY || kind(node) != own {
                return;
            }
            *near = match *near {
                [0, _] => [w + 1, 0],
                [a, 0] => [a, w + 1],
                _ => [MANY; 2],
            };
        });
    }
    array
}

/// The only neighbour of `v`, unless it is linked doubly.
fn single(near: &[[u32; 2]], v: u32) -> Option<u32> {
    match near[v as usize] {
        [a, 0] if a != 0 && !near[(a - 1) as usize].contains(&(v + 1)) => Some(a - 1),
        _ => None,
    }
}

/// The links between nodes, by the rules at the head of this file.
struct Links<'a> {
    near: &'a [[u32; 2]],
    /// Nodes that are the only neighbour of several.
    again: &'a Bits,
}

impl Links<'_> {
    /// The nodes that `v` is linked to doubly.
    fn both(&self, v: u32) -> [Option<u32>; 2] {
        self.near[v as usize].map(|w| {
            let w = w.checked_sub(1).filter(|_| w != MANY)?;
            self.near[w as usize].contains(&(v + 1)).then_some(w)
        })
    }

    /// Whether a node whose only neighbour is `w` is linked to it, provided that it is the only such node.
    fn enterable(&self, w: u32) -> bool {
        !self.again.get(w) && self.near[w as usize][1] != MANY && self.both(w) == [None, None]
    }

    fn single(&self, v: u32) -> Option<u32> {
        single(self.near, v).filter(|w| self.enterable(*w))
    }

    /// The next node of the chain, if there is one; after the last of a closed one possibly one that is done.
    fn next(&self, v: u32, shape: ChainShape, done: &Bits) -> Option<u32> {
        match shape {
            ChainShape::Single => self.single(v),
            ChainShape::Double => {
                let [a, b] = self.both(v);
                a.filter(|a| !done.get(*a)).or(b.filter(|b| !done.get(*b)))
            }
        }
    }
}
