//! `heap?debug=1` and `allocs?debug=1`: `heap profile: 1: 2 [3: 4] @ heap/1048576`, then records
//! `objects: bytes [objects: bytes] @ 0x...` with what was sampled, not scaled. Scaled here with
//! the arithmetic of `go tool pprof` (and of Go's own proto writer). The order of records differs
//! by Go version and means nothing here. The MemStats block at the end is [`super::read_memstats`].

use super::records::{Record, pair, types};
use super::{Lines, take, take_i64};
use crate::ProfileError;
use crate::columns::{Columns, Label};
use crate::gaps::Gaps;
use crate::intern::Builder;

/// How a header says its records are to be scaled.
struct Header {
    /// MemProfileRate.
    rate: i64,
    /// Whether values are samples to be scaled.
    sampled: bool,
}

pub(super) fn read(data: &[u8], gaps: &mut Gaps) -> Result<Columns, ProfileError> {
    let mut lines = Lines::new(data).skip_while(|l| l.1.trim_ascii().is_empty());
    let header = match lines.next().map(|(at, line)| (at, header(line))) {
        Some((_, Some(h))) => h,
        other => {
            gaps.count(
                other.map_or(0, |o| o.0),
                "the header's sampling rate is unreadable (expected \"@ heap/RATE\"); values are as sampled, not scaled",
            );
            Header { rate: 0, sampled: false }
        }
    };
    let mut b = Builder::new();
    types(
        &mut b,
        &[("alloc_objects", "count"), ("alloc_space", "bytes"), ("inuse_objects", "count"), ("inuse_space", "bytes")],
    )?;
    b.c.period_type = Some(pair(&mut b, "space", "bytes")?);
    b.c.period = header.rate;
    let bytes = b.string(b"bytes")?;
    let mut record = Record::default();
    for (at, line) in lines {
        if line.starts_with(b"# runtime.MemStats") {
            break;
        }
        if line.starts_with(b"#") {
            record.frame(line, at, &mut b, gaps)?;
            continue;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        record.finish(&mut b);
        let mut s = line;
        let Some(v) = values(&mut s) else {
            gaps.count(at, "expected a record \"N: BYTES [N: BYTES] @ 0xADDRESS...\"; line left out");
            continue;
        };
        let block = if v[2] > 0 { v[3] / v[2] } else { 0 };
        let (ao, ab) = scale(v[2], v[3], &header);
        let (io, ib) = scale(v[0], v[1], &header);
        record.values = vec![ao, ab, io, ib];
        record.labels.clear();
        if block != 0 {
            record.labels.push(Label { key: bytes, text: 0, unit: 0, number: block });
        }
        record.start(s, at, gaps);
    }
    record.finish(&mut b);
    Ok(b.c)
}

fn header(line: &[u8]) -> Option<Header> {
    let mut s = line;
    take(&mut s, b"heap profile:")?;
    values(&mut s)?;
    let s = s.trim_ascii();
    let (name, rate) = match s.iter().position(|b| *b == b'/') {
        Some(i) => {
            let mut r = &s[i + 1..];
            (&s[..i], take_i64(&mut r)?)
        }
        None => (s, 0),
    };
    match name {
        // Go writes twice the rate, as early C++ profilers did.
        b"heap" => Some(Header { rate: rate / 2, sampled: true }),
        b"heap_v2" | b"heapz_v2" => Some(Header { rate, sampled: true }),
        b"heapprofile" => Some(Header { rate: 1, sampled: false }),
        _ => None,
    }
}

/// `1: 2 [3: 4] @`.
fn values(s: &mut &[u8]) -> Option<[i64; 4]> {
    let a = take_i64(s)?;
    take(s, b":")?;
    let b = take_i64(s)?;
    take(s, b"[")?;
    let c = take_i64(s)?;
    take(s, b":")?;
    let d = take_i64(s)?;
    take(s, b"]")?;
    take(s, b"@")?;
    Some([a, b, c, d])
}

/// Undoes the sampling: an allocation of size s is sampled with probability 1-exp(-s/rate).
fn scale(count: i64, size: i64, h: &Header) -> (i64, i64) {
    if !h.sampled || h.rate <= 1 {
        return (count, size);
    }
    if count == 0 || size == 0 {
        return (0, 0);
    }
    let mean = size as f64 / count as f64;
    let scale = 1.0 / (1.0 - (-mean / h.rate as f64).exp());
    ((count as f64 * scale) as i64, (size as f64 * scale) as i64)
}
