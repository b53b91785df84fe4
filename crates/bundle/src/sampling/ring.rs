//! A heap profile each minute, before there is trouble: what a process that dies within seconds leaves behind.
//!
//! Read from the runtime's own buckets, so the process notices nothing. Addresses are looked up once: as long as
//! no new code allocates, a profile costs a few reads of the bucket list and nothing of the program's tables.

use crate::collect::outside::heap::{Calls, build, fingerprint};
use crate::collect::outside::{ProgramFile, code_mappings, with_build_id};
use gobinary::{Memory, ModuleData, ModuleTables, Region, Unreadable, find_modules};
use goruntime::Buckets;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use target::Process;
use target::memory::LiveMemory;

/// Bytes read at a time: buckets lie close together (`persistentalloc`).
const BLOCK: usize = 16 << 10;
/// Readings of a list that changes while it is read.
const TRIES: u32 = 4;

/// A profile of the ring.
#[derive(Clone, Debug)]
pub struct RingProfile {
    /// Gzipped pprof, as `/debug/pprof/heap` gives it.
    pub bytes: Vec<u8>,
    /// Share of the sampled bytes in use that maps asked for, 0 to 1.
    pub map_share: f64,
    /// Sampled bytes in use.
    pub in_use: u64,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// Takes heap profiles of one process from outside.
#[derive(Debug)]
pub struct HeapRing {
    memory: LiveMemory,
    file: Arc<ProgramFile>,
    data: Range<u64>,
    /// Tables of the program, and of plugins that were there when they were last looked for.
    modules: Vec<ModuleData>,
    mappings: Vec<(model::Mapping, String)>,
    rate: u64,
    calls: Arc<Mutex<Calls>>,
    head_at: Option<u64>,
    last: Option<u64>,
}

impl HeapRing {
    /// Looks at a process.
    ///
    /// # Errors
    /// Why its memory or its tables cannot be read, without a full stop.
    pub fn open(process: &Process) -> Result<Self, String> {
        let memory = LiveMemory::open(process).map_err(|e| e.to_string())?;
        let file = ProgramFile::of(process)?;
        let modules = find_modules(&memory, &file.layout, None).map_err(|e| e.to_string())?;
        let rate = file.sampling_rate(&memory, &modules);
        if rate == 0 {
            return Err("the runtime samples no allocations (runtime.MemProfileRate is 0)".to_owned());
        }
        Ok(Self {
            data: modules.first().map_or(0..0, |m| m.noptrdata..m.enoptrbss),
            mappings: with_build_id(code_mappings(process), &modules, &file.build_id),
            calls: match modules.as_slice() {
                [one] => file.calls(one.text, process.owner()),
                _ => Arc::new(Mutex::new(Calls::new(file.layout.minor))),
            },
            modules,
            memory,
            file,
            rate,
            head_at: None,
            last: None,
        })
    }

    /// A profile; `None` when no collection has published counts since the last one.
    ///
    /// # Errors
    /// Why there is none, without a full stop.
    pub fn take(&mut self) -> Result<Option<RingProfile>, String> {
        let (buckets, agreed) = self.buckets();
        if buckets.list().is_empty() {
            return Err("the runtime has sampled no allocation yet".to_owned());
        }
        let counts = fingerprint(&buckets);
        if self.last == Some(counts) {
            return Ok(None);
        }
        let calls = Arc::clone(&self.calls);
        let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        if !calls.complete(&buckets) {
            self.look_up(&buckets, &mut calls)?;
        }
        let built = build(&buckets, self.rate, &mut calls, &self.mappings).map_err(|e| e.to_string())?;
        self.last = Some(counts);
        let mut notes = Vec::new();
        if !agreed {
            notes.push("counts of two collections may be mixed: they changed at each reading".to_owned());
        }
        if buckets.unpublished {
            notes.push("no collection has finished yet: what was freed is not known".to_owned());
        }
        Ok(Some(RingProfile { bytes: built.profile.write(), map_share: built.map_share, in_use: built.in_use, notes }))
    }

    /// The program's function tables, for as long as it takes to look up what is new.
    fn look_up(&mut self, buckets: &Buckets, calls: &mut Calls) -> Result<(), String> {
        // Modules are found by a search through the program's data: again only where a plugin may have come.
        let inside = |pc: u64| self.modules.iter().any(|m| (m.text..=m.etext).contains(&pc));
        if calls.unknown(buckets).any(|pc| !inside(pc)) {
            self.modules = find_modules(&self.memory, &self.file.layout, None).map_err(|e| e.to_string())?;
        }
        let modules = self.modules.iter();
        let tables: Vec<_> = modules.filter_map(|m| ModuleTables::read(&self.memory, m.into()).ok()).collect();
        let functions: Vec<_> = tables.iter().filter_map(|t| t.functions().ok()).collect();
        calls.resolve(buckets, &functions);
        Ok(())
    }

    fn buckets(&mut self) -> (Buckets, bool) {
        let layout = &self.file.layout;
        let Some(head_at) = self.head_at else {
            let (found, agreed) = Buckets::search_running(&self.memory, layout, self.data.clone());
            self.head_at = found.head_at;
            return (found, agreed);
        };
        let read = || {
            let memory = Blocks::new(&self.memory);
            self.memory.u64(head_at).map(|head| Buckets::follow(&memory, layout, head)).unwrap_or_default()
        };
        let mut last = read();
        for _ in 0..TRIES {
            let next = read();
            let same = fingerprint(&next) == fingerprint(&last);
            last = next;
            if same {
                return (last, true);
            }
        }
        (last, false)
    }
}

/// Memory read in blocks, each once: the state of one moment, nearly.
struct Blocks<'a> {
    memory: &'a LiveMemory,
    blocks: Mutex<HashMap<u64, Option<Box<[u8]>>>>,
}

impl<'a> Blocks<'a> {
    fn new(memory: &'a LiveMemory) -> Self {
        Self { memory, blocks: Mutex::default() }
    }
}

impl Memory for Blocks<'_> {
    fn read(&self, address: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        let mut blocks = self.blocks.lock().unwrap_or_else(PoisonError::into_inner);
        let mut done = 0;
        while done < buf.len() {
            let at = address.checked_add(done as u64).ok_or(Unreadable { address })?;
            let (number, within) = (at / BLOCK as u64, (at % BLOCK as u64) as usize);
            let block = blocks.entry(number).or_insert_with(|| {
                let mut bytes = vec![0_u8; BLOCK].into_boxed_slice();
                self.memory.read(number * BLOCK as u64, &mut bytes).ok().map(|()| bytes)
            });
            let rest = buf.get_mut(done..).unwrap_or_default();
            let Some(bytes) = block.as_ref().and_then(|b| b.get(within..)) else {
                // The block runs into memory that is not there: what is wanted may be.
                self.memory.read(at, rest)?;
                return Ok(());
            };
            let n = rest.len().min(bytes.len());
            if let (Some(to), Some(from)) = (rest.get_mut(..n), bytes.get(..n)) {
                to.copy_from_slice(from);
            }
            done += n;
        }
        Ok(())
    }

    fn bytes(&self, _address: u64, _len: usize) -> Option<&[u8]> {
        None
    }

    fn regions(&self) -> &[Region] {
        self.memory.regions()
    }
}
