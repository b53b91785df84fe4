//! gzip and zstd around a profile, with a limit of 16 MiB.
#![no_main]

use libfuzzer_sys::fuzz_target;
use profile::{Profile, ReadLimits};

fuzz_target!(|data: &[u8]| {
    let limits = ReadLimits { max_inflated: model::Bytes::mib(16) };
    if let Err(e) = Profile::read(data, &limits) {
        assert!(!e.to_string().is_empty());
    }
});
