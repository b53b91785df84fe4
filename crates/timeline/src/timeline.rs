//! The visitor: hands each event to what it concerns.

use crate::blocking::Blocking;
use crate::gc::Gc;
use crate::goroutines::{Goroutine, Groups};
use crate::load::Load;
use crate::names::{Name, Names};
use crate::stw::{Stw, Window, times_of};
use model::{TRACE_SCHEMA, TraceDocument, TraceLatency};
use rustc_hash::{FxHashMap, FxHashSet};
use signals::LogQuantiles;
use trace::{Detail, Event, Generation, GoState, Metric, Phase, Range, Scope, StackId, StringId, Summary, Visitor};

/// Goroutines that are named of those that ran when the world was stopped.
const MOST_RUNNING: usize = 64;
/// Labels that background workers of the collector give themselves (`gcMarkWorkerModeStrings`, `src/runtime/mgc.go`)
/// begin so; an idle one takes nothing from the program.
const WORKER: &str = "GC (";
const IDLE_WORKER: &str = "GC (idle)";

/// Sums up a trace as its events come.
#[derive(Debug, Default)]
pub struct Timeline {
    names: Names,
    /// Time of the first event and the last.
    span: Option<(i64, i64)>,
    goroutines: FxHashMap<i64, Goroutine>,
    running: FxHashSet<i64>,
    runnable: u64,
    most_running: usize,
    procs_told: bool,
    groups: Groups,
    load: Load,
    gc: Gc,
    stw: Stw,
    blocking: Blocking,
    in_gc: LogQuantiles,
    outside_gc: LogQuantiles,
    /// The generation at hand, and when it began.
    generation: (u64, u64),
    /// When each proc began to sweep.
    sweeps: FxHashMap<i64, u64>,
}

impl Visitor for Timeline {
    fn event(&mut self, event: &Event<'_>, generation: &Generation) {
        let first = self.span.map_or(event.time, |s| s.0);
        self.span = Some((first, event.time));
        let at = u64::try_from(event.time.saturating_sub(first)).unwrap_or(0);
        if self.generation.0 != generation.number() {
            self.generation = (generation.number(), at);
        }
        match event.detail(generation) {
            Detail::Metric(metric, value) => self.metric(at, event.goroutine, metric, value),
            Detail::Label { label, scope: Scope::Goroutine(id) } => {
                let label = self.names.string(label, generation);
                let text = self.names.text(label);
                let worker = text.starts_with(WORKER) && text != IDLE_WORKER;
                self.change(id, at, |g| g.worker = worker);
            }
            Detail::Range { phase, range, scope, .. } => {
                let named = match range {
                    Range::StopTheWorld(reason) => self.names.string(reason, generation),
                    _ => 0,
                };
                // Where a range begins is told of stopped worlds and assists alone.
                let stack = match (range, phase) {
                    (_, Phase::End) | (Range::GcMark | Range::GcSweep, _) => 0,
                    _ => self.names.stack(event.stack(), generation),
                };
                self.range(at, phase, range, scope, (named, stack));
            }
            Detail::Goroutine { id, from, to, reason, stack } => {
                self.transition(at, id, (from, to), (reason, stack), generation);
            }
            _ => {}
        }
    }
}

impl Timeline {
    /// Nothing was told yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn metric(&mut self, at: u64, goroutine: i64, metric: Metric, value: u64) {
        match metric {
            Metric::Gomaxprocs => {
                self.load.advance(at);
                self.load.procs = u32::try_from(value).unwrap_or(u32::MAX).clamp(1, 1 << 16);
                self.procs_told = true;
            }
            Metric::HeapObjects => {
                let grown = self.gc.heap(at, value);
                if grown > 0
                    && let Some(g) = self.goroutines.get_mut(&goroutine)
                {
                    g.allocated(grown);
                }
            }
            Metric::HeapGoal => self.gc.goal(at, value),
        }
    }

    /// Changes a goroutine, with all sums that depend on it.
    fn change(&mut self, id: i64, at: u64, change: impl FnOnce(&mut Goroutine)) -> &mut Goroutine {
        let g = self.goroutines.entry(id).or_insert_with(|| Goroutine::new(at));
        let before = g.takes();
        g.settle(at);
        change(g);
        let after = g.takes();
        if before != after {
            self.load.advance(at);
            let now = &mut self.load.now;
            now.workers = (now.workers + after.0).saturating_sub(before.0);
            now.assists = (now.assists + after.1).saturating_sub(before.1);
        }
        g
    }

    fn range(&mut self, at: u64, phase: Phase, range: Range, scope: Scope, (named, stack): (Name, Name)) {
        match (range, scope) {
            (Range::StopTheWorld(_), _) => self.stop(at, phase, scope, (named, stack)),
            (Range::GcMark, _) => {
                self.load.advance(at);
                match phase {
                    Phase::End => self.gc.end(at, true, &self.load),
                    _ => self.gc.begin(at, phase == Phase::Begin, &self.load),
                }
            }
            (Range::GcSweep, Scope::Proc(id)) => match phase {
                Phase::End => {
                    if let Some(began) = self.sweeps.remove(&id) {
                        self.gc.sweep_ns = self.gc.sweep_ns.saturating_add(at.saturating_sub(began));
                    }
                }
                _ => {
                    self.sweeps.entry(id).or_insert(at);
                }
            },
            (Range::MarkAssist, Scope::Goroutine(id)) => {
                let begins = phase == Phase::Begin;
                self.gc.assists += u64::from(begins);
                self.change(id, at, |g| {
                    if begins {
                        g.assisted();
                    }
                    g.assist = match phase {
                        Phase::End => None,
                        _ => g.assist.or(Some(stack)),
                    };
                });
            }
            _ => {}
        }
    }

    fn stop(&mut self, at: u64, phase: Phase, scope: Scope, (reason, stack): (Name, Name)) {
        self.load.advance(at);
        self.load.now.stopped = phase != Phase::End;
        // The last assist of a cycle ends the cycle: that it waits for others to stop is no assist.
        for id in &self.running {
            if let Some(g) = self.goroutines.get_mut(id).filter(|g| g.assist.is_some()) {
                g.settle(at);
                g.stopped = phase != Phase::End;
            }
        }
        let goroutine = if let Scope::Goroutine(id) = scope { id } else { trace::NONE };
        match phase {
            Phase::Begin => {
                let mut ids: Vec<i64> = self.running.iter().copied().filter(|id| *id != goroutine).collect();
                ids.sort_unstable();
                let function = |id: &i64| self.goroutines.get(id).map(|g| g.function);
                let running = ids.iter().filter_map(function).take(MOST_RUNNING).collect();
                self.stw.begin(Window { start: at, reason, goroutine, stack, running, runnable: self.runnable });
            }
            Phase::End => self.stw.end(at),
            Phase::Active => {}
        }
    }

    fn transition(
        &mut self,
        at: u64,
        id: i64,
        (from, to): (GoState, GoState),
        (reason, stack): (StringId, StackId),
        generation: &Generation,
    ) {
        let unnamed = self.goroutines.get(&id).is_none_or(|g| g.function == 0);
        let outermost = if unnamed { self.names.outermost(stack, generation) } else { None };
        let known = self.goroutines.get(&id).map(|g| (g.state, g.entered));
        let (state, entered) = known.unwrap_or((GoState::Undetermined, at));
        // A status comes before what the goroutine does first in a generation, for many at its end: it was in that state
        // since the generation began.
        let since = if known.is_none() && from == GoState::Undetermined { self.generation.1 } else { at };
        if since < at {
            let mut met = Goroutine::new(since);
            met.state = to;
            self.goroutines.insert(id, met);
        }
        if state == to && from == to {
            // The status of a new generation tells nothing new but perhaps where the goroutine began.
            if let Some(g) = self.goroutines.get_mut(&id).filter(|g| g.function == 0) {
                g.function = outermost.unwrap_or(0);
            }
            return;
        }
        let (reason, stack) = match to {
            GoState::Waiting => (self.names.string(reason, generation), self.names.stack(stack, generation)),
            _ => (0, 0),
        };
        self.leave(id, at, state, entered, to);
        let marks = self.gc.marks();
        let g = self.change(id, at, |g| {
            (g.state, g.entered, g.reason, g.stack) = (to, since, reason, stack);
            g.in_gc = marks;
            // A worker says anew what it is when it goes on.
            g.worker &= to == GoState::Running;
            g.stopped = false;
            if g.function == 0 {
                g.function = outermost.unwrap_or(0);
            }
        });
        let function = g.function;
        if from == GoState::NotExist {
            self.groups.created(function);
        }
        match to {
            GoState::Running => {
                self.running.insert(id);
                self.most_running = self.most_running.max(self.running.len());
            }
            GoState::Runnable => self.runnable += 1,
            GoState::NotExist => {
                if let Some(g) = self.goroutines.remove(&id) {
                    self.groups.add(&g, true);
                }
            }
            _ => {}
        }
    }

    /// A goroutine leaves a state.
    fn leave(&mut self, id: i64, at: u64, state: GoState, entered: u64, to: GoState) {
        let time = at.saturating_sub(entered);
        match state {
            GoState::Running => {
                self.running.remove(&id);
            }
            GoState::Runnable => {
                self.runnable = self.runnable.saturating_sub(1);
                let in_gc = self.goroutines.get(&id).is_some_and(|g| g.in_gc);
                if to == GoState::Running {
                    if in_gc { &mut self.in_gc } else { &mut self.outside_gc }.add(time);
                }
            }
            GoState::Waiting => {
                if let Some(g) = self.goroutines.get(&id) {
                    self.blocking.add(g.reason, g.stack, time, true);
                }
            }
            _ => {}
        }
    }

    /// All that was told, with at most `rows` rows in each table. `summary` is what the reader says of the trace.
    #[must_use]
    pub fn finish(mut self, summary: &Summary, rows: usize) -> TraceDocument {
        let (first, last) = self.span.unwrap_or_default();
        let end = u64::try_from(last.saturating_sub(first)).unwrap_or(0);
        if !self.procs_told {
            self.load.procs = u32::try_from(self.most_running).unwrap_or(1).max(1);
        }
        self.load.advance(end);
        self.gc.end(end, false, &self.load);
        for (_, mut g) in std::mem::take(&mut self.goroutines) {
            g.settle(end);
            if g.state == GoState::Waiting {
                self.blocking.add(g.reason, g.stack, end.saturating_sub(g.entered), false);
            }
            self.groups.add(&g, false);
        }
        let blocking = self.blocking.told(&self.names, rows);
        let (goroutines, more_goroutines) = self.groups.told(&self.names, rows);
        let mut limits: Vec<String> = summary.gaps.iter().map(ToString::to_string).collect();
        if self.blocking.left_out > 0 {
            limits.push(format!("{} waits are in no row: too many different stacks", self.blocking.left_out));
        }
        TraceDocument {
            schema: TRACE_SCHEMA.to_owned(),
            oomph: String::new(),
            source: String::new(),
            format: format!("1.{}", summary.version.minor()),
            events: summary.events,
            generations: summary.generations,
            duration_ns: end,
            procs: u64::from(self.load.procs),
            stw: self.stw.told(&self.names, rows),
            latency: TraceLatency { in_gc: times_of(&self.in_gc), outside_gc: times_of(&self.outside_gc) },
            mmu: self.load.mmu(),
            gc: self.gc.told(&self.load, end),
            goroutines,
            more_goroutines,
            blocking,
            limits,
        }
    }
}
