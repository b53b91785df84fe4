//! The roots of the graph, in groups, below one root node.
//!
//! Owns the numbering of the nodes that are not objects: one per root group (a global variable, a goroutine) and
//! one above all. Refuses objects out of range by passing over them.

use super::{Edges, GraphError, MAX_NODES, Successors};
use std::ops::Range;

/// Which objects each root group points to.
#[derive(Debug, Clone)]
pub struct Roots {
    ends: Vec<u32>,
    members: Vec<u32>,
    /// The first so many groups were pushed with [`Roots::push_uncertain`].
    uncertain: usize,
}

impl Default for Roots {
    fn default() -> Self {
        Self::new()
    }
}

impl Roots {
    /// No groups yet.
    #[must_use]
    pub fn new() -> Self {
        Roots { ends: Vec::new(), members: Vec::new(), uncertain: 0 }
    }

    /// Adds the next group: groups are numbered from 0 in the order of these calls.
    pub fn push(&mut self, objects: impl IntoIterator<Item = u32>) {
        self.members.extend(objects);
        self.ends.push(u32::try_from(self.members.len()).unwrap_or(u32::MAX));
    }

    /// Adds a group of words that may be pointers or not; such groups must be the first. What anything certain reaches
    /// too is dominated as if this group were not there.
    pub fn push_uncertain(&mut self, objects: impl IntoIterator<Item = u32>) {
        self.push(objects);
        if self.uncertain + 1 == self.ends.len() {
            self.uncertain += 1;
        }
    }

    /// How many groups are uncertain: the first ones.
    #[must_use]
    pub fn uncertain(&self) -> usize {
        self.uncertain
    }

    /// The objects of all groups, group by group.
    #[must_use]
    pub fn all_members(&self) -> &[u32] {
        &self.members
    }

    /// How many groups there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is no group.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// The objects of a group, as they were given; none for a group that does not exist.
    #[must_use]
    pub fn members(&self, group: usize) -> &[u32] {
        let Some(&end) = self.ends.get(group) else { return &[] };
        let start = group.checked_sub(1).map_or(0, |g| self.ends[g]);
        self.members.get(start as usize..end as usize).unwrap_or(&[])
    }
}

/// Objects, groups and the root as one graph.
#[derive(Debug, Clone, Copy)]
pub struct Rooted<'a, S> {
    objects: &'a S,
    roots: &'a Roots,
    count: u32,
    root: u32,
}

impl<'a, S: Successors> Rooted<'a, S> {
    /// Joins the edges between objects with the roots.
    ///
    /// # Errors
    /// More than [`MAX_NODES`] objects and groups, or as many root references.
    pub fn new(objects: &'a S, roots: &'a Roots) -> Result<Self, GraphError> {
        let count = objects.node_count();
        let nodes = u64::from(count) + roots.ends.len() as u64 + 1;
        if nodes > u64::from(MAX_NODES) || roots.members.len() > MAX_NODES as usize {
            return Err(GraphError::TooManyNodes { nodes: nodes.max(roots.members.len() as u64) });
        }
        Ok(Rooted { objects, roots, count, root: count + roots.ends.len() as u32 })
    }

    /// How many of the nodes are objects: they have the lowest numbers.
    #[must_use]
    pub fn object_count(&self) -> u32 {
        self.count
    }

    /// The root above all groups.
    #[must_use]
    pub fn root(&self) -> u32 {
        self.root
    }

    /// The node of a group.
    #[must_use]
    pub fn group_node(&self, group: usize) -> Option<u32> {
        (group < self.roots.len()).then(|| self.count + group as u32)
    }

    /// The group whose node this is.
    #[must_use]
    pub fn group_of(&self, node: u32) -> Option<usize> {
        (node >= self.count && node < self.root).then(|| (node - self.count) as usize)
    }

    /// Behind a pointer so that the callback is inlined where objects call it.
    #[cold]
    fn for_each_root(&self, node: u32, f: &mut dyn FnMut(u32)) {
        if node == self.root {
            (self.count..self.root).for_each(f);
        } else {
            // A forged root must not point back at a group.
            self.roots.members((node - self.count) as usize).iter().copied().filter(|m| *m < self.count).for_each(f);
        }
    }
}

impl<S: Successors> Successors for Rooted<'_, S> {
    #[inline]
    fn node_count(&self) -> u32 {
        self.root + 1
    }

    #[inline]
    fn for_each(&self, node: u32, f: &mut impl FnMut(u32)) {
        if node < self.count {
            // An object's forged edge must not reach a group either.
            let count = self.count;
            self.objects.for_each(node, &mut |w| {
                if w < count {
                    f(w);
                }
            });
        } else {
            self.for_each_root(node, f);
        }
    }

    #[inline]
    fn prefetch(&self, node: u32) {
        if node < self.count {
            self.objects.prefetch(node);
        }
    }

    #[inline]
    fn prefetch_edges(&self, node: u32) {
        if node < self.count {
            self.objects.prefetch_edges(node);
        }
    }
}

/// Objects that have a place, groups and the root as one graph in which all nodes are places: those of the objects,
/// then the groups, then the root.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places<'a> {
    pub(super) edges: &'a Edges,
    pub(super) roots: &'a Roots,
    /// How many of the places are objects.
    pub(super) objects: u32,
    /// The root above all groups.
    pub(super) root: u32,
}

impl<'a> Places<'a> {
    /// Joins the edges between objects with the roots that they were made for.
    ///
    /// # Errors
    /// As [`Rooted::new`].
    pub(super) fn new(edges: &'a Edges, roots: &'a Roots) -> Result<Self, GraphError> {
        Rooted::new(edges, roots)?;
        let objects = edges.placed().count();
        Ok(Places { edges, roots, objects, root: objects + roots.ends.len() as u32 })
    }

    /// The places of the groups that are uncertain.
    pub(super) fn uncertain(&self) -> Range<u32> {
        self.objects..self.objects + self.roots.uncertain as u32
    }

    /// The node at a place below `root`, or the root's.
    pub(super) fn node(&self, place: u32) -> Option<u32> {
        match place.checked_sub(self.objects) {
            None => self.edges.placed().member(place),
            Some(above) => (place <= self.root).then(|| self.edges.node_count() + above),
        }
    }

    /// The place of a node; none if it hangs.
    #[inline]
    pub(super) fn place(&self, node: u32) -> Option<u32> {
        match node.checked_sub(self.edges.node_count()) {
            None => self.edges.placed().place(node),
            Some(above) => self.objects.checked_add(above).filter(|p| *p <= self.root),
        }
    }

    /// Calls `f` with the place and the number of each node, ascending.
    pub(super) fn for_each_node(&self, mut f: impl FnMut(u32, u32)) {
        for (place, node) in (0..).zip(self.edges.placed().iter()) {
            f(place, node);
        }
        for place in self.objects..=self.root {
            f(place, self.edges.node_count() + (place - self.objects));
        }
    }

    /// Calls `f` with each object that hangs below a place, and how many objects that hang are before it.
    #[inline]
    pub(super) fn for_each_hanging(&self, place: u32, mut f: impl FnMut(u32, u32)) {
        let (placed, count) = (self.edges.placed(), self.edges.node_count());
        let mut hanging = |w: u32| {
            if w < count
                && let Err(before) = placed.place_or_before(w)
            {
                f(w, w.wrapping_sub(before));
            }
        };
        if place < self.objects {
            self.edges.of_place(place, hanging);
        } else if place < self.root {
            self.roots.members((place - self.objects) as usize).iter().copied().for_each(&mut hanging);
        }
    }

    #[cold]
    fn for_each_root(&self, place: u32, f: &mut dyn FnMut(u32)) {
        if place == self.root {
            (self.objects..self.root).for_each(f);
        } else if place < self.root {
            let members = self.roots.members((place - self.objects) as usize).iter();
            members.filter_map(|m| self.edges.placed().place(*m)).for_each(f);
        }
    }
}

impl Successors for Places<'_> {
    #[inline]
    fn node_count(&self) -> u32 {
        self.root + 1
    }

    #[inline]
    fn for_each(&self, place: u32, f: &mut impl FnMut(u32)) {
        if place < self.objects {
            let placed = self.edges.placed();
            self.edges.of_place(place, |w| {
                if let Some(w) = placed.place(w) {
                    f(w);
                }
            });
        } else {
            self.for_each_root(place, f);
        }
    }

    #[inline]
    fn prefetch(&self, place: u32) {
        self.edges.prefetch_place(place);
    }

    #[inline]
    fn prefetch_edges(&self, place: u32) {
        self.edges.prefetch_list(place);
    }

    #[inline]
    fn prefetch_targets(&self, place: u32) {
        self.edges.prefetch_successors(place);
    }
}
