//! # stack-memory
//!
//! ## What it means
//! Goroutine stacks take a large part of the resident size. They are in no heap profile. Either there are
//! very many goroutines, or some grew deep stacks; stacks shrink only during collections, by half, and only
//! when less than a quarter is used.
//!
//! ## How it decides
//! `StackInuse` as a share of RSS, in every sample, with the number of goroutines and the average stack.
//! Whether their number *grows* is judged by `goroutine-leak`.
//!
//! ## What to do
//! Fewer goroutines (a bounded pool), or shallower stacks (iteration instead of recursion, no large arrays
//! as local variables).

use super::rss_part::Part;
use super::{Check, Rule};
use crate::context::Context;
use crate::evidence::plural;
use model::{Fix, LedgerTerm};

pub(super) const RULE: Rule =
    Rule { id: "stack-memory", of_time: false, source: include_str!("stack_memory.rs"), check };

const PART: Part =
    Part { rule: RULE.id, term: LedgerTerm::GoroutineStacks, name: "goroutine stacks", share: |t| t.stack_share, fix };

fn check(cx: &Context<'_>) -> Check {
    let mut check = PART.check(cx);
    let count = cx.facts.samples.iter().rev().find_map(|s| s.goroutine_count.as_ref());
    if let Some(c) = count {
        check.detail = format!("{}, {}", check.detail, plural(c.value, "goroutine"));
        for (_, f) in &mut check.findings {
            f.size.entries = Some(c.value);
            f.title = format!("{}, {}", f.title, plural(c.value, "goroutine"));
        }
    }
    check
}

fn fix() -> Fix {
    Fix {
        summary: "bound the number of goroutines, or make their stacks shallow".into(),
        recipe: "```go\nsem := make(chan struct{}, 4*runtime.GOMAXPROCS(0))\nfor _, job := range jobs {\n\tsem <- struct{}{}\n\tgo func() { defer func() { <-sem }(); run(job) }()\n}\n```\n\nA stack starts at 2 KiB and doubles; deep recursion and large local arrays make it grow, and an idle goroutine keeps half of what it once needed.".into(),
        expected_saving_bytes: None,
    }
}
