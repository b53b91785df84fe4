//! What all rules look at: the facts, the thresholds, and the few series derived from both.

use crate::sites::SiteTable;
use crate::thresholds::Thresholds;
use bundle::{Facts, SampleFacts, Sourced};
use model::{Bytes, Ledger, LedgerTerm, MemStats};

/// The input of every rule.
pub(crate) struct Context<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) thresholds: &'a Thresholds,
    pub(crate) sites: SiteTable,
    /// One ledger per sample that allows one, with the index of the sample.
    pub(crate) ledgers: Vec<(usize, Ledger)>,
}

/// An effective GOGC below this makes cycles frequent by itself: at 50 there are twice as many as at 100.
pub(crate) const LOW_GOGC: f64 = 50.0;

/// What the GC did between the first and the last sample, our own cycles left out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GcWindow {
    /// Seconds.
    pub(crate) seconds: f64,
    /// Cycles that the pacer or the program started.
    pub(crate) cycles: f64,
    /// Cycles that the program forced; `None` where not published.
    pub(crate) forced: Option<f64>,
    /// Bytes allocated per second.
    pub(crate) alloc_per_s: f64,
    /// Objects allocated per second.
    pub(crate) mallocs_per_s: f64,
}

impl<'a> Context<'a> {
    pub(crate) fn new(facts: &'a Facts, thresholds: &'a Thresholds) -> Self {
        Self { facts, thresholds, sites: SiteTable::of(facts), ledgers: crate::ledger::ledgers(facts) }
    }

    /// Seconds from the first to the last sample with a profile or counters.
    pub(crate) fn seconds(&self) -> f64 {
        let told = || self.facts.samples.iter().filter(|s| s.heap.is_some() || s.memstats.is_some());
        told().next().zip(told().next_back()).map_or(0.0, |(a, b)| b.at.seconds_since(a.at))
    }

    /// Whether a watch saw the process end for want of memory.
    pub(crate) fn oom_killed(&self) -> bool {
        self.facts.watched.as_ref().is_some_and(model::Watched::oom_killed)
    }

    /// MemStats before our own GC, each with its sample.
    pub(crate) fn memstats(&self) -> Vec<(&SampleFacts, &Sourced<MemStats>)> {
        self.facts.samples.iter().filter_map(|s| Some((s, s.memstats.as_ref()?))).collect()
    }

    /// Live heap of the last sample: after our GC where there was one, else from the profile.
    pub(crate) fn live_heap(&self) -> Option<Bytes> {
        let last = self.facts.samples.iter().rev().find_map(live_heap);
        last.or_else(|| self.sites.totals.last().map(|t| Bytes(t.inuse_bytes.max(0.0) as u64)))
    }

    /// Live heap at each heap profile that rules compare, where the runtime's exact count is known for all of them.
    pub(crate) fn live_at_profiles(&self) -> Option<Vec<f64>> {
        let with_profile = self.facts.samples.iter().filter(|s| s.heap.is_some());
        let live: Vec<f64> = with_profile.filter_map(|s| Some(live_heap(s)?.0 as f64)).collect();
        (live.len() == self.sites.len()).then_some(live)
    }

    /// Counters between first and last sample.
    pub(crate) fn gc_window(&self) -> Option<GcWindow> {
        let all = self.memstats();
        let ((first, a), (last, b)) = (all.first()?, all.last()?);
        let seconds = b.at.seconds_since(a.at);
        if seconds < 1.0 {
            return None;
        }
        let ours = f64::from(last.forced_gcs_before.saturating_sub(first.forced_gcs_before));
        let counted = |x: u64, y: u64| (y.saturating_sub(x)) as f64;
        let (a, b) = (&a.value, &b.value);
        let forced = a.num_forced_gc.zip(b.num_forced_gc).map(|(x, y)| (counted(x, y) - ours).max(0.0));
        Some(GcWindow {
            seconds,
            cycles: (counted(a.num_gc, b.num_gc) - ours).max(0.0),
            forced,
            alloc_per_s: counted(a.total_alloc.0, b.total_alloc.0) / seconds,
            mallocs_per_s: counted(a.mallocs, b.mallocs) / seconds,
        })
    }

    /// One term of the ledger in every sample that has a ledger: (sample, bytes of the term, RSS).
    pub(crate) fn term(&self, term: LedgerTerm) -> Vec<(&SampleFacts, Bytes, Bytes)> {
        self.ledgers.iter().map(|(i, l)| (&self.facts.samples[*i], l.get(term), l.rss)).collect()
    }

    /// Resident size by sample with its artifact.
    pub(crate) fn rss(&self) -> Vec<Sourced<Bytes>> {
        self.facts
            .samples
            .iter()
            .filter_map(|s| {
                if let Some(st) = &s.status {
                    return Some(Sourced { value: st.value.vm_rss, artifact: st.artifact.clone(), at: st.at });
                }
                s.resident.clone()
            })
            .collect()
    }

    /// The lowest limit the process will meet, and how much of it is used: cgroup hard limit
    /// against unreclaimable charge (charge less inactive file cache).
    pub(crate) fn limit(&self) -> Option<(Sourced<Bytes>, Bytes)> {
        let s = self.facts.samples.iter().rev().find_map(|s| s.cgroup.as_ref())?;
        let limit = s.value.limit?;
        let usage = s.value.usage?.minus(s.value.inactive_file.unwrap_or_default());
        Some((Sourced { value: limit, artifact: s.artifact.clone(), at: s.at }, usage))
    }

    /// GOMEMLIMIT as far as anything shows it.
    pub(crate) fn memory_limit(&self) -> Option<Sourced<Bytes>> {
        self.memstats().iter().rev().find_map(|(_, m)| {
            let limit = m.value.gomemlimit?;
            Some(Sourced { value: limit, artifact: m.artifact.clone(), at: m.at })
        })
    }

    /// GOGC told from goal and live heap, rather too high than too low; `None` where the goal may be the floor.
    pub(crate) fn effective_gogc(&self) -> Option<f64> {
        let last = self.facts.samples.iter().rev().find_map(|s| s.memstats_after_gc.as_ref())?;
        if last.value.next_gc.0 < FLOOR_IS_BELOW {
            return None;
        }
        // What was allocated since the cycle counts as live here, which makes each estimate too low,
        // so the highest is nearest. A busy service is rarely caught right after a cycle, hence the
        // profile, whose bytes in use are those of the cycle itself.
        let readings = self.facts.samples.iter().flat_map(|s| [&s.memstats, &s.memstats_after_gc]).flatten();
        let counted = readings.map(|m| gogc_of(m.value.heap_alloc.0 as f64, &m.value));
        let profiled = self.facts.samples.iter().rev().find_map(|s| {
            let stacks = &s.heap.as_ref()?.value.stacks;
            let in_use: f64 = stacks.iter().map(|h| h.inuse_bytes.max(0) as f64).sum();
            gogc_of(in_use, &s.memstats_after_gc.as_ref()?.value)
        });
        counted.flatten().chain(profiled).max_by(f64::total_cmp)
    }
}

/// A goal below this may be the floor (4 MiB at GOGC=100), which says nothing of GOGC.
const FLOOR_IS_BELOW: u64 = 8 << 20;

/// `goal = live + (live + stacks + globals) * GOGC/100`, solved for GOGC (`src/runtime/mgcpacer.go`). Globals
/// are unknown and small.
pub(crate) fn gogc_of(live: f64, m: &MemStats) -> Option<f64> {
    let told = m.next_gc.0 >= FLOOR_IS_BELOW && live > 0.0;
    told.then(|| ((m.next_gc.0 as f64 - live).max(0.0) / (live + m.stack_inuse.0 as f64) * 100.0).round())
}

/// Live heap of a sample, free of the sawtooth: right after our own GC the allocated heap is live
/// but for what was allocated since.
pub(crate) fn live_heap(s: &SampleFacts) -> Option<Bytes> {
    s.memstats_after_gc.as_ref().map(|m| m.value.heap_alloc)
}
