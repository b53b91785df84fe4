//! What the rules about time see of an execution trace: its tables, lines of code in its stacks, steps of a chain with
//! their instants, and who allocated meanwhile. Decides nothing.

mod allocators;

pub(crate) use allocators::Allocator;

use crate::context::Context;
use crate::heap::{is_std, own_frame};
use crate::sites::is_own;
use bundle::Facts;
use model::{
    ChainStep, Finding, Frame, SiteRef, SiteRole, TraceCpuStack, TraceDocument, TraceGoroutines, TraceInstant,
};

/// What rules without a trace say.
pub(crate) const NO_TRACE: &str = "no execution trace was read (oomph trace URL takes one)";

/// Processor time that a CPU sample stands for: `net/http/pprof` takes a hundred a second of each thread.
pub(crate) const SAMPLE_NS: u64 = 10_000_000;

/// Functions of the runtime that run while a map gets a larger table: Go 1.19 to 1.23 (`src/runtime/map.go`), from
/// 1.24 on (`src/internal/runtime/maps/table.go`, `map.go`).
const MAP_GROWTH: [&str; 14] = [
    "runtime.hashGrow",
    "runtime.growWork",
    "runtime.evacuate",
    "runtime.makeBucketArray",
    "internal/runtime/maps.(*table).rehash",
    "internal/runtime/maps.(*table).grow",
    "internal/runtime/maps.(*table).split",
    "internal/runtime/maps.(*table).uncheckedPutSlot",
    "internal/runtime/maps.(*Map).growToTable",
    "internal/runtime/maps.(*Map).growToSmall",
    "internal/runtime/maps.(*Map).installTableSplit",
    "internal/runtime/maps.newTable",
    "internal/runtime/maps.newarray",
    "internal/runtime/maps.newGroups",
];

/// The last execution trace.
#[derive(Clone, Copy)]
pub(crate) struct Time<'a> {
    /// Where it was read from.
    pub(crate) artifact: &'a str,
    /// Its tables.
    pub(crate) trace: &'a TraceDocument,
    main_module: Option<&'a str>,
}

impl<'a> Context<'a> {
    /// The last execution trace, if it is long enough to say something.
    pub(crate) fn time(&self) -> Option<Time<'a>> {
        let facts: &'a Facts = self.facts;
        let last = facts.traces.last().filter(|t| t.value.duration_ns > 0)?;
        let main_module = facts.build.as_ref().and_then(|b| b.value.main_module.as_deref());
        Some(Time { artifact: &last.artifact, trace: &last.value, main_module })
    }
}

impl<'a> Time<'a> {
    /// Length of the trace in seconds.
    pub(crate) fn seconds(&self) -> f64 {
        seconds(self.trace.duration_ns)
    }

    /// Time of all processors, nanoseconds.
    pub(crate) fn capacity_ns(&self) -> f64 {
        self.trace.duration_ns as f64 * self.trace.procs.max(1) as f64
    }

    /// Goroutines of the program: those of the runtime left out.
    pub(crate) fn groups(&self) -> impl Iterator<Item = &'a TraceGoroutines> + use<'a> {
        self.trace.goroutines.iter().filter(|g| !is_runtime(&g.function))
    }

    /// Whether goroutines that began with a function run code of the program: those of the standard library do not, but
    /// for the ones that call its handlers.
    pub(crate) fn runs_own_code(&self, function: &str) -> bool {
        let handlers = ["net/http.(*conn).serve", "net/http.(*http2serverConn).runHandler"];
        self.main_module.is_some_and(|m| is_own(function, m)) || !is_std(function) || handlers.contains(&function)
    }

    /// The frame to show of a stack.
    pub(crate) fn own(&self, stack: &'a [Frame]) -> Option<&'a Frame> {
        own_frame(stack, self.main_module).filter(|f| !f.function.is_empty() && !is_runtime(&f.function))
    }

    /// A stack as a line of code.
    pub(crate) fn site(&self, role: SiteRole, stack: &'a [Frame]) -> Option<SiteRef> {
        self.own(stack).map(|f| site(role, f))
    }

    /// The line of most samples among `stacks`, and how many it has.
    pub(crate) fn hottest(&self, stacks: impl Iterator<Item = &'a TraceCpuStack>) -> Option<(&'a Frame, u64)> {
        let mut lines: Vec<(&Frame, u64)> = Vec::new();
        for s in stacks {
            let Some(frame) = self.own(&s.stack) else { continue };
            match lines.iter_mut().find(|l| l.0 == frame) {
                Some(line) => line.1 += s.samples,
                None => lines.push((frame, s.samples)),
            }
        }
        lines.into_iter().max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(a.0)))
    }

    /// A step of a chain.
    pub(crate) fn step(&self, at: TraceInstant, event: String) -> ChainStep {
        ChainStep { artifact: self.artifact.to_owned(), at_ns: at.at_ns, duration_ns: at.duration_ns, event }
    }

    /// Puts a chain into a finding, in time order.
    pub(crate) fn chain(f: &mut Finding, mut steps: Vec<ChainStep>) {
        steps.sort_by_key(|s| s.at_ns);
        f.chain = steps;
    }
}

/// A frame as a line of a finding.
pub(crate) fn site(role: SiteRole, f: &Frame) -> SiteRef {
    SiteRef { role, function: f.function.clone(), file: f.file.clone(), line: f.line }
}

/// Adds a line that is not there yet.
pub(crate) fn push_site(f: &mut Finding, site: Option<SiteRef>) {
    if let Some(site) = site.filter(|s| !f.sites.iter().any(|o| (o.line, &o.file) == (s.line, &s.file))) {
        f.sites.push(site);
    }
}

/// Whether a function is the runtime's own.
pub(crate) fn is_runtime(function: &str) -> bool {
    function.starts_with("runtime.") || function.starts_with("internal/runtime/")
}

/// Whether a function is neither the runtime's nor of those who write profiles and traces.
pub(crate) fn is_programs(function: &str) -> bool {
    !is_runtime(function) && !function.starts_with("runtime/") && !function.starts_with("net/http/pprof.")
}

/// Whether a stack is inside the growth of a map.
pub(crate) fn grows_map(stack: &[Frame]) -> bool {
    stack.iter().any(|f| MAP_GROWTH.iter().any(|g| f.function.starts_with(g)))
}

/// Whether a stack is inside marking: of a background worker or in an assist.
pub(crate) fn marks(stack: &[Frame]) -> bool {
    let any = |f: &Frame| {
        ["runtime.gcBgMarkWorker", "runtime.gcDrain", "runtime.gcAssist"].iter().any(|m| f.function.starts_with(m))
    };
    stack.iter().any(any)
}

/// Whether a stack is inside an allocation.
pub(crate) fn allocates(stack: &[Frame]) -> bool {
    let any = |f: &Frame| {
        ["runtime.mallocgc", "runtime.newobject", "runtime.growslice", "runtime.makeslice", "runtime.rawstring"]
            .iter()
            .any(|a| f.function.starts_with(a))
    };
    stack.iter().any(any)
}

/// Nanoseconds as seconds.
pub(crate) fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

/// `3.2 ms`, `1.5 s`.
pub(crate) fn span(ns: u64) -> String {
    match ns {
        0..1_000_000 => format!("{:.0} us", ns as f64 / 1e3),
        1_000_000..100_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        100_000_000..1_000_000_000 => format!("{:.0} ms", ns as f64 / 1e6),
        _ => format!("{:.1} s", seconds(ns)),
    }
}

/// A group of goroutines as people say it.
pub(crate) fn named(function: &str) -> &str {
    match function.rsplit('/').next() {
        None | Some("") => "unnamed goroutines",
        Some(short) => short,
    }
}

/// The middle one; 0 of nothing.
pub(crate) fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
