//! What machine code tells of types, by one program built for two processors: the compiler makes the same types of
//! the same source, and calls the same functions of the runtime for them. What is read of the code for amd64 is held
//! against running programs elsewhere (`crates/heap/tests/code_types.rs`). Go is `OOMPH_GO` or `go` on the PATH, and
//! every toolchain in oomph's cache; without one the test says so and passes.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use common::{Go, lines_of, toolchains};
use gobinary::code::{CodeFacts, Program};
use gobinary::layout::{Arch, Layout};
use gobinary::types::PointerKind;
use gobinary::{Functions, GoBinary, ModuleTables, RuntimeTypes, Slices, find_modules};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSegment};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Something of everything: what it imports is followed as well.
const SOURCE: &str = r#"package main

import (
	"log"
	"net/http"
)

func main() { log.Fatal(http.ListenAndServe("127.0.0.1:0", nil)) }
"#;

/// What was read: allocations of each function, closures by function, variables by their order.
struct Read {
    sites: BTreeMap<String, Vec<String>>,
    closures: BTreeMap<String, String>,
    variables: usize,
    not_followed: (u64, u64),
}

fn facts(program: Program<'_, '_>) -> CodeFacts {
    let first = program.follow(0..program.len());
    let program = program.with_returned(first.returned()).with_made(first.made()).with_arguments(first.arguments());
    program.follow(0..program.len()).facts()
}

fn read(go: &Go, dir: &Path, arch: Arch) -> Read {
    let exe = dir.join(arch.go_name());
    let mut build = go.command();
    build.current_dir(dir).env("CGO_ENABLED", "0").env("GOARCH", arch.go_name());
    lines_of(build.args(["build", "-ldflags=-s -w", "-o"]).arg(&exe).arg("."));
    let file = std::fs::read(exe).unwrap();
    let elf = ElfFile64::<Endianness>::parse(&*file).unwrap();
    let memory = Slices::new(elf.segments().map(|s| (s.address(), s.data().unwrap(), false, false)));
    let version = GoBinary::parse(&file).unwrap().build_info().unwrap().go_version_text;
    let layout = Layout::lookup(&version, arch).unwrap();
    let modules = find_modules(&memory, &layout, None).unwrap();
    let tables: Vec<_> = modules.iter().map(|m| ModuleTables::read(&memory, m.into()).unwrap()).collect();
    let functions: Vec<Functions<'_>> = tables.iter().map(|t| t.functions().unwrap()).collect();
    let types = RuntimeTypes::new(&memory, layout, modules);
    types.load_all();
    let facts = facts(Program::new(&types, &functions));
    let name = |pc: u64| functions.iter().find_map(|f| f.func_at(pc)).map_or("", |f| f.name()).to_owned();
    let kind = |kind: PointerKind| match kind {
        PointerKind::Ptr(id) => format!("*{}", types.name(id)),
        PointerKind::Slice(id) => format!("[]{}", types.name(id)),
        PointerKind::Map(id) | PointerKind::Chan(id) | PointerKind::Func(id) | PointerKind::Iface(id) => types.name(id),
        PointerKind::String => "string".to_owned(),
        PointerKind::Eface | PointerKind::Unsafe => "unknown".to_owned(),
    };
    let mut sites: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (&site, &made) in &facts.sites {
        sites.entry(name(site - 1)).or_default().push(kind(made));
    }
    sites.values_mut().for_each(|s| s.sort_unstable());
    let closures = facts.closures.iter().map(|(&code, &typ)| (name(code), types.name(typ))).collect();
    Read { sites, closures, variables: facts.variables.len(), not_followed: facts.functions }
}

/// Assembly and what belongs to one processor alone is nobody's concern.
fn is_the_same_everywhere(function: &str) -> bool {
    !["runtime.", "internal/cpu", "crypto/", "internal/runtime/"].iter().any(|p| function.starts_with(p))
}

#[test]
fn two_processors_tell_the_same_types() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("main.go"), SOURCE).unwrap();
    std::fs::write(dir.path().join("go.mod"), "module example.com/code\n\ngo 1.19\n").unwrap();
    for go in toolchains() {
        let (amd, arm) = (read(&go, dir.path(), Arch::Amd64), read(&go, dir.path(), Arch::Arm64));
        let (mut same, mut all, mut made) = (0, 0, 0);
        let mut differ = Vec::new();
        let none = Vec::new();
        let functions: BTreeSet<&String> = amd.sites.keys().chain(arm.sites.keys()).collect();
        for function in functions.into_iter().filter(|f| is_the_same_everywhere(f)) {
            let of = |read: &'_ Read| read.sites.get(function).unwrap_or(&none).clone();
            let (ours, theirs) = (of(&arm), of(&amd));
            all += 1;
            made += ours.len();
            if ours == theirs { same += 1 } else { differ.push((function, ours, theirs)) }
        }
        let shared: Vec<_> = arm.closures.iter().filter_map(|(f, t)| Some((t, amd.closures.get(f)?))).collect();
        let closures = shared.iter().filter(|(a, b)| a == b).count();
        println!(
            "{}: {same} of {all} functions with {made} allocations alike, {closures} of {} closures; {} and {} \
             variables; not followed {:?} and {:?}; {:?}",
            go.name,
            shared.len(),
            arm.variables,
            amd.variables,
            arm.not_followed,
            amd.not_followed,
            differ.iter().take(3).collect::<Vec<_>>()
        );
        assert!(made > 1500, "{}: {made}", go.name);
        assert!(same * 100 >= all * 97, "{}: {same} of {all}", go.name);
        assert!(shared.len() > 60 && closures * 100 >= shared.len() * 99, "{}: {closures}", go.name);
        assert!(arm.variables * 100 >= amd.variables * 95, "{}: {} of {}", go.name, arm.variables, amd.variables);
        assert!(arm.not_followed.0 * 20 < arm.not_followed.1, "{}: {:?}", go.name, arm.not_followed);
    }
}
