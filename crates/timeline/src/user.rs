//! What the program says of itself by `runtime/trace`: tasks, regions, logs.

use crate::names::{Name, Names};
use crate::stw::times_of;
use model::{TraceInstant, TraceLog, TraceSpans, TraceUser};
use rustc_hash::FxHashMap;
use signals::LogQuantiles;
use std::cmp::Reverse;
use trace::Phase;

/// Most tasks that are open at a time, and goroutines in regions.
const MOST_OPEN: usize = 1 << 18;
/// Most regions inside each other.
const MOST_DEEP: usize = 256;
/// Most types and categories.
const MOST_TYPES: usize = 1 << 12;
/// Bytes of a log message that are kept.
const MOST_TEXT: usize = 200;

/// Tasks or regions of one type.
#[derive(Debug, Default)]
struct Spans {
    times: LogQuantiles,
    open: u64,
    longest: TraceInstant,
}

impl Spans {
    fn add(&mut self, start: u64, end: u64) {
        let time = end.saturating_sub(start);
        self.times.add(time);
        if time > self.longest.duration_ns {
            self.longest = TraceInstant { at_ns: start, duration_ns: time };
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct User {
    open_tasks: FxHashMap<u64, (u64, Name)>,
    tasks: FxHashMap<Name, Spans>,
    open_regions: FxHashMap<i64, Vec<(u64, u64, Name)>>,
    regions: FxHashMap<Name, Spans>,
    logs: FxHashMap<Name, TraceLog>,
}

impl User {
    pub(crate) fn task_begins(&mut self, at: u64, task: u64, name: Name) {
        if self.open_tasks.len() < MOST_OPEN {
            self.open_tasks.insert(task, (at, name));
        }
    }

    pub(crate) fn task_ends(&mut self, at: u64, task: u64) {
        if let Some((start, name)) = self.open_tasks.remove(&task)
            && let Some(spans) = bounded(&mut self.tasks, name)
        {
            spans.add(start, at);
        }
    }

    pub(crate) fn region(&mut self, at: u64, goroutine: i64, phase: Phase, (task, name): (u64, Name)) {
        if phase == Phase::Begin {
            if self.open_regions.len() < MOST_OPEN || self.open_regions.contains_key(&goroutine) {
                let open = self.open_regions.entry(goroutine).or_default();
                if open.len() < MOST_DEEP {
                    open.push((at, task, name));
                }
            }
            return;
        }
        // Regions end in the order they began in, the innermost first; one that does not fit began before the trace.
        let Some(open) = self.open_regions.get_mut(&goroutine) else { return };
        if open.last().is_none_or(|last| (last.1, last.2) != (task, name)) {
            return;
        }
        if let Some((start, ..)) = open.pop()
            && let Some(spans) = bounded(&mut self.regions, name)
        {
            spans.add(start, at);
        }
    }

    /// A goroutine ended, and so did its regions.
    pub(crate) fn ended(&mut self, goroutine: i64) {
        self.open_regions.remove(&goroutine);
    }

    pub(crate) fn log(&mut self, at: u64, category: Name, message: &[u8]) {
        let Some(log) = bounded(&mut self.logs, category) else { return };
        log.count += 1;
        log.last_ns = at;
        log.last = String::from_utf8_lossy(message.get(..MOST_TEXT).unwrap_or(message)).into_owned();
    }

    pub(crate) fn told(mut self, names: &Names, rows: usize) -> TraceUser {
        for (_, name) in self.open_tasks.values() {
            if let Some(spans) = bounded(&mut self.tasks, *name) {
                spans.open += 1;
            }
        }
        for (.., name) in self.open_regions.values().flatten() {
            if let Some(spans) = bounded(&mut self.regions, *name) {
                spans.open += 1;
            }
        }
        let log = |(name, log): (Name, TraceLog)| TraceLog { category: names.text(name).to_owned(), ..log };
        let mut logs: Vec<TraceLog> = self.logs.into_iter().map(log).collect();
        logs.sort_by(|a, b| (Reverse(a.count), &a.category).cmp(&(Reverse(b.count), &b.category)));
        logs.truncate(rows);
        TraceUser { tasks: spans(self.tasks, names, rows), regions: spans(self.regions, names, rows), logs }
    }
}

fn bounded<T: Default>(of: &mut FxHashMap<Name, T>, name: Name) -> Option<&mut T> {
    (of.len() < MOST_TYPES || of.contains_key(&name)).then(|| of.entry(name).or_default())
}

fn spans(of: FxHashMap<Name, Spans>, names: &Names, rows: usize) -> Vec<TraceSpans> {
    let row = |(name, s): (Name, Spans)| TraceSpans {
        name: names.text(name).to_owned(),
        times: times_of(&s.times),
        open: s.open,
        longest: s.longest,
    };
    let mut list: Vec<TraceSpans> = of.into_iter().map(row).collect();
    list.sort_by(|a, b| (Reverse(a.times.total_ns), &a.name).cmp(&(Reverse(b.times.total_ns), &b.name)));
    list.truncate(rows);
    list
}
