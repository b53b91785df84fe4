//! The `# runtime.MemStats` block that ends `heap?debug=1` (Go `src/runtime/pprof/pprof.go`,
//! `writeHeapInternal`, 1.19 to 1.27). Owns its names and units. Not in the block: PauseTotalNs,
//! BySize, GOGC, GOMEMLIMIT.

use super::Lines;
use crate::ProfileError;
use model::{Bytes, Gap, MemStats, MemStatsSource};

/// Reads the MemStats block out of the text of `heap?debug=1` (or of the block alone).
///
/// # Errors
/// [`ProfileError::WrongText`] when there is no such block.
pub fn read_memstats(text: &[u8]) -> Result<(MemStats, Vec<Gap>), ProfileError> {
    let marker = b"# runtime.MemStats";
    let Some(start) = memchr::memmem::rfind(text, marker) else {
        return Err(ProfileError::WrongText {
            expected: "the MemStats block of heap?debug=1",
            found: "no line \"# runtime.MemStats\"",
        });
    };
    let mut m = MemStats { source: MemStatsSource::HeapText, ..MemStats::default() };
    let mut gaps = Vec::new();
    let mut seen = [false; REQUIRED.len()];
    let mut rings = Rings::default();
    for (at, line) in Lines::new(&text[start..]).skip(1) {
        let Some((name, value)) = parts(line) else {
            continue;
        };
        if let Some(i) = REQUIRED.iter().position(|r| *r == name) {
            seen[i] = true;
        }
        if !set(&mut m, &mut rings, name, value) && gaps.len() < 32 {
            gaps.push(Gap::at((start + at) as u64, format!("MemStats field {name} is unreadable")));
        }
    }
    m.set_recent(&rings.pauses, &rings.ends);
    let missing: Vec<_> = (REQUIRED.iter().zip(seen)).filter(|(_, s)| !s).map(|(n, _)| *n).collect();
    if !missing.is_empty() {
        gaps.push(Gap::at(
            text.len() as u64,
            format!("MemStats block without {} (cut?); read as 0", missing.join(", ")),
        ));
    }
    Ok((m, gaps))
}

const REQUIRED: [&str; 20] = [
    "Sys",
    "TotalAlloc",
    "Mallocs",
    "Frees",
    "HeapAlloc",
    "HeapSys",
    "HeapIdle",
    "HeapInuse",
    "HeapReleased",
    "HeapObjects",
    "Stack",
    "MSpan",
    "MCache",
    "BuckHashSys",
    "GCSys",
    "OtherSys",
    "NextGC",
    "LastGC",
    "NumGC",
    "GCCPUFraction",
];

/// `# HeapAlloc = 123`.
fn parts(line: &[u8]) -> Option<(&str, &str)> {
    let line = std::str::from_utf8(line).ok()?;
    let (name, value) = line.strip_prefix('#')?.split_once('=')?;
    Some((name.trim(), value.trim()))
}

/// The circular buffers of the last 256 pauses, as printed.
#[derive(Default)]
struct Rings {
    pauses: Vec<u64>,
    ends: Vec<u64>,
}

/// False when the value is unreadable.
fn set(m: &mut MemStats, rings: &mut Rings, name: &str, value: &str) -> bool {
    let number = || value.parse::<u64>().ok();
    let bytes = |to: &mut Bytes| number().map(|v| *to = Bytes(v)).is_some();
    let count = |to: &mut u64| number().map(|v| *to = v).is_some();
    let two = |inuse: &mut Bytes, sys: &mut Bytes| {
        let parsed = value
            .split_once('/')
            .and_then(|(a, b)| Some((a.trim().parse::<u64>().ok()?, b.trim().parse::<u64>().ok()?)));
        if let Some((a, b)) = parsed {
            (*inuse, *sys) = (Bytes(a), Bytes(b));
        }
        parsed.is_some()
    };
    let ring = |to: &mut Vec<u64>| {
        let inside = value.trim_start_matches('[').trim_end_matches(']');
        let parsed: Result<Vec<u64>, _> = inside.split_whitespace().take(1024).map(str::parse).collect();
        parsed.map(|v| *to = v).is_ok()
    };
    match name {
        "TotalAlloc" => bytes(&mut m.total_alloc),
        "Sys" => bytes(&mut m.sys),
        "Mallocs" => count(&mut m.mallocs),
        "Frees" => count(&mut m.frees),
        "HeapAlloc" => bytes(&mut m.heap_alloc),
        "HeapSys" => bytes(&mut m.heap_sys),
        "HeapIdle" => bytes(&mut m.heap_idle),
        "HeapInuse" => bytes(&mut m.heap_inuse),
        "HeapReleased" => bytes(&mut m.heap_released),
        "HeapObjects" => count(&mut m.heap_objects),
        "Stack" => two(&mut m.stack_inuse, &mut m.stack_sys),
        "MSpan" => two(&mut m.mspan_inuse, &mut m.mspan_sys),
        "MCache" => two(&mut m.mcache_inuse, &mut m.mcache_sys),
        "BuckHashSys" => bytes(&mut m.buck_hash_sys),
        "GCSys" => bytes(&mut m.gc_sys),
        "OtherSys" => bytes(&mut m.other_sys),
        "NextGC" => bytes(&mut m.next_gc),
        "LastGC" => count(&mut m.last_gc_ns),
        "PauseNs" => ring(&mut rings.pauses),
        "PauseEnd" => ring(&mut rings.ends),
        "NumGC" => count(&mut m.num_gc),
        "NumForcedGC" => number().map(|v| m.num_forced_gc = Some(v)).is_some(),
        "GCCPUFraction" => {
            value.parse::<f64>().ok().filter(|v| v.is_finite()).map(|v| m.gc_cpu_fraction = Some(v)).is_some()
        }
        "MaxRSS" => number().map(|v| m.max_rss = Some(Bytes(v))).is_some(),
        // Alloc repeats HeapAlloc; Lookups and DebugGC carry nothing. Later Go versions may add more.
        _ => true,
    }
}
