//! Reads the heap of a running program of the tests, from its memory and its executable.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "tests; each uses its part")]

#[path = "../../../goruntime/tests/common/mod.rs"]
mod programs;

pub(crate) use programs::{Parked, ProcMemory, toolchains, wait_for_reader};

use gobinary::layout::{Arch, Layout};
use gobinary::{Cached, DebugInfo, GoBinary, Memory, ModuleTables};
use heap::{HeapGraph, ProgramNames, Runtime};
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
    Toolchain::at_hand(&wanted.split(',').collect::<Vec<_>>()).unwrap()
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
    wait_for_reader(running.pid());
    let memory = ProcMemory::open(running.pid());
    let exe = std::fs::read(&binary).unwrap();
    with_heap(&memory, &exe, |_, graph, names| look(graph, names, &running));
}
