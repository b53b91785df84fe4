//! Maps of real Go programs: entries, slots and bytes as the programs count them themselves.

use gobinary::layout::{Arch, Layout};
use gobinary::{GoBinary, Pclntab};
use heap::containers::map_facts;
use heap::{HeapGraph, Runtime, Shape, typing_stats};
use lab::{HeapBuild, HeapProgram, Symbols, Toolchain};

#[path = "../../goruntime/tests/common/mod.rs"]
mod common;

fn versions() -> Vec<Toolchain> {
    common::toolchains()
}

#[test]
fn maps_are_what_the_program_says() {
    let out = tempfile::tempdir().unwrap();
    let program = HeapProgram::by_name("maps").unwrap();
    let mut wrong = Vec::new();
    for go in versions() {
        for how in [HeapBuild::default(), HeapBuild { symbols: Symbols::Stripped, pie: true, ..HeapBuild::default() }] {
            let binary = program.build(&go, out.path(), &how).unwrap();
            let running = program.start(&binary, &[]).unwrap();
            let memory = common::ProcMemory::open(running.pid());
            let exe = std::fs::read(&binary).unwrap();
            let elf = GoBinary::parse(&exe).unwrap();
            let version = elf.build_info().unwrap().go_version_text;
            let layout = Layout::lookup(&version, Arch::Amd64).unwrap();
            let pclntab = elf.pclntab().unwrap();
            let runtime = Runtime::find(&memory, layout).unwrap();
            let bias = runtime.types.modules()[0].text - text_of(&pclntab);
            let is_entry = |pc: u64| pclntab.function_starting_at(pc.wrapping_sub(bias)).is_some();
            let graph = HeapGraph::read(&runtime, &is_entry, &mut |_| {}).unwrap();
            let stats = typing_stats(&graph.view(), &graph.shapes);
            println!(
                "{version} {}: {:.2} % of bytes typed, {:.2} % of objects, {} unreachable",
                how.label(),
                100.0 * stats.typed.1 as f64 / stats.all.1 as f64,
                100.0 * stats.typed.0 as f64 / stats.all.0 as f64,
                graph.tree.unreachable_objects()
            );
            let mut known = 0;
            for container in running.truth().containers.iter().filter(|c| c.kind == "map") {
                let Some(truth) = &container.map else { continue };
                let Some(found) = graph.objects.find(container.address) else {
                    wrong.push(format!("{version} {}: {} is no object", how.label(), container.name));
                    continue;
                };
                let Shape::MapHeader(typ) = graph.shapes.of(found.object) else {
                    wrong.push(format!(
                        "{version} {}: {} is {:?}",
                        how.label(),
                        container.name,
                        graph.shapes.of(found.object)
                    ));
                    continue;
                };
                known += 1;
                assert_eq!(runtime.types.name(typ), container.type_name);
                let facts = map_facts(&graph.view(), typ, container.address).unwrap();
                let ours = (facts.entries, facts.found, facts.slots, facts.bytes);
                let theirs = (container.entries, container.entries, truth.slots, truth.bytes);
                assert_eq!(ours, theirs, "{version} {}", container.name);
                let retained = graph.tree.retained(found.object);
                if retained != container.retained_bytes {
                    wrong.push(format!(
                        "{version} {}: {} retains {retained}, truth {}",
                        how.label(),
                        container.name,
                        container.retained_bytes
                    ));
                }
            }
            println!("   {known} maps known");
        }
    }
    for line in &wrong {
        println!("{line}");
    }
}

fn text_of(pclntab: &Pclntab<'_>) -> u64 {
    pclntab.functions().next().map_or(0, |f| f.0)
}
