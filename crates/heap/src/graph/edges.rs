//! Edges stored compactly, for graphs that are gone over more often than deriving the edges is worth.
//!
//! Owns which nodes have a place and the successors of each. A *hanging* node has no successors and at most one
//! edge leads to it: it is under what points to it and under nothing else, so that no search needs to enter it.
//! In a Go heap most objects hang (the bytes of a string that one struct holds). Hanging nodes have no place and
//! cost a quarter of a byte; the others have a word each: nothing, the only successor, or where the list of
//! successors is. Refuses more than 2^31 words of lists.

use super::ranked::Ranked;
use super::{Array, Bits, MAX_NODES, Roots, Successors};
use prefetch_index::prefetch_index;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The word of a node holds the position of a list; a successor is the last of its list.
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
    /// Nodes that do not hang.
    pub(super) placed: Ranked,
    /// By place. 0: no successor. Below [`LIST`]: the only successor, plus 1. Else a position in `lists`.
    pub(super) words: Array<u32>,
    /// Lists of two or more successors behind each other, the last of each marked.
    pub(super) lists: Array<u32>,
}

impl Edges {
    /// Copies the edges of `graph`, on as many threads as there are. References of `roots` count where it is asked
    /// whether a node hangs. Successors out of range are left out.
    ///
    /// # Errors
    /// More nodes or edges than numbers of 31 bits can name.
    pub fn copy_of(graph: &(impl Successors + Sync), roots: &Roots) -> Result<Self, GraphError> {
        let n = graph.node_count();
        if n > MAX_NODES {
            return Err(GraphError::TooManyNodes { nodes: u64::from(n) });
        }
        let met = Met::new(n);
        let share = n.div_ceil(64).max(1);
        let shares: Vec<Range<u32>> =
            (0..n).step_by(share as usize).map(|at| at..at.saturating_add(share).min(n)).collect();
        let parts = shares.into_par_iter().map(|nodes| {
            let (mut part, mut list) = (EdgesPart::default(), Vec::new());
            for node in nodes {
                list.clear();
                graph.for_each(node, &mut |w| list.extend((w < n).then_some(w)));
                if list.is_empty() {
                    part.push_leaves(1);
                } else {
                    part.push(&list, &met);
                }
            }
            part.finish()
        });
        Self::join(parts.collect(), &met, roots)
    }

    /// Joins parts, the nodes of each behind those of the one before. All their successors must have been told to
    /// `met`.
    ///
    /// # Errors
    /// As [`Edges::copy_of`].
    pub fn join(parts: Vec<FinishedPart>, met: &Met, roots: &Roots) -> Result<Self, GraphError> {
        let nodes = parts.iter().map(|p| u64::from(p.nodes)).sum::<u64>();
        let total = parts.iter().map(|p| p.lists.len() as u64).sum::<u64>();
        if nodes > u64::from(MAX_NODES) {
            return Err(GraphError::TooManyNodes { nodes });
        }
        if total > u64::from(LIST) {
            return Err(GraphError::TooManyEdges { words: total });
        }
        roots.all_members().iter().for_each(|m| met.meet(*m));
        let placed = placed(&parts, met, nodes as u32);
        let mut edges =
            Edges { words: Array::zeroed(placed.count() as usize), lists: Array::zeroed(total as usize), placed };
        let (mut words, mut lists) = (&mut *edges.words, &mut *edges.lists);
        let (mut first, mut base) = (0, 0);
        let mut copies = Vec::with_capacity(parts.len());
        for part in parts {
            let places = edges.placed.before(first)..edges.placed.before(first + part.nodes);
            let (mine, rest) = std::mem::take(&mut words).split_at_mut(places.len());
            words = rest;
            let (list, rest) = std::mem::take(&mut lists).split_at_mut(part.lists.len());
            lists = rest;
            let (nodes, len) = (part.nodes, part.lists.len() as u32);
            copies.push((part, first, base, mine, list));
            (first, base) = (first + nodes, base + len);
        }
        let placed = &edges.placed;
        copies.into_par_iter().for_each(|(part, first, base, words, list)| {
            list.copy_from_slice(&part.lists);
            let (start, mut from) = (placed.before(first), part.words.iter());
            for run in &part.runs {
                let at = (placed.before(first + run.start) - start) as usize;
                for (to, word) in words.iter_mut().skip(at).zip(from.by_ref().take(run.len())) {
                    *to = if *word >= LIST { word + base } else { *word };
                }
            }
        });
        Ok(edges)
    }

    /// The nodes that have a place: all that do not hang.
    #[must_use]
    pub(super) fn placed(&self) -> &Ranked {
        &self.placed
    }

    /// Calls `f` with the successors of the node at a place.
    #[inline(always)]
    pub(super) fn of_place(&self, place: u32, mut f: impl FnMut(u32)) {
        let word = self.words.get(place as usize).copied().unwrap_or(0);
        if word < LIST {
            if word != 0 {
                f(word - 1);
            }
            return;
        }
        for &w in self.lists.get((word - LIST) as usize..).unwrap_or_default() {
            f(w & !LIST);
            if w >= LIST {
                break;
            }
        }
    }

    /// Asks for the word of a place.
    #[inline]
    pub(super) fn prefetch_place(&self, place: u32) {
        prefetch_index(&*self.words, place as usize);
    }

    /// Asks for the list of the node at a place.
    #[inline]
    pub(super) fn prefetch_list(&self, place: u32) {
        if let Some(&word) = self.words.get(place as usize)
            && word >= LIST
        {
            prefetch_index(&*self.lists, (word - LIST) as usize);
        }
    }

    /// Asks for the words of a few successors of the node at a place.
    #[inline]
    pub(super) fn prefetch_successors(&self, place: u32) {
        let mut left = TARGETS;
        self.of_place(place, |w| {
            if left > 0
                && let Some(place) = self.placed.place(w)
            {
                left -= 1;
                self.prefetch_place(place);
            }
        });
    }
}

impl Successors for Edges {
    #[inline]
    fn node_count(&self) -> u32 {
        self.placed.bound()
    }

    #[inline]
    fn for_each(&self, node: u32, f: &mut impl FnMut(u32)) {
        if let Some(place) = self.placed.place(node) {
            self.of_place(place, f);
        }
    }

    #[inline]
    fn prefetch(&self, node: u32) {
        self.placed.prefetch(node);
    }

    #[inline]
    fn prefetch_edges(&self, node: u32) {
        if let Some(place) = self.placed.place(node) {
            self.prefetch_place(place);
        }
    }
}

impl<S: Successors> Successors for Arc<S> {
    #[inline]
    fn node_count(&self) -> u32 {
        (**self).node_count()
    }
    #[inline]
    fn for_each(&self, node: u32, f: &mut impl FnMut(u32)) {
        (**self).for_each(node, f);
    }
    #[inline]
    fn prefetch(&self, node: u32) {
        (**self).prefetch(node);
    }
    #[inline]
    fn prefetch_edges(&self, node: u32) {
        (**self).prefetch_edges(node);
    }
}

/// Nodes with successors of their own, and those with several edges into them.
fn placed(parts: &[FinishedPart], met: &Met, nodes: u32) -> Ranked {
    let mut with_successors = Bits::new(nodes);
    let mut first = 0;
    for part in parts {
        for run in &part.runs {
            with_successors.insert_range(first + run.start..first + run.end);
        }
        first += part.nodes;
    }
    let again = met.again.iter().map(|w| w.load(Ordering::Relaxed));
    Ranked::new(nodes, with_successors.words().iter().zip(again).map(|(a, b)| a | b))
}

/// Which nodes some edge leads to, and which several do. Filled by all threads at once.
#[derive(Debug)]
pub struct Met {
    once: Vec<AtomicU64>,
    again: Vec<AtomicU64>,
}

impl Met {
    /// No edge leads to any of `nodes` nodes.
    #[must_use]
    pub fn new(nodes: u32) -> Self {
        let zeros = || (0..nodes.div_ceil(64)).map(|_| AtomicU64::new(0)).collect();
        Met { once: zeros(), again: zeros() }
    }

    /// An edge leads to `node`.
    #[inline]
    pub fn meet(&self, node: u32) {
        let (at, bit) = ((node >> 6) as usize, 1u64 << (node & 63));
        let Some(once) = self.once.get(at) else { return };
        if once.load(Ordering::Relaxed) & bit == 0 && once.fetch_or(bit, Ordering::Relaxed) & bit == 0 {
            return;
        }
        if let Some(again) = self.again.get(at)
            && again.load(Ordering::Relaxed) & bit == 0
        {
            again.fetch_or(bit, Ordering::Relaxed);
        }
    }
}

/// The edges of a run of nodes, put together node by node: a part of [`Edges`]. May be used again when finished.
#[derive(Debug, Default)]
pub struct EdgesPart {
    nodes: u32,
    runs: Vec<Range<u32>>,
    words: Vec<u32>,
    lists: Vec<u32>,
}

/// A part in the memory that it needs and no more.
#[derive(Debug)]
pub struct FinishedPart {
    nodes: u32,
    /// Nodes that have words, from the part's first.
    runs: Box<[Range<u32>]>,
    words: Array<u32>,
    lists: Array<u32>,
}

impl EdgesPart {
    /// Adds the next node, which will have a place even without successors. Successors are taken as they are, one
    /// list entry each.
    #[inline]
    pub fn push(&mut self, successors: &[u32], met: &Met) {
        let word = match successors {
            [] => 0,
            [one] => one.saturating_add(1) & (LIST - 1),
            [many @ .., last] => {
                // Positions beyond 31 bits are refused when the parts are joined.
                let at = self.lists.len() as u32;
                self.lists.extend(many.iter().map(|w| w & !LIST));
                self.lists.push(last | LIST);
                LIST | at
            }
        };
        successors.iter().for_each(|w| met.meet(*w));
        self.words.push(word);
        match self.runs.last_mut() {
            Some(run) if run.end == self.nodes => run.end += 1,
            _ => self.runs.push(self.nodes..self.nodes + 1),
        }
        self.nodes += 1;
    }

    /// Adds `count` nodes that have no successors.
    pub fn push_leaves(&mut self, count: u32) {
        self.nodes = self.nodes.saturating_add(count);
    }

    /// Gives what was added, and begins anew.
    pub fn finish(&mut self) -> FinishedPart {
        let part = FinishedPart {
            nodes: self.nodes,
            runs: self.runs.as_slice().into(),
            words: Array::short_lived(&self.words),
            lists: Array::short_lived(&self.lists),
        };
        (self.nodes, _) = (0, (self.runs.clear(), self.words.clear(), self.lists.clear()));
        part
    }
}
