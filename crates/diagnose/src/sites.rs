//! Allocation sites over time: the same line of user code with the same mechanism, followed
//! through all heap profiles of the capture.

use bundle::{Facts, Sourced};
use model::{Frame, Mechanism};
use profile::{HeapStack, HeapStacks};
use rustc_hash::FxHashMap;
use signals::{Growth, Measured, growth};

/// Index into [`SiteTable::frames`].
pub(crate) type FrameId = u32;

/// What one site shows in one profile.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct SiteValue {
    pub(crate) inuse_bytes: f64,
    pub(crate) inuse_objects: f64,
    pub(crate) alloc_bytes: f64,
    pub(crate) alloc_objects: f64,
    inuse_variance: f64,
    alloc_variance: f64,
}

impl SiteValue {
    fn add(&mut self, s: &HeapStack) {
        self.inuse_bytes += s.inuse_bytes as f64;
        self.inuse_objects += s.inuse_objects as f64;
        self.alloc_bytes += s.alloc_bytes as f64;
        self.alloc_objects += s.alloc_objects as f64;
        self.inuse_variance += s.inuse_variance;
        self.alloc_variance += s.alloc_variance;
    }

    /// Standard deviation of the bytes in use by sampling alone.
    pub(crate) fn inuse_sd(&self) -> f64 {
        self.inuse_variance.max(0.0).sqrt()
    }

    /// The two together.
    pub(crate) fn plus(mut self, o: &Self) -> Self {
        self.inuse_bytes += o.inuse_bytes;
        self.inuse_objects += o.inuse_objects;
        self.alloc_bytes += o.alloc_bytes;
        self.alloc_objects += o.alloc_objects;
        self.inuse_variance += o.inuse_variance;
        self.alloc_variance += o.alloc_variance;
        self
    }
}

/// One site through time.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// The user's line.
    pub(crate) frame: FrameId,
    /// How it allocates.
    pub(crate) mechanism: Mechanism,
    /// One value per profile of the table; zero where the site does not appear.
    pub(crate) values: Vec<SiteValue>,
    /// Its heaviest stack by bytes allocated, leaf first.
    pub(crate) stack: Vec<FrameId>,
    stack_weight: i64,
}

impl Site {
    /// A site with its values and its stack; the first stack of it is taken in its place.
    pub(crate) const fn new(frame: FrameId, mechanism: Mechanism, values: Vec<SiteValue>, stack: Vec<FrameId>) -> Self {
        Self { frame, mechanism, values, stack, stack_weight: -1 }
    }

    /// Bytes in use in the last profile.
    pub(crate) fn inuse_bytes(&self) -> f64 {
        self.values.last().map_or(0.0, |v| v.inuse_bytes)
    }
}

/// All sites of all heap profiles.
#[derive(Debug, Default)]
pub(crate) struct SiteTable {
    /// Interned frames.
    pub(crate) frames: Vec<Frame>,
    /// Seconds of each profile since the first.
    pub(crate) times: Vec<f64>,
    /// Artifact of each profile.
    pub(crate) artifacts: Vec<String>,
    /// The sites, in no order.
    pub(crate) sites: Vec<Site>,
    /// Sum over all stacks of each profile.
    pub(crate) totals: Vec<SiteValue>,
}

/// The frame a stack is charged to: the first of the program's own module when that is known
/// (a library's line is seldom the one to change), else the first outside the standard library,
/// else the leaf.
pub(crate) fn owner(stacks: &HeapStacks, stack: &HeapStack, main_module: Option<&str>) -> Option<usize> {
    let user = stack.user.map(|u| u as usize);
    let from = user.unwrap_or(0);
    main_module
        .and_then(|module| {
            let own = |id: &u32| stacks.frames.get(*id as usize).is_some_and(|f| is_own(&f.function, module));
            stack.frames.get(from..)?.iter().position(own).map(|i| i + from)
        })
        .or(user)
        .or_else(|| (!stack.frames.is_empty()).then_some(0))
}

/// Whether a function belongs to the main module (package `main` always does).
pub(crate) fn is_own(function: &str, module: &str) -> bool {
    if function.starts_with("main.") {
        return true;
    }
    function.strip_prefix(module).is_some_and(|rest| rest.starts_with(['/', '.']))
}

impl SiteTable {
    /// From all samples that have a heap profile.
    pub(crate) fn of(facts: &Facts) -> Self {
        let main_module = facts.build.as_ref().and_then(|b| b.value.main_module.as_deref());
        let profiles = told_apart(facts);
        let mut builder = Builder { table: Self::default(), frames: FxHashMap::default(), sites: FxHashMap::default() };
        let first = profiles.first().map(|p| p.at);
        for (i, p) in profiles.iter().enumerate() {
            builder.table.times.push(first.map_or(0.0, |f| p.at.seconds_since(f)));
            builder.table.artifacts.push(p.artifact.clone());
            builder.table.totals.push(SiteValue::default());
            builder.profile(&p.value, i, profiles.len(), main_module);
        }
        builder.table
    }

    /// Number of profiles.
    pub(crate) fn len(&self) -> usize {
        self.times.len()
    }

    /// A frame.
    pub(crate) fn frame(&self, id: FrameId) -> &Frame {
        &self.frames[id as usize]
    }

    /// Bytes in use of a series of values, as measurements with their turnover noise: what was
    /// allocated in between adds variance, and so does what was freed.
    pub(crate) fn measured(&self, values: &[SiteValue]) -> Vec<Measured> {
        let mut turnover = 0.0;
        let mut out = Vec::with_capacity(values.len());
        for (i, v) in values.iter().enumerate() {
            if let Some(p) = i.checked_sub(1).and_then(|p| values.get(p)) {
                let gained = (v.alloc_variance - p.alloc_variance).max(0.0);
                let freed = (gained - (v.inuse_variance - p.inuse_variance)).max(0.0);
                turnover += gained + freed;
            }
            out.push(Measured { at_s: self.times[i], value: v.inuse_bytes, turnover_variance: turnover });
        }
        out
    }

    /// Growth of bytes in use.
    pub(crate) fn growth(&self, values: &[SiteValue]) -> Option<Growth> {
        growth(&self.measured(values))
    }
}

struct Builder {
    table: SiteTable,
    frames: FxHashMap<Frame, FrameId>,
    sites: FxHashMap<(FrameId, Mechanism), usize>,
}

impl Builder {
    fn profile(&mut self, stacks: &HeapStacks, index: usize, profiles: usize, main_module: Option<&str>) {
        let ids: Vec<FrameId> = stacks.frames.iter().map(|f| self.intern(f)).collect();
        for stack in &stacks.stacks {
            self.table.totals[index].add(stack);
            let Some(at) = owner(stacks, stack, main_module) else { continue };
            let Some(frame) = stack.frames.get(at).and_then(|f| ids.get(*f as usize)).copied() else { continue };
            let site = self.site(frame, stack.mechanism, profiles);
            site.values[index].add(stack);
            if stack.alloc_bytes > site.stack_weight {
                site.stack_weight = stack.alloc_bytes;
                site.stack = stack.frames.iter().filter_map(|f| ids.get(*f as usize).copied()).collect();
            }
        }
    }

    fn intern(&mut self, frame: &Frame) -> FrameId {
        if let Some(&id) = self.frames.get(frame) {
            return id;
        }
        let id = self.table.frames.len() as FrameId;
        self.table.frames.push(frame.clone());
        self.frames.insert(frame.clone(), id);
        id
    }

    fn site(&mut self, frame: FrameId, mechanism: Mechanism, profiles: usize) -> &mut Site {
        let at = *self.sites.entry((frame, mechanism)).or_insert_with(|| {
            self.table.sites.push(Site::new(frame, mechanism, vec![SiteValue::default(); profiles], Vec::new()));
            self.table.sites.len() - 1
        });
        &mut self.table.sites[at]
    }
}

/// The heap profiles that rules compare. Where no collection was forced, two of the same state of the runtime's books
/// (no cycle of the service's own lies between) are one: the second says nothing of what is in use at its time, least of
/// all that growth has paused. Not below three: an idle service's own few are kept.
fn told_apart(facts: &Facts) -> Vec<&Sourced<HeapStacks>> {
    let all: Vec<_> = facts.samples.iter().filter_map(|s| s.heap.as_ref()).collect();
    if facts.samples.iter().any(|s| s.forced_gcs_before > 0 || s.memstats_after_gc.is_some()) {
        return all;
    }
    let state = |h: &HeapStacks| {
        h.stacks
            .iter()
            .fold((0_i64, 0_i64), |sum, s| (sum.0.saturating_add(s.alloc_bytes), sum.1.saturating_add(s.inuse_bytes)))
    };
    let mut out: Vec<&Sourced<HeapStacks>> = Vec::new();
    for p in &all {
        if out.last().is_none_or(|last| state(&last.value) != state(&p.value)) {
            out.push(p);
        }
    }
    if out.len() >= 3 { out } else { all }
}
