//! Debug information of a Go program whose variables are known: their names, addresses and pointers; the
//! same from unpacked sections; what damage does.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use gobinary::layout::{Arch, Layout};
use gobinary::types::PointerKind;
use gobinary::{DebugInfo, GoBinary, RuntimeTypes, Slices, TypeId, find_modules};
use object::read::elf::ElfFile64;
use object::{Endianness, Object, ObjectSection, ObjectSegment, ObjectSymbol, SymbolKind};
use std::fs;
use std::path::Path;

mod common;

const SOURCE: &str = r#"
package main

import "os"

type user struct {
	name string
	next *user
}

type inner struct {
	pad   int64
	users map[string]*user
	names []string
}

// No descriptor of it is kept: nothing makes one on the heap.
type unmade struct {
	flag bool
	in   inner
	last [3]*user
	any  any
	err  error
	call func()
}

var (
	app    unmade
	first  *user
	counts map[int]int
	long   [100]inner
	jobs   chan user
	text   string
	number int
)

func main() {
	n := len(os.Args)
	app.in.users = map[string]*user{os.Args[0]: {name: "b"}}
	app.in.names = append(os.Args, "x")
	app.last[n%3] = &user{next: first}
	app.any, app.err, app.call = n, os.ErrExist, main
	first, jobs, text = app.last[1], make(chan user, n), os.Args[0]
	counts = map[int]int{n: number}
	long[n] = app.in
	number = len(long[n-1].names) + len(text) + len(counts) + cap(jobs)
	if n > 100 {
		hold(&app, func() int { return len(app.in.names) + len(text) })
	}
}

//go:noinline
func hold(u *unmade, size func() int) { first = &user{name: text[:size()], next: u.last[0]} }
"#;

fn build(go: &common::Go, dir: &Path, flags: &[&str]) -> Vec<u8> {
    fs::write(dir.join("go.mod"), "module variables\n\ngo 1.19\n").unwrap();
    fs::write(dir.join("main.go"), SOURCE).unwrap();
    let exe = dir.join("variables");
    let out = go.command().current_dir(dir).args(["build", "-o"]).arg(&exe).args(flags).arg(".").output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    fs::read(exe).unwrap()
}

fn memory(file: &[u8]) -> Slices<'_> {
    let elf = ElfFile64::<Endianness>::parse(file).unwrap();
    let segments: Vec<_> = elf.segments().map(|s| (s.address(), s.data().unwrap())).collect();
    Slices::new(segments.into_iter().map(|(address, data)| (address, data, true, false)))
}

fn types<'m>(file: &[u8], memory: &'m Slices<'m>) -> RuntimeTypes<'m> {
    let version = GoBinary::parse(file).unwrap().build_info().unwrap().go_version_text;
    let layout = Layout::lookup(&version, Arch::Amd64).unwrap();
    let modules = find_modules(memory, &layout, None).unwrap();
    RuntimeTypes::new(memory, layout, modules)
}

/// Addresses and names of the variables in the symbol table.
fn symbols(file: &[u8]) -> Vec<(String, u64)> {
    let elf = ElfFile64::<Endianness>::parse(file).unwrap();
    let data = elf.symbols().filter(|s| s.kind() == SymbolKind::Data);
    data.filter_map(|s| Some((s.name().ok()?.to_owned(), s.address()))).collect()
}

fn address_of(file: &[u8], name: &str) -> u64 {
    symbols(file).into_iter().find(|s| s.0 == name).unwrap().1
}

fn describe(types: &RuntimeTypes<'_>, kind: PointerKind) -> String {
    let name = |id: TypeId| types.name(id);
    match kind {
        PointerKind::Ptr(id) => format!("*{}", name(id)),
        PointerKind::Slice(id) => format!("[]{}", name(id)),
        PointerKind::Map(id) | PointerKind::Chan(id) => name(id),
        PointerKind::String => "string".to_owned(),
        PointerKind::Func(_) => "func".to_owned(),
        PointerKind::Iface(_) => "interface".to_owned(),
        PointerKind::Eface => "any".to_owned(),
        PointerKind::Unsafe => "unsafe".to_owned(),
    }
}

/// Checks what the debug information of the program says.
fn check(file: &[u8], name: &str) {
    let sections = GoBinary::parse(file).unwrap().dwarf().unwrap().unwrap();
    let debug = DebugInfo::read(&sections, 0);
    assert_eq!(debug.damaged(), 0, "{name}");
    for (symbol, address) in symbols(file).into_iter().filter(|s| s.0.starts_with("main.") && !s.0.contains("..")) {
        if symbol.starts_with("main.main.") || symbol == "main..inittask" {
            continue;
        }
        assert!(debug.globals().any(|g| g == (symbol.as_str(), address)), "{name}: {symbol}");
    }
    let (app, long) = (address_of(file, "main.app"), address_of(file, "main.long"));
    let part = |address| debug.variable(address);
    for (address, path, rest) in [
        (app, "main.app.flag", 0),
        (app + 16, "main.app.in.users", 0),
        (app + 32, "main.app.in.names", 8),
        (app + 56, "main.app.last[1]", 0),
        (app + 104, "main.app.call", 0),
        (long + 5 * 40 + 8, "main.long[5].users", 0),
    ] {
        assert_eq!(part(address), Some((path.to_owned(), rest)), "{name}");
    }
    let memory = memory(file);
    let types = types(file, &memory);
    let places = debug.global_places(&types);
    let pointers = |from: u64, len: u64| -> Vec<(u64, String)> {
        let inside = places.iter().filter(|p| (from..from + len).contains(&p.address));
        let all = inside.flat_map(|p| p.pointers(&types));
        all.map(|(address, kind)| (address - from, describe(&types, kind))).collect()
    };
    let expected = [
        (16, "map[string]*main.user"),
        (24, "[]string"),
        (48, "*main.user"),
        (56, "*main.user"),
        (64, "*main.user"),
        (72, "any"),
        (88, "interface"),
        (104, "func"),
    ];
    assert_eq!(pointers(app, 112), expected.map(|(at, kind)| (at, kind.to_owned())), "{name}");
    for (variable, kind) in [
        ("main.first", "*main.user"),
        ("main.counts", "map[int]int"),
        ("main.jobs", "chan main.user"),
        ("main.text", "string"),
    ] {
        assert_eq!(pointers(address_of(file, variable), 8), [(0, kind.to_owned())], "{name} {variable}");
    }
    assert!(pointers(address_of(file, "main.number"), 8).is_empty());
}

#[test]
fn variables_have_the_names_and_types_of_the_source() {
    for go in common::toolchains() {
        let dir = tempfile::tempdir().unwrap();
        for flags in [&[][..], &["-ldflags=-compressdwarf=false"], &["-buildmode=pie"]] {
            // Descriptors of a position-independent file are there when it runs: crate heap tests that.
            if flags != ["-buildmode=pie"] {
                check(&build(&go, dir.path(), flags), &format!("{} {flags:?}", go.name));
            }
        }
        for flags in ["-ldflags=-w", "-ldflags=-s -w"] {
            let file = build(&go, dir.path(), &[flags]);
            assert!(GoBinary::parse(&file).unwrap().dwarf().unwrap().is_none(), "{} {flags}", go.name);
        }
    }
}

/// Everything that is asked of debug information.
fn ask(file: &[u8], types: &RuntimeTypes<'_>, entries: &[u64]) {
    let Ok(Some(sections)) = GoBinary::parse(file).unwrap().dwarf() else { return };
    let debug = DebugInfo::read(&sections, 0);
    let _ = debug.global_places(types);
    for (_, address) in debug.globals().take(100) {
        let _ = debug.variable(address + 8);
    }
    for &entry in entries {
        let _ = (debug.locals(types, entry + 40, 1 << 40), debug.captured(types, entry));
    }
}

#[test]
fn damage_costs_answers_and_nothing_else() {
    let Some(go) = common::toolchains().pop() else { return };
    let dir = tempfile::tempdir().unwrap();
    let file = build(&go, dir.path(), &["-ldflags=-compressdwarf=false"]);
    let memory = memory(&file);
    let types = types(&file, &memory);
    let elf = ElfFile64::<Endianness>::parse(&*file).unwrap();
    let names = [".debug_info", ".debug_abbrev", ".debug_addr", ".debug_loc", ".debug_loclists"];
    let ranges: Vec<_> = names.iter().filter_map(|n| elf.section_by_name(n)?.file_range()).collect();
    let table = GoBinary::parse(&file).unwrap().pclntab().unwrap();
    let entries: Vec<u64> = table.functions().map(|f| f.0).step_by(40).collect();
    ask(&file, &types, &entries);
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random = random.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(1);
        random >> 20
    };
    for _ in 0..40 {
        let mut damaged = file.clone();
        for _ in 0..next() % 64 {
            let (start, len) = ranges[next() as usize % ranges.len()];
            damaged[(start + next() % len.max(1)) as usize] = next() as u8;
        }
        ask(&damaged, &types, &entries);
    }
}
