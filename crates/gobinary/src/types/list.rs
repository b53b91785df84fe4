//! All types and interface tables that a program lists, and whether an address can be one of them.

use super::{Detail, Kind, RuntimeTypes, TypeId};
use crate::ModuleData;

/// Most interface tables that are listed.
const MOST_ITABS: usize = 1 << 20;
/// Most methods of an interface.
const MOST_METHODS: u64 = 1 << 16;

/// An interface table (`abi.ITab`): which type stands behind an interface value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Itab {
    /// Its address: the first word of an interface value.
    pub address: u64,
    /// The interface.
    pub interface: TypeId,
    /// The type of the value.
    pub typ: TypeId,
}

impl RuntimeTypes<'_> {
    /// Meets all types that the modules list, and all that are reached from them, and returns how many are
    /// known then. Types that nothing lists are met when an object names them.
    pub fn load_all(&self) -> usize {
        for module in &self.modules {
            if module.typedesclen.is_some() {
                self.walk_block(module);
            } else {
                self.walk_links(module);
            }
        }
        // Reading a type meets its parts; ids only grow.
        let mut next = 0;
        while next < self.len() {
            let id = TypeId(u32::try_from(next).unwrap_or(u32::MAX));
            if let (Some(typ), Some(address)) = (self.get(id), self.address(id)) {
                self.type_at_offset(address, typ.ptr_to_this);
            }
            next += 1;
        }
        self.len()
    }

    /// Meets the types that the modules have and do not list, by looking at every address of their type
    /// sections: those of closures (`struct { F uintptr; ... }`) and of values that no other type names.
    /// Returns how many are known then.
    pub fn load_unlisted(&self) -> usize {
        for module in &self.modules {
            for region in self.memory.regions() {
                let start = region.start.max(module.types).checked_next_multiple_of(8).unwrap_or(u64::MAX);
                for at in (start..region.end.min(module.etypes)).step_by(8) {
                    // One that holds is met by the look.
                    let _ = self.looks_like_type(at);
                }
            }
        }
        self.len()
    }

    /// Up to Go 1.26: offsets of types, sorted by name.
    fn walk_links(&self, module: &ModuleData) {
        let most = module.etypes.saturating_sub(module.types) / 4;
        for i in 0..module.typelinks.len.min(most) {
            let Some(offset) = module.typelinks.data.checked_add(4 * i).and_then(|a| self.memory.u32(a).ok()) else {
                return;
            };
            if let Some(address) = module.types.checked_add(u64::from(offset)).filter(|&a| module.has_type(a)) {
                let _ = self.id(address);
            }
        }
    }

    /// From Go 1.27: descriptors behind each other (`moduleTypelinks`, `src/runtime/type.go`).
    fn walk_block(&self, module: &ModuleData) {
        let end = module.typedesclen.and_then(|n| module.types.checked_add(n)).unwrap_or(0).min(module.etypes);
        // The first word is left free: offset 0 means no type.
        let mut at = module.types.saturating_add(8);
        while at < end {
            let id = self.id(at);
            let Some(len) = self.descriptor_len(id, at) else { return };
            let next = at.checked_add(len).and_then(|a| a.checked_next_multiple_of(8));
            match next {
                Some(next) if next > at => at = next,
                _ => return,
            }
        }
    }

    /// Bytes of a whole descriptor, with its uncommon part and what stands behind it.
    fn descriptor_len(&self, id: TypeId, address: u64) -> Option<u64> {
        let typ = self.get(id)?;
        let l = &self.layout;
        let base = u64::from(self.descriptor_size(typ.kind)?);
        let mut len = base;
        if typ.flags & super::read::UNCOMMON != 0 {
            let methods = address.checked_add(base)?.checked_add(u64::from(l.uncommon_type.mcount))?;
            let methods = u64::from(self.memory.u16(methods).ok()?);
            len += u64::from(l.uncommon_type.size) + methods * u64::from(l.method.size);
        }
        len += match &typ.detail {
            Detail::Func { params, results, .. } => 8 * (params.len() + results.len()) as u64,
            Detail::Interface { methods, .. } => u64::from(*methods) * u64::from(l.imethod.size),
            Detail::Struct { fields } => fields.len() as u64 * u64::from(l.struct_field.size),
            _ => 0,
        };
        Some(len)
    }

    /// The interface tables that the linker made. The runtime makes more when a program converts between
    /// interfaces: ask for those with [`RuntimeTypes::itab_at`].
    #[must_use]
    pub fn itabs(&self) -> Vec<Itab> {
        let mut found = Vec::new();
        for module in &self.modules {
            match (module.itaboffset, module.itabsize) {
                (Some(offset), Some(size)) => self.itab_block(module, offset, size, &mut found),
                _ => {
                    for i in 0..module.itablinks.len.min(MOST_ITABS as u64) {
                        let link = module.itablinks.data.checked_add(8 * i).and_then(|a| self.memory.u64(a).ok());
                        let Some(link) = link else { break };
                        found.extend(self.itab_at(link));
                    }
                }
            }
            if found.len() >= MOST_ITABS {
                break;
            }
        }
        found
    }

    fn itab_block(&self, module: &ModuleData, offset: u64, size: u64, found: &mut Vec<Itab>) {
        let Some(mut at) = module.types.checked_add(offset) else { return };
        let Some(end) = at.checked_add(size.min(1 << 32)) else { return };
        while at < end && found.len() < MOST_ITABS {
            let Some(itab) = self.itab_at(at) else { return };
            let methods = match self.get(itab.interface).map(|t| &t.detail) {
                Some(Detail::Interface { methods, .. }) => u64::from(*methods),
                _ => return,
            };
            found.push(itab);
            at = at.saturating_add(u64::from(self.layout.itab.fun)).saturating_add(8 * methods);
        }
    }

    /// The interface table at `address`, if one is there: an interface, a type, and the type's hash agree.
    #[must_use]
    pub fn itab_at(&self, address: u64) -> Option<Itab> {
        let l = &self.layout.itab;
        if address == 0 || !address.is_multiple_of(8) {
            return None;
        }
        let word = |offset: u32| self.memory.u64(address.checked_add(u64::from(offset))?).ok();
        let (interface, typ) = (word(l.inter)?, word(l.typ)?);
        let hash = self.memory.u32(address.checked_add(u64::from(l.hash))?).ok()?;
        // Cheapest first: most words that are tried are no table at all.
        let type_hash = typ.checked_add(u64::from(self.layout.abi_type.hash)).and_then(|a| self.memory.u32(a).ok());
        if type_hash != Some(hash) || !self.looks_like_type(interface) || !self.looks_like_type(typ) {
            return None;
        }
        let (interface, typ) = (self.id(interface), self.id(typ));
        matches!(self.get(interface)?.detail, Detail::Interface { methods: 1.., .. }).then_some(())?;
        Some(Itab { address, interface, typ })
    }

    /// Whether a descriptor is at `address`: strict enough to tell the type word of an `any` from other
    /// words in memory of which nothing is known. Types that package reflect made in the heap are not
    /// recognised. Nothing is kept for addresses that fail.
    #[must_use]
    pub fn looks_like_type(&self, address: u64) -> bool {
        if !address.is_multiple_of(8) || self.section_of(address).is_none() {
            return false;
        }
        if let Some(id) = self.known(address)
            && let Some(typ) = self.entry(id).and_then(|e| e.read.get()).and_then(Option::as_ref)
        {
            return self.agrees(typ) && self.name_at_offset_of(address, typ.str_offset);
        }
        self.looks_plausible(address, false) && self.get(self.id(address)).is_some_and(|t| self.agrees(t))
    }

    /// Whether a descriptor that package reflect made is at `address`, outside of the modules: as strict as
    /// [`RuntimeTypes::looks_like_type`]. Nothing is kept for addresses that fail.
    #[must_use]
    pub fn looks_made(&self, address: u64) -> bool {
        address.is_multiple_of(8)
            && self.section_of(address).is_none()
            && self.looks_plausible(address, true)
            && self.get(self.id(address)).is_some_and(|t| self.agrees(t))
    }

    /// The first 48 bytes alone. The names of types that package reflect `made` are not in a module: their
    /// offsets are negative (`addReflectOff`, `src/runtime/runtime1.go`).
    fn looks_plausible(&self, address: u64, made: bool) -> bool {
        let f = &self.layout.abi_type;
        let mut bytes = [0; 48];
        if f.size != 48 || self.memory.read(address, &mut bytes).is_err() {
            return false;
        }
        let byte = |offset: u32| bytes.get(offset as usize).copied().unwrap_or(0);
        let half = |offset: u32| {
            bytes.get(offset as usize..).and_then(|b| b.first_chunk()).map_or(0, |b| u32::from_le_bytes(*b))
        };
        let word = |offset: u32| u64::from(half(offset)) | u64::from(half(offset + 4)) << 32;
        let Some(kind) = Kind::from_number(byte(f.kind) & 31) else { return false };
        let (size, pointers) = (word(f.size_), word(f.ptr_bytes));
        let (align, field_align) = (byte(f.align), byte(f.field_align));
        let has_pointers = matches!(
            kind,
            Kind::Chan | Kind::Func | Kind::Interface | Kind::Map | Kind::Slice | Kind::String | Kind::UnsafePointer
        );
        kind.size().is_none_or(|s| s == size)
            && size <= super::read::MOST_SIZE
            && pointers <= size
            && pointers % 8 == 0
            && (pointers > 0 || !has_pointers)
            && align.is_power_of_two()
            && align <= 16
            && field_align == align
            && size % u64::from(align) == 0
            && byte(f.tflag) & 0xc0 == 0
            && half(f.hash) != 0
            && match half(f.str).cast_signed() {
                offset if made => offset < 0,
                offset => self.name_at_offset_of(address, offset),
            }
    }

    fn agrees(&self, typ: &super::Type) -> bool {
        match &typ.detail {
            Detail::Array { elem, len } => self.get(*elem).is_some_and(|e| e.size.checked_mul(*len) == Some(typ.size)),
            Detail::Struct { fields } => fields.windows(2).all(|w| w[0].offset <= w[1].offset),
            Detail::Pointer { elem } | Detail::Slice { elem } | Detail::Chan { elem, .. } => self.get(*elem).is_some(),
            Detail::Interface { methods, .. } => u64::from(*methods) <= MOST_METHODS,
            Detail::Map(map) => self.get(map.key).is_some() && self.get(map.elem).is_some(),
            Detail::Func { .. } | Detail::Basic => true,
        }
    }

    /// Whether a name offset leads to a name.
    fn name_at_offset_of(&self, address: u64, offset: i32) -> bool {
        let base = self.section_of(address).map(|s| s.start);
        let name = u64::try_from(offset).ok().filter(|&o| o > 0).and_then(|o| base?.checked_add(o));
        name.and_then(|n| self.name_at(n)).is_some_and(|n| !n.text.is_empty())
    }
}
