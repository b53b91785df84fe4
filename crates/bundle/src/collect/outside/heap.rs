//! The heap profile as `runtime/pprof` would write it (`writeHeapProto`, `appendLocsForStack` of
//! `src/runtime/pprof`, Go 1.21 to 1.27), out of the runtime's own buckets: leading frames of the
//! runtime left out, inlined calls in one location with the call around them.

use super::{Program, Rate, code_mappings};
use gobinary::{FuncKind, Functions, LogicalFrame, callers_frames, printable_name};
use goruntime::{Bucket, Buckets};
use profile::{BuiltLine, BuiltLocation, BuiltMapping, HeapBuilder, Profile, ProfileError};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

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
    let mut writer = Writer::new(program, bytes).map_err(|e| e.to_string())?;
    for bucket in buckets.list() {
        writer.add(&buckets, bucket).map_err(|e| e.to_string())?;
    }
    if writer.refused > 0 {
        notes.push(format!("{} records contradict themselves and were left out", writer.refused));
    }
    let counts = fingerprint(&buckets);
    Ok(Read { profile: writer.builder.finish(), counts, unpublished: buckets.unpublished, notes })
}

/// New buckets without published counts leave it as it is.
fn fingerprint(buckets: &Buckets) -> u64 {
    let mut h = DefaultHasher::new();
    for b in buckets.list().iter().filter(|b| b.allocs > 0) {
        (b.address, b.allocs, b.frees).hash(&mut h);
    }
    h.finish()
}

/// A call of the source at one program counter.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Call {
    function: String,
    file: String,
    line: u32,
    start_line: u32,
    entry: u64,
    /// Its address in the profile.
    at: u64,
    inlined: bool,
}

struct Writer<'a> {
    functions: &'a [Functions<'a>],
    builder: HeapBuilder,
    mappings: Vec<(Range<u64>, BuiltMapping)>,
    /// Minor version of Go: names and hidden packages differ.
    minor: u32,
    calls: HashMap<u64, Option<Call>>,
    of_runtime: HashMap<u64, bool>,
    refused: u64,
}

impl<'a> Writer<'a> {
    fn new(program: &Program<'a>, rate: u64) -> Result<Self, ProfileError> {
        let nanos = crate::write::now().0.saturating_mul(1_000_000);
        let mut builder = HeapBuilder::new(rate, nanos)?;
        let code = |m: &model::Mapping| program.modules.iter().any(|d| d.text >= m.start && d.text < m.end);
        let mut mappings = Vec::new();
        for m in code_mappings(program.process) {
            // The build id is that of the program itself; of plugins and libraries none is known.
            let first = mappings.is_empty();
            if first && !code(&m) {
                continue;
            }
            let id = if first { program.build_id } else { "" };
            mappings.push((m.start..m.end, builder.mapping(m.start..m.end, m.offset, &m.path, id)?));
        }
        Ok(Self {
            functions: program.functions,
            builder,
            mappings,
            minor: program.layout.minor,
            calls: HashMap::new(),
            of_runtime: HashMap::new(),
            refused: 0,
        })
    }

    fn add(&mut self, buckets: &Buckets, bucket: &Bucket) -> Result<(), ProfileError> {
        if bucket.allocs == 0 && bucket.frees == 0 {
            return Ok(());
        }
        let stack = buckets.stack(bucket);
        let shown = stack.iter().position(|&pc| !self.is_runtime(pc)).and_then(|first| stack.get(first..));
        let mut locations = self.locations(shown.unwrap_or(stack))?;
        if locations.is_empty() {
            locations = self.locations(stack)?;
        }
        if !self.builder.sample(&locations, bucket.object_size, bucket.allocs, bucket.frees)? {
            self.refused += 1;
        }
        Ok(())
    }

    /// Whether the innermost function at a return address is one that profiles hide at the leaf. As
    /// `runtime.FuncForPC` has it, the address itself is looked up.
    fn is_runtime(&mut self, pc: u64) -> bool {
        let (functions, internal) = (self.functions, self.minor >= 24);
        *self.of_runtime.entry(pc).or_insert_with(|| {
            let name = |m: &Functions<'_>| m.frames_at(pc, FuncKind::Gopanic).next().map(|f| f.function.to_owned());
            functions
                .iter()
                .find_map(name)
                .is_some_and(|n| n.starts_with("runtime.") || (internal && n.starts_with("internal/runtime/")))
        })
    }

    /// Locations of a stack of return addresses, the leaf first: inlined calls and the call that they
    /// are inlined into share one (`pcDeck`).
    fn locations(&mut self, stack: &[u64]) -> Result<Vec<BuiltLocation>, ProfileError> {
        let mut out = Vec::with_capacity(stack.len());
        let mut deck: Vec<Call> = Vec::new();
        for &pc in stack.iter().chain(&self.lost_callers(stack)) {
            let Some(call) = self.call(pc) else { continue };
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

    fn location(&mut self, deck: &[Call]) -> Result<BuiltLocation, ProfileError> {
        let at = deck.first().map_or(0, |c| c.at);
        let lines: Vec<_> = deck
            .iter()
            .map(|c| BuiltLine { function: &c.function, file: &c.file, line: c.line, start_line: c.start_line })
            .collect();
        let mapping = self.mappings.iter().find(|(r, _)| r.contains(&at)).map(|m| m.1);
        self.builder.location(mapping, at, &lines)
    }

    /// The call at a return address; `None` outside Go code and for the end of each stack.
    fn call(&mut self, pc: u64) -> Option<Call> {
        if let Some(known) = self.calls.get(&pc) {
            return known.clone();
        }
        let mut found = None;
        let minor = self.minor;
        callers_frames(self.functions, &[pc], |f| {
            if found.is_none() && f.function != "runtime.goexit" {
                found = Some(call(&f, minor));
            }
        });
        self.calls.insert(pc, found.clone());
        found
    }

    /// The calls around the last one of a stack that was cut between inlined calls
    /// (`runtime_expandFinalInlineFrame`), as return addresses.
    fn lost_callers(&self, stack: &[u64]) -> Vec<u64> {
        let Some(at) = stack.last().and_then(|pc| pc.checked_sub(1)) else { return Vec::new() };
        let Some(module) = self.functions.iter().find(|m| m.func_at(at).is_some()) else { return Vec::new() };
        module.frames_at(at, FuncKind::Normal).skip(1).filter_map(|f| f.pc.checked_add(1)).collect()
    }
}

fn call(f: &LogicalFrame<'_>, minor: u32) -> Call {
    Call {
        // Names in full from Go 1.21 on (`runtime_FrameSymbolName`).
        function: if minor >= 21 { f.function.to_owned() } else { printable_name(f.function).into_owned() },
        file: f.file.to_owned(),
        line: f.line,
        start_line: f.start_line.unwrap_or(0),
        entry: f.entry,
        at: f.pc,
        inlined: f.inlined,
    }
}
