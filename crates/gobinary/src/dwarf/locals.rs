//! Variables of stack frames: where the compiler says that each lies at a program counter. Only those in
//! memory count; the frames outwards of a call keep nothing in registers.

use super::DebugInfo;
use super::sections::Bytes;
use super::types::{Contents, Places, TypedPlace};
use super::units::{Unit, reference};
use crate::RuntimeTypes;
use crate::types::PointerKind;
use gimli::{AttributeValue, DebuggingInformationEntry, DwOp, Reader};

/// Most entries of one function that are looked at.
const MOST_ENTRIES: u32 = 1 << 16;
/// Most parts of one variable.
const MOST_PARTS: usize = 64;
/// Inlined calls inside inlined calls.
const MOST_ORIGINS: u32 = 8;
/// Most entries of a location list.
const MOST_LOCATIONS: u32 = 1 << 12;

/// Bytes of a variable that lie in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    /// Bytes from the start of the variable.
    offset: u64,
    /// How many; all of the rest when `None`.
    len: Option<u64>,
    /// Where, relative to the stack pointer of the caller.
    at: i64,
}

impl<'d> DebugInfo<'d> {
    /// What lies in the variables of the frame of a function that stands at `pc`: an address inside the
    /// instruction (for callers, the call). `caller_sp` is the stack pointer of the frame's caller
    /// ([`crate::StackFrame::fp`]).
    #[must_use]
    pub fn locals(&self, types: &RuntimeTypes<'_>, pc: u64, caller_sp: u64) -> Vec<TypedPlace> {
        let mut places = Vec::new();
        self.add_locals(types, pc.wrapping_sub(self.bias), caller_sp, &mut places);
        places
    }

    fn add_locals(&self, types: &RuntimeTypes<'_>, pc: u64, sp: u64, out: &mut Vec<TypedPlace>) -> Option<()> {
        let function = self.function_at(pc)?;
        let (unit, mut entries) = self.units.entries_at(function.entry)?;
        let mut entry = DebuggingInformationEntry::null();
        if !entries.read_entry(&mut entry).ok()? {
            return None;
        }
        for _ in 0..MOST_ENTRIES {
            if entries.next_depth() < 1 {
                break;
            }
            if !entries.read_entry(&mut entry).ok()? {
                continue;
            }
            if matches!(entry.tag(), gimli::DW_TAG_variable | gimli::DW_TAG_formal_parameter)
                && let Some(location) = entry.attr_value(gimli::DW_AT_location)
                && let Some(typ) = self.type_of(unit, &entry)
            {
                let parts = self.parts(unit, location, pc).unwrap_or_default();
                self.add_parts(types, typ, &parts, sp, out);
            }
        }
        Some(())
    }

    /// The type of a variable; inlined ones name another entry that has it.
    fn type_of(&self, unit: &Unit<'d>, entry: &DebuggingInformationEntry<Bytes<'d>>) -> Option<u64> {
        if let Some(typ) = entry.attr_value(gimli::DW_AT_type) {
            return reference(unit, &typ);
        }
        let mut origin = reference(unit, &entry.attr_value(gimli::DW_AT_abstract_origin)?)?;
        for _ in 0..MOST_ORIGINS {
            let (unit, mut entries) = self.units.entries_at(origin)?;
            let mut entry = DebuggingInformationEntry::null();
            if !entries.read_entry(&mut entry).ok()? {
                return None;
            }
            if let Some(typ) = entry.attr_value(gimli::DW_AT_type) {
                return reference(unit, &typ);
            }
            origin = reference(unit, &entry.attr_value(gimli::DW_AT_abstract_origin)?)?;
        }
        None
    }

    /// The parts of a variable that lie on the stack while the function stands at `pc`.
    fn parts(&self, unit: &Unit<'d>, location: AttributeValue<Bytes<'d>>, pc: u64) -> Option<Vec<Part>> {
        let offset = match location {
            AttributeValue::Exprloc(expression) => return evaluate(expression.0),
            AttributeValue::LocationListsRef(offset) => offset,
            AttributeValue::SecOffset(offset) => gimli::LocationListsOffset(offset),
            _ => return None,
        };
        let mut list = self.units.locations(unit, offset)?;
        for _ in 0..MOST_LOCATIONS {
            let location = list.next().ok()??;
            if location.range.begin <= pc && pc < location.range.end {
                return evaluate(location.data.0);
            }
        }
        None
    }

    fn add_parts(&self, types: &RuntimeTypes<'_>, typ: u64, parts: &[Part], sp: u64, out: &mut Vec<TypedPlace>) {
        let Some(first) = parts.first() else { return };
        let in_one_piece = first.offset == 0
            && parts.windows(2).all(|w| match w {
                [a, b] => a.len.is_some_and(|n| a.offset + n == b.offset && a.at.checked_add_unsigned(n) == Some(b.at)),
                _ => true,
            });
        let mut places = Places::new(&self.units, types);
        if in_one_piece && self.covers(typ, parts) {
            places.variable(typ, sp.wrapping_add_signed(first.at));
            out.extend(places.finish());
            return;
        }
        // Pointers whose words lie apart from the rest.
        places.variable(typ, 0);
        for (word, kind) in places.finish().into_iter().flat_map(|p| p.pointers(types)) {
            let needed = if matches!(kind, PointerKind::Iface(_) | PointerKind::Eface) { 16 } else { 8 };
            let part = parts.iter().find(|p| {
                p.offset <= word && p.len.is_none_or(|n| word.saturating_add(needed) <= p.offset.saturating_add(n))
            });
            if let Some(part) = part {
                let address = sp.wrapping_add_signed(part.at).wrapping_add(word - part.offset);
                out.push(TypedPlace { address, contents: Contents::Pointer(kind) });
            }
        }
    }

    /// Whether the parts hold all of a value.
    fn covers(&self, typ: u64, parts: &[Part]) -> bool {
        let size = self.units.type_behind_names(typ).and_then(|e| self.units.size_of(&e));
        let end = parts.last().and_then(|p| p.len.map(|n| p.offset.saturating_add(n)));
        match (size, end) {
            (Some(size), Some(end)) => end >= size,
            (_, end) => end.is_none(),
        }
    }
}

/// Where in a frame an expression of Go's compiler leads: places relative to the frame, in parts. `None`
/// for others.
fn evaluate(mut bytes: Bytes<'_>) -> Option<Vec<Part>> {
    let mut parts = Vec::new();
    let (mut offset, mut at, mut constant) = (0_u64, None, None);
    while !bytes.is_empty() {
        match DwOp(bytes.read_u8().ok()?) {
            gimli::DW_OP_call_frame_cfa => at = Some(0_i64),
            gimli::DW_OP_fbreg => at = Some(bytes.read_sleb128().ok()?),
            gimli::DW_OP_consts => constant = Some(bytes.read_sleb128().ok()?),
            gimli::DW_OP_plus => at = at?.checked_add(constant.take()?),
            gimli::DW_OP_plus_uconst => at = at?.checked_add_unsigned(bytes.read_uleb128().ok()?),
            gimli::DW_OP_regx => {
                bytes.read_uleb128().ok()?;
                at = None;
            }
            op if (gimli::DW_OP_reg0..=gimli::DW_OP_reg31).contains(&op) => at = None,
            gimli::DW_OP_piece => {
                let len = bytes.read_uleb128().ok()?;
                if let Some(at) = at.take() {
                    parts.push(Part { offset, len: Some(len), at });
                }
                offset = offset.checked_add(len)?;
                if parts.len() > MOST_PARTS {
                    return None;
                }
            }
            _ => return None,
        }
    }
    if let Some(at) = at.filter(|_| offset == 0) {
        parts.push(Part { offset: 0, len: None, at });
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use gimli::{EndianSlice, LittleEndian};

    fn parts(bytes: &[u8]) -> Option<Vec<Part>> {
        evaluate(EndianSlice::new(bytes, LittleEndian))
    }

    #[test]
    fn expressions_of_gos_compiler_lead_into_the_frame() {
        let whole = |at| Some(vec![Part { offset: 0, len: None, at }]);
        assert_eq!(parts(&[0x9c]), whole(0));
        assert_eq!(parts(&[0x91, 0x70]), whole(-16));
        assert_eq!(parts(&[0x9c, 0x11, 0x78, 0x22]), whole(-8));
        // A slice: pointer in the frame, length in a register, capacity nowhere.
        let pieces = parts(&[0x91, 0x68, 0x93, 8, 0x53, 0x93, 8, 0x93, 8]);
        assert_eq!(pieces, Some(vec![Part { offset: 0, len: Some(8), at: -24 }]));
        assert_eq!(parts(&[0x53]), Some(vec![]));
        assert_eq!(parts(&[0x91]), None);
        assert_eq!(parts(&[0x22]), None);
    }

    proptest::proptest! {
        #[test]
        fn no_expression_makes_it_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..64)) {
            let _ = parts(&bytes);
        }
    }
}
