//! Where goroutines spent time they did not run, assisted, or ran: sums by stack, as profiles for `go tool pprof`.
//!
//! Owns what counts: `net`, `sync`, `syscall` and `sched` as `go tool trace -pprof=TYPE` counts them
//! (GOROOT/src/cmd/trace/pprof.go, Go 1.26 and 1.27: from a goroutine's first run on, and only what ended; the tools of
//! earlier releases skip events without a stack, and so count time that goroutines ran); `blocking`, all waits by reason, those
//! included that have not ended; `assist`, running time in mark assists without stopped worlds; `cpu`, samples.

use crate::ExportError;
use profile::{Profile, StackBuilder};
use rustc_hash::FxHashMap;
use timeline::{Change, Name, Tracker};
use trace::{Detail, Event, Generation, GoState, Phase, Range, Scope, Visitor};

/// What is summed up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StackKind {
    /// Waits for the network.
    Net,
    /// Waits for channels, selects, and what package sync has.
    Sync,
    /// System calls.
    Syscall,
    /// Runnable, and not run.
    Sched,
    /// All waits, by reason.
    Blocking,
    /// Mark assists.
    Assist,
    /// CPU samples.
    Cpu,
}

impl StackKind {
    /// All of them.
    pub const ALL: [StackKind; 7] =
        [Self::Net, Self::Sync, Self::Syscall, Self::Sched, Self::Blocking, Self::Assist, Self::Cpu];

    /// Its name: `net`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Net => "net",
            Self::Sync => "sync",
            Self::Syscall => "syscall",
            Self::Sched => "sched",
            Self::Blocking => "blocking",
            Self::Assist => "assist",
            Self::Cpu => "cpu",
        }
    }

    /// Names and units of its two values: how often, and nanoseconds.
    #[must_use]
    pub const fn types(self) -> [(&'static str, &'static str); 2] {
        match self {
            Self::Assist => [("assists", "count"), ("assist", "nanoseconds")],
            Self::Cpu => [("samples", "count"), ("cpu", "nanoseconds")],
            _ => [("contentions", "count"), ("delay", "nanoseconds")],
        }
    }
}

/// Nanoseconds that a CPU sample stands for: the rate that `runtime/pprof` samples at (100 Hz) unless a program sets
/// another, which a trace does not tell.
const SAMPLE_NS: u64 = 10_000_000;
/// Most sums.
const MOST_SUMS: usize = 1 << 18;
/// Most delays of a goroutine that has not run.
const MOST_PENDING: usize = 8;

/// What is known of a goroutine that is alive.
#[derive(Debug, Default)]
struct Goroutine {
    /// It has run.
    ran: bool,
    /// It waits forever, which is an end.
    over: bool,
    /// What it is in, since when, and where.
    delay: Option<(StackKind, i64, Name)>,
    /// Delays before its first run, which count if it never runs.
    pending: Vec<(StackKind, Name, u64)>,
    /// It is in a mark assist.
    assist: Option<Name>,
    /// It runs in it since then; time the world was stopped before that.
    assisting: Option<(i64, i64)>,
}

/// Sums up a trace by stack as its events come.
#[derive(Debug)]
pub struct StackSums {
    tracker: Tracker,
    goroutines: FxHashMap<i64, Goroutine>,
    /// By kind, reason and stack: how often, nanoseconds.
    sums: FxHashMap<(StackKind, Name, Name), (u64, u64)>,
    left_out: u64,
    span: Option<(i64, i64)>,
    /// Since when the world is stopped, and how long it was stopped before.
    stopped: (Option<i64>, i64),
    /// Wall clock of the first event, in nanoseconds since 1970; 0 where the trace does not tell.
    wall: i64,
}

impl Default for StackSums {
    fn default() -> Self {
        Self::new()
    }
}

impl Visitor for StackSums {
    fn event(&mut self, event: &Event<'_>, generation: &Generation) {
        if self.span.is_none()
            && let Some(clock) = generation.clock()
        {
            let seconds = i64::try_from(clock.wall_seconds).unwrap_or(0);
            self.wall = seconds.saturating_mul(1_000_000_000);
        }
        self.span = Some((self.span.map_or(event.time, |s| s.0), event.time));
        if let Some(change) = self.tracker.event(event, generation) {
            self.change(&change, event, generation);
            return;
        }
        match event.detail(generation) {
            Detail::Range { phase, range: Range::StopTheWorld(_), .. } => self.stop(event.time, phase),
            Detail::Range { phase, range: Range::MarkAssist, scope: Scope::Goroutine(id), .. } => {
                let stack = self.tracker.names.stack(event.stack(), generation);
                self.assist(id, event.time, phase, stack);
            }
            Detail::StackSample => {
                let stack = self.tracker.names.stack(event.stack(), generation);
                self.add(StackKind::Cpu, 0, stack, 1, SAMPLE_NS);
            }
            _ => {}
        }
    }
}

impl StackSums {
    /// Nothing was told yet.
    #[must_use]
    pub fn new() -> Self {
        StackSums {
            tracker: Tracker::deep(),
            goroutines: FxHashMap::default(),
            sums: FxHashMap::default(),
            left_out: 0,
            span: None,
            stopped: (None, 0),
            wall: 0,
        }
    }

    fn add(&mut self, kind: StackKind, reason: Name, stack: Name, count: u64, ns: u64) {
        let key = (kind, reason, stack);
        if self.sums.len() >= MOST_SUMS && !self.sums.contains_key(&key) {
            self.left_out += 1;
            return;
        }
        let sum = self.sums.entry(key).or_default();
        *sum = (sum.0.saturating_add(count), sum.1.saturating_add(ns));
    }

    fn change(&mut self, change: &Change, event: &Event<'_>, generation: &Generation) {
        let (id, at, to) = (change.goroutine, change.at, change.entered.kind);
        if change.left.kind == GoState::Waiting {
            let waited = between(change.left.since, at);
            self.add(StackKind::Blocking, change.left.reason, change.left.stack, 1, waited);
        }
        let stopped = self.stopped_until(at);
        let mut g = self.goroutines.remove(&id).unwrap_or_default();
        if let Some((kind, since, stack)) = g.delay.take()
            && between(since, at) > 0
            && !g.over
        {
            if g.ran {
                self.add(kind, 0, stack, 1, between(since, at));
            } else if g.pending.len() < MOST_PENDING {
                g.pending.push((kind, stack, between(since, at)));
            }
        }
        if to == GoState::Running && !std::mem::replace(&mut g.ran, true) {
            g.pending.clear();
        }
        self.assisted(&mut g, at, stopped);
        if to == GoState::Running && g.assist.is_some() {
            g.assisting = Some((at, stopped));
        }
        if to == GoState::NotExist {
            g.pending.drain(..).for_each(|(kind, stack, ns)| self.add(kind, 0, stack, 1, ns));
            return;
        }
        let reason = self.tracker.names.text(change.entered.reason);
        g.over |= to == GoState::Waiting && reason == "forever";
        let kind = match to {
            GoState::Waiting => waits(reason),
            GoState::Syscall => Some(StackKind::Syscall),
            GoState::Runnable => Some(StackKind::Sched),
            _ => None,
        };
        g.delay = kind.map(|kind| (kind, at, self.tracker.names.stack(event.stack(), generation)));
        self.goroutines.insert(id, g);
    }

    /// Time that the world was stopped up to now.
    fn stopped_until(&self, at: i64) -> i64 {
        let (since, before) = self.stopped;
        since.map_or(before, |since| before.saturating_add(at.saturating_sub(since)))
    }

    fn stop(&mut self, at: i64, phase: Phase) {
        let before = self.stopped_until(at);
        self.stopped = ((phase != Phase::End).then_some(at), before);
    }

    fn assist(&mut self, id: i64, at: i64, phase: Phase, stack: Name) {
        let stopped = self.stopped_until(at);
        let running = self.tracker.get(id).is_some_and(|(_, state)| state.kind == GoState::Running);
        let Some(mut g) = self.goroutines.remove(&id) else { return };
        if phase == Phase::End {
            self.assisted(&mut g, at, stopped);
            g.assist = None;
        } else if g.assist.is_none() {
            g.assist = Some(stack);
            g.assisting = running.then_some((at, stopped));
            self.add(StackKind::Assist, 0, stack, u64::from(phase == Phase::Begin), 0);
        }
        self.goroutines.insert(id, g);
    }

    /// Counts the time that a goroutine ran in an assist.
    fn assisted(&mut self, g: &mut Goroutine, at: i64, stopped: i64) {
        if let (Some((since, before)), Some(stack)) = (g.assisting.take(), g.assist) {
            let ns = between(since, at).saturating_sub(between(before, stopped));
            self.add(StackKind::Assist, 0, stack, 0, ns);
        }
    }

    /// Ends the sums where the trace ends; to be called once, before [`StackSums::profile`].
    pub fn finish(&mut self) {
        let end = self.span.map_or(0, |s| s.1);
        let stopped = self.stopped_until(end);
        let alive: Vec<_> = self.tracker.alive().filter(|(_, _, s)| s.kind == GoState::Waiting).collect();
        for (_, _, state) in alive {
            self.add(StackKind::Blocking, state.reason, state.stack, 1, between(state.since, end));
        }
        for (_, mut g) in std::mem::take(&mut self.goroutines) {
            self.assisted(&mut g, end, stopped);
            g.pending.drain(..).for_each(|(kind, stack, ns)| self.add(kind, 0, stack, 1, ns));
        }
    }

    /// How often and how many nanoseconds of a kind, in all.
    #[must_use]
    pub fn total(&self, kind: StackKind) -> (u64, u64) {
        let of = self.sums.iter().filter(|(key, _)| key.0 == kind).map(|(_, sum)| *sum);
        of.fold((0, 0), |a, b| (a.0.saturating_add(b.0), a.1.saturating_add(b.1)))
    }

    /// Waits and assists that are in no sum, there being too many different stacks.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The sums of a kind as a profile; waits of kind [`StackKind::Blocking`] have the label `reason`.
    ///
    /// # Errors
    /// [`ExportError`] when there are more names or stacks than a profile holds.
    pub fn profile(&self, kind: StackKind) -> Result<Profile, ExportError> {
        let names = &self.tracker.names;
        let mut builder = StackBuilder::new(&kind.types(), self.wall)?;
        let (first, last) = self.span.unwrap_or_default();
        let [_, (time, _)] = kind.types();
        builder.shown(time)?;
        builder.duration(last.saturating_sub(first));
        builder.comment(&format!("{} of an execution trace", kind.name()))?;
        match kind {
            StackKind::Cpu => {
                builder.comment("10 ms a sample: the rate that runtime/pprof samples at unless told otherwise")?;
                builder.period("cpu", "nanoseconds", value(SAMPLE_NS))?;
            }
            _ => builder.period("trace", "count", 1)?,
        }
        let mut rows: Vec<_> = self.sums.iter().filter(|(key, _)| key.0 == kind).collect();
        rows.sort_unstable();
        for ((_, reason, stack), (count, ns)) in rows {
            let mut frames = Vec::new();
            // Go 1.22 has stacks of one frame that says nothing.
            for &(function, file, line) in names.places(*stack).iter().filter(|p| **p != (0, 0, 0)) {
                frames.push(builder.frame_at(names.text(function), names.text(file), line)?);
            }
            let labels = [("reason", names.text(*reason))];
            let labels = if *reason == 0 { &labels[..0] } else { &labels[..] };
            builder.labelled(&frames, &[value(*count), value(*ns)], labels)?;
        }
        Ok(builder.finish())
    }
}

/// The kind of a wait, by the runtime's reason.
fn waits(reason: &str) -> Option<StackKind> {
    if reason == "network" {
        return Some(StackKind::Net);
    }
    ["chan", "sync", "select"].iter().any(|word| reason.contains(word)).then_some(StackKind::Sync)
}

fn between(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}

fn value(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
