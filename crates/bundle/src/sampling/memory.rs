//! The Go runtime's own numbers, out of the memory of the process: nothing is asked of it and nothing stops.

use crate::collect::outside::ProgramFile;
use gobinary::find_modules;
use goruntime::{Pulse, PulseAnchors};
use signals::{Column, Sample};
use std::ops::Range;
use std::sync::Arc;
use target::Process;
use target::memory::LiveMemory;

/// GOMEMLIMIT from here on is none (`math.MaxInt64`).
const NO_LIMIT: u64 = i64::MAX as u64;
/// Samples between two searches for what the runtime keeps of collections double up to this many.
const MOST_REST: u32 = 512;

/// Reads the runtime's numbers of one process.
#[derive(Debug)]
pub struct RuntimeSampler {
    memory: LiveMemory,
    file: Arc<ProgramFile>,
    anchors: PulseAnchors,
    /// Where the program's variables are.
    data: Range<u64>,
    /// Whether everything that is kept of collections was found; else when to look again, in samples.
    complete: bool,
    look_in: u32,
    looked: u32,
    /// Collections at the last sample.
    collections: Option<u32>,
    /// Wall time of the last finished one, seconds.
    wall_s: Option<f64>,
}

impl RuntimeSampler {
    /// Looks for the runtime's variables: some milliseconds, once in the life of a process.
    ///
    /// # Errors
    /// Why they cannot be had: no permission (and which), no Go program, an unknown release, too early in its
    /// life. Without a full stop.
    pub fn open(process: &Process) -> Result<Self, String> {
        let memory = LiveMemory::open(process).map_err(|e| e.to_string())?;
        let file = ProgramFile::of(process)?;
        let layout = &file.layout;
        let modules = find_modules(&memory, layout, None).map_err(|e| e.to_string())?;
        let data = modules.first().map_or(0..0, |m| m.noptrdata..m.enoptrbss);
        let mut anchors = PulseAnchors::search(&memory, layout, data.clone()).map_err(|e| e.to_string())?;
        let complete = anchors.search_collections(&memory, layout, data.clone());
        Ok(Self { memory, anchors, file, data, complete, look_in: 1, looked: 0, collections: None, wall_s: None })
    }

    /// The toolchain that built the program.
    #[must_use]
    pub fn go_version(&self) -> &str {
        &self.file.go_version
    }

    /// Fills in the runtime's numbers; `false` when there are none any more.
    pub fn sample(&mut self, s: &mut Sample) -> bool {
        let Some(pulse) = self.anchors.read(&self.memory, &self.file.layout, self.collections) else { return false };
        fill(s, &pulse);
        if let Some(c) = pulse.collections {
            s.set(Column::GcPauses, c.pause_total_ns as f64 / 1e9);
            if self.collections.is_some() {
                s.set(Column::GcPauseMax, c.longest_pause_ns as f64 / 1e9);
            }
            self.collections = Some(c.count);
            // While one runs, the last finished one is the one before it.
            self.wall_s = c.wall_ns.map(|ns| ns as f64 / 1e9).or(self.wall_s);
            s.put(Column::GcWall, self.wall_s);
        }
        if !self.complete && pulse.cycles > 0 {
            self.look_again();
        }
        true
    }

    /// Looks for what the runtime keeps of collections: nothing was there before the first one. A walk over the
    /// program's variables, so less and less often.
    fn look_again(&mut self) {
        self.look_in = self.look_in.saturating_sub(1);
        if self.look_in > 0 {
            return;
        }
        self.complete = self.anchors.search_collections(&self.memory, &self.file.layout, self.data.clone());
        self.looked += 1;
        self.look_in = 1_u32.checked_shl(self.looked).unwrap_or(MOST_REST).min(MOST_REST);
    }
}

fn fill(s: &mut Sample, p: &Pulse) {
    let size = |v: u64| v as f64;
    // Before the first collection nothing was ever marked.
    if p.cycles > 0 {
        s.set(Column::HeapLive, size(p.marked));
    }
    s.set(Column::HeapAlloc, size(p.heap));
    s.set(Column::HeapGoal, size(p.goal));
    s.set(Column::HeapInuse, size(p.in_use));
    s.set(Column::HeapIdle, size(p.free));
    s.set(Column::HeapReleased, size(p.released));
    s.set(Column::TotalAlloc, size(p.total_alloc));
    s.set(Column::Mapped, size(p.mapped_ready));
    s.set(Column::Gogc, f64::from(p.gc_percent));
    if p.memory_limit < NO_LIMIT {
        s.set(Column::MemoryLimit, size(p.memory_limit));
    }
    s.set(Column::GcCycles, f64::from(p.cycles));
    s.set(Column::GcMarkCpu, size(p.mark_nanos) / 1e9);
    s.put(Column::Goroutines, p.goroutine_descriptors.map(size));
}
