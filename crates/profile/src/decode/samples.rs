//! One sample message into the sample columns. Refuses, with a gap, a sample that is damaged, names
//! an unknown location or has another number of values than there are sample types.

use super::ids::Ids;
use super::sorts;
use super::unpack::unpack;
use crate::columns::{Columns, Label, NONE};
use crate::gaps::Gaps;
use crate::wire::{Damage, Field, Reader};

/// Decodes samples one at a time.
pub(crate) struct Samples<'t, 'g> {
    ids: &'t Ids,
    width: usize,
    strings: usize,
    /// Row numbers of the stack being unpacked: as long as the longest list so far.
    rows: Vec<u32>,
    gaps: &'g mut Gaps,
}

/// Why a sample was left out.
pub(super) struct Bad(usize, &'static str);

impl<'t, 'g> Samples<'t, 'g> {
    pub(super) fn new(ids: &'t Ids, c: &Columns, gaps: &'g mut Gaps) -> Self {
        Self { ids, width: c.sample_types.len(), strings: c.strings.len(), rows: Vec::new(), gaps }
    }

    /// Appends the sample to the columns, or tells why not. Of `c` only the sample columns are used.
    #[inline(always)]
    pub(crate) fn append(&mut self, sample: Reader<'_>, c: &mut Columns) -> bool {
        let mark = (c.stack.len(), c.values.len(), c.labels.len());
        match self.sample(sample, c) {
            Ok(()) => {
                c.end_sample();
                true
            }
            Err(Bad(at, what)) => {
                self.gaps.count(at, what);
                c.stack.truncate(mark.0);
                c.values.truncate(mark.1);
                c.labels.truncate(mark.2);
                false
            }
        }
    }

    #[inline(always)]
    fn sample(&mut self, mut r: Reader<'_>, c: &mut Columns) -> Result<(), Bad> {
        let at = r.offset();
        let damaged = |d: Damage| Bad(d.at, sorts::SAMPLE);
        let first_value = c.values.len();
        while let Some((number, field)) = r.field().map_err(damaged)? {
            match (number, field) {
                (1, Field::Bytes(ids)) => self.stack(ids, c)?,
                (1, Field::Varint(id)) => self.location(id, at, c)?,
                (2, Field::Bytes(mut values)) => {
                    while !values.is_empty() {
                        let v = values.varint().map_err(damaged)?;
                        c.values.push(v as i64);
                    }
                }
                (2, Field::Varint(v)) => c.values.push(v as i64),
                (3, Field::Bytes(label)) => self.label(label, c)?,
                _ => {}
            }
        }
        if c.values.len() - first_value != self.width {
            return Err(Bad(at, sorts::VALUES));
        }
        Ok(())
    }

    /// A packed list of location ids.
    fn stack(&mut self, ids: Reader<'_>, c: &mut Columns) -> Result<(), Bad> {
        let at = ids.offset();
        // At least one byte per id.
        if self.rows.len() < ids.len() {
            self.rows.resize(ids.len(), NONE);
        }
        let n = unpack(ids.rest(), self.ids, &mut self.rows).ok_or(Bad(at, sorts::SAMPLE))?;
        let rows = self.rows.get(..n).unwrap_or_default();
        if rows.contains(&NONE) {
            return Err(Bad(at, sorts::LOCATION));
        }
        c.stack.extend_from_slice(rows);
        Ok(())
    }

    #[inline(always)]
    fn location(&mut self, id: u64, at: usize, c: &mut Columns) -> Result<(), Bad> {
        let i = self.ids.get(id);
        if i == NONE {
            return Err(Bad(at, sorts::LOCATION));
        }
        c.stack.push(i);
        Ok(())
    }

    #[inline(always)]
    fn label(&mut self, r: Reader<'_>, c: &mut Columns) -> Result<(), Bad> {
        let at = r.offset();
        let fields = label_fields(r).map_err(|d| Bad(d.at, sorts::SAMPLE))?;
        let mut sid = |v: u64| match u32::try_from(v) {
            Ok(s) if (s as usize) < self.strings => s,
            _ => {
                self.gaps.count(at, sorts::STRING);
                0
            }
        };
        let label = Label { key: sid(fields[1]), text: sid(fields[2]), number: fields[3] as i64, unit: sid(fields[4]) };
        c.labels.extend(as_read(label));
        Ok(())
    }
}

/// Fields 1 to 4 of a label: key, text, number, unit.
#[inline(always)]
pub(crate) fn label_fields(mut r: Reader<'_>) -> Result<[u64; 5], Damage> {
    let mut fields = [0u64; 5];
    while let Some((n, f)) = r.field()? {
        if let (1..=4, Field::Varint(v)) = (n, f) {
            fields[n as usize] = v;
        }
    }
    Ok(fields)
}

/// As pprof reads it: text wins, and a zero without a unit is no label.
#[inline(always)]
pub(crate) fn as_read(label: Label) -> Option<Label> {
    if label.text != 0 {
        Some(Label { number: 0, unit: 0, ..label })
    } else {
        (label.number != 0 || label.unit != 0).then_some(label)
    }
}
