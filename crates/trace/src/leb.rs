//! Unsigned LEB128, the only number of the format.
//!
//! Refuses: more than ten bytes, and a tenth byte above 1, as encoding/binary.Uvarint does.

/// Reads a number; `pos` moves behind it. `None` where the bytes end or the number has more than 64 bits.
///
/// The lengths that nearly all numbers have are told by branches, which the processor foresees; a computed length
/// would have to be waited for before the next number can be read.
#[inline(always)]
pub(crate) fn read(bytes: &[u8], pos: &mut usize) -> Option<u64> {
    let at = *pos;
    let b0 = u64::from(*bytes.get(at)?);
    if b0 < 0x80 {
        *pos = at + 1;
        return Some(b0);
    }
    let b1 = u64::from(*bytes.get(at + 1)?);
    if b1 < 0x80 {
        *pos = at + 2;
        return Some(b0 & 0x7f | b1 << 7);
    }
    let b2 = u64::from(*bytes.get(at + 2)?);
    if b2 < 0x80 {
        *pos = at + 3;
        return Some(b0 & 0x7f | (b1 & 0x7f) << 7 | b2 << 14);
    }
    read_long(bytes, pos)
}

#[inline(never)]
fn read_long(bytes: &[u8], pos: &mut usize) -> Option<u64> {
    let mut value = 0;
    let mut shift = 0;
    for (i, &b) in bytes.get(*pos..)?.iter().take(10).enumerate() {
        if b < 0x80 {
            if i == 9 && b > 1 {
                return None;
            }
            value |= u64::from(b) << shift;
            *pos += i + 1;
            return Some(value);
        }
        value |= u64::from(b & 0x7f) << shift;
        shift += 7;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(mut v: u64) -> Vec<u8> {
        let mut out = Vec::new();
        while v >= 0x80 {
            out.push(v as u8 | 0x80);
            v >>= 7;
        }
        out.push(v as u8);
        out
    }

    proptest! {
        #[test]
        fn reads_what_is_written(v in any::<u64>(), shift in 0u32..64, tail in any::<Vec<u8>>()) {
            let v = v >> shift;
            let mut bytes = write(v);
            let len = bytes.len();
            bytes.extend(tail);
            let mut pos = 0;
            prop_assert_eq!(read(&bytes, &mut pos), Some(v));
            prop_assert_eq!(pos, len);
            for cut in 0..len {
                prop_assert_eq!(read(&bytes[..cut], &mut 0), None);
            }
        }
    }

    #[test]
    fn refuses_more_than_64_bits() {
        assert_eq!(read(&[0xff; 12], &mut 0), None);
        let mut ten = [0xff; 10];
        ten[9] = 1;
        assert_eq!(read(&ten, &mut 0), Some(u64::MAX));
        ten[9] = 2;
        assert_eq!(read(&ten, &mut 0), None);
    }
}
