//! The holder tree: all objects that are reached the same way from a root, by types and fields, are one place. A heap
//! of millions of objects has hundreds or thousands of places.
//!
//! Owns what "the same way" means. Indices and addresses do not count. A way that comes back to a type that it has
//! passed goes on from there: the nodes of a list are one place, those of a tree too. Goroutines count by the function
//! they run. Which way leads to an object is a choice ([`Follow`]).

use super::vias::{vias, without_indices};
use crate::graph::{Bits, GraphError, Rooted, Start, Successors, spanning};
use crate::paths::Names;
use crate::program::HeapGraph;
use crate::roots::RootGroup;
use crate::shapes::Shape;
use model::whole_name;
use rustc_hash::FxHashMap;

/// Most types and fields on a way; what lies deeper counts at the last place.
const MOST_DEEP: u32 = 128;
/// Most places; what comes then counts at the place above.
const MOST_PLACES: usize = 1 << 20;
/// What holds objects that several roots hold together, when dominators are followed.
pub(super) const SHARED: &str = "several roots";

/// What the runtime keeps of threads and processors (`src/runtime/runtime2.go`); threads from 1.24 on with padding.
const SCHEDULERS: [&str; 4] = ["runtime.g", "runtime.m", "runtime.mPadded", "runtime.p"];

/// Number of a place.
pub type PlaceId = u32;
/// No place.
const NONE: u32 = u32::MAX;

/// Which way leads to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Follow {
    /// The fewest pointers: from a variable of the program if one leads there, else from a goroutine, else from any
    /// other root. Steady from one instant to the next, since goroutines come and go.
    Shortest,
    /// The dominator tree: what is below a place is what it retains.
    Dominators,
}

/// One place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The place that leads here; none for a root.
    pub above: Option<PlaceId>,
    /// Number of the name of how it leads here.
    via: u32,
    /// Number of the name of the type or root.
    what: u32,
    /// Places above.
    depth: u32,
    /// Objects here, without those below.
    pub objects: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The places of a heap: each behind the one above it.
#[derive(Debug, Default)]
pub struct Places {
    places: Vec<Place>,
    names: Vec<String>,
    of: Vec<PlaceId>,
}

impl Places {
    /// All places.
    #[must_use]
    pub fn list(&self) -> &[Place] {
        &self.places
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, place: PlaceId) -> Option<&Place> {
        self.places.get(place as usize)
    }

    /// The place of an object; `None` for one that no root reaches.
    #[must_use]
    pub fn of(&self, object: u32) -> Option<PlaceId> {
        self.of.get(object as usize).copied().filter(|&p| p != NONE)
    }

    /// How the place above leads here: `.users`, `[key]`; empty for roots and where it is not known.
    #[must_use]
    pub fn via(&self, place: PlaceId) -> &str {
        self.get(place).and_then(|p| self.names.get(p.via as usize)).map_or("", String::as_str)
    }

    /// The type of the objects there, or the root's name.
    #[must_use]
    pub fn what(&self, place: PlaceId) -> &str {
        self.get(place).and_then(|p| self.names.get(p.what as usize)).map_or("", String::as_str)
    }

    /// The places from a root to this one.
    #[must_use]
    pub fn path(&self, place: PlaceId) -> Vec<PlaceId> {
        let mut path: Vec<PlaceId> =
            std::iter::successors(self.get(place).map(|_| place), |&p| self.get(p)?.above).collect();
        path.reverse();
        path
    }

    /// Whether a place is a part of the map above it: its groups, tables, buckets.
    #[must_use]
    pub fn is_part(&self, place: PlaceId) -> bool {
        let above = self.get(place).and_then(|p| p.above).filter(|&a| self.get(a).is_some_and(|a| a.above.is_some()));
        above.is_some_and(|a| self.via(place).is_empty() && whole_name(self.what(place)) == whole_name(self.what(a)))
    }

    /// The way to a place as an expression: `main.server.sessions.byKey[value]`.
    #[must_use]
    pub fn expression(&self, place: PlaceId) -> String {
        let mut text = String::new();
        for p in self.path(place) {
            text.push_str(if self.get(p).is_some_and(|p| p.above.is_none()) { self.what(p) } else { self.via(p) });
        }
        text
    }

    /// For each place the objects and bytes there and at all places below it.
    #[must_use]
    pub fn with_below(&self) -> Vec<(u64, u64)> {
        let mut sums: Vec<(u64, u64)> = self.places.iter().map(|p| (p.objects, p.bytes)).collect();
        for (i, place) in self.places.iter().enumerate().rev() {
            let (objects, bytes) = sums.get(i).copied().unwrap_or_default();
            if let Some(above) = place.above.and_then(|a| sums.get_mut(a as usize)) {
                *above = (above.0.saturating_add(objects), above.1.saturating_add(bytes));
            }
        }
        sums
    }
}

/// Puts places together.
struct Builder<'a, 'r> {
    graph: &'a HeapGraph<'r>,
    names: &'a dyn Names,
    places: Vec<Place>,
    texts: Vec<String>,
    by_text: FxHashMap<String, u32>,
    /// Name of the type of each shape; of untyped objects by size.
    types: Vec<u32>,
    untyped: FxHashMap<u64, u32>,
    /// Name of a field by shape and place in it.
    fields: FxHashMap<(u32, u32), u32>,
    /// The place below another by field and type.
    below: FxHashMap<(u32, u32, u32), PlaceId>,
}

impl Builder<'_, '_> {
    fn text(&mut self, text: String) -> u32 {
        if let Some(&known) = self.by_text.get(&text) {
            return known;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(0);
        self.by_text.insert(text.clone(), number);
        self.texts.push(text);
        number
    }

    /// Name of an object's type.
    fn what(&mut self, object: u32) -> u32 {
        let number = self.graph.shapes.number(object);
        if self.graph.shapes.get(number) == Shape::Unknown {
            let size = self.graph.objects.size(object).unwrap_or(0);
            if let Some(&known) = self.untyped.get(&size) {
                return known;
            }
            let name = self.text(self.graph.type_name(object, self.names));
            self.untyped.insert(size, name);
            return name;
        }
        match self.types.get(number as usize).copied() {
            Some(known) if known != NONE => known,
            _ => {
                let name = self.text(self.graph.type_name(object, self.names));
                if let Some(slot) = self.types.get_mut(number as usize) {
                    *slot = name;
                }
                name
            }
        }
    }

    /// Name of how an object of a shape leads on: `via` is of [`vias`].
    fn field(&mut self, shape: u32, via: u32) -> u32 {
        let Some(place) = via.checked_sub(1) else { return 0 };
        if let Some(&known) = self.fields.get(&(shape, place)) {
            return known;
        }
        let name = self.text(self.graph.via_name(shape, place));
        self.fields.insert((shape, place), name);
        name
    }

    /// The place of this field and type below another, or of the same type above it.
    fn place(&mut self, above: Option<PlaceId>, via: u32, what: u32) -> PlaceId {
        let key = (above.unwrap_or(NONE), via, what);
        if let Some(&known) = self.below.get(&key) {
            return known;
        }
        let up = |&p: &PlaceId| self.places.get(p as usize)?.above;
        let same = |&p: &PlaceId| self.places.get(p as usize).is_some_and(|p| p.what == what && p.above.is_some());
        let depth = above.and_then(|a| self.places.get(a as usize)).map_or(0, |p| p.depth + 1);
        let full = depth >= MOST_DEEP || self.places.len() >= MOST_PLACES;
        let passed = std::iter::successors(above, up).find(same).or(above.filter(|_| full));
        let place = passed.unwrap_or_else(|| {
            self.places.push(Place { above, via, what, depth, objects: 0, bytes: 0 });
            u32::try_from(self.places.len() - 1).unwrap_or(NONE)
        });
        self.below.insert(key, place);
        place
    }

    fn root(&mut self, group: RootGroup) -> PlaceId {
        let name = self.graph.root_kind_name(group, self.names);
        let what = self.text(name);
        self.place(None, 0, what)
    }

    fn count(&mut self, object: u32, place: PlaceId) {
        let size = self.graph.objects.size(object).unwrap_or(0);
        if let Some(p) = self.places.get_mut(place as usize) {
            p.objects += 1;
            p.bytes = p.bytes.saturating_add(size);
        }
    }
}

impl HeapGraph<'_> {
    /// The places of all objects that a root reaches.
    ///
    /// # Errors
    /// [`GraphError`] when there are too many roots.
    pub fn places(&self, names: &dyn Names, follow: Follow) -> Result<Places, GraphError> {
        let graph = Rooted::new(&self.edges, &self.roots.roots)?;
        let root = graph.root();
        match follow {
            Follow::Dominators => {
                let above = |node: u32| self.tree.dominator(node);
                Ok(self.places_along(names, &graph, self.tree.nodes().filter(|&n| n != root), &above))
            }
            Follow::Shortest => {
                let tree = spanning(&graph, self.steady_starts(&graph, names));
                let is_object = |node: u32| node < graph.object_count();
                let above = |node: u32| tree.above.get(node as usize).copied().filter(|_| is_object(node));
                Ok(self.places_along(names, &graph, tree.order.iter().copied(), &above))
            }
        }
    }

    /// Root groups in the order in which they are asked: see [`HeapGraph::root_ranks`]. What the runtime keeps of
    /// threads and processors is left to its own variables: which of them a goroutine runs on changes all the time.
    fn steady_starts<S: Successors>(&self, graph: &Rooted<'_, S>, names: &dyn Names) -> Vec<Start> {
        let mut nodes = [Vec::new(), Vec::new(), Vec::new()];
        for (i, rank) in self.root_ranks(names).into_iter().enumerate() {
            if let (Some(list), Some(node)) = (nodes.get_mut(usize::from(rank)), graph.group_node(i)) {
                list.push(node);
            }
        }
        let is_schedulers = |number: u32| match self.shapes.get(number) {
            Shape::Goroutine => true,
            Shape::Value(id) => SCHEDULERS.contains(&self.runtime.types.name(id).as_str()),
            _ => false,
        };
        let schedulers: Vec<bool> = (0..self.shapes.len() as u32).map(is_schedulers).collect();
        let mut left = Bits::new(graph.node_count());
        for object in 0..self.objects.count() {
            if schedulers.get(self.shapes.number(object) as usize).copied().unwrap_or(false) {
                left.insert(object);
            }
        }
        let [variables, goroutines, rest] = nodes;
        vec![
            Start { nodes: variables, without: None },
            Start { nodes: goroutines, without: Some(left) },
            Start { nodes: rest, without: None },
        ]
    }

    /// For each root group how late it is asked for what it holds: 0 for the program's variables, 1 for goroutines,
    /// 2 for the runtime's own. A request that is being served has the store it uses on its stack; what keeps the
    /// store is the variable.
    pub(crate) fn root_ranks(&self, names: &dyn Names) -> Vec<u8> {
        let rank = |group: &RootGroup| match *group {
            RootGroup::Global { address } if names.variable(address).is_some_and(|(n, _)| is_of_runtime(&n)) => 2,
            RootGroup::Global { .. } => 0,
            RootGroup::Goroutine { .. } => 1,
            _ => 2,
        };
        self.roots.groups.iter().map(rank).collect()
    }

    /// Places along a tree. `order` names each node after the one above it, `above` is none or the root for what has
    /// nothing above.
    fn places_along<S: Successors>(
        &self,
        names: &dyn Names,
        graph: &Rooted<'_, S>,
        order: impl Iterator<Item = u32>,
        above: &(impl Fn(u32) -> Option<u32> + Sync),
    ) -> Places {
        let count = graph.object_count();
        let mut of: Vec<u32> = vias(self, above).into_iter().map(std::sync::atomic::AtomicU32::into_inner).collect();
        let mut group_places: Vec<PlaceId> = vec![NONE; self.roots.groups.len()];
        let mut builder = Builder {
            graph: self,
            names,
            places: Vec::new(),
            texts: Vec::new(),
            by_text: FxHashMap::default(),
            types: vec![NONE; self.shapes.len()],
            untyped: FxHashMap::default(),
            fields: FxHashMap::default(),
            below: FxHashMap::default(),
        };
        builder.text(String::new());
        let mut reached = Bits::new(count);
        for node in order {
            if let Some(group) = graph.group_of(node) {
                if let (Some(place), Some(&g)) = (group_places.get_mut(group), self.roots.groups.get(group)) {
                    *place = builder.root(g);
                }
                continue;
            }
            let up = above(node).filter(|&n| n != graph.root());
            let what = builder.what(node);
            let (over, via) = match up {
                Some(up) if up < count => {
                    let via = of.get(node as usize).copied().unwrap_or(0);
                    (of.get(up as usize).copied().unwrap_or(NONE), builder.field(self.shapes.number(up), via))
                }
                Some(up) => {
                    let group = graph.group_of(up).and_then(|g| group_places.get(g)).copied();
                    (group.unwrap_or(NONE), 0)
                }
                None => {
                    let shared = builder.text(SHARED.to_owned());
                    (builder.place(None, 0, shared), 0)
                }
            };
            let place = builder.place(Some(over).filter(|&p| p != NONE), via, what);
            builder.count(node, place);
            reached.insert(node);
            if let Some(slot) = of.get_mut(node as usize) {
                *slot = place;
            }
        }
        for (object, place) in of.iter_mut().enumerate() {
            if !reached.get(object as u32) {
                *place = NONE;
            }
        }
        Places { places: builder.places, names: builder.texts, of }
    }

    /// What a root is called when it stands for others of its kind: variables without indices, goroutines by their
    /// function.
    pub(super) fn root_kind_name(&self, group: RootGroup, names: &dyn Names) -> String {
        match group {
            RootGroup::Goroutine { index } => {
                let list = self.runtime.goroutines.as_ref().map(|g| g.list.as_slice()).unwrap_or_default();
                let function = list.get(index as usize).and_then(|g| self.goroutine_function(g, names));
                function.map_or_else(|| "goroutine".to_owned(), |f| format!("goroutine {f}"))
            }
            other => without_indices(&self.root_name(other, names)),
        }
    }
}

/// Whether a variable is one of the runtime's own.
pub(super) fn is_of_runtime(name: &str) -> bool {
    name.starts_with("runtime.") || name.starts_with("internal/runtime/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_go_up_the_tree() {
        let place = |above, via, what, objects| Place { above, via, what, depth: 0, objects, bytes: 10 * objects };
        let names = ["", "main.server", "main.Server", ".byKey", "map[string]int"].map(str::to_owned);
        let places = Places {
            places: vec![place(None, 0, 1, 0), place(Some(0), 0, 2, 1), place(Some(1), 3, 4, 5)],
            names: names.to_vec(),
            of: vec![1, 2, NONE],
        };
        assert_eq!(places.with_below(), [(6, 60), (6, 60), (5, 50)]);
        assert_eq!(places.expression(2), "main.server.byKey");
        assert_eq!(places.path(2), [0, 1, 2]);
        assert_eq!((places.of(1), places.of(2), places.of(9)), (Some(2), None, None));
    }
}
