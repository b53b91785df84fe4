//! Execution traces of live services: taken with a CPU profile at the same time, between two samples, and what servers
//! do to that.
#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bundle::{ArtifactKind, Bundle, CollectOptions, GcPolicy, GraphPolicy};
use common::{Server, build_go, ok, quick, reply, run};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

/// A service that works and allocates; prints its address.
const SERVICE: &str = r#"package main

import (
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
)

var sink [][]byte

func work() {
	for n := 0; ; n++ {
		if n%1000 == 0 {
			sink = nil
		}
		sink = append(sink, make([]byte, 4096))
	}
}

func main() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go work()
	fmt.Println(l.Addr())
	panic(http.Serve(l, nil))
}
"#;

fn traced() -> CollectOptions {
    CollectOptions {
        duration: Duration::from_secs(1),
        samples: 2,
        trace: Some(Duration::from_secs(1)),
        gc: GcPolicy::Never,
        graph: GraphPolicy::Never,
        join_process: false,
        ..quick()
    }
}

#[test]
fn a_trace_lies_between_two_profiles_and_has_cpu_samples() {
    let dir = tempfile::tempdir().unwrap();
    let exe = build_go(dir.path(), "service", SERVICE);
    let mut child = Command::new(exe).stdout(Stdio::piped()).spawn().unwrap();
    let mut address = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut address).unwrap();
    let to = dir.path().join("b.oomph");
    let collected = run(address.trim(), &to, &traced());
    child.kill().unwrap();
    child.wait().unwrap();
    let manifest = collected.unwrap().manifest;
    let trace = manifest.artifacts.iter().find(|a| a.kind == ArtifactKind::Trace).unwrap();
    let heaps: Vec<_> = manifest.artifacts.iter().filter(|a| a.kind == ArtifactKind::HeapProfile).collect();
    assert_eq!(heaps.len(), 2);
    assert!(heaps[0].taken_at <= trace.taken_at && trace.taken_at <= heaps[1].taken_at);
    let facts = Bundle::open(&to).unwrap().facts();
    let [told] = facts.traces.as_slice() else { panic!("{:?}", facts.limits) };
    assert_eq!(told.artifact, trace.path);
    let told = &told.value;
    assert!(told.duration_ns > 500_000_000, "{}", told.duration_ns);
    // A hundred a second of a goroutine that never waits; a loaded machine lets it run less.
    assert!(told.cpu.samples > 5, "{}", told.cpu.samples);
    let worked = |s: &model::TraceCpuStack| s.stack.iter().any(|f| f.function == "main.work");
    assert!(told.cpu.stacks.iter().any(worked));
    assert!(!told.gc.cycles.is_empty());
}

/// Answers that are no trace are told, and the rest of the bundle is there.
#[test]
fn what_is_no_trace_is_told() {
    let page = b"<!DOCTYPE html><title>Login</title>";
    let cases: [(&str, &'static [u8], &str); 3] = [
        ("200 OK", page, "HTML page"),
        ("400 Bad Request", b"profile duration exceeds server's WriteTimeout\n", "WriteTimeout"),
        ("200 OK", b"go 1.26 trace\0\0\0", ""),
    ];
    for (status, body, told) in cases {
        let server = Server::start(move |path, _, s| match path {
            "/debug/pprof/cmdline" => ok(s, b"/bin/fake\0-x"),
            "/debug/pprof/goroutine?debug=2" => ok(s, b"goroutine 1 [running]:\nmain.main()\n\t/x/main.go:3 +0x1d\n"),
            p if p.starts_with("/debug/pprof/trace") => reply(s, status, "application/octet-stream", body),
            _ => reply(s, "404 Not Found", "text/plain", b"404 page not found\n"),
        });
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("b");
        let manifest = run(&server.url(), &to, &traced()).unwrap().manifest;
        assert_eq!(server.asked("/debug/pprof/trace?seconds=1"), 1);
        assert_eq!(server.asked("/debug/pprof/profile?seconds=1"), 1);
        let failed = manifest.failures.iter().find(|f| f.source.contains("/trace?"));
        let facts = Bundle::open(&to).unwrap().facts();
        if told.is_empty() {
            assert!(failed.is_none());
            assert!(facts.traces.iter().all(|t| t.value.cpu.samples == 0));
            assert!(facts.limits.iter().any(|l| l.contains("no CPU samples")), "{:?}", facts.limits);
        } else {
            assert!(failed.unwrap().reason.contains(told), "{failed:?}");
            assert!(facts.traces.is_empty() && facts.limits.iter().any(|l| l.contains(told)), "{:?}", facts.limits);
        }
        assert!(manifest.artifacts.iter().any(|a| a.kind == ArtifactKind::GoroutineDump));
    }
}

/// A server that holds back the trace costs no more than the time that was asked for and the bound of a request.
#[test]
fn a_trace_that_does_not_come_is_given_up() {
    let server = Server::start(|path, _, s| match path {
        "/debug/pprof/cmdline" => ok(s, b"/bin/fake\0-x"),
        "/debug/pprof/goroutine?debug=2" => ok(s, b"goroutine 1 [running]:\nmain.main()\n\t/x/main.go:3 +0x1d\n"),
        p if p.starts_with("/debug/pprof/trace") || p.starts_with("/debug/pprof/profile") => {
            // Until the client closes.
            let _ = std::io::copy(s, &mut std::io::sink());
        }
        _ => reply(s, "404 Not Found", "text/plain", b"404 page not found\n"),
    });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("b");
    let options = CollectOptions { timeout: Duration::from_secs(1), ..traced() };
    let manifest = run(&server.url(), &to, &options).unwrap().manifest;
    let failed = manifest.failures.iter().find(|f| f.source.contains("/trace?")).unwrap();
    assert!(failed.reason.contains("2 s") || failed.reason.contains("time"), "{failed:?}");
    assert_eq!(server.asked("/debug/pprof/trace?seconds=1"), 1);
}
