//! The tables of a heap and their columns. Numbers of objects, types, places and roots join them; an object's number
//! says nothing outside of the export.
//!
//! | table | a row is |
//! |---|---|
//! | `objects` | an object: number, address, bytes, type, what it retains, its dominator or the root that holds it alone, its place |
//! | `edges` | a pointer from one object to another |
//! | `types` | a type: objects, bytes, what all of them retain |
//! | `containers` | a container, the largest of each kind |
//! | `roots` | a word of a variable, a goroutine, the finalizers, ... |
//! | `root_edges` | an object that a root leads to |
//! | `places` | a place of the holder tree along shortest ways: its way as an expression |

use crate::ExportError;
use crate::table::{Column, Kind, Table, Value};
use goruntime::Goroutine;
use heap::containers::ContainerOptions;
use heap::graph::{Rooted, Successors};
use heap::{Follow, HeapGraph, Names, Places, RootGroup, Shape};
use std::path::{Path, PathBuf};

/// Most containers of each kind.
const MOST_CONTAINERS: usize = 1 << 17;

/// A table that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its file.
    pub path: PathBuf,
    /// Its rows.
    pub rows: u64,
}

const OBJECTS: [Column; 9] = [
    ("object", Kind::RisingU32, false),
    ("address", Kind::RisingU64, false),
    ("bytes", Kind::U64, false),
    ("type", Kind::U32, false),
    ("retained_bytes", Kind::U64, false),
    ("reachable", Kind::Bool, false),
    ("dominator", Kind::U32, true),
    ("root", Kind::U32, true),
    ("place", Kind::U32, true),
];
const EDGES: [Column; 2] = [("from_object", Kind::RisingU32, false), ("to_object", Kind::U32, false)];
const TYPES: [Column; 8] = [
    ("type", Kind::U32, false),
    ("name", Kind::Text, false),
    ("package", Kind::Text, true),
    ("shape", Kind::Text, false),
    ("value_bytes", Kind::U64, true),
    ("objects", Kind::U64, false),
    ("bytes", Kind::U64, false),
    ("retained_bytes", Kind::U64, false),
];
const CONTAINERS: [Column; 11] = [
    ("kind", Kind::Text, false),
    ("type_name", Kind::Text, false),
    ("address", Kind::U64, false),
    ("object", Kind::U32, true),
    ("entries", Kind::U64, false),
    ("capacity", Kind::U64, false),
    ("own_bytes", Kind::U64, false),
    ("content_bytes", Kind::U64, false),
    ("retained_bytes", Kind::U64, false),
    ("waste_bytes", Kind::U64, false),
    ("place", Kind::U32, true),
];
const ROOTS: [Column; 7] = [
    ("root", Kind::U32, false),
    ("kind", Kind::Text, false),
    ("name", Kind::Text, false),
    ("address", Kind::U64, true),
    ("goroutine", Kind::U64, true),
    ("objects", Kind::U64, false),
    ("retained_bytes", Kind::U64, false),
];
const ROOT_EDGES: [Column; 2] = [("root", Kind::U32, false), ("to_object", Kind::U32, false)];
const PLACES: [Column; 7] = [
    ("place", Kind::U32, false),
    ("above", Kind::U32, true),
    ("via", Kind::Text, false),
    ("type_name", Kind::Text, false),
    ("holder", Kind::Text, false),
    ("objects", Kind::U64, false),
    ("bytes", Kind::U64, false),
];

/// Writes the tables into a directory, which is made if it is not there; files of these names are replaced. `step` is
/// told what is being written.
///
/// # Errors
/// [`ExportError`] when a file cannot be written.
pub fn write_tables(
    graph: &HeapGraph<'_>,
    names: &dyn Names,
    dir: &Path,
    step: &mut dyn FnMut(&str),
) -> Result<Vec<Written>, ExportError> {
    std::fs::create_dir_all(dir).map_err(|error| ExportError::Io { path: dir.to_owned(), error })?;
    let mut written = Vec::new();
    let mut done = |table: Table| {
        let (path, rows) = table.finish()?;
        written.push(Written { path, rows });
        Ok::<(), ExportError>(())
    };
    step("finding places");
    let places = graph.places(names, Follow::Shortest)?;
    step("writing objects");
    done(objects(graph, &places, dir)?)?;
    step("writing edges");
    done(edges(graph, dir)?)?;
    step("writing types, roots and places");
    done(types(graph, names, dir)?)?;
    done(roots(graph, names, dir)?)?;
    done(root_edges(graph, dir)?)?;
    done(place_rows(&places, dir)?)?;
    step("writing containers");
    done(containers(graph, names, &places, dir)?)?;
    Ok(written)
}

fn objects(graph: &HeapGraph<'_>, places: &Places, dir: &Path) -> Result<Table, ExportError> {
    let rooted = Rooted::new(&graph.edges, &graph.roots.roots)?;
    let mut table = Table::create(dir, "objects", &OBJECTS)?;
    for (i, span) in graph.objects.spans().iter().enumerate() {
        for (object, _) in graph.objects.of_span(u32::try_from(i).unwrap_or(u32::MAX)) {
            let above = graph.tree.dominator(object);
            let root = above.and_then(|a| rooted.group_of(a)).and_then(|g| u32::try_from(g).ok());
            table.row(&[
                Value::U32(object),
                Value::U64(graph.value_address(object)),
                Value::U64(span.elem_size),
                Value::U32(graph.shapes.number(object)),
                Value::U64(graph.tree.retained(object)),
                Value::Bool(above.is_some()),
                above.filter(|&a| a < rooted.object_count()).into(),
                root.into(),
                places.of(object).into(),
            ])?;
        }
    }
    Ok(table)
}

fn edges(graph: &HeapGraph<'_>, dir: &Path) -> Result<Table, ExportError> {
    let mut table = Table::create(dir, "edges", &EDGES)?;
    let mut targets = Vec::new();
    for from in 0..graph.objects.count() {
        targets.clear();
        graph.edges.for_each(from, &mut |to| targets.push(to));
        for &to in &targets {
            table.row(&[Value::U32(from), Value::U32(to)])?;
        }
    }
    Ok(table)
}

/// What the bytes of an object are.
const fn kind_of(shape: Shape) -> &'static str {
    match shape {
        Shape::Unknown => "unknown",
        Shape::Value(_) => "value",
        Shape::Array(_) => "array",
        Shape::Text => "string",
        Shape::MapHeader(_) => "map",
        Shape::MapDirectory(_) => "map directory",
        Shape::MapTable(_) => "map table",
        Shape::MapGroups(_) => "map groups",
        Shape::MapBuckets(_) => "map buckets",
        Shape::MapExtra(_) => "map extra",
        Shape::Channel(_) => "chan",
        Shape::Closure(_) => "closure",
        Shape::Goroutine => "goroutine",
        Shape::WaitRecord => "wait record",
        Shape::Timer => "timer",
        Shape::CleanupArgument => "cleanup argument",
        Shape::WeakHandle => "weak handle",
    }
}

fn types(graph: &HeapGraph<'_>, names: &dyn Names, dir: &Path) -> Result<Table, ExportError> {
    let mut table = Table::create(dir, "types", &TYPES)?;
    for row in graph.shape_sums(names) {
        let shape = graph.shapes.get(row.number);
        let id = shape.go_type();
        let package = id.and_then(|id| graph.runtime.types.package(id));
        let size = id.and_then(|id| graph.runtime.types.get(id)).map(|t| t.size);
        table.row(&[
            Value::U32(row.number),
            Value::Text(&row.name),
            package.as_deref().map_or(Value::Null, Value::Text),
            Value::Text(kind_of(shape)),
            size.into(),
            Value::U64(row.objects),
            Value::U64(row.bytes),
            Value::U64(row.retained_bytes),
        ])?;
    }
    Ok(table)
}

fn containers(graph: &HeapGraph<'_>, names: &dyn Names, places: &Places, dir: &Path) -> Result<Table, ExportError> {
    let mut table = Table::create(dir, "containers", &CONTAINERS)?;
    let options = ContainerOptions { most: MOST_CONTAINERS, ..ContainerOptions::default() };
    for c in graph.containers(names, &options).list {
        table.row(&[
            Value::Text(c.kind.name()),
            Value::Text(&c.type_name),
            Value::U64(c.address),
            c.object.into(),
            Value::U64(c.entries),
            Value::U64(c.capacity),
            Value::U64(c.own_bytes),
            Value::U64(c.content_bytes),
            Value::U64(c.retained),
            Value::U64(c.waste),
            c.object.and_then(|o| places.of(o)).into(),
        ])?;
    }
    Ok(table)
}

fn roots(graph: &HeapGraph<'_>, names: &dyn Names, dir: &Path) -> Result<Table, ExportError> {
    let mut table = Table::create(dir, "roots", &ROOTS)?;
    let rooted = Rooted::new(&graph.edges, &graph.roots.roots)?;
    let goroutines: &[Goroutine] = graph.runtime.goroutines.as_ref().map_or(&[], |g| &g.list);
    for (i, &group) in graph.roots.groups.iter().enumerate() {
        let (address, goroutine) = match group {
            RootGroup::Global { address } => (Some(address), None),
            RootGroup::Goroutine { index } => (None, goroutines.get(index as usize).map(|g| g.id)),
            _ => (None, None),
        };
        table.row(&[
            Value::U32(u32::try_from(i).unwrap_or(u32::MAX)),
            Value::Text(group.kind()),
            Value::Text(&graph.root_name(group, names)),
            address.into(),
            goroutine.into(),
            Value::U64(graph.roots.roots.members(i).len() as u64),
            Value::U64(rooted.group_node(i).map_or(0, |n| graph.tree.retained(n))),
        ])?;
    }
    Ok(table)
}

fn root_edges(graph: &HeapGraph<'_>, dir: &Path) -> Result<Table, ExportError> {
    let mut table = Table::create(dir, "root_edges", &ROOT_EDGES)?;
    for (root, _) in (0..).zip(&graph.roots.groups) {
        for &to in graph.roots.roots.members(root as usize) {
            table.row(&[Value::U32(root), Value::U32(to)])?;
        }
    }
    Ok(table)
}

fn place_rows(places: &Places, dir: &Path) -> Result<Table, ExportError> {
    let mut table = Table::create(dir, "places", &PLACES)?;
    for (number, place) in (0..).zip(places.list()) {
        table.row(&[
            Value::U32(number),
            place.above.into(),
            Value::Text(places.via(number)),
            Value::Text(places.what(number)),
            Value::Text(&places.expression(number)),
            Value::U64(place.objects),
            Value::U64(place.bytes),
        ])?;
    }
    Ok(table)
}
