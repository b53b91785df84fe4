//! `oomph heap`: has the memory of a process or core file read and a question answered; prints the answer.

mod diff;
mod export;
mod open;

use crate::args::{
    ContainerOrder, Heap, HeapContainersArgs, HeapFormat, HeapOptions, HeapQuestion, HeapTarget, HeapView,
};
use crate::progress::Reporter;
use crate::{Failure, Outcome};
use bundle::ProgramHeap;
use heap::containers::{ContainerKind, ContainerOptions};
use heap::{ContainerSort, NotFound, Pattern, Wanted};
use model::{HEAP_HOLDERS_SCHEMA, HEAP_RETAINED_SCHEMA, HeapHolders, HeapOverview};

/// Rows of each table that rules look at, at least.
const SEEN_BY_RULES: usize = 256;

pub(super) fn run(a: &Heap) -> Result<Outcome, Failure> {
    use HeapQuestion as Q;
    let rows = a.options().rows();
    let none = Wanted { rows, ..Wanted::default() };
    match &a.question {
        None => shown(a, &none),
        Some(Q::Types(t)) => overview(t, &Wanted { types: true, ..none }),
        Some(Q::Roots(t)) => overview(t, &Wanted { roots: true, ..none }),
        Some(Q::Goroutines(t)) => overview(t, &Wanted { goroutines: true, ..none }),
        Some(Q::Chains(t)) => overview(t, &Wanted { depth: true, ..none }),
        Some(Q::Duplicates(t)) => {
            overview(t, &Wanted { containers: containers(&t.options, t.options.rows()), duplicates_only: true, ..none })
        }
        Some(Q::Containers(c)) => {
            let containers = containers(&c.of.options, rows);
            overview(&c.of, &Wanted { containers, sort: sort(c), kind: kind(c.kind.as_deref())?, ..none })
        }
        Some(Q::Holders { of, what }) => holders(of, what),
        Some(Q::Retained { of, pattern }) => retained(of, pattern),
        Some(Q::Diff(d)) => diff::run(d),
        Some(Q::Export(e)) => export::run(e),
    }
}

/// No question: the overview, or what `--show` names.
fn shown(a: &Heap, none: &Wanted) -> Result<Outcome, Failure> {
    let t = HeapTarget { target: a.target.clone().unwrap_or_default(), options: a.options.clone() };
    let containers = containers(&t.options, t.options.rows());
    let wanted = match a.show {
        None => return suspects(&t),
        Some(HeapView::Overview) => whole(&t, &Wanted::all(none.rows)),
        Some(HeapView::Containers) => Wanted { containers, kind: kind(a.kind.as_deref())?, ..*none },
        Some(HeapView::Strings) => Wanted { containers, duplicates_only: true, ..*none },
        Some(HeapView::Types) => Wanted { types: true, ..*none },
        Some(HeapView::Holders) => Wanted { holders: true, ..*none },
        Some(HeapView::Goroutines) => Wanted { goroutines: true, ..*none },
        Some(HeapView::Chains) => Wanted { depth: true, ..*none },
    };
    overview(&t, &wanted)
}

/// The overview: people get what matters first, documents and pages all of it.
fn whole(t: &HeapTarget, all: &Wanted) -> Wanted {
    match t.options.format {
        HeapFormat::Json => Wanted { containers: containers(&t.options, t.options.rows()), ..*all },
        // What is compared is for programs.
        HeapFormat::Html => Wanted { containers: containers(&t.options, t.options.rows()), census: false, ..*all },
        // A terminal has no room for the tree.
        HeapFormat::Text => Wanted { containers: None, depth: false, roots: false, census: false, tree: 0, ..*all },
    }
}

/// The overview, and what the rules make of it.
fn suspects(t: &HeapTarget) -> Result<Outcome, Failure> {
    let rows = t.options.rows();
    let shown = whole(t, &Wanted::all(rows));
    let thresholds = crate::config::thresholds(None)?;
    let seen = rows.max(SEEN_BY_RULES);
    let containers = containers(&t.options, seen);
    let wanted = Wanted { tree: shown.tree, census: shown.census, containers, ..Wanted::all(seen) };
    let reporter = Reporter::new(t.options.quiet);
    let memory = open::open(&t.target, &t.options, &reporter)?;
    let mut overview = open::read(&memory, &reporter, |heap| Ok(heap.overview(&memory, &wanted)?))?;
    overview.suspects = diagnose::suspects(&overview, &thresholds);
    overview.truncate(rows);
    if shown.containers.is_none() {
        overview.containers = None;
        overview.depth = None;
        overview.roots.clear();
    }
    print(&overview, t)
}

fn print(overview: &HeapOverview, t: &HeapTarget) -> Result<Outcome, Failure> {
    let html = || report::heap_html(overview);
    open::print(overview, &t.options, Some(&html), |width| report::heap_overview(overview, width))?;
    Ok(Outcome::Fine)
}

fn containers(o: &HeapOptions, rows: usize) -> Option<ContainerOptions> {
    Some(ContainerOptions { show_keys: o.show_keys, ..Wanted::all(rows).containers? })
}

const fn sort(c: &HeapContainersArgs) -> ContainerSort {
    match c.sort {
        ContainerOrder::Largest => ContainerSort::Largest,
        ContainerOrder::Retained => ContainerSort::Retained,
        ContainerOrder::Waste => ContainerSort::Waste,
        ContainerOrder::Ghost => ContainerSort::Ghost,
        ContainerOrder::Entries => ContainerSort::Entries,
        ContainerOrder::Own => ContainerSort::Own,
    }
}

/// The kind of containers of a name.
fn kind(name: Option<&str>) -> Result<Option<ContainerKind>, Failure> {
    let Some(name) = name else { return Ok(None) };
    let all = || ContainerKind::ALL.map(ContainerKind::name).join(", ");
    let kind = ContainerKind::by_name(name);
    kind.map(Some).ok_or_else(|| Failure::new(format!("`{name}` is no kind of container")).hint(all()))
}

/// Parts of the overview.
fn overview(t: &HeapTarget, wanted: &Wanted) -> Result<Outcome, Failure> {
    let reporter = Reporter::new(t.options.quiet);
    let memory = open::open(&t.target, &t.options, &reporter)?;
    let mut overview = open::read(&memory, &reporter, |heap| Ok(heap.overview(&memory, wanted)?))?;
    if let Some(containers) = overview.containers.as_mut().filter(|_| !wanted.types && !wanted.duplicates_only) {
        // Strings with the same content have a question of their own.
        containers.duplicates.largest.clear();
    }
    print(&overview, t)
}

/// An address as people and tools write it.
fn address(text: &str) -> Option<Result<u64, Failure>> {
    let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))?;
    Some(
        u64::from_str_radix(hex, 16)
            .map_err(|e| Failure::new(format!("`{text}` is no address: {e}")).hint("an address reads 0xc000123450")),
    )
}

fn holders(t: &HeapTarget, what: &str) -> Result<Outcome, Failure> {
    let address = address(what).transpose()?;
    let pattern = if address.is_none() { Some(self::pattern(what)?) } else { None };
    let reporter = Reporter::new(t.options.quiet);
    let memory = open::open(&t.target, &t.options, &reporter)?;
    let read = |heap: &ProgramHeap<'_>| {
        let mut answer = HeapHolders { head: heap.head(&memory, HEAP_HOLDERS_SCHEMA), object: None, of_type: None };
        if let Some(address) = address {
            answer.object = Some(heap.graph.holders_of_address(heap.names, address).map_err(|e| not_found(&e))?);
        }
        if let Some(pattern) = &pattern {
            let of_type = heap.graph.holders_of_types(heap.names, pattern, t.options.rows());
            answer.of_type = Some(of_type.map_err(|e| not_found(&e))?);
        }
        Ok(answer)
    };
    let answer = open::read(&memory, &reporter, read)?;
    open::print(&answer, &t.options, None, |width| report::heap_holders(&answer, width))?;
    Ok(Outcome::Fine)
}

fn retained(t: &HeapTarget, text: &str) -> Result<Outcome, Failure> {
    let pattern = pattern(text)?;
    let reporter = Reporter::new(t.options.quiet);
    let memory = open::open(&t.target, &t.options, &reporter)?;
    let read = |heap: &ProgramHeap<'_>| {
        let head = heap.head(&memory, HEAP_RETAINED_SCHEMA);
        let rows = t.options.rows();
        let answer =
            heap.graph.retained_without(heap.names, &pattern, heap.process.main_module.as_deref(), rows, head)?;
        answer.ok_or_else(|| {
            Failure::new(format!("nothing in this heap matches `{text}`")).hint(
                "a type as oomph heap types lists it, the import path of a package or module, a variable, a goroutine's \
                 function; with * and ? for any letters",
            )
        })
    };
    let answer = open::read(&memory, &reporter, read)?;
    open::print(&answer, &t.options, None, |width| report::heap_retained(&answer, width))?;
    Ok(Outcome::Fine)
}

fn pattern(text: &str) -> Result<Pattern, Failure> {
    Pattern::parse(text).map_err(|e| {
        Failure::new(e.to_string()).hint("a name as oomph heap types lists it, * and ? for any letters, or /REGEX/")
    })
}

fn not_found(e: &NotFound) -> Failure {
    let failure = Failure::new(e.to_string());
    match e {
        NotFound::NoType { .. } => failure.hint("oomph heap types lists the types; * and ? stand for any letters"),
        NotFound::Stack { .. } => failure.hint("oomph heap goroutines tells of goroutines"),
        NotFound::Variable { .. } => failure.hint("oomph heap retained takes the name of a variable"),
        _ => failure,
    }
}
