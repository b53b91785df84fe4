//! profile.proto into [`Columns`]. Two passes over the top-level fields: the first reads the tables
//! (types, strings, mappings, locations, functions, header), the second the samples, whose ids can
//! then be checked and turned into indexes at once, whatever the order of fields.
//!
//! A damaged or inconsistent row costs itself and is told as a gap; only data in which nothing of a
//! profile can be seen is refused (by the caller). Each row kept takes a bounded multiple of the
//! bytes it was read from; rows with the reserved id 0, which could be had for two bytes, are dropped.

mod ids;
mod samples;
mod tables;
mod unpack;

pub(crate) use samples::{Samples, as_read, label_fields};

use crate::columns::Columns;
use crate::gaps::Gaps;
use crate::wire::{Field, Reader};
use ids::Ids;
use tables::Tables;

/// What is told of each sort of inconsistency.
mod sorts {
    pub(super) const STRING: &str = "a string index is outside the string table; read as empty";
    pub(super) const UTF8: &str = "a string is not UTF-8; read as empty";
    pub(super) const ID: &str = "a mapping, location or function has the reserved id 0 or an id already used; left out";
    pub(super) const MAPPING: &str = "a location names an unknown mapping; read as having none";
    pub(super) const FUNCTION: &str = "a line names an unknown function; left out";
    pub(super) const LOCATION: &str = "a sample names an unknown location; the sample was left out";
    pub(super) const VALUES: &str = "a sample has another number of values than there are sample types; left out";
    pub(super) const ROW: &str = "a message is damaged inside; what follows in it was left out";
    pub(super) const SAMPLE: &str = "a sample is damaged inside; left out";
}

/// A message whose tables have been read and whose samples have not.
#[derive(Default)]
pub(crate) struct Message {
    /// Everything but the samples, and the bytes.
    pub(crate) c: Columns,
    location_ids: Ids,
    /// End of what can be walked.
    end: usize,
    sample_count: usize,
    tables: Tables,
}

impl Message {
    /// Reads the tables of `buf`, in the memory of `spare`, whose rows are lost.
    pub(crate) fn read(buf: Vec<u8>, gaps: &mut Gaps, spare: Self) -> Self {
        let Self { mut c, mut tables, .. } = spare;
        c.clear();
        tables.reuse(&mut c);
        let end = tables.read(&buf, gaps);
        let used = buf.get(..end).unwrap_or_default();
        tables.strings_into(used, &mut c, gaps);
        tables.rows_into(&mut c, gaps);
        let location_ids = std::mem::take(&mut tables.location_ids);
        let sample_count = tables.sample_count;
        c.buf = buf;
        Self { c, location_ids, end, sample_count, tables }
    }

    /// The sample messages, in order.
    pub(crate) fn samples(&self) -> impl Iterator<Item = Reader<'_>> {
        let mut r = Reader::new(self.c.buf.get(..self.end).unwrap_or_default());
        std::iter::from_fn(move || {
            while let Ok(Some((number, field))) = r.field() {
                if let (2, Field::Bytes(sample)) = (number, field) {
                    return Some(sample);
                }
            }
            None
        })
    }

    /// Decodes what [`Message::samples`] yields.
    pub(crate) fn decoder<'a>(&'a self, gaps: &'a mut Gaps) -> Samples<'a, 'a> {
        Samples::new(&self.location_ids, &self.c, gaps)
    }

    /// All of it, samples too.
    pub(crate) fn into_columns(mut self, gaps: &mut Gaps) -> Columns {
        let mut c = Columns::empty();
        let (width, count) = (self.c.sample_types.len(), self.sample_count);
        c.stack_start.reserve(count);
        c.label_start.reserve(count);
        // A sample kept took at least one byte per value.
        c.values.reserve(count.saturating_mul(width).min(self.end));
        let mut decoder = self.decoder(gaps);
        for sample in self.samples() {
            decoder.append(sample, &mut c);
        }
        std::mem::swap(&mut self.c.stack_start, &mut c.stack_start);
        std::mem::swap(&mut self.c.stack, &mut c.stack);
        std::mem::swap(&mut self.c.values, &mut c.values);
        std::mem::swap(&mut self.c.label_start, &mut c.label_start);
        std::mem::swap(&mut self.c.labels, &mut c.labels);
        self.c
    }
}
