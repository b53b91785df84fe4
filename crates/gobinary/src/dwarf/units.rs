//! The compilation units that Go's compiler wrote, and reading single entries by their offset. Units of
//! other languages (cgo) are left out at their first entry.

use super::sections::{Bytes, DwarfSections};
use gimli::{
    Abbreviations, AttributeValue, DebugAbbrev, DebugAddr, DebugAddrBase, DebugInfo, DebugLoc, DebugLocLists, DebugStr,
    DebuggingInformationEntry, Encoding, EndianSlice, EntriesRaw, LittleEndian, LocListIter, LocationLists,
    LocationListsOffset, Reader, UnitHeader, UnitOffset,
};
use rustc_hash::FxHashMap;
use std::borrow::Cow;
use std::sync::Arc;

/// Most tables of abbreviations: Go's linker writes one for all of its units, C compilers one each.
const MOST_TABLES: usize = 4096;
/// Longest table; those of C++ compilers have some 10 KiB.
const MOST_TABLE: usize = 64 << 10;
/// Most units. Go has one for each package.
const MOST_UNITS: usize = 1 << 18;

/// A compilation unit of Go.
#[derive(Debug)]
pub(super) struct Unit<'d> {
    /// Offset in the section.
    pub(super) start: u64,
    /// Its bytes, header included.
    bytes: &'d [u8],
    /// Bytes of the header: where its first entry is.
    root: usize,
    encoding: Encoding,
    pub(super) abbreviations: Arc<Abbreviations>,
    /// Where its addresses start in `.debug_addr`.
    pub(super) addr_base: u64,
    /// What offsets of location lists count from.
    pub(super) low_pc: u64,
}

impl<'d> Unit<'d> {
    /// Entries from an offset of the unit on; from the first one for `None`.
    pub(super) fn entries(&self, from: Option<usize>) -> Option<EntriesRaw<'_, Bytes<'d>>> {
        let from = from.unwrap_or(self.root);
        let bytes = self.bytes.get(from..).filter(|_| from >= self.root)?;
        let bytes = EndianSlice::new(bytes, LittleEndian);
        Some(EntriesRaw::new(bytes, self.encoding, &self.abbreviations, UnitOffset(from)))
    }
}

/// The units of a program.
#[derive(Debug)]
pub(super) struct Units<'d> {
    /// By offset.
    pub(super) list: Vec<Unit<'d>>,
    /// Units that could not be read.
    pub(super) damaged: u32,
    addr: &'d [u8],
    str: DebugStr<Bytes<'d>>,
    lists: LocationLists<Bytes<'d>>,
}

impl<'d> Units<'d> {
    pub(super) fn read(sections: &'d DwarfSections<'_>) -> Self {
        let mut units = Self {
            list: Vec::new(),
            damaged: 0,
            addr: &sections.addr,
            str: DebugStr::new(&sections.str, LittleEndian),
            lists: LocationLists::new(
                DebugLoc::new(&sections.loc, LittleEndian),
                DebugLocLists::new(&sections.loclists, LittleEndian),
            ),
        };
        let info = DebugInfo::new(&sections.info, LittleEndian);
        let mut tables: FxHashMap<usize, Option<Arc<Abbreviations>>> = FxHashMap::default();
        let mut headers = info.units();
        for _ in 0..MOST_UNITS {
            let header = match headers.next() {
                Ok(Some(header)) => header,
                Ok(None) => return units,
                Err(_) => {
                    // Where the next unit starts is not known then.
                    units.damaged += 1;
                    return units;
                }
            };
            let at = header.debug_abbrev_offset().0;
            let full = tables.len() >= MOST_TABLES;
            let table = match tables.get(&at) {
                Some(table) => table.clone(),
                None if full => None,
                None => tables.entry(at).or_insert(table(&sections.abbrev, at)).clone(),
            };
            match table.and_then(|t| units.unit(&sections.info, header, t)) {
                Some(Some(unit)) => units.list.push(unit),
                Some(None) => {}
                None => units.damaged += 1,
            }
        }
        units
    }

    /// `Some(None)` when another language's compiler wrote it.
    fn unit(
        &self,
        info: &'d [u8],
        header: UnitHeader<Bytes<'d>>,
        abbreviations: Arc<Abbreviations>,
    ) -> Option<Option<Unit<'d>>> {
        let start = header.debug_info_offset()?.0;
        let bytes = info.get(start..start.checked_add(header.length_including_self())?)?;
        let mut root = DebuggingInformationEntry::null();
        if !header.entries_raw(&abbreviations, None).ok()?.read_entry(&mut root).ok()? {
            return None;
        }
        let AttributeValue::Language(language) = root.attr_value(gimli::DW_AT_language)? else { return Some(None) };
        if language != gimli::DW_LANG_Go || header.address_size() != 8 {
            return Some(None);
        }
        let addr_base = match root.attr_value(gimli::DW_AT_addr_base) {
            Some(AttributeValue::DebugAddrBase(base)) => base.0 as u64,
            _ => 0,
        };
        let (first, encoding) = (header.root_offset().0, header.encoding());
        let mut unit = Unit { start: start as u64, bytes, root: first, encoding, abbreviations, addr_base, low_pc: 0 };
        unit.low_pc = root.attr_value(gimli::DW_AT_low_pc).and_then(|v| self.address(&unit, &v)).unwrap_or(0);
        Some(Some(unit))
    }

    /// The unit that holds an offset of the section.
    pub(super) fn holding(&self, offset: u64) -> Option<&Unit<'d>> {
        let i = self.list.partition_point(|u| u.start <= offset).checked_sub(1)?;
        self.list.get(i)
    }

    /// Entries from an offset of the section on.
    pub(super) fn entries_at(&self, offset: u64) -> Option<(&Unit<'d>, EntriesRaw<'_, Bytes<'d>>)> {
        let unit = self.holding(offset)?;
        let inside = usize::try_from(offset.checked_sub(unit.start)?).ok()?;
        Some((unit, unit.entries(Some(inside))?))
    }

    /// The address that an attribute gives, directly or by its index.
    pub(super) fn address(&self, unit: &Unit<'d>, value: &AttributeValue<Bytes<'d>>) -> Option<u64> {
        match value {
            AttributeValue::Addr(address) => Some(*address),
            AttributeValue::DebugAddrIndex(index) => self.indexed_address(unit, index.0 as u64),
            _ => None,
        }
    }

    fn indexed_address(&self, unit: &Unit<'d>, index: u64) -> Option<u64> {
        let at = usize::try_from(unit.addr_base.checked_add(index.checked_mul(8)?)?).ok()?;
        Some(u64::from_le_bytes(self.addr.get(at..at.checked_add(8)?)?.try_into().ok()?))
    }

    /// The address of a variable whose location is nothing but that.
    pub(super) fn fixed_location(&self, unit: &Unit<'d>, value: &AttributeValue<Bytes<'d>>) -> Option<u64> {
        let AttributeValue::Exprloc(expression) = value else { return None };
        let mut bytes = expression.0;
        match gimli::DwOp(bytes.read_u8().ok()?) {
            gimli::DW_OP_addr => bytes.read_u64().ok(),
            gimli::DW_OP_addrx => self.indexed_address(unit, bytes.read_uleb128().ok()?),
            _ => None,
        }
    }

    /// A list of locations.
    pub(super) fn locations(
        &self,
        unit: &Unit<'d>,
        offset: LocationListsOffset<usize>,
    ) -> Option<LocListIter<Bytes<'d>>> {
        let addr = DebugAddr::from(EndianSlice::new(self.addr, LittleEndian));
        let base = DebugAddrBase(usize::try_from(unit.addr_base).ok()?);
        self.lists.locations(offset, unit.encoding, unit.low_pc, &addr, base).ok()
    }

    /// The text of an attribute.
    pub(super) fn text(&self, value: &AttributeValue<Bytes<'d>>) -> Option<Cow<'d, str>> {
        let bytes = match value {
            AttributeValue::String(text) => *text,
            AttributeValue::DebugStrRef(offset) => self.str.get_str(*offset).ok()?,
            _ => return None,
        };
        Some(String::from_utf8_lossy(bytes.slice()))
    }
}

/// Offset in the section of the entry that an attribute refers to.
pub(super) fn reference(unit: &Unit<'_>, value: &AttributeValue<Bytes<'_>>) -> Option<u64> {
    match value {
        AttributeValue::UnitRef(UnitOffset(offset)) => unit.start.checked_add(*offset as u64),
        AttributeValue::DebugInfoRef(offset) => Some(offset.0 as u64),
        _ => None,
    }
}

fn table(section: &[u8], at: usize) -> Option<Arc<Abbreviations>> {
    let bytes = section.get(at..)?;
    let bytes = bytes.get(..MOST_TABLE).unwrap_or(bytes);
    let table = DebugAbbrev::new(bytes, LittleEndian).abbreviations(gimli::DebugAbbrevOffset(0)).ok()?;
    Some(Arc::new(table))
}
