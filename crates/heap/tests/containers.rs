//! Containers of real Go programs: entries, capacity and bytes as the programs count them themselves.
//! Two releases by default; `OOMPH_TEST_GO=1.21.13,1.27.3` names others.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test, which tells what stripped programs do not show")]

use gobinary::TypeId;
use heap::containers::{ContainerFacts, ContainerKind, ContainerOptions, Containers, Note, TypedGlobal};
use heap::{HeapGraph, Names};
use lab::{HeapBuild, HeapContainer, HeapRunning, Symbols};
use rustc_hash::FxHashMap;

mod common;

use common::versions;

/// How far bytes may be off.
const TOLERANCE: f64 = 0.01;

/// Variables typed by what the program says of them: for binaries without debug information.
fn typed(graph: &HeapGraph<'_>, running: &HeapRunning) -> Vec<TypedGlobal> {
    let types = &graph.runtime.types;
    let ids: FxHashMap<String, TypeId> = (0..types.len() as u32).map(|i| (types.name(TypeId(i)), TypeId(i))).collect();
    let named = running.truth().containers.iter().filter(|c| c.root != 0 && c.name.matches('.').count() == 1);
    named
        .filter_map(|c| {
            let wanted = if c.root == c.address { c.type_name.trim_start_matches('*') } else { &c.type_name };
            Some(TypedGlobal { address: c.root, typ: *ids.get(wanted)? })
        })
        .collect()
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
    let place = if truth.address == 0 { truth.root } else { truth.address };
    let target = if truth.kind == "string" { graph.runtime.memory.u64(truth.root).ok()? } else { place };
    let object = graph.objects.find(target).map(|f| f.object);
    let of_kind = || found.list.iter().filter(|f| f.kind == kind);
    of_kind().find(|f| f.address == place || (object.is_some() && f.object == object)).or_else(|| {
        // A list is named by its end with the lower address.
        of_kind().find(|f| kind == ContainerKind::List && f.entries == truth.entries)
    })
}

fn near(a: u64, b: u64) -> bool {
    a.abs_diff(b) as f64 <= TOLERANCE * b as f64
}

/// Kinds that are found without debug information, the others only through typed variables.
const ALWAYS: [&str; 7] = ["map", "slice", "string", "sync.Map", "buffer", "context", "sync.Pool"];
/// A pool that was never used.
const EMPTY: &str = "main.onHeap";

/// What differs for one container, in words.
fn compare(graph: &HeapGraph<'_>, names: &dyn Names, found: &Containers, truth: &HeapContainer) -> Option<String> {
    let Some(ours) = find(graph, found, truth) else {
        println!("  {}: {} {} not found", truth.name, truth.kind, truth.type_name);
        // Up to 1.21 the runtime writes no types in front of objects.
        let told = graph.runtime.layout().malloc_headers && ALWAYS.contains(&truth.kind.as_str());
        let must = names.debug().is_some() || told;
        let must = must && truth.name != EMPTY && kind_of(truth).is_some();
        return must.then(|| "not found".to_owned());
    };
    let said = |what: &str, a: u64, b: u64| format!("{what} {a}, truth {b}");
    if ours.entries != truth.entries {
        return Some(said("entries", ours.entries, truth.entries));
    }
    if ours.capacity != truth.capacity && truth.capacity != 0 && !matches!(truth.kind.as_str(), "string" | "sync.Map") {
        return Some(said("capacity", ours.capacity, truth.capacity));
    }
    if !truth.retained_approx && !near(ours.retained, truth.retained_bytes) {
        return Some(said("retained", ours.retained, truth.retained_bytes));
    }
    // What is out of reach, of arrays and strings that slices and strings alone lead to.
    if truth.rules.iter().any(|r| r == "capacity-waste" || r == "pinned-array") && truth.value_bytes == 0 {
        let waste = truth.retained_bytes - truth.entries * truth.elem_size.max(1);
        if !near(ours.waste, waste) {
            return Some(said("waste", ours.waste, waste));
        }
    }
    let (object, root) = (ours.object?, truth.root);
    let path = graph.holder_paths(&[object], names).unwrap().remove(0);
    let first = path.first()?;
    let at = u64::from_str_radix(first.address.trim_start_matches("0x"), 16).unwrap_or(0);
    // A stack that still shows to it is as short a way.
    let right =
        first.type_name.starts_with("goroutine") || (root..root + 256).contains(&at) || truth.holder != truth.name;
    (!right && root != 0).then(|| format!("held by {} at {}", first.type_name, first.address))
}

#[test]
fn containers_are_what_the_programs_say() {
    let out = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for go in versions() {
        for how in [HeapBuild::default(), HeapBuild { symbols: Symbols::Stripped, pie: true, ..HeapBuild::default() }] {
            for name in ["slices", "texts", "lists", "channels", "syncs", "values", "timers"] {
                println!("{} {} {name}", go.release(), how.label());
                common::read_heap(&go, out.path(), name, &how, |graph, names, running| {
                    let globals = if names.debug.is_some() { Vec::new() } else { typed(graph, running) };
                    let options = ContainerOptions { most: 1 << 20, globals: &globals, ..ContainerOptions::default() };
                    let found = &graph.containers(names, &options);
                    let said = |what: &str, why: String| format!("{} {} {what}: {why}", go.release(), how.label());
                    for truth in &running.truth().containers {
                        wrong.extend(compare(graph, names, found, truth).map(|why| said(&truth.name, why)));
                    }
                    if names.debug.is_some() || graph.runtime.layout().malloc_headers {
                        wrong.extend(of_program(name, running, found).map(|why| said(name, why)));
                    }
                });
            }
        }
    }
    for line in &wrong {
        println!("wrong: {line}");
    }
    assert!(wrong.is_empty(), "{} differ", wrong.len());
}

/// What is not told of one container.
fn of_program(name: &str, running: &HeapRunning, found: &Containers) -> Option<String> {
    let truth = running.truth();
    match name {
        "texts" => {
            // Eight contents take turns.
            let entries = truth.container("main.duplicates")?.entries;
            let counts: Vec<u64> = found.duplicates.largest.iter().map(|d| d.count).take(8).collect();
            (counts != [entries / 8; 8]).then(|| format!("equal strings {counts:?}, truth 8 times {}", entries / 8))
        }
        "slices" => {
            let parts = truth.container("main.parts")?;
            let pins: Vec<u64> = found
                .list
                .iter()
                .filter(|f| f.type_name == "[]uint8" && f.notes.contains(&Note::Subslice(100)))
                .map(|f| f.waste)
                .collect();
            let live = parts.live_bytes / parts.entries;
            let fine = pins.len() as u64 == parts.entries && pins.iter().all(|w| near(w + live, 16384));
            (!fine).then(|| format!("{} arrays are pinned, truth {}", pins.len(), parts.entries))
        }
        "timers" => {
            let timers =
                |n: &str| found.list.iter().filter(|f| f.type_name.contains(n)).map(|f| f.entries).sum::<u64>();
            let of = |n: &str| truth.container(n).map_or(0, |c| c.entries);
            let later = timers("schedule.func1");
            // The runtime has one of its own now and then (the scavenger's).
            let own = |f: &&ContainerFacts| f.kind == ContainerKind::Timer && !f.type_name.starts_with("runtime.");
            let all: u64 = found.list.iter().filter(own).map(|f| f.entries).sum();
            // From 1.27 on no module asks for the old channels (asynctimerchan): timers that nobody waits for are
            // plain objects.
            let old = if truth.go_version.starts_with("go1.27") { 0 } else { of("main.timers") + of("main.tickers") };
            let sum = old + of("main.later") + of("runtime timers");
            (later != of("main.later") || all != sum).then(|| format!("{later} later and {all} timers, truth {sum}"))
        }
        _ => None,
    }
}
