//! Edges stored compactly, for graphs that are gone over more often than deriving the edges is worth.
//!
//! Owns one word per node: nothing, the only successor, or where the list of successors is. A node with at
//! most one successor costs one access to memory. Refuses more than 2^31 words of lists.

use super::{Array, Bits, MAX_NODES, Successors};
use prefetch_index::prefetch_index;
use std::ops::Range;

/// The word of a node holds the position of a list.
const LIST: u32 = 1 << 31;
/// Successors asked for ahead; more are asked for when they are named.
const TARGETS: usize = 4;

/// Why a graph cannot be held.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GraphError {
    /// Numbers of nodes have 31 bits.
    #[error("{nodes} nodes in the object graph, at most {MAX_NODES} are supported")]
    TooManyNodes {
        /// Nodes, groups and the root included.
        nodes: u64,
    },
    /// Positions in the lists of successors have 31 bits.
    #[error("{words} words of successor lists in the object graph, at most 2^31 are supported")]
    TooManyEdges {
        /// Words needed.
        words: u64,
    },
}

/// The successors of every node, in the order in which they were given.
#[derive(Debug)]
pub struct Edges {
    /// 0: no successor. Below [`LIST`]: the only successor, plus 1. Else a position in `lists`.
    words: Array<u32>,
    /// For each node with two or more successors their number, then the successors.
    lists: Array<u32>,
    /// Nodes without successors.
    leaves: Bits,
}

impl Edges {
    /// Copies the edges of `graph`, on `threads` threads, each going twice over its share of the nodes. The
    /// result does not depend on `threads`.
    ///
    /// # Errors
    /// More nodes or edges than numbers of 31 bits can name.
    pub fn copy_of(graph: &(impl Successors + Sync), threads: usize) -> Result<Self, GraphError> {
        let n = graph.node_count();
        if n > MAX_NODES {
            return Err(GraphError::TooManyNodes { nodes: u64::from(n) });
        }
        let shares = shares(n, threads);
        let sizes: Vec<u64> = std::thread::scope(|scope| {
            let running: Vec<_> = shares.iter().map(|s| scope.spawn(|| list_words(graph, s.clone()))).collect();
            running.into_iter().map(|t| t.join().unwrap_or(u64::MAX)).collect()
        });
        let total = sizes.iter().fold(0u64, |a, b| a.saturating_add(*b));
        if total > u64::from(LIST) {
            return Err(GraphError::TooManyEdges { words: total });
        }
        let mut edges =
            Edges { words: Array::zeroed(n as usize), lists: Array::zeroed(total as usize), leaves: Bits::new(n) };
        let (mut words, mut lists, mut base) = (&mut *edges.words, &mut *edges.lists, 0);
        std::thread::scope(|scope| {
            for (share, size) in shares.iter().zip(&sizes) {
                let (mine, rest) = std::mem::take(&mut words).split_at_mut(share.len());
                words = rest;
                let (list, rest) = std::mem::take(&mut lists).split_at_mut(*size as usize);
                lists = rest;
                scope.spawn(move || fill(graph, share.clone(), mine, list, base));
                base += *size as u32;
            }
        });
        edges.find_leaves();
        Ok(edges)
    }

    fn find_leaves(&mut self) {
        for (bits, words) in self.leaves.words_mut().iter_mut().zip(self.words.chunks(64)) {
            *bits = words.iter().rev().fold(0, |bits, word| bits << 1 | u64::from(*word == 0));
        }
    }

    /// Calls `f` with the successors of `node`; none if it is out of range.
    #[inline(always)]
    fn with<R>(&self, node: u32, f: impl FnOnce(&[u32]) -> R) -> R {
        let word = self.words.get(node as usize).copied().unwrap_or(0);
        let only = [word.wrapping_sub(1)];
        let list = if word < LIST {
            &only[..usize::from(word != 0)]
        } else {
            let (lists, at) = (&*self.lists, (word - LIST) as usize);
            &lists[at + 1..at + 1 + lists[at] as usize]
        };
        f(list)
    }
}

impl Successors for Edges {
    #[inline]
    fn node_count(&self) -> u32 {
        self.words.len() as u32
    }

    #[inline]
    fn for_each(&self, node: u32, f: &mut impl FnMut(u32)) {
        self.with(node, |list| list.iter().copied().for_each(f));
    }

    #[inline]
    fn is_leaf(&self, node: u32) -> bool {
        self.leaves.get(node)
    }

    #[inline]
    fn prefetch(&self, node: u32) {
        prefetch_index(&*self.words, node as usize);
    }

    #[inline]
    fn prefetch_edges(&self, node: u32) {
        if let Some(&word) = self.words.get(node as usize)
            && word >= LIST
        {
            prefetch_index(&*self.lists, (word - LIST) as usize);
        }
    }

    #[inline]
    fn prefetch_targets(&self, node: u32) {
        self.with(node, |list| list.iter().take(TARGETS).for_each(|w| self.prefetch(*w)));
    }
}

fn shares(n: u32, threads: usize) -> Vec<Range<u32>> {
    let share = n.div_ceil(u32::try_from(threads.clamp(1, 1024)).unwrap_or(1)).max(1);
    (0..n).step_by(share as usize).map(|start| start..start.saturating_add(share).min(n)).collect()
}

/// Words that the lists of these nodes take.
fn list_words(graph: &impl Successors, nodes: Range<u32>) -> u64 {
    let n = graph.node_count();
    nodes
        .map(|node| {
            let mut degree = 0u64;
            graph.for_each(node, &mut |w| degree += u64::from(w < n));
            if degree > 1 { degree + 1 } else { 0 }
        })
        .sum()
}

/// Second pass: `list` begins at position `base` of all lists.
fn fill(graph: &impl Successors, nodes: Range<u32>, words: &mut [u32], list: &mut [u32], base: u32) {
    let n = graph.node_count();
    let mut at = 0usize;
    for (node, word) in nodes.zip(words) {
        let mut degree = 0usize;
        let mut first = 0;
        graph.for_each(node, &mut |w| {
            if w >= n {
                return;
            }
            degree += 1;
            if degree == 1 {
                first = w;
            }
            // With one successor this slot is used again by the next list; a graph that changed between
            // the passes is cut short rather than written out of its share.
            if let Some(slot) = list.get_mut(at + degree) {
                *slot = w;
            }
        });
        match degree {
            0 => {}
            1 => *word = first + 1,
            _ if at + degree < list.len() => {
                list[at] = degree as u32;
                *word = LIST + base + at as u32;
                at += degree + 1;
            }
            _ => {}
        }
    }
}

/// The edges of a run of nodes, put together node by node: a part of [`Edges`].
#[derive(Debug, Default)]
pub struct EdgesPart {
    words: Vec<u32>,
    lists: Vec<u32>,
}

impl EdgesPart {
    /// Adds the next node. Successors are taken as they are, one list entry each.
    #[inline]
    pub fn push(&mut self, successors: &[u32]) {
        let word = match successors {
            [] => 0,
            [one] => one.saturating_add(1) & (LIST - 1),
            many => {
                // Positions beyond 31 bits are refused when the parts are joined.
                let at = self.lists.len() as u32;
                self.lists.push(many.len() as u32);
                self.lists.extend_from_slice(many);
                LIST | at
            }
        };
        self.words.push(word);
    }

    /// Adds `count` nodes without successors.
    pub fn push_leaves(&mut self, count: usize) {
        self.words.resize(self.words.len() + count, 0);
    }
}

impl Edges {
    /// Joins parts, the nodes of each behind those of the one before.
    ///
    /// # Errors
    /// As [`Edges::copy_of`].
    pub fn join(parts: Vec<EdgesPart>) -> Result<Self, GraphError> {
        let nodes = parts.iter().map(|p| p.words.len() as u64).sum::<u64>();
        let total = parts.iter().map(|p| p.lists.len() as u64).sum::<u64>();
        if nodes > u64::from(MAX_NODES) {
            return Err(GraphError::TooManyNodes { nodes });
        }
        if total > u64::from(LIST) {
            return Err(GraphError::TooManyEdges { words: total });
        }
        let (words, lists) = (Array::zeroed(nodes as usize), Array::zeroed(total as usize));
        let mut edges = Edges { words, lists, leaves: Bits::new(nodes as u32) };
        let (mut node, mut list) = (0, 0);
        for part in parts {
            for (to, from) in edges.words[node..].iter_mut().zip(&part.words) {
                *to = if *from >= LIST { from + list as u32 } else { *from };
            }
            edges.lists[list..list + part.lists.len()].copy_from_slice(&part.lists);
            node += part.words.len();
            list += part.lists.len();
        }
        edges.find_leaves();
        Ok(edges)
    }
}
