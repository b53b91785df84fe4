//! The whole object graph, from the recorded memory of small Go programs (`fuzz/images`) in which words of any
//! structure are changed. The first byte picks the program; each following 13 bytes are a change: kind of
//! structure, which of them, which word, how, value.
#![no_main]

#[path = "../../crates/oomph/tests/forge/image.rs"]
mod image;
#[path = "../../crates/oomph/tests/forge/structures.rs"]
mod structures;

use heap::{HeapGraph, ProgramNames, Wanted};
use image::Image;
use libfuzzer_sys::fuzz_target;
use std::io::Read;
use std::sync::{Mutex, OnceLock};
use structures::Places;

const CHANGE: usize = 13;
/// More at a time tell nothing more.
const MOST_CHANGES: usize = 16;

/// A program's memory, and where its structures lie.
struct Program {
    image: Mutex<Image>,
    kinds: Vec<Places>,
    /// Bytes of all objects of the unchanged program.
    bytes: u64,
}

fn programs() -> &'static [Program] {
    static PROGRAMS: OnceLock<Vec<Program>> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let files = [&include_bytes!("../images/go1.21.13.gz")[..], &include_bytes!("../images/go1.27.3.gz")[..]];
        files.map(program).into()
    })
}

fn program(packed: &[u8]) -> Program {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut bytes).expect("a recorded image");
    let image = Image::parse(&bytes);
    let found = image::read(&image.memory(), &image.go, |graph, _| (structures::of(graph), graph.coverage().bytes));
    let (kinds, bytes) = found.expect("a recorded image");
    Program { image: Mutex::new(image), kinds: kinds.into_values().collect(), bytes }
}

fuzz_target!(|data: &[u8]| {
    let Some((pick, changes)) = data.split_first() else { return };
    let programs = programs();
    let program = &programs[usize::from(*pick) % programs.len()];
    let mut image = program.image.lock().expect("no panic before this one");
    let mut old = Vec::new();
    for change in changes.chunks_exact(CHANGE).take(MOST_CHANGES) {
        if let Some((at, value)) = value(program, &mut image, change)
            && let Some(word) = image.word(at)
        {
            old.push((at, word.to_vec()));
            word.copy_from_slice(&value.to_le_bytes());
        }
    }
    let go = image.go.clone();
    let _ = image::read(&image.memory(), &go, |graph, names| check(graph, names, program.bytes));
    for (at, bytes) in old.into_iter().rev() {
        image.word(at).expect("changed before").copy_from_slice(&bytes);
    }
});

/// The word that is changed, and what it becomes.
fn value(program: &Program, image: &mut Image, change: &[u8]) -> Option<(u64, u64)> {
    let pick = |list: &Places, n: u8, m: u8| list.get(usize::from(u16::from_le_bytes([n, m])) % list.len()).copied();
    let kind = |n: u8| program.kinds.get(usize::from(n) % program.kinds.len());
    let (start, len) = pick(kind(change[0])?, change[1], change[2])?;
    let at = start + 8 * (u64::from(change[3]) % len.div_ceil(8).max(1));
    let v = u64::from_le_bytes(change[5..].try_into().ok()?);
    let was = u64::from_le_bytes(image.word(at)?.try_into().ok()?);
    let value = match change[4] % 8 {
        0 => v,
        1 => was ^ 1 << (v % 64),
        2 => was.wrapping_add(v as i8 as u64),
        3 => start,
        4 => pick(kind(change[5])?, change[6], change[7])?.0.wrapping_add(u64::from(change[8])),
        5 => 1 << (v % 64),
        6 => u64::MAX << (v % 64),
        _ => was.wrapping_mul(v | 1),
    };
    Some((at, value))
}

/// What holds however damaged the memory is.
fn check(graph: &HeapGraph<'_>, names: &ProgramNames<'_>, whole: u64) {
    let overview = graph.overview(names, &Wanted::all(50)).expect("few roots");
    let c = &overview.coverage;
    let reachable = c.bytes.checked_sub(c.unreachable_bytes).expect("no more unreachable than there is");
    assert!(c.typed_reachable_bytes <= reachable && c.typed_bytes <= c.bytes && c.bytes <= c.span_bytes);
    // The recorded program has one arena of 64 MiB, and few of its pages.
    assert!(c.bytes <= whole + (64 << 20));
    let mut sum = 0;
    for (i, _) in graph.objects.spans().iter().enumerate() {
        for (object, slot) in graph.objects.of_span(i as u32) {
            assert_eq!(graph.objects.place(object), Some((i as u32, slot)));
            sum += graph.objects.size(object).expect("an object");
        }
    }
    assert_eq!(sum, c.bytes);
    for holder in &overview.holders {
        assert!(holder.retained_bytes <= reachable);
    }
    for map in &overview.maps {
        assert!(map.bytes <= whole + (64 << 20), "{map:?}");
    }
}
