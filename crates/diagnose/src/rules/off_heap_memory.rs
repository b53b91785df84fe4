//! # off-heap-memory
//!
//! ## What it means
//! A large part of the resident size is outside Go: C allocations through cgo, anonymous `mmap`, thread
//! stacks. No Go profile shows it, and GOMEMLIMIT does not bound it.
//!
//! ## How it decides
//! Resident bytes of `/proc/PID/smaps` that are neither arenas, nor the runtime's own tables, nor files,
//! nor the executable, as a share of RSS in every sample. When they grow from sample to sample the
//! finding says so.
//!
//! ## What to do
//! Look for `C.malloc`/`C.CString` without `C.free`, libraries with caches of their own (RocksDB, SQLite,
//! image codecs), `syscall.Mmap` without `Munmap`. Count them in the service and leave room in the limit.

use super::rss_part::Part;
use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::rate;
use model::{Fix, LedgerTerm, Severity, Verdict};
use signals::{Measured, growth};

pub(super) const RULE: Rule =
    Rule { id: "off-heap-memory", of_time: false, source: include_str!("off_heap_memory.rs"), check };

/// Mappings of the runtime and of C libraries come and go by this much.
const LEAST_GROWTH: f64 = 8.0 * 1024.0 * 1024.0;

const PART: Part = Part {
    rule: RULE.id,
    term: LedgerTerm::NonGo,
    name: "memory outside Go (cgo, mmap)",
    share: |t| t.off_heap_share,
    fix,
};

fn check(cx: &Context<'_>) -> Check {
    let mut check = PART.check(cx);
    let all = cx.term(LedgerTerm::NonGo);
    let Some(start) = all.first().map(|a| a.0.at) else { return check };
    let points: Vec<Measured> = all
        .iter()
        .map(|(s, bytes, _)| Measured {
            at_s: s.at.seconds_since(start),
            value: bytes.0 as f64,
            turnover_variance: 0.0,
        })
        .collect();
    if let Some(g) = growth(&points)
        .filter(|g| g.steps >= 2 && g.rising_steps == g.steps && g.per_second >= cx.thresholds.growth_bytes_per_s)
        .filter(|g| g.delta >= LEAST_GROWTH.max(0.02 * points.last().map_or(0.0, |p| p.value)))
    {
        for (verdict, f) in &mut check.findings {
            *verdict = Verdict::Leak;
            f.severity = Severity::High;
            f.title = format!("{}, growing {}", f.title, rate(g.per_second));
            f.size.growth_bytes_per_s = Some(crate::evidence::round3(g.per_second));
        }
    }
    check
}

fn fix() -> Fix {
    Fix {
        summary: "find the C or mmap allocation and free it; leave room for it in the limit".into(),
        recipe: "```go\ncs := C.CString(s)\ndefer C.free(unsafe.Pointer(cs))\n```\n\nGOMEMLIMIT counts only what the Go runtime mapped: set it to the container limit *minus* this memory. A heap profiler of the C library (jemalloc, `MALLOC_CONF=prof:true`) shows who allocates.".into(),
        expected_saving_bytes: None,
    }
}
