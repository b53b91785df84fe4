//! Functions by address, and the variables that closures capture (`DW_AT_go_closure_offset`, Go 1.23 and
//! newer).

use super::DebugInfo;
use super::sections::Bytes;
use super::types::{Places, TypedPlace};
use super::units::{Unit, Units, reference};
use crate::RuntimeTypes;
use gimli::{Abbreviation, AttributeValue, DwAt, EntriesRaw};

/// `DW_AT_go_closure_offset`: bytes from the start of the closure to the captured variable.
const GO_CLOSURE_OFFSET: DwAt = DwAt(0x2907);

/// A function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Function {
    /// First address, as in the file.
    pub(super) low: u64,
    /// Address behind its code.
    pub(super) high: u64,
    /// Offset of its entry.
    pub(super) entry: u64,
}

/// A variable of a closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Captured {
    /// First address of the closure's function, as in the file.
    pub(super) function: u64,
    /// Bytes from the start of the closure.
    pub(super) offset: u64,
    /// Offset of its type's entry.
    typ: u64,
}

/// Reads the attributes of a function's entry. `None` for one without code: the abstract one of an
/// inlined function.
pub(super) fn function<'d>(
    units: &Units<'d>,
    unit: &Unit<'d>,
    entry: u64,
    entries: &mut EntriesRaw<'_, Bytes<'d>>,
    abbreviation: &Abbreviation,
) -> gimli::Result<Option<Function>> {
    let (mut low, mut high) = (None, None);
    for &spec in abbreviation.attributes() {
        let attribute = entries.read_attribute(spec)?;
        match attribute.name() {
            gimli::DW_AT_low_pc => low = units.address(unit, &attribute.value()),
            gimli::DW_AT_high_pc => high = Some(attribute.value()),
            _ => {}
        }
    }
    let Some(low) = low else { return Ok(None) };
    let high = match high {
        Some(AttributeValue::Addr(high)) => Some(high),
        Some(len) => len.udata_value().and_then(|n| low.checked_add(n)),
        None => None,
    };
    Ok(high.filter(|&h| h > low).map(|high| Function { low, high, entry }))
}

/// Whether an entry describes a captured variable.
pub(super) fn is_captured(abbreviation: &Abbreviation) -> bool {
    abbreviation.attributes().iter().any(|a| a.name() == GO_CLOSURE_OFFSET)
}

/// Reads the attributes of a captured variable.
pub(super) fn captured(
    unit: &Unit<'_>,
    function: u64,
    entries: &mut EntriesRaw<'_, Bytes<'_>>,
    abbreviation: &Abbreviation,
) -> gimli::Result<Option<Captured>> {
    let (mut offset, mut typ) = (None, None);
    for &spec in abbreviation.attributes() {
        let attribute = entries.read_attribute(spec)?;
        match attribute.name() {
            GO_CLOSURE_OFFSET => offset = attribute.value().udata_value(),
            gimli::DW_AT_type => typ = reference(unit, &attribute.value()),
            _ => {}
        }
    }
    Ok((|| Some(Captured { function, offset: offset?, typ: typ? }))())
}

impl DebugInfo<'_> {
    /// What the closures of the function that starts at `code` hold: the addresses are bytes from the start
    /// of the closure, whose first word is `code`.
    #[must_use]
    pub fn captured(&self, types: &RuntimeTypes<'_>, code: u64) -> Vec<TypedPlace> {
        let code = code.wrapping_sub(self.bias);
        let first = self.captured.partition_point(|c| c.function < code);
        let mut places = Places::new(&self.units, types);
        for captured in self.captured.get(first..).unwrap_or_default() {
            if captured.function != code {
                break;
            }
            places.variable(captured.typ, captured.offset);
        }
        places.finish()
    }

    /// The function whose code holds `address` (as in the file).
    pub(super) fn function_at(&self, address: u64) -> Option<&Function> {
        let i = self.functions.partition_point(|f| f.low <= address).checked_sub(1)?;
        self.functions.get(i).filter(|f| address < f.high)
    }
}
