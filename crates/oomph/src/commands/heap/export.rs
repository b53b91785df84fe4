//! `oomph heap export`: the graph as files for other tools.

use super::open;
use crate::args::{HeapExportArgs, TreeOrder};
use crate::progress::Reporter;
use crate::{Failure, Outcome, output};
use bundle::ProgramHeap;
use heap::Follow;
use model::Bytes;

pub(super) fn run(a: &HeapExportArgs) -> Result<Outcome, Failure> {
    let reporter = Reporter::new(a.of.options.quiet);
    let memory = open::open(&a.of.target, &a.of.options, &reporter)?;
    let taken_at = memory.taken_at.unwrap_or_else(bundle::now);
    let mut notes = Vec::new();
    let write = |heap: &ProgramHeap<'_>| -> Result<(), Failure> {
        if let Some(path) = &a.pprof {
            let follow = match a.tree {
                TreeOrder::Dominators => Follow::Dominators,
                TreeOrder::Shortest => Follow::Shortest,
            };
            let nanos = taken_at.0.saturating_mul(1_000_000);
            let profile = export::holder_profile(heap.graph, heap.names, follow, nanos)?;
            output::write(Some(path), &profile.write())?;
            notes.push(format!("{}: {} stacks; go tool pprof opens it", path.display(), profile.sample_count()));
        }
        if let Some(dir) = &a.parquet {
            for t in export::write_tables(heap.graph, heap.names, dir, &mut |what| reporter.say(what))? {
                let bytes = std::fs::metadata(&t.path).map_or(0, |m| m.len());
                notes.push(format!("{}: {} rows, {}", t.path.display(), model::format_count(t.rows), Bytes(bytes)));
            }
        }
        Ok(())
    };
    open::read(&memory, &reporter, write)?;
    notes.iter().for_each(|n| output::note(n));
    Ok(Outcome::Fine)
}
