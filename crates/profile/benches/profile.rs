//! Reading, top, merge and writing on a synthetic heap profile: 25,000 stacks, 60 frames deep, of
//! 3,000 functions.
use divan::Bencher;
use profile::{HeapStacks, Merger, Profile, ReadLimits, TopOptions};
use std::sync::OnceLock;

fn put(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

fn field(out: &mut Vec<u8>, number: u64, body: &[u8]) {
    put(out, number << 3 | 2);
    put(out, body.len() as u64);
    out.extend_from_slice(body);
}

fn fields(values: &[(u64, u64)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, v) in values {
        put(&mut out, number << 3);
        put(&mut out, *v);
    }
    out
}

fn synthetic() -> &'static Profile {
    static PROFILE: OnceLock<Profile> = OnceLock::new();
    PROFILE.get_or_init(|| {
        let mut out = Vec::new();
        field(&mut out, 1, &fields(&[(1, 1), (2, 2)]));
        let mut x = 1u64;
        for _ in 0..25_000 {
            let (mut stack, mut sample) = (Vec::new(), Vec::new());
            for _ in 0..60 {
                x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                put(&mut stack, 1 + (x >> 33) % 3000);
            }
            field(&mut sample, 1, &stack);
            field(&mut sample, 2, &[64]);
            field(&mut out, 2, &sample);
        }
        for s in ["", "inuse_space", "bytes"] {
            field(&mut out, 6, s.as_bytes());
        }
        for i in 1..=3000 {
            let mut location = fields(&[(1, i), (3, 0x40_0000 + i * 64)]);
            field(&mut location, 4, &fields(&[(1, i), (2, i)]));
            field(&mut out, 4, &location);
            field(&mut out, 5, &fields(&[(1, i), (2, i + 2), (3, i + 2)]));
            field(&mut out, 6, format!("example.com/service/internal/package{}.(*T).Method{i}", i % 50).as_bytes());
        }
        Profile::read(&out, &ReadLimits::default()).expect("a well-formed profile")
    })
}

#[divan::bench]
fn read_gzip(bencher: Bencher<'_, '_>) {
    let data = synthetic().write();
    bencher.bench(|| Profile::read(&data, &ReadLimits::default()).is_ok());
}

#[divan::bench]
fn top(bencher: Bencher<'_, '_>) {
    bencher.bench(|| synthetic().top(&TopOptions::default()).map(|t| t.rows.len()).is_ok());
}

#[divan::bench]
fn heap_stacks(bencher: Bencher<'_, '_>) {
    bencher.bench(|| HeapStacks::of(synthetic()).is_ok());
}

#[divan::bench]
fn merge_one_more(bencher: Bencher<'_, '_>) {
    let mut m = Merger::new();
    m.add(synthetic()).expect("the first");
    bencher.bench_local(|| m.add(synthetic()).is_ok());
}

#[divan::bench]
fn write_gzip(bencher: Bencher<'_, '_>) {
    bencher.bench(|| synthetic().write().len());
}

fn main() {
    divan::main();
}
