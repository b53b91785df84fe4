//! Starts the programs of `lab/heap`, reads their heaps and compares them with what they say of themselves.
#![allow(dead_code, reason = "each test uses its part")]

use gobinary::layout::{Arch, Layout};
use gobinary::{DebugInfo, GoBinary, Pclntab, RuntimeTypes, TypedPlace};
use heap::containers::map_facts;
use heap::{HeapGraph, Names, Runtime, Shape, typing_stats};
use lab::{HeapBuild, HeapProgram, HeapRunning, Toolchain};
use std::path::Path;

#[path = "../../../goruntime/tests/common/mod.rs"]
mod programs;

pub(crate) use programs::ProcMemory;

/// The oldest classic and the newest Swiss maps that are on this machine; with `OOMPH_ALL_GO` all releases.
pub(crate) fn toolchains() -> Vec<Toolchain> {
    let mut all = programs::toolchains();
    if std::env::var_os("OOMPH_ALL_GO").is_none() && all.len() > 2 {
        all.drain(1..all.len() - 1);
    }
    all
}

/// What the executable says.
pub(crate) struct ExeNames<'a> {
    pclntab: Pclntab<'a>,
    pub(crate) debug: Option<DebugInfo<'a>>,
    places: Vec<TypedPlace>,
    pub(crate) bias: u64,
}

impl<'a> ExeNames<'a> {
    fn new(pclntab: Pclntab<'a>, debug: Option<DebugInfo<'a>>, types: &RuntimeTypes<'_>) -> Self {
        let text = pclntab.functions().next().map_or(0, |f| f.0);
        let bias = types.modules()[0].text - text;
        let places = debug.as_ref().map_or_else(Vec::new, |d| d.places(types, bias));
        Self { pclntab, debug, places, bias }
    }
}

impl Names for ExeNames<'_> {
    fn function(&self, address: u64) -> Option<String> {
        let function = self.pclntab.function_starting_at(address.wrapping_sub(self.bias))?;
        Some(function.to_string())
    }

    fn is_function_start(&self, address: u64) -> bool {
        self.pclntab.function_starting_at(address.wrapping_sub(self.bias)).is_some()
    }

    fn variable(&self, address: u64) -> Option<(String, u64)> {
        self.debug.as_ref()?.variable(address.wrapping_sub(self.bias))
    }

    fn places(&self) -> &[TypedPlace] {
        &self.places
    }
}

/// Builds and starts a program, reads its heap and shows it.
pub(crate) fn read_heap(
    go: &Toolchain,
    out: &Path,
    program: &str,
    how: &HeapBuild,
    look: impl FnOnce(&HeapGraph<'_>, &ExeNames<'_>, &HeapRunning),
) {
    let program = HeapProgram::by_name(program).unwrap();
    let binary = program.build(go, out, how).unwrap();
    let running = program.start(&binary, &[]).unwrap();
    let memory = ProcMemory::open(running.pid());
    let exe = std::fs::read(&binary).unwrap();
    let elf = GoBinary::parse(&exe).unwrap();
    let version = elf.build_info().unwrap().go_version_text;
    let runtime = Runtime::find(&memory, Layout::lookup(&version, Arch::Amd64).unwrap()).unwrap();
    let sections = elf.dwarf().unwrap();
    let names = ExeNames::new(elf.pclntab().unwrap(), sections.as_ref().map(DebugInfo::read), &runtime.types);
    let graph = HeapGraph::read(&runtime, &names, &mut |_| {}).unwrap();
    look(&graph, &names, &running);
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
        if name != container.type_name {
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
        if exact && retained != container.retained_bytes {
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
