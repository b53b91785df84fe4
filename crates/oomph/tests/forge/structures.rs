//! Where the structures lie that a heap reader follows. Shared with the fuzz target of the graph.

use heap::{HeapGraph, Shape};
use std::collections::BTreeMap;

/// Where structures of one kind lie: address and length, bytes.
pub(crate) type Places = Vec<(u64, u64)>;

/// The runtime's structures and the program's objects, by kind.
pub(crate) fn of(graph: &HeapGraph<'_>) -> BTreeMap<String, Places> {
    let runtime = graph.runtime;
    let (layout, memory) = (runtime.layout(), runtime.memory);
    let mut kinds: BTreeMap<String, Places> = BTreeMap::new();
    let mut add = |kind: &str, at: u64, len: u64| kinds.entry(kind.to_owned()).or_default().push((at, len));
    let m = &layout.mheap;
    for (field, len) in [(m.sweepgen, 8), (m.allspans, 32), (m.arenas, 8), (m.heap_arenas, 24)] {
        add("mheap", runtime.anchor.mheap + u64::from(field), len);
    }
    for &(_, arena) in &runtime.anchor.arenas {
        add("heapArena", arena + u64::from(layout.heap_arena.spans), 4096);
        add("heapArena", arena, u64::from(layout.heap_arena.size));
    }
    add("allspans", runtime.anchor.allspans.0, 8 * runtime.anchor.allspans.1);
    for span in graph.objects.spans() {
        add("mspan", span.address, u64::from(layout.mspan.size));
        add("alloc bits", span.alloc_bits, 8);
        add("mark bits", span.mark_bits, 8);
        add("pointer bits", span.start + span.bytes - 128, 128);
        add("special", span.specials, 64);
    }
    for g in &runtime.goroutines.as_ref().unwrap().list {
        add("g", g.address, u64::from(layout.g.size));
        add("stack", g.stack.1 - 1024, 1024);
        let waiting = memory.u64(g.address + u64::from(layout.g.waiting)).unwrap_or(0);
        add("sudog", waiting, u64::from(layout.sudog.size));
        let thread = memory.u64(g.address + u64::from(layout.g.m)).unwrap_or(0);
        add("m", thread, u64::from(layout.m.size));
    }
    for bucket in runtime.buckets.list() {
        add("bucket", bucket.address, 256);
    }
    if let Some(counts) = runtime.counts {
        add("gcController", counts.address, u64::from(layout.gc_controller.size));
    }
    for module in runtime.types.modules() {
        add("moduledata", module.address, u64::from(layout.moduledata.size));
        add("variables", module.data, module.edata - module.data);
        add("variables", module.bss, module.ebss - module.bss);
        add("pointer masks of variables", module.gc_data_mask.data, u64::from(module.gc_data_mask.bits / 8));
        add("function table", module.pclntab, 64);
        add("function table", module.ftab.data, 8 * module.ftab.len);
        add("function table", module.pclntable.data, module.pclntable.len);
        add("tables by pc", module.pctab.data, module.pctab.len);
        add("function data", module.gofunc, module.types.abs_diff(module.gofunc).min(64 << 10));
        add("names of functions", module.funcnametab.data, module.funcnametab.len);
        add("interface tables", module.itablinks.data, 8 * module.itablinks.len);
        add("type block", module.types, module.etypes - module.types);
        add("code", module.text, module.etext - module.text);
    }
    for i in 0..runtime.types.len() {
        if let Some(at) = runtime.types.address(gobinary::TypeId(i as u32)) {
            add("type", at, 96);
        }
    }
    for object in 0..graph.objects.count() {
        let (at, len) = (graph.objects.address(object).unwrap(), graph.objects.size(object).unwrap());
        add(kind_of(graph.shapes.of(object)), at, len.min(4096));
    }
    kinds
}

const fn kind_of(shape: Shape) -> &'static str {
    match shape {
        Shape::Unknown => "object without a type",
        Shape::Value(_) => "value",
        Shape::Array(_) => "array",
        Shape::Text => "text",
        Shape::MapHeader(_) => "map header",
        Shape::MapDirectory(_) => "map directory",
        Shape::MapTable(_) => "map table",
        Shape::MapGroups(_) => "map groups",
        Shape::MapBuckets(_) => "map buckets",
        Shape::MapExtra(_) => "map extra",
        Shape::Channel(_) => "channel",
        Shape::Closure(_) => "closure",
        _ => "other object",
    }
}
