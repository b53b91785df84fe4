//! profile.proto without a container, and everything that can be done with what was read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use profile::{Granularity, HeapStacks, Merger, Profile, ReadLimits, TopOptions, render_top};

fuzz_target!(|data: &[u8]| {
    let limits = ReadLimits::default();
    let Ok(p) = Profile::read(data, &limits) else {
        return;
    };
    for granularity in [Granularity::Function, Granularity::Line, Granularity::Package] {
        let options = TopOptions { granularity, ..TopOptions::default() };
        if let Ok(top) = p.top(&options) {
            let _ = render_top(&p, &top, 0, "");
        }
    }
    let _ = HeapStacks::of(&p);
    let _ = p.collapsed("");
    let _ = p.raw();
    let mut m = Merger::new();
    m.add(&p).expect("a profile can be added to nothing");
    m.add(&p).expect("and to itself");
    if let Ok(sum) = m.finish() {
        let again = Profile::read(&sum.write_uncompressed(), &limits);
        assert!(sum.sample_types().iter().all(|t| t.kind.is_empty()) || again.is_ok());
    }
    let _ = p.diff(&p);
});
