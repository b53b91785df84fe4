//! Collections: mark phases with the heap around them, and the heap over time.

use crate::load::Load;
use crate::series::HeapSeries;
use model::{TraceCycle, TraceGc, TraceHeapPoint};

/// Most points of the heap's series: when there are more, of two the one with the larger heap stays.
const MOST_POINTS: usize = 1 << 9;
/// Most cycles that are told one by one.
const MOST_CYCLES: usize = 1 << 12;

/// What is known of collections so far.
#[derive(Debug, Default)]
pub(crate) struct Gc {
    cycles: Vec<TraceCycle>,
    more_cycles: u64,
    open: Option<(TraceCycle, [u64; 3])>,
    mark_ns: u64,
    heap: u64,
    goal: u64,
    points: HeapSeries<MOST_POINTS>,
    pub(crate) assists: u64,
    pub(crate) sweep_ns: u64,
}

impl Gc {
    /// Whether a collection marks.
    pub(crate) fn marks(&self) -> bool {
        self.open.is_some()
    }

    /// A mark phase begins, or was there before (`whole` is false then).
    pub(crate) fn begin(&mut self, at: u64, whole: bool, load: &Load) {
        if self.open.is_some() {
            return;
        }
        let cycle = TraceCycle {
            start_ns: at,
            whole,
            heap_at_start: if whole { self.heap } else { 0 },
            goal: self.goal,
            ..TraceCycle::default()
        };
        self.open = Some((cycle, [load.assist_ns, load.background_ns, load.idle_ns]));
    }

    /// It ends, or the trace does.
    pub(crate) fn end(&mut self, at: u64, whole: bool, load: &Load) {
        let Some((mut cycle, [assists, background, idle])) = self.open.take() else { return };
        cycle.duration_ns = at.saturating_sub(cycle.start_ns);
        cycle.whole &= whole;
        cycle.heap_at_end = if whole { self.heap } else { 0 };
        cycle.assist_ns = load.assist_ns.saturating_sub(assists);
        cycle.background_ns = load.background_ns.saturating_sub(background);
        cycle.idle_ns = load.idle_ns.saturating_sub(idle);
        self.mark_ns = self.mark_ns.saturating_add(cycle.duration_ns);
        if self.cycles.len() < MOST_CYCLES {
            self.cycles.push(cycle);
        } else {
            self.more_cycles += 1;
        }
    }

    /// Heap in use, as last told.
    pub(crate) fn in_use(&self) -> u64 {
        self.heap
    }

    /// The heap has a new size; how many bytes it grew by.
    pub(crate) fn heap(&mut self, at: u64, heap: u64) -> u64 {
        let grown = if self.heap == 0 { 0 } else { heap.saturating_sub(self.heap) };
        self.heap = heap;
        self.point(at);
        grown
    }

    pub(crate) fn goal(&mut self, at: u64, goal: u64) {
        self.goal = goal;
        self.point(at);
    }

    fn point(&mut self, at_ns: u64) {
        self.points.push(TraceHeapPoint { at_ns, heap: self.heap, goal: self.goal });
    }

    pub(crate) fn told(self, load: &Load, duration: u64) -> TraceGc {
        let all = duration.saturating_mul(u64::from(load.procs)).max(1);
        TraceGc {
            cycles: self.cycles,
            more_cycles: self.more_cycles,
            mark_ns: self.mark_ns,
            background_ns: load.background_ns,
            assist_ns: load.assist_ns,
            assists: self.assists,
            sweep_ns: self.sweep_ns,
            cpu_share: (load.taken_ns as f64 / all as f64).clamp(0.0, 1.0),
            heap: self.points.told(),
        }
    }
}
