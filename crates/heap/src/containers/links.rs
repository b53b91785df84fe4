//! Linked lists and trees, the standard library's and those written by hand, and chains of contexts: objects of
//! one type that lead to others of it.
//!
//! Lists are linear chains ([`crate::graph::linear_chains`]). Trees are found in the dominator tree: nodes below
//! each other with nothing but slices and maps of them in between; a node that several others lead to counts
//! where their ways part.

use super::{Collector, ContainerFacts, ContainerKind, Note};
use crate::graph::{Bits, Chain, ChainShape, Ranked, Successors, linear_chains};
use crate::program::HeapGraph;
use crate::shapes::Shape;
use gobinary::TypeId;
use gobinary::types::{Detail, PointerKind};
use goruntime::ObjectId;
use rustc_hash::FxHashMap;

/// Shortest list that is told.
const LEAST_LIST: u32 = 16;
/// Shortest list of objects whose type is not known: shorter ones may be chance.
const LEAST_UNTYPED: u32 = 256;
/// Smallest tree that is told.
const LEAST_TREE: u64 = 16;
/// Longest chains whose nodes are visited again for what they retain.
const MOST_VISITED: u64 = 1 << 28;
/// How deep arrays nest.
const MOST_DEEP: u32 = 32;
/// No family, no root.
const NONE: u32 = u32::MAX;
/// Offset of `list` in `list.Element`, and of `len` in `list.List` (`src/container/list/list.go`, unchanged since 1.0).
const ELEMENT_LIST: u64 = 16;
const LIST_LEN: u64 = 40;

/// What a shape is to a family of nodes.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A node.
    Node,
    /// A slice or map between nodes.
    Between,
}

/// Nodes below one root.
#[derive(Clone, Copy, Default)]
struct Tree {
    nodes: u64,
    bytes: u64,
    depth: u32,
}

impl HeapGraph<'_> {
    pub(super) fn links_into(&self, collector: &mut Collector) {
        let in_chains = self.chains_into(collector);
        self.trees_into(collector, &in_chains);
    }

    /// Kind of each shape's nodes: contexts are one kind. [`NONE`] for what is no node of a list.
    fn kinds(&self) -> (Vec<u32>, u32) {
        let types = &self.runtime.types;
        let contexts = self.shapes.len() as u32;
        let kinds = (0..self.shapes.len() as u32).map(|number| match self.shapes.get(number) {
            Shape::Value(id) if is_context(&types.name(id)) => contexts,
            Shape::Value(id) | Shape::Array(id) if self.may_lead_on(id, MOST_DEEP) => number,
            Shape::Closure(_) => number,
            _ => NONE,
        });
        (kinds.collect(), contexts)
    }

    /// Whether a value may point to another one of its type: not if it has nothing but strings, maps, channels and
    /// slices of what has no pointers.
    fn may_lead_on(&self, id: TypeId, deep: u32) -> bool {
        let types = &self.runtime.types;
        let (Some(program), Some(deep)) = (types.program(id), deep.checked_sub(1)) else { return true };
        program.incomplete
            || program.slots.iter().any(|slot| match slot.kind {
                PointerKind::String | PointerKind::Map(_) | PointerKind::Chan(_) => false,
                PointerKind::Slice(elem) => types.get(elem).is_none_or(|t| t.ptr_bytes > 0),
                _ => true,
            })
            || program.repeats.iter().any(|r| self.may_lead_on(r.elem, deep))
    }

    fn chains_into(&self, collector: &mut Collector) -> Bits {
        let (kinds, contexts) = self.kinds();
        let count = self.objects.count();
        let mut live = Bits::new(count);
        let mut classes = vec![0_u8; self.objects.spans().len()];
        for (i, span) in self.objects.spans().iter().enumerate() {
            if let Some(class) = classes.get_mut(i) {
                *class = span.class;
            }
            for (object, _) in self.objects.of_span(i as u32) {
                let number = self.shapes.number(object);
                let kind = kinds.get(number as usize).copied().unwrap_or(NONE);
                if (kind != NONE || (number == 0 && span.class & 1 == 0)) && self.tree.is_reachable(object) {
                    live.insert(object);
                }
            }
        }
        let kind = |v: u32| match self.shapes.number(v) {
            0 => {
                let class = self.objects.span_of(v).and_then(|s| classes.get(s as usize)).copied().unwrap_or(0);
                contexts + 1 + u32::from(class)
            }
            number => kinds.get(number as usize).copied().unwrap_or(NONE),
        };
        let size = |v: u32| self.objects.size(v).unwrap_or(0);
        let chains = linear_chains(&self.edges, Some(&live), LEAST_LIST, kind, size);
        let mut in_chains = Bits::new(count);
        let mut left = MOST_VISITED;
        for chain in chains {
            if chain.kind > contexts && chain.length < LEAST_UNTYPED {
                continue;
            }
            let Some(rest) = left.checked_sub(u64::from(chain.length)) else { break };
            left = rest;
            let retained = self.retained_by_chain(&chain, &kind, &mut in_chains);
            collector.add(self.chain_facts(&chain, retained, chain.kind == contexts));
        }
        in_chains
    }

    /// What the nodes of a chain retain together, as far as the dominator tree tells; marks them.
    fn retained_by_chain(&self, chain: &Chain, kind: &impl Fn(u32) -> u32, marks: &mut Bits) -> u64 {
        let mut nodes = Vec::new();
        let mut pending = vec![chain.start];
        marks.insert(chain.start);
        while let Some(node) = pending.pop() {
            nodes.push(node);
            if nodes.len() as u64 + pending.len() as u64 >= u64::from(chain.length) {
                continue;
            }
            self.edges.for_each(node, &mut |next| {
                if next < self.objects.count() && kind(next) == chain.kind && marks.insert(next) {
                    pending.push(next);
                }
            });
        }
        let mine: Bits = nodes.iter().copied().collect();
        let above = |&&node: &&u32| self.tree.dominator(node).is_none_or(|d| d >= self.objects.count() || !mine.get(d));
        nodes.iter().filter(above).map(|&n| self.tree.retained(n)).fold(0, u64::saturating_add)
    }

    fn chain_facts(&self, chain: &Chain, retained: u64, context: bool) -> ContainerFacts {
        let types = &self.runtime.types;
        let kind = if context { ContainerKind::Context } else { ContainerKind::List };
        let type_name = match self.shapes.of(chain.start) {
            Shape::Unknown => format!("untyped, {} bytes", self.objects.size(chain.start).unwrap_or(0)),
            shape => shape.name(types, |_| None),
        };
        let mut facts = ContainerFacts {
            object: Some(chain.start),
            address: self.objects.address(chain.start).unwrap_or(0),
            entries: u64::from(chain.length),
            own_bytes: chain.bytes,
            content_bytes: retained.saturating_sub(chain.bytes),
            retained,
            ..ContainerFacts::new(kind, type_name)
        };
        if chain.shape == ChainShape::Double {
            facts.notes.push(Note::Doubly);
        }
        if chain.closed {
            facts.notes.push(Note::Closing);
        }
        facts.notes.push(Note::Depth(u64::from(chain.length)));
        if facts.type_name == "list.Element" {
            self.library_list(&mut facts);
        }
        facts
    }

    /// A chain of `list.Element`: the list they belong to.
    fn library_list(&self, facts: &mut ContainerFacts) {
        let word = |at: u64| self.runtime.memory.u64(at).ok();
        let list = word(facts.address.saturating_add(ELEMENT_LIST)).filter(|&l| l != 0);
        let Some(list) = list else { return };
        if word(list.saturating_add(LIST_LEN)) != Some(facts.entries) {
            return;
        }
        facts.address = list;
        "list.List".clone_into(&mut facts.type_name);
        facts.object = None;
        if let Some(found) = self.objects.find(list) {
            facts.object = Some(found.object);
            if found.offset == u64::from(self.first_byte(found.object)) {
                let own = self.objects.size(found.object).unwrap_or(0);
                facts.own_bytes = facts.own_bytes.saturating_add(own);
                facts.retained = facts.retained.max(self.tree.retained(found.object));
            }
        }
    }

    /// Family and part of each shape: a family is named by the type of its nodes.
    pub(crate) fn families(&self) -> Vec<Option<(TypeId, Part)>> {
        let types = &self.runtime.types;
        let mut nodes: FxHashMap<TypeId, ()> = FxHashMap::default();
        for number in 0..self.shapes.len() as u32 {
            if let Shape::Value(id) = self.shapes.get(number)
                && self.leads_to_itself(id)
            {
                nodes.insert(id, ());
            }
        }
        let node_of = |id: TypeId| {
            let target = match types.get(id).map(|t| &t.detail) {
                Some(Detail::Pointer { elem }) => *elem,
                _ => id,
            };
            nodes.contains_key(&target).then_some(target)
        };
        let part = |number: u32| match self.shapes.get(number) {
            Shape::Value(id) => nodes.contains_key(&id).then_some((id, Part::Node)),
            Shape::Array(elem) => Some((node_of(elem)?, Part::Between)),
            Shape::MapHeader(map)
            | Shape::MapDirectory(map)
            | Shape::MapTable(map)
            | Shape::MapGroups(map)
            | Shape::MapBuckets(map) => match types.get(map).map(|t| &t.detail) {
                Some(Detail::Map(m)) => Some((node_of(m.elem)?, Part::Between)),
                _ => None,
            },
            _ => None,
        };
        (0..self.shapes.len() as u32).map(part).collect()
    }

    fn leads_to_itself(&self, id: TypeId) -> bool {
        let types = &self.runtime.types;
        let Some(program) = types.program(id) else { return false };
        let is_self = |target: TypeId| {
            target == id
                || matches!(types.get(target).map(|t| &t.detail), Some(Detail::Pointer { elem }) if *elem == id)
        };
        program.slots.iter().any(|slot| match slot.kind {
            PointerKind::Ptr(target) => target == id,
            PointerKind::Slice(elem) => is_self(elem),
            PointerKind::Map(map) => match types.get(map).map(|t| &t.detail) {
                Some(Detail::Map(m)) => is_self(m.elem),
                _ => false,
            },
            _ => false,
        }) || program.repeats.iter().any(|r| {
            types.get(r.elem).is_some_and(|t| match t.detail {
                Detail::Pointer { elem } => elem == id,
                _ => false,
            })
        })
    }

    fn trees_into(&self, collector: &mut Collector, in_chains: &Bits) {
        let families = self.families();
        let count = self.objects.count();
        // Few objects are of a family: only they have a place in the arrays.
        let mut members = Bits::new(count);
        for object in (0..count).filter(|&o| families.get(self.shapes.number(o) as usize).is_some_and(Option::is_some))
        {
            members.insert(object);
        }
        let members = Ranked::of(&members);
        let place = |object: u32| members.place(object).map(|p| p as usize);
        let mut root_of = vec![NONE; members.count() as usize];
        let mut depth = vec![0_u32; members.count() as usize];
        let mut trees: FxHashMap<ObjectId, Tree> = FxHashMap::default();
        let family_of = |v: u32| families.get(self.shapes.number(v) as usize).copied().flatten();
        self.tree.for_each_dominated(|node, dominator| {
            if node >= count || !members.contains(node) {
                return;
            }
            let Some((family, part)) = family_of(node) else { return };
            let above = Some(dominator).filter(|&d| d < count);
            let root = above
                .and_then(|d| root_of.get(place(d)?).copied())
                .filter(|&r| r != NONE && family_of(r).is_some_and(|f| f.0 == family));
            let root = match root {
                Some(root) => root,
                None if part == Part::Node => node,
                None => return,
            };
            let over = if root == node { 0 } else { above.and_then(|d| depth.get(place(d)?)).copied().unwrap_or(0) };
            let here = over.saturating_add(u32::from(part == Part::Node));
            if let Some(at) = place(node)
                && let (Some(r), Some(d)) = (root_of.get_mut(at), depth.get_mut(at))
            {
                (*r, *d) = (root, here);
            }
            let size = self.objects.size(node).unwrap_or(0);
            if root != node {
                let tree = trees.entry(root).or_insert_with(|| Tree {
                    nodes: 1,
                    bytes: self.objects.size(root).unwrap_or(0),
                    depth: 1,
                });
                tree.nodes += u64::from(part == Part::Node);
                tree.bytes = tree.bytes.saturating_add(size);
                tree.depth = tree.depth.max(here);
            }
        });
        for (root, tree) in trees {
            // A list is a tree without branches: told already.
            if tree.nodes < LEAST_TREE || in_chains.get(root) {
                continue;
            }
            let retained = self.tree.retained(root);
            let mut facts = ContainerFacts {
                object: Some(root),
                address: self.objects.address(root).unwrap_or(0),
                entries: tree.nodes,
                own_bytes: tree.bytes,
                content_bytes: retained.saturating_sub(tree.bytes),
                retained,
                ..ContainerFacts::new(ContainerKind::Tree, self.shapes.of(root).name(&self.runtime.types, |_| None))
            };
            facts.notes.push(Note::Depth(u64::from(tree.depth)));
            collector.add(facts);
        }
    }
}

/// The contexts of the standard library (`src/context/context.go`) and those named like them.
fn is_context(name: &str) -> bool {
    name.strip_prefix("context.").is_some_and(|n| n.ends_with("Ctx") || n.ends_with("ctx"))
}
