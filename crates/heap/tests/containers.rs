//! Containers of real Go programs: entries, capacity and bytes as the programs count them themselves.
//! Two releases by default; `OOMPH_TEST_GO=1.21.13,1.27.3` names others.

use gobinary::layout::{Arch, Layout};
use gobinary::{GoBinary, Pclntab, TypeId};
use heap::containers::{ContainerFacts, ContainerKind, ContainerOptions, Containers, Note, TypedGlobal};
use heap::{HeapGraph, Names, Runtime};
use lab::{HeapBuild, HeapContainer, HeapProgram, HeapRunning, Symbols, Toolchain};
use rustc_hash::FxHashMap;

#[path = "../../goruntime/tests/common/mod.rs"]
mod common;

/// How far bytes may be off.
const TOLERANCE: f64 = 0.01;

struct FileNames<'a> {
    pclntab: Pclntab<'a>,
    bias: u64,
}

impl Names for FileNames<'_> {
    fn function(&self, address: u64) -> Option<String> {
        self.pclntab.function_at(address.wrapping_sub(self.bias)).map(str::to_owned)
    }

    fn is_function_start(&self, address: u64) -> bool {
        self.pclntab.function_starting_at(address.wrapping_sub(self.bias)).is_some()
    }

    fn variable(&self, _: u64) -> Option<(String, u64)> {
        None
    }
}

fn versions() -> Vec<Toolchain> {
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

/// Containers of a program, with its variables typed by what the program says of them.
fn containers_of(running: &HeapRunning, binary: &std::path::Path, check: &mut dyn FnMut(&HeapGraph<'_>, &Containers)) {
    let memory = common::ProcMemory::open(running.pid());
    let exe = std::fs::read(binary).unwrap();
    let elf = GoBinary::parse(&exe).unwrap();
    let layout = Layout::lookup(&elf.build_info().unwrap().go_version_text, Arch::Amd64).unwrap();
    let runtime = Runtime::find(&memory, layout).unwrap();
    let pclntab = elf.pclntab().unwrap();
    let bias = runtime.types.modules()[0].text - pclntab.functions().next().map_or(0, |f| f.0);
    let names = FileNames { pclntab, bias };
    let graph = HeapGraph::read(&runtime, &names, &mut |_| {}).unwrap();
    let ids: FxHashMap<String, TypeId> =
        (0..runtime.types.len() as u32).map(|i| (runtime.types.name(TypeId(i)), TypeId(i))).collect();
    let globals: Vec<TypedGlobal> = running
        .truth()
        .containers
        .iter()
        .filter(|c| c.root != 0 && c.name.matches('.').count() == 1)
        .filter_map(|c| {
            let wanted = if c.root == c.address { c.type_name.trim_start_matches('*') } else { &c.type_name };
            Some(TypedGlobal { address: c.root, typ: *ids.get(wanted)? })
        })
        .collect();
    let options = ContainerOptions { most: 1 << 20, globals: &globals, ..ContainerOptions::default() };
    check(&graph, &graph.containers(&names, &options));
}

fn kind_of(truth: &HeapContainer) -> Option<ContainerKind> {
    Some(match truth.kind.as_str() {
        "map" => ContainerKind::Map,
        "slice" => ContainerKind::Slice,
        "string" => ContainerKind::Text,
        "list" => ContainerKind::List,
        "tree" => ContainerKind::Tree,
        "chan" => ContainerKind::Channel,
        "sync.Map" => ContainerKind::SyncMap,
        "sync.Pool" => ContainerKind::SyncPool,
        "buffer" => ContainerKind::Buffer,
        "bigint" => ContainerKind::BigInt,
        "context" => ContainerKind::Context,
        _ => return None,
    })
}

fn find<'c>(graph: &HeapGraph<'_>, found: &'c Containers, truth: &HeapContainer) -> Option<&'c ContainerFacts> {
    let kind = kind_of(truth)?;
    let address = if truth.address == 0 { truth.root } else { truth.address };
    let object = graph.objects.find(address).map(|f| f.object);
    found.list.iter().find(|f| f.kind == kind && (f.address == address || (object.is_some() && f.object == object)))
}

fn near(a: u64, b: u64) -> bool {
    a.abs_diff(b) as f64 <= TOLERANCE * b as f64
}

#[test]
fn containers_are_what_the_programs_say() {
    let out = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for go in versions() {
        for how in [HeapBuild::default(), HeapBuild { symbols: Symbols::Stripped, pie: true, ..HeapBuild::default() }] {
            for name in ["slices", "texts", "lists", "channels", "syncs", "values", "timers"] {
                let program = HeapProgram::by_name(name).unwrap();
                let binary = program.build(&go, out.path(), &how).unwrap();
                let running = program.start(&binary, &[]).unwrap();
                containers_of(&running, &binary, &mut |graph, found| {
                    for truth in &running.truth().containers {
                        let place = format!("{} {} {}", go.release(), how.label(), truth.name);
                        let Some(ours) = find(graph, found, truth) else {
                            println!("{place}: {} {} not found", truth.kind, truth.type_name);
                            continue;
                        };
                        let line = format!(
                            "{place}: {} {} entries {}/{} capacity {}/{} retained {}/{} waste {} {:?}",
                            ours.kind.name(),
                            ours.type_name,
                            ours.entries,
                            truth.entries,
                            ours.capacity,
                            truth.capacity,
                            ours.retained,
                            truth.retained_bytes,
                            ours.waste,
                            ours.notes.iter().filter(|n| !matches!(n, Note::Keys(_))).collect::<Vec<_>>()
                        );
                        let fine = ours.entries == truth.entries
                            && (truth.capacity == 0 || ours.capacity == truth.capacity)
                            && (truth.retained_approx || near(ours.retained, truth.retained_bytes));
                        println!("{}{line}", if fine { "  " } else { "! " });
                        if !fine {
                            wrong.push(line);
                        }
                    }
                    println!("{:?}", found.duplicates);
                    for g in found.groups.iter().take(400).filter(|g| g.kind == ContainerKind::Timer) {
                        println!("{g:?}");
                    }
                });
            }
        }
    }
    println!("{} wrong", wrong.len());
}
