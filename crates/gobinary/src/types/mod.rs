//! Go's own type descriptors (`abi.Type`, `src/internal/abi/type.go`) in a program's memory: what each
//! type is, its name, its pointers. They are there in every Go program, stripped or not.
//!
//! A type is a dense [`TypeId`]; descriptors are read when first asked for and kept, so that many
//! threads may type objects at once. Descriptors are hostile: what does not hold together is no type,
//! and what is kept is bounded by the size of the module's type section.

mod list;
mod mask;
mod methods;
mod name;
mod program;
mod read;

pub use list::Itab;
pub use mask::{BareType, PointerMask};
pub use methods::Method;
pub use name::Name;
pub use program::{PointerKind, Program, Repeat, Slot};

use crate::layout::Layout;
use crate::{Memory, ModuleData};
use rustc_hash::FxHashMap;
use std::fmt;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError, RwLock};

/// A type of the program: a number from 0 on, by the order in which types were first met.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TypeId(pub u32);

impl TypeId {
    /// No type: a pointer to a descriptor that cannot be one.
    pub const NONE: Self = Self(u32::MAX);

    /// For columns by type; [`TypeId::NONE`] is `None`.
    #[must_use]
    pub fn index(self) -> Option<usize> {
        (self != Self::NONE).then_some(self.0 as usize)
    }
}

impl fmt::Debug for TypeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index() {
            Some(i) => write!(f, "type {i}"),
            None => f.write_str("no type"),
        }
    }
}

/// Kinds of types, with Go's numbers (`abi.Kind`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the kinds of package reflect")]
pub enum Kind {
    Bool = 1,
    Int,
    Int8,
    Int16,
    Int32,
    Int64,
    Uint,
    Uint8,
    Uint16,
    Uint32,
    Uint64,
    Uintptr,
    Float32,
    Float64,
    Complex64,
    Complex128,
    Array,
    Chan,
    Func,
    Interface,
    Map,
    Pointer,
    Slice,
    String,
    Struct,
    UnsafePointer,
}

impl Kind {
    const ALL: [Self; 26] = [
        Self::Bool,
        Self::Int,
        Self::Int8,
        Self::Int16,
        Self::Int32,
        Self::Int64,
        Self::Uint,
        Self::Uint8,
        Self::Uint16,
        Self::Uint32,
        Self::Uint64,
        Self::Uintptr,
        Self::Float32,
        Self::Float64,
        Self::Complex64,
        Self::Complex128,
        Self::Array,
        Self::Chan,
        Self::Func,
        Self::Interface,
        Self::Map,
        Self::Pointer,
        Self::Slice,
        Self::String,
        Self::Struct,
        Self::UnsafePointer,
    ];

    /// By Go's number.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number).checked_sub(1)?).copied()
    }

    /// The size of its values, where all have the same.
    #[must_use]
    pub const fn size(self) -> Option<u64> {
        Some(match self {
            Self::Bool | Self::Int8 | Self::Uint8 => 1,
            Self::Int16 | Self::Uint16 => 2,
            Self::Int32 | Self::Uint32 | Self::Float32 => 4,
            Self::Int64 | Self::Uint64 | Self::Int | Self::Uint | Self::Uintptr => 8,
            Self::Float64 | Self::Complex64 => 8,
            Self::Complex128 | Self::Interface | Self::String => 16,
            Self::Chan | Self::Func | Self::Map | Self::Pointer | Self::UnsafePointer => 8,
            Self::Slice => 24,
            Self::Array | Self::Struct => return None,
        })
    }
}

/// What a descriptor says.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Type {
    /// Bytes of a value.
    pub size: u64,
    /// Bytes up to and with the last pointer, in very long types up to Go 1.23 perhaps a little more; 0 when
    /// there is none.
    pub ptr_bytes: u64,
    /// Hash of the type; equal for the same type in different modules.
    pub hash: u32,
    /// Its kind.
    pub kind: Kind,
    /// Bytes to which a value is aligned.
    pub align: u8,
    /// It has a name of its own.
    pub named: bool,
    /// An interface holds the value itself instead of a pointer to it.
    pub direct_iface: bool,
    /// What it is made of.
    pub detail: Detail,
    flags: u8,
    /// `GCData` is a program, not a bitmap (up to Go 1.23).
    gc_program: bool,
    /// `GCData` points to the place of the bitmap (from Go 1.24).
    gc_on_demand: bool,
    gc_data: u64,
    str_offset: i32,
    ptr_to_this: i32,
}

/// What a type is made of.
#[derive(Clone, Debug)]
pub enum Detail {
    /// Nothing: numbers, strings, `unsafe.Pointer`.
    Basic,
    /// Array.
    Array {
        /// Of these.
        elem: TypeId,
        /// So many.
        len: u64,
    },
    /// Channel.
    Chan {
        /// Of these.
        elem: TypeId,
        /// 1 receive, 2 send, 3 both.
        dir: u8,
    },
    /// Function.
    Func {
        /// Parameters.
        params: Box<[TypeId]>,
        /// Results.
        results: Box<[TypeId]>,
        /// The last parameter is `...`.
        variadic: bool,
    },
    /// Interface.
    Interface {
        /// Methods; 0 for `any`.
        methods: u32,
        /// Address of the array of methods.
        table: u64,
    },
    /// Map.
    Map(Map),
    /// Pointer.
    Pointer {
        /// To this.
        elem: TypeId,
    },
    /// Slice.
    Slice {
        /// Of these.
        elem: TypeId,
    },
    /// Struct.
    Struct {
        /// By offset.
        fields: Box<[Field]>,
    },
}

/// A field of a struct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// Address of its name: [`RuntimeTypes::name_at`].
    pub name: u64,
    /// Its type.
    pub typ: TypeId,
    /// Bytes from the start of the struct.
    pub offset: u64,
}

/// What a map type says of the memory of its maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Map {
    /// Keys.
    pub key: TypeId,
    /// Values.
    pub elem: TypeId,
    /// Keys are kept behind a pointer.
    pub indirect_key: bool,
    /// Values are kept behind a pointer.
    pub indirect_elem: bool,
    /// How they are kept.
    pub slots: MapSlots,
}

/// How a map keeps its entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapSlots {
    /// Buckets of eight entries: `tophash[8]`, keys, values, overflow pointer in the last word.
    Buckets {
        /// Type of a bucket; none for map types that package reflect made.
        bucket: TypeId,
        /// Bytes of a bucket.
        bucket_size: u16,
        /// Bytes of a key slot (8 when indirect).
        key_size: u8,
        /// Bytes of a value slot (8 when indirect).
        elem_size: u8,
    },
    /// Swiss tables: groups of eight control bytes and eight entries.
    Groups {
        /// Type of a group.
        group: TypeId,
        /// Bytes of a group.
        group_size: u64,
        /// From the start of a group to its first key.
        keys_offset: u64,
        /// From one key to the next.
        key_stride: u64,
        /// From the start of a group to its first value.
        elems_offset: u64,
        /// From one value to the next.
        elem_stride: u64,
    },
}

/// Types met outside all modules (made by package reflect at run time) that are kept.
const MOST_OUTSIDE: usize = 1 << 20;
/// Descriptors lie at multiples of this.
const ALIGN: u64 = 8;
/// Descriptors that one page of an index covers.
const INDEX_PAGE: usize = 512;
/// No id yet.
const EMPTY: u32 = u32::MAX;

/// A module's type section, and the ids of its types by address.
struct Section {
    start: u64,
    end: u64,
    pages: Box<[OnceLock<Box<[AtomicU32]>>]>,
}

struct Entry {
    address: u64,
    read: OnceLock<Option<Type>>,
    program: OnceLock<Program>,
}

/// The types of a program.
pub struct RuntimeTypes<'m> {
    memory: &'m dyn Memory,
    layout: Layout,
    modules: Vec<ModuleData>,
    sections: Vec<Section>,
    outside: RwLock<FxHashMap<u64, TypeId>>,
    entries: boxcar::Vec<Entry>,
    adding: Mutex<()>,
    /// What may still be kept of fields, parameters and pointer slots.
    budget: AtomicI64,
    most: usize,
}

impl fmt::Debug for RuntimeTypes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RuntimeTypes")
            .field("types", &self.len())
            .field("modules", &self.modules.len())
            .finish_non_exhaustive()
    }
}

impl<'m> RuntimeTypes<'m> {
    /// The types of a program with these modules ([`crate::find_modules`]). Reads nothing yet.
    #[must_use]
    pub fn new(memory: &'m dyn Memory, layout: Layout, modules: Vec<ModuleData>) -> Self {
        let mut sections: Vec<Section> = Vec::new();
        let mut total = 0;
        for module in &modules {
            let len = module.etypes.saturating_sub(module.types);
            // Overlapping sections are no modules of a linker.
            let overlaps = sections.iter().any(|s| module.types < s.end && s.start < module.etypes);
            if len == 0 || len > 1 << 32 || overlaps {
                continue;
            }
            // Sections are as long as the memory at hand.
            let present = memory.regions().iter().map(|r| overlap(r.start, r.end, module.types, module.etypes));
            let present = present.fold(0_u64, u64::saturating_add).min(len);
            total += present;
            let pages = (len / ALIGN / INDEX_PAGE as u64 + 1) as usize;
            let pages = (0..pages).map(|_| OnceLock::new()).collect();
            sections.push(Section { start: module.types, end: module.etypes, pages });
        }
        sections.sort_by_key(|s| s.start);
        // A descriptor takes 48 bytes at least, a field 24, and a pointer of a value comes from a field.
        let budget = i64::try_from(total).unwrap_or(i64::MAX).saturating_add(4 << 20);
        let most = usize::try_from(total / 32).unwrap_or(usize::MAX).saturating_add(MOST_OUTSIDE).min(EMPTY as usize);
        Self {
            memory,
            layout,
            modules,
            sections,
            outside: RwLock::default(),
            entries: boxcar::Vec::new(),
            adding: Mutex::default(),
            budget: AtomicI64::new(budget),
            most,
        }
    }

    /// The layout the types are read with.
    #[must_use]
    pub const fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The modules, the executable's first.
    #[must_use]
    pub fn modules(&self) -> &[ModuleData] {
        &self.modules
    }

    /// The memory the types are read from.
    #[must_use]
    pub const fn memory(&self) -> &'m dyn Memory {
        self.memory
    }

    /// Types met so far; their ids are `0..len()`.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.count()
    }

    /// Whether none was met.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The id of the type whose descriptor is at `address`; [`TypeId::NONE`] when none can be there
    /// (see [`RuntimeTypes::get`] for whether one is).
    #[must_use]
    pub fn id(&self, address: u64) -> TypeId {
        if address == 0 || !address.is_multiple_of(ALIGN) {
            return TypeId::NONE;
        }
        match self.index_of(address) {
            Some(cell) => match cell.load(Ordering::Acquire) {
                EMPTY => self.add_inside(address, cell),
                id => TypeId(id),
            },
            None => self.outside_id(address),
        }
    }

    /// The id, when the type was met before: a lookup without a change.
    #[must_use]
    pub fn known(&self, address: u64) -> Option<TypeId> {
        match self.section_of(address) {
            Some(section) => {
                let at = usize::try_from((address - section.start) / ALIGN).ok()?;
                let page = section.pages.get(at / INDEX_PAGE)?.get()?;
                let id = page.get(at % INDEX_PAGE)?.load(Ordering::Acquire);
                (id != EMPTY && address.is_multiple_of(ALIGN)).then_some(TypeId(id))
            }
            None => self.outside.read().unwrap_or_else(PoisonError::into_inner).get(&address).copied(),
        }
    }

    /// Address of a type's descriptor.
    #[must_use]
    pub fn address(&self, id: TypeId) -> Option<u64> {
        self.entry(id).map(|e| e.address)
    }

    /// What a type's descriptor says; `None` when there is no descriptor that holds together.
    #[must_use]
    pub fn get(&self, id: TypeId) -> Option<&Type> {
        let entry = self.entry(id)?;
        entry.read.get_or_init(|| self.read_type(entry.address)).as_ref()
    }

    /// Where the pointers of a value of the type are, and what they point to.
    #[must_use]
    pub fn program(&self, id: TypeId) -> Option<&Program> {
        let entry = self.entry(id)?;
        self.get(id)?;
        Some(entry.program.get_or_init(|| self.build_program(id)))
    }

    fn entry(&self, id: TypeId) -> Option<&Entry> {
        self.entries.get(id.index()?)
    }

    fn section_of(&self, address: u64) -> Option<&Section> {
        let i = self.sections.partition_point(|s| s.end <= address);
        self.sections.get(i).filter(|s| s.start <= address)
    }

    fn index_of(&self, address: u64) -> Option<&AtomicU32> {
        let section = self.section_of(address)?;
        let at = usize::try_from((address - section.start) / ALIGN).ok()?;
        let page = section.pages.get(at / INDEX_PAGE)?;
        let page = page.get_or_init(|| (0..INDEX_PAGE).map(|_| AtomicU32::new(EMPTY)).collect());
        page.get(at % INDEX_PAGE)
    }

    fn add_inside(&self, address: u64, cell: &AtomicU32) -> TypeId {
        let _one = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        match cell.load(Ordering::Acquire) {
            EMPTY => {}
            id => return TypeId(id),
        }
        let id = self.add(address);
        cell.store(id.0, Ordering::Release);
        id
    }

    fn outside_id(&self, address: u64) -> TypeId {
        if let Some(&id) = self.outside.read().unwrap_or_else(PoisonError::into_inner).get(&address) {
            return id;
        }
        let _one = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut outside = self.outside.write().unwrap_or_else(PoisonError::into_inner);
        if outside.len() >= MOST_OUTSIDE {
            return TypeId::NONE;
        }
        *outside.entry(address).or_insert_with(|| self.add(address))
    }

    /// Called with `adding` held, so that no type is added twice.
    fn add(&self, address: u64) -> TypeId {
        if self.entries.count() >= self.most {
            return TypeId::NONE;
        }
        let id = self.entries.push(Entry { address, read: OnceLock::new(), program: OnceLock::new() });
        u32::try_from(id).map_or(TypeId::NONE, TypeId)
    }

    /// Whether `bytes` more may be kept.
    fn spend(&self, bytes: usize) -> bool {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        if self.budget.fetch_sub(bytes, Ordering::Relaxed) >= bytes {
            return true;
        }
        self.budget.fetch_add(bytes, Ordering::Relaxed);
        false
    }
}

fn overlap(a: u64, b: u64, c: u64, d: u64) -> u64 {
    b.min(d).saturating_sub(a.max(c))
}
