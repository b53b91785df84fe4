//! GC logs: joins the runtime's lines with the processes they are of and the signals they show. Owns what a whole log
//! comes to ([`model::GcLog`]) and what is worth saying while it is still being written; refuses to read files.
//! Memory is constant: a bounded number of processes, and of each a bounded number of points.

mod cost;
mod process;
mod words;

use crate::Thresholds;
use gclog::{Broken, Found, Place, ProcessId, Processes, Reader, Record};
use model::{GCLOG_SCHEMA, GcLog, GcLogBroken, GcLogBrokenAt, GcLogBrokenReason, GcLogInstant, GcLogProcess, Severity};
use process::Watched;
use signals::GcThresholds;
use std::collections::BTreeMap;

/// Broken lines whose place is kept.
const BROKEN_SHOWN: usize = 20;
/// Processes that are told of in the end.
const PROCESSES_SHOWN: usize = 256;

/// Something that begins to stand out.
#[derive(Clone, Debug, PartialEq)]
pub struct GcLogNote {
    /// Which process, from 0 in order of appearance.
    pub process: u32,
    /// How grave.
    pub severity: Severity,
    /// At which collection.
    pub at: GcLogInstant,
    /// As [`model::GcLogSignal::id`].
    pub id: &'static str,
    /// As [`model::GcLogSignal::summary`].
    pub summary: String,
}

/// Reads a log block by block.
#[derive(Debug)]
pub struct GcLogReading {
    reader: Reader,
    state: State,
}

#[derive(Debug)]
struct State {
    thresholds: Thresholds,
    gc: GcThresholds,
    processes: Processes,
    active: Vec<Active>,
    ended: BTreeMap<u32, GcLogProcess>,
    more: u64,
    broken: BTreeMap<(&'static str, &'static str), u64>,
    first_broken: Vec<GcLogBrokenAt>,
    seen: u64,
    waiting: Waiting,
}

#[derive(Debug)]
struct Active {
    id: ProcessId,
    seen: u64,
    watched: Watched,
}

/// Lines without a number that the runtime prints before the collection they belong to.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    periodic: bool,
    pacer: Option<gclog::PacerEnd>,
}

impl GcLogReading {
    /// At the start of a log.
    #[must_use]
    pub fn new(thresholds: &Thresholds) -> Self {
        let state = State {
            thresholds: thresholds.clone(),
            gc: words::thresholds(thresholds),
            processes: Processes::new(),
            active: Vec::new(),
            ended: BTreeMap::new(),
            more: 0,
            broken: BTreeMap::new(),
            first_broken: Vec::new(),
            seen: 0,
            waiting: Waiting::default(),
        };
        Self { reader: Reader::new(), state }
    }

    /// Takes the next block; `on` gets what begins to stand out.
    pub fn feed(&mut self, block: &[u8], on: &mut dyn FnMut(GcLogNote)) {
        let state = &mut self.state;
        self.reader.feed(block, &mut |f| state.take(&f, on));
    }

    /// Whether a line of the runtime's, or a piece of one, was seen.
    #[must_use]
    pub fn found(&self) -> bool {
        self.state.processes.count() > 0 || !self.state.broken.is_empty()
    }

    /// The log has ended: what it comes to. `source` is its name, `oomph` the version of oomph.
    #[must_use]
    pub fn finish(mut self, source: &str, oomph: &str, on: &mut dyn FnMut(GcLogNote)) -> GcLog {
        let state = &mut self.state;
        self.reader.finish(&mut |f| state.take(&f, on));
        for a in std::mem::take(&mut state.active) {
            state.end(a);
        }
        let broken = state.broken();
        let limits = state.limits();
        GcLog {
            schema: GCLOG_SCHEMA.to_owned(),
            oomph: oomph.to_owned(),
            source: source.to_owned(),
            bytes: self.reader.bytes(),
            lines: self.reader.lines(),
            processes: std::mem::take(&mut state.ended).into_values().collect(),
            more_processes: state.more,
            broken,
            limits,
        }
    }
}

impl State {
    fn take(&mut self, found: &Found<'_>, on: &mut dyn FnMut(GcLogNote)) {
        match &found.record {
            Record::Cycle(c) => self.cycle(c, found, on),
            Record::Periodic => self.waiting.periodic = true,
            Record::PacerEnd(p) => self.waiting.pacer = Some(*p),
            Record::Scavenge(s) => {
                if let Some(watched) = self.latest() {
                    watched.scavenge(s);
                }
            }
            Record::Broken(b) => self.break_at(*b, found.place),
            Record::PacerStart(_) | Record::SweepDone(_) | Record::Scan(_) => {}
        }
    }

    fn latest(&mut self) -> Option<&mut Watched> {
        self.active.iter_mut().max_by_key(|a| a.seen).map(|a| &mut a.watched)
    }

    fn cycle(&mut self, c: &gclog::Cycle, found: &Found<'_>, on: &mut dyn FnMut(GcLogNote)) {
        self.seen = self.seen.saturating_add(1);
        let assigned = self.processes.assign(c, found.prefix);
        let waiting = std::mem::take(&mut self.waiting);
        let position = self.active.iter().position(|a| a.id == assigned.process);
        let active = match position.and_then(|p| self.active.get_mut(p)) {
            Some(active) => active,
            None => {
                self.make_room();
                let watched = Watched::new(self.gc);
                self.active.push(Active { id: assigned.process, seen: 0, watched });
                let Some(active) = self.active.last_mut() else { return };
                active
            }
        };
        active.seen = self.seen;
        let id = assigned.process.0;
        let watched = &mut active.watched;
        watched.periodic(waiting.periodic);
        if let Some(p) = waiting.pacer {
            watched.pacer(&p);
        }
        let missing = if assigned.new { 0 } else { assigned.missing };
        let gc = &self.gc;
        watched.cycle(c, found.place, missing, &mut |at, signal| {
            let (id_of, severity) = words::kind(signal, gc);
            let summary = words::summary(signal, gc);
            on(GcLogNote { process: id, severity, at, id: id_of, summary });
        });
    }

    /// The reader knows as many processes: the one quiet for longest is not told apart any more.
    fn make_room(&mut self) {
        while self.active.len() >= Processes::MOST {
            let Some(quiet) = (0..self.active.len()).min_by_key(|&i| self.active.get(i).map(|a| a.seen)) else {
                return;
            };
            let quiet = self.active.swap_remove(quiet);
            self.end(quiet);
        }
    }

    fn end(&mut self, a: Active) {
        if self.ended.len() >= PROCESSES_SHOWN {
            self.more = self.more.saturating_add(1);
        } else {
            self.ended.insert(a.id.0, a.watched.finish(&self.thresholds, &self.gc));
        }
    }

    fn break_at(&mut self, b: Broken, place: Place) {
        let (kind, why) = (words::line_kind(b.kind), words::why(b.why));
        let n = self.broken.entry((kind, why)).or_default();
        *n = n.saturating_add(1);
        if self.first_broken.len() < BROKEN_SHOWN {
            let (kind, why) = (kind.to_owned(), why.to_owned());
            self.first_broken.push(GcLogBrokenAt { kind, why, line: place.line, offset: place.offset });
        }
    }

    fn broken(&mut self) -> GcLogBroken {
        let mut reasons: Vec<_> = std::mem::take(&mut self.broken)
            .into_iter()
            .map(|((kind, why), count)| GcLogBrokenReason { kind: kind.to_owned(), why: why.to_owned(), count })
            .collect();
        reasons.sort_by_key(|r| std::cmp::Reverse(r.count));
        let count = reasons.iter().fold(0_u64, |n, r| n.saturating_add(r.count));
        GcLogBroken { count, reasons, first: std::mem::take(&mut self.first_broken) }
    }

    fn limits(&self) -> Vec<String> {
        let mut limits = Vec::new();
        if self.more > 0 {
            limits.push(format!("{} more processes are counted, not told of", self.more));
        }
        let missing: u64 = self.ended.values().map(|p| p.missing).fold(0, u64::saturating_add);
        if missing > 0 {
            limits.push(format!("of {missing} collections there is no whole line; what they say is not known"));
        }
        limits
    }
}
