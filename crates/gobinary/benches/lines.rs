//! Names, lines and inlined calls of 100,000 places all over a program: `OOMPH_BENCH_BINARY`, else the
//! compiler of the Go that is on the PATH.
#![expect(clippy::unwrap_used, reason = "a failed step is a failed benchmark")]

use divan::{Bencher, black_box};
use gobinary::{FuncKind, Functions, GoBinary};
use std::process::Command;

fn main() {
    divan::main();
}

const PLACES: usize = 100_000;

fn binary() -> Vec<u8> {
    let path = std::env::var("OOMPH_BENCH_BINARY").unwrap_or_else(|_| {
        let out = Command::new("go").args(["tool", "-n", "compile"]).output().unwrap();
        String::from_utf8(out.stdout).unwrap().trim().to_owned()
    });
    std::fs::read(path).unwrap()
}

/// Addresses spread evenly over the code, in an order that no cache likes.
fn places(functions: &Functions<'_>) -> Vec<u64> {
    let (start, end) = (functions.table().text(), functions.table().text_end());
    let step = (end - start) / PLACES as u64;
    (0..PLACES as u64).map(|i| start + i * 7919 % PLACES as u64 * step).collect()
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn open(bencher: Bencher<'_, '_>) {
    let bytes = binary();
    bencher.bench(|| black_box(GoBinary::parse(&bytes).unwrap().functions().unwrap().table().len()));
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn names(bencher: Bencher<'_, '_>) {
    let bytes = binary();
    let functions = GoBinary::parse(&bytes).unwrap().functions().unwrap();
    let places = places(&functions);
    bencher.bench(|| places.iter().filter_map(|&pc| functions.table().function_at(pc)).map(str::len).sum::<usize>());
}

#[divan::bench(sample_count = 10, sample_size = 1)]
fn frames(bencher: Bencher<'_, '_>) {
    let bytes = binary();
    let functions = GoBinary::parse(&bytes).unwrap().functions().unwrap();
    let places = places(&functions);
    let lines = |pc| functions.frames_at(pc, FuncKind::Normal).map(|f| u64::from(f.line)).sum::<u64>();
    bencher.bench(|| places.iter().map(|&pc| lines(pc)).sum::<u64>());
}
