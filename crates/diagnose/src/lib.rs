//! Floor 5: rules. Facts in, findings out.
//!
//! [`diagnose`] joins what the readers found (profiles by site and time, goroutine dumps, MemStats,
//! `/proc`) into findings with evidence and a confidence that the evidence's weights add up to, ranks
//! them and says one word: leak, risk, churn, healthy, or insufficient evidence. Nothing here parses,
//! opens or prints. One rule is one file in `rules/`; its head comment is what `oomph explain` shows.

mod cluster;
mod context;
mod counted;
mod evidence;
mod gclog;
mod heap;
mod ledger;
mod recipes;
mod rules;
mod series;
mod shape;
mod sites;
mod thresholds;
mod time;
mod verdict;
mod watched;

pub use gclog::{GcLogNote, GcLogReading};
pub use ledger::ledger;
pub use rules::{Rule, rules};
pub use thresholds::Thresholds;

use bundle::Facts;
use context::Context;
use model::{Checked, Finding, HeapOverview, Outcome, Report, TraceAllocated};

/// Runs all rules over `facts`. `oomph_version` goes into the report.
#[must_use]
pub fn diagnose(facts: &Facts, thresholds: &Thresholds, oomph_version: &str) -> Report {
    let cx = Context::new(facts, thresholds);
    let mut findings = Vec::new();
    let mut checked = Vec::new();
    // Without a trace, rules about time are not missing anything: nobody asked for one.
    for rule in rules().iter().filter(|r| !r.of_time || !facts.traces.is_empty()) {
        let check = rule.check(&cx);
        findings.extend(check.findings);
        checked.push(Checked { rule: rule.id.to_owned(), outcome: check.outcome, detail: check.detail });
    }
    verdict::absorb(&mut findings);
    for c in checked.iter_mut().filter(|c| c.outcome == Outcome::Found) {
        if !findings.iter().any(|(_, f)| f.rule == c.rule) {
            c.outcome = Outcome::Clear;
            c.detail.push_str("; what it found is part of another finding");
        }
    }
    verdict::relate(&mut findings);
    verdict::rank(&mut findings);
    let word = verdict::verdict(&cx, &findings, &checked);
    let findings: Vec<_> = findings.into_iter().map(|(_, f)| f).collect();
    Report {
        schema: model::REPORT_SCHEMA.to_owned(),
        oomph: oomph_version.to_owned(),
        target: facts.target.clone(),
        verdict: word,
        summary: verdict::summary(&cx, word, &findings, &checked),
        findings,
        ledger: cx.ledgers.last().map(|(_, l)| l.clone()),
        watched: facts.watched.as_ref().map(watched::outline),
        series: series::series(&cx),
        checked,
        evidence: facts.artifacts.clone(),
        limits: facts.limits.clone(),
    }
}

/// What the rules make of one instant of a heap, the most important first. Growth takes two: see [`diagnose`].
#[must_use]
pub fn suspects(heap: &HeapOverview, thresholds: &Thresholds) -> Vec<Finding> {
    diagnose(&Facts::of_heap(heap), thresholds, &heap.oomph).findings
}

/// Lines that allocated while the last execution trace was taken, those that allocated most first, at most `most`.
#[must_use]
pub fn allocated(facts: &Facts, thresholds: &Thresholds, most: usize) -> Vec<TraceAllocated> {
    let cx = Context::new(facts, thresholds);
    let Some(time) = cx.time() else { return Vec::new() };
    time.allocators(&cx, None).iter().take(most).map(time::Allocator::told).collect()
}

/// The documentation of a rule, in Markdown.
#[must_use]
pub fn explain(rule: &str) -> Option<String> {
    rules().iter().find(|r| r.id == rule).map(Rule::doc)
}
