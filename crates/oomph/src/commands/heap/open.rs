//! Whose heap is read: a process or a core file, named on the command line.

use crate::args::{HeapFormat, HeapOptions, SnapshotMode};
use crate::commands::live;
use crate::progress::Reporter;
use crate::target_arg::{self, TargetArg};
use crate::{Failure, output};
use bundle::{ProgramError, ProgramHeap, ProgramMemory};
use std::path::Path;
use target::Process;
use target::memory::Snapshot;

/// Opens the memory of `target`.
pub(super) fn open(target: &str, o: &HeapOptions, reporter: &Reporter) -> Result<ProgramMemory, Failure> {
    match target_arg::parse(std::slice::from_ref(&target.to_owned()))? {
        TargetArg::Files(files) => match files.as_slice() {
            [file] => core(file, o),
            _ => Err(Failure::new("name one core file")),
        },
        arg @ (TargetArg::Pid(_) | TargetArg::Name(_)) => match live::target(&arg)? {
            Some(bundle::CollectTarget::Pid(pid)) => process(pid, o, reporter),
            _ => Err(Failure::new("no process")),
        },
        TargetArg::Url(_) | TargetArg::Bundle(_) => {
            Err(Failure::new(format!("{target}: the heap is read from a process or a core file"))
                .hint("name a pid on this host, or a core file; oomph diagnose takes URLs and bundles"))
        }
    }
}

/// A core file.
pub(super) fn core(file: &Path, o: &HeapOptions) -> Result<ProgramMemory, Failure> {
    let memory = ProgramMemory::core(file, o.exe.as_deref()).map_err(failure)?;
    Ok(if o.no_index { memory } else { memory.with_index() })
}

/// A process.
pub(super) fn process(pid: u32, o: &HeapOptions, reporter: &Reporter) -> Result<ProgramMemory, Failure> {
    let process = Process::open(pid)?;
    if o.collapse {
        reporter.say("putting the heap into huge pages");
        let done = target::memory::collapse(&process)?;
        output::note(&format!("{} put into huge pages, {} left as it was", done.done, done.left));
    }
    match o.snapshot {
        SnapshotMode::Fork => {
            let plan = Snapshot::plan(&process)?;
            reporter.say(&plan.to_string());
            ProgramMemory::snapshot(&process, &plan)
                .map_err(|e| failure(e).hint("--snapshot stop copies while it stands still, none reads it running"))
        }
        SnapshotMode::Stop => ProgramMemory::copy(&process).map_err(failure),
        SnapshotMode::None => ProgramMemory::running(&process).map_err(failure),
    }
}

/// Reads the heap and hands it to `then`.
pub(super) fn read<T>(
    memory: &ProgramMemory,
    reporter: &Reporter,
    then: impl FnOnce(&ProgramHeap<'_>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let answered = |heap: &ProgramHeap<'_>| {
        reporter.say("answering");
        if let Some(index) = heap.index {
            output::note(&format!("index: {index}"));
        }
        then(heap)
    };
    let answer = memory.graph(&mut |step| reporter.say(step.text()), answered);
    reporter.done();
    answer.map_err(failure)?
}

fn failure(e: ProgramError) -> Failure {
    match e.hint() {
        "" => Failure::from(e),
        hint => Failure::new(e.to_string()).hint(hint),
    }
}

/// Writes a document in the form that was asked for.
pub(super) fn print<T: serde::Serialize>(
    document: &T,
    o: &HeapOptions,
    html: Option<&dyn Fn() -> String>,
    text: impl FnOnce(usize) -> String,
) -> Result<(), Failure> {
    let to = o.output.as_deref();
    match (o.format, html) {
        (HeapFormat::Text, _) => output::write_text(to, text),
        (HeapFormat::Html, Some(html)) => output::write(to, html().as_bytes()),
        (HeapFormat::Html, None) => {
            Err(Failure::new("this answer has no page").hint("oomph heap TARGET -f html shows all of a heap"))
        }
        (HeapFormat::Json, _) => output::write(to, output::json(document)?.as_bytes()),
    }
}
