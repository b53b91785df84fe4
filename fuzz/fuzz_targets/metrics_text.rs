//! The Prometheus text exposition and OpenMetrics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use metrics::read_exposition;

fuzz_target!(|data: &[u8]| {
    let Ok(page) = read_exposition(data) else {
        return;
    };
    assert!(page.gaps.len() <= 8, "{} gaps", page.gaps.len());
    assert!(page.gaps.iter().all(|g| g.offset.is_none_or(|o| o < data.len() as u64)));
    assert!(page.cpu_seconds.is_none_or(|s| s.is_finite() && s >= 0.0));
    assert!(page.start_time_seconds.is_none_or(f64::is_finite));
    if let Some(pauses) = &page.pauses {
        assert!(pauses.quantiles.len() <= 64);
        assert!(pauses.quantiles.windows(2).all(|w| w[0].q <= w[1].q), "quantiles ascend");
        assert!(pauses.quantiles.iter().all(|q| (0.0..=1.0).contains(&q.q) && q.seconds.is_finite()));
    }
    if let Some(stats) = &page.memstats {
        assert!(stats.gc_cpu_fraction.is_none_or(|f| (0.0..=1.0).contains(&f)));
    }
    // Lines of other metrics and comments change nothing, unless the page says that it has one of that name.
    if data.windows(b"other_total".len()).any(|w| w == b"other_total") {
        return;
    }
    let mut more = data.to_vec();
    more.extend_from_slice(b"\n# HELP other x\nother_total{a=\"b\"} 1\n");
    assert_eq!(read_exposition(&more).as_ref(), Ok(&page));
});
