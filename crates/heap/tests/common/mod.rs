//! Reads the heap of a running program of the tests, from its memory and its executable, and compares it
//! with what the program says of itself.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "tests; each uses its part")]

#[path = "../../../goruntime/tests/common/mod.rs"]
mod programs;

pub(crate) use programs::{Parked, ProcMemory, toolchains};

use gobinary::layout::{Arch, Layout};
use gobinary::{Cached, DebugInfo, GoBinary, Memory, ModuleTables};
use heap::containers::map_facts;
use heap::{HeapGraph, ProgramNames, Runtime, Shape, typing_stats};
use lab::{HeapBuild, HeapProgram, HeapRunning, Toolchain};
use std::path::Path;

/// Reads the heap of a program that stands still and gives it to `check`, with the Go release.
pub(crate) fn with_heap(memory: &dyn Memory, exe: &[u8], check: impl FnOnce(&str, &HeapGraph<'_>, &ProgramNames<'_>)) {
    let elf = GoBinary::parse(exe).unwrap();
    let version = elf.build_info().unwrap().go_version_text;
    let layout = Layout::lookup(&version, Arch::Amd64).unwrap();
    let cached = Cached::new(memory);
    let runtime = Runtime::find(&cached, layout).unwrap();
    let modules = runtime.types.modules();
    let tables: Vec<_> = modules.iter().map(|m| ModuleTables::read(&cached, m.into()).unwrap()).collect();
    let functions = tables.iter().map(|t| t.functions().unwrap()).collect();
    let text = elf.pclntab().unwrap().functions().next().map_or(0, |f| f.0);
    let bias = runtime.types.modules()[0].text - text;
    let sections = elf.dwarf().unwrap();
    let debug = sections.as_ref().map(|s| DebugInfo::read(s, bias));
    let names = ProgramNames { functions, variables: elf.variables(), debug, bias };
    let graph = HeapGraph::read(&runtime, &names, &names.functions, &mut |_| {}).unwrap();
    check(&version, &graph, &names);
}

/// The releases of `OOMPH_TEST_GO`, or two.
pub(crate) fn versions() -> Vec<Toolchain> {
    let wanted = std::env::var("OOMPH_TEST_GO").unwrap_or_else(|_| "1.23.9,1.26.8".to_owned());
    let cache = lab::default_cache_dir();
    let mut found: Vec<Toolchain> = wanted
        .split(',')
        .filter_map(|v| Toolchain::find(model::GoVersion::parse(&format!("go{v}")).as_ref(), &cache).unwrap())
        .collect();
    if found.is_empty() {
        found.push(Toolchain::find_or_fetch(None, &cache, &mut |_| {}).unwrap());
    }
    found
}

/// The oldest and the newest of the releases on this machine; with `OOMPH_ALL_GO` all.
pub(crate) fn some_toolchains() -> Vec<Toolchain> {
    let mut all = toolchains();
    all.sort_by(|a, b| a.version().cmp(b.version()));
    if std::env::var_os("OOMPH_ALL_GO").is_none() && all.len() > 2 {
        all.drain(1..all.len() - 1);
    }
    all
}

/// Builds and starts a program of the laboratory, reads its heap and shows it.
pub(crate) fn read_heap(
    go: &Toolchain,
    out: &Path,
    program: &str,
    how: &HeapBuild,
    look: impl FnOnce(&HeapGraph<'_>, &ProgramNames<'_>, &HeapRunning),
) {
    let program = HeapProgram::by_name(program).unwrap();
    let binary = program.build(go, out, how).unwrap();
    let running = program.start(&binary, &[]).unwrap();
    let memory = ProcMemory::open(running.pid());
    let exe = std::fs::read(&binary).unwrap();
    with_heap(&memory, &exe, |_, graph, names| look(graph, names, &running));
}

/// Share of the bytes of live objects that have a type, in percent.
pub(crate) fn typed_share(graph: &HeapGraph<'_>) -> f64 {
    let stats = typing_stats(&graph.view(), &graph.shapes);
    100.0 * stats.typed.1 as f64 / stats.all.1 as f64
}

/// What is wrong with each map of which the program says what it is; how many were compared.
pub(crate) fn wrong_maps(graph: &HeapGraph<'_>, running: &HeapRunning) -> (usize, Vec<String>) {
    let mut wrong = Vec::new();
    let mut compared = 0;
    for container in running.truth().containers.iter().filter(|c| c.kind == "map" && c.address != 0) {
        let Some(truth) = &container.map else { continue };
        compared += 1;
        let Some(found) = graph.objects.find(container.address) else {
            wrong.push(format!("{} is no object", container.name));
            continue;
        };
        let Shape::MapHeader(typ) = graph.shapes.of(found.object) else {
            wrong.push(format!("{} is {:?}", container.name, graph.shapes.of(found.object)));
            continue;
        };
        let name = graph.runtime.types.name(typ);
        // What package reflect made while the program ran has a name that only the program knows.
        let named = graph.runtime.types.stored_name(typ).is_some();
        if named && name != container.type_name {
            wrong.push(format!("{}: type {name}, truth {}", container.name, container.type_name));
            continue;
        }
        let Some(facts) = map_facts(&graph.view(), typ, container.address) else {
            wrong.push(format!("{} cannot be measured", container.name));
            continue;
        };
        let ours = (facts.entries, facts.found, facts.slots, facts.bytes);
        let theirs = (container.entries, container.entries, truth.slots, truth.bytes);
        if ours != theirs {
            wrong.push(format!("{}: entries, found, slots, bytes {ours:?}, truth {theirs:?}", container.name));
        }
        let retained = graph.tree.retained(found.object);
        let exact = container.retained_bytes != 0 && !container.retained_approx;
        if exact && retained.abs_diff(container.retained_bytes) > container.retained_bytes / 100 {
            wrong.push(format!("{} retains {retained}, truth {}", container.name, container.retained_bytes));
        }
    }
    (compared, wrong)
}

/// The objects without a type by size and number, the most bytes first.
pub(crate) fn untyped(graph: &HeapGraph<'_>, rows: usize) -> Vec<(u64, bool, u64)> {
    let mut sizes = std::collections::BTreeMap::<(u64, bool), u64>::new();
    for (i, span) in graph.objects.spans().iter().enumerate() {
        for (object, _) in graph.objects.of_span(i as u32) {
            if graph.shapes.number(object) == 0 {
                *sizes.entry((span.elem_size, span.pointers == goruntime::PointerBits::NoScan)).or_default() += 1;
            }
        }
    }
    let mut rows_of: Vec<_> = sizes.into_iter().map(|((size, noscan), n)| (size, noscan, n)).collect();
    rows_of.sort_by_key(|r| std::cmp::Reverse(r.0 * r.2));
    rows_of.truncate(rows);
    rows_of
}
