//! Answers to questions about a heap, on real programs: the holder path of a container is the one that the program
//! names, what would be free without some of it is what the program counts, and a comparison sees the entries that the
//! program added, no more and no less. Two releases by default; `OOMPH_TEST_GO=1.21.13,1.27.3` names others.
#![allow(clippy::unwrap_used, reason = "a test")]

use heap::{Follow, HeapGraph, NotFound, Pattern, ProgramNames, Wanted, diff};
use lab::{HeapBuild, HeapProgram, HeapRunning, Symbols};
use model::{HeapDiff, HeapGrowth, HeapHead, HeapOverview, HeapPath};
use std::path::Path;

mod common;

use common::{ProcMemory, versions};

fn stripped() -> HeapBuild {
    HeapBuild { symbols: Symbols::Stripped, ..HeapBuild::default() }
}

/// The way as an expression: `main.app.cache.users`.
fn expression(path: &HeapPath) -> String {
    let root = path.steps.first().map_or("", |s| &s.type_name);
    path.steps.iter().skip(1).fold(root.to_owned(), |text, s| text + &s.via)
}

#[test]
fn the_holder_path_is_the_one_the_program_names() {
    let out = tempfile::tempdir().unwrap();
    for go in versions() {
        common::read_heap(&go, out.path(), "roots", &HeapBuild::default(), |graph, names, running| {
            let mut compared = 0;
            for truth in running.truth().containers.iter().filter(|c| c.address != 0) {
                let what = format!("{} {}", go.release(), truth.name);
                let object = graph.holders_of_address(names, truth.address).unwrap();
                assert_eq!(object.offset, 0, "{what}");
                let near = object.retained_bytes.abs_diff(truth.retained_bytes) <= truth.retained_bytes / 100;
                assert!(near || truth.retained_approx, "{what}: retains {object:?}, truth {}", truth.retained_bytes);
                for path in [&object.shortest, &object.dominators] {
                    // What a closure captured has no name.
                    let expected = truth.name.strip_suffix("/users").unwrap_or(&truth.name);
                    assert_eq!(expression(path), expected, "{what}");
                    let last = path.steps.last().unwrap();
                    assert_eq!(last.address, format!("{:#x}", truth.address), "{what}");
                    assert_eq!(last.retained_bytes, object.retained_bytes, "{what}");
                }
                // What is above holds at least as much.
                let retained: Vec<u64> = object.dominators.steps.iter().map(|s| s.retained_bytes).collect();
                assert!(retained.is_sorted_by(|a, b| a >= b), "{what}: {retained:?}");
                compared += 1;
            }
            assert!(compared >= 10, "{compared}");
        });
    }
}

#[test]
fn addresses_without_an_object_say_what_is_there() {
    let out = tempfile::tempdir().unwrap();
    common::read_heap(&versions()[0], out.path(), "roots", &HeapBuild::default(), |graph, names, running| {
        let truth = running.truth().container("main.direct").unwrap();
        let variable = graph.holders_of_address(names, truth.root).unwrap_err();
        assert_eq!(variable, NotFound::Variable { address: truth.root, name: "main.direct".to_owned() });
        let stack = graph.runtime.goroutines.as_ref().unwrap().list[0].stack.0;
        assert!(matches!(graph.holders_of_address(names, stack), Err(NotFound::Stack { .. })));
        assert!(matches!(graph.holders_of_address(names, 8), Err(NotFound::Nothing { address: 8 })));
        let none = Pattern::parse("main.Nobody").unwrap();
        assert!(matches!(graph.holders_of_types(names, &none, 5), Err(NotFound::NoType { .. })));
        // In the middle of an object: its field is named.
        let user = graph.holders_of_types(names, &Pattern::parse("main.App").unwrap(), 5).unwrap();
        assert!(user.objects >= 2, "{user:?}");
    });
}

#[test]
fn objects_of_a_type_are_told_by_who_holds_them() {
    let out = tempfile::tempdir().unwrap();
    for go in versions() {
        common::read_heap(&go, out.path(), "roots", &HeapBuild::default(), |graph, names, running| {
            let found = graph.holders_of_types(names, &Pattern::parse("main.User").unwrap(), 100).unwrap();
            let maps: Vec<_> =
                running.truth().containers.iter().filter(|c| c.elem_size == 8 && c.value_bytes > 0).collect();
            let users: Vec<_> = maps.iter().filter(|c| c.value_bytes == c.entries * 112).collect();
            let entries: u64 = users.iter().map(|c| c.entries).sum();
            assert_eq!(
                (found.objects, found.bytes, found.unreachable),
                (entries, 112 * entries, 0),
                "{}",
                go.release()
            );
            // A user has no pointers: nothing else would be free.
            assert_eq!(found.retained_bytes, found.bytes);
            for map in users {
                let name = map.name.strip_suffix("/users").unwrap_or(&map.name);
                let without: String = name.replace(|c: char| c.is_ascii_digit(), "") + "[value]";
                let held = found.holders.iter().find(|h| h.holder == without);
                let held = held.unwrap_or_else(|| panic!("{} {without}: {:#?}", go.release(), found.holders));
                assert_eq!((held.objects, held.bytes), (map.entries, 112 * map.entries), "{without}");
            }
            assert_eq!(found.holders.iter().map(|h| h.objects).sum::<u64>(), entries);
        });
    }
}

fn retained(graph: &HeapGraph<'_>, names: &ProgramNames<'_>, pattern: &str, module: Option<&str>) -> u64 {
    let pattern = Pattern::parse(pattern).unwrap();
    let found = graph.retained_without(names, &pattern, module, 10, HeapHead::default()).unwrap();
    found.map_or(0, |f| f.retained_bytes)
}

fn near(what: &str, ours: u64, truth: u64) {
    assert!(truth > 0 && ours.abs_diff(truth) <= truth / 100, "{what}: {ours}, truth {truth}");
}

#[test]
fn what_a_pattern_retains_is_what_the_program_counts() {
    let out = tempfile::tempdir().unwrap();
    for go in versions() {
        common::read_heap(&go, out.path(), "roots", &HeapBuild::default(), |graph, names, running| {
            let truth = running.truth();
            let of = |name: &str| truth.container(name).unwrap();
            let is_user = |c: &&lab::HeapContainer| c.value_bytes == c.entries * 112;
            let users: Vec<_> = truth.containers.iter().filter(is_user).collect();
            let sum = |value: fn(&lab::HeapContainer) -> u64| users.iter().map(|c| value(c)).sum::<u64>();
            let is = |what: &str, truth: u64| {
                near(&format!("{} {what}", go.release()), retained(graph, names, what, None), truth);
            };
            is("main.User", sum(|c| c.value_bytes));
            // The map types of all but one have this name.
            let named = of("main.inIface").retained_bytes;
            is("map[string]*main.User", sum(|c| c.retained_bytes) - named);
            is("main.values", named);
            is("main.direct", of("main.direct").retained_bytes);
            is("main.byTenant", of("main.byTenant[2]").retained_bytes);
            // Plugins are in a map and in a slice: retained by neither alone, but by the package.
            let registry = "oomph.example/lab/heap/roots/registry";
            let (plugins, by_id) = (of(&format!("{registry}.Plugins")), of(&format!("{registry}.byID")));
            let shared = by_id.entries * (32 + 32);
            is(registry, plugins.retained_bytes + by_id.retained_bytes + shared);
            let parts = [plugins, by_id].map(|c| retained(graph, names, &c.name, None));
            near("variables alone", parts.iter().sum(), plugins.retained_bytes + by_id.retained_bytes);
            // A module is all of its packages, its main package too.
            let heap = graph.tree.total();
            let module = retained(graph, names, "oomph.example/lab", Some("oomph.example/lab"));
            assert!(module > heap * 9 / 10 && module < heap, "{module} of {heap}");
            assert_eq!(retained(graph, names, "main.nothing", None), 0);
        });
    }
}

#[test]
fn roots_add_up_to_all_that_is_reachable() {
    let out = tempfile::tempdir().unwrap();
    for how in [HeapBuild::default(), stripped()] {
        common::read_heap(&versions()[0], out.path(), "roots", &how, |graph, names, running| {
            let kinds = graph.roots_by_kind(names, 1000).unwrap();
            assert_eq!(kinds.iter().map(|k| k.retained_bytes).sum::<u64>(), graph.tree.total());
            let goroutines = kinds.iter().find(|k| k.kind == "goroutine").unwrap();
            assert!(goroutines.count >= running.truth().num_goroutine);
            if names.debug.is_some() {
                let globals = kinds.iter().find(|k| k.kind == "global").unwrap();
                let direct = globals.largest.iter().find(|r| r.name == "main.direct").unwrap();
                near(
                    "main.direct",
                    direct.retained_bytes,
                    running.truth().container("main.direct").unwrap().retained_bytes,
                );
            }
        });
    }
}

#[test]
fn places_hold_every_object_once() {
    let out = tempfile::tempdir().unwrap();
    for (program, how) in [("mixed", HeapBuild::default()), ("lists", stripped())] {
        common::read_heap(&versions()[0], out.path(), program, &how, |graph, names, _| {
            let reached = (0..graph.objects.count()).filter(|&o| graph.tree.is_reachable(o)).count() as u64;
            for follow in [Follow::Shortest, Follow::Dominators] {
                let places = graph.places(names, follow).unwrap();
                let objects: u64 = places.list().iter().map(|p| p.objects).sum();
                let bytes: u64 = places.list().iter().map(|p| p.bytes).sum();
                assert_eq!((objects, bytes), (reached, graph.tree.total()), "{program} {follow:?}");
                // Lists of hundreds of thousands of nodes do not make as many places.
                assert!(places.list().len() < 3000, "{program} {follow:?}: {}", places.list().len());
            }
        });
    }
}

/// Starts a program, reads it, lets it grow, reads it again.
fn grown(go: &lab::Toolchain, out: &Path, program: &str, how: &HeapBuild) -> (HeapOverview, HeapOverview, HeapRunning) {
    let program = HeapProgram::by_name(program).unwrap();
    let binary = program.build(go, out, how).unwrap();
    let mut running = program.start(&binary, &[]).unwrap();
    let exe = std::fs::read(&binary).unwrap();
    let read = |running: &HeapRunning| {
        let mut read = None;
        common::with_heap(&ProcMemory::open(running.pid()), &exe, |_, graph, names| {
            let mut overview = graph.overview(names, &Wanted::all(20)).unwrap();
            overview.process = Some(model::HeapProcess { pid: Some(running.pid()), ..Default::default() });
            read = Some(overview);
        });
        // As it comes back from a file.
        serde_json::from_str(&serde_json::to_string(&read.unwrap()).unwrap()).unwrap()
    };
    let before = read(&running);
    running.grow().unwrap();
    (before, read(&running), running)
}

/// Containers of the program, not of the runtime, whose number of entries changed.
fn changed<'d>(diff: &'d HeapDiff, kinds: &[&str]) -> Vec<(&'d str, &'d str, i64)> {
    let own = |g: &&HeapGrowth| !g.of.holder.starts_with("runtime.") && kinds.contains(&g.of.kind.as_str());
    let mut rows: Vec<_> = diff.containers.iter().filter(own).filter(|g| g.entries() != 0).collect();
    rows.sort_by_key(|g| &g.of.holder);
    rows.iter().map(|g| (g.of.kind.as_str(), g.of.holder.as_str(), g.entries())).collect()
}

#[test]
fn a_comparison_sees_the_entries_that_were_added() {
    let out = tempfile::tempdir().unwrap();
    for go in versions() {
        let (before, after, _running) = grown(&go, out.path(), "mixed", &HeapBuild::default());
        let found = diff(&before, &after, usize::MAX).unwrap();
        assert!(found.same_process);
        let kinds = ["map", "list", "slice", "chan", "tree"];
        assert_eq!(changed(&found, &kinds), [("map", "main.server.sessions.byKey", 2_000)], "{}", go.release());
        let map = found.containers.iter().find(|g| g.entries() == 2_000).unwrap();
        assert_eq!((map.of.type_name.as_str(), map.before.entries), ("map[string]*main.session", 5_000));
        // Its growth is told in one place, with all that the sessions hold.
        let top = &found.holders[0];
        assert_eq!(
            (top.of.holder.as_str(), top.of.type_name.as_str()),
            (map.of.holder.as_str(), "map[string]*main.session")
        );
        near(&top.of.holder, top.bytes().cast_unsigned(), map.bytes().cast_unsigned());
        let sessions = found.types.iter().find(|t| t.of.type_name == "main.session").unwrap();
        assert_eq!(sessions.count(), 2_000);
        // Nothing is counted twice: the rows add up to the growth of all that is reachable.
        let all: i64 = found.holders.iter().map(HeapGrowth::bytes).sum();
        let reached = |o: &HeapOverview| (o.coverage.bytes - o.coverage.unreachable_bytes).cast_signed();
        assert_eq!(all, reached(&after) - reached(&before), "{}", go.release());
    }
}

#[test]
fn a_comparison_sees_growth_of_lists_and_of_stripped_programs() {
    let out = tempfile::tempdir().unwrap();
    for go in versions() {
        let (before, after, _running) = grown(&go, out.path(), "lists", &HeapBuild::default());
        let found = diff(&before, &after, usize::MAX).unwrap();
        let expected =
            [("list", "main.head", 20_000), ("list", "main.history", 10_000), ("context", "main.values", 1_000)];
        assert_eq!(changed(&found, &["map", "list", "context", "tree"]), expected, "{}", go.release());

        let (before, after, running) = grown(&go, out.path(), "roots", &stripped());
        let found = diff(&before, &after, usize::MAX).unwrap();
        let maps = changed(&found, &["map"]);
        assert_eq!(maps.iter().map(|m| m.2).collect::<Vec<_>>(), [500], "{}: {maps:?}", go.release());
        let address = running.truth().container("main.app.cache.users").unwrap().address;
        assert!(found.containers.iter().any(|g| g.of.address == format!("{address:#x}") && g.entries() == 500));
    }
}

#[test]
fn the_same_heap_does_not_differ() {
    let out = tempfile::tempdir().unwrap();
    let (before, after, _running) = grown(&versions()[0], out.path(), "maps", &HeapBuild::default());
    let same = diff(&before, &before, usize::MAX).unwrap();
    assert!(same.holders.is_empty() && same.containers.is_empty() && same.types.is_empty(), "{same:#?}");
    let found = diff(&before, &after, usize::MAX).unwrap();
    assert_eq!(changed(&found, &["map"]), [("map", "main.uuids", 5_000)]);
    let back = diff(&after, &before, usize::MAX).unwrap();
    assert_eq!(changed(&back, &["map"]), [("map", "main.uuids", -5_000)]);
    assert!(diff(&before, &HeapOverview { census: None, ..after }, 1).is_err());
}
