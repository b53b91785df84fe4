//! What would be free without some of a heap: all objects of some types, packages or modules, variables, goroutines.
//! Exact: the heap is searched from its roots without them.

use super::pattern::{Pattern, package_of};
use super::roots::variable_of;
use crate::graph::{Bits, GraphError, Rooted, breadth_first};
use crate::paths::Names;
use crate::program::HeapGraph;
use crate::roots::RootGroup;
use model::{HeapHead, HeapMatched, HeapRetained};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// Names that are told of what matched.
const MOST_NAMES: usize = 8;

/// What of a heap a pattern meant.
struct Meant {
    /// Objects and root groups.
    nodes: Bits,
    matched: Vec<HeapMatched>,
}

impl HeapGraph<'_> {
    /// What would be free without all that `pattern` means: types by name, packages and modules by path, variables and
    /// functions of goroutines by name; `main_module` is the path of the program's own module. `None` when it means
    /// nothing. `head` is passed through; the `rows` types that most bytes would be free of are told.
    ///
    /// # Errors
    /// [`GraphError`] when there are too many roots.
    pub fn retained_without(
        &self,
        names: &dyn Names,
        pattern: &Pattern,
        main_module: Option<&str>,
        rows: usize,
        head: HeapHead,
    ) -> Result<Option<HeapRetained>, GraphError> {
        let graph = Rooted::new(&self.edges, &self.roots.roots)?;
        let meant = self.meant(&graph, names, pattern, main_module);
        if meant.matched.is_empty() {
            return Ok(None);
        }
        let left = breadth_first(&graph, &[graph.root()], Some(&meant.nodes), |_, _| ControlFlow::Continue(()));
        let is_freed = |object: u32| self.tree.is_reachable(object) && !left.get(object);
        let mut freed = self.types_of(names, is_freed);
        let sum = |of: &dyn Fn(&model::HeapType) -> u64| freed.iter().map(of).fold(0, u64::saturating_add);
        let (retained_objects, retained_bytes) = (sum(&|t| t.objects), sum(&|t| t.bytes));
        freed.truncate(rows);
        let pattern = pattern.text().to_owned();
        Ok(Some(HeapRetained { head, pattern, matched: meant.matched, retained_objects, retained_bytes, freed }))
    }

    fn meant<S: crate::graph::Successors>(
        &self,
        graph: &Rooted<'_, S>,
        names: &dyn Names,
        pattern: &Pattern,
        main_module: Option<&str>,
    ) -> Meant {
        let mut nodes = Bits::new(self.objects.count().saturating_add(self.roots.groups.len() as u32));
        // The packages of a module: its main package is called main whatever the module's path is.
        let is_package = |path: &str| {
            pattern.matches_package(path) || (path == "main" && main_module.is_some_and(|m| m == pattern.text()))
        };
        let main = Pattern::parse("main").ok().filter(|_| main_module == Some(pattern.text()));
        let mut shapes = self.shapes_named(pattern, names);
        for more in
            [Some(self.shapes_in(pattern, names)), main.map(|m| self.shapes_in(&m, names))].into_iter().flatten()
        {
            shapes.iter_mut().zip(more).for_each(|(a, b)| *a |= b);
        }
        let mut types = HeapMatched { what: "types".to_owned(), ..HeapMatched::default() };
        let is_meant = |object: u32| shapes.get(self.shapes.number(object) as usize).copied().unwrap_or(false);
        let of_types = self.types_of(names, is_meant);
        for (i, span) in self.objects.spans().iter().enumerate() {
            for (object, _) in self.objects.of_span(i as u32).filter(|(o, _)| is_meant(*o)) {
                nodes.insert(object);
                types.objects += 1;
                types.bytes = types.bytes.saturating_add(span.elem_size);
            }
        }
        types.count = of_types.len() as u64;
        types.distinct = types.count;
        types.names = of_types.into_iter().map(|t| t.name).take(MOST_NAMES).collect();
        let (mut globals, mut goroutines) = (Roots::default(), Roots::default());
        for (i, &group) in self.roots.groups.iter().enumerate() {
            let name = match group {
                RootGroup::Global { .. } => self.root_name(group, names),
                RootGroup::Goroutine { .. } => {
                    let name = self.root_kind_name(group, names);
                    name.strip_prefix("goroutine ").unwrap_or_default().to_owned()
                }
                _ => continue,
            };
            let hit = pattern.matches_variable(&name) || package_of(&name).is_some_and(|p| is_package(&p));
            let Some(node) = graph.group_node(i).filter(|_| hit) else { continue };
            nodes.insert(node);
            let (of, name) = match group {
                RootGroup::Global { .. } => (&mut globals, variable_of(&name).to_owned()),
                _ => (&mut goroutines, name),
            };
            of.count += 1;
            of.names.insert(name);
        }
        let roots = [globals.told("globals"), goroutines.told("goroutines")];
        let matched = [types].into_iter().chain(roots).filter(|m| m.count > 0).collect();
        Meant { nodes, matched }
    }
}

#[derive(Default)]
struct Roots {
    count: u64,
    names: BTreeSet<String>,
}

impl Roots {
    fn told(self, what: &str) -> HeapMatched {
        let distinct = self.names.len() as u64;
        let names = self.names.into_iter().take(MOST_NAMES).collect();
        HeapMatched { what: what.to_owned(), names, distinct, count: self.count, objects: 0, bytes: 0 }
    }
}
