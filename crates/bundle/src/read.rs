//! A bundle's artifacts into [`Facts`]: read in parallel, joined by sample.
//!
//! Which source wins where several tell the same: counters from the heap text (it carries both the
//! counters and the pauses), expvar adds the total of pauses, Prometheus adds GOGC and GOMEMLIMIT;
//! the environment fills these last two when nothing else tells. What was not there or not readable
//! becomes a sentence in `limits`.

use crate::hints::Hints;
use crate::parse::{ParseResult, Parsed, is_read, parse};
use crate::settings::{gogc, memory_limit};
use crate::symbols;
use crate::{
    Artifact, ArtifactKind, BuildFacts, Bundle, Facts, Failure, GoEnvironment, MEMORY_SOURCE, SampleFacts, Sourced,
};
use model::{Bytes, GoVersion, MemStats, TargetInfo, Watched};
use profile::{Profile, ReadLimits};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Largest artifact read into memory.
const MAX_ARTIFACT: Bytes = Bytes::mib(512);
/// Threads that read artifacts.
const MAX_THREADS: usize = 4;

impl Bundle {
    /// Reads all artifacts that the diagnosis works on. Never fails: what cannot be read is told
    /// in [`Facts::limits`].
    #[must_use]
    pub fn facts(&self) -> Facts {
        let wanted: Vec<&Artifact> = self.manifest().artifacts.iter().filter(|a| is_read(&a.kind)).collect();
        let mut join = Join::new(self);
        let hints = self.hints(&mut join.facts.limits);
        let parsed = self.parse_all(&wanted, &hints);
        for (artifact, result) in wanted.into_iter().zip(parsed) {
            join.take(artifact, result);
        }
        join.finish()
    }

    /// What the capture kept of the executable.
    fn hints(&self, limits: &mut Vec<String>) -> Hints {
        let mut hints = Hints::default();
        for a in self.manifest().artifacts.iter().filter(|a| a.kind == ArtifactKind::CallTargets) {
            let added =
                self.store.read(&a.path, MAX_ARTIFACT).map_err(|e| e.to_string()).and_then(|b| hints.add_json(&b));
            if let Err(why) = added {
                limits.push(format!("{} could not be read: {why}.", a.path));
            }
        }
        self.symbol_hints(&mut hints, limits);
        hints
    }

    /// What the service itself named of its runtime: joined with the addresses of the last heap text,
    /// which lists every stack that ever allocated.
    fn symbol_hints(&self, hints: &mut Hints, limits: &mut Vec<String>) {
        let artifacts = &self.manifest().artifacts;
        let mut names = BTreeMap::new();
        for a in artifacts.iter().filter(|a| a.kind == ArtifactKind::Symbols) {
            let read = self.store.read(&a.path, symbols::MAX_ANSWER).map_err(|e| e.to_string());
            match read.and_then(|b| profile::read_symbols(&b).map_err(|e| e.to_string())) {
                Ok((more, _)) => symbols::merge(&mut names, more),
                Err(why) => limits.push(format!("{} could not be read: {why}.", a.path)),
            }
        }
        if names.is_empty() {
            return;
        }
        if symbols::leaves_out_direct_calls(&names) {
            limits.push(
                "Which lines append to a slice is not visible: up to Go 1.25 a service's own stacks tell of maps \
                 and strings alone, and its executable was not at hand. This hides whether growth without a map \
                 is a slice that grows; run oomph on the host of the service to see it."
                    .to_owned(),
            );
        }
        let texts = || artifacts.iter().rev().filter(|a| symbols::is_heap_text(&a.kind));
        // What cannot be read of a text is told where its counters are read.
        let text = texts().find(|a| !a.cut).or_else(|| texts().next());
        let bytes = text.and_then(|a| self.store.read(&a.path, MAX_ARTIFACT).ok());
        if let Some(p) = bytes.and_then(|b| Profile::read(&b, &ReadLimits::default()).ok()) {
            for call in symbols::hidden_calls(&p) {
                if let Some(name) = names.get(&call.inside) {
                    hints.add_callee(call.back, name);
                }
            }
        }
    }

    /// Reads artifacts on a few threads; results in the order of `wanted`.
    fn parse_all(&self, wanted: &[&Artifact], hints: &Hints) -> Vec<ParseResult> {
        let next = AtomicUsize::new(0);
        let threads =
            std::thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS).min(wanted.len().max(1));
        let results: Vec<OnceLock<ParseResult>> = wanted.iter().map(|_| OnceLock::new()).collect();
        std::thread::scope(|s| {
            for _ in 0..threads {
                s.spawn(|| {
                    while let Some(i) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|i| *i < wanted.len()) {
                        if let (Some(artifact), Some(slot)) = (wanted.get(i), results.get(i)) {
                            // A reader with a bug costs one artifact, not the diagnosis.
                            let read = catch_unwind(AssertUnwindSafe(|| self.parse_one(artifact, hints)));
                            let _ = slot.set(read.unwrap_or_else(|_| Err("its reader failed (a bug in oomph)".into())));
                        }
                    }
                });
            }
        });
        results.into_iter().map(|slot| slot.into_inner().unwrap_or_else(|| Err("it was not read".into()))).collect()
    }

    fn parse_one(&self, artifact: &Artifact, hints: &Hints) -> ParseResult {
        let bytes = self.store.read(&artifact.path, MAX_ARTIFACT).map_err(|e| e.to_string())?;
        parse(&artifact.kind, &bytes, &ReadLimits::default(), hints)
    }
}

/// The sources of counters of one sample.
#[derive(Default)]
pub(crate) struct Counters {
    before: Option<Sourced<MemStats>>,
    expvar: Option<Sourced<MemStats>>,
    metrics: Option<Sourced<MemStats>>,
    gogc: Option<i64>,
    gomemlimit: Option<Bytes>,
}

struct Join<'a> {
    bundle: &'a Bundle,
    facts: Facts,
    samples: BTreeMap<u32, (SampleFacts, Counters)>,
    go_version: Option<GoVersion>,
    settings_told: bool,
}

impl<'a> Join<'a> {
    fn new(bundle: &'a Bundle) -> Self {
        let m = bundle.manifest();
        let samples = m
            .samples
            .iter()
            .map(|s| {
                let facts = SampleFacts {
                    index: s.index,
                    at: s.at,
                    forced_gcs_before: s.forced_gcs_before,
                    ..SampleFacts::default()
                };
                (s.index, (facts, Counters::default()))
            })
            .collect();
        let facts = Facts {
            target: TargetInfo {
                name: m.target.name.clone(),
                kind: m.target.kind.clone(),
                pid: m.target.pid,
                program: m.target.program.clone(),
                go_version: m.target.go_version.clone(),
                ..TargetInfo::default()
            },
            artifacts: bundle.artifact_refs(),
            limits: failures(&m.failures),
            watched: m.ended.clone().map(|end| Watched { end: Some(end), moments: Vec::new() }),
            ..Facts::default()
        };
        Self { bundle, facts, samples, go_version: None, settings_told: false }
    }

    fn take(&mut self, artifact: &Artifact, result: ParseResult) {
        match result {
            Ok((parsed, gaps)) => {
                if let Some(gap) = gaps.first() {
                    let more = match gaps.len() {
                        1 => String::new(),
                        n => format!(" (and {} more gaps)", n - 1),
                    };
                    self.facts.limits.push(format!("{} was read in part: {gap}{more}.", artifact.path));
                }
                self.fact(artifact, parsed);
            }
            Err(why) => self.facts.limits.push(format!("{} could not be read: {why}.", artifact.path)),
        }
    }

    fn fact(&mut self, a: &Artifact, parsed: Parsed) {
        match (parsed, a.sample) {
            (Parsed::Build(info), _) => {
                self.go_version.clone_from(&info.go_version);
                self.facts.build = Some(sourced(
                    a,
                    BuildFacts {
                        cgo: info.cgo(),
                        go_version: info.go_version,
                        path: info.path,
                        main_module: info.main.map(|m| m.path),
                    },
                ));
            }
            (Parsed::Environment(e), _) => {
                self.settings_told = true;
                let value = GoEnvironment {
                    gogc: e.gogc,
                    gomemlimit: e.gomemlimit,
                    godebug: e.godebug,
                    gomaxprocs: e.gomaxprocs,
                };
                self.facts.environment = Some(sourced(a, value));
            }
            (Parsed::Trace(mut trace), _) => {
                let told = trace.limits.iter().map(|l| format!("{}: {l}.", a.path));
                self.facts.limits.extend(told);
                trace.source.clone_from(&a.path);
                self.facts.traces.push(sourced(a, trace));
            }
            (Parsed::Watch(moments), _) => {
                crate::watched::join(&mut self.facts.watched.get_or_insert_default().moments, moments);
            }
            (parsed, Some(index)) => {
                let at = a.taken_at;
                let (sample, counters) = self.samples.entry(index).or_insert_with(|| {
                    let facts = SampleFacts { index, at, ..SampleFacts::default() };
                    (facts, Counters::default())
                });
                if let Parsed::Metrics(m) = &parsed {
                    self.settings_told |= m.gogc_percent.is_some();
                    if self.go_version.is_none() {
                        self.go_version.clone_from(&m.go_version);
                    }
                }
                sample_fact(sample, counters, a, parsed);
            }
            _ => {}
        }
    }

    fn finish(mut self) -> Facts {
        let exe = self.bundle.manifest().target.exe.clone();
        let cgo = self.facts.build.as_ref().and_then(|b| b.value.cgo);
        let started = self.bundle.manifest().target.started;
        let environment = self.facts.environment.clone();
        for (_, (mut sample, counters)) in std::mem::take(&mut self.samples) {
            settle(&mut sample, counters, environment.as_ref());
            if let Some(smaps) = &mut sample.smaps {
                let maps: Vec<_> = smaps.value.iter().map(|(s, _)| s.clone()).collect();
                let kinds = procfs::classify_mappings(&maps, exe.as_deref(), self.go_version.as_ref(), cgo);
                for ((_, kind), found) in smaps.value.iter_mut().zip(kinds) {
                    *kind = found;
                }
            }
            if let (Some(started), Some(cpu)) = (started, &sample.cpu_seconds) {
                sample.uptime_seconds = Some(Sourced {
                    value: cpu.at.seconds_since(started).max(0.0),
                    artifact: cpu.artifact.clone(),
                    at: cpu.at,
                });
            }
            self.facts.samples.push(sample);
        }
        if self.facts.target.go_version.is_none() {
            self.facts.target.go_version = self.go_version.as_ref().map(|v| v.text.clone());
        }
        self.limits();
        let t = &mut self.facts.target;
        t.samples = u32::try_from(self.facts.samples.len()).unwrap_or(u32::MAX);
        t.first_sample = self.facts.samples.first().map(|s| s.at);
        t.last_sample = self.facts.samples.last().map(|s| s.at);
        self.facts
    }

    /// What no single failure tells.
    fn limits(&mut self) {
        let m = self.bundle.manifest();
        let limits = &mut self.facts.limits;
        if m.finished.is_none() {
            limits.push("Collecting was killed before its end: later samples are missing.".to_owned());
        } else if m.stopped {
            limits.push(format!(
                "Collecting was stopped early: {} of {} samples were begun.",
                m.samples.len(),
                m.options.samples
            ));
        }
        if m.options.gc == "never" {
            limits.push(
                "No GC cycle was forced, as asked: profiles show the state of the service's own \
                 last cycle."
                    .to_owned(),
            );
        }
        let from_memory = |a: &Artifact| a.kind == ArtifactKind::HeapProfile && a.source.starts_with(MEMORY_SOURCE);
        if m.artifacts.iter().any(from_memory) {
            limits.push(
                "Heap profiles were read from the memory of the process: each shows what was in use at the end of \
                 its last own GC cycle."
                    .to_owned(),
            );
        }
        if !self.settings_told {
            limits.push(
                "GOGC and GOMEMLIMIT are not visible: neither the environment of the process nor \
                 go_gc_gogc_percent could be read."
                    .to_owned(),
            );
        }
    }
}

/// Puts one fact of a sample in its place.
pub(crate) fn sample_fact(s: &mut SampleFacts, c: &mut Counters, a: &Artifact, parsed: Parsed) {
    match parsed {
        Parsed::Heap(stacks) => {
            s.heap_after_gc = a.forced_gc;
            s.heap = Some(sourced(a, stacks));
        }
        Parsed::Graph(graph) => {
            let at = graph.taken_at.unwrap_or(a.taken_at);
            s.graph = Some(Sourced { at, ..sourced(a, graph) });
        }
        Parsed::Dump(dump) => {
            if dump.gaps.is_empty() {
                s.goroutine_count = Some(sourced(a, dump.goroutines.len() as u64));
            }
            s.goroutines = Some(sourced(a, dump));
        }
        Parsed::MemStats(m) if a.kind == ArtifactKind::HeapTextAfterGc => {
            s.memstats_after_gc = Some(sourced(a, m));
        }
        Parsed::MemStats(m) => c.before = Some(sourced(a, m)),
        Parsed::Expvar(v) => c.expvar = v.memstats.map(|m| sourced(a, m)),
        Parsed::Metrics(m) => {
            if s.goroutine_count.is_none() {
                s.goroutine_count = m.goroutines.map(|n| sourced(a, n));
            }
            s.resident = m.resident.map(|r| sourced(a, r));
            if s.cpu_seconds.is_none() {
                s.cpu_seconds = m.cpu_seconds.map(|t| sourced(a, t));
            }
            s.uptime_seconds = m.start_time_seconds.map(|start| {
                let up = a.taken_at.0 as f64 / 1000.0 - start;
                sourced(a, up.max(0.0))
            });
            s.gauges = Some(sourced(a, m.gauges));
            c.gogc = m.gogc_percent;
            c.gomemlimit = m.gomemlimit;
            c.metrics = m.memstats.map(|m| sourced(a, m));
        }
        Parsed::Status(status) => s.status = Some(sourced(a, status)),
        Parsed::Stat(stat) => s.cpu_seconds = Some(sourced(a, stat.cpu_seconds())),
        Parsed::Smaps(smaps) => {
            let placed = smaps.into_iter().map(|m| (m, model::MappingKind::AnonymousOther)).collect();
            s.smaps = Some(sourced(a, placed));
        }
        Parsed::Rollup(r) => s.smaps_rollup = Some(sourced(a, r)),
        Parsed::Maps(m) => s.maps = Some(sourced(a, m)),
        Parsed::Cgroup(group, pressure) => {
            s.cgroup = Some(sourced(a, group));
            if let Some(p) = pressure {
                s.pressure = Some(sourced(a, p));
            }
        }
        Parsed::Pressure(p) => {
            if s.pressure.is_none() {
                s.pressure = Some(sourced(a, p));
            }
        }
        Parsed::Build(_) | Parsed::Environment(_) | Parsed::Trace(_) | Parsed::Watch(_) | Parsed::Unread => {}
    }
}

/// One set of counters out of up to three.
pub(crate) fn settle(s: &mut SampleFacts, c: Counters, environment: Option<&Sourced<GoEnvironment>>) {
    let expvar = c.expvar.as_ref().map(|e| e.value.clone());
    let metrics = c.metrics.as_ref().map(|m| m.value.clone());
    s.memstats = c.before.or(c.expvar).or(c.metrics);
    let env = environment.map(|e| &e.value);
    let gogc = c.gogc.or_else(|| env.and_then(|e| e.gogc.as_deref()).and_then(gogc));
    let limit = c.gomemlimit.or_else(|| env.and_then(|e| e.gomemlimit.as_deref()).and_then(memory_limit));
    let total = |m: &Option<MemStats>| m.as_ref().and_then(|m| m.pause_total_ns);
    if let Some(m) = &mut s.memstats {
        let m = &mut m.value;
        m.pause_total_ns = m.pause_total_ns.or_else(|| total(&expvar)).or_else(|| total(&metrics));
        if m.recent_pauses_ns.is_empty()
            && let Some(e) = expvar
        {
            m.recent_pauses_ns = e.recent_pauses_ns;
            m.recent_pause_ends_ns = e.recent_pause_ends_ns;
        }
    }
    for m in s.memstats.iter_mut().chain(s.memstats_after_gc.iter_mut()) {
        m.value.gogc_percent = m.value.gogc_percent.or(gogc);
        m.value.gomemlimit = m.value.gomemlimit.or(limit);
    }
}

fn sourced<T>(a: &Artifact, value: T) -> Sourced<T> {
    Sourced { value, artifact: a.path.clone(), at: a.taken_at }
}

/// Failures that hide something as sentences, those of several samples joined.
fn failures(all: &[Failure]) -> Vec<String> {
    let mut joined: Vec<(&Failure, Vec<u32>)> = Vec::new();
    for f in all.iter().filter(|f| !f.hides.is_empty()) {
        let same = joined.iter_mut().find(|(g, _)| g.source == f.source && g.reason == f.reason);
        match same {
            Some((_, samples)) => samples.extend(f.sample),
            None => joined.push((f, f.sample.into_iter().collect())),
        }
    }
    joined
        .into_iter()
        .map(|(f, samples)| {
            let at = match samples.as_slice() {
                [] => String::new(),
                [one] => format!(" (sample {one})"),
                many => {
                    let list: Vec<String> = many.iter().map(u32::to_string).collect();
                    format!(" (samples {})", list.join(", "))
                }
            };
            format!("{}{at}: {}. This hides {}.", f.source, f.reason, f.hides)
        })
        .collect()
}
