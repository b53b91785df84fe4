//! Traces that are cut off, damaged or hostile: what is complete is told, the rest is named with its offset.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "tests")]

mod common;

use std::{fs, path::Path};

use common::{Program, text::Writer, toolchains, txtar::leb};
use proptest::prelude::*;
use trace::{Event, Generation, Options, Source, Summary, TraceError, read};

/// Reads with one thread and with two; both must tell the same.
fn both(bytes: &[u8], mut told: impl FnMut(&Event<'_>, &Generation)) -> Result<Summary, TraceError> {
    let mut first = Vec::new();
    let one = read(bytes, &Options { threads: 1 }, &mut |e: &Event<'_>, g: &Generation| {
        first.push((e.kind, e.time, e.thread, e.proc, e.goroutine, e.stack()));
        told(e, g);
    })?;
    let mut second = Vec::with_capacity(first.len());
    let two = read(bytes, &Options { threads: 2 }, &mut |e: &Event<'_>, _: &Generation| {
        second.push((e.kind, e.time, e.thread, e.proc, e.goroutine, e.stack()));
    })?;
    assert_eq!(one.events, first.len() as u64);
    assert!(first.windows(2).all(|w| w[0].1 < w[1].1 || w[0].1 == i64::MAX), "times must rise");
    assert!(first == second, "one thread tells {}, two tell {}", first.len(), second.len());
    assert_eq!(one.gaps, two.gaps);
    Ok(one)
}

/// Cuts a trace at offsets spread by a fixed sequence of random numbers, and compares with Go on the cut file: all
/// that Go tells is told, in the same words.
fn cut(program: &Program, mode: &str, milliseconds: u32, cuts: u32) {
    let whole = fs::read(program.trace(mode, milliseconds, "")).unwrap();
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let anywhere: Vec<usize> = (0..cuts).map(|_| 16 + (next() % (whole.len() as u64 - 16)) as usize).collect();
    cut_at(program, mode, &whole, &anywhere);
}

/// Compares with Go on the trace cut at each of the offsets.
fn cut_at(program: &Program, mode: &str, whole: &[u8], offsets: &[usize]) {
    let (mut events, mut beyond, mut wrong) = (0, 0, Vec::new());
    for &at in offsets {
        let cut = &whole[..at];
        let (lines, complaint) = common::parsed_by_go(&program.go, cut);
        let mut ours = String::new();
        let mut count = 0;
        let mut writer = Writer::new(common::text::Dialect::of(program.go.version()));
        let summary = both(cut, |e, g| {
            writer.event(e, g, &mut ours);
            count += 1;
        })
        .unwrap();
        let whole_to_both = complaint.is_empty() && summary.gaps.is_empty();
        let theirs = if whole_to_both { &lines[..] } else { without_last_sync(&lines) };
        let of = whole.len();
        if let Err(parting) = common::begins_with(&ours, theirs, &program.go) {
            wrong.push(format!("cut at {at} of {of}: {complaint}\n{parting}"));
        }
        // A cut between two generations of the older formats cannot be told from an end; nor one behind the first
        // batch of a generation, which Go's readers before 1.25 refuse and later ones take.
        if summary.gaps.is_empty() && !complaint.is_empty() && !complaint.contains("frontier is empty") {
            wrong.push(format!("cut at {at} of {of}: no gap, but Go: {complaint}"));
        }
        for gap in &summary.gaps {
            assert!(gap.offset <= at as u64 && !gap.reason.is_empty(), "{gap}");
        }
        events += count;
        let count = |text: &str| text.lines().filter(|l| l.starts_with("M=")).count();
        beyond += count(&ours).saturating_sub(count(theirs));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let cuts = offsets.len();
    println!("{} {mode}: {cuts} cuts, {events} events, {beyond} more than Go tells", program.go.release());
}

/// Where each batch of a trace begins, and its payload.
fn batches(whole: &[u8]) -> Vec<(usize, std::ops::Range<usize>)> {
    let mut out = Vec::new();
    let mut at = 16;
    while at < whole.len() {
        let mut pos = at + 1;
        // Generation, thread, time, size; the end of a generation has none of them.
        let mut numbers = [0u64; 4];
        for n in numbers.iter_mut().filter(|_| whole[at] == 1) {
            let mut shift = 0;
            loop {
                let b = whole[pos];
                *n |= u64::from(b & 0x7f) << shift;
                pos += 1;
                shift += 7;
                if b < 0x80 {
                    break;
                }
            }
        }
        let end = pos + numbers[3] as usize;
        out.push((at, pos..end));
        at = end;
    }
    out
}

/// From Go 1.25 on the reader tells a last sync where it ends, also at a cut.
fn without_last_sync(lines: &str) -> &str {
    let body = lines.strip_suffix('\n').unwrap_or(lines);
    let last = body.rfind('\n').map_or(0, |i| i + 1);
    if body[last..].contains(" Sync Time=") { &lines[..last] } else { lines }
}

#[test]
fn a_trace_cut_off_anywhere_tells_what_go_tells() {
    for go in one_of_each_format() {
        cut(&Program::build(&go), "idle", 2200, 17);
    }
}

/// A Go of each format, of those at hand; at least one.
fn one_of_each_format() -> Vec<lab::Toolchain> {
    let all = toolchains();
    let some: Vec<_> = all.iter().filter(|g| [23, 25, 27].contains(&g.version().minor)).cloned().collect();
    if some.is_empty() { all } else { some }
}

/// Where the older formats cannot tell a cut from the end, what the cut took along is missing: stacks, strings.
#[test]
fn a_trace_cut_off_between_batches_tells_what_go_tells() {
    for go in one_of_each_format() {
        let program = Program::build(&go);
        let whole = fs::read(program.trace("idle", 1200, "")).unwrap();
        let all: Vec<usize> = batches(&whole).into_iter().map(|b| b.0).collect();
        cut_at(&program, "idle", &whole, &all[all.len().saturating_sub(40).max(1)..]);
    }
}

#[test]
#[ignore = "takes minutes"]
fn fifty_cuts_of_every_release() {
    for go in toolchains() {
        let program = Program::build(&go);
        cut(&program, "idle", 2200, 50);
        cut(&program, "syscalls", 40, 50);
    }
}

/// A source that ends up short, as a file that is truncated while it is read.
struct Shrinking<'a>(&'a [u8]);

impl Source for Shrinking<'_> {
    fn size(&self) -> u64 {
        self.0.len() as u64 + 100_000
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.0.read_at(offset, buffer)
    }
}

fn header(minor: u32) -> Vec<u8> {
    format!("go 1.{minor} trace\0\0\0").into_bytes()
}

fn batch(out: &mut Vec<u8>, generation: u64, thread: u64, payload: &[u8]) {
    out.push(1);
    for v in [generation, thread, 1, payload.len() as u64] {
        leb(out, v);
    }
    out.extend_from_slice(payload);
}

/// A batch with a frequency, so that the generation's events are told.
fn frequency(out: &mut Vec<u8>) {
    let mut payload = vec![8];
    leb(&mut payload, 15_625_000);
    batch(out, 1, u64::MAX, &payload);
}

fn gaps(bytes: &[u8]) -> Vec<String> {
    both(bytes, |_, _| {}).unwrap().gaps.iter().map(ToString::to_string).collect()
}

#[test]
fn hostile_traces_are_refused_with_the_offset() {
    let none = &mut |_: &Event<'_>, _: &Generation| {};
    let not = read(&b"PK\x03\x04 not a trace"[..], &Options::default(), none).unwrap_err();
    assert!(matches!(not, TraceError::NotATrace { .. }), "{not}");
    let old = read(&header(21)[..], &Options::default(), none).unwrap_err();
    assert!(old.to_string().contains("Go 1.21 or older"), "{old}");
    let new = read(&header(28)[..], &Options::default(), none).unwrap_err();
    assert!(new.to_string().contains("Go 1.28"), "{new}");

    // A batch that claims more than it may, and one that claims more than there is.
    let mut huge = header(23);
    huge.push(1);
    [1, 1, 1, u64::MAX].iter().for_each(|&v| leb(&mut huge, v));
    assert!(gaps(&huge)[0].contains("offset 16") && gaps(&huge)[0].contains("at most 65536"), "{:?}", gaps(&huge));
    let mut long = header(23);
    long.push(1);
    [1, 1, 1, 60_000].iter().for_each(|&v| leb(&mut long, v));
    assert!(gaps(&long)[0].contains("60000 bytes of batch, found 0"), "{:?}", gaps(&long));

    // A stack of too many frames, a string of too many bytes, a frame that names no string.
    for (payload, what) in [
        (vec![2, 3, 1, 0xff, 0xff, 0xff, 0xff, 0x0f], "at most 128 frames"),
        (vec![4, 5, 1, 0xff, 0xff, 0x0f], "at most 1024 bytes"),
        (vec![4, 5, 1, 9, b'x'], "9 bytes of string"),
        (vec![2, 3, 1, 1, 1, 7, 7, 1], "string 7"),
    ] {
        let mut bytes = header(23);
        frequency(&mut bytes);
        batch(&mut bytes, 1, 1, &payload);
        assert!(gaps(&bytes)[0].contains(what), "{what}: {:?}", gaps(&bytes));
    }

    // More threads than any program has, each with a batch of a few bytes.
    let mut many = header(23);
    frequency(&mut many);
    (0..100_000).for_each(|m| batch(&mut many, 1, m, &[11, 1]));
    assert!(gaps(&many).iter().any(|g| g.contains("at most 16384 threads")), "{:?}", gaps(&many));

    // Absurd times and ids: told or refused, never a panic.
    for (kind, args) in
        [(13, &[u64::MAX, u64::MAX, 1][..]), (25, &[u64::MAX, 1 << 63, 1 << 62, 4]), (14, &[u64::MAX; 4])]
    {
        let mut payload = vec![kind];
        args.iter().for_each(|&a| leb(&mut payload, a));
        let mut bytes = header(22);
        frequency(&mut bytes);
        batch(&mut bytes, 1, u64::MAX, &payload);
        batch(&mut bytes, 1, 3, &payload);
        let _ = gaps(&bytes);
    }
}

#[test]
fn damage_in_one_generation_leaves_the_next() {
    let go = toolchains().pop().unwrap();
    let program = Program::build(&go);
    let whole = fs::read(program.trace("idle", 2200, "")).unwrap();
    let sound = both(&whole, |_, _| {}).unwrap();
    assert!(sound.gaps.is_empty() && sound.generations >= 2);
    // The first batch of events: a number that is no event in place of its first.
    let mut damaged = whole;
    let is_of_events = |payload: &std::ops::Range<usize>| ![2, 4, 6, 8, 50].contains(&damaged[payload.start]);
    let at = batches(&damaged).into_iter().find(|(_, payload)| is_of_events(payload)).unwrap().1.start;
    damaged[at] = 77;
    let mut after = 0;
    let first = sound.generations;
    let summary = both(&damaged, |_, g| after += u64::from(g.number() > 1)).unwrap();
    assert_eq!(summary.gaps.len(), 1, "{:?}", summary.gaps);
    assert_eq!(summary.gaps[0].offset, at as u64);
    assert!(summary.gaps[0].reason.contains("event 77"), "{}", summary.gaps[0]);
    assert!(summary.generations + 1 >= first && after > 100, "{after}");
}

#[test]
fn a_source_that_fails_is_an_error() {
    let mut bytes = header(23);
    frequency(&mut bytes);
    bytes.push(1);
    [1, 1, 1, 60_000].iter().for_each(|&v| leb(&mut bytes, v));
    bytes.push(9);
    let error = read(&Shrinking(&bytes), &Options::default(), &mut |_: &Event<'_>, _: &Generation| {}).unwrap_err();
    assert!(matches!(error, TraceError::Io { .. }), "{error}");
}

fn seed() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/seeds/trace/go1.27")).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    /// Changed bytes anywhere: no panic, and gaps that lie in the file.
    #[test]
    fn changed_bytes(changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
        let mut bytes = seed();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Ok(summary) = both(&bytes, |e, g| { let _ = e.detail(g); }) {
            for gap in summary.gaps {
                prop_assert!(gap.offset <= bytes.len() as u64, "{}", gap);
            }
        }
    }
}
