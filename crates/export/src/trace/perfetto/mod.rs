//! An execution trace in Perfetto's format, for ui.perfetto.dev and `trace_processor`.
//!
//! Owns what becomes what:
//! - a track for each proc with a slice for each time a goroutine ran there, and within it slices of mark assists,
//!   sweeps and of what kind of background worker it was; instants where it unblocked or created another, with an
//!   arrow (flow) to where that one ran next;
//! - a track of concurrent mark phases and one of stopped worlds;
//! - a track for each goroutine that is alive, taken over by the next one that began with the same function: a slice
//!   for its life, within it slices of waiting (why, and where), being runnable and system calls; what is left is
//!   running. Below it its regions and log messages of runtime/trace;
//! - a track for each task of runtime/trace;
//! - counters: heap in use, heap goal, GOMAXPROCS, goroutines runnable and running;
//! - CPU samples with their stacks (table `perf_sample`).
//!
//! Times are nanoseconds of the trace's own clock. Memory does not grow with the trace: it holds the goroutines that
//! are alive, and names up to a bound. Refuses: reading traces, files.

mod goroutines;
mod lanes;
mod names;
mod packet;
mod procs;
mod user;

use goroutines::Goroutine;
use lanes::Lanes;
use names::{Numbers, Text};
use packet::{Note, Packets, Title, TrackEvent, TrackKind, Type, Value};
use procs::{Open, Procs};
use rustc_hash::FxHashMap;
use std::io::{self, Write};
use timeline::{Name, Tracker};
use trace::{ClockSnapshot, Detail, Event, Generation, GoState, Metric, Phase, ProcState, Range, Scope, Visitor};
use user::Tasks;

/// The number of the process that all tracks belong to; a trace does not tell the pid.
const PID: u64 = 1;
/// Most tracks of goroutines, so that the viewer stays usable.
const MOST_GOROUTINE_TRACKS: usize = 5000;
/// Most procs that have a track.
const MOST_PROCS: usize = 1 << 14;
/// The counters of goroutines are written at most once in this many nanoseconds.
const COUNTER_INTERVAL: i64 = 20_000;

/// Tracks that are always there; their numbers (`uuid`).
mod track {
    pub(super) const PROCESS: u64 = 1;
    pub(super) const MARK: u64 = 2;
    pub(super) const STW: u64 = 3;
    pub(super) const HEAP: u64 = 4;
    pub(super) const GOAL: u64 = 5;
    pub(super) const GOMAXPROCS: u64 = 6;
    pub(super) const RUNNABLE: u64 = 7;
    pub(super) const RUNNING: u64 = 8;
    pub(super) const PROCS: u64 = 9;
    pub(super) const NO_PROC: u64 = 10;
    pub(super) const GOROUTINES: u64 = 11;
    pub(super) const TASKS: u64 = 12;
    /// Others begin after this one.
    pub(super) const LAST: u64 = 12;
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Perfetto {
    /// Packets of the file.
    pub packets: u64,
    /// Bytes of the file, before any compression.
    pub bytes: u64,
    /// Goroutines that have no track of their own, there being too many; what they ran is on the procs' tracks.
    pub goroutines_left_out: u64,
    /// Tasks that have no track.
    pub tasks_left_out: u64,
    /// CPU samples whose thread the trace does not tell: they are not in the file.
    pub samples_left_out: u64,
}

/// Writes a trace in Perfetto's format as its events come.
///
/// An error in writing ends the writing; [`PerfettoWriter::finish`] returns it.
pub struct PerfettoWriter<W> {
    packets: Packets<W>,
    numbers: Numbers,
    tracker: Tracker,
    goroutines: FxHashMap<i64, Goroutine>,
    lanes: Lanes<Name>,
    region_lanes: Lanes<Name>,
    procs: Procs,
    tasks: Tasks,
    next_track: u64,
    next_flow: u64,
    mark: Option<u64>,
    cycles: u64,
    stopped: bool,
    heap: u64,
    goal: u64,
    /// Goroutines runnable and running: how many there are, and what the file says.
    counts: [i64; 2],
    written: [i64; 2],
    counted_at: i64,
    generation: Option<u64>,
    last: i64,
    samples_left_out: u64,
}

impl<W: Write> Visitor for PerfettoWriter<W> {
    fn event(&mut self, event: &Event<'_>, generation: &Generation) {
        self.numbers.bound(&mut self.packets);
        self.last = self.last.max(event.time);
        if self.generation != Some(generation.number()) {
            self.generation = Some(generation.number());
            self.clocks(generation);
        }
        if let Some(change) = self.tracker.event(event, generation) {
            self.change(&change, event, generation);
            self.count(event.time);
            return;
        }
        match event.detail(generation) {
            Detail::Range { phase, range, scope, swept } => self.range(event, phase, range, scope, swept, generation),
            Detail::Metric(metric, value) => self.metric(event.time, metric, value),
            Detail::Label { label, .. } => self.label(event, label, generation),
            Detail::Proc { id, to: ProcState::Idle | ProcState::NotExist, .. } => {
                self.procs.close(id, event.time, &mut self.packets);
            }
            Detail::TaskBegin { task, parent, name } => self.task_begin(event.time, (task, parent), name, generation),
            Detail::TaskEnd { task, .. } => self.tasks.end(task, event.time, &mut self.packets),
            Detail::Region { phase, task, name } => self.region(event, phase, task, name, generation),
            Detail::Log { task, category, message } => self.log(event, task, (category, message), generation),
            Detail::StackSample => self.sample(event, generation),
            _ => {}
        }
    }
}

impl<W: Write> PerfettoWriter<W> {
    /// A file that begins with the tracks there always are. `name` stands over all of them.
    pub fn new(out: W, name: &str) -> Self {
        let mut packets = Packets::new(out);
        let (root, plain) = (track::PROCESS, TrackKind::Plain);
        packets.track(root, 0, name, 0, TrackKind::Process(PID, name));
        packets.track(track::MARK, root, "GC: concurrent mark", 1, plain);
        packets.track(track::STW, root, "Stopped worlds", 2, plain);
        packets.track(track::HEAP, root, "Heap in use", 3, TrackKind::Counter(3));
        packets.track(track::GOAL, root, "Heap goal", 4, TrackKind::Counter(3));
        packets.track(track::GOMAXPROCS, root, "GOMAXPROCS", 5, TrackKind::Counter(2));
        packets.track(track::RUNNABLE, root, "Goroutines runnable", 6, TrackKind::Counter(2));
        packets.track(track::RUNNING, root, "Goroutines running", 7, TrackKind::Counter(2));
        packets.track(track::PROCS, root, "Procs", 8, plain);
        packets.track(track::NO_PROC, track::PROCS, "no proc", 1 << 20, plain);
        packets.track(track::TASKS, root, "Tasks", 9, plain);
        packets.track(track::GOROUTINES, root, "Goroutines", 10, plain);
        PerfettoWriter {
            packets,
            numbers: Numbers::new(),
            tracker: Tracker::new(),
            goroutines: FxHashMap::default(),
            lanes: Lanes::new(MOST_GOROUTINE_TRACKS),
            region_lanes: Lanes::new(MOST_GOROUTINE_TRACKS),
            procs: Procs::new(MOST_PROCS),
            tasks: Tasks::new(),
            next_track: track::LAST,
            next_flow: 0,
            mark: None,
            cycles: 0,
            stopped: false,
            heap: 0,
            goal: 0,
            counts: [0; 2],
            written: [0; 2],
            counted_at: i64::MIN,
            generation: None,
            last: 0,
            samples_left_out: 0,
        }
    }

    /// Ends what is still open, with the annotation `unfinished`, and writes the rest out.
    ///
    /// # Errors
    /// The first that writing met.
    pub fn finish(mut self) -> io::Result<(W, Perfetto)> {
        let at = self.last;
        self.place_all();
        let unfinished = [(Note::Unfinished, Value::True)];
        let end = |track| TrackEvent::new(Type::End, at, track).notes(&unfinished);
        self.procs.close_all(at, &mut self.packets);
        if self.mark.is_some() {
            self.packets.event(&end(track::MARK));
        }
        if self.stopped {
            self.packets.event(&end(track::STW));
        }
        let mut tracks: Vec<u64> = self.goroutines.values().flat_map(Goroutine::open).collect();
        tracks.extend(self.tasks.open());
        // A file is the same each time.
        tracks.sort_unstable();
        tracks.into_iter().for_each(|track| self.packets.event(&end(track)));
        if self.counts != self.written {
            self.counted_at = i64::MIN;
            self.count(at);
        }
        let told = Perfetto {
            packets: self.packets.packets,
            bytes: self.packets.bytes,
            goroutines_left_out: self.lanes.left_out,
            tasks_left_out: self.tasks.left_out(),
            samples_left_out: self.samples_left_out,
        };
        Ok((self.packets.finish()?, told))
    }

    fn clocks(&mut self, generation: &Generation) {
        let Some(ClockSnapshot { trace, monotonic, wall_seconds, wall_nanoseconds }) = generation.clock() else {
            return;
        };
        let wall = wall_seconds.checked_mul(1_000_000_000).and_then(|ns| ns.checked_add(wall_nanoseconds));
        // The format's times are signed.
        let fits = |ns: &u64| i64::try_from(*ns).is_ok();
        if let Some(wall) = wall.filter(fits).filter(|_| trace > 0 && fits(&monotonic)) {
            self.packets.clocks(trace, monotonic, wall);
        }
    }

    fn metric(&mut self, at: i64, metric: Metric, value: u64) {
        let track = match metric {
            Metric::Gomaxprocs => track::GOMAXPROCS,
            Metric::HeapObjects => {
                self.heap = value;
                track::HEAP
            }
            Metric::HeapGoal => {
                self.goal = value;
                track::GOAL
            }
        };
        self.counter(at, track, value);
    }

    fn counter(&mut self, at: i64, track: u64, value: u64) {
        self.packets.event(&TrackEvent { counter: Some(value), ..TrackEvent::new(Type::Counter, at, track) });
    }

    /// Writes how many goroutines are runnable and running, unless that was done a moment ago.
    fn count(&mut self, at: i64) {
        if self.counts == self.written || at.saturating_sub(self.counted_at) < COUNTER_INTERVAL {
            return;
        }
        self.counted_at = at;
        for (i, track) in [track::RUNNABLE, track::RUNNING].into_iter().enumerate() {
            if let (Some(&now), Some(before)) = (self.counts.get(i), self.written.get_mut(i))
                && *before != now
            {
                *before = now;
                self.counter(at, track, u64::try_from(now).unwrap_or(0));
            }
        }
    }

    /// The number of a stack as text, for an annotation; `None` for no stack.
    fn stack_note(&mut self, stack: Name) -> Option<u64> {
        (stack != 0).then(|| self.numbers.text(Text::Stack(stack), &self.tracker.names, &mut self.packets))
    }

    fn range(
        &mut self,
        event: &Event<'_>,
        phase: Phase,
        range: Range,
        scope: Scope,
        swept: Option<(u64, u64)>,
        generation: &Generation,
    ) {
        match (range, scope) {
            (Range::StopTheWorld(reason), _) => {
                let reason = self.tracker.names.string(reason, generation);
                self.stop(event, phase, reason, generation);
            }
            (Range::GcMark, _) => self.mark(event, phase, generation),
            (Range::GcSweep, Scope::Proc(proc)) => match phase {
                Phase::End => {
                    let (swept, reclaimed) = swept.unwrap_or_default();
                    let notes = [(Note::Swept, Value::Uint(swept)), (Note::Reclaimed, Value::Uint(reclaimed))];
                    self.procs.end(proc, Open::Sweep, event.time, &notes, &mut self.packets);
                }
                _ => {
                    let title = Title::Interned(self.fixed("sweep"));
                    let slice = TrackEvent::new(Type::Begin, self.since(event, phase), 0).title(title);
                    self.procs.begin(proc, Open::Sweep, slice, &mut self.next_track, &mut self.packets);
                }
            },
            (Range::MarkAssist, Scope::Goroutine(id)) => self.assist(event, phase, id, generation),
            _ => {}
        }
    }

    /// What was there when the generation began, began then at the latest.
    fn since(&self, event: &Event<'_>, phase: Phase) -> i64 {
        if phase == Phase::Active { self.tracker.generation_start() } else { event.time }
    }

    fn stop(&mut self, event: &Event<'_>, phase: Phase, reason: Name, generation: &Generation) {
        if std::mem::replace(&mut self.stopped, phase != Phase::End) {
            self.packets.event(&TrackEvent::new(Type::End, event.time, track::STW));
        }
        if phase == Phase::End {
            return;
        }
        let stack = self.tracker.names.stack(event.stack(), generation);
        let title = Title::Interned(self.numbers.text(Text::Plain(reason), &self.tracker.names, &mut self.packets));
        let mut notes = vec![(Note::Goroutine, Value::Int(event.goroutine))];
        notes.extend(self.stack_note(stack).map(|s| (Note::Stack, Value::Interned(s))));
        self.packets.event(&TrackEvent::new(Type::Begin, event.time, track::STW).title(title).notes(&notes));
    }

    fn mark(&mut self, event: &Event<'_>, phase: Phase, generation: &Generation) {
        let heap = (Note::HeapInUse, Value::Uint(self.heap));
        if phase == Phase::End {
            if self.mark.take().is_some() {
                let end = TrackEvent::new(Type::End, event.time, track::MARK);
                self.packets.event(&end.notes(&[heap]));
            }
            return;
        }
        if self.mark.is_some() {
            return;
        }
        self.cycles += 1;
        self.mark = Some(self.cycles);
        let stack = self.tracker.names.stack(event.stack(), generation);
        let title = Title::Interned(self.fixed("concurrent mark"));
        let mut notes = vec![(Note::Cycle, Value::Uint(self.cycles))];
        if phase == Phase::Begin {
            notes.extend([heap, (Note::HeapGoal, Value::Uint(self.goal))]);
            notes.extend(self.stack_note(stack).map(|s| (Note::Stack, Value::Interned(s))));
        } else {
            notes.push((Note::Resumed, Value::True));
        }
        let begin = TrackEvent::new(Type::Begin, self.since(event, phase), track::MARK);
        self.packets.event(&begin.title(title).notes(&notes));
    }

    /// The number of a name that is always the same.
    fn fixed(&mut self, name: &'static str) -> u64 {
        self.numbers.text(Text::Fixed(name), &self.tracker.names, &mut self.packets)
    }

    fn sample(&mut self, event: &Event<'_>, generation: &Generation) {
        let Some(thread) = u32::try_from(event.thread).ok().filter(|t| *t > 0 && i32::try_from(*t).is_ok()) else {
            self.samples_left_out += 1;
            return;
        };
        let stack = self.tracker.names.stack(event.stack(), generation);
        let callstack = self.numbers.callstack(stack, &self.tracker.names, &mut self.packets);
        let proc = u32::try_from(event.proc).ok().map(u64::from);
        self.packets.sample(event.time, (PID, u64::from(thread), proc), callstack);
    }
}

/// The place of a state among the counters.
fn counted(state: GoState) -> Option<usize> {
    match state {
        GoState::Runnable => Some(0),
        GoState::Running => Some(1),
        _ => None,
    }
}
