//! The overview of a heap as plain data: who holds how much, which types, which maps, which goroutines.

use crate::allocated::Sampled;
use crate::container_rows::ContainerSort;
use crate::containers::{ContainerKind, ContainerOptions, Links, map_facts};
use crate::depths::MOST_CHAINS;
use crate::graph::{GraphError, Rooted};
use crate::paths::Names;
use crate::program::HeapGraph;
use crate::queries::MOST_IN_CENSUS;
use crate::roots::RootGroup;
use crate::shapes::Shape;
use crate::typing::typing_stats;
use goruntime::{Goroutine, Status};
use model::{
    HEAP_SCHEMA, HeapCensus, HeapContainers, HeapCoverage, HeapGoroutines, HeapHeld, HeapHolder, HeapMap, HeapOverview,
    HeapRuntimeCounts, HeapStep,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Share of what a node retains that one child must retain for the way to go on to it.
const ACCUMULATES: f64 = 0.8;
/// Bytes by which the runtime's own count may differ at any instant.
const MOVES: u64 = 64 << 10;
/// Longest way that is shown.
const MOST_STEPS: usize = 64;
/// Types that are told of what an accumulation point holds.
const MOST_HELD: usize = 3;
/// Most containers of each kind that are listed, whatever number of rows is wanted.
const MOST_CONTAINERS: usize = 1 << 16;

/// Rows of the dominator tree where everything is wanted.
const TREE_ROWS: usize = 800;

/// Which parts of an overview are wanted: each costs time of its own.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Most rows in each table.
    pub rows: usize,
    /// Who holds the memory.
    pub holders: bool,
    /// Most rows of the dominator tree; 0 for none.
    pub tree: usize,
    /// Types.
    pub types: bool,
    /// Maps alone.
    pub maps: bool,
    /// Containers of all kinds.
    pub containers: Option<ContainerOptions>,
    /// What containers are sorted by.
    pub sort: ContainerSort,
    /// Containers of this kind alone.
    pub kind: Option<ContainerKind>,
    /// Of the containers nothing but strings with the same content.
    pub duplicates_only: bool,
    /// How deep objects lie.
    pub depth: bool,
    /// Goroutines.
    pub goroutines: bool,
    /// The roots by kind.
    pub roots: bool,
    /// What is compared with another instant.
    pub census: bool,
}

impl Wanted {
    /// Everything.
    #[must_use]
    pub fn all(rows: usize) -> Self {
        let containers = ContainerOptions { most: rows.min(MOST_CONTAINERS), ..ContainerOptions::default() };
        Self {
            rows,
            holders: true,
            tree: TREE_ROWS,
            types: true,
            maps: true,
            containers: Some(containers),
            sort: ContainerSort::Largest,
            kind: None,
            duplicates_only: false,
            depth: true,
            goroutines: true,
            roots: true,
            census: true,
        }
    }
}

impl HeapGraph<'_> {
    /// The parts that are wanted. `target`, `source` and `oomph` are left empty.
    ///
    /// # Errors
    /// [`GraphError`] when there are too many roots.
    pub fn overview(&self, names: &dyn Names, wanted: &Wanted) -> Result<HeapOverview, GraphError> {
        let rows = wanted.rows;
        let mut sampled = Sampled::of(self);
        let holders = if wanted.holders { self.holders(names, &mut sampled, rows)? } else { Vec::new() };
        // Containers are told by depth too: found once for both.
        let links = wanted.depth.then(|| self.links(MOST_CHAINS));
        let (containers, census) = self.container_parts(names, wanted, links.as_ref(), &mut sampled)?;
        let depth = links.map(|links| self.depths(names, rows, &links)).transpose()?;
        let goroutines = if wanted.goroutines { self.goroutine_groups(names, &mut sampled, rows)? } else { Vec::new() };
        let coverage = self.coverage();
        Ok(HeapOverview {
            schema: HEAP_SCHEMA.to_owned(),
            oomph: String::new(),
            target: String::new(),
            go_version: format!("go1.{}", self.runtime.layout().minor),
            source: String::new(),
            process: None,
            taken_at: None,
            pause_ms: None,
            coverage,
            suspects: Vec::new(),
            holders,
            tree: if wanted.tree > 0 { Some(self.retained_tree(names, wanted.tree)?) } else { None },
            roots: if wanted.roots { self.roots_by_kind(names, rows)? } else { Vec::new() },
            types: if wanted.types { self.types(names, rows) } else { Vec::new() },
            maps: if wanted.maps { self.maps(names, rows)? } else { Vec::new() },
            containers,
            depth,
            goroutines,
            census,
            stacks: sampled.into_stacks(),
            limits: self.limits(&coverage),
        })
    }

    /// What is wanted of the containers: they are found once.
    fn container_parts(
        &self,
        names: &dyn Names,
        wanted: &Wanted,
        links: Option<&Links>,
        sampled: &mut Sampled<'_, '_>,
    ) -> Result<(Option<HeapContainers>, Option<HeapCensus>), GraphError> {
        if wanted.containers.is_none() && !wanted.census {
            return Ok((None, None));
        }
        let mut options = wanted.containers.unwrap_or_default();
        if wanted.census || wanted.sort != ContainerSort::Largest {
            options.most = options.most.max(MOST_IN_CENSUS);
        }
        let found = match links {
            Some(links) if options.most <= MOST_CHAINS => self.containers_with(names, &options, links),
            _ => self.containers(names, &options),
        };
        let census =
            wanted.census.then(|| self.census(names, self.types(names, usize::MAX), &found.list)).transpose()?;
        let told = wanted.containers.map(|_| self.container_rows(names, wanted, found, sampled)).transpose()?;
        Ok((told, census))
    }

    /// How much was understood.
    #[must_use]
    pub fn coverage(&self) -> HeapCoverage {
        let stats = typing_stats(&self.view(), &self.shapes);
        let reached = self.tree.total();
        HeapCoverage {
            objects: stats.all.0,
            bytes: stats.all.1,
            typed_objects: stats.typed.0,
            typed_bytes: stats.typed.1,
            unreachable_objects: u64::from(self.tree.unreachable_objects()),
            unreachable_bytes: stats.all.1.saturating_sub(reached),
            unswept_objects: self.objects.garbage().0,
            unswept_bytes: self.objects.garbage().1,
            distrusted_spans: self.objects.distrusted_spans(),
            stack_bytes: self.manual_bytes,
            layout_assumed: self.runtime.layout().assumed,
            typed_reachable_bytes: self.typed_reachable_bytes(),
            span_bytes: self.objects.spans().iter().map(|s| s.bytes).sum(),
            miscounted_objects: self.objects.miscounted(),
            runtime: self.runtime.counts.map(|c| HeapRuntimeCounts {
                bytes: c.allocated.saturating_add(self.objects.uncounted_bytes()),
                span_bytes: c.in_use,
                marked_bytes: c.marked,
            }),
        }
    }

    fn typed_reachable_bytes(&self) -> u64 {
        let spans = self.objects.spans().iter().enumerate();
        let counts = |object| self.shapes.number(object) != 0 && self.tree.is_reachable(object);
        spans.map(|(i, s)| s.elem_size * self.objects.of_span(i as u32).filter(|o| counts(o.0)).count() as u64).sum()
    }

    /// What could not be read, and what that hides; `c` is the coverage of this heap.
    #[must_use]
    pub fn limits(&self, c: &HeapCoverage) -> Vec<String> {
        let mut limits = Vec::new();
        let found = c.bytes.saturating_add(c.unswept_bytes);
        if let Some(r) = c.runtime.filter(|r| r.bytes.abs_diff(found) > r.bytes / 1000 + MOVES) {
            let (found, counted) = (model::Bytes(found), model::Bytes(r.bytes));
            limits.push(format!("{found} of objects were found, garbage included; the runtime counts {counted}"));
        }
        if let Err(e) = &self.runtime.goroutines {
            limits.push(format!("goroutines: {e}; what only their stacks hold counts as unreachable"));
        }
        if self.roots.unreadable_stacks > 0 {
            limits.push(format!("{} goroutine stacks could not be read", self.roots.unreadable_stacks));
        }
        if self.roots.unreadable_data > 0 {
            let bytes = model::Bytes(self.roots.unreadable_data);
            limits.push(format!("{bytes} of the program's variables could not be read; what they hold is missing"));
        }
        if self.gaps.unreadable_spans > 0 {
            limits.push(format!("{} spans could not be read: their pointers are missing", self.gaps.unreadable_spans));
        }
        if self.gaps.opaque_objects > 0 {
            limits.push(format!("{} objects were being made, their pointers are unknown", self.gaps.opaque_objects));
        }
        if self.objects.distrusted_spans() > 0 {
            limits.push(format!("{} spans contradict themselves and are left out", self.objects.distrusted_spans()));
        }
        limits
    }

    pub(crate) fn rooted(&self) -> Result<Rooted<'_, Arc<crate::graph::Edges>>, GraphError> {
        Rooted::new(&self.edges, &self.roots.roots)
    }

    /// The largest children of the root of the dominator tree: root groups, and objects that several roots
    /// hold together.
    fn holders(
        &self,
        names: &dyn Names,
        sampled: &mut Sampled<'_, '_>,
        rows: usize,
    ) -> Result<Vec<HeapHolder>, GraphError> {
        let graph = self.rooted()?;
        let ways = self.tree.largest_children();
        let mut top = self.tree.children(graph.root());
        top.truncate(rows);
        let allocated = sampled.below(&top, names);
        let paths: Vec<Vec<u32>> = top.iter().map(|&node| ways.accumulation_path(node, ACCUMULATES)).collect();
        drop(ways);
        let last: Vec<u32> = paths.iter().zip(&top).map(|(path, node)| *path.last().unwrap_or(node)).collect();
        let held = self.held(&last, names);
        let holders =
            top.into_iter().zip(allocated).zip(paths).zip(&last).map(|(((node, allocated), mut path), last)| {
                let group = graph.group_of(node).and_then(|g| self.roots.groups.get(g)).copied();
                let (name, kind) = match group {
                    Some(group) => (self.root_name(group, names), group.kind()),
                    None => (self.type_name(node, names), "object"),
                };
                path.truncate(MOST_STEPS);
                let skip = usize::from(group.is_some());
                HeapHolder {
                    name,
                    kind: kind.to_owned(),
                    retained_bytes: self.tree.retained(node),
                    path: self.steps(&graph, path.get(skip..).unwrap_or_default(), names),
                    holds: held.get(last).cloned().unwrap_or_default(),
                    allocated,
                }
            });
        Ok(holders.collect())
    }

    /// The children of nodes in the dominator tree by type, those that retain most first.
    fn held(&self, parents: &[u32], names: &dyn Names) -> BTreeMap<u32, Vec<HeapHeld>> {
        let mut sums: Vec<BTreeMap<u32, (u32, u64, u64)>> = vec![BTreeMap::new(); parents.len()];
        self.tree.for_each_child(parents, |i, object, retained| {
            if let Some(sums) = sums.get_mut(i).filter(|_| object < self.objects.count()) {
                let sum = sums.entry(self.shapes.number(object)).or_insert((object, 0, 0));
                *sum = (sum.0.min(object), sum.1 + 1, sum.2.saturating_add(retained));
            }
        });
        let rows = |sums: BTreeMap<u32, (u32, u64, u64)>| {
            let mut list: Vec<_> = sums.into_values().collect();
            list.sort_by_key(|&(object, _, retained)| (std::cmp::Reverse(retained), object));
            list.truncate(MOST_HELD);
            let held = list.into_iter().map(|(object, objects, retained_bytes)| HeapHeld {
                type_name: self.type_name(object, names),
                objects,
                retained_bytes,
            });
            held.collect()
        };
        let mut held = BTreeMap::new();
        for (parent, sums) in parents.iter().zip(sums) {
            held.entry(*parent).or_insert_with(|| rows(sums));
        }
        held
    }

    /// Names the nodes of a way; each is reached from the one before, perhaps through others.
    fn steps<S: crate::graph::Successors>(
        &self,
        graph: &Rooted<'_, S>,
        path: &[u32],
        names: &dyn Names,
    ) -> Vec<HeapStep> {
        let mut before = None;
        path.iter()
            .filter(|&&node| node < graph.object_count())
            .map(|&node| {
                let via = before.map_or_else(String::new, |b| self.edge_name(b, node));
                before = Some(node);
                HeapStep {
                    via,
                    type_name: self.type_name(node, names),
                    address: format!("{:#x}", self.value_address(node)),
                }
            })
            .collect()
    }

    /// The shortest way from a root to each object, the root's name as its first step: from a variable of the program
    /// where one leads there, else from a goroutine, else from what the runtime keeps.
    ///
    /// # Errors
    /// [`GraphError`] when there are too many roots.
    pub fn holder_paths(&self, objects: &[u32], names: &dyn Names) -> Result<Vec<Vec<HeapStep>>, GraphError> {
        let graph = self.rooted()?;
        let paths = self.tree.shortest_paths_by_rank(objects, &self.root_ranks(names));
        Ok(paths
            .into_iter()
            .map(|path| {
                // The root above all groups says nothing.
                let group = path.get(1).and_then(|&n| graph.group_of(n)).and_then(|g| self.roots.groups.get(g));
                let mut steps: Vec<HeapStep> = group
                    .map(|&g| HeapStep {
                        via: String::new(),
                        type_name: self.root_name(g, names),
                        address: match g {
                            RootGroup::Global { address } => format!("{address:#x}"),
                            _ => String::new(),
                        },
                    })
                    .into_iter()
                    .collect();
                let from = path.len().saturating_sub(MOST_STEPS).max(2);
                steps.extend(self.steps(&graph, path.get(from..).unwrap_or_default(), names));
                steps
            })
            .collect())
    }

    fn maps(&self, names: &dyn Names, rows: usize) -> Result<Vec<HeapMap>, GraphError> {
        let is_map = |node: u32| matches!(self.shapes.of(node), Shape::MapHeader(_));
        let objects = self.objects.count();
        let largest = self.tree.largest_inner(rows, |node| node < objects && is_map(node));
        let holders = self.holder_paths(&largest, names)?;
        let mut maps = Vec::new();
        for (node, holder) in largest.into_iter().zip(holders) {
            let Shape::MapHeader(typ) = self.shapes.of(node) else { continue };
            let Some(address) = self.objects.address(node) else { continue };
            let Some(facts) = map_facts(&self.view(), typ, address) else { continue };
            maps.push(HeapMap {
                type_name: self.runtime.types.name(typ),
                address: format!("{address:#x}"),
                entries: facts.entries,
                slots: facts.slots,
                bytes: facts.bytes,
                ghost_bytes: facts.ghost(),
                retained_bytes: self.tree.retained(node),
                holder,
            });
        }
        Ok(maps)
    }

    fn goroutine_groups(
        &self,
        names: &dyn Names,
        sampled: &mut Sampled<'_, '_>,
        rows: usize,
    ) -> Result<Vec<HeapGoroutines>, GraphError> {
        let graph = self.rooted()?;
        let mut nodes = BTreeMap::new();
        for (i, group) in self.roots.groups.iter().enumerate() {
            if let (RootGroup::Goroutine { index }, Some(node)) = (group, graph.group_node(i)) {
                nodes.insert(*index, node);
            }
        }
        let mut groups: BTreeMap<(String, String, u64), (HeapGoroutines, Vec<u32>)> = BTreeMap::new();
        let list = self.runtime.goroutines.as_ref().map(|g| g.list.as_slice()).unwrap_or_default();
        for (i, g) in list.iter().enumerate() {
            let function = self.goroutine_function(g, names).unwrap_or_else(|| format!("{:#x}", g.start));
            let state = state(g);
            let (row, of) = groups.entry((function.clone(), state.clone(), g.created_at)).or_insert_with(|| {
                let row = HeapGoroutines {
                    function,
                    state,
                    created_by: names.stack(&[g.created_at]).into_iter().next(),
                    count: 0,
                    stack_bytes: 0,
                    retained_bytes: 0,
                    allocated: Vec::new(),
                };
                (row, Vec::new())
            });
            row.count += 1;
            row.stack_bytes += g.stack.1.saturating_sub(g.stack.0);
            if let Some(&node) = nodes.get(&(i as u32)) {
                row.retained_bytes += self.tree.retained(node);
                of.push(node);
            }
        }
        let mut list: Vec<_> = groups.into_values().collect();
        list.sort_by_key(|(g, _)| std::cmp::Reverse((g.retained_bytes + g.stack_bytes, g.count)));
        list.truncate(rows);
        let groups: Vec<Vec<u32>> = list.iter().map(|(_, nodes)| nodes.clone()).collect();
        let allocated = sampled.below_groups(&groups, names);
        Ok(list.into_iter().zip(allocated).map(|((g, _), allocated)| HeapGoroutines { allocated, ..g }).collect())
    }
}

fn state(g: &Goroutine) -> String {
    match (g.status, g.wait_reason) {
        (_, Some(reason)) => reason.text.to_owned(),
        (Status::Running, _) => "running".to_owned(),
        (Status::Runnable, _) => "runnable".to_owned(),
        (Status::Syscall, _) => "syscall".to_owned(),
        (Status::Waiting, _) => "waiting".to_owned(),
        (Status::Preempted, _) => "preempted".to_owned(),
        (Status::Leaked, _) => "leaked".to_owned(),
        (Status::CopyStack, _) => "copystack".to_owned(),
        (Status::Idle, _) => "idle".to_owned(),
        (Status::Other(n), _) => format!("status {n}"),
    }
}
