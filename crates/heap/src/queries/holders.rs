//! What holds an object, or the objects of a type: the shortest way from a root, and what every way passes.

use super::pattern::Pattern;
use super::places::{Follow, PlaceId, Places};
use crate::graph::{Bits, GraphError, Rooted};
use crate::paths::Names;
use crate::program::HeapGraph;
use crate::roots::RootGroup;
use model::{HeapObject, HeapPath, HeapPathStep, HeapTypeHolder, HeapTypeHolders};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;

/// Steps of a long way that are told from its start and from its end.
const FIRST: usize = 16;
const LAST: usize = 48;
/// Types that are told of what a pattern matched.
const MOST_TYPES: usize = 32;

/// Why an address holds nothing to be told of.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NotFound {
    /// A goroutine's stack: what is there is no object.
    #[error("{address:#x} lies in the stack of goroutine {goroutine}")]
    Stack {
        /// The address.
        address: u64,
        /// The goroutine's number.
        goroutine: u64,
    },
    /// A variable of the program.
    #[error("{address:#x} lies in the program's data: {name}")]
    Variable {
        /// The address.
        address: u64,
        /// What is there.
        name: String,
    },
    /// Free memory, or none of Go's.
    #[error("{address:#x} lies in no object of the heap: it is free, or not Go's")]
    Nothing {
        /// The address.
        address: u64,
    },
    /// No type matches.
    #[error("no type of an object in this heap matches `{pattern}`")]
    NoType {
        /// What was asked for.
        pattern: String,
    },
    /// The graph is too large.
    #[error(transparent)]
    Graph(#[from] GraphError),
}

impl HeapGraph<'_> {
    /// What holds the object at an address, which may lie inside of it.
    ///
    /// # Errors
    /// [`NotFound`] when there is no object.
    pub fn holders_of_address(&self, names: &dyn Names, address: u64) -> Result<HeapObject, NotFound> {
        let found = self.objects.find(address).ok_or_else(|| self.nothing_at(names, address))?;
        let graph = Rooted::new(&self.edges, &self.roots.roots)?;
        let object = found.object;
        let shortest = self.tree.shortest_paths(&[object]).pop().unwrap_or_default();
        let mut dominators: Vec<u32> = self.tree.path_to_root(object).collect();
        dominators.reverse();
        Ok(HeapObject {
            asked: format!("{address:#x}"),
            address: format!("{:#x}", self.value_address(object)),
            offset: address.saturating_sub(self.value_address(object)),
            field: self.field_at(object, found.offset),
            type_name: self.type_name(object, names),
            bytes: self.objects.size(object).unwrap_or(0),
            retained_bytes: self.tree.retained(object),
            reachable: self.tree.is_reachable(object),
            shortest: self.path(&graph, &shortest, names),
            dominators: self.path(&graph, &dominators, names),
        })
    }

    fn nothing_at(&self, names: &dyn Names, address: u64) -> NotFound {
        let goroutines = self.runtime.goroutines.as_ref().map(|g| g.list.as_slice()).unwrap_or_default();
        if let Some(g) = goroutines.iter().find(|g| (g.stack.0..g.stack.1).contains(&address)) {
            return NotFound::Stack { address, goroutine: g.id };
        }
        let data = |m: &gobinary::ModuleData| (m.noptrdata..m.enoptrbss).contains(&address);
        if self.runtime.types.modules().iter().any(data) {
            return NotFound::Variable { address, name: self.root_name(RootGroup::Global { address }, names) };
        }
        NotFound::Nothing { address }
    }

    /// Tells the nodes of a way; the root above all groups says nothing and is left out.
    fn path<S: crate::graph::Successors>(&self, graph: &Rooted<'_, S>, nodes: &[u32], names: &dyn Names) -> HeapPath {
        let nodes = nodes.strip_prefix(&[graph.root()]).unwrap_or(nodes);
        let omitted = nodes.len().saturating_sub(FIRST + LAST);
        let behind = FIRST + omitted;
        let mut steps = Vec::new();
        for (i, &node) in nodes.iter().enumerate().filter(|(i, _)| omitted == 0 || *i < FIRST || *i >= behind) {
            let before = i.checked_sub(1).and_then(|b| nodes.get(b)).copied();
            let via =
                before.filter(|&b| b < graph.object_count()).map_or_else(String::new, |b| self.edge_name(b, node));
            let group = graph.group_of(node).and_then(|g| self.roots.groups.get(g)).copied();
            steps.push(HeapPathStep {
                via,
                type_name: group.map_or_else(|| self.type_name(node, names), |g| self.root_name(g, names)),
                address: match group {
                    Some(RootGroup::Global { address }) => format!("{address:#x}"),
                    Some(_) => String::new(),
                    None => format!("{:#x}", self.value_address(node)),
                },
                bytes: group.map_or_else(|| self.objects.size(node).unwrap_or(0), |_| 0),
                retained_bytes: self.tree.retained(node),
            });
        }
        HeapPath { steps, omitted: omitted as u64, resumes_at: if omitted > 0 { FIRST as u64 } else { 0 } }
    }

    /// Who holds the objects of the types that `pattern` means, by the shortest way from a root; the `rows` ways with
    /// most bytes.
    ///
    /// # Errors
    /// [`NotFound`] when no object has such a type.
    pub fn holders_of_types(
        &self,
        names: &dyn Names,
        pattern: &Pattern,
        rows: usize,
    ) -> Result<HeapTypeHolders, NotFound> {
        let shapes = self.shapes_named(pattern, names);
        let is_meant = |object: u32| shapes.get(self.shapes.number(object) as usize).copied().unwrap_or(false);
        let mut types = self.types_of(names, is_meant);
        let objects = types.iter().map(|t| t.objects).fold(0, u64::saturating_add);
        if objects == 0 {
            return Err(NotFound::NoType { pattern: pattern.text().to_owned() });
        }
        let places = self.places(names, Follow::Shortest)?;
        let mut set = Bits::new(self.objects.count());
        let mut at: FxHashMap<PlaceId, (u64, u64)> = FxHashMap::default();
        let mut unreachable = 0;
        for (i, span) in self.objects.spans().iter().enumerate() {
            for (object, _) in self.objects.of_span(i as u32).filter(|(o, _)| is_meant(*o)) {
                set.insert(object);
                match places.of(object) {
                    Some(place) => {
                        let of = at.entry(place).or_default();
                        *of = (of.0 + 1, of.1.saturating_add(span.elem_size));
                    }
                    None => unreachable += 1,
                }
            }
        }
        let graph = Rooted::new(&self.edges, &self.roots.roots)?;
        let size = |node: u32| self.objects.size(node).unwrap_or(0);
        let mut list: Vec<(PlaceId, (u64, u64))> = at.into_iter().collect();
        list.sort_by_key(|&(place, (objects, bytes))| (Reverse((bytes, objects)), place));
        let more_holders = list.len().saturating_sub(rows) as u64;
        list.truncate(rows);
        let bytes = types.iter().map(|t| t.bytes).fold(0, u64::saturating_add);
        types.truncate(MOST_TYPES);
        Ok(HeapTypeHolders {
            pattern: pattern.text().to_owned(),
            types,
            objects,
            unreachable,
            bytes,
            retained_bytes: self.tree.retained_exactly(&graph, &set, size),
            holders: list.into_iter().map(|(place, sums)| holder(&places, place, sums)).collect(),
            more_holders,
        })
    }
}

fn holder(places: &Places, place: PlaceId, (objects, bytes): (u64, u64)) -> HeapTypeHolder {
    let step = |p: PlaceId| HeapPathStep {
        via: places.via(p).to_owned(),
        type_name: places.what(p).to_owned(),
        address: String::new(),
        bytes: places.get(p).map_or(0, |p| p.bytes),
        retained_bytes: 0,
    };
    let path = places.path(place).into_iter().map(step).collect();
    HeapTypeHolder { path, holder: places.expression(place), objects, bytes }
}
