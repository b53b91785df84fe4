//! The text forms: heap, goroutine, threadcreate, mutex and block with debug=1, and MemStats.
#![no_main]

use libfuzzer_sys::fuzz_target;
use profile::{HeapStacks, Profile, ReadLimits, TopOptions, read_memstats};

fuzz_target!(|data: &[u8]| {
    let _ = read_memstats(data);
    if let Ok(p) = Profile::read(data, &ReadLimits::default()) {
        let _ = p.top(&TopOptions::default());
        let _ = HeapStacks::of(&p);
        let _ = p.write_uncompressed();
    }
});
