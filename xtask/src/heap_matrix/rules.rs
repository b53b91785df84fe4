//! Whether the rules say of a program's heap what the program says that they should: each container is looked at
//! alone, with thresholds as small as the laboratory's containers.

use super::judge::Judge;
use bundle::Facts;
use diagnose::{Thresholds, diagnose, suspects};
use heap::Wanted;
use heap::graph::GraphError;
use lab::HeapContainer;
use model::{Finding, HeapOverview, UnixMillis};

/// Rows of each table that rules look at.
const ROWS: usize = 4096;
/// Seconds that are taken to lie between two instants.
const BETWEEN: i64 = 10;
/// The rule that needs two instants.
const GROWTH: &str = "unbounded-container";

/// Rules about objects that a container only leads to.
const SHARED: [&str; 4] = ["pinned-array", "substring-pin", "timer-pile-up", "duplicate-strings"];

/// What the programs call a rule, and its name; what they tell beside has no rule.
const RULES: [(&str, &str); 14] = [
    ("capacity-waste", "capacity-waste"),
    ("deep-chain", "pointer-chain"),
    ("duplicate-strings", "duplicate-strings"),
    ("ghost-capacity", "ghost-capacity"),
    ("goroutine-held", "goroutine-held-memory"),
    ("leak-suspect", "memory-accumulation"),
    ("map-of-small-pointers", "pointer-map"),
    ("overflow-buckets", "skewed-map"),
    ("pinned-array", "pinned-array"),
    ("pool-hoarding", "pool-hoarding"),
    ("substring-pin", "substring-pin"),
    ("sync-map-misuse", "sync-map-misuse"),
    ("timer-pile-up", "timer-pile-up"),
    ("unbounded-map", GROWTH),
];

/// What rules look at.
pub(super) fn overview(heap: &bundle::ProgramHeap<'_>) -> Result<HeapOverview, GraphError> {
    let mut overview = heap.graph.overview(heap.names, &Wanted { tree: 0, ..Wanted::all(ROWS) })?;
    overview.process = Some(heap.process.clone());
    Ok(overview)
}

/// As small as the containers are.
fn thresholds() -> Thresholds {
    Thresholds {
        growth_share_of_live: 0.0,
        heap_waste_bytes: 2048.0,
        heap_waste_share: 0.0,
        pointer_map_entries: 500.0,
        chain_nodes: 200.0,
        timers: 100.0,
        overflow_chain: 2.0,
        ..Thresholds::default()
    }
}

impl Judge<'_, '_> {
    /// The rules that the program says hold at one instant, and that find nothing.
    pub(super) fn rules(&self, overview: &HeapOverview) -> Vec<String> {
        let all = suspects(overview, &thresholds());
        let mut misses = Vec::new();
        for (truth, rule) in self.told().filter(|t| t.1 != GROWTH) {
            let found = match self.find(truth) {
                Some(facts) => {
                    let address = format!("{:#x}", facts.address);
                    let alone = suspects(&alone(overview, &address), &thresholds());
                    // What lies in many objects below the container is told of all of them.
                    let below = SHARED.contains(&rule) && all.iter().any(|f| f.rule == rule);
                    below || alone.iter().any(|f| is_of(f, rule, &address))
                }
                // Goroutines, equal strings, timers: of the whole heap.
                None => all.iter().any(|f| f.rule == rule),
            };
            if !found {
                misses.push(format!("{}: no {rule}", truth.name));
            }
        }
        misses
    }

    /// The containers that grew from `before` to `after` and of which the rule says nothing.
    pub(super) fn growth(&self, before: &HeapOverview, after: &HeapOverview) -> Vec<String> {
        let told: Vec<&HeapContainer> = self.told().filter(|t| t.1 == GROWTH).map(|t| t.0).collect();
        let (mut first, mut last) = (Facts::of_heap(before), Facts::of_heap(after));
        for (facts, at) in [(&mut first, 1), (&mut last, 1 + 1000 * BETWEEN)] {
            for s in &mut facts.samples {
                s.at = UnixMillis(at);
                s.graph.iter_mut().for_each(|g| g.at = UnixMillis(at));
            }
        }
        last.samples.splice(0..0, first.samples);
        let report = diagnose(&last, &Thresholds { growth_bytes_per_s: 1.0, ..thresholds() }, "");
        let is_found = |truth: &&&HeapContainer| {
            let address = self.find(truth).map(|f| format!("{:#x}", f.address));
            address.is_some_and(|a| report.findings.iter().any(|f| is_of(f, GROWTH, &a)))
        };
        told.iter().filter(|t| !is_found(t)).map(|t| format!("{}: no {GROWTH}", t.name)).collect()
    }

    /// The containers of which the program tells a rule, with the rule's name.
    fn told(&self) -> impl Iterator<Item = (&HeapContainer, &'static str)> {
        let named = |told: &String| RULES.iter().find(|r| r.0 == told).map(|r| r.1);
        let all = self.truth.containers.iter();
        let rules = all.flat_map(move |c| c.rules.iter().filter_map(named).map(move |rule| (c, rule)));
        rules.filter(|(c, rule)| can_be(c, rule))
    }
}

/// Swiss maps have no chains, tries forget what is deleted.
fn can_be(c: &HeapContainer, rule: &str) -> bool {
    match rule {
        "skewed-map" => c.map.as_ref().is_none_or(|m| m.design == "classic"),
        "sync-map-misuse" => c.deleted > 0,
        _ => true,
    }
}

fn is_of(finding: &Finding, rule: &str, address: &str) -> bool {
    finding.rule == rule && finding.subject.address.as_deref().is_none_or(|a| a == address)
}

/// The overview with one container: no finding is left out for another one.
fn alone(overview: &HeapOverview, address: &str) -> HeapOverview {
    let mut alone = HeapOverview { census: None, ..overview.clone() };
    if let Some(containers) = &mut alone.containers {
        containers.list.retain(|c| c.address == address);
    }
    alone
}
