//! The rules: one file each. The doc comment at the head of a file is what `oomph explain` prints.

mod allocating_traversal;
mod allocation_churn;
mod assist_tax;
mod capacity_waste;
mod duplicate_strings;
mod gc_pressure;
mod gc_storm;
mod ghost_capacity;
mod goroutine_held_memory;
mod goroutine_leak;
mod growing_allocation_site;
mod heap_fragmentation;
mod map_growth_stall;
mod memory_accumulation;
mod memory_limit_pressure;
mod memory_limit_spiral;
mod off_heap_memory;
mod pinned_array;
mod pointer_chain;
mod pointer_heavy_heap;
mod pointer_map;
mod pool_hoarding;
mod rss_not_returned;
mod rss_part;
mod scheduler_starvation;
mod skewed_map;
mod stack_memory;
mod stw_outlier;
mod substring_pin;
mod sync_map_misuse;
mod timer_pile_up;
mod unbounded_container;
mod whole_body_read;

use crate::context::Context;
use model::{Finding, Outcome, Verdict};

/// A rule: facts in, findings out.
pub struct Rule {
    /// Stable kebab-case id.
    pub id: &'static str,
    /// Whether it is about what happens when, told by an execution trace, rather than about what is held.
    pub of_time: bool,
    source: &'static str,
    check: fn(&Context<'_>) -> Check,
}

/// How one rule ended.
pub(crate) struct Check {
    /// Findings, each with the verdict it would carry.
    pub(crate) findings: Vec<(Verdict, Finding)>,
    pub(crate) outcome: Outcome,
    /// What was measured, with the numbers; or what was missing.
    pub(crate) detail: String,
}

impl Check {
    /// Looked and found nothing.
    pub(crate) fn clear(detail: impl Into<String>) -> Self {
        Self { findings: Vec::new(), outcome: Outcome::Clear, detail: detail.into() }
    }

    /// Could not look.
    pub(crate) fn no_evidence(missing: impl Into<String>) -> Self {
        Self { findings: Vec::new(), outcome: Outcome::NoEvidence, detail: missing.into() }
    }

    /// Found `findings`, or nothing when there are none.
    pub(crate) fn of(findings: Vec<(Verdict, Finding)>, detail: impl Into<String>) -> Self {
        let outcome = if findings.is_empty() { Outcome::Clear } else { Outcome::Found };
        Self { findings, outcome, detail: detail.into() }
    }
}

impl Rule {
    /// What the rule means, how it decides and what to do, in Markdown: the head of its source file.
    #[must_use]
    pub fn doc(&self) -> String {
        let mut out = String::new();
        for line in self.source.lines() {
            let Some(text) = line.strip_prefix("//!") else { break };
            out.push_str(text.strip_prefix(' ').unwrap_or(text));
            out.push('\n');
        }
        out
    }

    pub(crate) fn check(&self, cx: &Context<'_>) -> Check {
        (self.check)(cx)
    }
}

/// All rules, in the order in which they are checked.
#[must_use]
pub fn rules() -> &'static [Rule] {
    &[
        growing_allocation_site::RULE,
        goroutine_leak::RULE,
        memory_limit_pressure::RULE,
        whole_body_read::RULE,
        allocation_churn::RULE,
        gc_pressure::RULE,
        off_heap_memory::RULE,
        stack_memory::RULE,
        heap_fragmentation::RULE,
        rss_not_returned::RULE,
        unbounded_container::RULE,
        ghost_capacity::RULE,
        capacity_waste::RULE,
        pointer_map::RULE,
        pinned_array::RULE,
        substring_pin::RULE,
        pool_hoarding::RULE,
        pointer_chain::RULE,
        goroutine_held_memory::RULE,
        duplicate_strings::RULE,
        timer_pile_up::RULE,
        sync_map_misuse::RULE,
        skewed_map::RULE,
        memory_accumulation::RULE,
        memory_limit_spiral::RULE,
        gc_storm::RULE,
        allocating_traversal::RULE,
        assist_tax::RULE,
        stw_outlier::RULE,
        map_growth_stall::RULE,
        scheduler_starvation::RULE,
        pointer_heavy_heap::RULE,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_documents_itself() {
        for r in rules() {
            let doc = r.doc();
            assert!(doc.starts_with(&format!("# {}\n", r.id)), "{}: {doc}", r.id);
            for part in ["## What it means", "## How it decides", "## What to do"] {
                assert!(doc.contains(part), "{} lacks {part}", r.id);
            }
        }
    }
}
