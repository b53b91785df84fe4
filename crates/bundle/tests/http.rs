//! What servers do to a collector, over real sockets.

#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::print_stderr, reason = "tests")]

mod common;

use bundle::{Bundle, CollectError, CollectOptions, FetchError};
use common::{Server, ok, quick, reply, run, run_until};
use std::io::Write;
use std::net::{Shutdown, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const TEXT: &[u8] = b"heap profile: 0: 0 [0: 0] @ heap/1048576\n\n# runtime.MemStats\n# Alloc = 1\n";
const DUMP: &[u8] = b"goroutine 1 [running]:\nmain.main()\n\t/x/main.go:3 +0x1d\n";

/// A minimal heap profile as `profile.proto`, gzipped: string table and sample types only.
fn heap_profile() -> Vec<u8> {
    let mut p = Vec::new();
    let strings: [&[u8]; 7] =
        [b"", b"alloc_objects", b"count", b"alloc_space", b"bytes", b"inuse_objects", b"inuse_space"];
    for (kind, unit) in [(1, 2), (3, 4), (5, 2), (6, 4)] {
        p.extend([0x0a, 4, 0x08, kind, 0x10, unit]);
    }
    for s in strings {
        p.push(0x32);
        p.push(s.len() as u8);
        p.extend(s);
    }
    gzip(&p)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut e = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    e.write_all(bytes).unwrap();
    e.finish().unwrap()
}

/// All endpoints well, as a base for what goes wrong.
fn well(path: &str, s: &mut std::net::TcpStream) {
    match path {
        "/debug/pprof/cmdline" => ok(s, b"/bin/fake\0-x"),
        "/debug/pprof/heap?debug=1" => ok(s, TEXT),
        "/debug/pprof/goroutine?debug=2" => ok(s, DUMP),
        p if p.starts_with("/debug/pprof/heap") => ok(s, &heap_profile()),
        p if p.starts_with("/debug/pprof/allocs") => ok(s, &heap_profile()),
        _ => reply(s, "404 Not Found", "text/plain", b"404 page not found\n"),
    }
}

#[test]
fn refused_connection_is_told_with_advice() {
    let port = {
        let l = TcpListener::bind("127.0.0.1:0").unwrap();
        l.local_addr().unwrap().port()
    };
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("b");
    let e = run(&format!("127.0.0.1:{port}"), &to, &quick()).unwrap_err();
    assert!(matches!(&e, CollectError::Endpoint { error: FetchError::Refused, .. }), "{e:?}");
    assert!(e.to_string().contains(&format!("http://127.0.0.1:{port}/debug/pprof/")));
    assert!(!e.hint().is_empty());
    assert!(!to.exists(), "a failed start leaves nothing behind");
}

#[test]
fn names_that_do_not_resolve() {
    let dir = tempfile::tempdir().unwrap();
    let e = run("http://no-such-host.invalid:1", &dir.path().join("b"), &quick()).unwrap_err();
    assert!(
        matches!(&e, CollectError::Endpoint { error: FetchError::HostNotFound | FetchError::Unreachable(_), .. }),
        "{e:?}"
    );
}

#[test]
fn tls_to_a_plain_port() {
    let server = Server::start(|path, _, s| well(path, s));
    let dir = tempfile::tempdir().unwrap();
    let url = server.url().replace("http:", "https:");
    let e = run(&url, &dir.path().join("b"), &quick()).unwrap_err();
    assert!(matches!(&e, CollectError::Endpoint { error: FetchError::Tls(_), .. }), "{e:?}");
    assert!(e.hint().contains("http://"));
}

#[test]
fn not_mounted_says_how_to_mount() {
    let server = Server::start(|_, _, s| {
        reply(s, "404 Not Found", "text/plain", b"404 page not found\n");
    });
    let dir = tempfile::tempdir().unwrap();
    let e = run(&server.url(), &dir.path().join("b"), &quick()).unwrap_err();
    assert!(e.to_string().contains("404"), "{e}");
    assert!(e.hint().contains("import _ \"net/http/pprof\""));
}

#[test]
fn pages_and_json_are_no_profiles() {
    for (body, kind, want) in [
        (&b"<!DOCTYPE html><title>Login</title>"[..], "text/html", "HTML page"),
        (b"{\"status\":\"ok\"}", "application/json", "JSON"),
        (b"", "text/plain", "empty answer"),
    ] {
        let server = Server::start(move |_, _, s| reply(s, "200 OK", kind, body));
        let dir = tempfile::tempdir().unwrap();
        let e = run(&server.url(), &dir.path().join("b"), &quick()).unwrap_err();
        assert!(matches!(&e, CollectError::NotPprof { .. }), "{e:?}");
        assert!(e.to_string().contains(want), "{e}");
    }
}

#[test]
fn asks_for_credentials_and_never_stores_them() {
    let seen = |s: &Server| s.seen.lock().unwrap().clone();
    let server = Server::start(|_, _, s| {
        reply(s, "401 Unauthorized", "text/plain", b"who are you\n");
    });
    let dir = tempfile::tempdir().unwrap();
    let e = run(&server.url(), &dir.path().join("b"), &quick()).unwrap_err();
    assert!(e.to_string().contains("who are you"));
    assert!(e.hint().contains("--header"));
    assert_eq!(seen(&server).len(), 1, "4xx is not tried again");

    let server = Server::start(|path, _, s| well(path, s));
    let options = CollectOptions { headers: vec![("Authorization".into(), "Bearer hunter2".into())], ..quick() };
    let to = dir.path().join("c");
    run(&server.url(), &to, &options).unwrap();
    assert!(seen(&server).iter().all(|s| s.headers.iter().any(|h| h.contains("hunter2"))));
    let manifest = std::fs::read_to_string(to.join("manifest.json")).unwrap();
    assert!(!manifest.contains("hunter2"));
    // User info in the address goes the same way.
    let to = dir.path().join("d");
    run(&server.url().replace("//", "//me:hunter2@"), &to, &quick()).unwrap();
    let manifest = std::fs::read_to_string(to.join("manifest.json")).unwrap();
    assert!(!manifest.contains("hunter2") && !manifest.contains("me:"));
    let last = seen(&server).pop().unwrap();
    assert!(last.headers.iter().any(|h| h.to_lowercase().starts_with("authorization: basic ")));
}

#[test]
fn redirects_stay_on_the_host() {
    let other = Server::start(|path, _, s| well(path, s));
    let elsewhere = other.url();
    let server = Server::start(move |path, _, s| match path {
        "/debug/pprof/cmdline" => {
            let head = "HTTP/1.1 302 Found\r\nLocation: /moved\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            let _ = s.write_all(head.as_bytes());
        }
        "/moved" => ok(s, b"/bin/fake"),
        p if p.starts_with("/debug/pprof/heap?gc") => {
            let head = format!(
                "HTTP/1.1 302 Found\r\nLocation: {elsewhere}/debug/pprof/heap\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let _ = s.write_all(head.as_bytes());
        }
        p => well(p, s),
    });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("b");
    let done = run(&server.url(), &to, &quick()).unwrap();
    let failure = done.manifest.failures.iter().find(|f| f.source.contains("gc=1")).unwrap();
    assert!(failure.reason.contains("another host"), "{failure:?}");
    assert!(other.seen.lock().unwrap().is_empty());
    let limits = Bundle::open(&to).unwrap().facts().limits;
    assert!(limits.iter().any(|l| l.contains("another host") && l.contains("hides")), "{limits:?}");
}

#[test]
fn redirect_loops_end() {
    let server = Server::start(|path, _, s| {
        let head = format!("HTTP/1.1 302 Found\r\nLocation: {path}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        let _ = s.write_all(head.as_bytes());
    });
    let dir = tempfile::tempdir().unwrap();
    let e = run(&server.url(), &dir.path().join("b"), &quick()).unwrap_err();
    assert!(e.to_string().contains("redirects"), "{e}");
}

#[test]
fn tries_again_after_5xx_and_lost_connections_only() {
    let server = Server::start(|path, nth, s| match (path, nth) {
        ("/debug/pprof/heap?debug=1", 0 | 1) => {
            reply(s, "500 Internal Server Error", "text/plain", b"busy\n");
        }
        ("/debug/pprof/goroutine?debug=2", 0) => {
            // Half an answer, then gone.
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", DUMP.len());
            let _ = s.write_all(head.as_bytes());
            let _ = s.write_all(&DUMP[..20]);
            let _ = s.shutdown(Shutdown::Both);
        }
        ("/debug/pprof/goroutine", _) => {
            reply(s, "500 Internal Server Error", "text/plain", b"never\n");
        }
        (p, _) => well(p, s),
    });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("b");
    let done = run(&server.url(), &to, &quick()).unwrap();
    assert_eq!(server.asked("/debug/pprof/heap?debug=1"), 3 + 1, "before, and once after gc");
    assert_eq!(server.asked("/debug/pprof/goroutine"), 3);
    assert_eq!(server.asked("/debug/vars"), 1);
    let a = done.manifest.artifact("profiles/heap-1-before.txt").unwrap();
    assert!(a.notes.iter().any(|n| n.contains("try 3")), "{a:?}");
    let dump = Bundle::open(&to).unwrap().read("goroutines/goroutine-1.txt", model::Bytes::mib(1)).unwrap();
    assert_eq!(dump, DUMP, "the first half is not in it twice");
    let never = done.manifest.failures.iter().find(|f| f.source.ends_with("/goroutine")).unwrap();
    assert!(never.reason.contains("500") && never.reason.contains("never"), "{never:?}");
}

#[test]
fn a_cut_gzip_is_kept_and_marked() {
    let server = Server::start(|path, _, s| {
        if path.starts_with("/debug/pprof/heap?gc") || path == "/debug/pprof/allocs" {
            let whole = heap_profile();
            ok(s, &whole[..whole.len() - 12]);
        } else {
            well(path, s);
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("b");
    let done = run(&server.url(), &to, &quick()).unwrap();
    let a = done.manifest.artifact("profiles/heap-1.pb.gz").unwrap();
    assert!(a.cut && a.notes[0].contains("gzip"), "{a:?}");
    assert!(Bundle::open(&to).unwrap().verify().unwrap().is_ok());
}

#[test]
fn profiles_of_another_kind_are_refused() {
    // samples/count, cpu/nanoseconds.
    let mut p = vec![0x0a, 4, 0x08, 1, 0x10, 2, 0x0a, 4, 0x08, 3, 0x10, 4];
    for s in ["", "samples", "count", "cpu", "nanoseconds"] {
        p.push(0x32);
        p.push(s.len() as u8);
        p.extend(s.bytes());
    }
    let cpu = gzip(&p);
    let server = Server::start(move |path, _, s| {
        if path.starts_with("/debug/pprof/heap?gc") {
            ok(s, &cpu);
        } else {
            well(path, s);
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let done = run(&server.url(), &dir.path().join("b"), &quick()).unwrap();
    let f = done.manifest.failures.iter().find(|f| f.source.contains("gc=1")).unwrap();
    assert!(f.reason.contains("a CPU profile instead of a heap profile"), "{f:?}");
}

#[test]
fn a_slow_drip_is_bounded() {
    let server = Server::start(|path, _, s| {
        if path == "/debug/pprof/heap?debug=1" {
            let _ = s.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n");
            for b in TEXT.iter().cycle() {
                if s.write_all(&[*b]).and_then(|()| s.flush()).is_err() {
                    return;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        } else {
            well(path, s);
        }
    });
    let options = CollectOptions { timeout: Duration::from_secs(1), ..quick() };
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let done = run(&server.url(), &dir.path().join("b"), &options).unwrap();
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    let a = done.manifest.artifact("profiles/heap-1-before.txt").unwrap();
    assert!(a.cut && a.bytes.0 < 100, "{a:?}");
}

#[test]
fn oversize_answers_are_cut_and_said_so() {
    let big = [TEXT, &b"# padding\n".repeat(200_000)].concat();
    let server = Server::start(move |path, _, s| {
        if path == "/debug/pprof/heap?debug=1" {
            ok(s, &big);
        } else {
            well(path, s);
        }
    });
    let options = CollectOptions { max_artifact: model::Bytes(64 << 10), ..quick() };
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("b");
    let done = run(&server.url(), &to, &options).unwrap();
    let a = done.manifest.artifact("profiles/heap-1-before.txt").unwrap();
    assert_eq!((a.bytes.0, a.cut), (64 << 10, true));
    assert!(a.notes[0].contains("size cap of 64.0 KiB"));
    assert!(Bundle::open(&to).unwrap().verify().unwrap().is_ok());
}

#[test]
fn stop_ends_a_hanging_request_and_keeps_what_is_there() {
    let (asked, hanging) = std::sync::mpsc::channel();
    let asked = std::sync::Mutex::new(asked);
    let server = Server::start(move |path, _, s| {
        if path == "/debug/pprof/goroutine" {
            asked.lock().unwrap().send(()).unwrap();
            // Says nothing until the client goes away.
            let mut b = [0_u8; 1];
            let _ = std::io::Read::read(s, &mut b);
        } else {
            well(path, s);
        }
    });
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    let raised = std::thread::spawn(move || {
        hanging.recv().unwrap();
        flag.store(true, Ordering::Relaxed);
        Instant::now()
    });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("b");
    let done = run_until(&server.url(), &to, &quick(), &stop, |_| {}).unwrap();
    let took = raised.join().unwrap().elapsed();
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(done.stopped && done.manifest.stopped);
    let bundle = Bundle::open(&to).unwrap();
    assert!(bundle.manifest().artifact("profiles/heap-1.pb.gz").is_some());
    assert!(bundle.verify().unwrap().is_ok());
    let limits = bundle.facts().limits;
    assert!(limits.iter().any(|l| l.contains("stopped early")), "{limits:?}");
}

#[test]
fn stop_ends_the_wait_between_samples() {
    let server = Server::start(|path, _, s| well(path, s));
    let options = CollectOptions { duration: Duration::from_secs(600), samples: 2, ..quick() };
    let stop = Arc::new(AtomicBool::new(false));
    let dir = tempfile::tempdir().unwrap();
    let started = Instant::now();
    let done = run_until(&server.url(), &dir.path().join("b.oomph"), &options, &stop, |p| {
        if matches!(p, bundle::Progress::Waiting { .. }) {
            stop.store(true, Ordering::Relaxed);
        }
    })
    .unwrap();
    assert!(started.elapsed() < Duration::from_secs(30));
    assert_eq!(done.manifest.samples.len(), 1);
    assert!(Bundle::open(&done.path).unwrap().verify().unwrap().is_ok());
    assert!(!dir.path().join("b.oomph.part").exists());
}

#[test]
fn a_service_that_dies_ends_the_capture_early() {
    let server = Server::start(|path, nth, s| {
        if nth > 0 && path != "/debug/pprof/cmdline" {
            let _ = s.shutdown(Shutdown::Both);
        } else {
            well(path, s);
        }
    });
    let options = CollectOptions { duration: Duration::from_millis(300), samples: 50, retries: 0, ..quick() };
    let dir = tempfile::tempdir().unwrap();
    let done = run(&server.url(), &dir.path().join("b"), &options).unwrap();
    assert!(done.manifest.samples.len() <= 3, "{}", done.manifest.samples.len());
    assert!(done.manifest.failures.iter().any(|f| f.reason.contains("stopped answering")));
}

#[test]
fn metrics_alone_are_still_evidence() {
    const METRICS: &str = "go_goroutines 7\nprocess_resident_memory_bytes 1000\n";
    let mut page = METRICS.to_owned();
    for m in [
        "alloc_bytes_total",
        "sys_bytes",
        "mallocs_total",
        "frees_total",
        "heap_alloc_bytes",
        "heap_sys_bytes",
        "heap_idle_bytes",
        "heap_inuse_bytes",
        "heap_released_bytes",
        "heap_objects",
        "stack_inuse_bytes",
        "stack_sys_bytes",
        "mspan_inuse_bytes",
        "mspan_sys_bytes",
        "mcache_inuse_bytes",
        "mcache_sys_bytes",
        "buck_hash_sys_bytes",
        "gc_sys_bytes",
        "other_sys_bytes",
        "next_gc_bytes",
    ] {
        page.push_str(&format!("go_memstats_{m} 5\n"));
    }
    let server = Server::start(move |path, _, s| match path {
        "/metrics" => reply(s, "200 OK", "text/plain; version=0.0.4", page.as_bytes()),
        _ => reply(s, "404 Not Found", "text/plain", b"404 page not found\n"),
    });
    let dir = tempfile::tempdir().unwrap();
    let to = dir.path().join("b");
    run(&server.url(), &to, &quick()).unwrap();
    let facts = Bundle::open(&to).unwrap().facts();
    let s = &facts.samples[0];
    assert_eq!(s.memstats.as_ref().unwrap().value.heap_sys.0, 5);
    assert_eq!(s.goroutine_count.as_ref().unwrap().value, 7);
    assert_eq!(s.resident.as_ref().unwrap().value.0, 1000);
    assert!(facts.limits.iter().any(|l| l.contains("pprof is not mounted")), "{:?}", facts.limits);
}
