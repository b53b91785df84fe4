//! Stored samples, whatever state the file is in.
#![no_main]

use libfuzzer_sys::fuzz_target;
use watch::series::{Series, read_segment};

fuzz_target!(|data: &[u8]| {
    let mut out = Series::default();
    read_segment(data, &mut out);
    assert!(out.damaged <= data.len() as u64);
    for (_, records) in &out.processes {
        for r in records {
            let _ = watch::dump::line(r);
        }
    }
});
