//! Breadth-first search: what is reachable, how deep, and by which shortest path.
//!
//! Owns the search by levels. A level is a list, so what it will read can be asked for ahead. Refuses to keep a
//! depth per node: who needs it gets each level as it is found.

use super::roots::Places;
use super::{Array, Bits, DominatorTree, Edges, GraphError, NONE, Rooted, Roots, Successors};
use std::ops::ControlFlow;

/// How far ahead in a level a node's own memory and its edges are asked for.
const AHEAD: usize = 24;
const AHEAD_EDGES: usize = 12;

/// Calls `f` with each level's depth and nodes, from `start` at depth 0, until it breaks or all is found. Nodes of
/// `without` are never entered. Within a level nodes are in the order in which they were found first.
///
/// # Returns
/// The nodes found.
pub fn breadth_first(
    graph: &impl Successors,
    start: &[u32],
    without: Option<&Bits>,
    f: impl FnMut(u32, &[u32]) -> ControlFlow<()>,
) -> Bits {
    search(graph, start, without, f, |_, _| {})
}

/// The same, with each node's predecessor told to `found` when it is met first.
fn search(
    graph: &impl Successors,
    start: &[u32],
    without: Option<&Bits>,
    mut f: impl FnMut(u32, &[u32]) -> ControlFlow<()>,
    mut found: impl FnMut(u32, u32),
) -> Bits {
    let mut marks = Bits::new(graph.node_count());
    let blocked = |w: u32| without.is_some_and(|b| b.get(w));
    let mut level: Vec<u32> = start.iter().copied().filter(|w| !blocked(*w) && marks.insert(*w)).collect();
    let (mut next, mut depth) = (Vec::new(), 0u32);
    while !level.is_empty() && f(depth, &level).is_continue() {
        for i in 0..level.len() {
            if let Some(&later) = level.get(i + AHEAD) {
                graph.prefetch(later);
            }
            if let Some(&later) = level.get(i + AHEAD_EDGES) {
                graph.prefetch_edges(later);
            }
            let node = level[i];
            graph.for_each(node, &mut |w| {
                if !blocked(w) && marks.insert(w) {
                    found(w, node);
                    next.push(w);
                }
            });
        }
        std::mem::swap(&mut level, &mut next);
        next.clear();
        depth += 1;
    }
    marks
}

/// A tree over the nodes reached: who leads to each, by the fewest edges.
#[derive(Debug)]
pub struct Spanning {
    /// The nodes reached, each after the one above it.
    pub order: Vec<u32>,
    /// The node above each node; undefined for nodes not in `order` and for those that the search began with.
    pub above: Array<u32>,
}

/// Where a search begins, and what it leaves for those that follow.
#[derive(Debug)]
pub struct Start {
    /// Its first nodes.
    pub nodes: Vec<u32>,
    /// Nodes that it does not enter.
    pub without: Option<Bits>,
}

/// Searches from the first start until nothing more is found, then from the second what is left, and so on: a node
/// belongs to the first that reaches it.
#[must_use]
pub fn spanning(graph: &impl Successors, starts: Vec<Start>) -> Spanning {
    let mut order = Vec::new();
    let mut above: Array<u32> = Array::zeroed(graph.node_count() as usize);
    let mut done = Bits::new(graph.node_count());
    let to = &mut *above;
    for Start { nodes, without } in starts {
        let more = |_: u32, level: &[u32]| {
            order.extend_from_slice(level);
            ControlFlow::Continue(())
        };
        let marks = match without {
            Some(mut without) => {
                without.insert_all(&done);
                search(graph, &nodes, Some(&without), more, |w, node| to[w as usize] = node)
            }
            None => search(graph, &nodes, Some(&done), more, |w, node| to[w as usize] = node),
        };
        done.insert_all(&marks);
    }
    Spanning { order, above }
}

/// What is reachable from the root, groups and root included.
#[must_use]
pub fn reachable<S: Successors>(graph: &Rooted<'_, S>) -> Bits {
    breadth_first(graph, &[graph.root()], None, |_, _| ControlFlow::Continue(()))
}

impl DominatorTree {
    /// For each target the shortest path from the root (in edges), the root first and the target last; empty if
    /// it is not reachable. Of several shortest paths the one found first, which depends on the order of edges
    /// alone. Stops when all targets are found.
    #[must_use]
    pub fn shortest_paths(&self, targets: &[u32]) -> Vec<Vec<u32>> {
        self.shortest_paths_by_rank(targets, &[])
    }

    /// The same through the root groups of the lowest rank from which the target is reached at all: a longer path
    /// from there goes before a shorter one from a group of a higher rank. `ranks` has a rank for each group; groups
    /// beyond its end have rank 0.
    #[must_use]
    pub fn shortest_paths_by_rank(&self, targets: &[u32], ranks: &[u8]) -> Vec<Vec<u32>> {
        let places = self.places();
        // An object that hangs is found with what it hangs on.
        let place_of = |target: u32| match self.number(target) {
            Some(_) => places.place(target),
            None => places.place(self.node(self.holder(target)?)),
        };
        let ends: Vec<Option<u32>> = targets.iter().map(|t| place_of(*t)).collect();
        let from = self.search_by_rank(&places, targets, &ends, ranks);
        let path = |target: u32, end: Option<u32>| {
            let Some(end) = end else { return Vec::new() };
            if end != places.root && from[end as usize] == NONE {
                return Vec::new();
            }
            let up = |&p: &u32| (p != places.root).then(|| from[p as usize]).filter(|&p| p != NONE);
            let mut path: Vec<u32> = std::iter::successors(Some(end), up).filter_map(|p| places.node(p)).collect();
            path.reverse();
            if path.last() != Some(&target) {
                path.push(target);
            }
            path
        };
        targets.iter().zip(ends).map(|(t, end)| path(*t, end)).collect()
    }

    /// The place before each place on the way to the targets' `ends`; [`NONE`] where none was looked for or found.
    fn search_by_rank(&self, places: &Places<'_>, targets: &[u32], ends: &[Option<u32>], ranks: &[u8]) -> Array<u32> {
        let rank_of = |group: u32| ranks.get(group as usize).copied().unwrap_or(0);
        // A target that a group dominates is reached from no other.
        let lowest = |target: u32| {
            let top = self.path_to_root(target).filter_map(|n| places.place(n)).filter(|&p| p != places.root).last();
            top.and_then(|top| top.checked_sub(places.objects)).map_or(0, rank_of)
        };
        let mut left: Vec<(u8, u32)> =
            targets.iter().zip(ends).filter_map(|(t, e)| Some((lowest(*t), (*e)?))).collect();
        left.retain(|(_, end)| *end != places.root);
        let mut before: Array<u32> = Array::zeroed(places.node_count() as usize);
        // A stored tree may name what the edges do not reach.
        before.fill(NONE);
        let from = &mut *before;
        let mut kinds = ranks.to_vec();
        kinds.push(0);
        kinds.sort_unstable();
        kinds.dedup();
        let mut done: Option<Bits> = None;
        for rank in kinds {
            let wanted: Bits = left.iter().filter(|(lowest, _)| *lowest <= rank).map(|(_, end)| *end).collect();
            let mut missing = wanted.count();
            if missing == 0 {
                continue;
            }
            let groups = (places.objects..places.root).filter(|g| rank_of(g - places.objects) == rank);
            let start: Vec<u32> = groups.inspect(|&g| from[g as usize] = places.root).collect();
            let marks = search(
                places,
                &start,
                done.as_ref(),
                |_, level| {
                    missing -= level.iter().filter(|n| wanted.get(**n)).count() as u32;
                    if missing == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                },
                |w, place| from[w as usize] = place,
            );
            left.retain(|(_, end)| from[*end as usize] == NONE);
            match &mut done {
                Some(done) => done.insert_all(&marks),
                None => done = Some(marks),
            }
        }
        before
    }
}

/// How deep objects lie: pointers to follow, the one in the root included, so that what a root points to has depth 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Depths {
    /// Objects and bytes at each depth, from depth 1 on.
    pub levels: Vec<(u32, u64)>,
    /// For each kind the largest depth of its objects, 0 if none is reachable.
    pub deepest: Vec<u32>,
    /// For each kind its bytes by depth; the cell of a depth is [`Depths::cell`].
    pub bytes: Vec<[u64; Depths::CELLS]>,
}

impl Depths {
    /// Cells of the heat map along the depth.
    pub const CELLS: usize = 32;

    /// The cell of a depth: 0 for depth 1, 1 for 2 and 3, 2 for 4 to 7, and so on.
    #[must_use]
    pub fn cell(depth: u32) -> usize {
        depth.max(1).ilog2() as usize
    }
}

/// Objects that are asked for together before any is looked at.
const BATCH: usize = 32;

/// Measures depth (the shortest path in pointers) against bytes for `kinds` kinds. `look` gives the bytes and the kind
/// of each object reached, once each, in nearly the order in which the collector marks them; `ask` may fetch ahead
/// what it will read. Objects of a kind out of range count in the levels only.
///
/// # Errors
/// As [`Rooted::new`].
pub fn depths(
    edges: &Edges,
    roots: &Roots,
    kinds: usize,
    ask: impl Fn(u32),
    look: impl FnMut(u32) -> (u64, u32),
) -> Result<Depths, GraphError> {
    let places = Places::new(edges, roots)?;
    let out = Depths { levels: Vec::new(), deepest: vec![0; kinds], bytes: vec![[0; Depths::CELLS]; kinds] };
    let mut search = DepthSearch {
        marks: Bits::new(places.objects),
        next: Vec::new(),
        batch: Vec::with_capacity(BATCH),
        objects: 0,
        bytes: 0,
        out,
        ask,
        look,
    };
    roots.all_members().iter().for_each(|object| search.meet(edges, *object));
    let mut level = Vec::new();
    while search.ends_level() {
        std::mem::swap(&mut level, &mut search.next);
        search.next.clear();
        for (i, &place) in level.iter().enumerate() {
            if let Some(&later) = level.get(i + AHEAD) {
                edges.prefetch_place(later);
            }
            if let Some(&later) = level.get(i + AHEAD_EDGES) {
                edges.prefetch_list(later);
            }
            edges.of_place(place, |w| search.meet(edges, w));
        }
    }
    Ok(search.out)
}

/// One level of a search for depths. Objects that hang are no part of any level that is searched: they lead nowhere.
struct DepthSearch<A, L> {
    marks: Bits,
    /// Places that are searched next.
    next: Vec<u32>,
    batch: Vec<u32>,
    objects: u32,
    bytes: u64,
    out: Depths,
    ask: A,
    look: L,
}

impl<A: Fn(u32), L: FnMut(u32) -> (u64, u32)> DepthSearch<A, L> {
    #[inline]
    fn meet(&mut self, edges: &Edges, object: u32) {
        if object >= edges.node_count() {
            return;
        }
        if let Ok(place) = edges.placed().place_or_before(object) {
            if !self.marks.insert(place) {
                return;
            }
            self.next.push(place);
        }
        (self.ask)(object);
        self.batch.push(object);
        if self.batch.len() >= BATCH {
            self.look();
        }
    }

    fn look(&mut self) {
        let depth = self.out.levels.len() as u32 + 1;
        let cell = Depths::cell(depth);
        self.objects = self.objects.saturating_add(self.batch.len() as u32);
        for object in self.batch.drain(..) {
            let (bytes, kind) = (self.look)(object);
            self.bytes = self.bytes.saturating_add(bytes);
            if let (Some(cells), Some(deepest)) =
                (self.out.bytes.get_mut(kind as usize), self.out.deepest.get_mut(kind as usize))
            {
                cells[cell] = cells[cell].saturating_add(bytes);
                *deepest = depth;
            }
        }
    }

    /// Closes the level; false when nothing was in it.
    fn ends_level(&mut self) -> bool {
        self.look();
        if self.objects > 0 {
            self.out.levels.push((self.objects, self.bytes));
        }
        let some = self.objects > 0;
        (self.objects, self.bytes) = (0, 0);
        some
    }
}
