//! The visitor: hands each event to what it concerns.

use crate::blocking::{Blocking, LONG, Wait};
use crate::cpu::{Cpu, CpuPhase, Tally};
use crate::gc::Gc;
use crate::goroutines::{Goroutine, Groups};
use crate::growth::HeapGrowth;
use crate::latency::{Delay, Latency};
use crate::load::Load;
use crate::names::{Name, Names};
use crate::stw::{Stopper, Stw, Window};
use crate::user::User;
use model::{TRACE_SCHEMA, TraceDocument};
use rustc_hash::{FxHashMap, FxHashSet};
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
    latency: Latency,
    growth: HeapGrowth,
    cpu: Cpu,
    user: User,
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
                let idle = text == IDLE_WORKER;
                let worker = text.starts_with(WORKER) && !idle;
                self.change(id, at, |g| (g.worker, g.idle_worker) = (worker, idle));
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
                let by = (event.goroutine, event.stack());
                self.transition(at, Transition { id, from, to, reason, stack, by }, generation);
            }
            Detail::StackSample => self.sample(at, event.goroutine, event.stack(), generation),
            detail => self.user(at, event.goroutine, detail, generation),
        }
    }
}

/// A goroutine changes its state.
#[derive(Clone, Copy, Debug)]
struct Transition {
    id: i64,
    from: GoState,
    to: GoState,
    reason: StringId,
    stack: StackId,
    /// The goroutine that did it, and its stack.
    by: (i64, StackId),
}

/// Whether a function of the runtime changes a map.
fn writes_map(function: &str) -> bool {
    ["runtime.mapassign", "runtime.mapdelete", "runtime.growWork", "runtime.evacuate", "runtime.hashGrow"]
        .iter()
        .any(|f| function.starts_with(f))
        || function.starts_with("internal/runtime/maps.") && !function.contains("Iter")
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
                if grown > 0 {
                    let g = self.goroutines.get_mut(&goroutine);
                    self.growth.grew(g.as_ref().map_or(0, |g| g.function), grown);
                    if let Some(g) = g {
                        g.allocated(grown);
                    }
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
            let sums = [&mut now.workers, &mut now.assists, &mut now.idle];
            for ((sum, after), before) in sums.into_iter().zip(after).zip(before) {
                *sum = (*sum + after).saturating_sub(before);
            }
        }
        g
    }

    fn range(&mut self, at: u64, phase: Phase, range: Range, scope: Scope, (named, stack): (Name, Name)) {
        match (range, scope) {
            (Range::StopTheWorld(_), _) => self.stop(at, phase, scope, (named, stack)),
            (Range::GcMark, _) => {
                self.load.advance(at);
                match phase {
                    Phase::End => {
                        self.gc.end(at, true, &self.load);
                        self.growth.cut(at, self.gc.in_use());
                    }
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
                        g.assist_since = at;
                    } else if phase == Phase::End && g.assist.is_some() {
                        g.assist_ended(at);
                    } else if g.assist.is_none() {
                        g.assist_since = at;
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
                let runnable = self.runnable;
                let window =
                    Window { start: at, reason, goroutine, stack, running, runnable, last: None, in_map_write: 0 };
                self.stw.begin(window);
            }
            Phase::End => self.stw.end(at),
            Phase::Active => {}
        }
    }

    fn sample(&mut self, at: u64, goroutine: i64, stack: StackId, generation: &Generation) {
        let stack = self.names.stack(stack, generation);
        let g = self.goroutines.get(&goroutine);
        let phase = match g {
            _ if self.load.now.stopped => CpuPhase::Stopped,
            Some(g) if g.assist.is_some() => CpuPhase::Assist,
            _ if self.gc.marks() => CpuPhase::Mark,
            _ => CpuPhase::Outside,
        };
        self.cpu.add(at, goroutine, g.map_or(0, |g| g.function), stack, phase);
    }

    /// Tasks, regions and logs.
    fn user(&mut self, at: u64, goroutine: i64, detail: Detail<'_>, generation: &Generation) {
        match detail {
            Detail::TaskBegin { task, name, .. } => {
                let name = self.names.string(name, generation);
                self.user.task_begins(at, task, name);
            }
            Detail::TaskEnd { task, .. } => self.user.task_ends(at, task),
            Detail::Region { phase, task, name } => {
                let name = self.names.string(name, generation);
                self.user.region(at, goroutine, phase, (task, name));
            }
            Detail::Log { category, message, .. } => {
                let category = self.names.string(category, generation);
                self.user.log(at, category, generation.string(message).unwrap_or_default());
            }
            _ => {}
        }
    }

    fn transition(&mut self, at: u64, t: Transition, generation: &Generation) {
        let Transition { id, from, to, reason, stack, .. } = t;
        let known = self.goroutines.get(&id).map(|g| (g.state, g.entered, g.function));
        let (state, entered, function) = known.unwrap_or((GoState::Undetermined, at, 0));
        let outermost = if function == 0 { self.names.outermost(stack, generation) } else { None };
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
        self.leave(at, (state, entered), t, generation);
        let (reason, stack) = match to {
            GoState::Waiting => (self.names.string(reason, generation), self.names.stack(stack, generation)),
            _ => (0, 0),
        };
        let marks = self.gc.marks();
        let g = self.change(id, at, |g| {
            (g.state, g.entered, g.reason, g.stack) = (to, since, reason, stack);
            g.in_gc = marks;
            // A worker says anew what it is when it goes on.
            g.worker &= to == GoState::Running;
            g.idle_worker &= to == GoState::Running;
            g.stopped = false;
            g.born |= from == GoState::NotExist;
            if g.function == 0 {
                g.function = outermost.unwrap_or(0);
            }
        });
        let function = g.function;
        if from == GoState::NotExist {
            let by = self.names.stack(t.by.1, generation);
            self.groups.created(function, by);
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
                self.cpu.ended(id);
                self.user.ended(id);
            }
            _ => {}
        }
    }

    /// A goroutine leaves a state that it entered at some time.
    fn leave(&mut self, at: u64, (state, entered): (GoState, u64), t: Transition, generation: &Generation) {
        let ns = at.saturating_sub(entered);
        match state {
            GoState::Running => {
                self.running.remove(&t.id);
                self.stops(at, entered, t, generation);
            }
            GoState::Runnable => {
                self.runnable = self.runnable.saturating_sub(1);
                if t.to == GoState::Running
                    && let Some(g) = self.goroutines.get_mut(&t.id)
                {
                    g.delayed(entered, at);
                    let (function, in_gc) = (g.function, g.in_gc);
                    self.latency.add(Delay { start: entered, ns, goroutine: t.id, function, in_gc });
                }
            }
            GoState::Waiting => {
                let Some(g) = self.goroutines.get(&t.id) else { return };
                let wait = Wait { reason: g.reason, stack: g.stack, start: entered, ns, ended: true };
                self.blocking.add(wait);
                if ns >= LONG && t.to == GoState::Runnable {
                    let by = self.goroutines.get(&t.by.0).map_or(0, |g| g.function);
                    let stack = self.names.stack(t.by.1, generation);
                    self.blocking.released(wait, (by, stack), self.cpu.since(t.by.0, entered));
                }
            }
            _ => {}
        }
    }

    /// A goroutine ran since `entered` and stops: when the world is to stop, it may be the one that is waited for. Those
    /// that run again before the restart is told are not.
    fn stops(&mut self, at: u64, entered: u64, t: Transition, generation: &Generation) {
        let waited_for = |(since, by): &(u64, i64)| *by != t.id && entered <= *since;
        let Some((since, _)) = self.stw.since().filter(waited_for) else { return };
        let stack = self.names.stack(t.stack, generation);
        let mut cpu = Tally::default();
        self.cpu.since(t.id, since).for_each(|stack| cpu.add(stack));
        let in_map = self.cpu.since(t.id, since).chain([stack]).any(|s| self.names.has_function(s, writes_map));
        let named = self.goroutines.get(&t.id).map_or(0, |g| g.function);
        // Where it stops is often the first stack of it that is told.
        let function = if named == 0 { self.names.outermost(t.stack, generation).unwrap_or(0) } else { named };
        self.stw.stopped(Stopper { goroutine: t.id, function, at, stack, cpu }, in_map);
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
        self.growth.cut(end, self.gc.in_use());
        for (_, mut g) in std::mem::take(&mut self.goroutines) {
            g.settle(end);
            if g.state == GoState::Waiting {
                let ns = end.saturating_sub(g.entered);
                self.blocking.add(Wait { reason: g.reason, stack: g.stack, start: g.entered, ns, ended: false });
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
            latency: self.latency.told(&self.names),
            mmu: self.load.mmu(),
            gc: self.gc.told(&self.load, end),
            goroutines,
            more_goroutines,
            blocking,
            growth: self.growth.told(&self.names),
            allocated: Vec::new(),
            cpu: self.cpu.told(&self.names, rows),
            user: self.user.told(&self.names, rows),
            findings: Vec::new(),
            checked: Vec::new(),
            limits,
        }
    }
}
