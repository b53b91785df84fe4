//! What is read from a process's memory against what the same process says over HTTP: the heap profile
//! sample for sample, the goroutines stack for stack. Real Go programs that stand still meanwhile; their
//! pprof is where a pid does not lead to it.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod common;

use bundle::{Bundle, Collected};
use common::{GoServer, build_go_with, get, quick, run};
use profile::{GoroutineDump, Profile, ReadLimits};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Allocates in many ways, parks goroutines in many ways, collects twice and then never again.
const PROGRAM: &str = r#"package main

import (
	"bytes"
	"container/list"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"
)

type pair[K comparable, V any] struct { k K; v V }

var (
	table = map[string]*[64]byte{}
	slice [][]byte
	pairs []*pair[int, string]
	names []string
	buffer bytes.Buffer
	chain = list.New()
	boxed []any
	mu sync.Mutex
)

func inlined(n int) []byte { return make([]byte, n) }
func twice(n int) []byte { return inlined(n * 2) }

//go:noinline
func generic[K comparable, V any](k K, v V) *pair[K, V] { return &pair[K, V]{k, v} }

//go:noinline
func deep(n int) { if n == 0 { slice = append(slice, twice(100)); return }; deep(n - 1) }

func allocate() {
	for i := 0; i < 3000; i++ {
		table[fmt.Sprintf("key-%d", i)] = new([64]byte)
		slice = append(slice, twice(i % 700))
		pairs = append(pairs, generic(i, strings.Repeat("x", i % 40)))
		names = append(names, "n" + names0(i))
		buffer.WriteString("0123456789")
		chain.PushBack(i)
		boxed = append(boxed, i * 1000)
		func() { slice = append(slice, make([]byte, 48)) }()
	}
	for i := 0; i < 300; i++ { deep(i) }
	slice = slice[:len(slice) / 2]
}

//go:noinline
func names0(i int) string { return fmt.Sprint(i) }

func park() {
	c := make(chan int)
	for i := 0; i < 7; i++ { go func() { <-c }() }
	for i := 0; i < 5; i++ { go sleeper(i) }
	for i := 0; i < 3; i++ { go func() { select {} }() }
	for i := 0; i < 4; i++ { go chooser(c, make(chan string)) }
	mu.Lock()
	for i := 0; i < 2; i++ { go locker() }
	go sink(nil)
	go func() { runtime.LockOSThread(); <-c }()
	for i := 0; i < 2; i++ { go nest(70, c) }
	go func() { nest(200, c) }()
	go waits()
}

func sleeper(i int) { time.Sleep(time.Duration(i+1) * time.Hour) }
func chooser(a chan int, b chan string) { select { case <-a: case <-b: case <-time.After(time.Hour): } }
func locker() { mu.Lock(); defer mu.Unlock(); println("never") }
func sink(c chan int) { c <- 1 }
func waits() { var w sync.WaitGroup; w.Add(1); w.Wait() }

//go:noinline
func nest(n int, c chan int) { if n == 0 { <-c; return }; nest(n-1, c); runtime.KeepAlive(c) }

func main() {
	rate := flag.Int("rate", 512, "")
	flag.Parse()
	runtime.MemProfileRate = *rate
	allocate()
	park()
	mux := http.NewServeMux()
	mux.HandleFunc("/x/debug/pprof/", func(w http.ResponseWriter, r *http.Request) { r.URL.Path = r.URL.Path[2:]; pprof.Index(w, r) })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { panic(err) }
	go func() { panic(http.Serve(l, mux)) }()
	// All but this one and the server have parked.
	settle()
	for i := 0; i < 3; i++ { runtime.GC() }
	debug.SetGCPercent(-1)
	fmt.Println(l.Addr())
	select {}
}

func settle() {
	for {
		buf := make([]byte, 1 << 20)
		text := string(buf[:runtime.Stack(buf, true)])
		if strings.Count(text, "[running]") == 1 && !strings.Contains(text, "[runnable") { return }
		runtime.Gosched()
	}
}
"#;

/// The ways to build: with symbols, stripped, moved.
const BUILDS: [&[&str]; 3] = [&[], &["-ldflags=-s -w"], &["-buildmode=pie", "-ldflags=-s -w"]];

type Samples = BTreeMap<Vec<(u64, String, String, i64)>, Vec<i64>>;

/// Values by stack (address, function, file, line) and object size.
fn samples(p: &Profile) -> Samples {
    let mut out = Samples::new();
    for s in p.samples().filter(|s| s.values().iter().any(|v| *v != 0)) {
        let mut key = Vec::new();
        for l in s.locations() {
            key.extend(l.lines().map(|n| (l.address(), n.function.to_owned(), n.file.to_owned(), n.line)));
        }
        key.extend(s.labels().map(|l| (0, l.key.to_owned(), String::new(), l.number)));
        let sum = out.entry(key).or_insert_with(|| vec![0; s.values().len()]);
        sum.iter_mut().zip(s.values()).for_each(|(a, b)| *a += b);
    }
    out
}

fn read_profile(bytes: &[u8]) -> Profile {
    Profile::read(bytes, &ReadLimits::default()).unwrap()
}

fn collect(server: &GoServer, to: &Path) -> Collected {
    run(&server.pid().to_string(), to, &quick()).unwrap()
}

/// State, creation site and stack of each goroutine but those of the question itself.
fn stacks(text: &[u8]) -> BTreeMap<String, u32> {
    let dump = GoroutineDump::read(text, &ReadLimits::default()).unwrap();
    assert!(dump.gaps.is_empty(), "{:?}", dump.gaps);
    let name = |i: &u32| {
        format!(
            "{} {}:{}",
            dump.frames[*i as usize].function, dump.frames[*i as usize].file, dump.frames[*i as usize].line
        )
    };
    let mut out = BTreeMap::new();
    for g in &dump.goroutines {
        let frames: Vec<_> = g.stack.iter().map(name).collect();
        // The server that is asked: where it stands depends on when.
        if frames.iter().any(|f| f.contains("net/http.(*conn") || f.contains("net/http.(*Server).Serve")) {
            continue;
        }
        let created = g.created_by.as_ref().map(name).unwrap_or_default();
        let key = format!(
            "{} locked={} elided={} by {created} in {:?}\n  {}",
            g.state,
            g.locked_to_thread,
            g.elided,
            g.creator,
            frames.join("\n  ")
        );
        *out.entry(key).or_insert(0) += 1;
    }
    out
}

#[test]
fn memory_says_what_the_endpoint_says() {
    let dir = tempfile::tempdir().unwrap();
    for (i, flags) in BUILDS.iter().enumerate() {
        let exe = build_go_with(dir.path(), &format!("both{i}"), PROGRAM, flags);
        let server = GoServer::start(&exe, &["-rate", "512"], &[("GODEBUG", "tracebacklabels=0")]);
        let to = dir.path().join(format!("bundle{i}"));
        let collected = collect(&server, &to);

        let artifact = collected.manifest.artifact("profiles/heap-1.pb.gz").unwrap();
        assert_eq!(artifact.source, format!("memory of pid {}", server.pid()));
        assert_eq!(artifact.notes, [""; 0], "{flags:?}");
        let ours = read_profile(&fs::read(to.join("profiles/heap-1.pb.gz")).unwrap());
        let theirs = read_profile(&get(&server.address, "/x/debug/pprof/heap"));
        assert_eq!(ours.sample_types(), theirs.sample_types());
        assert_eq!((ours.period(), ours.period_type()), (512, theirs.period_type()));
        assert_eq!(theirs.period(), 512);
        let (ours, theirs) = (samples(&ours), samples(&theirs));
        for (key, values) in &theirs {
            assert_eq!(ours.get(key), Some(values), "{flags:?} {key:#?}");
        }
        assert_eq!(ours.len(), theirs.len(), "{flags:?}");
        // Up to Go 1.22 stacks end at 32 frames: those of the recursion are one.
        assert!(ours.len() > 60, "{}", ours.len());

        let ours = stacks(&fs::read(to.join("goroutines/goroutine-1.txt")).unwrap());
        let theirs = stacks(&get(&server.address, "/x/debug/pprof/goroutine?debug=2"));
        assert_eq!(ours, theirs, "{flags:?}");
        assert!(ours.values().sum::<u32>() > 25);
        let facts = Bundle::open(&to).unwrap().facts();
        assert!(facts.limits.iter().any(|l| l.contains("memory of the process")), "{:?}", facts.limits);
        println!("{flags:?}: all samples and stacks agree");
    }
}

#[test]
fn a_program_without_samples_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let exe = build_go_with(dir.path(), "none", PROGRAM, &[]);
    let server = GoServer::start(&exe, &["-rate", "0"], &[]);
    let to = dir.path().join("bundle");
    collect(&server, &to);
    let facts = Bundle::open(&to).unwrap().facts();
    let told = facts.limits.iter().any(|l| l.contains("runtime.MemProfileRate is 0"));
    assert!(told, "{:?}", facts.limits);
    assert!(facts.samples[0].goroutines.is_some());
}
