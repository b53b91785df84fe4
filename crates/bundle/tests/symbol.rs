//! What a server may answer when it is asked for the names of addresses, over real sockets: the good
//! answer is used, every other one costs a sentence at most.

#![allow(clippy::unwrap_used, reason = "tests")]

mod common;

use bundle::{Bundle, CollectOptions, Facts, Manifest};
use common::{Server, ok, quick, reply, run};
use model::Mechanism;
use std::io::Write;
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

/// `Open` (return address 0x6fb0d1) calls into 0x4098db..; Go 1.27's map-cache, shortened.
const TEXT: &[u8] = b"heap profile: 1: 1048576 [1: 1048576] @ heap/1048576\n\
    1: 1048576 [1: 1048576] @ 0x404438 0x4098dc 0x6fb0d1\n\
    #\t0x6fb0d0\tmain.(*Store).Open+0x210\t/src/store.go:65\n\n\
    # runtime.MemStats\n# Alloc = 1\n";
const GOOD: &[u8] = b"num_symbols: 1\n0x4098db runtime.mapassign_faststr\n";

/// The same allocation as `profile.proto`: the frame of `Open` alone, at 0x6fb0d0.
fn heap_profile() -> Vec<u8> {
    fn varint(mut v: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while v > 0x7f {
            out.push(v as u8 | 0x80);
            v >>= 7;
        }
        out.push(v as u8);
        out
    }
    let number = |field: u64, v: u64| [varint(field << 3), varint(v)].concat();
    let bytes = |field: u64, b: &[u8]| [varint(field << 3 | 2), varint(b.len() as u64), b.to_vec()].concat();
    let strings = [
        "",
        "alloc_objects",
        "count",
        "alloc_space",
        "bytes",
        "inuse_objects",
        "inuse_space",
        "main.(*Store).Open",
        "/src/store.go",
    ];
    let mut p = Vec::new();
    for (kind, unit) in [(1, 2), (3, 4), (5, 2), (6, 4)] {
        p.extend(bytes(1, &[number(1, kind), number(2, unit)].concat()));
    }
    let values: Vec<u8> = [1, 1 << 20, 1, 1 << 20].into_iter().flat_map(varint).collect();
    p.extend(bytes(2, &[bytes(1, &[1]), bytes(2, &values)].concat()));
    p.extend(bytes(
        4,
        &[number(1, 1), number(3, 0x6f_b0d0), bytes(4, &[number(1, 1), number(2, 65)].concat())].concat(),
    ));
    p.extend(bytes(5, &[number(1, 1), number(2, 7), number(3, 7), number(4, 8)].concat()));
    for s in strings {
        p.extend(bytes(6, s.as_bytes()));
    }
    p
}

/// A service whose `symbol` is `answer`, the rest being well.
fn service(answer: impl Fn(usize, &mut TcpStream) + Send + Sync + 'static) -> Server {
    Server::start(move |path, nth, s| match path {
        "/debug/pprof/cmdline" => ok(s, b"/bin/fake\0-x"),
        "/debug/pprof/heap?debug=1" => ok(s, TEXT),
        p if p.starts_with("/debug/pprof/symbol") => answer(nth, s),
        p if p.starts_with("/debug/pprof/heap") || p == "/debug/pprof/allocs" => ok(s, &heap_profile()),
        _ => reply(s, "404 Not Found", "text/plain", b"404 page not found\n"),
    })
}

fn collected(server: &Server, to: &Path, options: &CollectOptions) -> (Manifest, Facts) {
    let done = run(&server.url(), to, options).unwrap();
    let bundle = Bundle::open(to).unwrap();
    assert!(bundle.verify().unwrap().is_ok());
    (done.manifest, bundle.facts())
}

fn mechanism(facts: &Facts) -> Mechanism {
    facts.samples[0].heap.as_ref().unwrap().value.stacks[0].mechanism
}

fn symbol_requests(server: &Server) -> Vec<String> {
    let seen = server.seen.lock().unwrap();
    seen.iter().map(|s| s.path.clone()).filter(|p| p.contains("symbol")).collect()
}

#[test]
fn a_good_answer_names_the_mechanism() {
    let server = service(|_, s| ok(s, GOOD));
    let dir = tempfile::tempdir().unwrap();
    let options = CollectOptions {
        duration: Duration::from_millis(50),
        samples: 3,
        headers: vec![("Authorization".into(), "Bearer hunter2".into())],
        ..quick()
    };
    let (manifest, facts) = collected(&server, &dir.path().join("b"), &options);
    assert_eq!(mechanism(&facts), Mechanism::MapInsert);
    // One question for the one unknown address, in no later sample again; the question itself is not kept.
    assert_eq!(symbol_requests(&server), ["/debug/pprof/symbol?0x4098db"]);
    let a = manifest.artifact("profiles/symbols-1-1.txt").unwrap();
    assert_eq!((a.kind.as_str(), a.source.as_str()), ("symbols", "/debug/pprof/symbol"));
    let seen = server.seen.lock().unwrap();
    let asked = seen.iter().find(|s| s.path.contains("symbol")).unwrap();
    assert!(asked.headers.iter().any(|h| h.contains("hunter2")), "{asked:?}");
}

#[test]
fn other_answers_cost_a_sentence() {
    let long = [b"num_symbols: 1\n0x4098db runtime.", &vec![b'm'; 200_000][..], b"\n"].concat();
    let cases: [(&str, Vec<u8>); 6] = [
        ("a page", b"<!DOCTYPE html><title>Login</title>".to_vec()),
        ("nothing", Vec::new()),
        ("JSON", b"{\"num_symbols\": 1}".to_vec()),
        ("other addresses", b"num_symbols: 1\n0x6fb0d1 runtime.mapassign\n0x404437 runtime.mapassign\n".to_vec()),
        ("a name without end", long),
        (
            "bytes",
            [&b"num_symbols: 1\n"[..], &[0, 0xff, 0x1b, b'['], b"\n0x4098db \x1b[31mruntime.mapassign\n"].concat(),
        ),
    ];
    for (what, body) in cases {
        let server = service(move |_, s| ok(s, &body));
        let dir = tempfile::tempdir().unwrap();
        let (_, facts) = collected(&server, &dir.path().join("b"), &quick());
        assert_eq!(mechanism(&facts), Mechanism::Other, "{what}");
        if ["a page", "nothing", "JSON"].contains(&what) {
            let told =
                facts.limits.iter().any(|l| l.contains("/debug/pprof/symbol") && l.contains("instead of the names"));
            assert!(told, "{what}: {:?}", facts.limits);
        }
    }
}

#[test]
fn an_answer_without_end_is_cut() {
    let server = service(|_, s| {
        let _ = s.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
        let _ = s.write_all(GOOD);
        let flood = b"0xffff runtime.flood\n".repeat(4096);
        while s.write_all(&flood).is_ok() {}
    });
    let dir = tempfile::tempdir().unwrap();
    let (manifest, facts) = collected(&server, &dir.path().join("b"), &quick());
    let a = manifest.artifact("profiles/symbols-1-1.txt").unwrap();
    assert!(a.cut && a.bytes.0 == 1 << 20, "{a:?}");
    assert_eq!(mechanism(&facts), Mechanism::MapInsert, "what arrived is of use");
}

#[test]
fn a_missing_handler_is_said_once() {
    let server = service(|_, s| reply(s, "404 Not Found", "text/plain", b"Unknown profile\n"));
    let dir = tempfile::tempdir().unwrap();
    let options = CollectOptions { duration: Duration::from_millis(50), samples: 3, ..quick() };
    let (_, facts) = collected(&server, &dir.path().join("b"), &options);
    assert_eq!(symbol_requests(&server).len(), 1);
    let told: Vec<_> = facts.limits.iter().filter(|l| l.contains("symbol")).collect();
    assert!(told.len() == 1 && told[0].contains("map insert, append, boxing"), "{told:?}");
}

/// A text with a hundred thousand addresses does not make a hundred thousand questions.
#[test]
fn questions_are_bounded() {
    let mut text = b"heap profile: 1: 8 [1: 8] @ heap/1048576\n".to_vec();
    for i in 0..100_000_u32 {
        let record = format!(
            "1: 8 [1: 8] @ {:#x} {:#x}\n#\t{:#x}\tmain.f+0x1\t/a.go:1\n\n",
            2 * i + 2,
            0x7000_0001,
            0x7000_0000
        );
        text.extend(record.bytes());
    }
    text.extend(b"# runtime.MemStats\n# Alloc = 1\n");
    let server = Server::start(move |path, _, s| match path {
        "/debug/pprof/cmdline" => ok(s, b"/bin/fake\0-x"),
        "/debug/pprof/heap?debug=1" => ok(s, &text),
        p if p.starts_with("/debug/pprof/symbol") => ok(s, GOOD),
        p if p.starts_with("/debug/pprof/heap") => ok(s, &heap_profile()),
        _ => reply(s, "404 Not Found", "text/plain", b"404 page not found\n"),
    });
    let dir = tempfile::tempdir().unwrap();
    let options = CollectOptions { duration: Duration::from_millis(50), samples: 5, ..quick() };
    collected(&server, &dir.path().join("b"), &options);
    let asked = symbol_requests(&server);
    assert_eq!(asked.len(), 4, "two in the first sample, two in the last");
    assert!(asked.iter().all(|p| p.len() < 6500));
}
