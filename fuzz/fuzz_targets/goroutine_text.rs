//! Goroutine dumps (debug=2) and their groups.
#![no_main]

use libfuzzer_sys::fuzz_target;
use profile::{GoroutineDump, ReadLimits};

fuzz_target!(|data: &[u8]| {
    if let Ok(d) = GoroutineDump::read(data, &ReadLimits::default()) {
        let groups = d.groups();
        assert_eq!(groups.iter().map(|g| g.count).sum::<u64>(), d.goroutines.len() as u64);
        for g in &d.goroutines {
            assert!(g.stack.iter().chain(&g.created_by).all(|f| (*f as usize) < d.frames.len()));
        }
    }
});
