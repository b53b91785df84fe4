//! The numbers sampled from outside against what the process itself says at the same time (`runtime.MemStats`,
//! `runtime/metrics`), and the ring's heap profile against its `/debug/pprof/heap`. A real Go program that stands
//! still when asked.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod common;

use bundle::sampling::{GcTraceSampler, HeapRing, ProcessSampler, RuntimeSampler};
use common::{GoServer, build_go, get};
use profile::{Profile, ReadLimits};
use signals::{Column, Sample};

/// Holds memory, collects, and then does nothing but answer.
const PROGRAM: &str = r#"package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

var table = map[int]*[1024]byte{}

func main() {
	for i := 0; i < 30000; i++ { b := new([1024]byte); b[0] = 1; table[i] = b }
	for i := 0; i < 20; i++ { go func() { select {} }() }
	runtime.GC()
	runtime.GC()
	debug.SetGCPercent(150)
	http.HandleFunc("/truth", func(w http.ResponseWriter, r *http.Request) {
		s := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/goal:bytes"}, {Name: "/gc/cycles/total:gc-cycles"}}
		metrics.Read(s)
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		json.NewEncoder(w).Encode(map[string]uint64{
			"live": s[0].Value.Uint64(), "goal": s[1].Value.Uint64(), "cycles": s[2].Value.Uint64(),
			"inuse": m.HeapInuse, "idle": m.HeapIdle - m.HeapReleased, "released": m.HeapReleased,
			"mapped": m.Sys - m.HeapReleased,
		})
	})
	http.HandleFunc("/collect", func(w http.ResponseWriter, r *http.Request) {
		for i := 0; i < 3; i++ { runtime.GC() }
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		json.NewEncoder(w).Encode(map[string]any{"cycles": m.NumGC, "total": m.PauseTotalNs, "pauses": m.PauseNs[:]})
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil { panic(err) }
	fmt.Println(l.Addr())
	panic(http.Serve(l, nil))
}
"#;

#[test]
fn what_is_read_from_outside_is_what_the_runtime_says() {
    let dir = tempfile::tempdir().unwrap();
    let exe = build_go(dir.path(), "sampled", PROGRAM);
    let server = GoServer::start(&exe, &[], &[]);
    let truth: serde_json::Value = serde_json::from_slice(&get(&server.address, "/truth")).unwrap();
    let mut process = ProcessSampler::open(server.pid()).unwrap();
    let mut runtime = RuntimeSampler::open(process.process()).unwrap();
    let mut s = Sample::new(1.0);
    process.sample(&mut s, false).unwrap();
    assert!(runtime.sample(&mut s));
    let close = |column: Column, name: &str, off: f64| {
        let (read, said) = (s.get(column).unwrap(), truth[name].as_f64().unwrap());
        assert!((read - said).abs() <= off, "{}: read {read}, the process says {said}", column.name());
    };
    // A request allocates a little; what a cycle fixed is equal.
    close(Column::HeapLive, "live", 0.0);
    close(Column::GcCycles, "cycles", 0.0);
    close(Column::HeapGoal, "goal", 0.01 * truth["goal"].as_f64().unwrap());
    close(Column::HeapInuse, "inuse", 512.0 * 1024.0);
    close(Column::HeapIdle, "idle", 512.0 * 1024.0);
    close(Column::HeapReleased, "released", 512.0 * 1024.0);
    // Sys also counts what is reserved and not ready.
    close(Column::Mapped, "mapped", 0.15 * truth["mapped"].as_f64().unwrap());
    assert_eq!(s.get(Column::Gogc), Some(150.0));
    assert_eq!(s.get(Column::MemoryLimit), None);
    assert!(s.get(Column::Goroutines).unwrap() >= 20.0);
    let (rss, anon) = (s.get(Column::Rss).unwrap(), s.get(Column::Anon).unwrap());
    assert!(anon > truth["inuse"].as_f64().unwrap() * 0.9 && anon < rss, "{anon} of {rss}");

    // The ring's profile is the endpoint's, and there is no second one without a collection.
    let mut ring = HeapRing::open(process.process()).unwrap();
    let taken = ring.take().unwrap().unwrap();
    assert!(taken.map_share >= 0.0 && taken.map_share <= 1.0);
    let limits = ReadLimits::default();
    let in_use = |bytes: &[u8]| {
        let collapsed = Profile::read(bytes, &limits).unwrap().collapsed("inuse_space").unwrap();
        let mut lines: Vec<String> = collapsed.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(in_use(&taken.bytes), in_use(&get(&server.address, "/debug/pprof/heap")));
    assert!(ring.take().unwrap().is_none());
    drop(server);
    assert!(process.sample(&mut Sample::new(2.0), false).is_err());
    assert!(!runtime.sample(&mut Sample::new(2.0)));
}

/// Pauses against `runtime.MemStats`, the wall time of the last cycle against what the runtime prints of it.
#[test]
fn pauses_and_wall_time_are_those_of_the_runtime() {
    let dir = tempfile::tempdir().unwrap();
    let exe = build_go(dir.path(), "paused", PROGRAM);
    let log = dir.path().join("stderr");
    let server = GoServer::start_to(&exe, &[("GODEBUG", "gctrace=1")], std::fs::File::create(&log).unwrap());
    let process = ProcessSampler::open(server.pid()).unwrap();
    let mut runtime = RuntimeSampler::open(process.process()).unwrap();
    let mut before = Sample::new(1.0);
    assert!(runtime.sample(&mut before));
    // Since when? Nothing is said of the time before the first sample.
    assert_eq!(before.get(Column::GcPauseMax), None);
    // More cycles than the runtime's ring has places, and once more none.
    for (i, rounds) in [1, 1, 100, 0].into_iter().enumerate() {
        let mut said = serde_json::Value::Null;
        for _ in 0..rounds {
            said = serde_json::from_slice(&get(&server.address, "/collect")).unwrap();
        }
        let mut s = Sample::new(2.0 + i as f64);
        assert!(runtime.sample(&mut s));
        if rounds == 0 {
            assert_eq!(s.get(Column::GcPauseMax), Some(0.0));
            continue;
        }
        let cycles = said["cycles"].as_u64().unwrap();
        assert_eq!(s.get(Column::GcCycles), Some(cycles as f64));
        assert_eq!(s.get(Column::GcPauses), Some(said["total"].as_f64().unwrap() / 1e9));
        let new = (cycles - before.get(Column::GcCycles).unwrap() as u64).min(256);
        let longest = (1..=new).map(|b| said["pauses"][((cycles - b) % 256) as usize].as_f64().unwrap());
        assert_eq!(s.get(Column::GcPauseMax), Some(longest.fold(0.0, f64::max) / 1e9), "{new} cycles");
        let text = std::fs::read_to_string(&log).unwrap();
        let line = text.lines().rfind(|l| l.starts_with(&format!("gc {cycles} "))).unwrap();
        let clock = line.split(": ").nth(1).unwrap().split(" ms clock").next().unwrap();
        let printed: f64 = clock.split('+').map(|ms| ms.parse::<f64>().unwrap()).sum();
        let read = 1e3 * s.get(Column::GcWall).unwrap();
        // Each of the three is printed to two or three digits, cut off.
        assert!(read >= printed - 1e-9 && read <= printed * 1.11 + 0.003, "read {read} ms, printed {line}");
        before = s;
    }
}

/// The live heap of the last line of collection `number`, MiB, and its goal.
fn printed(text: &str, number: u64) -> Option<(f64, f64)> {
    let line = text.lines().rfind(|l| l.starts_with(&format!("gc {number} ")))?;
    let heap = line.split(" ms cpu, ").nth(1)?;
    let live = heap.split(" MB").next()?.split("->").nth(2)?.parse().ok()?;
    Some((live, heap.split(" MB, ").nth(1)?.split(' ').next()?.parse().ok()?))
}

#[test]
fn gctrace_lines_of_a_real_program_are_found_and_read() {
    let dir = tempfile::tempdir().unwrap();
    let exe = build_go(dir.path(), "traced", PROGRAM);
    let log = dir.path().join("stderr");
    let server = GoServer::start_to(&exe, &[("GODEBUG", "gctrace=1")], std::fs::File::create(&log).unwrap());
    let process = ProcessSampler::open(server.pid()).unwrap();
    let mut lines = GcTraceSampler::of_process(process.process()).unwrap();
    for _ in 0..3 {
        let said: serde_json::Value = serde_json::from_slice(&get(&server.address, "/collect")).unwrap();
        let cycles = said["cycles"].as_u64().unwrap();
        lines.read().unwrap();
        let mut s = Sample::new(1.0);
        assert!(lines.fill(&mut s));
        assert_eq!(s.get(Column::GcCycles), Some(cycles as f64));
        let (live, _) = printed(&std::fs::read_to_string(&log).unwrap(), cycles).unwrap();
        assert_eq!(s.get(Column::HeapLive), Some(live * 1_048_576.0));
        // All lines since the first: the sum of the pauses is the runtime's, but for what each line cuts off.
        let (read, said) = (s.get(Column::GcPauses).unwrap(), said["total"].as_f64().unwrap() / 1e9);
        assert!(read > 0.3 * said && read < 1.5 * said, "{read} of {said}");
        // The goal is that of the collection to come, by GOGC=150 as the lines tell it: no more than MiB off.
        let truth: serde_json::Value = serde_json::from_slice(&get(&server.address, "/truth")).unwrap();
        let (goal, said) = (s.get(Column::HeapGoal).unwrap(), truth["goal"].as_f64().unwrap());
        if live >= 32.0 {
            assert!((goal - said).abs() < 0.1 * said, "goal {goal}, the runtime says {said}");
        }
    }
    drop(server);

    // By way of a named pipe that the configuration names.
    let pipe = dir.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let mut lines = GcTraceSampler::new(&pipe, None);
    lines.read().unwrap();
    let to = std::fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap();
    let server = GoServer::start_to(&exe, &[("GODEBUG", "gctrace=1")], to);
    let process = ProcessSampler::open(server.pid()).unwrap();
    assert!(GcTraceSampler::of_process(process.process()).is_none(), "a pipe is not read unasked");
    let said: serde_json::Value = serde_json::from_slice(&get(&server.address, "/collect")).unwrap();
    lines.read().unwrap();
    let mut s = Sample::new(1.0);
    assert!(lines.fill(&mut s));
    assert_eq!(s.get(Column::GcCycles), said["cycles"].as_f64());
    let live = s.get(Column::HeapLive).unwrap() / 1_048_576.0;
    assert!((28.0..40.0).contains(&live), "{live} MiB of 30000 KiB");
}

/// While a page that failed is left alone, it is still said why.
#[test]
fn a_page_that_fails_says_why_until_it_is_asked_again() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = bundle::Address::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = std::io::BufReader::new(&stream);
            let mut line = String::new();
            while std::io::BufRead::read_line(&mut reader, &mut line).is_ok_and(|n| n > 2) {
                line.clear();
            }
            let page = b"HTTP/1.1 500 Out\r\nContent-Length: 12\r\nConnection: close\r\n\r\nout of order";
            let _ = std::io::Write::write_all(&mut &stream, page);
        }
    });
    let second = std::time::Duration::from_secs(10);
    let mut web = bundle::sampling::WebSampler::new(&address, &[], None, false, second, Default::default()).unwrap();
    for ending in ["out of order", "asked again later", "asked again later"] {
        let why = web.sample(&mut Sample::new(1.0)).unwrap_err();
        assert!(why.contains("500") && why.contains("out of order") && why.ends_with(ending), "{why}");
    }
}
