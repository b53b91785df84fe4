//! Lifetimes of objects by the experiment alloc/free, against a program that counts what it allocates and drops.

mod common;

use std::collections::HashMap;

use common::{Program, toolchains};
use trace::{Event, Generation, Objects, Options, read};

/// What the program `lab/trace` does in mode `objects`.
const KEPT: usize = 700;
const DROPPED: usize = 1300;
const LARGE: usize = 30;

#[test]
fn objects_live_as_long_as_the_program_keeps_them() {
    for go in toolchains().iter().filter(|g| g.version().at_least(23)) {
        let program = Program::build(go);
        let bytes = std::fs::read(program.trace("objects", 1, "traceallocfree=1")).unwrap();
        let mut objects = Objects::default();
        let mut dead: HashMap<String, usize> = HashMap::new();
        let mut spans = Vec::new();
        let summary = read(&bytes[..], &Options::default(), &mut |e: &Event<'_>, g: &Generation| {
            if let Some(death) = objects.event(e, g)
                && let Some(t) = &death.object.kind
            {
                *dead.entry(t.name.to_string()).or_default() += 1;
                if &*t.name == "main.dropped" {
                    spans.push(death.died - death.object.born.unwrap());
                    assert!(death.object.size == 64 && death.object.goroutine > 0, "{death:?}");
                }
            }
        })
        .unwrap();
        assert!(summary.gaps.is_empty(), "{:?}", summary.gaps);
        let mut alive: HashMap<&str, Vec<u64>> = HashMap::new();
        for o in objects.alive() {
            alive.entry(o.kind.as_ref().map_or("", |t| &t.name)).or_default().push(o.size);
        }
        let release = go.release();
        assert_eq!(dead.get("main.dropped"), Some(&DROPPED), "{release}");
        assert_eq!(dead.get("main.kept"), None, "{release}");
        assert_eq!(alive.get("main.dropped"), None, "{release}");
        assert_eq!(alive.get("main.kept"), Some(&vec![48; KEPT]), "{release}");
        // Objects of more than 512 bytes with pointers have a header, and their deaths are told by other addresses.
        assert_eq!(dead.get("main.large"), Some(&LARGE), "{release}");
        assert!(spans.iter().all(|&ns| ns > 0), "{release}");
    }
}

#[test]
fn the_size_classes_are_those_of_every_release() {
    for go in toolchains() {
        let sources = ["src/internal/runtime/gc/sizeclasses.go", "src/runtime/sizeclasses.go"];
        let text = sources.iter().find_map(|f| {
            let text = std::fs::read_to_string(go.root().join(f)).ok()?;
            let line = text.lines().find(|l| l.contains("]uint16{0, 8, 16,"))?;
            Some(line.split_once('{')?.1.trim_end_matches('}').to_owned())
        });
        let ours = include_str!("../src/allocfree.rs").split_once("CLASS_SIZES: [u64; 68] = [").unwrap().1;
        let ours: Vec<&str> =
            ours.split_once(']').unwrap().0.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
        let theirs: Vec<String> = text.unwrap().split(", ").map(str::to_owned).collect();
        assert_eq!(ours, theirs, "{}", go.release());
    }
}
