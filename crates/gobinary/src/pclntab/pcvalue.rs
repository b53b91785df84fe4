//! Tables of values by code address: pairs of a value's change and of the bytes of code that it
//! holds for, as varints (`step` and `pcvalue` of `src/runtime/symtab.go`, Go 1.18 to 1.27). It
//! owns the decoding and knows nothing of what the values mean.

/// A run of code with one value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Run {
    /// Offset of the run's first byte from the function's entry.
    pub(super) start: u32,
    /// Offset behind the last byte.
    pub(super) end: u32,
    /// The value.
    pub(super) value: i32,
}

/// Decodes one function's table.
#[derive(Clone, Debug)]
pub(super) struct Runs<'a> {
    data: &'a [u8],
    quantum: u32,
    at: u32,
    value: i32,
    first: bool,
}

impl<'a> Runs<'a> {
    /// The table at `offset` of `pctab`; empty for offset 0, which means no table.
    pub(super) fn new(pctab: &'a [u8], offset: u32, quantum: u8) -> Self {
        let data = match usize::try_from(offset) {
            Ok(o) if o != 0 => pctab.get(o..).unwrap_or_default(),
            _ => &[],
        };
        Self { data, quantum: u32::from(quantum), at: 0, value: -1, first: true }
    }

    /// The value at `offset` from the entry.
    pub(super) fn value_at(self, offset: u32) -> Option<i32> {
        self.run_at(offset).map(|r| r.value)
    }

    /// The run that holds `offset` from the entry.
    pub(super) fn run_at(mut self, offset: u32) -> Option<Run> {
        // Every run takes two bytes of the table, and a run of no code is taken as its end: the loop
        // cannot take longer than the code is.
        self.find(|r| offset < r.end)
    }
}

impl Iterator for Runs<'_> {
    type Item = Run;

    fn next(&mut self) -> Option<Run> {
        let change = varint(&mut self.data)?;
        if change == 0 && !self.first {
            self.data = &[];
            return None;
        }
        self.first = false;
        let zigzag = (change >> 1).cast_signed() ^ -((change & 1).cast_signed());
        self.value = self.value.wrapping_add(zigzag);
        let code = varint(&mut self.data)?.checked_mul(self.quantum)?;
        let start = self.at;
        self.at = self.at.checked_add(code)?;
        if code == 0 {
            self.data = &[];
        }
        Some(Run { start, end: self.at, value: self.value })
    }
}

fn varint(data: &mut &[u8]) -> Option<u32> {
    // Seven in ten are one byte.
    let (&first, mut rest) = data.split_first()?;
    let mut value = u32::from(first & 0x7f);
    let mut byte = first;
    let mut shift = 7;
    while byte & 0x80 != 0 {
        let (&next, tail) = rest.split_first()?;
        if shift > 28 {
            return None;
        }
        value |= u32::from(next & 0x7f) << shift;
        shift += 7;
        byte = next;
        rest = tail;
    }
    *data = rest;
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// `funcpctab` of `src/cmd/internal/obj/pcln.go`.
    fn encode(runs: &[(i32, u32)]) -> Vec<u8> {
        let mut out = vec![0];
        let mut last = -1_i32;
        for &(value, code) in runs {
            let change = value.wrapping_sub(last);
            put(&mut out, (change.cast_unsigned() << 1) ^ (change >> 31).cast_unsigned());
            put(&mut out, code);
            last = value;
        }
        out.push(0);
        out
    }

    fn put(out: &mut Vec<u8>, mut v: u32) {
        while v >= 0x80 {
            out.push(v as u8 | 0x80);
            v >>= 7;
        }
        out.push(v as u8);
    }

    proptest! {
        #[test]
        fn reads_what_the_assembler_writes(
            values in proptest::collection::vec((any::<i32>(), 1_u32..1 << 20), 1..40),
            quantum in prop_oneof![Just(1_u8), Just(4)],
        ) {
            // A value that stays is one run.
            let mut runs = values;
            runs.dedup_by_key(|r| r.0);
            let data = encode(&runs);
            let mut at = 0;
            for &(value, code) in &runs {
                let end = at + code * u32::from(quantum);
                let table = Runs::new(&data, 1, quantum);
                prop_assert_eq!(table.clone().run_at(at), Some(Run { start: at, end, value }));
                prop_assert_eq!(table.value_at(end - 1), Some(value));
                at = end;
            }
            prop_assert_eq!(Runs::new(&data, 1, quantum).value_at(at), None);
            prop_assert_eq!(Runs::new(&data, 0, quantum).value_at(0), None);
        }

        #[test]
        fn any_bytes_end(data in proptest::collection::vec(any::<u8>(), 0..200), offset in any::<u32>()) {
            let count = Runs::new(&data, 1, 4).count();
            prop_assert!(count <= data.len());
            let _ = Runs::new(&data, 1, 1).value_at(offset);
        }
    }
}
