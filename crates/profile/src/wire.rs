//! The protobuf wire format, by hand: varints, tags, and lengths over a borrowed slice.
//!
//! A generated decoder would allocate a message per sample and a `String` per name, and stops at
//! the first damaged byte. Profiles are the hot path (a hundred of them are merged in one go) and
//! hostile input at once, so fields are walked in place: nothing is copied, every failure has an
//! offset, and a damaged message costs only itself because its length was read before its content.

/// A damaged field: the offset in the whole buffer and what was expected there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) at: usize,
    pub(crate) what: &'static str,
}

/// Reads fields from the front of `rest`.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// Offset of the end of `rest` in the whole buffer.
    end: usize,
}

/// A field's payload.
#[derive(Clone, Copy)]
pub(crate) enum Field<'a> {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 2.
    Bytes(Reader<'a>),
    /// Wire types 1 and 5, which profile.proto does not use.
    Fixed,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(buf: &'a [u8]) -> Self {
        Self { rest: buf, end: buf.len() }
    }

    pub(crate) fn offset(&self) -> usize {
        self.end.saturating_sub(self.rest.len())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.rest.len()
    }

    /// The bytes not read yet.
    #[inline(always)]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[inline(always)]
    pub(crate) fn varint(&mut self) -> Result<u64, Damage> {
        match self.rest {
            [a, rest @ ..] if *a < 0x80 => {
                self.rest = rest;
                Ok(u64::from(*a))
            }
            [a, b, rest @ ..] if *b < 0x80 => {
                self.rest = rest;
                Ok(u64::from(a & 0x7f) | u64::from(*b) << 7)
            }
            [a, b, c, rest @ ..] if *c < 0x80 => {
                self.rest = rest;
                Ok(u64::from(a & 0x7f) | u64::from(b & 0x7f) << 7 | u64::from(*c) << 14)
            }
            _ => self.varint_slow(),
        }
    }

    #[inline(never)]
    fn varint_slow(&mut self) -> Result<u64, Damage> {
        let mut value = 0u64;
        for (i, b) in self.rest.iter().take(10).enumerate() {
            // The tenth byte may hold one bit only; protobuf readers drop the others.
            value |= u64::from(b & 0x7f) << (7 * i as u32);
            if *b < 0x80 {
                self.rest = self.rest.get(i + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        let cut = self.rest.len() < 10;
        Err(Damage {
            at: self.offset(),
            what: if cut { "the data ends inside a varint" } else { "a varint of more than 10 bytes" },
        })
    }

    /// The next field, or `None` at the end.
    #[inline(always)]
    pub(crate) fn field(&mut self) -> Result<Option<(u32, Field<'a>)>, Damage> {
        if self.is_empty() {
            return Ok(None);
        }
        let at = self.offset();
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).unwrap_or(0);
        if number == 0 || number > 0x1fff_ffff {
            return Err(Damage { at, what: "a field number out of range" });
        }
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => self.fixed(8, at)?,
            2 => {
                let len = self.varint()?;
                let split = usize::try_from(len).ok().and_then(|l| self.rest.split_at_checked(l));
                let Some((payload, rest)) = split else {
                    return Err(Damage { at, what: "a field is longer than the data around it" });
                };
                self.rest = rest;
                Field::Bytes(Reader { rest: payload, end: self.offset() })
            }
            5 => self.fixed(4, at)?,
            _ => {
                return Err(Damage { at, what: "an unknown wire type (expected 0, 1, 2 or 5)" });
            }
        };
        Ok(Some((number, field)))
    }

    fn fixed(&mut self, n: usize, at: usize) -> Result<Field<'a>, Damage> {
        let Some((_, rest)) = self.rest.split_at_checked(n) else {
            return Err(Damage { at, what: "the data ends inside a fixed-width field" });
        };
        self.rest = rest;
        Ok(Field::Fixed)
    }
}

/// Appends a varint.
pub fn put_varint(out: &mut Vec<u8>, mut v: u64) {
    while v >= 0x80 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
}

/// Appends a varint field unless it is 0, the default.
pub fn put_uint(out: &mut Vec<u8>, number: u32, v: u64) {
    if v != 0 {
        put_present(out, number, v);
    }
}

/// Appends a varint field, 0 too.
pub fn put_present(out: &mut Vec<u8>, number: u32, v: u64) {
    put_varint(out, u64::from(number) << 3);
    put_varint(out, v);
}

/// Appends a field of eight bytes.
pub fn put_fixed64(out: &mut Vec<u8>, number: u32, v: u64) {
    put_varint(out, u64::from(number) << 3 | 1);
    out.extend_from_slice(&v.to_le_bytes());
}

/// Appends a length-delimited field.
pub fn put_bytes(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    put_varint(out, u64::from(number) << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_round_trip(v: u64, pad in 0usize..3) {
            let mut out = vec![];
            put_varint(&mut out, v);
            out.resize(out.len() + pad, 0);
            let mut r = Reader::new(&out);
            prop_assert_eq!(r.varint(), Ok(v));
            prop_assert_eq!(r.len(), pad);
        }

        #[test]
        fn any_bytes_end(bytes: Vec<u8>) {
            let mut r = Reader::new(&bytes);
            let mut last = 0;
            while let Ok(Some(_)) = r.field() {
                prop_assert!(r.offset() > last);
                last = r.offset();
            }
        }
    }
}
