//! Whether an encoded sample is the one expected next, told without unpacking it. Profiles of one
//! process list the same stacks in nearly the same order, so this is how nearly all samples go.
//! Anything unusual is "no"; whoever asked then decodes the sample.

use super::Merger;
use super::rows::TWO_BYTES;
use crate::columns::{Columns, Label, NONE};
use crate::decode::{as_read, label_fields};
use crate::wire::{Field, Reader};

impl Merger {
    /// Whether the sample is whole and has the key of the row after the last match. Its values are
    /// put into `values`, which has one for each sample type.
    #[inline]
    pub(super) fn follows(&self, mut sample: Reader<'_>, src: &Columns, values: &mut [i64]) -> bool {
        let sum = &self.b.c;
        let row = self.next as usize;
        let mut left = values;
        let (mut ids, mut label): (&[u8], Option<Reader<'_>>) = (&[], None);
        while !sample.is_empty() {
            match sample.field() {
                Ok(Some((1, Field::Bytes(r)))) if ids.is_empty() => ids = r.rest(),
                Ok(Some((2, Field::Bytes(mut packed)))) => {
                    // One object or small ones: each value a byte.
                    if let ([a, b, c, d], [w, x, y, z]) = (packed.rest(), &mut *left)
                        && (a | b | c | d) & 0x80 == 0
                    {
                        (*w, *x, *y, *z) = (i64::from(*a), i64::from(*b), i64::from(*c), i64::from(*d));
                        left = &mut [];
                        continue;
                    }
                    while !packed.is_empty() {
                        let (Ok(v), Some((slot, rest))) = (packed.varint(), left.split_first_mut()) else {
                            return false;
                        };
                        *slot = v as i64;
                        left = rest;
                    }
                }
                Ok(Some((2, Field::Varint(v)))) => match left.split_first_mut() {
                    Some((slot, rest)) => {
                        *slot = v as i64;
                        left = rest;
                    }
                    None => return false,
                },
                Ok(Some((3, Field::Bytes(r)))) if label.is_none() => label = Some(r),
                _ => return false,
            }
        }
        if !left.is_empty() || row >= sum.samples() {
            return false;
        }
        let labels_follow = match (label, sum.labels_of(row)) {
            (None, []) => true,
            (Some(r), [expected]) => self.is_label(r, src, expected),
            _ => false,
        };
        labels_follow && same_stack(ids, &self.by_id, sum.stack_of(row))
    }

    /// Whether the label is `expected` with the sum's strings.
    #[inline(always)]
    fn is_label(&self, r: Reader<'_>, src: &Columns, expected: &Label) -> bool {
        let Ok(fields) = label_fields(r) else {
            return false;
        };
        // Out of range, and what the sum does not have: NONE, which no label of it is.
        let known = |s: u64| u32::try_from(s).ok().filter(|s| (*s as usize) < src.strings.len()).unwrap_or(NONE);
        let (key, text, unit) = (known(fields[1]), known(fields[2]), known(fields[4]));
        let to = |s| self.strings.get(s);
        match as_read(Label { key, text, number: fields[3] as i64, unit }) {
            Some(l) => {
                l.number == expected.number
                    && to(l.key) == expected.key
                    && to(l.text) == expected.text
                    && to(l.unit) == expected.unit
            }
            None => false,
        }
    }
}

/// Whether the packed ids are those of the locations `expected`.
#[inline]
fn same_stack(mut ids: &[u8], by_id: &[u32], mut expected: &[u32]) -> bool {
    let Some(short) = by_id.first_chunk::<TWO_BYTES>() else {
        return false;
    };
    loop {
        // Four ids of two bytes at once, or eight of one.
        while let Some((eight, rest)) = ids.split_first_chunk::<8>() {
            let word = u64::from_le_bytes(*eight);
            let continued = word & 0x8080_8080_8080_8080;
            if continued == 0
                && let Some((rows, more)) = expected.split_first_chunk::<8>()
            {
                let other = rows.iter().zip(eight).fold(0, |o, (row, id)| o | row ^ short[usize::from(*id)]);
                if other != 0 {
                    return false;
                }
                (ids, expected) = (rest, more);
                continue;
            }
            if continued != 0x0080_0080_0080_0080 {
                break;
            }
            let Some((four, more)) = expected.split_first_chunk::<4>() else {
                return false;
            };
            let packed = word & 0x007f_007f_007f_007f | (word & 0x7f00_7f00_7f00_7f00) >> 1;
            let of = |shift: u32| short[(packed >> shift) as usize & (TWO_BYTES - 1)];
            let other = of(0) ^ four[0] | of(16) ^ four[1] | of(32) ^ four[2] | of(48) ^ four[3];
            if other != 0 {
                return false;
            }
            (ids, expected) = (rest, more);
        }
        let row = match ids {
            [] => return expected.is_empty(),
            [a, rest @ ..] if *a < 0x80 => {
                ids = rest;
                short[usize::from(*a)]
            }
            [a, b, rest @ ..] if *b < 0x80 => {
                ids = rest;
                short[usize::from(a & 0x7f) | usize::from(*b) << 7]
            }
            _ => {
                let mut r = Reader::new(ids);
                let Ok(id) = r.varint() else {
                    return false;
                };
                ids = r.rest();
                usize::try_from(id).ok().and_then(|id| by_id.get(id)).copied().unwrap_or(NONE)
            }
        };
        match expected.split_first() {
            Some((first, more)) if *first == row => expected = more,
            _ => return false,
        }
    }
}
