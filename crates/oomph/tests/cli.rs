//! What a person meets at the command line: exit codes, messages that say what to do, forms of output, stopping.
//! Needs a Go (finds or fetches one) for the tests with a live service.

#![allow(clippy::unwrap_used, reason = "a test")]

mod common;

use common::{Proto, file, finish, gzip, oomph, run};
use lab::{Running, Specimen, Toolchain};
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Runs, expects exit code 2 and each of the texts on standard error.
fn refuses(args: &[&str], says: &[&str]) {
    let r = run(args);
    assert_eq!(r.code, Some(2), "{args:?}: {} {}", r.out, r.err);
    for s in says {
        assert!(r.err.contains(s), "{args:?}: no {s:?} in {}", r.err);
    }
}

fn heaps(dir: &Path) -> (String, String) {
    let path = |name, n| file(dir, name, &gzip(&Proto::small(n))).to_str().unwrap().to_owned();
    (path("before.pb.gz", 4), path("after.pb.gz", 64))
}

#[test]
fn help_is_as_agreed() {
    for command in [
        "",
        "diagnose",
        "capture",
        "bundle ls",
        "bundle verify",
        "pprof top",
        "pprof diff",
        "pprof merge",
        "pprof flame",
        "pprof raw",
        "heap",
        "heap types",
        "heap containers",
        "heap roots",
        "heap holders",
        "heap retained",
        "heap goroutines",
        "heap chains",
        "heap duplicates",
        "heap diff",
        "heap export",
        "gclog",
        "trace",
        "trace gc",
        "trace assists",
        "trace stw",
        "trace goroutines",
        "trace blocking",
        "trace growth",
        "trace mmu",
        "trace cpu",
        "trace tasks",
        "trace export",
        "explain",
        "demo",
    ] {
        let mut args: Vec<&str> = command.split_whitespace().collect();
        args.push("--help");
        let r = run(&args);
        assert_eq!(r.code, Some(0));
        assert!(r.out.contains("Example"), "{command}: no example");
        insta::assert_snapshot!(format!("help-{}", command.replace(' ', "-")), r.out);
    }
}

#[test]
fn errors_say_what_failed_on_what_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let (heap, _) = heaps(dir.path());
    let put = |name: &str, b: &[u8]| file(dir.path(), name, b).to_str().unwrap().to_owned();
    let cpu = put("cpu.pb", &{
        let mut p = Proto::cpu();
        p.function(1, "main.main");
        p.sample([1], &[1, 10_000_000]);
        p.finish()
    });
    let empty = put("empty", b"");
    let html = put("page.html", b"<html><body>login</body></html>");
    let json = put("x.json", b"{\"a\": 1}");
    let elf = put("elf", b"\x7fELF\x02\x01\x01\0\0\0go_x 1\ngo_memstats 2\n");
    let trace = put("trace.out", b"go 1.26 trace\0\0\0\x01");
    let gone = dir.path().join("gone.pb.gz").to_str().unwrap().to_owned();
    let here = dir.path().to_str().unwrap();
    for (file, what) in
        [(&empty, "empty input"), (&html, "HTML page"), (&json, "JSON"), (&elf, "ELF"), (&trace, "execution trace")]
    {
        let next = if what == "execution trace" { "go tool trace" } else { "hint: " };
        refuses(&["pprof", "top", file], &[file.as_str(), what, next]);
    }
    for (file, what) in [
        (&empty, "empty input"),
        (&html, "HTML page"),
        (&json, "no counters"),
        (&elf, "ELF"),
        (&trace, "execution trace"),
        (&cpu, "a CPU profile says nothing of memory"),
    ] {
        refuses(&["diagnose", file], &[file.as_str(), what, "hint: "]);
    }
    refuses(&["pprof", "top", &gone], &[&gone, "No such file", "hint: "]);
    refuses(&["diagnose", &gone], &[&gone, "no such file", "hint: "]);
    refuses(&["pprof", "raw", here], &["is a directory", "hint: "]);
    refuses(&["diagnose", here], &["not a bundle", "hint: "]);
    refuses(&["pprof", "top", "--by", "sites", &cpu], &[&cpu, "CPU profile", "hint: "]);
    refuses(&["pprof", "top", "-t", "nosuch", &heap], &[&heap, "inuse_space", "--type"]);
    refuses(&["pprof", "top", "--focus", "(", &heap], &["--focus", "hint: "]);
    refuses(&["pprof", "flame", "--focus", "nomatch", &heap], &["--focus", "hint: "]);
    refuses(&["pprof", "diff", &heap, &cpu], &[&heap, &cpu, "cannot be combined", "hint: "]);
    refuses(&["pprof", "merge", &heap, &cpu, "-o", &gone], &[&cpu, "cannot be combined", "hint: "]);
    refuses(&["pprof", "merge", &heap, "-o", "/no/such/dir/x.pb.gz"], &["/no/such/dir/x.pb.gz", "hint: "]);
    refuses(&["diagnose", &heap, "-o", here], &["cannot write", "hint: "]);
    refuses(&["diagnose", "no-such-program"], &["`no-such-program`", "hint: "]);
    refuses(&["diagnose", "localhost:99999"], &["port from 1 to 65535", "hint: "]);
    refuses(&["diagnose", "ftp://x:1"], &["http://", "hint: "]);
    refuses(&["diagnose", "4194305"], &["4194305", "hint: "]);
    refuses(&["explain", "no-such-rule"], &["goroutine-leak"]);
    refuses(&["diagnose", "x", "--for", "9parsecs"], &["--for"]);
}

#[test]
fn profiles_come_from_standard_input_and_go_through_closed_pipes() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = heaps(dir.path());
    let piped = |args: &[&str]| finish(oomph().args(args).stdin(std::fs::File::open(&before).unwrap()));
    assert_eq!(piped(&["pprof", "top", "-"]).out, run(&["pprof", "top", &before]).out);
    assert_eq!(piped(&["diagnose", "-"]).code, Some(1));
    // Nobody reads: the reader has seen enough.
    for args in
        [&["pprof", "raw", &before][..], &["explain"], &["--help"], &["diagnose", &before, &after, "-f", "html"]]
    {
        let mut child = oomph().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let done = child.wait_with_output().unwrap();
        assert!(matches!(done.status.code(), Some(0 | 1)), "{args:?}: {:?}", done.status);
        assert!(done.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&done.stderr));
    }
}

#[test]
fn text_keeps_to_the_width_and_json_to_the_schema() {
    let dir = tempfile::tempdir().unwrap();
    let (before, after) = heaps(dir.path());
    for columns in [40, 60, 80, 200] {
        let r = finish(oomph().args(["diagnose", &before, &after]).env("COLUMNS", columns.to_string()));
        let widest = r.out.lines().map(|l| l.chars().count()).max().unwrap();
        assert!(widest <= columns, "{widest} of {columns}");
        assert!(!r.out.contains('\x1b'));
    }
    let schema: serde_json::Value =
        serde_json::from_str(include_str!("../../../docs/schema/report-1.schema.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    for targets in [vec![before.as_str()], vec![before.as_str(), after.as_str()]] {
        let r = run(&[&["diagnose", "-f", "json"], &targets[..]].concat());
        let report: serde_json::Value = serde_json::from_str(&r.out).unwrap();
        if let Err(e) = validator.validate(&report) {
            panic!("{e}");
        }
    }
}

/// Answers every request with the same bytes.
fn server(answer: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer);
        }
    });
    format!("http://{address}")
}

#[test]
fn services_that_are_none_are_told_apart() {
    let cases: [(&[u8], &[&str]); 6] = [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno", &["404", "net/http/pprof"]),
        (b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", &["401", "--header"]),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>",
            &["an HTML page", "net/http/pprof"],
        ),
        (
            b"HTTP/1.1 302 Found\r\nLocation: http://example.com/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            &["another host"],
        ),
        (b"SSH-2.0-OpenSSH_9.2\r\n", &["not a usable HTTP answer", "other than an HTTP server"]),
        (b"HTTP/1.1 500 Oh\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", &["500", "hint: "]),
    ];
    for (answer, says) in cases {
        let url = server(answer);
        let r = run(&["diagnose", &url, "--for", "1s", "--samples", "2", "--timeout", "3s"]);
        assert_eq!(r.code, Some(2), "{} {}", r.out, r.err);
        for s in says.iter().chain(&[url.as_str()]) {
            assert!(r.err.contains(s), "no {s:?} in {}", r.err);
        }
    }
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    refuses(&["diagnose", &free.to_string()], &["connection refused", "hint: "]);
}

fn service() -> Running {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("cli");
    let go = Toolchain::find_or_fetch(None, &lab::default_cache_dir(), &mut |_| {}).unwrap();
    let specimen = Specimen::by_name("healthy-goroutines").unwrap();
    let binary = specimen.build(&go, &dir).unwrap();
    specimen.start(&binary, &["-max-seconds", "120"]).unwrap()
}

/// Waits until a bundle being written lists an artifact of its first sample's end.
fn until_collected(child: &mut Child, dir: &Path) {
    let begin = Instant::now();
    loop {
        let manifest = std::fs::read_to_string(dir.join("manifest.json")).unwrap_or_default();
        if manifest.contains("\"goroutine-dump\"") || manifest.contains("goroutines/goroutine-1.txt") {
            return;
        }
        assert!(child.try_wait().unwrap().is_none(), "ended too early");
        assert!(begin.elapsed() < Duration::from_secs(60), "nothing is collected");
        // A pace for asking; nothing depends on it.
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

#[test]
fn a_live_run_can_be_stopped_killed_and_outlived() {
    let service = service();
    let dir = tempfile::tempdir().unwrap();
    let start = |args: &[&str]| oomph().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    // Ctrl-C and SIGTERM: the report is of what was collected.
    for (name, how) in [("int", "-INT"), ("term", "-TERM")] {
        let to = path(name);
        let mut child = start(&["diagnose", service.url(), "--for", "10m", "--save", &to, "-f", "json"]);
        until_collected(&mut child, Path::new(&to));
        signal(&child, how);
        let done = child.wait_with_output().unwrap();
        assert!(matches!(done.status.code(), Some(0 | 1)), "{how}: {:?}", done.status);
        let report: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
        assert!(report["limits"].to_string().contains("stopped early"), "{report}");
        assert_eq!(run(&["bundle", "verify", &to]).code, Some(0));
    }
    // kill -9: what is left opens, and is not overwritten.
    let to = path("killed.oomph");
    let part = format!("{to}.part");
    let mut child = start(&["capture", service.url(), "--for", "10m", "-o", &to]);
    until_collected(&mut child, Path::new(&part));
    signal(&child, "-KILL");
    child.wait().unwrap();
    let r = run(&["bundle", "verify", &part]);
    assert_eq!(r.code, Some(0), "{}", r.err);
    assert!(run(&["diagnose", &part]).out.contains("killed before its end"));
    refuses(&["capture", service.url(), "--for", "1s", "-o", &to], &["exists already", "opens like a bundle"]);
    // The service goes away in the middle: what it told is reported.
    let to = path("gone");
    let mut child = start(&["diagnose", service.url(), "--for", "8s", "--samples", "5", "--save", &to, "-f", "json"]);
    until_collected(&mut child, Path::new(&to));
    service.stop().unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(matches!(done.status.code(), Some(0 | 1)), "{:?}", done.status);
    let report: serde_json::Value = serde_json::from_slice(&done.stdout).unwrap();
    assert!(report["limits"].to_string().contains("hides"), "{report}");
}

#[test]
fn processes_that_are_not_go_are_not_judged() {
    let me = std::process::id().to_string();
    let r = run(&["diagnose", &me, "--for", "1s", "--samples", "2"]);
    assert_eq!(r.code, Some(1), "{}", r.err);
    assert!(r.out.starts_with("INSUFFICIENT EVIDENCE"), "{}", r.out);
}
