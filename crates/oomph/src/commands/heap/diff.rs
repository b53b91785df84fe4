//! `oomph heap diff`: two heaps, read one after the other; of the first only what is compared is kept.

use super::open;
use crate::args::{HeapDiffArgs, HeapOptions};
use crate::commands::live;
use crate::progress::Reporter;
use crate::target_arg::{self, TargetArg};
use crate::{Failure, Outcome, output};
use bundle::{Bundle, Facts, ProgramMemory};
use heap::Wanted;
use model::HeapOverview;
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

pub(super) fn run(a: &HeapDiffArgs) -> Result<Outcome, Failure> {
    let reporter = Reporter::new(a.options.quiet);
    let [before, after] = match (a.targets.as_slice(), a.for_) {
        ([one], Some(time)) => apart(one, time, &a.options, &reporter)?,
        ([one], None) => ends(one)?,
        ([a1, b1], None) => [side(a1, &a.options, &reporter, true)?, side(b1, &a.options, &reporter, false)?],
        _ => {
            return Err(Failure::new("--for takes two snapshots of one process: name it alone")
                .hint("oomph heap diff --for 30s 4711"));
        }
    };
    let diff = heap::diff(&before, &after, a.options.rows()).map_err(|e| {
        Failure::new(e.to_string()).hint("documents to compare come from oomph heap TARGET -f json -o FILE")
    })?;
    open::print(&diff, &a.options, None, |width| report::heap_diff(&diff, width))?;
    Ok(Outcome::Fine)
}

/// Two snapshots of one process.
fn apart(target: &str, time: Duration, o: &HeapOptions, reporter: &Reporter) -> Result<[HeapOverview; 2], Failure> {
    let arg = target_arg::parse(std::slice::from_ref(&target.to_owned()))?;
    let Some(bundle::CollectTarget::Pid(pid)) = live::target(&arg)? else {
        return Err(Failure::new(format!("{target} is no process")).hint("--for takes two snapshots of a running one"));
    };
    let start = Instant::now();
    let before = census(&open::process(pid, o, reporter)?, reporter)?;
    let reporter = Reporter::new(o.quiet);
    let left = time.saturating_sub(start.elapsed());
    reporter.say(&format!("waiting {:.0} s for the second snapshot", left.as_secs_f64()));
    std::thread::sleep(left);
    let after = census(&open::process(pid, o, &reporter)?, &reporter)?;
    let same = before.process.as_ref().zip(after.process.as_ref()).is_some_and(|(a, b)| a.is_same(b));
    if !same {
        return Err(Failure::new(format!("process {pid} has ended, and another one has its pid now")));
    }
    Ok([before, after])
}

/// The first and the last graph of a bundle.
fn ends(target: &str) -> Result<[HeapOverview; 2], Failure> {
    let path = Path::new(target);
    if !matches!(target_arg::parse(&[target.to_owned()])?, TargetArg::Bundle(_)) {
        return Err(Failure::new(format!("{target}: one heap alone cannot be compared"))
            .hint("name two, or say how long to wait: oomph heap diff --for 30s 4711"));
    }
    let mut graphs = of_bundle(path)?;
    match (graphs.pop(), graphs.drain(..).next()) {
        (Some(last), Some(first)) => Ok([first, last]),
        _ => Err(Failure::new(format!("{target} does not hold two object graphs"))
            .hint("oomph capture PID takes one at the first and one at the last sample")),
    }
}

/// The graphs of a bundle, in time order.
fn of_bundle(path: &Path) -> Result<Vec<HeapOverview>, Failure> {
    let facts = Bundle::open(path)?.facts();
    Ok(facts.samples.into_iter().filter_map(|s| Some(*s.graph?.value)).collect())
}

/// One side: a process, core file, saved document, or a graph of a bundle: the first of the earlier side, the last of
/// the later one.
fn side(target: &str, o: &HeapOptions, reporter: &Reporter, earlier: bool) -> Result<HeapOverview, Failure> {
    match target_arg::parse(std::slice::from_ref(&target.to_owned()))? {
        TargetArg::Bundle(path) => {
            let mut graphs = of_bundle(&path)?;
            let graph = if earlier { graphs.drain(..).next() } else { graphs.pop() };
            graph.ok_or_else(|| Failure::new(format!("{target} holds no object graph")))
        }
        TargetArg::Files(files) => match files.as_slice() {
            [file] if is_document(file)? => document(file, o),
            _ => census(&open::open(target, o, reporter)?, reporter),
        },
        _ => census(&open::open(target, o, reporter)?, reporter),
    }
}

/// Whether a file is a saved document, compressed perhaps, and not a core file.
fn is_document(file: &Path) -> Result<bool, Failure> {
    let mut head = [0; 64];
    let n = std::fs::File::open(file)
        .and_then(|mut f| f.read(&mut head))
        .map_err(|e| Failure::io(file.display().to_string(), &e))?;
    let head = head.get(..n).unwrap_or_default().trim_ascii_start();
    Ok(head.starts_with(b"{") || (head.starts_with(&[0x1f, 0x8b]) && file.to_string_lossy().ends_with(".json.gz")))
}

fn document(file: &Path, o: &HeapOptions) -> Result<HeapOverview, Failure> {
    let facts = Facts::of_files(&[file.to_owned()], o.exe.as_deref())?;
    let graph = facts.samples.into_iter().find_map(|s| s.graph);
    graph.map(|g| *g.value).ok_or_else(|| {
        Failure::new(format!("{}: expected a document of schema {}", file.display(), model::HEAP_SCHEMA))
            .hint("documents to compare come from oomph heap TARGET -f json -o FILE")
    })
}

/// What of a heap is compared.
fn census(memory: &ProgramMemory, reporter: &Reporter) -> Result<HeapOverview, Failure> {
    let wanted = Wanted { census: true, ..Wanted::default() };
    let overview = open::read(memory, reporter, |heap| Ok(heap.overview(memory, &wanted)?))?;
    overview.limits.iter().for_each(|l| output::note(l));
    Ok(overview)
}
