//! Maps of real Go programs: entries, slots and bytes as the programs count them themselves.

mod common;

use heap::containers::map_facts;
use heap::{Shape, typing_stats};
use lab::{HeapBuild, HeapProgram, Symbols, Toolchain};

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
            common::with_heap(&memory, &exe, |version, graph, _| {
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
                    assert_eq!(graph.runtime.types.name(typ), container.type_name);
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
            });
        }
    }
    for line in &wrong {
        println!("{line}");
    }
}
