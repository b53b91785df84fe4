//! The object graph of a process as an artifact: what holds its memory at the first and at the last
//! sample, so that rules see what grew. Each is read from a copy-on-write snapshot, on a thread of its
//! own: the process stands still for milliseconds, and the samples go on meanwhile. Refused where a
//! snapshot might cost the process its memory limit.

use super::context::Context;
use crate::write::{ArtifactMeta, now};
use crate::{ArtifactKind, BundleError, ProgramHeap, ProgramMemory};
use flate2::Compression;
use flate2::write::GzEncoder;
use heap::Wanted;
use model::HeapOverview;
use std::io::Write;
use std::path::Path;
use std::thread::{self, JoinHandle};
use target::Process;
use target::memory::Snapshot;

/// Rows of each table: rules look at the largest, people at fewer.
const ROWS: usize = 256;
/// What a missing graph hides.
const HIDES: &str = "what holds the memory: the objects, their types and the way to them from a root";

/// A graph that is being read.
pub(super) struct Reading {
    pid: u32,
    thread: JoinHandle<Result<HeapOverview, String>>,
}

impl Reading {
    /// Takes a snapshot of the process and starts reading it.
    pub(super) fn start(pid: u32) -> Option<Self> {
        let thread = thread::Builder::new().name("heap graph".into()).spawn(move || of_process(pid)).ok()?;
        Some(Self { pid, thread })
    }

    /// Waits for it and stores it as that of a sample. Left to itself when the collection was stopped.
    pub(super) fn store(self, cx: &mut Context<'_>, sample: u32) -> Result<(), BundleError> {
        let source = format!("{}{} (snapshot)", crate::MEMORY_SOURCE, self.pid);
        if cx.stopped() && !self.thread.is_finished() {
            return cx.missing(&source, Some(sample), "stopped before it was read", HIDES);
        }
        let read = self.thread.join().unwrap_or_else(|_| Err("its reader failed (a bug in oomph)".to_owned()));
        match read.and_then(|o| packed(&o).map_err(|e| e.to_string()).map(|b| (o, b))) {
            Ok((overview, bytes)) => {
                let mut meta = ArtifactMeta::new(ArtifactKind::HeapGraph, Some(sample), source);
                let ms = overview.pause_ms.unwrap_or(0.0);
                meta.notes.push(format!("the process stood still for {ms:.1} ms"));
                cx.store(&format!("heap/graph-{sample}.json.gz"), &bytes, meta)
            }
            Err(why) => cx.missing(&source, Some(sample), &why, HIDES),
        }
    }
}

fn packed(overview: &HeapOverview) -> std::io::Result<Vec<u8>> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::default());
    serde_json::to_writer(&mut gz, overview)?;
    gz.flush()?;
    gz.finish()
}

fn of_process(pid: u32) -> Result<HeapOverview, String> {
    let process = Process::open(pid).map_err(|e| e.to_string())?;
    let plan = Snapshot::plan(&process).map_err(|e| e.to_string())?;
    let memory = ProgramMemory::snapshot(&process, &plan).map_err(|e| e.to_string())?;
    let taken_at = now();
    let mut overview = overview_of(&memory).map_err(|e| e.to_string())?;
    overview.taken_at = Some(taken_at);
    Ok(overview)
}

/// What a core file holds.
pub(crate) fn of_core(path: &Path, exe: Option<&Path>) -> Result<HeapOverview, String> {
    let failed = |e: crate::ProgramError| match e.hint() {
        "" => e.to_string(),
        hint => format!("{e}; {hint}"),
    };
    overview_of(&ProgramMemory::core(path, exe).map_err(failed)?).map_err(failed)
}

fn overview_of(memory: &ProgramMemory) -> Result<HeapOverview, crate::ProgramError> {
    let told = |heap: &ProgramHeap<'_>| heap.overview(memory, &Wanted::all(ROWS));
    memory.graph(&mut |_| {}, told)?.map_err(|e| crate::ProgramError::Heap(e.into()))
}
