//! A trace to be drawn: who ran on which proc when, collections, stopped worlds, assists, the heap. Owns what is merged
//! and left out so that memory is bounded: neighbouring short runs become one slice, of assists and stopped worlds the
//! longest stay. Refuses: summing up, which [`crate::Timeline`] does.

use crate::names::Name;
use crate::series::HeapSeries;
use crate::tracker::{Change, Tracker};
use model::{
    Frame, TIMELINE_SCHEMA, TimelineAssist, TimelineDocument, TimelineLane, TimelineMark, TimelineSlice, TimelineStop,
    TraceHeapPoint,
};
use rustc_hash::FxHashMap;
use std::cmp::Reverse;
use std::collections::BTreeMap;
use trace::{Detail, Event, Generation, GoState, Metric, Phase, Range, Scope, Summary, Visitor};

/// Most slices of all procs.
const MOST_SLICES: usize = 100_000;
/// Most procs that have a lane.
const MOST_PROCS: usize = 512;
/// Most assists, stopped worlds and mark phases.
const MOST_ASSISTS: usize = 1 << 13;
const MOST_STOPS: usize = 1 << 12;
const MOST_MARKS: usize = 1 << 13;
/// Points of the heap's series.
const MOST_POINTS: usize = 1 << 12;
/// Slices shorter than this are merged first, in nanoseconds.
const FIRST_MERGE: u64 = 1_000;
/// Most different stacks, and frames of one.
const MOST_STACKS: usize = 1 << 13;
const MOST_FRAMES: usize = 24;

/// A slice, and the length of its longest run.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    slice: TimelineSlice,
    longest: u64,
}

impl Run {
    fn end(&self) -> u64 {
        self.slice.start_ns.saturating_add(self.slice.duration_ns)
    }

    /// Takes in what came after.
    fn merge(&mut self, next: &Run) {
        let (end, a, b) = (next.end().max(self.end()), &mut self.slice, &next.slice);
        a.duration_ns = end.saturating_sub(a.start_ns);
        a.busy_ns = a.busy_ns.saturating_add(b.busy_ns);
        a.runs = a.runs.saturating_add(b.runs);
        if next.longest > self.longest {
            (a.goroutine, a.function, a.stack) = (b.goroutine, b.function, b.stack);
            self.longest = next.longest;
        }
    }
}

/// Draws a trace as its events come.
#[derive(Debug, Default)]
pub struct Lanes {
    tracker: Tracker,
    /// Time of the first event and the last.
    span: Option<(i64, i64)>,
    procs: BTreeMap<i64, Vec<Run>>,
    more_procs: FxHashMap<i64, ()>,
    slices: usize,
    /// Slices that are no longer together than this become one.
    merged: u64,
    /// Where each goroutine runs, and since when.
    running: FxHashMap<i64, (i64, u64)>,
    mark: Option<u64>,
    marks: Vec<TimelineSlice>,
    more_marks: u64,
    stop: Option<Stop>,
    stops: Vec<(u64, Stop)>,
    more_stops: u64,
    /// Assists that have not ended, by goroutine.
    open: FxHashMap<i64, TimelineAssist>,
    assists: Vec<TimelineAssist>,
    more_assists: u64,
    heap: TraceHeapPoint,
    points: HeapSeries<MOST_POINTS>,
}

/// A stopped world.
#[derive(Clone, Copy, Debug)]
struct Stop {
    start: u64,
    reason: Name,
    goroutine: i64,
    stack: Name,
}

impl Visitor for Lanes {
    fn event(&mut self, event: &Event<'_>, generation: &Generation) {
        let first = self.span.map_or(event.time, |s| s.0);
        self.span = Some((first, event.time));
        let at = self.at(event.time);
        if let Some(change) = self.tracker.event(event, generation) {
            self.change(&change);
            return;
        }
        match event.detail(generation) {
            Detail::Metric(metric, value) => {
                match metric {
                    Metric::HeapObjects => self.heap.heap = value,
                    Metric::HeapGoal => self.heap.goal = value,
                    Metric::Gomaxprocs => return,
                }
                self.points.push(TraceHeapPoint { at_ns: at, ..self.heap });
            }
            Detail::Range { phase, range, scope, .. } => self.range(at, phase, range, scope, event, generation),
            _ => {}
        }
    }
}

impl Lanes {
    /// Nothing was told yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Nanoseconds from the first event on.
    fn at(&self, time: i64) -> u64 {
        let first = self.span.map_or(time, |s| s.0);
        u64::try_from(time.saturating_sub(first)).unwrap_or(0)
    }

    fn change(&mut self, change: &Change) {
        let at = self.at(change.at);
        if let Some((proc, since)) = self.running.remove(&change.goroutine) {
            let (id, function) = (change.goroutine, change.function);
            self.run(proc, (since, at), id, (function, change.entered.stack));
        }
        match change.entered.kind {
            GoState::Running if change.proc >= 0 => {
                self.running.insert(change.goroutine, (change.proc, self.at(change.entered.since)));
            }
            GoState::NotExist => {
                self.open.remove(&change.goroutine);
            }
            _ => {}
        }
    }

    /// A goroutine ran.
    fn run(&mut self, proc: i64, (start, end): (u64, u64), goroutine: i64, (function, stack): (Name, Name)) {
        if self.procs.len() >= MOST_PROCS && !self.procs.contains_key(&proc) {
            if self.more_procs.len() < 1 << 16 {
                self.more_procs.insert(proc, ());
            }
            return;
        }
        let lane = self.procs.entry(proc).or_default();
        // Nothing begins before what was there has ended: two at a time are not drawn.
        let start = start.max(lane.last().map_or(0, Run::end)).min(end);
        let busy = end - start;
        let slice =
            TimelineSlice { start_ns: start, duration_ns: busy, busy_ns: busy, runs: 1, goroutine, function, stack };
        let run = Run { slice, longest: busy };
        match lane.last_mut() {
            Some(last) if end.saturating_sub(last.slice.start_ns) <= self.merged => last.merge(&run),
            _ => {
                lane.push(run);
                self.slices += 1;
            }
        }
        if self.slices >= 2 * MOST_SLICES {
            self.shrink();
        }
    }

    /// Merges neighbours that are short together, until there are few enough slices.
    fn shrink(&mut self) {
        while self.slices > MOST_SLICES {
            self.merged = self.merged.saturating_mul(2).max(FIRST_MERGE);
            let merged = self.merged;
            self.slices = 0;
            for lane in self.procs.values_mut() {
                lane.dedup_by(|next, last| {
                    let together = next.end().saturating_sub(last.slice.start_ns) <= merged;
                    if together {
                        last.merge(next);
                    }
                    together
                });
                self.slices += lane.len();
            }
            // Longer than any trace: all of a lane is one slice.
            if merged == u64::MAX {
                return;
            }
        }
    }

    fn range(&mut self, at: u64, phase: Phase, range: Range, scope: Scope, event: &Event<'_>, generation: &Generation) {
        match (range, scope) {
            (Range::GcMark, _) if phase == Phase::End => self.end_mark(at),
            (Range::GcMark, _) => {
                let since = if phase == Phase::Active { self.at(self.tracker.generation_start()) } else { at };
                self.mark.get_or_insert(since);
            }
            (Range::StopTheWorld(reason), _) => {
                self.end_stop(at);
                if phase != Phase::End {
                    let reason = self.tracker.names.string(reason, generation);
                    let stack = self.tracker.names.stack(event.stack(), generation);
                    self.stop = Some(Stop { start: at, reason, goroutine: event.goroutine, stack });
                }
            }
            (Range::MarkAssist, Scope::Goroutine(id)) => {
                if phase == Phase::End {
                    self.end_assist(id, at);
                    return;
                }
                let stack = self.tracker.names.stack(event.stack(), generation);
                let proc = self.running.get(&id).map_or(trace::NONE, |r| r.0);
                let function = self.tracker.get(id).map_or(0, |g| g.0);
                let assist = TimelineAssist { start_ns: at, duration_ns: 0, proc, goroutine: id, function, stack };
                self.open.entry(id).or_insert(assist);
            }
            _ => {}
        }
    }

    fn end_mark(&mut self, at: u64) {
        let Some(start_ns) = self.mark.take() else { return };
        if self.marks.len() >= MOST_MARKS {
            self.more_marks += 1;
            return;
        }
        let duration_ns = at.saturating_sub(start_ns);
        self.marks.push(TimelineSlice { start_ns, duration_ns, busy_ns: duration_ns, runs: 1, ..Default::default() });
    }

    fn end_stop(&mut self, at: u64) {
        let Some(stop) = self.stop.take() else { return };
        self.stops.push((at.saturating_sub(stop.start), stop));
        if self.stops.len() >= 2 * MOST_STOPS {
            self.stops.sort_by_key(|(time, stop)| (Reverse(*time), stop.start));
            self.more_stops += (self.stops.len() - MOST_STOPS) as u64;
            self.stops.truncate(MOST_STOPS);
        }
    }

    fn end_assist(&mut self, id: i64, at: u64) {
        let Some(mut assist) = self.open.remove(&id) else { return };
        assist.duration_ns = at.saturating_sub(assist.start_ns);
        self.assists.push(assist);
        if self.assists.len() >= 2 * MOST_ASSISTS {
            self.assists.sort_by_key(|a| (Reverse(a.duration_ns), a.start_ns));
            self.more_assists += (self.assists.len() - MOST_ASSISTS) as u64;
            self.assists.truncate(MOST_ASSISTS);
        }
    }

    /// All that was told. `summary` is what the reader says of the trace; `findings` are instants to look at.
    #[must_use]
    pub fn finish(mut self, summary: &Summary, findings: Vec<TimelineMark>) -> TimelineDocument {
        let end = self.span.map_or(0, |s| self.at(s.1));
        let mut running: Vec<_> = std::mem::take(&mut self.running).into_iter().collect();
        running.sort_unstable();
        for (id, (proc, since)) in running {
            let function = self.tracker.get(id).map_or(0, |g| g.0);
            self.run(proc, (since, end), id, (function, 0));
        }
        self.shrink();
        self.end_mark(end);
        self.end_stop(end);
        let mut open: Vec<i64> = self.open.keys().copied().collect();
        open.sort_unstable();
        open.into_iter().for_each(|id| self.end_assist(id, end));
        self.stops.sort_by_key(|(_, stop)| stop.start);
        self.assists.sort_by_key(|a| (a.start_ns, a.goroutine));
        let mut told = Told::new(&self.tracker);
        let procs = self.procs.iter().map(|(proc, runs)| TimelineLane {
            proc: u64::try_from(*proc).unwrap_or(0),
            slices: runs.iter().map(|r| told.slice(r.slice)).collect(),
        });
        let procs = procs.collect();
        let stops = self.stops.iter().map(|(duration_ns, s)| TimelineStop {
            start_ns: s.start,
            duration_ns: *duration_ns,
            reason: self.tracker.names.text(s.reason).to_owned(),
            goroutine: s.goroutine,
            stack: told.stack(s.stack),
        });
        let stops = stops.collect();
        let assist = |a: &TimelineAssist| TimelineAssist {
            function: told.function(a.function),
            stack: told.stack(a.stack),
            ..*a
        };
        let assists = self.assists.iter().map(assist).collect();
        let Told { functions, stacks, .. } = told;
        TimelineDocument {
            schema: TIMELINE_SCHEMA.to_owned(),
            oomph: String::new(),
            source: String::new(),
            format: format!("1.{}", summary.version.minor()),
            events: summary.events,
            duration_ns: end,
            functions,
            stacks,
            procs,
            more_procs: self.more_procs.len() as u64,
            merged_below_ns: self.merged,
            marks: self.marks,
            more_marks: self.more_marks,
            stops,
            more_stops: self.more_stops,
            assists,
            more_assists: self.more_assists,
            heap: self.points.told(),
            findings,
            limits: summary.gaps.iter().map(ToString::to_string).collect(),
        }
    }
}

/// Names and stacks that the document has.
struct Told<'a> {
    tracker: &'a Tracker,
    functions: Vec<String>,
    function_of: FxHashMap<Name, u32>,
    stacks: Vec<Vec<Frame>>,
    stack_of: FxHashMap<Name, u32>,
}

impl<'a> Told<'a> {
    fn new(tracker: &'a Tracker) -> Self {
        Told {
            tracker,
            functions: vec![String::new()],
            function_of: FxHashMap::from_iter([(0, 0)]),
            stacks: vec![Vec::new()],
            stack_of: FxHashMap::from_iter([(0, 0)]),
        }
    }

    fn function(&mut self, name: Name) -> u32 {
        *self.function_of.entry(name).or_insert_with(|| {
            self.functions.push(self.tracker.names.text(name).to_owned());
            (self.functions.len() - 1) as u32
        })
    }

    /// The place of a stack; 0 when there are too many.
    fn stack(&mut self, stack: Name) -> u32 {
        if let Some(&known) = self.stack_of.get(&stack) {
            return known;
        }
        if self.stacks.len() >= MOST_STACKS {
            return 0;
        }
        let mut frames = self.tracker.names.frames(stack);
        frames.truncate(MOST_FRAMES);
        let place = self.stacks.len() as u32;
        self.stacks.push(frames);
        self.stack_of.insert(stack, place);
        place
    }

    fn slice(&mut self, slice: TimelineSlice) -> TimelineSlice {
        TimelineSlice { function: self.function(slice.function), stack: self.stack(slice.stack), ..slice }
    }
}
