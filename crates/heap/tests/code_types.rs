//! Types that the machine code tells, against what the runtime wrote in front of the same objects, against
//! the sizes that the heap profile counted, and against what the programs say their objects are.

#![expect(clippy::unwrap_used, reason = "a test stops where its premise fails")]

mod common;

use common::Parked;
use gobinary::types::PointerKind;
use goruntime::PointerBits;
use heap::{CodeTypes, HeapGraph, Shape, typing_stats};
use std::collections::BTreeMap;

const FORMS: [&[&str]; 3] = [&[], &["-ldflags=-s -w"], &["-buildmode=pie", "-ldflags=-s -w"]];

fn code_of(graph: &HeapGraph<'_>, functions: &[gobinary::Functions<'_>]) -> CodeTypes {
    let goroutines = graph.runtime.goroutines.as_ref().unwrap();
    CodeTypes::read(&graph.view(), functions, goroutines, &graph.specials, &graph.runtime.buckets)
}

/// Sampled objects whose type is told twice: by the call that made them, and by the runtime.
fn compare_with_headers(graph: &HeapGraph<'_>, code: &CodeTypes) -> (usize, usize) {
    let (mut agree, mut sized) = (0, 0);
    for &(object, kind) in &code.sampled {
        let (PointerKind::Ptr(id) | PointerKind::Slice(id)) = kind else { continue };
        let (span, slot) = graph.objects.place(object).unwrap();
        let span = &graph.objects.spans()[span as usize];
        let start = span.start + u64::from(slot) * span.elem_size;
        let typ = graph.runtime.types.get(id).unwrap();
        assert_eq!(typ.ptr_bytes == 0, span.pointers == PointerBits::NoScan, "{}", graph.runtime.types.name(id));
        assert!(typ.size <= span.elem_size);
        let written = match span.pointers {
            PointerBits::Header => Some(graph.runtime.memory.u64(start).unwrap()),
            PointerBits::Large(typ) => Some(typ),
            _ => None,
        };
        if let Some(written) = written {
            assert_eq!(graph.runtime.types.address(id), Some(written), "{}", graph.runtime.types.name(id));
            agree += 1;
        } else {
            sized += 1;
        }
    }
    (agree, sized)
}

#[test]
fn code_and_runtime_agree() {
    for go in common::toolchains() {
        for flags in FORMS {
            let parked = Parked::start(&go, "typed.go", flags);
            let exe = std::fs::read(&parked.exe).unwrap();
            common::with_heap(&parked.memory, &exe, |version, graph, names| {
                let code = code_of(graph, &names.functions);
                let (agree, sized) = compare_with_headers(graph, &code);
                let (given_up, all) = code.facts.functions;
                println!(
                    "{version} {flags:?}: {agree} with headers, {sized} others, {} sites, {} closures, {} variables, \
                     {given_up} of {all} functions not followed",
                    code.facts.sites.len(),
                    code.facts.closures.len(),
                    code.facts.variables.len()
                );
                if graph.runtime.layout().malloc_headers {
                    assert!(agree > 100, "{version}: {agree}");
                }
                assert!(sized > 500, "{version}: {sized}");
                assert!(given_up * 20 < all, "{version}: {given_up} of {all}");
            });
        }
    }
}

#[test]
fn objects_are_what_the_program_says() {
    for go in common::toolchains() {
        for flags in FORMS {
            let parked = Parked::start(&go, "typed.go", flags);
            let exe = std::fs::read(&parked.exe).unwrap();
            common::with_heap(&parked.memory, &exe, |version, graph, _| {
                let stats = typing_stats(&graph.view(), &graph.shapes);
                let mut missing = Vec::new();
                let mut known: BTreeMap<&str, u32> = BTreeMap::new();
                for word in parked.line.split_whitespace() {
                    let (address, name) = word.split_once('=').unwrap();
                    let found = graph.objects.find(u64::from_str_radix(address, 16).unwrap()).unwrap();
                    match graph.shapes.of(found.object) {
                        Shape::Unknown => missing.push(word),
                        Shape::Value(id) => {
                            assert_eq!(graph.runtime.types.name(id), name, "{version} {word}");
                            *known.entry(name).or_default() += 1;
                        }
                        other => panic!("{version} {word}: {other:?}"),
                    }
                }
                println!(
                    "{version} {flags:?}: {:.1} % of bytes typed; {known:?}; unknown {missing:?}",
                    100.0 * stats.typed.1 as f64 / stats.all.1 as f64
                );
                assert!(missing.is_empty(), "{version} {flags:?}: {missing:?}");
            });
        }
    }
}
