//! Input that is damaged, lies, or is something else: a clear error or what could be salvaged, and
//! memory bounded by what was given.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed test")]

use model::Bytes;
use profile::{GoroutineDump, HeapStacks, Profile, ProfileError, ProfileKind, ReadLimits, TopOptions};
use std::io::Write;

fn seed(name: &str) -> Vec<u8> {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds");
    std::fs::read(root.join(name)).unwrap()
}

fn read(bytes: &[u8]) -> Result<Profile, ProfileError> {
    Profile::read(bytes, &ReadLimits::default())
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut z = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    z.write_all(data).unwrap();
    z.finish().unwrap()
}

fn varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn message(out: &mut Vec<u8>, field: u64, body: &[u8]) {
    varint(out, field << 3 | 2);
    varint(out, body.len() as u64);
    out.extend_from_slice(body);
}

#[test]
fn other_things_are_named() {
    let mut trace = b"go 1.26 trace\0\0\0".to_vec();
    trace.extend([1; 50]);
    for (input, says) in [
        (&b""[..], "empty input"),
        (b"\n<!DOCTYPE html><html>", "HTML page"),
        (b"<html><head><title>/debug/pprof/", "HTML page"),
        (b"{\"cmdline\": [\"/app\"], \"memstats\": {}}", "JSON"),
        (&trace, "execution trace"),
        (b"404 page not found\n", "404 page not found"),
        (b"\x7fELF\x02\x01\x01", "ELF"),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "no profile.proto"),
        (b"goroutine 1 [running]:\nmain.main()\n", "goroutine dump"),
        (b"\x1f\x8b\x08\x00garbage", "gzip"),
    ] {
        let e = read(input).unwrap_err().to_string();
        assert!(e.contains(says), "{e}");
        let e = read(&gzip(input)).unwrap_err().to_string();
        assert!(!e.is_empty());
    }
    let goroutines = read(&seed("profile_container/goroutine-1.27.3.pb.gz")).unwrap();
    assert_eq!(goroutines.kind(), ProfileKind::Goroutine);
    let e = HeapStacks::of(&goroutines).unwrap_err().to_string();
    assert!(e.contains("expected a heap profile") && e.contains("goroutine/count"), "{e}");
    let e = GoroutineDump::read(&seed("heap_text/heap-1.27.3.txt"), &ReadLimits::default());
    assert!(e.unwrap_err().to_string().contains("heap?debug=1"));
}

#[test]
fn containers_hold_the_same() {
    let plain = read(&seed("profile_proto/heap-1.27.3.pb")).unwrap();
    let zipped = seed("profile_container/heap-1.27.3.pb.gz");
    for p in [
        read(&zipped).unwrap(),
        read(&seed("profile_container/heap-1.27.3.pb.zst")).unwrap(),
        // Zero padding, a false ISIZE, two members.
        read(&[&zipped[..], &[0; 100]].concat()).unwrap(),
    ] {
        assert_eq!(p.raw(), plain.raw());
        assert_eq!(p.gaps(), []);
    }
    let data = seed("profile_proto/heap-1.27.3.pb");
    let (a, b) = data.split_at(data.len() / 3);
    let two = read(&[gzip(a), gzip(b)].concat()).unwrap();
    assert_eq!(two.raw(), plain.raw());
}

#[test]
fn a_cut_or_damaged_download_is_salvaged() {
    // Large enough that the compressor emits several blocks.
    let mut m = profile::Merger::new();
    for name in ["heap-1.23.9", "heap-1.26.6", "heap-1.27.3"] {
        m.add_bytes(&seed(&format!("profile_proto/{name}.pb")), &ReadLimits::default()).unwrap();
    }
    let whole = m.finish().unwrap();
    let data = gzip(&whole.write_uncompressed());
    for cut in 0..data.len() {
        match read(&data[..cut]) {
            Ok(p) => {
                assert!(!p.gaps().is_empty(), "cut at {cut}");
                assert!(p.sample_count() <= whole.sample_count());
            }
            Err(e) => assert!(!e.to_string().is_empty()),
        }
        let mut flipped = data.clone();
        flipped[cut] ^= 0x10;
        let _ = read(&flipped);
    }
    let plain = whole.write_uncompressed();
    for i in 0..plain.len() {
        let mut flipped = plain.clone();
        flipped[i] ^= 1 << (i % 8);
        if let Ok(p) = read(&flipped) {
            let _ = p.top(&TopOptions::default());
            let _ = HeapStacks::of(&p);
            let _ = p.write();
        }
    }
}

#[test]
fn a_bomb_is_refused() {
    let bomb = gzip(&vec![0; 64 << 20]);
    assert!(bomb.len() < 1 << 20);
    let limits = ReadLimits { max_inflated: Bytes::mib(16) };
    let e = Profile::read(&bomb, &limits).unwrap_err();
    assert!(matches!(e, ProfileError::TooLarge { .. }), "{e}");
    assert!(e.to_string().contains("16.0 MiB"), "{e}");
    // The trailer says it is small.
    let mut liar = bomb;
    let n = liar.len();
    liar[n - 4..].copy_from_slice(&100u32.to_le_bytes());
    let e = Profile::read(&liar, &limits).unwrap_err();
    assert!(matches!(e, ProfileError::TooLarge { .. }), "{e}");
    let e = Profile::read(&vec![b'x'; 17 << 20], &limits).unwrap_err();
    assert!(matches!(e, ProfileError::InputTooLarge { .. }), "{e}");
}

/// Set in the child that [`ten_million_strings`] measures.
const CHILD: &str = "OOMPH_TEN_MILLION_STRINGS";

/// Peak resident set of this process in bytes, where the system tells it.
fn peak() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib << 10)
}

#[test]
fn ten_million_strings() {
    // In a process of its own: the peak of this one is all tests'.
    if std::env::var_os(CHILD).is_none() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "ten_million_strings", "--nocapture"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout) + String::from_utf8_lossy(&child.stderr);
        assert!(child.status.success(), "{text}");
        assert!(text.contains("1 passed"), "{text}");
        return;
    }
    let mut data = Vec::new();
    message(&mut data, 1, &[0x08, 1, 0x10, 2]);
    for s in [&b""[..], b"inuse_space", b"bytes"] {
        message(&mut data, 6, s);
    }
    for i in 0..10_000_000u32 {
        message(&mut data, 6, &i.to_le_bytes()[..1 + (i % 3) as usize]);
    }
    let zipped = gzip(&data);
    drop(data);
    let before = peak();
    let p = read(&zipped).unwrap();
    assert_eq!(p.sample_types()[0].kind, "inuse_space");
    assert_eq!(p.sample_count(), 0);
    if let (Some(before), Some(after)) = (before, peak()) {
        // 40 MB inflated, and 8 bytes for each string in a table that doubles as it grows: 134 MB and,
        // while it moves, half of that again.
        let bound = 256 << 20;
        assert!(after < bound, "{} MiB at the peak, {} MiB before", after >> 20, before >> 20);
        assert!(after - before < 220 << 20, "{} MiB for reading", (after - before) >> 20);
    }
}

#[test]
fn inconsistent_rows_cost_themselves() {
    let mut data = Vec::new();
    message(&mut data, 1, &[0x08, 1, 0x10, 2]);
    // Location 7 unknown; two values; a good one; a value list cut short.
    message(&mut data, 2, &[0x0a, 1, 7, 0x12, 1, 5]);
    message(&mut data, 2, &[0x0a, 1, 1, 0x12, 2, 5, 6]);
    message(&mut data, 2, &[0x0a, 1, 1, 0x12, 1, 9]);
    message(&mut data, 2, &[0x0a, 1, 1, 0x12, 1, 0x80]);
    // A line of function 99; mapping 4; id 1 twice; id 0.
    message(&mut data, 4, &[0x08, 1, 0x10, 4, 0x22, 2, 0x08, 99]);
    message(&mut data, 4, &[0x08, 1]);
    message(&mut data, 4, &[0x18, 1]);
    for s in [&b""[..], b"cpu", b"nanoseconds", b"\xff\xfe"] {
        message(&mut data, 6, s);
    }
    varint(&mut data, 7 << 3);
    varint(&mut data, 1000);
    data.extend([0x0a, 0x7f, 0]);
    let p = read(&data).unwrap();
    assert_eq!(p.sample_count(), 1);
    assert_eq!(p.total(0), 9);
    let gaps: Vec<_> = p.gaps().iter().map(ToString::to_string).collect();
    for what in [
        "unknown location",
        "another number of values",
        "sample is damaged",
        "unknown function",
        "unknown mapping",
        "reserved id 0 or an id already used",
        "not UTF-8",
        "outside the string table",
        "longer than the data around it",
    ] {
        assert!(gaps.iter().any(|g| g.contains(what)), "{what}: {gaps:#?}");
    }
}

#[test]
fn goroutine_headers_of_all_versions() {
    let text = b"goroutine 7 [chan receive (leaked), 12 minutes, locked to thread]:
main.(*T).wait(0xc000, {0x1, 0x2, ...})
\t/src/a b/main.go:12 +0x1b
...80 frames elided...
main.outer(...)
\t/src/main.go:9
created by main.start in goroutine 1
\t/src/main.go:5 +0x20
[originating from goroutine 1]:
main.ancestor(...)
\t/src/main.go:1 +0x1

goroutine 8 gp=0xc000 m=nil [select (no cases) labels:{\"k]:\": \"v, w\", \"a\": \"b\"}]:
runtime.gopark()
\t/go/proc.go:1 +0x1

goroutine 9 [sync.Mutex.Lock, synctest bubble 3] {k: \"v w\", id: 7}:
goroutine running on other thread; stack unavailable
created by main.start
\t/src/main.go:5 +0x20

goroutine x [broken]:
main.cut(0x1)
\t/src/ma";
    let d = GoroutineDump::read(text, &ReadLimits::default()).unwrap();
    let [a, b, c] = &d.goroutines[..] else { panic!("{:#?}", d.goroutines) };
    assert_eq!((a.id, &*a.state, a.wait_minutes), (7, "chan receive (leaked)", 12));
    assert!(a.locked_to_thread && a.is_leaked());
    assert_eq!((a.elided, a.creator), (80, Some(1)));
    let name = |i: u32| &d.frames[i as usize].function[..];
    assert_eq!(a.stack.iter().map(|f| name(*f)).collect::<Vec<_>>(), ["main.(*T).wait", "main.outer"]);
    let leaf = &d.frames[a.stack[0] as usize];
    assert_eq!((&leaf.file[..], leaf.line), ("/src/a b/main.go", 12));
    assert_eq!(name(a.created_by.unwrap()), "main.start");
    assert_eq!((b.id, &*b.state), (8, "select (no cases)"));
    assert_eq!(b.labels[0], ("k]:".to_owned(), "v, w".to_owned()));
    assert_eq!(b.labels[1], ("a".to_owned(), "b".to_owned()));
    assert_eq!((c.id, &*c.state, c.stack.len()), (9, "sync.Mutex.Lock", 0));
    assert_eq!(c.labels[0], ("k".to_owned(), "v w".to_owned()));
    assert_eq!(c.labels[1], ("id".to_owned(), "7".to_owned()));
    assert_eq!((c.created_by, c.creator), (a.created_by, None));
    let gaps: Vec<_> = d.gaps.iter().map(ToString::to_string).collect();
    assert!(gaps.iter().any(|g| g.contains("header is damaged")), "{gaps:?}");
    assert!(gaps.iter().any(|g| g.contains("cut")), "{gaps:?}");
}

#[test]
fn a_dump_cut_at_64_mib_says_so() {
    let mut text = Vec::with_capacity(65 << 20);
    for i in 1.. {
        if text.len() >= 64 << 20 {
            break;
        }
        let _ = write!(
            text,
            "goroutine {i} [chan receive, 3 minutes]:\nmain.wait(0x{i:x})\n\t/src/main.go:{} +0x1b\ncreated by main.start in goroutine 1\n\t/src/main.go:5 +0x20\n\n",
            i % 50
        );
    }
    text.truncate(64 << 20);
    let d = GoroutineDump::read(&text, &ReadLimits::default()).unwrap();
    assert!(d.goroutines.len() > 400_000);
    // The last goroutine lost its creation site and may stand alone.
    assert!((50..=51).contains(&d.groups().len()));
    assert!(d.frames.len() <= 52, "{}", d.frames.len());
    assert!(d.gaps.iter().any(|g| g.what.contains("64 MiB")));
}

#[test]
fn a_cut_or_damaged_zstd_file_is_salvaged() {
    // One compressed block with a checksum: no damage may pass for a whole profile.
    let whole = read(&seed("profile_proto/heap-1.27.3.pb")).unwrap();
    let data = seed("profile_container/heap-1.27.3.pb.zst");
    for i in 0..data.len() {
        if let Ok(p) = read(&data[..i]) {
            assert!(!p.gaps().is_empty(), "cut at {i}");
        }
        for bit in 0..8 {
            let mut flipped = data.clone();
            flipped[i] ^= 1 << bit;
            if let Ok(p) = read(&flipped) {
                assert!(!p.gaps().is_empty() || p.raw() == whole.raw(), "bit {bit} of byte {i}");
            }
        }
    }
    // Stored blocks: what came before a cut is read.
    let plain = seed("profile_proto/heap-1.27.3.pb");
    let mut stored = vec![0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x50];
    for (i, block) in plain.chunks(100).enumerate() {
        let last = u32::from((i + 1) * 100 >= plain.len());
        stored.extend_from_slice(&((block.len() as u32) << 3 | last).to_le_bytes()[..3]);
        stored.extend_from_slice(block);
    }
    let same = read(&stored).unwrap();
    assert_eq!((same.raw(), same.gaps()), (whole.raw(), &[][..]));
    // All but the last block: the first 900 bytes.
    let cut = read(&stored[..stored.len() - plain.len() % 100 - 3]).unwrap();
    let gaps: Vec<_> = cut.gaps().iter().map(ToString::to_string).collect();
    assert!(gaps.iter().any(|g| g.contains("zstd data is damaged or cut")), "{gaps:?}");
    assert_eq!(cut.sample_count(), read(&plain[..plain.len() / 100 * 100]).unwrap().sample_count());
    assert!(cut.sample_count() > 0);
}
