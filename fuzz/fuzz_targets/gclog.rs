//! GC lines inside any log.
#![no_main]

use gclog::{Found, Processes, Reader, Record};
use libfuzzer_sys::fuzz_target;

/// Everything found, the log coming in blocks of that many bytes.
fn read(data: &[u8], block: usize) -> Vec<(u64, u64, String)> {
    let mut out = Vec::new();
    let mut processes = Processes::new();
    let mut on = |f: Found<'_>| {
        assert!(f.place.offset < data.len() as u64 && f.place.line > 0);
        if let Record::Cycle(c) = &f.record {
            assert!(c.number > 0 && c.procs > 0 && c.percent <= 100);
            processes.assign(c, f.prefix);
        }
        out.push((f.place.offset, f.place.line, format!("{:?}", f.record)));
    };
    let mut reader = Reader::new();
    for b in data.chunks(block) {
        reader.feed(b, &mut on);
    }
    reader.finish(&mut on);
    assert_eq!(reader.bytes(), data.len() as u64);
    out
}

fuzz_target!(|data: &[u8]| {
    let whole = read(data, data.len().max(1));
    let block = data.first().map_or(1, |b| usize::from(*b).max(1));
    assert_eq!(read(data, block), whole);
    assert!(whole.windows(2).all(|w| w[0].0 < w[1].0), "places ascend");
});
