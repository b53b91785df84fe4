//! Types as debug information describes them, and what they say of the words of a value: the runtime's
//! own type where the linker kept it (`DW_AT_go_runtime_type`), else field by field down to parts that
//! have one (`src/cmd/link/internal/ld/dwarf.go`, the same from Go 1.19 to 1.27).

use super::sections::Bytes;
use super::units::{Unit, Units, reference};
use crate::types::{Kind, PointerKind};
use crate::{RuntimeTypes, TypeId};
use gimli::{AttributeValue, DebuggingInformationEntry, DwAt};
use std::borrow::Cow;

/// `DW_AT_go_kind`: the kind of the type.
const GO_KIND: DwAt = DwAt(0x2900);
/// `DW_AT_go_elem`: elements of slices, maps, channels.
const GO_ELEM: DwAt = DwAt(0x2902);
/// `DW_AT_go_runtime_type`: bytes from the start of the module's types to the descriptor; 0 for none.
const GO_RUNTIME_TYPE: DwAt = DwAt(0x2904);
/// Type names behind each other.
const MOST_NAMES: u32 = 32;
/// How deep structs and arrays nest.
const MOST_DEEP: u32 = 64;
/// Longest array that is followed element by element.
const MOST_ELEMENTS: u64 = 1 << 16;
/// Elements of an array whose pointers are listed one by one.
const MOST_EXPANDED: u64 = 256;
/// Most entries that are looked at for one variable.
const MOST_STEPS: u32 = 1 << 18;

/// What lies somewhere in a program's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// Values of the type behind each other.
    Values {
        /// Of this type.
        typ: TypeId,
        /// So many.
        count: u64,
    },
    /// One pointer, or the value it is part of. The types of functions and interfaces are left out.
    Pointer(PointerKind),
}

/// A place in a program's memory of which the type is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypedPlace {
    /// Its address.
    pub address: u64,
    /// What is there.
    pub contents: Contents,
}

impl TypedPlace {
    /// The pointers there, without the later elements of long arrays: their addresses and kinds.
    #[must_use]
    pub fn pointers(self, types: &RuntimeTypes<'_>) -> Vec<(u64, PointerKind)> {
        match self.contents {
            Contents::Pointer(kind) => vec![(self.address, kind)],
            Contents::Values { typ, count } => {
                let size = types.get(typ).map_or(0, |t| t.size);
                let slots = types.program(typ).map(|p| &*p.slots).unwrap_or_default();
                let starts = (0..count.min(MOST_EXPANDED)).map(|i| self.address.wrapping_add(i.wrapping_mul(size)));
                starts
                    .flat_map(|at| slots.iter().map(move |s| (at.wrapping_add(8 * u64::from(s.word)), s.kind)))
                    .collect()
            }
        }
    }
}

/// A type's entry.
#[derive(Clone, Debug)]
pub(super) struct TypeEntry {
    /// Offset of the entry.
    offset: u64,
    kind: Option<Kind>,
    /// Of the runtime's descriptor, from the start of the types.
    runtime: Option<u64>,
    /// What it points to, repeats or is another name for.
    target: Option<u64>,
    elem: Option<u64>,
    size: Option<u64>,
}

/// A field of a struct.
struct Member<'d> {
    name: Cow<'d, str>,
    offset: u64,
    typ: u64,
}

impl<'d> Units<'d> {
    fn type_entry(&self, offset: u64) -> Option<TypeEntry> {
        let (unit, mut entries) = self.entries_at(offset)?;
        let mut entry = DebuggingInformationEntry::null();
        if !entries.read_entry(&mut entry).ok()? {
            return None;
        }
        let number = |at| entry.attr_value(at).and_then(|v| v.udata_value());
        let refers = |at| entry.attr_value(at).and_then(|v| reference(unit, &v));
        Some(TypeEntry {
            offset,
            kind: number(GO_KIND).and_then(|k| Kind::from_number((k & 31) as u8)),
            // The size of an address before DWARF 5 gave it a form of its own.
            runtime: match entry.attr_value(GO_RUNTIME_TYPE) {
                Some(AttributeValue::Addr(offset)) => Some(offset),
                Some(other) => other.udata_value(),
                None => None,
            }
            .filter(|&o| o != 0),
            target: refers(gimli::DW_AT_type),
            elem: refers(GO_ELEM),
            size: number(gimli::DW_AT_byte_size),
        })
    }

    /// The type's own entry, behind all of its names.
    pub(super) fn type_behind_names(&self, offset: u64) -> Option<TypeEntry> {
        let mut entry = self.type_entry(offset)?;
        for _ in 0..MOST_NAMES {
            if entry.kind.is_some() {
                return Some(entry);
            }
            entry = self.type_entry(entry.target?)?;
        }
        None
    }

    /// Bytes of a value.
    pub(super) fn size_of(&self, entry: &TypeEntry) -> Option<u64> {
        entry.size.or_else(|| entry.kind?.size())
    }

    /// Elements of an array: the count of its range.
    fn array_len(&self, entry: &TypeEntry) -> Option<u64> {
        let (_, mut entries) = self.entries_at(entry.offset)?;
        let mut child = DebuggingInformationEntry::null();
        entries.read_entry(&mut child).ok()?;
        if !child.has_children() || !entries.read_entry(&mut child).ok()? {
            return None;
        }
        child.attr_value(gimli::DW_AT_count)?.udata_value()
    }

    /// Shows the fields of a struct to `each` until it returns false.
    fn members(&self, entry: &TypeEntry, each: &mut dyn FnMut(Member<'d>) -> bool) -> Option<()> {
        let (unit, mut entries) = self.entries_at(entry.offset)?;
        let mut child = DebuggingInformationEntry::null();
        entries.read_entry(&mut child).ok()?;
        let depth = entries.next_depth();
        while depth == 1 && entries.next_depth() >= depth && entries.read_entry(&mut child).ok()? {
            if child.tag() == gimli::DW_TAG_member
                && let Some(member) = self.member(unit, &child)
                && !each(member)
            {
                break;
            }
        }
        Some(())
    }

    fn member(&self, unit: &Unit<'d>, entry: &DebuggingInformationEntry<Bytes<'d>>) -> Option<Member<'d>> {
        Some(Member {
            name: self.text(&entry.attr_value(gimli::DW_AT_name)?)?,
            offset: entry.attr_value(gimli::DW_AT_data_member_location)?.udata_value()?,
            typ: reference(unit, &entry.attr_value(gimli::DW_AT_type)?)?,
        })
    }

    /// The path to the part of a value at `offset`: `.cache.list[3]`, and the bytes that remain.
    pub(super) fn path(&self, typ: u64, offset: u64) -> (String, u64) {
        let (mut path, mut typ, mut offset) = (String::new(), typ, offset);
        for _ in 0..MOST_DEEP {
            let Some(entry) = self.type_behind_names(typ) else { break };
            match entry.kind {
                Some(Kind::Struct) => {
                    let mut best = None;
                    self.members(&entry, &mut |m| {
                        // Of fields without bytes and those with, at one offset, the last has them.
                        let before = m.offset <= offset;
                        if before {
                            best = Some(m);
                        }
                        before
                    });
                    let Some(member) = best else { break };
                    path.push('.');
                    path.push_str(&member.name);
                    offset -= member.offset;
                    typ = member.typ;
                }
                Some(Kind::Array) => {
                    let Some(elem) = entry.target else { break };
                    let size = self.type_behind_names(elem).and_then(|e| self.size_of(&e)).filter(|&s| s > 0);
                    let Some(size) = size else { break };
                    path.push_str(&format!("[{}]", offset / size));
                    offset %= size;
                    typ = elem;
                }
                // Its second word is the value.
                Some(Kind::Interface) => return (path, 0),
                _ => break,
            }
        }
        (path, offset)
    }
}

/// Finds out what a value's words are.
pub(super) struct Places<'u, 'd, 't, 'm> {
    units: &'u Units<'d>,
    types: &'t RuntimeTypes<'m>,
    base: u64,
    steps: u32,
    found: Vec<TypedPlace>,
}

impl<'u, 'd, 't, 'm> Places<'u, 'd, 't, 'm> {
    pub(super) fn new(units: &'u Units<'d>, types: &'t RuntimeTypes<'m>) -> Self {
        let base = types.modules().first().map_or(0, |m| m.types);
        Self { units, types, base, steps: 0, found: Vec::new() }
    }

    /// Adds what is known of a variable of type `typ` (an offset of the section) at `address`.
    pub(super) fn variable(&mut self, typ: u64, address: u64) {
        self.steps = MOST_STEPS;
        self.add(typ, address, MOST_DEEP);
    }

    pub(super) fn finish(self) -> Vec<TypedPlace> {
        self.found
    }

    fn push(&mut self, address: u64, contents: Contents) {
        if address.is_multiple_of(8) {
            self.found.push(TypedPlace { address, contents });
        }
    }

    /// The runtime's type, where the linker kept it and the program at hand has it there.
    pub(super) fn runtime_type(&self, entry: &TypeEntry) -> Option<TypeId> {
        let id = self.types.id(self.base.checked_add(entry.runtime?)?);
        let typ = self.types.get(id)?;
        let same = Some(typ.kind) == entry.kind && self.units.size_of(entry).is_none_or(|s| s == typ.size);
        same.then_some(id)
    }

    fn runtime_type_at(&self, offset: Option<u64>) -> Option<TypeId> {
        self.runtime_type(&self.units.type_behind_names(offset?)?)
    }

    fn add(&mut self, typ: u64, address: u64, deep: u32) -> Option<()> {
        let deep = deep.checked_sub(1)?;
        self.steps = self.steps.checked_sub(1)?;
        let entry = self.units.type_behind_names(typ)?;
        if let Some(typ) = self.runtime_type(&entry) {
            self.push(address, Contents::Values { typ, count: 1 });
            return Some(());
        }
        match entry.kind? {
            Kind::Pointer => {
                let elem = self.runtime_type_at(entry.target)?;
                self.push(address, Contents::Pointer(PointerKind::Ptr(elem)));
            }
            Kind::Slice => {
                let elem = self.runtime_type_at(entry.elem)?;
                self.push(address, Contents::Pointer(PointerKind::Slice(elem)));
            }
            Kind::String => self.push(address, Contents::Pointer(PointerKind::String)),
            Kind::Func => self.push(address, Contents::Pointer(PointerKind::Func(TypeId::NONE))),
            Kind::Interface => {
                let has_methods = self.has_methods(&entry)?;
                let kind = if has_methods { PointerKind::Iface(TypeId::NONE) } else { PointerKind::Eface };
                self.push(address, Contents::Pointer(kind));
            }
            Kind::Array => self.add_array(&entry, address, deep)?,
            Kind::Struct => {
                let mut members = Vec::new();
                let most = self.steps as usize;
                self.units.members(&entry, &mut |m| {
                    members.push((m.offset, m.typ));
                    members.len() < most
                });
                for (offset, typ) in members {
                    self.add(typ, address.checked_add(offset)?, deep);
                }
            }
            // Maps and channels without a descriptor were never made.
            _ => {}
        }
        Some(())
    }

    fn add_array(&mut self, entry: &TypeEntry, address: u64, deep: u32) -> Option<()> {
        let elem = self.units.type_behind_names(entry.target?)?;
        let (count, size) = (self.units.array_len(entry)?, self.units.size_of(&elem).filter(|&s| s > 0)?);
        if let Some(typ) = self.runtime_type(&elem) {
            self.push(address, Contents::Values { typ, count });
            return Some(());
        }
        for i in 0..count.min(MOST_ELEMENTS) {
            self.add(elem.offset, address.checked_add(i.checked_mul(size)?)?, deep)?;
        }
        Some(())
    }

    /// An interface is laid out as one of two structs of the runtime.
    fn has_methods(&self, entry: &TypeEntry) -> Option<bool> {
        let mut target = entry.target?;
        for _ in 0..MOST_NAMES {
            let (unit, mut entries) = self.units.entries_at(target)?;
            let mut entry = DebuggingInformationEntry::null();
            if !entries.read_entry(&mut entry).ok()? {
                return None;
            }
            match self.units.text(&entry.attr_value(gimli::DW_AT_name)?)?.as_ref() {
                "runtime.eface" => return Some(false),
                "runtime.iface" => return Some(true),
                _ => target = reference(unit, &entry.attr_value(gimli::DW_AT_type)?)?,
            }
        }
        None
    }
}
