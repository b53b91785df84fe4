//! Who allocated while a trace was taken: from the heap profiles before and after it where there are two, else from CPU
//! samples inside allocations, else from the stacks of mark assists.

use super::{Time, allocates};
use crate::context::Context;
use crate::evidence::round3;
use crate::sites::{Site, SiteTable};
use model::{Frame, Mechanism, TraceAllocated};

/// Samples below which shares say nothing.
const LEAST_SAMPLES: u64 = 10;

/// A line that allocates.
#[derive(Clone, Debug)]
pub(crate) struct Allocator<'a> {
    /// The line.
    pub(crate) frame: &'a Frame,
    /// How, where a heap profile tells.
    pub(crate) mechanism: Option<Mechanism>,
    /// Its heaviest stack, innermost first.
    pub(crate) stack: Vec<&'a Frame>,
    /// Bytes and objects per second; 0 where only samples tell.
    pub(crate) bytes_per_s: f64,
    pub(crate) objects_per_s: f64,
    /// Share of all that was allocated, or of all samples inside allocations.
    pub(crate) share: f64,
    /// Where it was read from.
    pub(crate) artifact: &'a str,
    /// What `share` is of.
    pub(crate) of: &'static str,
}

impl Allocator<'_> {
    /// As plain data.
    pub(crate) fn told(&self) -> TraceAllocated {
        // The runtime's profile keeps the innermost frames: an entry point is one that goroutines begin with.
        let began = self.stack.last().filter(|f| *f != &self.frame);
        TraceAllocated {
            frame: self.frame.clone(),
            mechanism: self.mechanism,
            bytes_per_s: round3(self.bytes_per_s),
            objects_per_s: round3(self.objects_per_s),
            share: round3(self.share),
            of: self.of.to_owned(),
            goroutine: began.map_or_else(String::new, |f| f.function.clone()),
        }
    }
}

impl<'a> Time<'a> {
    /// Lines that allocate, those that allocate most first; of the goroutines that began with `group` where one is named
    /// and known to the stacks.
    pub(crate) fn allocators(&self, cx: &'a Context<'_>, group: Option<&str>) -> Vec<Allocator<'a>> {
        let mut found = self.profiled(cx);
        if found.is_empty() {
            found = self.sampled();
        }
        if found.is_empty() {
            found = self.assisting();
        }
        if let Some(group) = group {
            let own = |a: &Allocator<'_>| a.stack.last().is_some_and(|f| began(f, group));
            if found.iter().any(own) {
                found.retain(own);
            }
        }
        found.sort_by(|a, b| b.share.total_cmp(&a.share));
        found
    }

    fn profiled(&self, cx: &'a Context<'_>) -> Vec<Allocator<'a>> {
        let table = &cx.sites;
        let seconds = table.times.last().copied().unwrap_or(0.0);
        let Some(artifact) = table.artifacts.last().filter(|_| table.len() >= 2 && seconds > 0.0) else {
            return Vec::new();
        };
        let total: f64 = table.sites.iter().map(|s| window(s).0).sum();
        let line = |s: &'a Site| {
            let (bytes, objects) = window(s);
            (bytes > 0.0).then(|| Allocator {
                frame: table.frame(s.frame),
                mechanism: Some(s.mechanism),
                stack: frames(table, s),
                bytes_per_s: bytes / seconds,
                objects_per_s: objects / seconds,
                share: bytes / total.max(1.0),
                artifact,
                of: "of all that was allocated",
            })
        };
        table.sites.iter().filter_map(line).collect()
    }

    fn sampled(&self) -> Vec<Allocator<'a>> {
        let stacks = || self.trace.cpu.stacks.iter().filter(|s| allocates(&s.stack));
        let all: u64 = stacks().map(|s| s.samples).sum();
        if all < LEAST_SAMPLES {
            return Vec::new();
        }
        self.lines(stacks().map(|s| (s.stack.as_slice(), s.samples as f64)), "of the CPU samples inside allocations")
    }

    fn assisting(&self) -> Vec<Allocator<'a>> {
        let groups = self.groups().filter(|g| g.assist_ns > 0);
        self.lines(groups.map(|g| (g.assist_stack.as_slice(), g.assist_ns as f64)), "of the time in mark assists")
    }

    fn lines(&self, stacks: impl Iterator<Item = (&'a [Frame], f64)>, of: &'static str) -> Vec<Allocator<'a>> {
        let mut out: Vec<Allocator<'a>> = Vec::new();
        for (stack, weight) in stacks {
            let Some(frame) = self.own(stack) else { continue };
            match out.iter_mut().find(|a| a.frame == frame) {
                Some(a) => a.share += weight,
                None => out.push(Allocator {
                    frame,
                    mechanism: None,
                    stack: stack.iter().collect(),
                    bytes_per_s: 0.0,
                    objects_per_s: 0.0,
                    share: weight,
                    artifact: self.artifact,
                    of,
                }),
            }
        }
        let total: f64 = out.iter().map(|a| a.share).sum();
        out.iter_mut().for_each(|a| a.share /= total.max(1.0));
        out
    }
}

/// Whether a stack's outermost frame is where goroutines of a group began.
fn began(outermost: &Frame, group: &str) -> bool {
    outermost.function == group
}

/// Bytes and objects allocated between the first and the last profile.
fn window(s: &Site) -> (f64, f64) {
    let (Some(a), Some(b)) = (s.values.first(), s.values.last()) else { return (0.0, 0.0) };
    ((b.alloc_bytes - a.alloc_bytes).max(0.0), (b.alloc_objects - a.alloc_objects).max(0.0))
}

fn frames<'t>(table: &'t SiteTable, s: &Site) -> Vec<&'t Frame> {
    s.stack.iter().map(|id| table.frame(*id)).collect()
}
