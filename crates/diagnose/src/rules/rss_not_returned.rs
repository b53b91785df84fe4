//! # rss-not-returned
//!
//! ## What it means
//! Much of the resident size is heap that Go no longer uses and has not given back to the system. It is
//! not a leak: the runtime keeps idle spans for the next spike and returns them slowly (the scavenger
//! takes about 1 % of a core and keeps 10 % above the last goal). Since Go 1.16 that takes seconds; where it
//! lasts, spikes follow each other closely or `GODEBUG=madvdontneed=0` is set.
//!
//! ## How it decides
//! `HeapIdle - HeapReleased` of MemStats, as far as it is resident by `/proc/PID/smaps`, must be a large
//! share of RSS in *every* sample. A heap that breathes (a batch job) has idle spans at some times only.
//!
//! ## What to do
//! Find the spike that made the heap this large (an `alloc` flame graph over the peak). Set `GOMEMLIMIT`
//! so that the runtime scavenges towards it; call `debug.FreeOSMemory()` once after a known one-time
//! spike (loading at start).

use super::rss_part::Part;
use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::add;
use model::{Fix, LedgerTerm};

pub(super) const RULE: Rule =
    Rule { id: "rss-not-returned", of_time: false, source: include_str!("rss_not_returned.rs"), check };

const PART: Part = Part {
    rule: RULE.id,
    term: LedgerTerm::IdleHeap,
    name: "idle heap not returned to the system",
    share: |t| t.idle_share,
    fix,
};

fn check(cx: &Context<'_>) -> Check {
    let mut check = PART.check(cx);
    let environment = cx.facts.environment.as_ref();
    let lazy = environment.filter(|e| e.value.godebug.as_deref().is_some_and(|g| g.contains("madvdontneed=0")));
    if let Some(e) = lazy {
        for (_, f) in &mut check.findings {
            let s = "GODEBUG=madvdontneed=0: pages are given back only when the system is short of memory";
            add(f, &e.artifact, 1.0, s.to_owned());
            f.fix.summary = "remove GODEBUG=madvdontneed=0".to_owned();
        }
    }
    check
}

fn fix() -> Fix {
    Fix {
        summary: "set GOMEMLIMIT, and flatten the spike that made the heap this large".into(),
        recipe: "The memory is free for Go and will be used again; only the system does not get it. `GOMEMLIMIT=<90 % of the container limit>` makes the runtime return it as the limit comes near. After a one-time spike:\n\n```go\nloadEverything()\ndebug.FreeOSMemory() // one GC and return, once; never per request\n```".into(),
        expected_saving_bytes: None,
    }
}
