//! Debug information (DWARF 4 up to Go 1.24, 5 from 1.25), where the linker left it in: the variables of
//! packages, closures and stack frames, with their types tied to the runtime's own.
//!
//! Reads what Go's compiler wrote and no other. Hostile input costs time linear in its size: entries are
//! read once in order, and following types from a variable is bounded.

mod functions;
mod locals;
mod sections;
mod types;
mod units;

pub use sections::DwarfSections;
pub use types::{Contents, TypedPlace};

use crate::RuntimeTypes;
use functions::{Captured, Function};
use gimli::{Abbreviation, EntriesRaw};
use sections::Bytes;
use std::borrow::Cow;
use types::Places;
use units::{Unit, Units, reference};

/// Most global variables, functions, and variables of closures, of each. The largest real programs have
/// some 500,000.
const MOST: usize = 4 << 20;

/// A variable of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Global<'d> {
    /// As in the file, before relocation.
    address: u64,
    name: Cow<'d, str>,
    /// Offset of its type's entry.
    typ: u64,
}

/// What stands in the units, besides types.
#[derive(Debug, Default)]
struct Found<'d> {
    globals: Vec<Global<'d>>,
    functions: Vec<Function>,
    captured: Vec<Captured>,
}

/// The debug information of a Go program. Addresses are those of the program as it runs.
#[derive(Debug)]
pub struct DebugInfo<'d> {
    units: Units<'d>,
    /// By address.
    globals: Vec<Global<'d>>,
    /// By address.
    functions: Vec<Function>,
    /// By function.
    captured: Vec<Captured>,
    bias: u64,
}

impl<'d> DebugInfo<'d> {
    /// Reads what there is of a program that runs `bias` bytes behind the addresses of its file. What is
    /// damaged is left out: see [`DebugInfo::damaged`].
    #[must_use]
    pub fn read(sections: &'d DwarfSections<'_>, bias: u64) -> Self {
        let mut units = Units::read(sections);
        let mut found = Found::default();
        let mut damaged = 0;
        for unit in &units.list {
            if found.unit(&units, unit).is_err() {
                damaged += 1;
            }
        }
        units.damaged += damaged;
        let Found { mut globals, mut functions, mut captured } = found;
        globals.sort_by_key(|g| g.address);
        functions.sort_by_key(|f| f.low);
        captured.sort_by_key(|c| (c.function, c.offset));
        Self { units, globals, functions, captured, bias }
    }

    /// Units that could not be read to their end.
    #[must_use]
    pub const fn damaged(&self) -> u32 {
        self.units.damaged
    }

    /// The part of a global variable at `address`: `main.app.cache`, and bytes from its start.
    #[must_use]
    pub fn variable(&self, address: u64) -> Option<(String, u64)> {
        let address = address.wrapping_sub(self.bias);
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

    /// Names and addresses of the global variables, by address.
    pub fn globals(&self) -> impl Iterator<Item = (&str, u64)> {
        self.globals.iter().map(|g| (g.name.as_ref(), g.address.wrapping_add(self.bias)))
    }

    /// What lies in the global variables.
    #[must_use]
    pub fn global_places(&self, types: &RuntimeTypes<'_>) -> Vec<TypedPlace> {
        let mut places = Places::new(&self.units, types);
        for global in &self.globals {
            places.variable(global.typ, global.address.wrapping_add(self.bias));
        }
        places.finish()
    }
}

impl<'d> Found<'d> {
    /// Adds what a unit has, in one pass over its entries.
    fn unit(&mut self, units: &Units<'d>, unit: &Unit<'d>) -> gimli::Result<()> {
        let Some(mut entries) = unit.entries(None) else { return Ok(()) };
        // The function whose entry was last seen.
        let mut function = 0;
        while !entries.is_empty() {
            let depth = entries.next_depth();
            let offset = unit.start + entries.next_offset().0 as u64;
            let Some(abbreviation) = entries.read_abbreviation()? else { continue };
            match (depth, abbreviation.tag()) {
                (1, gimli::DW_TAG_variable) => {
                    let global = global(units, unit, &mut entries, abbreviation)?;
                    self.globals.extend(global.filter(|_| self.globals.len() < MOST));
                }
                (1, gimli::DW_TAG_subprogram) => {
                    let found = functions::function(units, unit, offset, &mut entries, abbreviation)?;
                    function = found.as_ref().map_or(0, |f| f.low);
                    self.functions.extend(found.filter(|_| self.functions.len() < MOST));
                }
                (2, gimli::DW_TAG_variable) if functions::is_captured(abbreviation) => {
                    let captured = functions::captured(unit, function, &mut entries, abbreviation)?;
                    self.captured.extend(captured.filter(|_| self.captured.len() < MOST));
                }
                _ => entries.skip_attributes(abbreviation.attributes())?,
            }
        }
        Ok(())
    }
}

fn global<'d>(
    units: &Units<'d>,
    unit: &Unit<'d>,
    entries: &mut EntriesRaw<'_, Bytes<'d>>,
    abbreviation: &Abbreviation,
) -> gimli::Result<Option<Global<'d>>> {
    let (mut name, mut address, mut typ) = (None, None, None);
    for &spec in abbreviation.attributes() {
        let attribute = entries.read_attribute(spec)?;
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
