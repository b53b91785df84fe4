//! Reads the heap of a running program of the tests, from its memory and its executable.
#![allow(dead_code, unused_imports, clippy::unwrap_used, reason = "tests; each uses its part")]

#[path = "../../../goruntime/tests/common/mod.rs"]
mod programs;

pub(crate) use programs::{Parked, ProcMemory, toolchains};

use gobinary::layout::{Arch, Layout};
use gobinary::{Cached, Functions, GoBinary, Memory, ModuleBases, ModuleTables, Variables};
use heap::{HeapGraph, Names, Runtime};

/// Functions from the program's memory, variables from its file.
pub(crate) struct ProgramNames<'a> {
    pub(crate) functions: Vec<Functions<'a>>,
    variables: Variables<'a>,
}

impl Names for ProgramNames<'_> {
    fn function(&self, address: u64) -> Option<String> {
        self.functions.iter().find_map(|f| f.func_at(address)).map(|f| f.name().to_owned())
    }

    fn is_function_start(&self, address: u64) -> bool {
        self.functions.iter().any(|f| f.func_at(address).is_some_and(|f| f.entry() == address))
    }

    fn variable(&self, address: u64) -> Option<(String, u64)> {
        let (name, offset) = self.variables.at(address)?;
        Some((name.to_owned(), offset))
    }
}

/// Reads the heap of a program that stands still and gives it to `check`, with the Go release.
pub(crate) fn with_heap(memory: &dyn Memory, exe: &[u8], check: impl FnOnce(&str, &HeapGraph<'_>, &ProgramNames<'_>)) {
    let elf = GoBinary::parse(exe).unwrap();
    let version = elf.build_info().unwrap().go_version_text;
    let layout = Layout::lookup(&version, Arch::Amd64).unwrap();
    let cached = Cached::new(memory);
    let runtime = Runtime::find(&cached, layout).unwrap();
    let tables: Vec<_> = runtime
        .types
        .modules()
        .iter()
        .map(|m| {
            let bases =
                ModuleBases { pclntab: m.pclntab, text: m.text, gofunc: Some(m.gofunc), rodata: Some(m.rodata) };
            ModuleTables::read(&cached, bases).unwrap()
        })
        .collect();
    let functions = tables.iter().map(|t| t.functions().unwrap()).collect();
    let names = ProgramNames { functions, variables: elf.variables() };
    let graph = HeapGraph::read(&runtime, &names, &names.functions, &mut |_| {}).unwrap();
    check(&version, &graph, &names);
}
