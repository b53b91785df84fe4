//! The heap profile as `runtime/pprof` would write it (`writeHeapProto`, `appendLocsForStack` of
//! `src/runtime/pprof`, Go 1.21 to 1.27), out of the runtime's own buckets: leading frames of the
//! runtime left out, inlined calls in one location with the call around them.

use super::{Program, Rate};
use gobinary::{FuncKind, Functions, LogicalFrame, callers_frames, printable_name};
use goruntime::{Bucket, Buckets};
use profile::{BuiltLine, BuiltLocation, BuiltMapping, HeapBuilder, Profile, ProfileError};
use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

/// A profile read from memory.
pub(super) struct Read {
    pub profile: Profile,
    /// Changes when a collection publishes new counts.
    pub counts: u64,
    /// No collection has published any counts.
    pub unpublished: bool,
    pub notes: Vec<String>,
}

/// Why there is no profile, without a full stop.
type Why = String;

pub(super) fn read(program: &Program<'_>, rate: Rate) -> Result<Read, Why> {
    let bytes = match rate {
        Rate::Read(0) => {
            return Err(
                "the runtime samples no allocations: runtime.MemProfileRate is 0, as the program set it or as \
                        it is linked when it uses neither runtime/pprof nor runtime.MemProfile (import _ \
                        \"runtime/pprof\" to have it)"
                    .to_owned(),
            );
        }
        Rate::Read(rate) => rate,
        Rate::Assumed => super::DEFAULT_RATE,
    };
    let (buckets, agreed) = Buckets::search_running(program.memory, program.layout, program.data());
    if buckets.list().is_empty() {
        return Err(match rate {
            Rate::Read(rate) => format!(
                "the runtime has sampled no allocation yet (it samples one in {rate} bytes, runtime.MemProfileRate)"
            ),
            Rate::Assumed => "there are no sampled allocations: runtime.MemProfileRate is 0, or the program uses \
                              neither runtime/pprof nor runtime.MemProfile, or nothing was sampled yet"
                .to_owned(),
        });
    }
    let mut notes = Vec::new();
    if rate == Rate::Assumed {
        notes.push(format!("runtime.MemProfileRate was not found; {bytes} assumed"));
    }
    if !agreed {
        notes.push("counts of two collections may be mixed: they changed at each reading".to_owned());
    }
    if buckets.cut {
        notes.push("the list of sampled allocations ended in what is none: some are missing".to_owned());
    }
    if buckets.unpublished {
        notes.push("no collection has finished yet: what was freed is not known".to_owned());
    }
    let mut calls = Calls::new(program.layout.minor);
    calls.resolve(&buckets, program.functions);
    let built = build(&buckets, bytes, &mut calls, &program.code_mappings()).map_err(|e| e.to_string())?;
    if built.refused > 0 {
        notes.push(format!("{} records contradict themselves and were left out", built.refused));
    }
    let counts = fingerprint(&buckets);
    Ok(Read { profile: built.profile, counts, unpublished: buckets.unpublished, notes })
}

/// New buckets without published counts leave it as it is.
pub(crate) fn fingerprint(buckets: &Buckets) -> u64 {
    let mut h = DefaultHasher::new();
    for b in buckets.list().iter().filter(|b| b.allocs > 0) {
        (b.address, b.allocs, b.frees).hash(&mut h);
    }
    h.finish()
}

/// A call of the source at one program counter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    function: Arc<str>,
    file: Arc<str>,
    line: u32,
    start_line: u32,
    entry: u64,
    /// Its address in the profile.
    at: u64,
    inlined: bool,
}

/// What is known of return addresses: enough to write profiles without the program's tables. Of a service that
/// runs on it grows only with the code that allocates.
#[derive(Clone, Debug, Default)]
pub(crate) struct Calls {
    /// Minor version of Go: names and hidden packages differ.
    minor: u32,
    known: HashMap<u64, Known>,
    names: HashSet<Arc<str>>,
}

#[derive(Clone, Debug, Default)]
struct Known {
    /// The call; `None` outside Go code and for the end of each stack.
    call: Option<Call>,
    /// The innermost function is one that profiles hide at the leaf.
    of_runtime: bool,
    /// It is one of the runtime's map.
    of_map: bool,
    /// The calls around the last one of a stack that was cut between inlined calls, as return addresses
    /// (`runtime_expandFinalInlineFrame`).
    around: Vec<u64>,
}

impl Calls {
    pub(crate) fn new(minor: u32) -> Self {
        Self { minor, ..Self::default() }
    }

    /// Whether all return addresses of the buckets are known.
    pub(crate) fn complete(&self, buckets: &Buckets) -> bool {
        self.unknown(buckets).next().is_none()
    }

    /// Return addresses of the buckets that are not known.
    pub(crate) fn unknown(&self, buckets: &Buckets) -> impl Iterator<Item = u64> {
        buckets.list().iter().flat_map(|b| buckets.stack(b)).copied().filter(|pc| !self.known.contains_key(pc))
    }

    /// Looks up what is not known yet.
    pub(crate) fn resolve(&mut self, buckets: &Buckets, functions: &[Functions<'_>]) {
        for bucket in buckets.list() {
            for &pc in buckets.stack(bucket) {
                if !self.known.contains_key(&pc) {
                    let known = self.look_up(pc, functions);
                    let around = known.around.clone();
                    self.known.insert(pc, known);
                    for pc in around {
                        if !self.known.contains_key(&pc) {
                            let known = self.look_up(pc, functions);
                            self.known.insert(pc, known);
                        }
                    }
                }
            }
        }
    }

    fn look_up(&mut self, pc: u64, functions: &[Functions<'_>]) -> Known {
        let mut known = Known::default();
        let name = |m: &Functions<'_>| m.frames_at(pc, FuncKind::Gopanic).next().map(|f| f.function.to_owned());
        if let Some(name) = functions.iter().find_map(name) {
            let internal = self.minor >= 24 && name.starts_with("internal/runtime/");
            known.of_runtime = name.starts_with("runtime.") || internal;
            known.of_map = is_map(&name);
        }
        callers_frames(functions, &[pc], |f| {
            if known.call.is_none() && f.function != "runtime.goexit" {
                known.call = Some(self.call_of(&f));
            }
        });
        let at = pc.saturating_sub(1);
        if let Some(module) = functions.iter().find(|m| m.func_at(at).is_some()) {
            known.around = module.frames_at(at, FuncKind::Normal).skip(1).filter_map(|f| f.pc.checked_add(1)).collect();
        }
        known
    }

    fn call_of(&mut self, f: &LogicalFrame<'_>) -> Call {
        // Names in full from Go 1.21 on (`runtime_FrameSymbolName`).
        let function = if self.minor >= 21 { f.function.into() } else { printable_name(f.function) };
        Call {
            function: self.shared(&function),
            file: self.shared(f.file),
            line: f.line,
            start_line: f.start_line.unwrap_or(0),
            entry: f.entry,
            at: f.pc,
            inlined: f.inlined,
        }
    }

    /// One copy of each name.
    fn shared(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.names.get(name) {
            return Arc::clone(known);
        }
        let new: Arc<str> = name.into();
        self.names.insert(Arc::clone(&new));
        new
    }

    fn of_runtime(&self, pc: u64) -> bool {
        self.known.get(&pc).is_some_and(|k| k.of_runtime)
    }

    /// Whether memory is asked for by a map at the leaf of a stack.
    fn by_map(&self, stack: &[u64]) -> bool {
        let leaf = stack.iter().filter_map(|pc| self.known.get(pc)).take_while(|k| k.of_runtime);
        leaf.into_iter().any(|k| k.of_map)
    }
}

/// Functions of maps: `src/runtime/map*.go`, and `internal/runtime/maps` from Go 1.24 on.
fn is_map(name: &str) -> bool {
    let classic =
        ["runtime.mapassign", "runtime.hashGrow", "runtime.makemap", "runtime.makeBucketArray", "runtime.(*hmap)"];
    name.starts_with("internal/runtime/maps.") || classic.iter().any(|c| name.starts_with(c))
}

/// A profile, and what was seen on the way.
pub(crate) struct Built {
    pub profile: Profile,
    pub refused: u64,
    /// Share of the bytes in use that maps asked for.
    pub map_share: f64,
    /// Bytes in use, not scaled by the sampling rate.
    pub in_use: u64,
}

/// Writes the profile of buckets whose calls are known.
pub(crate) fn build(
    buckets: &Buckets,
    rate: u64,
    calls: &mut Calls,
    mappings: &[(model::Mapping, String)],
) -> Result<Built, ProfileError> {
    let nanos = crate::write::now().0.saturating_mul(1_000_000);
    let mut builder = HeapBuilder::new(rate, nanos)?;
    let mut placed = Vec::new();
    for (m, id) in mappings {
        placed.push((m.start..m.end, builder.mapping(m.start..m.end, m.offset, &m.path, id)?));
    }
    let mut writer = Writer { builder, mappings: placed, calls, refused: 0, by_maps: 0, in_use: 0 };
    for bucket in buckets.list() {
        writer.add(buckets, bucket)?;
    }
    let map_share = if writer.in_use > 0 { writer.by_maps as f64 / writer.in_use as f64 } else { 0.0 };
    Ok(Built { refused: writer.refused, map_share, in_use: writer.in_use, profile: writer.builder.finish() })
}

struct Writer<'a> {
    builder: HeapBuilder,
    mappings: Vec<(Range<u64>, BuiltMapping)>,
    calls: &'a Calls,
    refused: u64,
    by_maps: u64,
    in_use: u64,
}

impl Writer<'_> {
    fn add(&mut self, buckets: &Buckets, bucket: &Bucket) -> Result<(), ProfileError> {
        if bucket.allocs == 0 && bucket.frees == 0 {
            return Ok(());
        }
        let stack = buckets.stack(bucket);
        let bytes = bucket.allocs.saturating_sub(bucket.frees).saturating_mul(bucket.object_size);
        self.in_use = self.in_use.saturating_add(bytes);
        if self.calls.by_map(stack) {
            self.by_maps = self.by_maps.saturating_add(bytes);
        }
        let shown = stack.iter().position(|&pc| !self.calls.of_runtime(pc)).and_then(|first| stack.get(first..));
        let mut locations = self.locations(shown.unwrap_or(stack))?;
        if locations.is_empty() {
            locations = self.locations(stack)?;
        }
        if !self.builder.sample(&locations, bucket.object_size, bucket.allocs, bucket.frees)? {
            self.refused += 1;
        }
        Ok(())
    }

    /// Locations of a stack of return addresses, the leaf first: inlined calls and the call that they
    /// are inlined into share one (`pcDeck`).
    fn locations(&mut self, stack: &[u64]) -> Result<Vec<BuiltLocation>, ProfileError> {
        let mut out = Vec::with_capacity(stack.len());
        let mut deck: Vec<&Call> = Vec::new();
        let calls = self.calls;
        let known = |pc: &u64| calls.known.get(pc);
        let around = stack.last().and_then(known).map_or(&[][..], |k| &k.around);
        for call in stack.iter().chain(around).filter_map(|pc| known(pc)?.call.as_ref()) {
            let joins = deck
                .last()
                .is_none_or(|last| last.inlined && last.entry == call.entry && last.function != call.function);
            if !joins {
                out.push(self.location(&deck)?);
                deck.clear();
            }
            deck.push(call);
        }
        if !deck.is_empty() {
            out.push(self.location(&deck)?);
        }
        Ok(out)
    }

    fn location(&mut self, deck: &[&Call]) -> Result<BuiltLocation, ProfileError> {
        let at = deck.first().map_or(0, |c| c.at);
        let lines: Vec<_> = deck
            .iter()
            .map(|c| BuiltLine { function: &c.function, file: &c.file, line: c.line, start_line: c.start_line })
            .collect();
        let mapping = self.mappings.iter().find(|(r, _)| r.contains(&at)).map(|m| m.1);
        self.builder.location(mapping, at, &lines)
    }
}
