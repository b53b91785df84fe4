//! Reads programs that a real Go toolchain built: plain, stripped, position-independent. The truth
//! is what `go version -m`, `go tool nm` and the program itself say. Go is `OOMPH_GO` or `go` on the
//! PATH; without one the test says so and passes.

#![expect(clippy::unwrap_used, clippy::print_stderr, reason = "a failed step is a failed test")]

use gobinary::GoBinary;
use std::path::{Path, PathBuf};
use std::process::Command;

const PROGRAM: &str = r#"package main

import (
	"fmt"
	"reflect"
	"runtime"
)

type box[T any] struct{ v T }

//go:noinline
func (b *box[T]) take() T { return b.v }

//go:noinline
func leaf() uintptr {
	pc, _, _, _ := runtime.Caller(0)
	return pc
}

func main() {
	b := &box[int]{1}
	fmt.Println(runtime.Version())
	fmt.Printf("%x\n", reflect.ValueOf(leaf).Pointer())
	fmt.Printf("%x\n", leaf())
	fmt.Printf("%x\n", reflect.ValueOf(fmt.Println).Pointer())
	_ = b.take()
}
"#;

fn go() -> Option<PathBuf> {
    let go = std::env::var_os("OOMPH_GO").map_or_else(|| PathBuf::from("go"), PathBuf::from);
    let found = Command::new(&go).arg("version").output().is_ok();
    if !found {
        eprintln!("skipped: no Go toolchain (set OOMPH_GO or put go on the PATH)");
    }
    found.then_some(go)
}

fn build(go: &Path, dir: &Path, name: &str, args: &[&str], cgo: bool) -> PathBuf {
    let exe = dir.join(name);
    let mut command = Command::new(go);
    command
        .current_dir(dir)
        .env("GOTOOLCHAIN", "local")
        .env("GOFLAGS", "-mod=mod")
        .env("CGO_ENABLED", if cgo { "1" } else { "0" })
        .args(["build", "-o"])
        .arg(&exe)
        .args(args)
        .arg(".");
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    exe
}

fn lines(command: &mut Command) -> Vec<String> {
    let out = command.output().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn reads_what_the_toolchain_built() {
    let Some(go) = go() else { return };
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("main.go"), PROGRAM).unwrap();
    std::fs::write(dir.path().join("go.mod"), "module example.com/box\n\ngo 1.21\n").unwrap();
    let builds: [(&str, &[&str]); 4] = [
        ("plain", &[]),
        ("stripped", &["-ldflags=-s -w", "-trimpath"]),
        ("pie", &["-buildmode=pie"]),
        ("pie-stripped", &["-buildmode=pie", "-ldflags=-s -w"]),
    ];
    // An external linker puts the tables of a position-independent file elsewhere.
    let external: (&str, &[&str]) = ("pie-external-stripped", &["-buildmode=pie", "-ldflags=-linkmode=external -s -w"]);
    let has_cc = Command::new("cc").arg("--version").output().is_ok();
    for (name, args) in builds.into_iter().chain(has_cc.then_some(external)) {
        let exe = build(&go, dir.path(), name, args, name.contains("external"));
        let bytes = std::fs::read(&exe).unwrap();
        check(&go, name, &exe, &bytes);
        if name == "stripped" {
            // No section table at all: e_shoff, e_shnum and e_shstrndx cleared.
            let mut bare = bytes.clone();
            bare[0x28..0x30].fill(0);
            bare[0x3c..0x40].fill(0);
            check(&go, "no-sections", &exe, &bare);
        }
        damage(&bytes);
    }
}

/// A file cut or changed anywhere is an error or a part, never a panic.
fn damage(bytes: &[u8]) {
    let read = |bytes: &[u8]| {
        if let Ok(b) = GoBinary::parse(bytes) {
            let _ = (b.build_info(), b.go_build_id(), b.gnu_build_id());
            if let Ok(t) = b.pclntab() {
                let _ = t.functions().count();
                let _ = t.function_at(bytes.len() as u64);
            }
        }
    };
    for cut in [0, 1, 63, 64, 4096, bytes.len() / 3, bytes.len() / 2, bytes.len() - 1] {
        read(&bytes[..cut]);
    }
    let magic = [0xf1, 0xff, 0xff, 0xff, 0, 0];
    let table = bytes.windows(6).position(|w| w == magic).unwrap();
    let sections = u64::from_le_bytes(bytes[0x28..0x30].try_into().unwrap()) as usize;
    let mut changed = bytes.to_vec();
    // The file header and program headers, the table's header, the section headers.
    for (start, len) in [(0, 0x200), (table, 72), (sections, 0x300)] {
        for i in (start..(start + len).min(bytes.len())).step_by(7) {
            for value in [0xff, 0x80, 0] {
                let old = std::mem::replace(&mut changed[i], value);
                read(&changed);
                changed[i] = old;
            }
        }
    }
}

fn check(go: &Path, name: &str, exe: &Path, bytes: &[u8]) {
    let said = lines(&mut Command::new(exe));
    let binary = GoBinary::parse(bytes).unwrap();
    let info = binary.build_info().unwrap();
    assert_eq!(info.go_version_text, said[0], "{name}");
    assert_eq!(info.path.as_deref(), Some("example.com/box"), "{name}");
    assert_eq!(info.main.as_ref().unwrap().path, "example.com/box", "{name}");
    assert_eq!(info.cgo(), Some(name.contains("external")), "{name}");
    let pie = name.starts_with("pie");
    assert_eq!(binary.is_position_independent(), pie, "{name}");
    assert_eq!(info.setting("-buildmode"), Some(if pie { "pie" } else { "exe" }));
    let id = lines(Command::new(go).args(["tool", "buildid"]).arg(exe));
    assert_eq!(binary.go_build_id(), Some(id[0].clone()), "{name}");

    let table = binary.pclntab().unwrap_or_else(|e| panic!("{name}: {e}"));
    assert!(table.len() > 1000, "{name}: {}", table.len());
    let leaf = table.functions().find(|f| f.1 == "main.leaf").unwrap().0;
    let hex = |s: &str| u64::from_str_radix(s, 16).unwrap();
    // The process may have been moved: compare distances.
    let bias = hex(&said[1]) - leaf;
    assert_eq!(bias == 0, !pie, "{name}");
    assert_eq!(table.function_starting_at(hex(&said[1]) - bias), Some("main.leaf"), "{name}");
    assert_eq!(table.function_at(hex(&said[2]) - bias), Some("main.leaf"), "{name}");
    assert_eq!(table.function_starting_at(hex(&said[2]) - bias), None, "{name}");
    assert_eq!(table.function_at(hex(&said[3]) - bias), Some("fmt.Println"), "{name}");
    assert_eq!(table.function_at(0), None);
    assert_eq!(table.function_at(u64::MAX), None);
    // runtime.Caller gives the return address less one; before it lies the call.
    let code = binary.code_bytes_before(hex(&said[2]) + 1 - bias, 5).unwrap();
    assert_eq!(code.len(), 5);
    if cfg!(target_arch = "x86_64") {
        assert_eq!(code[0], 0xe8, "{name}: a CALL rel32 ends at a return address");
    }

    // Every text symbol of the toolchain's own reader.
    let nm = Command::new(go).args(["tool", "nm"]).arg(exe).output().unwrap();
    let nm = String::from_utf8_lossy(&nm.stdout);
    let mut compared = 0;
    for line in nm.lines() {
        let f: Vec<&str> = line.split_whitespace().collect();
        if let [address, "T" | "t", symbol] = f[..]
            && !symbol.contains("..")
            && !symbol.starts_with("runtime.text")
            && !symbol.starts_with("runtime.etext")
            && symbol.starts_with("main.")
        {
            assert_eq!(table.function_starting_at(hex(address)), Some(symbol), "{name}");
            compared += 1;
        }
    }
    assert!(compared >= 3 || nm.is_empty() || name.contains("stripped") || name == "no-sections", "{name}: {compared}");
}

/// Distributions' own builds, stripped: what `go version -m` would need the toolchain for.
#[test]
fn reads_stripped_programs_of_a_distribution() {
    for (path, main) in [
        ("/usr/bin/prometheus", "github.com/prometheus/prometheus/cmd/prometheus"),
        ("/usr/bin/etcd", "go.etcd.io/etcd"),
    ] {
        let Ok(bytes) = std::fs::read(path) else {
            eprintln!("skipped: {path} is not installed");
            continue;
        };
        let binary = GoBinary::parse(&bytes).unwrap();
        let info = binary.build_info().unwrap();
        assert!(info.go_version.is_some_and(|v| v.at_least(18)), "{path}");
        assert!(info.path.as_deref().is_some_and(|p| p.ends_with(main)), "{path}: {:?}", info.path);
        let table = binary.pclntab().unwrap();
        let mut names: Vec<&str> = table.functions().map(|f| f.1).collect();
        for wanted in ["main.main", "runtime.mallocgc", "net/http.(*conn).serve"] {
            assert!(names.contains(&wanted), "{path}: {wanted}");
        }
        names.dedup();
        assert_eq!(table.functions().count(), table.len(), "{path}");
        let mut last = 0;
        for (address, name) in table.functions() {
            assert!(address >= last, "{path}: {name}");
            last = address;
            assert!(binary.code_bytes_before(address + 1, 1).is_some(), "{path}: {name} is no code");
        }
    }
}
