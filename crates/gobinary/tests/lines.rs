//! Functions, lines and inlined calls of real programs. The truth is the program's own
//! `runtime.CallersFrames` and `go tool addr2line`. Each Go toolchain that is at hand is used.

#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

mod common;

use common::{Go, build, lines_of};
use gobinary::{FuncKind, Functions, GoBinary, callers_frames, printable_name};
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const PROGRAM: &str = r#"package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"regexp"
	"runtime"
	"sort"
	"strings"
)

type box[T any] struct{ v T }

func (b *box[T]) each(f func(T)) { f(b.v) }

type speaker interface{ speak() }
type inner struct{ n int }

func (i inner) speak() { here() }

// outer has a wrapper (*outer).speak that calls inner's.
type outer struct{ inner }

func one()      { two() }
func two()      { three() }
func three()    { here() }
func here()     { print() }

//go:noinline
func print() {
	pcs := make([]uintptr, 64)
	pcs = pcs[:runtime.Callers(1, pcs)]
	fmt.Print("list")
	for _, pc := range pcs {
		fmt.Printf(" %x", pc)
	}
	fmt.Println()
	frames := runtime.CallersFrames(pcs)
	for {
		f, more := frames.Next()
		fmt.Printf("frame %x %x %d %s %s\n", f.PC, f.Entry, f.Line, f.Function, f.File)
		if !more {
			break
		}
	}
	fmt.Println("end")
}

func recovering() {
	defer func() { recover(); here() }()
	var p *int
	*p = 1
}

func main() {
	fmt.Printf("base %x\n", reflect.ValueOf(main).Pointer())
	one()
	func() { one() }()
	(&box[string]{"x"}).each(func(string) { here() })
	(&box[int]{1}).each(func(int) { one() })
	var s speaker = &outer{}
	s.speak()
	f := s.speak
	f()
	recovering()
	sort.Slice([]int{3, 1, 2}, func(i, j int) bool { if i == 0 { here() }; return i < j })
	regexp.MustCompile("a").ReplaceAllStringFunc("a", func(s string) string { here(); return s })
	strings.Map(func(r rune) rune { three(); return r }, "a")
	reflect.ValueOf(one).Call(nil)
	_, _ = json.Marshal(marshaler{})
	done := make(chan int)
	go func() { one(); close(done) }()
	<-done
	// Each function of the program: all of its places.
	_ = errors.Is(io.EOF, io.EOF)
}

type marshaler struct{}

func (marshaler) MarshalJSON() ([]byte, error) { one(); return []byte("1"), nil }
"#;

fn hex(s: &str) -> u64 {
    u64::from_str_radix(s, 16).unwrap()
}

#[test]
fn frames_are_those_that_the_program_prints() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("main.go"), PROGRAM).unwrap();
    std::fs::write(dir.path().join("go.mod"), "module example.com/lines\n\ngo 1.21\n").unwrap();
    for go in common::toolchains() {
        for (name, args) in common::BUILDS {
            let exe = build(&go, dir.path(), name, args);
            let said = lines_of(&mut Command::new(&exe));
            let bytes = std::fs::read(&exe).unwrap();
            let binary = GoBinary::parse(&bytes).unwrap();
            let functions = binary.functions().unwrap();
            let main = functions.table().functions().find(|f| f.1 == "main.main").unwrap().0;
            let bias = hex(said[0].strip_prefix("base ").unwrap()) - main;
            let checked = compare(&said, &functions, bias, &format!("{} {name}", go.name));
            assert!(checked > 100, "{name}: {checked}");
        }
    }
}

/// Compares each list of program counters with the frames that follow it.
fn compare(said: &[String], functions: &Functions<'_>, bias: u64, name: &str) -> usize {
    let mut at = said.iter();
    let mut checked = 0;
    while let Some(line) = at.next() {
        let Some(list) = line.strip_prefix("list ") else { continue };
        let pcs: Vec<u64> = list.split(' ').map(|p| hex(p) - bias).collect();
        let mut found = Vec::new();
        callers_frames(std::slice::from_ref(functions), &pcs, |f| {
            let function = printable_name(f.function);
            found.push(format!("frame {:x} {:x} {} {function} {}", f.pc + bias, f.entry + bias, f.line, f.file));
        });
        let truth: Vec<&String> = at.by_ref().take_while(|l| *l != "end").collect();
        assert_eq!(found.iter().collect::<Vec<_>>(), truth, "{name}");
        checked += truth.len();
        // The list without the entries that inlining adds: the stack itself.
        let mut physical = Vec::new();
        let mut callee = FuncKind::Normal;
        let mut skip = 0;
        for &pc in &pcs {
            if skip > 0 {
                skip -= 1;
                continue;
            }
            let mut frames = functions.frames_at(pc - 1, callee);
            let before = physical.len();
            physical.extend(frames.by_ref().map(|f| (f.function, f.line)));
            callee = frames.callee();
            skip = physical.len() - before - 1;
        }
        let listed: Vec<_> = truth
            .iter()
            .map(|l| {
                let f: Vec<&str> = l.split(' ').collect();
                (f[4].to_owned(), f[3].parse::<u32>().unwrap())
            })
            .collect();
        let physical: Vec<_> = physical.iter().map(|(f, l)| (printable_name(f).into_owned(), *l)).collect();
        assert_eq!(physical, listed, "{name}");
    }
    checked
}

/// Function and line at addresses all over the program, against the toolchain's own reader.
#[test]
fn lines_are_those_of_addr2line() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("main.go"), PROGRAM).unwrap();
    std::fs::write(dir.path().join("go.mod"), "module example.com/lines\n\ngo 1.21\n").unwrap();
    for go in common::toolchains() {
        let plain = build(&go, dir.path(), "plain", &[]);
        let stripped = build(&go, dir.path(), "stripped", &["-ldflags=-s -w"]);
        let bytes = std::fs::read(&stripped).unwrap();
        let functions = GoBinary::parse(&bytes).unwrap().functions().unwrap();
        let mut addresses = Vec::new();
        for func in (0..functions.table().len()).filter_map(|i| functions.table().func(i)) {
            let size = func.end() - func.entry();
            addresses.extend((0..size).step_by(37).map(|d| func.entry() + d));
        }
        let truth = addr2line(&go, &plain, &addresses);
        assert_eq!(truth.len(), addresses.len() * 2);
        let mut differ = Vec::new();
        for (address, said) in addresses.iter().zip(truth.chunks_exact(2)) {
            let func = functions.func_at(*address).unwrap();
            let line = func.line_at(*address);
            // Padding between functions has no line.
            let text = line.map_or_else(|| ":-1".to_owned(), |l| format!("{}:{}", l.file, l.line));
            if (func.name(), &text) != (said[0].as_str(), &said[1]) {
                differ.push((address, func.name(), text, said));
            }
        }
        assert!(addresses.len() > 20_000, "{}", addresses.len());
        assert!(differ.is_empty(), "{}: {:x?}", go.name, &differ[..differ.len().min(10)]);
    }
}

fn addr2line(go: &Go, exe: &Path, addresses: &[u64]) -> Vec<String> {
    let mut child =
        go.command().args(["tool", "addr2line"]).arg(exe).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let text: String = addresses.iter().map(|a| format!("0x{a:x}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(text.as_bytes()).unwrap());
    let out = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}
