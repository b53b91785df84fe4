//! The runtime's module data (`runtime.moduledata`, `src/runtime/symtab.go`): where the code, the data,
//! the type descriptors and the function table of a program lie. It is found through the function
//! table in any memory: a file, a core, a running program, with or without symbols, moved or not.

use crate::layout::Layout;
use crate::{BinaryError, Memory, Region};

const PART: &str = "module data";
/// Bytes looked at in one go while scanning.
const CHUNK: usize = 1 << 20;
/// Most bytes that are scanned; the data of an executable is far smaller, its heap is not.
const MOST_SCANNED: u64 = 16 << 30;
/// Farthest that the module data lies from the function table: code addresses data by 32-bit distances.
const MOST_DISTANCE: u64 = 4 << 30;
/// Longest section of a module: code addresses all of them by 32-bit distances.
const MOST_SECTION: u64 = 4 << 30;
/// Most modules that are followed: the executable and its plugins.
const MOST_MODULES: usize = 256;
/// Most places that look like a function table and are tried.
const MOST_TABLES: usize = 32;
/// Offset of `funcnameOffset` in the function table's header.
const HEADER_NAMES: u64 = 32;

/// A slice header in the program's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SliceHeader {
    /// Address of the first element.
    pub data: u64,
    /// Elements.
    pub len: u64,
}

/// A bit per word: set where the word is a pointer (`runtime.bitvector`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BitVector {
    /// Bits.
    pub bits: u32,
    /// Address of the first byte; its lowest bit comes first.
    pub data: u64,
}

/// One module: the executable, or a plugin. Addresses are those of the program as it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModuleData {
    /// Of the structure itself.
    pub address: u64,
    /// Of the function table (`pcHeader`).
    pub pclntab: u64,
    /// Names of functions.
    pub funcnametab: SliceHeader,
    /// Files of compilation units.
    pub cutab: SliceHeader,
    /// Names of files.
    pub filetab: SliceHeader,
    /// Tables by program counter.
    pub pctab: SliceHeader,
    /// `_func` records.
    pub pclntable: SliceHeader,
    /// Functions by address: pairs of u32 (offset from `text`, offset in `pclntable`).
    pub ftab: SliceHeader,
    /// First function.
    pub minpc: u64,
    /// Behind the last function.
    pub maxpc: u64,
    /// Start of the code.
    pub text: u64,
    /// End of the code.
    pub etext: u64,
    /// Initialised data without pointers.
    pub noptrdata: u64,
    /// Its end.
    pub enoptrdata: u64,
    /// Initialised data with pointers (`gc_data_mask`).
    pub data: u64,
    /// Its end.
    pub edata: u64,
    /// Zeroed data with pointers (`gc_bss_mask`).
    pub bss: u64,
    /// Its end.
    pub ebss: u64,
    /// Zeroed data without pointers.
    pub noptrbss: u64,
    /// Its end.
    pub enoptrbss: u64,
    /// Start of the type descriptors; offsets of types and names count from here.
    pub types: u64,
    /// Their end.
    pub etypes: u64,
    /// Base of the offsets of stack objects' pointer masks.
    pub rodata: u64,
    /// Base of the offsets of function data.
    pub gofunc: u64,
    /// Offsets (i32) of type descriptors, up to Go 1.26.
    pub typelinks: SliceHeader,
    /// Addresses of interface tables, up to Go 1.26.
    pub itablinks: SliceHeader,
    /// Bytes of the block of type descriptors at `types`, from Go 1.27.
    pub typedesclen: Option<u64>,
    /// Offset from `types` of the block of interface tables, from Go 1.27.
    pub itaboffset: Option<u64>,
    /// Bytes of that block.
    pub itabsize: Option<u64>,
    /// Pointers in `data..edata`.
    pub gc_data_mask: BitVector,
    /// Pointers in `bss..ebss`.
    pub gc_bss_mask: BitVector,
    /// Whether it holds the main package.
    pub has_main: bool,
    /// The next module; 0 at the end.
    pub next: u64,
}

impl ModuleData {
    /// Whether `address` lies in the module's code.
    #[must_use]
    pub const fn has_code(&self, address: u64) -> bool {
        address >= self.text && address < self.etext
    }

    /// Whether `address` lies among the module's type descriptors.
    #[must_use]
    pub const fn has_type(&self, address: u64) -> bool {
        address >= self.types && address < self.etypes
    }
}

/// Finds all modules of a program, the executable's first. `pclntab` is the address of the function
/// table as the program runs, when it is known; else all memory outside the heap is searched for one.
///
/// # Errors
/// [`BinaryError::Damaged`] when there is none that holds together.
pub fn find_modules(
    memory: &dyn Memory,
    layout: &Layout,
    pclntab: Option<u64>,
) -> Result<Vec<ModuleData>, BinaryError> {
    let first = match pclntab {
        Some(table) => find_first(memory, layout, table),
        None => search(memory, layout),
    };
    let Some(first) = first else {
        let offset = pclntab.unwrap_or(0);
        return Err(BinaryError::Damaged { part: PART, offset, expected: "a structure that names the function table" });
    };
    let mut modules = vec![first];
    while let Some(next) = modules.last().map(|m| m.next).filter(|&n| n != 0) {
        if modules.len() >= MOST_MODULES || modules.iter().any(|m| m.address == next) {
            break;
        }
        // A plugin that cannot be read ends the list; what was found stays.
        let Some(module) = read_module(memory, layout, next) else { break };
        modules.push(module);
    }
    Ok(modules)
}

/// Reads the module data at `address` and checks that it holds together.
#[must_use]
pub fn read_module(memory: &dyn Memory, layout: &Layout, address: u64) -> Option<ModuleData> {
    let fields = &layout.moduledata;
    let word = |offset: u32| memory.u64(address.checked_add(u64::from(offset))?).ok();
    let slice = |offset: u32| Some(SliceHeader { data: word(offset)?, len: word(offset.checked_add(8)?)? });
    let bits = |offset: u32| {
        let data = word(offset.checked_add(layout.bitvector.bytedata)?)?;
        Some(BitVector { bits: (word(offset)? & 0xffff_ffff) as u32, data })
    };
    let optional = |offset: Option<u32>| offset.and_then(slice).unwrap_or_default();
    let module = ModuleData {
        address,
        pclntab: word(fields.pc_header)?,
        funcnametab: slice(fields.funcnametab)?,
        cutab: slice(fields.cutab)?,
        filetab: slice(fields.filetab)?,
        pctab: slice(fields.pctab)?,
        pclntable: slice(fields.pclntable)?,
        ftab: slice(fields.ftab)?,
        minpc: word(fields.minpc)?,
        maxpc: word(fields.maxpc)?,
        text: word(fields.text)?,
        etext: word(fields.etext)?,
        noptrdata: word(fields.noptrdata)?,
        enoptrdata: word(fields.enoptrdata)?,
        data: word(fields.data)?,
        edata: word(fields.edata)?,
        bss: word(fields.bss)?,
        ebss: word(fields.ebss)?,
        noptrbss: word(fields.noptrbss)?,
        enoptrbss: word(fields.enoptrbss)?,
        types: word(fields.types)?,
        etypes: word(fields.etypes)?,
        rodata: word(fields.rodata)?,
        gofunc: word(fields.gofunc)?,
        typelinks: optional(fields.typelinks),
        itablinks: optional(fields.itablinks),
        typedesclen: fields.typedesclen.and_then(word),
        itaboffset: fields.itaboffset.and_then(word),
        itabsize: fields.itabsize.and_then(word),
        gc_data_mask: bits(fields.gcdatamask)?,
        gc_bss_mask: bits(fields.gcbssmask)?,
        has_main: word(fields.hasmain)? & 0xff == 1,
        next: word(fields.next)?,
    };
    holds(memory, &module).then_some(module)
}

/// What is true of every module: the table's count, the order of its sections, types that are there.
fn holds(memory: &dyn Memory, m: &ModuleData) -> bool {
    let functions = m.pclntab.checked_add(8).and_then(|a| memory.u64(a).ok());
    let section = |start: u64, end: u64| end.checked_sub(start).is_some_and(|len| len <= MOST_SECTION);
    is_table(memory, m.pclntab)
        && functions.is_some_and(|n| n.checked_add(1) == Some(m.ftab.len))
        && m.text < m.etext
        && section(m.text, m.etext)
        && m.minpc < m.maxpc
        && section(m.minpc, m.maxpc)
        && section(m.noptrdata, m.enoptrdata)
        && section(m.data, m.edata)
        && section(m.bss, m.ebss)
        && section(m.noptrbss, m.enoptrbss)
        && m.types < m.etypes
        && section(m.types, m.etypes)
        // Searched as one: the linker lays them behind each other.
        && section(m.noptrdata, m.enoptrbss)
        && memory.u64(m.types).is_ok()
}

/// Whether the header of a function table is at `address`.
fn is_table(memory: &dyn Memory, address: u64) -> bool {
    memory.u64(address).is_ok_and(is_tag)
}

/// The first word of a function table: `f0/f1 ff ff ff 00 00 minLC 08`.
const fn is_tag(word: u64) -> bool {
    matches!(word.to_le_bytes(), [0xf0 | 0xf1, 0xff, 0xff, 0xff, 0, 0, 1 | 4, 8])
}

/// Searches for a function table that a module data names.
fn search(memory: &dyn Memory, layout: &Layout) -> Option<ModuleData> {
    let (mut found, mut tries) = (None, 0);
    // What is not written first: the table lies there in most programs, and the heap does not.
    let mut regions: Vec<&Region> = memory.regions().iter().filter(|r| r.readable).collect();
    regions.sort_by_key(|r| (r.writable, r.start));
    scan(memory, regions.into_iter(), &mut |address, word| {
        let offset =
            if is_tag(word) { address.checked_add(HEADER_NAMES).and_then(|a| memory.u64(a).ok()) } else { None };
        if offset.is_some_and(|o| (72..1 << 32).contains(&o)) {
            tries += 1;
            found = find_first(memory, layout, address);
        }
        found.is_some() || tries >= MOST_TABLES
    });
    found
}

/// The module data whose first two words are the function table and its names.
fn find_first(memory: &dyn Memory, layout: &Layout, table: u64) -> Option<ModuleData> {
    let names = table.checked_add(memory.u64(table.checked_add(HEADER_NAMES)?).ok()?)?;
    let mut found = None;
    let mut look = |address: u64, word: u64| {
        if word == table && address.checked_add(8).is_some_and(|a| memory.u64(a) == Ok(names)) {
            found = read_module(memory, layout, address).filter(|m| m.pclntab == table);
        }
        found.is_some()
    };
    // The nearest memory first: data lies beside the code, the heap far away. A linker may have made the
    // structure read-only after relocation.
    let near = |r: &&Region| r.readable && !r.executable && r.start.abs_diff(table) < MOST_DISTANCE;
    let mut regions: Vec<&Region> = memory.regions().iter().filter(near).collect();
    regions.sort_by_key(|r| r.start.abs_diff(table));
    scan(memory, regions.into_iter(), &mut look);
    found
}

/// Shows each aligned word of the regions to `look` until it returns true.
fn scan<'r>(memory: &dyn Memory, regions: impl Iterator<Item = &'r Region>, look: &mut dyn FnMut(u64, u64) -> bool) {
    let mut left = MOST_SCANNED;
    let mut scratch = Vec::new();
    for region in regions {
        let mut at = region.start.checked_next_multiple_of(8).unwrap_or(region.end);
        while at < region.end {
            let len = (region.end - at).min(CHUNK as u64) & !7;
            if len == 0 || left < len {
                break;
            }
            left -= len;
            // Where a piece is missing, its pages are tried one by one.
            let steps: u64 = if memory.view(at, len as usize, &mut scratch).is_ok() { len } else { 4096 };
            let mut piece = at;
            while piece < at + len {
                let n = steps.min(at + len - piece);
                if let Ok(bytes) = memory.view(piece, n as usize, &mut scratch) {
                    for (i, word) in bytes.chunks_exact(8).enumerate() {
                        let word = word.try_into().map_or(0, u64::from_le_bytes);
                        if look(piece + 8 * i as u64, word) {
                            return;
                        }
                    }
                }
                piece += n;
            }
            at += len;
        }
    }
}
