//! The dominator tree in few rows, for a person to go down: objects of one type below the same row become one row,
//! a list's or a tree's further nodes and the parts of a map belong to the row of the first, and what is too small is
//! summed up. Owns what becomes a row; every object is looked at once at most, whatever the graph is like.

use crate::containers::Part;
use crate::graph::{ChildrenIndex, Edges, GraphError, Rooted};
use crate::overview::kind_of;
use crate::paths::Names;
use crate::program::HeapGraph;
use crate::roots::RootGroup;
use crate::shapes::Shape;
use gobinary::TypeId;
use model::{HeapTree, HeapTreeRow};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// A row retains at least this part of the heap; what is below it is summed up.
const LEAST_PART: u64 = 10_000;
/// One object of a type stands apart from the others if it retains this part of what the row above does.
const APART: u64 = 16;
/// Rows below one row, and below the first.
const MOST_BELOW: usize = 24;
const MOST_TOP: usize = 60;
/// Longest way down.
const MOST_DEEP: u32 = 40;
/// Bytes of an object that are searched for the pointer to a row's only object, or to one of several.
const SEARCHED_ONE: u64 = 1 << 16;
const SEARCHED_SOME: u64 = 1 << 13;
/// Objects of a row that are asked how they are reached.
const ASKED: usize = 3;
/// Fields that are told of how they are.
const MOST_WAYS: usize = 3;

/// What objects and roots are put together by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Key {
    /// A root group by itself.
    Root(usize),
    /// Goroutines by where their function starts.
    Goroutines(u64),
    /// Objects by the number of their shape.
    Shape(u32),
    /// Objects without a type by their size.
    Untyped(u64),
}

/// What belongs to a row though it is below its objects.
#[derive(Clone, Copy)]
enum Like {
    /// Parts of linked structures of the type: further nodes, and what is between them.
    Linked(TypeId),
    /// Parts of maps of the type.
    Map(TypeId),
    /// Objects of the same shape.
    Shape(u32),
}

/// Nodes that may become a row.
struct Group {
    key: Key,
    members: Vec<u32>,
    retained: u64,
    /// Nothing is below any of them.
    bare: bool,
}

/// What is below the nodes of a row.
struct Below {
    groups: Vec<Group>,
    inner: u64,
    /// Sum of what the groups retain.
    retained: u64,
}

/// A row whose nodes are still to be looked below of: the one that retains most comes first.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Pending {
    retained: u64,
    row: Reverse<u32>,
    deep: u32,
    members: Vec<u32>,
}

impl HeapGraph<'_> {
    /// The dominator tree in at most `most` rows, those that retain most looked into first.
    ///
    /// # Errors
    /// [`GraphError`] when there are too many roots.
    pub fn retained_tree(&self, names: &dyn Names, most: usize) -> Result<HeapTree, GraphError> {
        let graph = self.rooted()?;
        let builder = Builder {
            heap: self,
            names,
            index: self.tree.children_index(),
            families: self.families(),
            least: (self.tree.total() / LEAST_PART).max(1),
            graph,
            most: most.clamp(1, u32::MAX as usize >> 1),
        };
        Ok(HeapTree { rows: builder.rows() })
    }
}

struct Builder<'g, 'r> {
    heap: &'g HeapGraph<'r>,
    names: &'g dyn Names,
    graph: Rooted<'g, Arc<Edges>>,
    index: ChildrenIndex<'g>,
    /// The linked structure that a shape is a part of.
    families: Vec<Option<(TypeId, Part)>>,
    /// Least bytes of a row.
    least: u64,
    most: usize,
}

impl Builder<'_, '_> {
    fn rows(&self) -> Vec<HeapTreeRow> {
        let total = self.heap.tree.total();
        // Besides the objects the root and the groups are reached.
        let others = 1 + self.graph.root().saturating_sub(self.graph.object_count());
        let objects = self.heap.tree.reached().saturating_sub(others);
        let mut rows = vec![HeapTreeRow {
            kind: "heap".to_owned(),
            count: u64::from(objects),
            retained_bytes: total,
            ..HeapTreeRow::default()
        }];
        let mut pending = BinaryHeap::new();
        pending.push(Pending { retained: total, row: Reverse(0), deep: 0, members: vec![self.graph.root()] });
        while let Some(at) = pending.pop() {
            let Reverse(row) = at.row;
            let Below { groups, inner, retained } = self.below(&at.members);
            if let Some(told) = rows.get_mut(row as usize) {
                told.inner = inner;
                told.own_bytes = at.retained.saturating_sub(retained);
            }
            // One more for what is left over.
            if groups.is_empty() || at.deep == MOST_DEEP || rows.len() + 2 > self.most {
                continue;
            }
            let room = (self.most - rows.len() - 1).min(if row == 0 { MOST_TOP } else { MOST_BELOW });
            let (shown, rest) = self.choose(groups, room);
            for group in shown {
                let mut told = self.tell(row, &group);
                let number = u32::try_from(rows.len()).unwrap_or(u32::MAX);
                if group.bare {
                    told.own_bytes = group.retained;
                    rows.push(told);
                    continue;
                }
                rows.push(told);
                pending.push(Pending {
                    retained: group.retained,
                    row: Reverse(number),
                    deep: at.deep + 1,
                    members: group.members,
                });
            }
            rows.extend(rest.map(|(count, retained_bytes)| HeapTreeRow {
                parent: row,
                kind: "rest".to_owned(),
                count,
                retained_bytes,
                ..HeapTreeRow::default()
            }));
        }
        rows
    }

    /// What the nodes of a row dominate, by key; their like below them is passed through.
    fn below(&self, members: &[u32]) -> Below {
        let mut found: FxHashMap<Key, usize> = FxHashMap::default();
        let mut below = Below { groups: Vec::new(), inner: 0, retained: 0 };
        let like = members.first().and_then(|&m| self.like(m));
        let mut inner = Vec::new();
        let mut at = 0;
        // Neighbours are often alike.
        let mut last = None;
        while let Some(node) = members.get(at).copied().or_else(|| inner.pop()) {
            at = at.saturating_add(1);
            let aside = matches!(like, Some(Like::Map(_))) && self.is_aside(node);
            self.index.for_each(node, |child, retained, bare| {
                if aside || like.is_some_and(|like| self.is_like(child, like)) {
                    below.inner += 1;
                    if !bare {
                        inner.push(child);
                    }
                    return;
                }
                let key = self.key(child);
                let i = match last {
                    Some((same, i)) if same == key => i,
                    _ => *found.entry(key).or_insert_with(|| {
                        below.groups.push(Group { key, members: Vec::new(), retained: 0, bare: true });
                        below.groups.len() - 1
                    }),
                };
                last = Some((key, i));
                below.retained = below.retained.saturating_add(retained);
                if let Some(group) = below.groups.get_mut(i) {
                    group.members.push(child);
                    group.retained = group.retained.saturating_add(retained);
                    group.bare &= bare;
                }
            });
        }
        below
    }

    /// What a row that begins with `node` takes in of what is below it.
    fn like(&self, node: u32) -> Option<Like> {
        let number = self.shape_of(node)?;
        match (self.family_of(number), self.heap.shapes.get(number)) {
            (Some((typ, Part::Node)), _) => Some(Like::Linked(typ)),
            (_, shape) => Some(shape.map_type().map_or(Like::Shape(number), Like::Map)),
        }
    }

    fn is_like(&self, node: u32, like: Like) -> bool {
        let Some(number) = self.shape_of(node) else { return false };
        match like {
            Like::Linked(typ) => self.family_of(number).is_some_and(|f| f.0 == typ),
            Like::Map(typ) => self.heap.shapes.get(number).map_type() == Some(typ),
            Like::Shape(of) => number == of,
        }
    }

    /// Whether all below a node belongs to a classic map: its list of overflow buckets, which no type of the map names.
    fn is_aside(&self, node: u32) -> bool {
        let shape = |node: u32| self.shape_of(node).map(|n| self.heap.shapes.get(n));
        let is_extra = |node: u32| matches!(shape(node), Some(Shape::MapExtra(_)));
        let is_part = || shape(node).and_then(Shape::map_type).is_some();
        is_extra(node) || !is_part() && self.heap.tree.dominator(node).is_some_and(is_extra)
    }

    fn family_of(&self, number: u32) -> Option<(TypeId, Part)> {
        self.families.get(number as usize).copied().flatten()
    }

    /// Number of the shape of an object with a type.
    fn shape_of(&self, node: u32) -> Option<u32> {
        let number = if node < self.graph.object_count() { self.heap.shapes.number(node) } else { 0 };
        (number != 0).then_some(number)
    }

    fn key(&self, node: u32) -> Key {
        if let Some(group) = self.graph.group_of(node) {
            return match self.heap.roots.groups.get(group) {
                Some(&RootGroup::Goroutine { index }) => Key::Goroutines(self.goroutine_start(index)),
                _ => Key::Root(group),
            };
        }
        match self.heap.shapes.number(node) {
            0 => Key::Untyped(self.heap.objects.size(node).unwrap_or(0)),
            number => Key::Shape(number),
        }
    }

    fn goroutine_start(&self, index: u32) -> u64 {
        let list = self.heap.runtime.goroutines.as_ref().map(|g| g.list.as_slice()).unwrap_or_default();
        list.get(index as usize).map_or(0, |g| g.start)
    }

    /// The groups that become rows, most bytes first; nodes and bytes of the others.
    fn choose(&self, groups: Vec<Group>, room: usize) -> (Vec<Group>, Option<(u64, u64)>) {
        let mut list = self.split(groups);
        list.sort_by_key(|g| (Reverse(g.retained), g.key, g.members.first().copied()));
        let kept = list.iter().take(room).take_while(|g| g.retained >= self.least).count();
        let rest = list.split_off(kept);
        let count = rest.iter().map(|g| g.members.len() as u64).sum::<u64>();
        let bytes = rest.iter().map(|g| g.retained).fold(0, u64::saturating_add);
        (list, (count > 0).then_some((count, bytes)))
    }

    /// Sets those members apart that retain a good part of all groups together.
    fn split(&self, groups: Vec<Group>) -> Vec<Group> {
        let all = groups.iter().map(|g| g.retained).fold(0, u64::saturating_add);
        let large = (all / APART).max(self.least);
        let mut list = Vec::new();
        for mut group in groups {
            let Group { key, members, retained, bare } = &mut group;
            if members.len() > 1 && *retained >= large {
                members.retain(|&node| {
                    let own = self.heap.tree.retained(node);
                    let apart = own >= large;
                    if apart {
                        *retained = retained.saturating_sub(own);
                        list.push(Group { key: *key, members: vec![node], retained: own, bare: *bare });
                    }
                    !apart
                });
            }
            if !group.members.is_empty() {
                list.push(group);
            }
        }
        list
    }

    fn tell(&self, parent: u32, group: &Group) -> HeapTreeRow {
        let first = group.members.first().copied().unwrap_or(u32::MAX);
        let one = group.members.len() == 1;
        let root = self.graph.group_of(first).and_then(|g| self.heap.roots.groups.get(g)).copied();
        let (kind, name) = match (root, group.key) {
            (Some(root), Key::Goroutines(start)) if !one => {
                let name = self.names.function(start).unwrap_or_else(|| format!("{start:#x}"));
                (kind_of(root), name)
            }
            (Some(root), _) => (kind_of(root), self.heap.root_name(root, self.names)),
            (None, _) => ("object", self.heap.type_name(first, self.names)),
        };
        let address = match root {
            Some(RootGroup::Global { address }) => Some(address),
            Some(_) => None,
            None => self.heap.objects.address(first),
        };
        HeapTreeRow {
            parent,
            kind: kind.to_owned(),
            via: if root.is_none() && parent != 0 { self.via(group) } else { String::new() },
            name,
            address: address.filter(|_| one).map(|a| format!("{a:#x}")),
            count: group.members.len() as u64,
            retained_bytes: group.retained,
            ..HeapTreeRow::default()
        }
    }

    /// How the objects above lead to those of a group, as far as those that are asked tell.
    fn via(&self, group: &Group) -> String {
        let members = &group.members;
        let from = |node: u32| self.heap.tree.dominator(node).filter(|&d| d < self.graph.object_count());
        if let [only] = members.as_slice() {
            return from(*only).map_or_else(String::new, |d| self.heap.edge_name_within(d, *only, SEARCHED_ONE));
        }
        let mut ways: Vec<String> = Vec::new();
        for i in 0..ASKED {
            let Some(&node) = members.get(i * (members.len() - 1) / (ASKED - 1)) else { continue };
            let Some(above) = from(node) else { return String::new() };
            let same = |o: u32| self.key(o) == group.key && self.heap.tree.dominator(o) == Some(above);
            for way in self.heap.edge_names_where(above, SEARCHED_SOME, same) {
                let way = without_indexes(&way);
                if !ways.contains(&way) {
                    ways.push(way);
                }
            }
        }
        if ways.len() > MOST_WAYS { String::new() } else { ways.join(" ") }
    }
}

/// `[i].next` of `[17].next`.
fn without_indexes(via: &str) -> String {
    let mut out = String::with_capacity(via.len());
    let mut digits = false;
    for c in via.chars() {
        let after_bracket = out.ends_with('[') || digits;
        digits = after_bracket && c.is_ascii_digit();
        match digits {
            true if out.ends_with('[') => out.push('i'),
            true => {}
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::without_indexes;

    #[test]
    fn numbers_of_elements_are_left_out() {
        assert_eq!(without_indexes("[17].next[3]"), "[i].next[i]");
        assert_eq!(without_indexes("[value]"), "[value]");
        assert_eq!(without_indexes(".v2.x10"), ".v2.x10");
        assert_eq!(without_indexes("[]"), "[]");
    }
}
