//! Structs and constants out of a Go program's debug information.

use crate::Result;
use gimli::{AttributeValue, DebuggingInformationEntry, EndianSlice, LittleEndian, Unit, UnitOffset};
use object::{Object, ObjectSection};
use std::collections::BTreeMap;

type Bytes<'a> = EndianSlice<'a, LittleEndian>;

/// Depth of type names behind each other (a type named after a type named after ...).
const MOST_DEEP: u32 = 32;

/// A struct of the program.
#[derive(Debug, Default)]
pub(super) struct Struct {
    pub(super) size: u64,
    /// Offset and size of each field.
    pub(super) fields: BTreeMap<String, (u64, u64)>,
}

/// What the debug information of a program says.
#[derive(Debug, Default)]
pub(super) struct Debug {
    pub(super) structs: BTreeMap<String, Struct>,
    pub(super) constants: BTreeMap<String, i64>,
}

pub(super) fn read(file: &[u8]) -> Result<Debug> {
    let object = object::File::parse(file)?;
    let load = |id: gimli::SectionId| -> Result<Bytes<'_>> {
        let data = object.section_by_name(id.name()).map(|s| s.data()).transpose()?;
        Ok(EndianSlice::new(data.unwrap_or(&[]), LittleEndian))
    };
    let dwarf = gimli::Dwarf::load(load)?;
    let mut debug = Debug::default();
    let mut units = dwarf.units();
    while let Some(header) = units.next()? {
        let unit = dwarf.unit(header)?;
        read_unit(&dwarf, &unit, &mut debug)?;
    }
    Ok(debug)
}

fn read_unit(dwarf: &gimli::Dwarf<Bytes<'_>>, unit: &Unit<Bytes<'_>>, debug: &mut Debug) -> Result<()> {
    let mut tree = unit.entries_tree(None)?;
    let mut children = tree.root()?.children();
    while let Some(node) = children.next()? {
        let entry = node.entry();
        let name = name(dwarf, unit, entry)?;
        match (entry.tag(), name) {
            (gimli::DW_TAG_structure_type, Some(name)) => {
                let mut found =
                    Struct { size: number(entry, gimli::DW_AT_byte_size).unwrap_or(0), ..Struct::default() };
                let mut members = node.children();
                while let Some(member) = members.next()? {
                    read_member(dwarf, unit, member.entry(), &mut found)?;
                }
                debug.structs.insert(name, found);
            }
            (gimli::DW_TAG_constant, Some(name)) => {
                if let Some(value) = entry.attr_value(gimli::DW_AT_const_value).and_then(|v| v.sdata_value()) {
                    debug.constants.insert(name, value);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn read_member(
    dwarf: &gimli::Dwarf<Bytes<'_>>,
    unit: &Unit<Bytes<'_>>,
    member: &DebuggingInformationEntry<Bytes<'_>>,
    found: &mut Struct,
) -> Result<()> {
    if member.tag() != gimli::DW_TAG_member {
        return Ok(());
    }
    let (Some(name), Some(offset)) = (name(dwarf, unit, member)?, number(member, gimli::DW_AT_data_member_location))
    else {
        return Ok(());
    };
    let size = match member.attr_value(gimli::DW_AT_type) {
        Some(typ) => size_of(dwarf, unit, typ, MOST_DEEP)?,
        None => None,
    };
    // A field of the same name may be embedded deeper; the first one is the struct's own.
    found.fields.entry(name).or_insert((offset, size.unwrap_or(0)));
    Ok(())
}

fn name(
    dwarf: &gimli::Dwarf<Bytes<'_>>,
    unit: &Unit<Bytes<'_>>,
    entry: &DebuggingInformationEntry<Bytes<'_>>,
) -> Result<Option<String>> {
    let Some(value) = entry.attr_value(gimli::DW_AT_name) else { return Ok(None) };
    Ok(Some(dwarf.attr_string(unit, value)?.to_string_lossy().into_owned()))
}

fn number(entry: &DebuggingInformationEntry<Bytes<'_>>, at: gimli::DwAt) -> Option<u64> {
    entry.attr_value(at)?.udata_value()
}

/// Bytes of a type: its own, those of what it is a name for, or of all elements.
fn size_of(
    dwarf: &gimli::Dwarf<Bytes<'_>>,
    unit: &Unit<Bytes<'_>>,
    typ: AttributeValue<Bytes<'_>>,
    deep: u32,
) -> Result<Option<u64>> {
    let Some(deep) = deep.checked_sub(1) else { return Ok(None) };
    match typ {
        AttributeValue::UnitRef(offset) => size_at(dwarf, unit, offset, deep),
        AttributeValue::DebugInfoRef(offset) => {
            let mut units = dwarf.units();
            while let Some(header) = units.next()? {
                if let Some(inside) = header.debug_info_offset().and_then(|_| offset.to_unit_offset(&header)) {
                    return size_at(dwarf, &dwarf.unit(header)?, inside, deep);
                }
            }
            Ok(None)
        }
        _ => Ok(None),
    }
}

fn size_at(
    dwarf: &gimli::Dwarf<Bytes<'_>>,
    unit: &Unit<Bytes<'_>>,
    offset: UnitOffset,
    deep: u32,
) -> Result<Option<u64>> {
    let entry = unit.entry(offset)?;
    if let Some(size) = number(&entry, gimli::DW_AT_byte_size) {
        return Ok(Some(size));
    }
    match entry.tag() {
        gimli::DW_TAG_pointer_type | gimli::DW_TAG_subroutine_type => Ok(Some(8)),
        gimli::DW_TAG_typedef => match entry.attr_value(gimli::DW_AT_type) {
            Some(typ) => size_of(dwarf, unit, typ, deep),
            None => Ok(None),
        },
        _ => Ok(None),
    }
}
