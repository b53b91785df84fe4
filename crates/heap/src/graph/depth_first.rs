//! Depth-first search: preorder numbers, the tree, the edges outside it.
//!
//! Owns the stack of pending nodes and keeps it bounded. Refuses recursion and a resumable position per open node:
//! successors are named once per node, all at a time, so that they may be derived from memory.

use super::{Array, Bits, NONE, Successors};

/// Set in the stack's entries that hold a number (the parent of the entries below), not a node.
const FRAME: u32 = 1 << 31;
/// How far below the top of the stack edges are asked for.
const NEAR: usize = 3;
/// Entries of the stack up to which duplicates are left in it. Few in tests, so that they meet more.
const RELAXED: usize = if cfg!(test) { 4 } else { 1 << 16 };

/// A depth-first tree. Numbers are those of the preorder, from 0, the start.
#[derive(Debug)]
pub(super) struct DepthFirst {
    /// The node of each number.
    pub node_of: Array<u32>,
    /// The number of each number's parent; the start is its own.
    pub parent: Array<u32>,
    /// How many nodes were reached, and so how many numbers there are.
    pub reached: u32,
}

/// Searches from `start`; of a node's successors the one named last goes first. `other(v, w)` is told each edge from
/// number `v` to node `w` that is not in the tree, except for edges of a node to itself and for repeated edges that lie
/// side by side.
pub(super) fn depth_first(graph: &impl Successors, start: u32, mut other: impl FnMut(u32, u32)) -> DepthFirst {
    let n = graph.node_count();
    let mut tree = DepthFirst { node_of: Array::zeroed(n as usize), parent: Array::zeroed(n as usize), reached: 0 };
    if start >= n {
        return tree;
    }
    let (node_of, parents) = (&mut *tree.node_of, &mut *tree.parent);
    let mut marks = Bits::new(n);
    let marked = marks.words_mut();
    let mut stack = vec![start, FRAME];
    // Looking for duplicates costs a bit per node.
    let relaxed = RELAXED.max(n as usize / 64);
    let mut limit = relaxed;
    let (mut reached, mut fresh) = (0u32, false);
    while let [.., node, frame] = *stack {
        let parent = frame ^ FRAME;
        pop(&mut stack, frame);
        look_ahead(graph, &stack, fresh);
        fresh = false;
        let (word, bit) = ((node >> 6) as usize, 1u64 << (node & 63));
        if marked[word] & bit != 0 {
            other(parent, node);
            continue;
        }
        marked[word] |= bit;
        let number = reached;
        node_of[number as usize] = node;
        parents[number as usize] = parent;
        reached += 1;
        let (below, mut last) = (stack.len(), node);
        graph.for_each(node, &mut |w| {
            if w >= n || w == last || w == node {
                return;
            }
            last = w;
            let (word, bit) = ((w >> 6) as usize, 1u64 << (w & 63));
            if marked[word] & bit != 0 {
                other(number, w);
            } else {
                graph.prefetch(w);
                stack.push(w);
            }
        });
        if stack.len() > below {
            stack.push(number | FRAME);
            fresh = true;
            if stack.len() > limit {
                compact(&mut stack, n, |w| marked[(w >> 6) as usize] >> (w & 63) & 1 != 0, &mut other);
                limit = relaxed.max(stack.len().saturating_mul(2));
            }
        }
    }
    tree.reached = reached;
    tree
}

/// Removes the topmost node from below its frame's entry, and the entry when it was the last.
#[inline(always)]
fn pop(stack: &mut Vec<u32>, frame: u32) {
    let at = stack.len() - 2;
    if stack[..at].last().is_some_and(|next| next & FRAME == 0) {
        stack[at] = frame;
        stack.truncate(at + 1);
    } else {
        stack.truncate(at);
    }
}

/// Asks ahead for what lies on top of the stack. Nodes were asked for when they were pushed; of the topmost of
/// a `fresh` frame the edges are asked for together, else those of the one that has come near; of the next
/// one the targets.
#[inline(always)]
fn look_ahead(graph: &impl Successors, stack: &[u32], fresh: bool) {
    let Some(top) = stack.len().checked_sub(2) else { return };
    let lowest = top.saturating_sub(NEAR);
    for &node in &stack[lowest..if fresh { top + 1 } else { lowest + 1 }] {
        if node & FRAME == 0 {
            graph.prefetch_edges(node);
        }
    }
    if !fresh {
        graph.prefetch_targets(stack[top]);
    }
}

/// Drops the entries that would be found marked when popped: those marked already and those for which the
/// same node lies further up. Leaves at most one entry per unmarked node, and a frame for each.
#[cold]
fn compact(stack: &mut Vec<u32>, n: u32, marked: impl Fn(u32) -> bool, other: &mut impl FnMut(u32, u32)) {
    let mut seen = Bits::new(n);
    let mut to = stack.len();
    let (mut frame, mut used) = (NONE, true);
    for from in (0..stack.len()).rev() {
        let entry = stack[from];
        if entry & FRAME != 0 {
            (frame, used) = (entry, false);
        } else if marked(entry) || !seen.insert(entry) {
            other(frame ^ FRAME, entry);
        } else {
            if !used {
                to -= 1;
                stack[to] = frame;
                used = true;
            }
            to -= 1;
            stack[to] = entry;
        }
    }
    stack.drain(..to);
}
