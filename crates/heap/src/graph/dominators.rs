//! Dominators: which node every path from the root to a node passes last.
//!
//! Owns the Semi-NCA algorithm (Georgiadis, Tarjan, Werneck: Finding Dominators in Practice, 2006) on
//! preorder numbers, in two departures. Only nodes with an edge into them from outside the depth-first tree
//! ("joins") are worked on: for all others the parent is semidominator and dominator. And the walk up the
//! dominator tree, quadratic in the original (a list of a million elements whose values an index holds
//! too), goes by segments and skew-binary jumps in logarithmic time. Refuses nothing: any graph that
//! numbers can name has dominators.

use super::depth_first::{DepthFirst, depth_first};
use super::{Array, Bits, NONE, Successors};
use prefetch_index::prefetch_index;
use std::ops::Range;

/// Join nodes are sorted in blocks of this many numbers (log2).
const BLOCK: u32 = 16;
/// The last place in a block.
const LAST: u32 = (1 << BLOCK) - 1;
/// Steps between asking for memory and reading it.
const AHEAD: usize = 8;
/// Edges in one piece of the list that the search writes.
const PIECE: usize = 1 << 16;

/// The dominator tree, by preorder numbers of a depth-first search.
#[derive(Debug)]
pub(super) struct Dominators {
    /// The node of each number: in the graph that was searched, until [`Dominators::name_nodes`] gives it another name.
    pub node_of: Array<u32>,
    /// The number of each node of the graph that was searched; [`NONE`] for nodes not reached.
    pub number_of: Array<u32>,
    /// The immediate dominator's number, smaller than the number itself; 0 for the start.
    pub dominator: Array<u32>,
    /// How many numbers there are.
    pub reached: u32,
}

impl Dominators {
    /// The number of a node of the graph that was searched, if it was reached.
    #[inline]
    pub(super) fn number_of_place(&self, place: u32) -> Option<u32> {
        self.number_of.get(place as usize).copied().filter(|number| *number != NONE)
    }

    /// Gives nodes their final names: `names` calls back with each node of the graph that was searched and its name,
    /// the start last.
    pub(super) fn name_nodes(&mut self, names: impl FnOnce(&mut dyn FnMut(u32, u32))) {
        let (number_of, node_of) = (&*self.number_of, &mut *self.node_of);
        names(&mut |place, name| {
            if let Some(&number) = number_of.get(place as usize)
                && let Some(node) = node_of.get_mut(number as usize)
            {
                *node = name;
            }
        });
    }
}

/// Finds the immediate dominators of all that is reachable from `start`. What `last`, successors of `start` that it names
/// before all others, lead to counts for nothing where something else leads there too: no edge from what only they reach
/// to the rest is looked at.
pub(super) fn dominators(graph: &impl Successors, start: u32, last: Range<u32>) -> Dominators {
    let mut pieces: Vec<Vec<u64>> = Vec::new();
    let DepthFirst { node_of, parent, reached } = depth_first(graph, start, |v, w| match pieces.last_mut() {
        Some(piece) if piece.len() < PIECE => piece.push(pack(w, v)),
        _ => {
            let mut piece = Vec::with_capacity(PIECE);
            piece.push(pack(w, v));
            pieces.push(piece);
        }
    });
    let number_of = invert(&node_of, reached);
    // What is named first is searched last: from here on are the numbers of what nothing else reaches.
    let last = last.filter_map(|node| number_of.get(node as usize).copied()).min().unwrap_or(NONE);
    let (joins, blocks) = sort_by_target(pieces, &number_of, &parent, reached, last);
    let mut dominator = parent;
    let mut paths = Array::zeroed(reached as usize);
    let semis = semidominators(&mut paths, &dominator, reached, blocks, joins.count());
    nearest_common_ancestors(&mut paths, &mut dominator, reached, &joins, semis);
    Dominators { node_of, number_of, dominator, reached }
}

#[inline]
fn pack(high: u32, low: u32) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

/// The number of each node.
fn invert(node_of: &[u32], reached: u32) -> Array<u32> {
    let mut number_of = Array::zeroed(node_of.len());
    number_of.fill(NONE);
    let out = &mut *number_of;
    for (number, &node) in node_of[..reached as usize].iter().enumerate() {
        out[node as usize] = number as u32;
    }
    number_of
}

/// Takes edges as (node, number of the source), gives them as (number, number of the source) by block of
/// targets, with the set of all targets. Leaves out edges from a target's own parent, and those from numbers from `last`
/// on to smaller ones.
fn sort_by_target(
    mut pieces: Vec<Vec<u64>>,
    number_of: &[u32],
    parent: &[u32],
    reached: u32,
    last: u32,
) -> (Bits, Vec<Vec<u64>>) {
    let mut joins = Bits::new(reached);
    let mut sizes = vec![0usize; (reached as usize >> BLOCK) + 1];
    for piece in &mut pieces {
        for i in 0..piece.len() {
            prefetch_index(number_of, piece.get(i + AHEAD).map_or(0, |e| (e >> 32) as usize));
            piece[i] = pack(number_of[(piece[i] >> 32) as usize], piece[i] as u32);
        }
        for i in 0..piece.len() {
            prefetch_index(parent, piece.get(i + AHEAD).map_or(0, |e| (e >> 32) as usize));
            let (w, v) = ((piece[i] >> 32) as u32, piece[i] as u32);
            if parent[w as usize] == v || (w < last && v >= last) {
                piece[i] = u64::MAX;
            } else {
                joins.insert(w);
                sizes[(w >> BLOCK) as usize] += 1;
            }
        }
    }
    let mut blocks: Vec<Vec<u64>> = sizes.into_iter().map(Vec::with_capacity).collect();
    for piece in pieces {
        for edge in piece {
            if edge != u64::MAX {
                blocks[(edge >> (32 + BLOCK)) as usize].push(edge);
            }
        }
    }
    (joins, blocks)
}

/// For each number the next linked ancestor and the smallest semidominator on the way there, itself included.
type Path = [u32; 2];

/// The semidominators of the joins, descending by join.
fn semidominators(paths: &mut [Path], parent: &[u32], reached: u32, mut blocks: Vec<Vec<u64>>, joins: u32) -> Vec<u32> {
    let parent = &parent[..reached as usize];
    for (path, &p) in paths.iter_mut().zip(parent) {
        *path = [p, p];
    }
    let mut semis = Vec::with_capacity(joins as usize);
    let (mut starts, mut sources) = (Vec::new(), Vec::new());
    while let Some(edges) = blocks.pop() {
        let base = (blocks.len() as u32) << BLOCK;
        group(&edges, base, &mut starts, &mut sources);
        drop(edges);
        for i in 0..1usize << BLOCK {
            let (from, to) = (starts[i] as usize, starts[i + 1] as usize);
            if from == to {
                continue;
            }
            let w = base + (LAST - i as u32);
            let mut semi = parent[w as usize];
            for at in from..to {
                if let Some(&later) = sources.get(at + 2 * AHEAD) {
                    prefetch_index(&*paths, later as usize);
                }
                if let Some(&later) = sources.get(at + AHEAD) {
                    prefetch_index(&*paths, paths[later as usize][0] as usize);
                }
                let v = sources[at];
                semi = semi.min(if v < w { v } else { smallest_above(paths, v, w) });
            }
            paths[w as usize][1] = semi;
            semis.push(semi);
        }
    }
    semis
}

/// Counting sort of one block's edges, highest target first: the sources of target `base + LAST - i` are
/// `sources[starts[i]..starts[i + 1]]`.
fn group(edges: &[u64], base: u32, starts: &mut Vec<u32>, sources: &mut Vec<u32>) {
    starts.clear();
    starts.resize((1 << BLOCK) + 2, 0);
    sources.clear();
    sources.resize(edges.len(), 0);
    let slot = |edge: u64| (LAST - ((edge >> 32) as u32 - base)) as usize;
    for &edge in edges {
        starts[slot(edge) + 2] += 1;
    }
    for i in 2..starts.len() {
        starts[i] += starts[i - 1];
    }
    for &edge in edges {
        let at = &mut starts[slot(edge) + 1];
        sources[*at as usize] = edge as u32;
        *at += 1;
    }
}

/// The smallest semidominator on the tree path from `v` up to but not including its first ancestor not
/// above `w`. Halves the path on the way, for those to come.
#[inline]
fn smallest_above(paths: &mut [Path], mut v: u32, w: u32) -> u32 {
    let mut smallest = u32::MAX;
    loop {
        let [ancestor, label] = paths[v as usize];
        if ancestor <= w {
            return smallest.min(label);
        }
        let [next, above] = paths[ancestor as usize];
        let label = label.min(above);
        smallest = smallest.min(label);
        paths[v as usize] = [next, label];
        if next <= w {
            return smallest;
        }
        v = next;
    }
}

/// Second half of Semi-NCA: the dominator of a join is the first number not above its semidominator on its
/// parent's way up the dominator tree. Turns parents into dominators, ascending.
///
/// A *segment* is a tree path on which each number's dominator is its parent; its topmost number is its
/// head. A segment is passed in one step, since a semidominator within it is itself the answer. Heads form
/// a tree, and each has a jump to a far ancestor, laid so that a search needs logarithmic time.
///
/// `paths` is used anew: `[head, 0]`, or for a head `[jump, depth]`, with depths from 1.
fn nearest_common_ancestors(
    paths: &mut [Path],
    dominator: &mut [u32],
    reached: u32,
    joins: &Bits,
    mut semis: Vec<u32>,
) {
    if reached == 0 {
        return;
    }
    paths[0] = [0, 1];
    for w in 1..reached {
        let parent = dominator[w as usize];
        if joins.get(w) {
            let semi = semis.pop().unwrap_or(parent);
            let found = first_not_above(paths, dominator, parent, semi);
            if found != parent {
                dominator[w as usize] = found;
                paths[w as usize] = jump_of(paths, head(paths, found));
                continue;
            }
        }
        paths[w as usize] = [head(paths, parent), 0];
    }
}

#[inline(always)]
fn head(paths: &[Path], v: u32) -> u32 {
    let [head, depth] = paths[v as usize];
    if depth == 0 { head } else { v }
}

/// The jump of a new head below the head `above`: over both of the last two jumps if they are equally long,
/// else to `above`.
fn jump_of(paths: &[Path], above: u32) -> Path {
    let [jump, depth] = paths[above as usize];
    let [far, middle] = paths[jump as usize];
    let long = above != 0 && depth - middle == middle - paths[far as usize][1];
    [if long { far } else { above }, depth + 1]
}

fn first_not_above(paths: &[Path], dominator: &[u32], v: u32, semi: u32) -> u32 {
    if v <= semi {
        return v;
    }
    let mut at = head(paths, v);
    if at <= semi {
        return semi;
    }
    loop {
        let found = dominator[at as usize];
        if found <= semi {
            return found;
        }
        let above = head(paths, found);
        if above <= semi {
            return semi;
        }
        let jump = paths[at as usize][0];
        at = if jump > semi { jump } else { above };
    }
}
