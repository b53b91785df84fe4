//! The JSON object of expvar, `/debug/vars`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metrics::read_expvar;

fuzz_target!(|data: &[u8]| {
    let Ok(vars) = read_expvar(data) else {
        return;
    };
    assert!(vars.gaps.len() <= 4, "{} gaps", vars.gaps.len());
    if let Some(stats) = &vars.memstats {
        assert!(stats.recent_pauses_ns.len() <= 256 && stats.recent_pause_ends_ns.len() <= 256);
        assert!(stats.gc_cpu_fraction.is_none_or(|f| (0.0..=1.0).contains(&f)));
    }
});
