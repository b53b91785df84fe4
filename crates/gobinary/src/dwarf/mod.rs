//! Debug information (DWARF 4 up to Go 1.24, 5 from 1.25), where the linker left it in: the program's
//! global variables with their names and types, tied to the runtime's own types.
//!
//! Reads what Go's compiler wrote and no other. Hostile input costs time linear in its size: entries are
//! read once in order, and following types from a variable is bounded.

mod sections;
mod types;
mod units;

pub use sections::DwarfSections;
pub use types::{Contents, TypedPlace};

use crate::RuntimeTypes;
use gimli::{Attribute, EntriesRaw};
use sections::Bytes;
use std::borrow::Cow;
use types::Places;
use units::{Unit, Units, reference};

/// Most global variables. The largest real programs have some 500,000.
const MOST_VARIABLES: usize = 4 << 20;

/// A variable of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Global<'d> {
    /// As in the file, before relocation.
    address: u64,
    name: Cow<'d, str>,
    /// Offset of its type's entry.
    typ: u64,
}

/// The debug information of a Go program.
#[derive(Debug)]
pub struct DebugInfo<'d> {
    units: Units<'d>,
    /// By address.
    globals: Vec<Global<'d>>,
}

impl<'d> DebugInfo<'d> {
    /// Reads the units and global variables. What is damaged is left out: see [`DebugInfo::damaged`].
    #[must_use]
    pub fn read(sections: &'d DwarfSections<'_>) -> Self {
        let mut units = Units::read(sections);
        let mut globals = Vec::new();
        let mut damaged = 0;
        for unit in &units.list {
            if unit_globals(&units, unit, &mut globals).is_err() {
                damaged += 1;
            }
        }
        units.damaged += damaged;
        globals.sort_by_key(|g: &Global<'_>| g.address);
        Self { units, globals }
    }

    /// Units that could not be read to their end.
    #[must_use]
    pub const fn damaged(&self) -> u32 {
        self.units.damaged
    }

    /// How many global variables there are.
    #[must_use]
    pub fn globals(&self) -> usize {
        self.globals.len()
    }

    /// The part of a global variable at `address` (as in the file, before relocation): `main.app.cache`,
    /// and bytes from its start.
    #[must_use]
    pub fn variable(&self, address: u64) -> Option<(String, u64)> {
        let i = self.globals.partition_point(|g| g.address <= address).checked_sub(1)?;
        let global = self.globals.get(i)?;
        let offset = address - global.address;
        let size = self.units.size_of(&self.units.type_behind_names(global.typ)?)?;
        if offset >= size.max(1) {
            return None;
        }
        let (path, rest) = self.units.path(global.typ, offset);
        Some((format!("{}{path}", global.name), rest))
    }

    /// What lies in the global variables of the program that runs `bias` bytes behind the addresses of its
    /// file.
    #[must_use]
    pub fn places(&self, types: &RuntimeTypes<'_>, bias: u64) -> Vec<TypedPlace> {
        let mut places = Places::new(&self.units, types);
        for global in &self.globals {
            places.variable(global.typ, global.address.wrapping_add(bias));
        }
        places.finish()
    }
}

/// Adds the variables of a unit that are not inside a function.
fn unit_globals<'d>(units: &Units<'d>, unit: &Unit<'d>, globals: &mut Vec<Global<'d>>) -> gimli::Result<()> {
    let mut entries = unit.header.entries_raw(&unit.abbreviations, None)?;
    while !entries.is_empty() {
        let depth = entries.next_depth();
        let Some(abbreviation) = entries.read_abbreviation()? else { continue };
        if depth != 1 || abbreviation.tag() != gimli::DW_TAG_variable {
            entries.skip_attributes(abbreviation.attributes())?;
            continue;
        }
        if let Some(global) = global(units, unit, &mut entries, abbreviation.attributes())?
            && globals.len() < MOST_VARIABLES
        {
            globals.push(global);
        }
    }
    Ok(())
}

fn global<'d>(
    units: &Units<'d>,
    unit: &Unit<'d>,
    entries: &mut EntriesRaw<'_, Bytes<'d>>,
    specs: &[gimli::AttributeSpecification],
) -> gimli::Result<Option<Global<'d>>> {
    let (mut name, mut address, mut typ) = (None, None, None);
    for &spec in specs {
        let attribute: Attribute<Bytes<'d>> = entries.read_attribute(spec)?;
        let value = attribute.value();
        match attribute.name() {
            gimli::DW_AT_name => name = units.text(&value),
            gimli::DW_AT_location => address = units.fixed_location(unit, &value),
            gimli::DW_AT_type => typ = reference(unit, &value),
            _ => {}
        }
    }
    Ok((|| Some(Global { address: address?, name: name?, typ: typ? }))())
}
