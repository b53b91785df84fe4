//! How fast the reader goes through a log: JSON lines alone, with a gctrace line among every ten and a hundred, and
//! gctrace lines alone.

use divan::counter::BytesCount;
use gclog::{Reader, Record};

fn main() {
    divan::main();
}

const JSON: &str = r#"{"time":"2026-11-21T18:19:14.608776558Z","level":"INFO","msg":"request done","path":"/v1/items","status":200,"took_ms":3,"user":"u1234","trace_id":"7c1f0e4b9a2d"}"#;

/// 16 MiB with a gctrace line in every `n`; `n == 0` has none.
fn log(n: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut i = 0_usize;
    while out.len() < 16 << 20 {
        i += 1;
        if n > 0 && i.is_multiple_of(n) {
            let cycle = i / n;
            out.extend_from_slice(
                format!(
                    "gc {cycle} @{}.{:03}s 4%: 0.037+2.2+0.28 ms clock, 0.074+0.27/0.27/1.6+0.56 ms cpu, 3->4->2 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P\n",
                    cycle / 10,
                    cycle % 10 * 100
                )
                .as_bytes(),
            );
        } else {
            out.extend_from_slice(JSON.as_bytes());
            out.push(b'\n');
        }
    }
    out
}

#[divan::bench(args = [0, 100, 10, 2, 1])]
fn read(bencher: divan::Bencher<'_, '_>, n: usize) {
    let log = log(n);
    bencher.counter(BytesCount::new(log.len())).bench(|| {
        let mut cycles = 0_u64;
        let mut reader = Reader::new();
        for block in log.chunks(1 << 20) {
            reader.feed(block, &mut |f| cycles += u64::from(matches!(f.record, Record::Cycle(_))));
        }
        cycles
    });
}
