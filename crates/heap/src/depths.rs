//! How deep the objects of each type lie below the roots: what the collector has to chase one pointer after the
//! other.

use crate::containers::{ContainerFacts, Links, Note};
use crate::graph::{Depths, GraphError, depths};
use crate::paths::Names;
use crate::program::HeapGraph;
use gobinary::layout::PAGE_SIZE;
use goruntime::{Objects, PointerBits, Span};
use model::{HeapContainer, HeapDepth, HeapDepthRow};
use std::cmp::Reverse;

/// Nanoseconds for one access to memory that no cache has: what a pointer that depends on the one before costs.
const ACCESS_NS: f64 = 100.0;
/// Most lists and trees that are compared by their length.
pub(crate) const MOST_CHAINS: usize = 1 << 16;
/// What marking an object costs that lies near the one of its size marked before, and what a byte costs that is
/// searched for pointers. With [`ACCESS_NS`] for objects far away, this is within a factor of 1.5 of the CPU time that
/// Go 1.23 and 1.26 took for lists, slices of pointers and maps of 2 to 8 million objects.
const MARK_NS: f64 = 10.0;
const SCAN_NS: f64 = 0.65;

/// Pages near which an object is near.
const RECENT: usize = 4;

/// What of a span is looked at for each of its objects: little, so that all of it stays in the caches.
#[derive(Clone, Copy)]
struct SpanFacts {
    first_page: u64,
    first_object: u32,
    class: u8,
    noscan: bool,
    elem_size: u64,
}

/// What a collection does, by the order of a breadth-first search, which is nearly its own.
struct Marking<'a> {
    objects: &'a Objects,
    spans: Vec<SpanFacts>,
    /// Pages of the objects visited last, by span class: searches go on at several places at once.
    pages: Vec<[u64; RECENT]>,
    next: usize,
    near: u64,
    far: u64,
    scanned: u64,
}

impl<'a> Marking<'a> {
    fn new(objects: &'a Objects) -> Self {
        let facts = |(i, span): (u32, &Span)| SpanFacts {
            first_page: span.start / PAGE_SIZE,
            first_object: objects.first_of_span(i),
            class: span.class,
            noscan: span.pointers == PointerBits::NoScan,
            elem_size: span.elem_size,
        };
        let spans = (0..).zip(objects.spans()).map(facts).collect();
        Self { objects, spans, pages: vec![[u64::MAX; RECENT]; 256], next: 0, near: 0, far: 0, scanned: 0 }
    }

    /// Bytes of an object.
    fn visit(&mut self, object: u32) -> u64 {
        let span = self.objects.span_of(object).and_then(|index| self.spans.get(index as usize));
        let Some(&SpanFacts { first_page, first_object, class, noscan, elem_size }) = span else { return 0 };
        // Slots not in use move it by a page at most, mostly: few spans have several pages.
        let page = first_page + u64::from(object - first_object).saturating_mul(elem_size) / PAGE_SIZE;
        let is_near = self.pages.get_mut(usize::from(class)).is_some_and(|recent| {
            let known = recent.iter().position(|p| p.abs_diff(page) <= 1);
            if let Some(last) = recent.get_mut(known.unwrap_or(self.next % RECENT)) {
                *last = page;
            }
            known.is_some()
        });
        self.next += usize::from(!is_near);
        self.near += u64::from(is_near);
        self.far += u64::from(!is_near);
        if !noscan {
            self.scanned = self.scanned.saturating_add(elem_size);
        }
        elem_size
    }

    fn cpu_ms(&self) -> f64 {
        let marked = (self.near + self.far) as f64 * MARK_NS + self.far as f64 * ACCESS_NS;
        (marked + self.scanned as f64 * SCAN_NS) / 1e6
    }
}

impl HeapGraph<'_> {
    /// Bytes by depth, of all objects and by type; the `rows` types with most bytes below depth 16 first. `links` are
    /// [`MOST_CHAINS`] lists and trees, as far as there are.
    ///
    /// # Errors
    /// [`GraphError`] when there are too many roots.
    pub(crate) fn depths(&self, names: &dyn Names, rows: usize, links: &Links) -> Result<HeapDepth, GraphError> {
        let mut marking = Marking::new(&self.objects);
        let ask = |object: u32| self.shapes.prefetch(object);
        let look = |object: u32| (marking.visit(object), self.shapes.number(object));
        let found: Depths = depths(&self.edges, &self.roots.roots, self.shapes.len(), ask, look)?;
        let mut cells = vec![0_u64; Depths::CELLS];
        for (i, (_, bytes)) in found.levels.iter().enumerate() {
            if let Some(cell) = cells.get_mut(Depths::cell(u32::try_from(i + 1).unwrap_or(u32::MAX))) {
                *cell = cell.saturating_add(*bytes);
            }
        }
        let used = cells.iter().rposition(|&b| b > 0).map_or(0, |i| i + 1);
        cells.truncate(used);
        let deep = Depths::cell(16);
        let mut list: Vec<(u32, &[u64; Depths::CELLS])> = (0..).zip(&found.bytes).collect();
        let below = |cells: &[u64; Depths::CELLS]| cells.iter().skip(deep).copied().fold(0, u64::saturating_add);
        list.retain(|(_, cells)| cells.iter().any(|&b| b > 0));
        list.sort_by_key(|(n, cells)| {
            (Reverse((below(cells), cells.iter().copied().fold(0, u64::saturating_add))), *n)
        });
        list.truncate(rows);
        let types = list.into_iter().map(|(number, cells)| HeapDepthRow {
            type_name: self.shapes.get(number).name(&self.runtime.types, |code| names.function(code)),
            deepest: found.deepest.get(number as usize).copied().unwrap_or(0),
            bytes: cells.iter().copied().take(used).collect(),
        });
        // A level of few objects is a chain: its accesses wait for each other.
        let chained = found.levels.iter().filter(|(objects, _)| *objects < 64).count();
        Ok(HeapDepth {
            deepest: found.levels.len() as u64,
            chained_levels: chained as u64,
            serial_ms: chained as f64 * ACCESS_NS / 1e6,
            bytes: cells,
            types: types.collect(),
            mark_cpu_ms: marking.cpu_ms(),
            chains: self.longest_chains(names, rows, links)?,
        })
    }

    /// Lists, trees and chains of contexts, the longest way through them first.
    fn longest_chains(&self, names: &dyn Names, rows: usize, links: &Links) -> Result<Vec<HeapContainer>, GraphError> {
        let depth = |notes: &[Note]| notes.iter().find_map(|n| if let Note::Depth(d) = n { Some(*d) } else { None });
        let mut found: Vec<&ContainerFacts> = links.list.iter().collect();
        found.sort_by_key(|f| (Reverse((depth(&f.notes), f.retained)), f.address));
        found.truncate(rows);
        let objects: Vec<u32> = found.iter().filter_map(|f| f.object).collect();
        let mut holders = self.holder_paths(&objects, names)?.into_iter();
        let row = |f: &ContainerFacts| {
            let holder = f.object.and_then(|_| holders.next()).unwrap_or_default();
            f.clone().into_row(holder, Vec::new())
        };
        Ok(found.into_iter().map(row).collect())
    }
}
